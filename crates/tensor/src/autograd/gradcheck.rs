//! Comparison of gradients with central differences.

use super::{gradient, leaf};
use crate::convert::to_f64_vec;
use crate::{Kind, Noise, Tensor, TensorError, no_grad};
use vaegis_core::seed::SeedTree;

/// How [`gradcheck`] compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradCheck {
    /// Half width of the central difference.
    pub step: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// Relative tolerance.
    pub rtol: f64,
}

impl Default for GradCheck {
    /// For functions of size and curvature near 1: the truncation error is step² and the rounding
    /// error 1e-16 / step, both near 1e-10.
    fn default() -> Self {
        Self {
            step: 1e-5,
            atol: 1e-7,
            rtol: 1e-6,
        }
    }
}

/// Checks the gradient of `f` at `x` against central differences of a random weighting of the
/// outputs, element by element, in double precision. Returns the largest absolute difference.
///
/// # Shapes
/// x: any, f(x): any
///
/// # Errors
/// [`TensorError::Gradient`] at the first element that disagrees (NaN never agrees).
pub fn gradcheck(
    f: impl Fn(&Tensor) -> Tensor,
    x: &Tensor,
    tol: GradCheck,
) -> Result<f64, TensorError> {
    let x = leaf(&x.to_kind(Kind::Double));
    let y = f(&x).to_kind(Kind::Double);
    // Random weights, so that errors of different outputs cannot cancel.
    let noise = Noise::portable(SeedTree::new(0).child("gradcheck"));
    let weights = noise.standard_normal(&y.size(), Kind::Double, y.device());
    let found = if y.requires_grad() {
        to_f64_vec(&gradient(&(&y * &weights), &[&x])[0])
    } else {
        vec![0.0; x.numel()]
    };
    let value = |point: &Tensor| {
        no_grad(|| {
            (f(point).to_kind(Kind::Double) * &weights)
                .sum(Kind::Double)
                .double_value(&[])
        })
    };
    let mut worst = 0.0_f64;
    for (index, &found) in found.iter().enumerate() {
        let moved = |step: f64| {
            let point = x.detach().copy();
            let place = i64::try_from(index).expect("invariant: sizes fit");
            let _ = point.view(-1_i64).get(place).g_add_scalar_(step);
            value(&point)
        };
        let expected = (moved(tol.step) - moved(-tol.step)) / (2.0 * tol.step);
        let difference = (found - expected).abs();
        let agrees = difference <= tol.atol + tol.rtol * expected.abs();
        if !agrees {
            return Err(TensorError::Gradient {
                index,
                expected,
                found,
            });
        }
        worst = worst.max(difference);
    }
    Ok(worst)
}
