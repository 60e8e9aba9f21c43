//! The Neyman-Pearson lemma for shifted Gaussians, and for finite distributions.
//!
//! For: how much of its mass a set can lose when the latent mean moves, which is the whole of the
//! latent step in Theorem 6.1 (Lemma A). Not for Gaussians whose covariances differ: there the
//! worst set is not a half-space.

use crate::error::{
    Result, check_non_negative, check_positive, check_same_len, check_sample, invalid,
};
use crate::special::{normal_cdf, probit};

/// Smallest and largest mass, after a shift, of any set that had mass `p0` before.
///
/// Both are attained by half-spaces.
///
/// # Formula
/// ```text
/// Φ(Φ⁻¹(p₀) − s) ≤ P(z + δ_z ∈ A) ≤ Φ(Φ⁻¹(p₀) + s),   s = ‖diag(σ)⁻¹ δ_z‖
/// ```
///
/// # Errors
/// When `p0` is outside [0, 1] or `distance` is negative or not finite.
///
/// # References
/// Lemma in the proof of Theorem 6.1; Cohen et al. (2019), "Certified adversarial robustness via
/// randomized smoothing".
pub fn shifted_mass(p0: f64, distance: f64) -> Result<(f64, f64)> {
    const OP: &str = "shifted_mass";
    if !(0.0..=1.0).contains(&p0) {
        return Err(invalid(OP, "p0", "in [0, 1]", p0));
    }
    check_non_negative(OP, "distance", distance)?;
    let quantile = probit(p0);
    Ok((
        normal_cdf(quantile - distance),
        normal_cdf(quantile + distance),
    ))
}

/// Length of a latent shift in units of the encoder's standard deviations.
///
/// # Formula
/// ```text
/// s = √Σ (δᵢ/σᵢ)²
/// ```
///
/// # Shapes
/// `sigma` `[d_z]`, `shift` `[d_z]`.
///
/// # Errors
/// When the lengths differ, a sigma is not finite and positive, or a shift is not finite.
pub fn whitened_distance(sigma: &[f64], shift: &[f64]) -> Result<f64> {
    const OP: &str = "whitened_distance";
    check_same_len(OP, "shift", sigma.len(), shift.len())?;
    check_sample(OP, "shift", shift, 0)?;
    sigma
        .iter()
        .try_for_each(|&s| check_positive(OP, "sigma", s))?;
    let squares = sigma.iter().zip(shift).map(|(s, d)| (d / s).powi(2));
    Ok(squares.sum::<f64>().sqrt())
}

/// Half-space {z : normal · (z − μ) ≤ offset}, the set for which the lemma is an equality.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSpace {
    /// Outward normal `[d_z]`.
    pub normal: Vec<f64>,
    /// Signed offset from the mean.
    pub offset: f64,
}

impl HalfSpace {
    /// The set of mass `p0` under N(μ, diag σ²) that loses most when the mean moves by `shift`.
    ///
    /// # Formula
    /// ```text
    /// normalᵢ = δᵢ/σᵢ²,   offset = Φ⁻¹(p₀) ‖δ/σ‖;  for δ = 0 any half-space of mass p₀
    /// ```
    ///
    /// # Errors
    /// As for [`whitened_distance`], and when `p0` is not in [0, 1].
    pub fn worst(p0: f64, sigma: &[f64], shift: &[f64]) -> Result<Self> {
        let distance = whitened_distance(sigma, shift)?;
        if !(0.0..=1.0).contains(&p0) {
            return Err(invalid("HalfSpace::worst", "p0", "in [0, 1]", p0));
        }
        if distance == 0.0 {
            // Nothing moves, so every set of that mass is a worst one.
            let mut normal = vec![0.0; sigma.len()];
            if let (Some(first), Some(s)) = (normal.first_mut(), sigma.first()) {
                *first = s.recip();
            }
            let offset = probit(p0);
            return Ok(Self { normal, offset });
        }
        let normal = shift.iter().zip(sigma).map(|(d, s)| d / (s * s)).collect();
        Ok(Self {
            normal,
            offset: probit(p0) * distance,
        })
    }

    /// Mass under N(μ + shift, diag σ²).
    ///
    /// # Errors
    /// As for [`whitened_distance`].
    pub fn mass(&self, sigma: &[f64], shift: &[f64]) -> Result<f64> {
        const OP: &str = "HalfSpace::mass";
        check_same_len(OP, "sigma", self.normal.len(), sigma.len())?;
        whitened_distance(sigma, shift)?;
        let spread: f64 = self
            .normal
            .iter()
            .zip(sigma)
            .map(|(w, s)| (w * s).powi(2))
            .sum();
        let moved: f64 = self.normal.iter().zip(shift).map(|(w, d)| w * d).sum();
        Ok(normal_cdf((self.offset - moved) / spread.sqrt()))
    }
}

/// Smallest mass under `q` of any (randomized) event that has mass `p0` under `p`.
///
/// The lemma for finite distributions: fill the event with atoms in order of rising q/p and take
/// the last one in part.
///
/// # Shapes
/// `p` `[n]`, `q` `[n]`, both non-negative; they need not be normalized.
///
/// # Errors
/// When the lengths differ, an atom is negative or not finite, or `p0` exceeds the mass of `p`.
///
/// # References
/// Neyman and Pearson (1933).
pub fn smallest_mass(p: &[f64], q: &[f64], p0: f64) -> Result<f64> {
    const OP: &str = "smallest_mass";
    check_same_len(OP, "q", p.len(), q.len())?;
    p.iter()
        .chain(q)
        .try_for_each(|&x| check_non_negative(OP, "atoms", x))?;
    check_non_negative(OP, "p0", p0)?;
    let total: f64 = p.iter().sum();
    // The caller's sum may round differently from ours.
    if p0 > total * (1.0 + 1e-12) {
        return Err(invalid(OP, "p0", "at most the mass of p", p0));
    }
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| p[i] > 0.0).collect();
    order.sort_by(|&i, &j| (q[i] / p[i]).total_cmp(&(q[j] / p[j])));
    let (mut missing, mut mass) = (p0, 0.0);
    for i in order {
        let share = (missing / p[i]).min(1.0);
        mass += share * q[i];
        missing -= share * p[i];
        if share < 1.0 {
            break;
        }
    }
    Ok(mass)
}
