//! The Laplace (double exponential) distribution over numbers.

use crate::location_scale::location_scale;
use crate::{
    BaseNoise, Cdf, DistError, Distribution, Entropy, KlTo, Mean, Mode, Quantile, Reparameterize,
    Variance, W2To, check, numeric,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// The law with density exp(−|x−μ|/b)/2b over single numbers, batched.
#[derive(Debug)]
pub struct Laplace {
    loc: Tensor,
    scale: Tensor,
    log_scale: Tensor,
}

location_scale!(Laplace, "The scale b, `batch_shape`.");

impl Distribution for Laplace {
    fn batch_shape(&self) -> Vec<i64> {
        self.loc.size()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// # Formula
    /// ```text
    /// −|x−μ|/b − log 2b
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        let z = self.standardize(value);
        -z.abs() - &self.log_scale - 2f64.ln()
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        (self.loc.kind(), self.loc.device())
    }
}

impl Reparameterize for Laplace {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::Uniform
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        [sample_shape, &self.loc.size()].concat()
    }

    /// # Formula
    /// ```text
    /// μ + b [ log min(1, 2u) − log min(1, 2(1−u)) ]
    /// ```
    fn from_noise(&self, eps: &Tensor) -> Tensor {
        check::assert_value("Laplace::from_noise", eps, &self.loc.size(), &[]);
        let u = numeric::open_unit(eps);
        // One of the two logarithms is that of one: no branch, and full accuracy in both tails.
        let below = (&u * 2.0).clamp_max(1.0).log();
        let above = ((-u + 1.0) * 2.0).clamp_max(1.0).log();
        &self.loc + &self.scale * (below - above)
    }
}

impl Variance for Laplace {
    /// # Formula
    /// ```text
    /// 2b²
    /// ```
    fn variance(&self) -> Tensor {
        self.scale.square() * 2.0
    }
}

impl Entropy for Laplace {
    /// # Formula
    /// ```text
    /// 1 + log 2b
    /// ```
    fn entropy(&self) -> Tensor {
        &self.log_scale + (1.0 + 2f64.ln())
    }
}

impl Cdf for Laplace {
    /// # Formula
    /// ```text
    /// ½ e^z for z ≤ 0, 1 − ½ e^(−z) above, z = (x−μ)/b
    /// ```
    fn cdf(&self, value: &Tensor) -> Tensor {
        let z = self.standardize(value);
        let tail = (-z.abs()).exp() * 0.5;
        tail.where_self(&z.le(0.0), &(-&tail + 1.0))
    }
}

impl Quantile for Laplace {
    /// # Formula
    /// ```text
    /// μ + b [ log min(1, 2p) − log min(1, 2(1−p)) ]
    /// ```
    fn quantile(&self, probability: &Tensor) -> Tensor {
        self.from_noise(probability)
    }
}

impl KlTo<Laplace> for Laplace {
    /// # Formula
    /// ```text
    /// (bₐ/b_b)(e^(−t) + t) − 1 − log(bₐ/b_b),   t = |μₐ−μ_b|/bₐ
    /// ```
    fn kl_to(&self, other: &Laplace) -> Tensor {
        check::assert_same_batch("KL(Laplace ‖ Laplace)", &self.loc.size(), &other.loc.size());
        let t = (&self.loc - &other.loc).abs() / &self.scale;
        let log_ratio = &self.log_scale - &other.log_scale;
        // r(e^(−t)+t) − 1 − log r as a sum of two parts that are never negative.
        let shift = log_ratio.exp() * ((-&t).expm1() + &t);
        shift + (log_ratio.expm1() - log_ratio)
    }
}

impl W2To<Laplace> for Laplace {
    /// # Formula
    /// ```text
    /// (μₐ−μ_b)² + 2 (bₐ−b_b)²
    /// ```
    fn w2_squared_to(&self, other: &Laplace) -> Tensor {
        check::assert_same_batch("W₂(Laplace, Laplace)", &self.loc.size(), &other.loc.size());
        let scales = (&self.scale - &other.scale).square();
        (&self.loc - &other.loc).square() + scales * 2.0
    }
}
