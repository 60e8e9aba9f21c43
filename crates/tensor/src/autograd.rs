//! Gradients, products with Jacobians, and their norms.

use crate::Tensor;

/// The gradient of the sum of `output` with respect to each of `inputs`.
///
/// # Shapes
/// result: one tensor per input, of the input's shape
///
/// # Panics
/// If `output` does not depend on an input.
pub fn gradient(output: &Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    Tensor::run_backward(&[output], inputs, false, false)
}
