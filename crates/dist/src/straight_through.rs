//! One-hot samples forward, the gradient of their relaxation backward.

use crate::{
    BaseNoise, DistError, Distribution, Entropy, KlTo, Mean, Mode, RelaxedCategorical,
    Reparameterize, check,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// The one-hot categorical law whose samples carry the biased straight-through gradient of a
/// [`RelaxedCategorical`]. Masses, entropy and divergences are those of the hard law.
///
/// # References
/// Jang, Gu and Poole, 2017, Section 2.2.
#[derive(Debug)]
pub struct StraightThrough {
    relaxed: RelaxedCategorical,
}

impl StraightThrough {
    /// Hardens the samples of a relaxed law.
    pub fn new(relaxed: RelaxedCategorical) -> Self {
        Self { relaxed }
    }

    /// The hard law over the corners of the simplex with gradients at this temperature.
    ///
    /// # Shapes
    /// logits: `batch_shape + [K]`
    ///
    /// # Errors
    /// As [`RelaxedCategorical::new`].
    pub fn from_logits(logits: &Tensor, temperature: f64) -> Result<Self, DistError> {
        Ok(Self::new(RelaxedCategorical::new(logits, temperature)?))
    }

    /// The relaxation that lends its gradient.
    pub fn relaxed(&self) -> &RelaxedCategorical {
        &self.relaxed
    }

    /// Ones at these classes, `[…]` → `[…, K]`.
    fn one_hot(&self, classes: &Tensor) -> Tensor {
        classes
            .one_hot(self.relaxed.categorical().num_classes())
            .to_kind(self.options().0)
    }
}

impl Distribution for StraightThrough {
    fn batch_shape(&self) -> Vec<i64> {
        self.relaxed.batch_shape()
    }

    fn event_shape(&self) -> Vec<i64> {
        self.relaxed.event_shape()
    }

    /// The log mass of one-hot events.
    ///
    /// # Formula
    /// ```text
    /// Σₖ xₖ log πₖ
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        check::assert_value(
            "StraightThrough",
            value,
            &self.batch_shape(),
            &self.event_shape(),
        );
        (value * self.relaxed.categorical().log_probs()).sum_dim_intlist(-1, false, None)
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        self.relaxed.options()
    }
}

impl Reparameterize for StraightThrough {
    fn base_noise(&self) -> BaseNoise {
        self.relaxed.base_noise()
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        self.relaxed.noise_shape(sample_shape)
    }

    /// The corner next to the relaxed sample, with the gradient of the relaxed sample.
    fn from_noise(&self, eps: &Tensor) -> Tensor {
        let soft = self.relaxed.from_noise(eps);
        let hard = self.one_hot(&soft.argmax(-1, false));
        // The bracket is zero exactly, so the value is one-hot to the last bit.
        hard + (&soft - soft.detach())
    }
}

impl Mean for StraightThrough {
    fn mean(&self) -> Tensor {
        self.relaxed.categorical().probs()
    }
}

impl Mode for StraightThrough {
    fn mode(&self) -> Tensor {
        self.one_hot(&self.relaxed.categorical().mode())
    }
}

impl Entropy for StraightThrough {
    fn entropy(&self) -> Tensor {
        self.relaxed.categorical().entropy()
    }
}

impl KlTo<StraightThrough> for StraightThrough {
    /// The divergence of the hard laws; the temperatures do not enter.
    fn kl_to(&self, other: &StraightThrough) -> Tensor {
        self.relaxed
            .categorical()
            .kl_to(other.relaxed.categorical())
    }
}
