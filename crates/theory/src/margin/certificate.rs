//! Sound radii: the margin bounds with their O(ε) term replaced by something proved.
//!
//! Not for finding the Lipschitz constants, Hessian bounds or cell radii that they take.

use serde::{Deserialize, Serialize};

use super::{AcceptanceProbability, EncoderGeometry, MarginBounds};
use crate::error::{Result, check_non_negative, check_positive, invalid};
use crate::evidence::Evidence;

/// A radius with its label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Radius {
    /// Radius in input units; may be +∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub value: f64,
    /// What it is worth.
    pub evidence: Evidence,
}

/// B_M cut at the distance to the nearest kink of a piecewise-linear encoder, which removes the
/// O(ε) term.
///
/// Holds for perturbed means with σ frozen, or constant σ.
///
/// # Formula
/// ```text
/// R ≥ min(B_M, ρ_cell),   ρ_cell = min_k |a_k(x)| / ‖∇a_k(x)‖
/// ```
///
/// # Errors
/// When `cell_radius` is negative or NaN.
pub fn cell_certificate(bounds: &MarginBounds, cell_radius: f64) -> Result<Radius> {
    // An affine encoder has no kink, so an infinite cell is a legal answer.
    if cell_radius.is_nan() || cell_radius < 0.0 {
        return Err(invalid(
            "cell_certificate",
            "cell_radius",
            "at least 0",
            cell_radius,
        ));
    }
    let value = bounds.mahalanobis.min(cell_radius);
    Ok(Radius {
        value,
        evidence: bounds.source.evidence(),
    })
}

/// Sound radius from a Lipschitz constant of the encoder mean that holds on the ball.
///
/// # Formula
/// ```text
/// R ≥ σ_min κ / b
/// ```
///
/// # Errors
/// When `sigma_min` is not positive, `lipschitz` is negative or not finite, or `m` is not in
/// (0, 1).
pub fn lipschitz_certificate(
    sigma_min: f64,
    lipschitz: f64,
    p0: &AcceptanceProbability,
    m: f64,
) -> Result<Radius> {
    const OP: &str = "lipschitz_certificate";
    check_positive(OP, "sigma_min", sigma_min)?;
    check_non_negative(OP, "lipschitz", lipschitz)?;
    let kappa = p0.kappa(m)?;
    // Zero first: an encoder that never moves is still not robust when p₀ ≤ m.
    let value = if kappa == 0.0 {
        0.0
    } else {
        sigma_min * kappa / lipschitz
    };
    Ok(Radius {
        value,
        evidence: p0.source().evidence(),
    })
}

/// Sound radius from a bound H on the Hessian norm of the encoder mean that holds on the ball.
///
/// # Formula
/// ```text
/// ρ = (−‖J‖₂ + √(‖J‖₂² + 2Hσ_min κ)) / H
/// ```
///
/// # Errors
/// When `hessian_bound` is negative or not finite, or `m` is not in (0, 1).
pub fn second_order_certificate(
    geometry: &EncoderGeometry,
    hessian_bound: f64,
    p0: &AcceptanceProbability,
    m: f64,
) -> Result<Radius> {
    check_non_negative("second_order_certificate", "hessian_bound", hessian_bound)?;
    let reach = geometry.sigma_min() * p0.kappa(m)?;
    let slope = geometry.jacobian_spectral();
    // The rationalised root has no cancellation and includes H = 0.
    let denominator = slope + (slope * slope + 2.0 * hessian_bound * reach).sqrt();
    let value = if reach == 0.0 {
        0.0
    } else if reach.is_infinite() {
        f64::INFINITY
    } else {
        2.0 * reach / denominator
    };
    Ok(Radius {
        value,
        evidence: p0.source().evidence(),
    })
}
