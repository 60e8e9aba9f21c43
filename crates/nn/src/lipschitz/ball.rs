//! Projection of a scale vector onto a ball, in log space.

use vaegis_tensor::Tensor;

/// log of the projection of σ onto the ball ‖σ‖₂ ≤ `radius`.
///
/// A projection onto a convex set is 1-Lipschitz, so a Lipschitz constant of σ
/// survives.
///
/// # Formula
/// ```text
/// log σ − max(0, log ‖σ‖₂ − log radius)
/// ```
///
/// # Shapes
/// log_scale: `[B, d]` → the same
///
/// # Panics
/// If the radius is not positive.
///
/// # References
/// Barrett, Camuto, Willetts and Rainforth (2022): the constraint that makes the
/// first-moment margin non-trivial.
pub fn project_log_scale(log_scale: &Tensor, radius: f64) -> Tensor {
    assert!(radius > 0.0, "project_log_scale: radius {radius}");
    let log_norm = (log_scale * 2.0).logsumexp([-1], true) * 0.5;
    log_scale - (log_norm - radius.ln()).relu()
}
