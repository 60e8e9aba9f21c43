//! Lower bounds on the margin of an input: Theorem 6.1 and its strengthened and sound forms.
//!
//! For: turning σ(x), the encoder Jacobian and the probability p₀ of staying inside the ball into
//! B_F ≤ B_2 ≤ B_M, each labeled with what it is worth. Not for estimating p₀ or J, and not for
//! the perturbed-σ (mean and σ) variant, which the theorem does not cover: with σ(x+δ) in the
//! samples a margin can fall below these bounds.
//!
//! See `docs/theory/margin-bounds.md` for proofs and for what is wrong in print.

mod cell;
mod certificate;
mod geometry;
mod probability;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::evidence::Evidence;

pub use cell::{AffineLayer, NearestKink, ReluCell, cell_radius, relu_cell};
pub use certificate::{Radius, cell_certificate, lipschitz_certificate, second_order_certificate};
pub use geometry::EncoderGeometry;
pub use probability::{AcceptanceProbability, ProbabilitySource, kappa};

/// Why a set of bounds is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundStatus {
    /// p₀ > m and J ≠ 0.
    Regular,
    /// p₀ ≤ m: the margin is 0 by definition and so are the bounds.
    NotRobustUnperturbed,
    /// J = 0 and p₀ > m: no perturbation moves the mean, the bounds are +∞.
    DegenerateJacobian,
}

/// The three lower bounds on the margin R(x), in input units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginBounds {
    /// B_F, the bound of Theorem 6.1.
    #[serde(with = "vaegis_core::codec::float")]
    pub frobenius: f64,
    /// B_2, with the spectral in place of the Frobenius norm.
    #[serde(with = "vaegis_core::codec::float")]
    pub spectral: f64,
    /// B_M, with the Jacobian whitened by the encoder covariance; the largest.
    #[serde(with = "vaegis_core::codec::float")]
    pub mahalanobis: f64,
    /// κ.
    #[serde(with = "vaegis_core::codec::float")]
    pub kappa: f64,
    /// p₀ as it entered κ.
    pub p0: f64,
    /// Risk level m.
    pub m: f64,
    /// Origin of p₀.
    pub source: ProbabilitySource,
    /// What the bounds are worth.
    pub evidence: Evidence,
    /// Which case applies.
    pub status: BoundStatus,
}

/// Bounds of Theorem 6.1 at risk level m, with the two strengthened forms.
///
/// # Formula
/// ```text
/// B_F = σ_min κ / ‖J‖_F  ≤  B_2 = σ_min κ / ‖J‖₂  ≤  B_M = κ / ‖L⁻¹J‖₂
/// ```
///
/// # Errors
/// When `m` is not in (0, 1).
///
/// # References
/// Theorem 6.1, (6.4); m = ½ is the printed form.
pub fn bounds(
    geometry: &EncoderGeometry,
    p0: &AcceptanceProbability,
    m: f64,
) -> Result<MarginBounds> {
    let kappa = p0.kappa(m)?;
    let status = if kappa == 0.0 {
        BoundStatus::NotRobustUnperturbed
    } else if geometry.is_degenerate() {
        BoundStatus::DegenerateJacobian
    } else {
        BoundStatus::Regular
    };
    // Dividing κ by three ordered numbers keeps the order of the bounds in floating point.
    let bound = |stiffness: f64| match status {
        BoundStatus::NotRobustUnperturbed => 0.0,
        BoundStatus::DegenerateJacobian => f64::INFINITY,
        BoundStatus::Regular => kappa / stiffness,
    };
    let evidence = if geometry.is_affine() {
        p0.source().evidence()
    } else {
        Evidence::FirstOrder
    };
    Ok(MarginBounds {
        frobenius: bound(geometry.jacobian_frobenius() / geometry.sigma_min()),
        spectral: bound(geometry.jacobian_spectral() / geometry.sigma_min()),
        mahalanobis: bound(geometry.whitened_spectral()),
        kappa,
        p0: p0.value(),
        m,
        source: p0.source(),
        evidence,
        status,
    })
}

/// Bounds when r is chosen per input so that p₀ has a fixed value, at m = ½.
///
/// Independent of the decoder and of r: 1.2815516 σ_min/‖J‖_F at p₀ = 0.9.
///
/// # Errors
/// When `p0` is outside [0, 1].
///
/// # References
/// Figures E.3(i), E.4(i), E.5(c).
pub fn bounds_at_fixed_p0(geometry: &EncoderGeometry, p0: f64) -> Result<MarginBounds> {
    bounds(geometry, &AcceptanceProbability::exact(p0)?, 0.5)
}
