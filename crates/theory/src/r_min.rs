//! The smallest radius r for which a model is r-robust at an input without any attack.
//!
//! For: the empirical order statistic with its distribution-free interval, the exact value for a
//! linear(ised) decoder, the band it lies in, and Proposition E.1 as printed, named as such.
//! Not for margins: those need r as an input (see [`crate::margin`]).
//!
//! Proposition E.1 calls r > √(2 Tr Σ) necessary. It is sufficient for the linearized decoder and
//! not necessary (Σ = 1, r = 1 gives P = 0.683); see `docs/theory/r-min.md`.

use ndarray::{Array2, ArrayView2};

use crate::chi_square_mixture;
use crate::error::{Result, check_positive, check_same_len, invalid};
use crate::linalg::{gram_columns, symmetric_eigenvalues};
use crate::special::probit;
use crate::stats::{Estimate, order_statistic_interval, quantile_rank};

/// Order statistic of sampled distances that estimates r_min(m), with a distribution-free
/// interval of confidence 1 − α.
///
/// The value is the m-quantile of the distances; the infimum of the usable radii for the strict
/// condition P(‖Δ‖ ≤ r) > m is the same number whenever ‖Δ‖ has no gap there. The lower limit is
/// 0 and the upper +∞ where the sample is too small to have one.
///
/// # Formula
/// ```text
/// r̂ = d₍⌈mN⌉₎,   interval [d₍ₗ₎, d₍ᵤ₎] with binomial ranks
/// ```
///
/// # Errors
/// When there is no distance, one is negative or NaN, or `m` or `alpha` is not in (0, 1).
///
/// # References
/// Replaces the inner loop of Algorithm E.1.
pub fn empirical(distances: &[f64], m: f64, alpha: f64) -> Result<Estimate> {
    const OP: &str = "r_min::empirical";
    // An infinite distance is a decoder that overflowed: outside every ball, and a valid answer.
    if let Some(bad) = distances.iter().find(|d| d.is_nan() || **d < 0.0) {
        return Err(invalid(OP, "distances", "at least 0", bad));
    }
    let ranks = order_statistic_interval(distances.len(), m, alpha)?;
    let mut sorted = distances.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |rank: usize| match rank {
        0 => 0.0,
        rank => sorted.get(rank - 1).copied().unwrap_or(f64::INFINITY),
    };
    let value = at(quantile_rank(sorted.len(), m));
    Ok(Estimate {
        value,
        lower: at(ranks.lower),
        upper: at(ranks.upper),
        level: 1.0 - alpha,
    })
}

/// Exact r_min(m) of a linear decoder, from the eigenvalues of Σ(x).
///
/// # Formula
/// ```text
/// r_min(m) = √Q_m(Σ λᵢ Uᵢ²);   k equal eigenvalues: √(λ χ²_{k;m})
/// ```
///
/// # Errors
/// When `m` is not in (0, 1), or an eigenvalue is not finite or clearly negative.
///
/// # References
/// Corrects Proposition E.1, (E.9)-(E.16).
pub fn linearized(eigenvalues: &[f64], m: f64) -> Result<f64> {
    Ok(chi_square_mixture::quantile(m, eigenvalues)?.sqrt())
}

/// Non-zero spectrum of Σ(x) = J diag(σ²) Jᵀ from the d_z × d_z matrix diag(σ) JᵀJ diag(σ).
///
/// Σ itself is d_x × d_x with rank at most d_z and is never formed.
///
/// # Shapes
/// `decoder_jacobian` `[d_x, d_z]`, `sigma` `[d_z]` → `[d_z]` ascending.
///
/// # Errors
/// When the shapes differ, a sigma is not finite and positive, or the Jacobian is not finite.
///
/// # References
/// (E.10).
pub fn spectrum<T: Copy + Into<f64>>(
    decoder_jacobian: ArrayView2<'_, T>,
    sigma: &[f64],
) -> Result<Vec<f64>> {
    let gram = latent_gram("r_min::spectrum", decoder_jacobian, sigma)?;
    let mut values = symmetric_eigenvalues(gram.view())?;
    // The matrix is positive semidefinite; a value below zero is rounding of a zero.
    values.iter_mut().for_each(|value| *value = value.max(0.0));
    Ok(values)
}

/// Tr Σ(x) from the column norms of the decoder Jacobian.
///
/// # Formula
/// ```text
/// Tr Σ = Σⱼ σⱼ² ‖J eⱼ‖²
/// ```
///
/// # Shapes
/// `decoder_jacobian` `[d_x, d_z]`, `sigma` `[d_z]`.
///
/// # Errors
/// As for [`spectrum`].
pub fn trace<T: Copy + Into<f64>>(
    decoder_jacobian: ArrayView2<'_, T>,
    sigma: &[f64],
) -> Result<f64> {
    check_sigma("r_min::trace", decoder_jacobian.ncols(), sigma)?;
    let columns = decoder_jacobian
        .columns()
        .into_iter()
        .zip(sigma)
        .map(|(column, s)| {
            let norm: f64 = column.iter().map(|&x| Into::<f64>::into(x).powi(2)).sum();
            s * s * norm
        });
    let total: f64 = columns.sum();
    if total.is_finite() {
        Ok(total)
    } else {
        Err(invalid(
            "r_min::trace",
            "decoder_jacobian",
            "finite everywhere",
            total,
        ))
    }
}

/// Band that holds r_min(½) of every linear decoder with this Tr Σ.
///
/// Below the lower end no linear decoder is r-robust; from the upper end on every one is. The
/// lower end is attained by one non-zero eigenvalue, the upper is approached by many equal ones.
/// The band is supported by quadrature over spectra, not by a proof.
///
/// # Formula
/// ```text
/// Φ⁻¹(¾) √Tr Σ ≤ r_min(½) < √Tr Σ,   Φ⁻¹(¾) = 0.67449
/// ```
#[must_use]
pub fn median_band(trace: f64) -> (f64, f64) {
    (probit(0.75) * trace.sqrt(), trace.sqrt())
}

/// Radius that Markov's inequality proves sufficient for level m, for a linear decoder.
///
/// # Formula
/// ```text
/// √(Tr Σ / (1 − m))
/// ```
#[must_use]
pub fn markov_sufficient(trace: f64, m: f64) -> f64 {
    (trace / (1.0 - m)).sqrt()
}

/// √(2 Tr Σ), which Proposition E.1 prints as necessary; it is Markov's sufficient radius at ½.
///
/// # References
/// Proposition E.1.
#[must_use]
pub fn printed_proposition(trace: f64) -> f64 {
    (2.0 * trace).sqrt()
}

/// diag(σ) JᵀJ diag(σ).
fn latent_gram<T: Copy + Into<f64>>(
    op: &'static str,
    decoder_jacobian: ArrayView2<'_, T>,
    sigma: &[f64],
) -> Result<Array2<f64>> {
    check_sigma(op, decoder_jacobian.ncols(), sigma)?;
    let mut gram = gram_columns(decoder_jacobian);
    gram.indexed_iter_mut()
        .for_each(|((i, j), value)| *value *= sigma[i] * sigma[j]);
    Ok(gram)
}

fn check_sigma(op: &'static str, latent_dim: usize, sigma: &[f64]) -> Result<()> {
    check_same_len(op, "sigma", latent_dim, sigma.len())?;
    sigma
        .iter()
        .try_for_each(|&s| check_positive(op, "sigma", s))
}
