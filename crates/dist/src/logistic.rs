//! The logistic distribution over numbers. For pixel levels see
//! [`crate::DiscretizedLogistic`].

use crate::location_scale::location_scale;
use crate::{
    BaseNoise, Cdf, DistError, Distribution, Entropy, Mean, Mode, Quantile, Reparameterize,
    Variance, W2To, check, numeric,
};
use std::f64::consts::PI;
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// The law with distribution function σ((x−μ)/s) over single numbers, batched.
#[derive(Debug)]
pub struct Logistic {
    loc: Tensor,
    scale: Tensor,
    log_scale: Tensor,
}

location_scale!(Logistic, "The scale s, `batch_shape`.");

impl Distribution for Logistic {
    fn batch_shape(&self) -> Vec<i64> {
        self.loc.size()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// # Formula
    /// ```text
    /// log σ(z) + log σ(−z) − log s,   z = (x−μ)/s
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        let z = self.standardize(value);
        numeric::log_sigmoid(&z) + numeric::log_sigmoid(&-z) - &self.log_scale
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        (self.loc.kind(), self.loc.device())
    }
}

impl Reparameterize for Logistic {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::Uniform
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        [sample_shape, &self.loc.size()].concat()
    }

    /// # Formula
    /// ```text
    /// μ + s log(u/(1−u))
    /// ```
    fn from_noise(&self, eps: &Tensor) -> Tensor {
        check::assert_value("Logistic::from_noise", eps, &self.loc.size(), &[]);
        let u = numeric::open_unit(eps);
        &self.loc + &self.scale * (u.log() - (-u).log1p())
    }
}

impl Variance for Logistic {
    /// # Formula
    /// ```text
    /// π² s²/3
    /// ```
    fn variance(&self) -> Tensor {
        self.scale.square() * (PI * PI / 3.0)
    }
}

impl Entropy for Logistic {
    /// # Formula
    /// ```text
    /// log s + 2
    /// ```
    fn entropy(&self) -> Tensor {
        &self.log_scale + 2.0
    }
}

impl Cdf for Logistic {
    /// # Formula
    /// ```text
    /// σ((x−μ)/s)
    /// ```
    fn cdf(&self, value: &Tensor) -> Tensor {
        self.standardize(value).sigmoid()
    }
}

impl Quantile for Logistic {
    /// # Formula
    /// ```text
    /// μ + s log(p/(1−p))
    /// ```
    fn quantile(&self, probability: &Tensor) -> Tensor {
        self.from_noise(probability)
    }
}

impl W2To<Logistic> for Logistic {
    /// # Formula
    /// ```text
    /// (μₐ−μ_b)² + (π²/3) (sₐ−s_b)²
    /// ```
    fn w2_squared_to(&self, other: &Logistic) -> Tensor {
        check::assert_same_batch(
            "W₂(Logistic, Logistic)",
            &self.loc.size(),
            &other.loc.size(),
        );
        let scales = (&self.scale - &other.scale).square();
        (&self.loc - &other.loc).square() + scales * (PI * PI / 3.0)
    }
}
