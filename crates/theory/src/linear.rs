//! Linear encoder and decoder with Gaussian noise: probabilities and margins without approximation,
//! in every definition of r-robustness.
//!
//! For: reference cases that bounds, attacks and margin searches are tested against. Here every
//! O(ε) term is zero, so Theorem 6.1 must hold exactly. Not for trained networks.
//!
//! The definitions, and which theorem speaks of which: `docs/theory/definitions.md`.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::chi_square_mixture;
use crate::error::{
    Result, check_non_negative, check_open_unit, check_positive, check_same_len, invalid,
};
use crate::linalg::{gram_columns, symmetric_eigen};
use crate::lipschitz::NoiseVariant;
use crate::margin::kappa;
use crate::r_min;
use crate::root::ridders;
use crate::special::{normal_cdf, probit};

/// Relative length of the final bracket of a margin.
const MARGIN_TOLERANCE: f64 = 1e-12;
/// Doublings after which a ray counts as leaving the ball never.
const MAX_DOUBLINGS: usize = 60;

/// Exact margin of μ(x) = slope · x, g = identity, constant σ, in one dimension.
///
/// # Formula
/// ```text
/// R = the t ≥ 0 with Φ((r−kt)/σ) − Φ((−r−kt)/σ) = m;  0 if already p(0) ≤ m;  +∞ if k = 0
/// ```
///
/// # Errors
/// When `sigma` or `r` is not positive, `slope` is not finite, or `m` is not in (0, 1).
pub fn margin_1d(slope: f64, sigma: f64, r: f64, m: f64) -> Result<f64> {
    const OP: &str = "margin_1d";
    check_positive(OP, "sigma", sigma)?;
    check_positive(OP, "r", r)?;
    check_open_unit(OP, "m", m)?;
    let slope = slope.abs();
    check_non_negative(OP, "slope", slope)?;
    let excess =
        |t: f64| normal_cdf((r - slope * t) / sigma) - normal_cdf((-r - slope * t) / sigma) - m;
    if excess(0.0) <= 0.0 {
        return Ok(0.0);
    }
    if slope == 0.0 {
        return Ok(f64::INFINITY);
    }
    // The half-space that contains the ball has its margin here, an upper bound.
    let end = (r - sigma * probit(m)) / slope;
    // Where r is many σ the two differ by less than rounding.
    if excess(end) >= 0.0 {
        return Ok(end);
    }
    ridders(OP, (0.0, end), MARGIN_TOLERANCE, |t| Ok(excess(t)))
}

/// P(‖W(δ_z + σ∘η)‖ ≤ r) for a linear decoder W and a latent shift δ_z.
///
/// # Shapes
/// `decoder` `[d_out, d_z]`, `sigma` `[d_z]`, `latent_shift` `[d_z]`.
///
/// # Errors
/// When shapes differ, a sigma is not finite and positive, or `r` is negative.
pub fn p_linear(
    decoder: ArrayView2<'_, f64>,
    sigma: &[f64],
    latent_shift: &[f64],
    r: f64,
) -> Result<f64> {
    let identity = Array2::eye(sigma.len());
    LinearModel::new(identity.view(), decoder, sigma)?.probability(latent_shift, r)
}

