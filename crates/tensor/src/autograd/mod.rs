//! Gradients, products with Jacobians, whole Jacobians and their norms.
//!
//! All functions take the differentiated function as a closure over tensors and leave the
//! `.grad` of parameters alone: only what is asked for is computed. Not for training, which
//! needs the parameters' gradients: see [`crate::optim`].

mod gradcheck;
mod jacobian;
mod norms;

pub use gradcheck::{GradCheck, gradcheck};
pub use jacobian::{for_each_row, per_example_jacobian, per_example_jacobian_forward};
pub use norms::{frobenius_norm, frobenius_norm_hutchinson, frobenius_norms, spectral_norms};

use crate::Tensor;

/// The gradient of the sum of `output` with respect to each of `inputs`. An input that the output
/// does not depend on gets zeros.
///
/// # Shapes
/// result: one tensor per input, of the input's shape
///
/// # Panics
/// If an input does not record gradients and the output does.
pub fn gradient(output: &Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    // libtorch does not survive a backward pass from a tensor without a graph.
    if !output.requires_grad() {
        return inputs.iter().map(|x| x.zeros_like()).collect();
    }
    let gradients = Tensor::run_backward(&[output], inputs, false, false);
    gradients
        .into_iter()
        .zip(inputs)
        .map(|(g, x)| defined_or_zero(g, x))
        .collect()
}

/// The value of `f` at `x` and the product vᵀJ of a row vector with its Jacobian.
///
/// # Shapes
/// x: `[..]`, v: the shape of `f(x)` → (`f(x)`, `[..]`)
///
/// # Panics
/// If `v` has another shape than the output.
pub fn vjp(f: impl Fn(&Tensor) -> Tensor, x: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
    let x = leaf(x);
    let y = f(&x);
    assert_eq!(
        v.size(),
        y.size(),
        "vjp: the vector must have the shape of the output"
    );
    let g = if y.requires_grad() {
        defined_or_zero(backward(&(&y * v), &x, false, false), &x)
    } else {
        x.zeros_like()
    };
    (y.detach(), g)
}

/// The value of `f` at `x` and the product J·v of its Jacobian with a column vector, by
/// differentiating the vector-Jacobian product, which is linear in its row vector.
///
/// # Formula
/// ```text
/// J v = ∂/∂u ⟨uᵀ J, v⟩   for any u
/// ```
///
/// # Shapes
/// x, v: `[..]` → (`f(x)`, the shape of `f(x)`)
///
/// # Panics
/// If `v` has another shape than `x`.
///
/// # References
/// Townsend (2017), "A new trick for calculating Jacobian vector products".
pub fn jvp(f: impl Fn(&Tensor) -> Tensor, x: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
    assert_eq!(
        v.size(),
        x.size(),
        "jvp: the vector must have the shape of the input"
    );
    let x = leaf(x);
    let y = f(&x);
    let Some((u, g)) = dual(&y, &x) else {
        return (y.detach(), y.zeros_like());
    };
    let product = defined_or_zero(backward(&(&g * v), &u, false, false), &u);
    (y.detach(), product)
}

/// A copy of `x` that starts a new graph.
fn leaf(x: &Tensor) -> Tensor {
    x.detach().set_requires_grad(true)
}

/// The gradient of the sum of `output`, undefined where `x` does not enter.
fn backward(output: &Tensor, x: &Tensor, keep: bool, create: bool) -> Tensor {
    let mut gradients = Tensor::run_backward(&[output], &[x], keep, create);
    gradients.pop().expect("invariant: one gradient per input")
}

/// A row vector u of zeros and uᵀJ as a function of it; none if `y` does not depend on `x`.
fn dual(y: &Tensor, x: &Tensor) -> Option<(Tensor, Tensor)> {
    if !y.requires_grad() {
        return None;
    }
    let u = y.zeros_like().set_requires_grad(true);
    let g = backward(&(y * &u), x, true, true);
    g.defined().then_some((u, g))
}

fn defined_or_zero(gradient: Tensor, like: &Tensor) -> Tensor {
    if gradient.defined() {
        gradient
    } else {
        like.zeros_like()
    }
}
