//! Closed-form divergences, chosen by the pair of types.

use vaegis_tensor::Tensor;

/// Closed-form Kullback-Leibler divergence KL(self ‖ other), in nats. A pair of
/// types without a closed form does not compile.
pub trait KlTo<P> {
    /// KL(self ‖ other) of each law of the batch.
    ///
    /// # Shapes
    /// result: `batch_shape`
    fn kl_to(&self, other: &P) -> Tensor;
}

/// Closed-form squared 2-Wasserstein distance.
pub trait W2To<P> {
    /// W₂²(self, other) of each law of the batch.
    ///
    /// # Shapes
    /// result: `batch_shape`
    fn w2_squared_to(&self, other: &P) -> Tensor;
}

/// Added to W₂² under the root, so that the gradient exists (and is zero) where two laws
/// coincide.
pub const W2_EPSILON: f64 = 1e-12;

/// The 2-Wasserstein distance of each law of the batch.
///
/// # Formula
/// ```text
/// √( W₂²(a, b) + 10⁻¹² )
/// ```
///
/// # Shapes
/// result: `batch_shape`
pub fn w2<A: W2To<B>, B>(a: &A, b: &B) -> Tensor {
    (a.w2_squared_to(b) + W2_EPSILON).sqrt()
}