/// Exact margin when the acceptance set is the half-space {z : normal·(z − μ) ≤ c} of probability
/// p₀, the case in which Lemma A is an equality.
///
/// # Formula
/// ```text
/// R = κ ‖σ∘w‖ / ‖Jᵀw‖
/// ```
///
/// # Shapes
/// `jacobian` `[d_z, d_x]`, `sigma` `[d_z]`, `normal` `[d_z]`.
///
/// # Errors
/// When shapes differ, a sigma is not finite and positive, or `p0` or `m` is not in (0, 1).
pub fn half_space_margin(
    jacobian: ArrayView2<'_, f64>,
    sigma: &[f64],
    normal: &[f64],
    p0: f64,
    m: f64,
) -> Result<f64> {
    const OP: &str = "half_space_margin";
    check_same_len(OP, "sigma", jacobian.nrows(), sigma.len())?;
    check_same_len(OP, "normal", jacobian.nrows(), normal.len())?;
    sigma
        .iter()
        .try_for_each(|&s| check_positive(OP, "sigma", s))?;
    check_open_unit(OP, "p0", p0)?;
    check_open_unit(OP, "m", m)?;
    let spread = sigma
        .iter()
        .zip(normal)
        .map(|(s, w)| (s * w).powi(2))
        .sum::<f64>()
        .sqrt();
    let pull = jacobian.t().dot(&ArrayView1::from(normal));
    let kappa = kappa(p0, m);
    Ok(if kappa == 0.0 {
        0.0
    } else {
        kappa * spread / pull.dot(&pull).sqrt()
    })
}

/// Linear VAE around one input: μ(x+δ) = μ(x) + Jδ, g(z) = Wz, and noise of a fixed σ in the
/// difference of two reconstructions, W(Jδ + σ∘η).
///
/// [`LinearModel::new`] is V1, which at δ = 0 is V0; [`LinearModel::of_variant`] is any definition.
#[derive(Clone, Debug)]
pub struct LinearModel {
    /// Eigenvalues of diag(σ) WᵀW diag(σ).
    spectrum: Vec<f64>,
    /// Vᵀ diag(1/σ) J: takes an input perturbation to shifts of the standard normals.
    to_shift: Array2<f64>,
}

impl LinearModel {
    /// Model with encoder Jacobian J, decoder W and standard deviations σ.
    ///
    /// # Shapes
    /// `jacobian` `[d_z, d_x]`, `decoder` `[d_out, d_z]`, `sigma` `[d_z]`.
    ///
    /// # Errors
    /// When shapes differ, a sigma is not finite and positive, or an entry is not finite.
    pub fn new(
        jacobian: ArrayView2<'_, f64>,
        decoder: ArrayView2<'_, f64>,
        sigma: &[f64],
    ) -> Result<Self> {
        const OP: &str = "LinearModel::new";
        check_same_len(OP, "sigma", jacobian.nrows(), sigma.len())?;
        check_same_len(OP, "decoder columns", jacobian.nrows(), decoder.ncols())?;
        sigma
            .iter()
            .try_for_each(|&s| check_positive(OP, "sigma", s))?;
        if jacobian.iter().any(|x| !x.is_finite()) {
            return Err(invalid(
                OP,
                "jacobian",
                "finite everywhere",
                "a NaN or an infinity",
            ));
        }
        let mut gram = gram_columns(decoder);
        gram.indexed_iter_mut()
            .for_each(|((i, j), value)| *value *= sigma[i] * sigma[j]);
        let eigen = symmetric_eigen(gram.view())?;
        let mut whitened = jacobian.to_owned();
        for (mut row, s) in whitened.rows_mut().into_iter().zip(sigma) {
            row.mapv_inplace(|x| x / s);
        }
        Ok(Self {
            spectrum: eigen.values.iter().map(|value| value.max(0.0)).collect(),
            to_shift: eigen.vectors.t().dot(&whitened),
        })
    }

