//! What is known of some distributions in closed form. Each piece is a trait of
//! its own, so asking for one that does not exist fails to compile.

use crate::Distribution;
use vaegis_tensor::Tensor;

/// The expectation.
pub trait Mean: Distribution {
    /// E\[x\].
    ///
    /// # Shapes
    /// result: `batch_shape + event_shape`
    fn mean(&self) -> Tensor;
}

/// The variance of each coordinate of the event.
pub trait Variance: Distribution {
    /// E\[(x − E\[x\])²\].
    ///
    /// # Shapes
    /// result: `batch_shape + event_shape`
    fn variance(&self) -> Tensor;
}

/// The entropy; differential entropy for densities.
pub trait Entropy: Distribution {
    /// E\[−log p(x)\], in nats.
    ///
    /// # Shapes
    /// result: `batch_shape`
    fn entropy(&self) -> Tensor;
}

/// The most likely event.
pub trait Mode: Distribution {
    /// A point of greatest density or mass.
    ///
    /// # Shapes
    /// result: `batch_shape + event_shape`
    fn mode(&self) -> Tensor;
}

/// The cumulative distribution function of a law on the real line.
pub trait Cdf: Distribution {
    /// P(x ≤ value).
    ///
    /// # Shapes
    /// value: `sample_shape + batch_shape` → the same
    ///
    /// # Panics
    /// If the shape of `value` does not end in `batch_shape`.
    fn cdf(&self, value: &Tensor) -> Tensor;
}

/// The inverse of a continuous, increasing [`Cdf`].
pub trait Quantile: Cdf {
    /// The x with P(· ≤ x) = `probability`.
    ///
    /// # Shapes
    /// probability: `sample_shape + batch_shape` → the same
    ///
    /// # Panics
    /// If the shape of `probability` does not end in `batch_shape`.
    fn quantile(&self, probability: &Tensor) -> Tensor;
}
