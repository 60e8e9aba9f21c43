//! The Gaussian over numbers. For vectors with one divergence per vector see
//! [`crate::DiagNormal`].

use crate::location_scale::location_scale;
use crate::{
    BaseNoise, Cdf, DistError, Distribution, Entropy, KlTo, Mean, Mode, Quantile, Reparameterize,
    Variance, W2To, check,
};
use std::f64::consts::PI;
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// N(μ, σ²) over single numbers, batched.
#[derive(Debug)]
pub struct Normal {
    loc: Tensor,
    scale: Tensor,
    log_scale: Tensor,
}

location_scale!(Normal, "The standard deviation σ, `batch_shape`.");

impl Distribution for Normal {
    fn batch_shape(&self) -> Vec<i64> {
        self.loc.size()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// # Formula
    /// ```text
    /// −½ ((x−μ)/σ)² − log σ − ½ log 2π
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        let z = self.standardize(value);
        z.square() * -0.5 - &self.log_scale - 0.5 * (2.0 * PI).ln()
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        (self.loc.kind(), self.loc.device())
    }
}

impl Reparameterize for Normal {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::StandardNormal
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        [sample_shape, &self.loc.size()].concat()
    }

    /// # Formula
    /// ```text
    /// μ + σ ε
    /// ```
    fn from_noise(&self, eps: &Tensor) -> Tensor {
        check::assert_value("Normal::from_noise", eps, &self.loc.size(), &[]);
        &self.loc + &self.scale * eps
    }
}

impl Variance for Normal {
    fn variance(&self) -> Tensor {
        self.scale.square()
    }
}

impl Entropy for Normal {
    /// # Formula
    /// ```text
    /// log σ + ½ log 2πe
    /// ```
    fn entropy(&self) -> Tensor {
        &self.log_scale + 0.5 * ((2.0 * PI).ln() + 1.0)
    }
}

impl Cdf for Normal {
    /// # Formula
    /// ```text
    /// Φ((x−μ)/σ)
    /// ```
    fn cdf(&self, value: &Tensor) -> Tensor {
        self.standardize(value).special_ndtr()
    }
}

impl Quantile for Normal {
    /// # Formula
    /// ```text
    /// μ + σ Φ⁻¹(p)
    /// ```
    fn quantile(&self, probability: &Tensor) -> Tensor {
        check::assert_value("Normal::quantile", probability, &self.loc.size(), &[]);
        &self.loc + &self.scale * probability.special_ndtri()
    }
}

impl KlTo<Normal> for Normal {
    /// # Formula
    /// ```text
    /// ½ [ ((μₐ−μ_b)/σ_b)² + (σₐ/σ_b)² − 1 − 2 log(σₐ/σ_b) ]
    /// ```
    fn kl_to(&self, other: &Normal) -> Tensor {
        check::assert_same_batch("KL(Normal ‖ Normal)", &self.loc.size(), &other.loc.size());
        let shift = (&self.loc - &other.loc) / &other.scale;
        let two_log_ratio = (&self.log_scale - &other.log_scale) * 2.0;
        // expm1 keeps the ratio minus one exact to rounding where the scales agree.
        (shift.square() + two_log_ratio.expm1() - two_log_ratio) * 0.5
    }
}

impl W2To<Normal> for Normal {
    /// # Formula
    /// ```text
    /// (μₐ−μ_b)² + (σₐ−σ_b)²
    /// ```
    fn w2_squared_to(&self, other: &Normal) -> Tensor {
        check::assert_same_batch("W₂(Normal, Normal)", &self.loc.size(), &other.loc.size());
        (&self.loc - &other.loc).square() + (&self.scale - &other.scale).square()
    }
}