    /// Model of the random vector that V1, V2 or V3 looks at, σ' = σ(x+δ) being `moved_sigma`.
    ///
    /// V1 ignores σ'. A perturbation that moves σ has its own σ', and so its own model: with V2 and
    /// V3, [`LinearModel::ray_margin`] is the margin of an encoder whose σ' is the same all along.
    ///
    /// # Formula
    /// ```text
    /// V1  g(μ(x+δ) + σ∘η) − g(μ(x))             = W(Jδ + σ∘η)
    /// V2  g(μ(x+δ) + σ'∘η) − g(μ(x))            = W(Jδ + σ'∘η)
    /// V3  g(μ(x+δ) + σ'∘η₁) − g(μ(x) + σ∘η₂)    ~ W(Jδ + √(σ'² + σ²)∘η)
    /// ```
    ///
    /// # Shapes
    /// As for [`LinearModel::new`]; `moved_sigma` `[d_z]`.
    ///
    /// # Errors
    /// As for [`LinearModel::new`], of both standard deviations.
    pub fn of_variant(
        jacobian: ArrayView2<'_, f64>,
        decoder: ArrayView2<'_, f64>,
        sigma: &[f64],
        moved_sigma: &[f64],
        variant: NoiseVariant,
    ) -> Result<Self> {
        const OP: &str = "LinearModel::of_variant";
        check_same_len(OP, "moved_sigma", sigma.len(), moved_sigma.len())?;
        for (&s, &moved) in sigma.iter().zip(moved_sigma) {
            check_positive(OP, "sigma", s)?;
            check_positive(OP, "moved_sigma", moved)?;
        }
        let pairs = sigma.iter().zip(moved_sigma);
        let noise: Vec<f64> = pairs
            .map(|(&s, &moved)| variant.variance(s, moved).sqrt())
            .collect();
        Self::new(jacobian, decoder, &noise)
    }

    /// Eigenvalues of the reconstruction covariance Σ, ascending.
    #[must_use]
    pub fn spectrum(&self) -> &[f64] {
        &self.spectrum
    }

    /// P(‖W(σ∘η)‖ ≤ r), without a perturbation: p₀, which is V0 for a model of V1.
    ///
    /// # Errors
    /// When `r` is negative.
    pub fn p0(&self, r: f64) -> Result<f64> {
        check_non_negative("LinearModel::p0", "r", r)?;
        Ok(chi_square_mixture::cdf(r * r, &self.spectrum, &[])?.value)
    }

    /// The r with p₀ = m: below it the model is not r-robust at level m even without an attack.
    ///
    /// With V3 and σ' = σ it is √2 times that of V1, at every m.
    ///
    /// # Errors
    /// When `m` is not in (0, 1).
    pub fn r_min(&self, m: f64) -> Result<f64> {
        r_min::linearized(&self.spectrum, m)
    }

    /// P(‖W(Jδ + σ∘η)‖ ≤ r).
    ///
    /// # Shapes
    /// `delta` `[d_x]`.
    ///
    /// # Errors
    /// When the shape differs, `delta` is not finite, or `r` is negative.
    pub fn probability(&self, delta: &[f64], r: f64) -> Result<f64> {
        const OP: &str = "LinearModel::probability";
        check_same_len(OP, "delta", self.to_shift.ncols(), delta.len())?;
        check_non_negative(OP, "r", r)?;
        let shift = self.to_shift.dot(&Array1::from(delta.to_vec())).to_vec();
        Ok(chi_square_mixture::cdf(r * r, &self.spectrum, &shift)?.value)
    }

    /// Distance along a ray at which the probability falls to m; +∞ if it never does.
    ///
    /// By Anderson's inequality the probability does not increase along a ray, so there is one
    /// crossing. The margin is the smallest of these over all directions.
    ///
    /// # Shapes
    /// `direction` `[d_x]`, of any non-zero length; the result is in units of its length.
    ///
    /// # Errors
    /// As for [`LinearModel::probability`], and when `m` is not in (0, 1).
    pub fn ray_margin(&self, direction: &[f64], r: f64, m: f64) -> Result<f64> {
        const OP: &str = "LinearModel::ray_margin";
        check_open_unit(OP, "m", m)?;
        let at = |t: f64| {
            let delta: Vec<f64> = direction.iter().map(|v| v * t).collect();
            Ok(self.probability(&delta, r)? - m)
        };
        if at(0.0)? <= 0.0 {
            return Ok(0.0);
        }
        let (mut inside, mut outside) = (0.0, 1.0);
        for _ in 0..MAX_DOUBLINGS {
            if at(outside)? <= 0.0 {
                return ridders(OP, (inside, outside), MARGIN_TOLERANCE, at);
            }
            (inside, outside) = (outside, 2.0 * outside);
        }
        Ok(f64::INFINITY)
    }
}
