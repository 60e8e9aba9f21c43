//! Clipping of gradients by their global norm, without a host synchronization.

use crate::{Kind, Tensor, no_grad};

/// The L2 norm of all gradients together; undefined ones count as zero.
///
/// # Shapes
/// result: scalar on the gradients' device
///
/// # Panics
/// If no gradient is defined.
pub fn global_norm(gradients: &[Tensor]) -> Tensor {
    no_grad(|| {
        let norms: Vec<Tensor> = gradients
            .iter()
            .filter(|g| g.defined())
            .map(Tensor::norm)
            .collect();
        Tensor::stack(&norms, 0).norm() // [parameters] → scalar
    })
}

/// The factor that brings gradients of norm `norm` to at most `max_norm`, as a scalar on the
/// device, for [`Optimizer::apply`](crate::optim::Optimizer::apply).
///
/// # Formula
/// ```text
/// c = min(1, max_norm / (‖g‖ + 1e-6))
/// ```
///
/// # References
/// Pascanu, Mikolov and Bengio (2013), algorithm 1, with PyTorch's guard of the division.
pub fn clip_scale(norm: &Tensor, max_norm: f64) -> Tensor {
    no_grad(|| ((norm + NORM_GUARD).reciprocal() * max_norm).clamp_max(1.0))
}

/// Keeps a zero gradient from dividing by zero; PyTorch's value, so that runs compare.
const NORM_GUARD: f64 = 1e-6;

/// Scales the accumulated gradients of `parameters` in place so that their global norm is at
/// most `max_norm`, and returns the norm before.
///
/// # Shapes
/// result: scalar on the gradients' device, 0 where no parameter has a gradient
pub fn clip_grad_norm(parameters: &[(String, Tensor)], max_norm: f64) -> Tensor {
    let gradients: Vec<Tensor> = parameters
        .iter()
        .map(|(_, p)| p.grad())
        .filter(Tensor::defined)
        .collect();
    if gradients.is_empty() {
        return Tensor::from(0.0_f32).to_kind(Kind::Float);
    }
    let norm = global_norm(&gradients);
    let scale = clip_scale(&norm, max_norm);
    no_grad(|| {
        for mut gradient in gradients {
            let _ = gradient.detach_().g_mul_(&scale);
        }
    });
    norm
}
