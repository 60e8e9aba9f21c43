//! Batch axes read as event axes.

use crate::{
    BaseNoise, DistError, Distribution, Entropy, KlTo, Mean, Mode, Reparameterize, Variance, W2To,
    numeric,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// A product law: the last `num_axes` batch axes of the base belong to the event.
#[derive(Debug)]
pub struct Independent<D> {
    base: D,
    num_axes: usize,
}

impl<D: Distribution> Independent<D> {
    /// Reads the last `num_axes` batch axes of `base` as axes of the event.
    ///
    /// # Errors
    /// A base with fewer batch axes than that.
    pub fn new(base: D, num_axes: usize) -> Result<Self, DistError> {
        let found = base.batch_shape();
        if found.len() < num_axes {
            return Err(DistError::Shape {
                op: "Independent::new",
                name: "base",
                expected: format!("a batch shape with at least {num_axes} axes"),
                found,
            });
        }
        Ok(Self { base, num_axes })
    }
}

impl<D> Independent<D> {
    /// The law of the parts.
    pub fn base(&self) -> &D {
        &self.base
    }

    /// Number of batch axes that belong to the event.
    pub fn num_axes(&self) -> usize {
        self.num_axes
    }

    fn sum(&self, per_part: &Tensor) -> Tensor {
        numeric::sum_last(per_part, self.num_axes)
    }
}

impl<D: Distribution> Distribution for Independent<D> {
    fn batch_shape(&self) -> Vec<i64> {
        let shape = self.base.batch_shape();
        shape[..shape.len() - self.num_axes].to_vec()
    }

    fn event_shape(&self) -> Vec<i64> {
        let shape = self.base.batch_shape();
        let own = &shape[shape.len() - self.num_axes..];
        [own, &self.base.event_shape()].concat()
    }

    fn log_prob(&self, value: &Tensor) -> Tensor {
        self.sum(&self.base.log_prob(value))
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        self.base.sample(noise, sample_shape)
    }

    fn options(&self) -> (Kind, Device) {
        self.base.options()
    }
}

impl<D: Reparameterize> Reparameterize for Independent<D> {
    fn base_noise(&self) -> BaseNoise {
        self.base.base_noise()
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        self.base.noise_shape(sample_shape)
    }

    fn from_noise(&self, eps: &Tensor) -> Tensor {
        self.base.from_noise(eps)
    }

    fn rsample_and_log_prob(&self, noise: &Noise, sample_shape: &[i64]) -> (Tensor, Tensor) {
        let (value, log_prob) = self.base.rsample_and_log_prob(noise, sample_shape);
        (value, self.sum(&log_prob))
    }
}

impl<D: Mean> Mean for Independent<D> {
    fn mean(&self) -> Tensor {
        self.base.mean()
    }
}

impl<D: Variance> Variance for Independent<D> {
    fn variance(&self) -> Tensor {
        self.base.variance()
    }
}

impl<D: Mode> Mode for Independent<D> {
    fn mode(&self) -> Tensor {
        self.base.mode()
    }
}

impl<D: Entropy> Entropy for Independent<D> {
    fn entropy(&self) -> Tensor {
        self.sum(&self.base.entropy())
    }
}

impl<D: KlTo<P>, P> KlTo<Independent<P>> for Independent<D> {
    /// The sum of the divergences of the parts.
    ///
    /// # Panics
    /// If the numbers of event axes or the batch shapes differ.
    fn kl_to(&self, other: &Independent<P>) -> Tensor {
        assert_eq!(
            self.num_axes, other.num_axes,
            "KL of Independent: the event axes differ"
        );
        self.sum(&self.base.kl_to(&other.base))
    }
}

impl<D: W2To<P>, P> W2To<Independent<P>> for Independent<D> {
    /// The sum of the squared distances of the parts: the cost is a sum over coordinates, so the
    /// product of the best couplings is the best coupling.
    ///
    /// # Panics
    /// If the numbers of event axes or the batch shapes differ.
    fn w2_squared_to(&self, other: &Independent<P>) -> Tensor {
        assert_eq!(
            self.num_axes, other.num_axes,
            "W₂ of Independent: the event axes differ"
        );
        self.sum(&self.base.w2_squared_to(&other.base))
    }
}
