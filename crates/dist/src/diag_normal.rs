//! The Gaussian with diagonal covariance over vectors, parameterized by mean and
//! log scale. For scalar Gaussians see [`crate::Normal`].

use crate::{
    BaseNoise, DistError, Distribution, Entropy, KlTo, Mean, Mode, Reparameterize, Variance, W2To,
    check,
};
use std::f64::consts::PI;
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// N(μ, diag σ²) over vectors, with log σ as the parameter: divergences of
/// attacked posteriors reach 10⁹, and only differences of log scales survive that.
#[derive(Debug)]
pub struct DiagNormal {
    mean: Tensor,
    log_scale: Tensor,
}

impl DiagNormal {
    /// The law without a look at the values: inside a network, where a check
    /// would wait for the device at every pass. See [`DiagNormal::try_new`].
    ///
    /// # Shapes
    /// mean, log_scale: `batch_shape + [D]`
    ///
    /// # Panics
    /// If the shapes differ or there is no axis for the event.
    pub fn new(mean: Tensor, log_scale: Tensor) -> Self {
        assert_eq!(
            mean.size(),
            log_scale.size(),
            "DiagNormal: mean and log scale differ in shape"
        );
        assert!(
            mean.dim() > 0,
            "DiagNormal: the parameters need a last axis for the event"
        );
        Self { mean, log_scale }
    }

    /// The law after a check of its parameters.
    ///
    /// # Shapes
    /// mean, log_scale: `batch_shape + [D]`
    ///
    /// # Errors
    /// Shapes, kinds or devices that differ, no axis for the event, or a parameter that is not
    /// finite.
    pub fn try_new(mean: Tensor, log_scale: Tensor) -> Result<Self, DistError> {
        const OP: &str = "DiagNormal::try_new";
        check::finite(OP, "mean", &mean)?;
        check::finite(OP, "log_scale", &log_scale)?;
        check::last_axis(OP, "mean", &mean)?;
        if mean.size() != log_scale.size() {
            return Err(DistError::Shape {
                op: OP,
                name: "log_scale",
                expected: format!("that of the mean, {:?}", mean.size()),
                found: log_scale.size(),
            });
        }
        // The shapes are equal: this only compares kinds and devices.
        let _ = check::broadcast(OP, &mean, "log_scale", &log_scale)?;
        Ok(Self { mean, log_scale })
    }

    /// N(0, I) of the given shape.
    ///
    /// # Shapes
    /// shape: `batch_shape + [D]`
    pub fn standard(shape: &[i64], kind: Kind, device: Device) -> Self {
        let zeros = Tensor::zeros(shape, (kind, device));
        Self {
            mean: zeros.shallow_clone(),
            log_scale: zeros,
        }
    }

    /// The mean μ, `batch_shape + [D]`.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// log σ, `batch_shape + [D]`.
    pub fn log_scale(&self) -> &Tensor {
        &self.log_scale
    }

    /// σ, `batch_shape + [D]`.
    pub fn scale(&self) -> Tensor {
        self.log_scale.exp()
    }

    /// The same law cut off from the graph.
    pub fn detach(&self) -> Self {
        Self {
            mean: self.mean.detach(),
            log_scale: self.log_scale.detach(),
        }
    }

    /// The laws at these positions of the first batch axis.
    pub fn index_select(&self, rows: &Tensor) -> Self {
        Self {
            mean: self.mean.index_select(0, rows),
            log_scale: self.log_scale.index_select(0, rows),
        }
    }

    /// KL(self ‖ N(0, I)) of each law.
    ///
    /// # Formula
    /// ```text
    /// ½ Σⱼ (μⱼ² + σⱼ² − 1 − 2 log σⱼ)
    /// ```
    ///
    /// # Shapes
    /// result: `batch_shape`
    pub fn kl_to_standard(&self) -> Tensor {
        let two_log = &self.log_scale * 2.0;
        // expm1 keeps σ² − 1 exact to rounding where σ is near one.
        let terms = self.mean.square() + two_log.expm1() - two_log;
        terms.sum_dim_intlist(-1, false, None) * 0.5
    }
}

impl Distribution for DiagNormal {
    fn batch_shape(&self) -> Vec<i64> {
        let size = self.mean.size();
        size[..size.len() - 1].to_vec()
    }

    fn event_shape(&self) -> Vec<i64> {
        self.mean.size().last().copied().into_iter().collect()
    }

    /// # Formula
    /// ```text
    /// Σⱼ [ −½ ((xⱼ−μⱼ)/σⱼ)² − log σⱼ − ½ log 2π ]
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        check::assert_value(
            "DiagNormal",
            value,
            &self.batch_shape(),
            &self.event_shape(),
        );
        let standardized = (value - &self.mean) * (-&self.log_scale).exp();
        let terms = standardized.square() * -0.5 - &self.log_scale - 0.5 * (2.0 * PI).ln();
        terms.sum_dim_intlist(-1, false, None)
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        (self.mean.kind(), self.mean.device())
    }
}

impl Mean for DiagNormal {
    fn mean(&self) -> Tensor {
        self.mean.shallow_clone()
    }
}

impl Variance for DiagNormal {
    fn variance(&self) -> Tensor {
        (&self.log_scale * 2.0).exp()
    }
}

impl Mode for DiagNormal {
    fn mode(&self) -> Tensor {
        self.mean.shallow_clone()
    }
}

impl Entropy for DiagNormal {
    /// # Formula
    /// ```text
    /// Σⱼ [ log σⱼ + ½ log 2πe ]
    /// ```
    fn entropy(&self) -> Tensor {
        let per_axis = &self.log_scale + 0.5 * ((2.0 * PI).ln() + 1.0);
        per_axis.sum_dim_intlist(-1, false, None)
    }
}

impl Reparameterize for DiagNormal {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::StandardNormal
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        [sample_shape, &self.mean.size()].concat()
    }

    fn from_noise(&self, eps: &Tensor) -> Tensor {
        &self.mean + self.log_scale.exp() * eps
    }
}

impl KlTo<DiagNormal> for DiagNormal {
    /// # Formula
    /// ```text
    /// ½ Σⱼ [ ((μₐ−μ_b)/σ_b)² + (σₐ/σ_b)² − 1 − 2 log(σₐ/σ_b) ]
    /// ```
    ///
    /// The parameters broadcast: a law of batch shape `[1]` or a standard normal
    /// of event shape alone compares with a whole batch.
    fn kl_to(&self, other: &DiagNormal) -> Tensor {
        let shift = (&self.mean - &other.mean) * (-&other.log_scale).exp();
        let two_log_ratio = (&self.log_scale - &other.log_scale) * 2.0;
        let terms = shift.square() + two_log_ratio.expm1() - two_log_ratio;
        terms.sum_dim_intlist(-1, false, None) * 0.5
    }
}

impl W2To<DiagNormal> for DiagNormal {
    /// # Formula
    /// ```text
    /// ‖μₐ−μ_b‖² + ‖σₐ−σ_b‖²
    /// ```
    fn w2_squared_to(&self, other: &DiagNormal) -> Tensor {
        let terms = (&self.mean - &other.mean).square() + (self.scale() - other.scale()).square();
        terms.sum_dim_intlist(-1, false, None)
    }
}
