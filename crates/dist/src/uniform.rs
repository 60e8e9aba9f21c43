//! The uniform distribution on an interval.

use crate::{
    BaseNoise, Cdf, DistError, Distribution, Entropy, KlTo, Mean, Quantile, Reparameterize,
    Variance, W2To, check,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// The law with constant density on the closed interval from low to high, batched.
#[derive(Debug)]
pub struct Uniform {
    low: Tensor,
    high: Tensor,
    width: Tensor,
}

impl Uniform {
    /// The law on \[low, high\].
    ///
    /// # Shapes
    /// low, high: broadcast to `batch_shape`
    ///
    /// # Errors
    /// Bounds that are not finite floats of one kind and device, that do not broadcast, or a high
    /// bound that is not above the low one.
    pub fn new(low: &Tensor, high: &Tensor) -> Result<Self, DistError> {
        const OP: &str = "Uniform::new";
        check::finite(OP, "low", low)?;
        check::finite(OP, "high", high)?;
        let (low, high) = check::broadcast(OP, low, "high", high)?;
        let width = &high - &low;
        check::positive(OP, "high − low", &width)?;
        Ok(Self { low, high, width })
    }

    /// The lower bound, `batch_shape`.
    pub fn low(&self) -> &Tensor {
        &self.low
    }

    /// The upper bound, `batch_shape`.
    pub fn high(&self) -> &Tensor {
        &self.high
    }

    /// The middle of the interval.
    fn center(&self) -> Tensor {
        &self.low + &self.width * 0.5
    }
}

impl Distribution for Uniform {
    fn batch_shape(&self) -> Vec<i64> {
        self.low.size()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// # Formula
    /// ```text
    /// −log(high − low) in [low, high], −∞ outside
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        check::assert_value("Uniform", value, &self.low.size(), &[]);
        let inside = value
            .ge_tensor(&self.low)
            .logical_and(&value.le_tensor(&self.high));
        let density = -self.width.log().expand_as(value);
        let outside = density.full_like(f64::NEG_INFINITY);
        density.where_self(&inside, &outside)
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        (self.low.kind(), self.low.device())
    }
}

impl Reparameterize for Uniform {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::Uniform
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        [sample_shape, &self.low.size()].concat()
    }

    /// # Formula
    /// ```text
    /// low + (high − low) u
    /// ```
    fn from_noise(&self, eps: &Tensor) -> Tensor {
        check::assert_value("Uniform::from_noise", eps, &self.low.size(), &[]);
        &self.low + &self.width * eps
    }
}

impl Mean for Uniform {
    fn mean(&self) -> Tensor {
        self.center()
    }
}

impl Variance for Uniform {
    /// # Formula
    /// ```text
    /// (high − low)²/12
    /// ```
    fn variance(&self) -> Tensor {
        self.width.square() / 12.0
    }
}

impl Entropy for Uniform {
    /// # Formula
    /// ```text
    /// log(high − low)
    /// ```
    fn entropy(&self) -> Tensor {
        self.width.log()
    }
}

impl Cdf for Uniform {
    fn cdf(&self, value: &Tensor) -> Tensor {
        check::assert_value("Uniform::cdf", value, &self.low.size(), &[]);
        ((value - &self.low) / &self.width).clamp(0.0, 1.0)
    }
}

impl Quantile for Uniform {
    fn quantile(&self, probability: &Tensor) -> Tensor {
        self.from_noise(probability)
    }
}

impl KlTo<Uniform> for Uniform {
    /// # Formula
    /// ```text
    /// log(width_b/widthₐ) where interval b contains interval a, ∞ elsewhere
    /// ```
    fn kl_to(&self, other: &Uniform) -> Tensor {
        check::assert_same_batch("KL(Uniform ‖ Uniform)", &self.low.size(), &other.low.size());
        let contained = other
            .low
            .le_tensor(&self.low)
            .logical_and(&other.high.ge_tensor(&self.high));
        let log_ratio = other.width.log() - self.width.log();
        let infinite = log_ratio.full_like(f64::INFINITY);
        log_ratio.where_self(&contained, &infinite)
    }
}

impl W2To<Uniform> for Uniform {
    /// # Formula
    /// ```text
    /// (centerₐ − center_b)² + (widthₐ − width_b)²/12
    /// ```
    fn w2_squared_to(&self, other: &Uniform) -> Tensor {
        check::assert_same_batch("W₂(Uniform, Uniform)", &self.low.size(), &other.low.size());
        let widths = (&self.width - &other.width).square();
        (self.center() - other.center()).square() + widths / 12.0
    }
}
