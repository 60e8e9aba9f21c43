//! The concrete distribution: the Gumbel-softmax relaxation of a categorical
//! law, on the interior of the simplex.

use crate::{BaseNoise, Categorical, DistError, Distribution, Reparameterize, check};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// softmax((log π + Gumbel noise)/τ), batched.
///
/// # References
/// Jang, Gu and Poole, "Categorical reparameterization with Gumbel-softmax", 2017; Maddison, Mnih
/// and Teh, "The concrete distribution", 2017.
#[derive(Debug)]
pub struct RelaxedCategorical {
    categorical: Categorical,
    temperature: f64,
}

impl RelaxedCategorical {
    /// The relaxation at this temperature; zero would be the categorical law itself.
    ///
    /// # Shapes
    /// logits: `batch_shape + [K]`
    ///
    /// # Errors
    /// Logits that are not finite floats or have no last axis, or a temperature that is not
    /// positive and finite.
    pub fn new(logits: &Tensor, temperature: f64) -> Result<Self, DistError> {
        check::positive_number("RelaxedCategorical::new", "temperature", temperature)?;
        Ok(Self {
            categorical: Categorical::new(logits)?,
            temperature,
        })
    }

    /// The categorical law that is relaxed: that of the largest coordinate.
    pub fn categorical(&self) -> &Categorical {
        &self.categorical
    }

    /// The temperature τ.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The logarithm of the sample that belongs to Gumbel noise `eps`. It stays finite where the
    /// sample underflows to zero.
    ///
    /// # Shapes
    /// eps: `sample_shape + batch_shape + [K]` → the same
    pub fn log_from_noise(&self, eps: &Tensor) -> Tensor {
        let shape = self.categorical.log_probs().size();
        check::assert_value("RelaxedCategorical::from_noise", eps, &shape, &[]);
        ((self.categorical.log_probs() + eps) / self.temperature).log_softmax(-1, None)
    }

    /// The log density of a point on the simplex that is given by the logarithms of its
    /// coordinates. The density is with respect to the first K−1 coordinates.
    ///
    /// # Formula
    /// ```text
    /// log Γ(K) + (K−1) log τ + Σₖ (log πₖ − (τ+1) log yₖ) − K log Σₖ πₖ yₖ^(−τ)
    /// ```
    ///
    /// # Shapes
    /// log_value: `sample_shape + batch_shape + [K]` → `sample_shape + batch_shape`
    ///
    /// # Panics
    /// If the shape of `log_value` does not end in `batch_shape + [K]`.
    ///
    /// # References
    /// Maddison, Mnih and Teh, 2017, Definition 1.
    pub fn log_prob_of_log(&self, log_value: &Tensor) -> Tensor {
        let (batch, event) = (self.batch_shape(), self.event_shape());
        check::assert_value("RelaxedCategorical", log_value, &batch, &event);
        let num_classes = self.categorical.num_classes();
        let scores = self.categorical.log_probs() - log_value * self.temperature;
        let log_gamma: f64 = (1..num_classes).map(|k| (k as f64).ln()).sum();
        let constant = log_gamma + (num_classes - 1) as f64 * self.temperature.ln();
        let norm = scores.logsumexp(-1, false) * num_classes as f64;
        (scores - log_value).sum_dim_intlist(-1, false, None) - norm + constant
    }
}

impl Distribution for RelaxedCategorical {
    fn batch_shape(&self) -> Vec<i64> {
        self.categorical.batch_shape()
    }

    fn event_shape(&self) -> Vec<i64> {
        vec![self.categorical.num_classes()]
    }

    /// See [`RelaxedCategorical::log_prob_of_log`], which also serves points that underflow.
    fn log_prob(&self, value: &Tensor) -> Tensor {
        // A coordinate that has underflowed to zero has no logarithm; the smallest positive
        // single stands in for it, which keeps the result finite.
        self.log_prob_of_log(&value.clamp_min(f64::from(f32::MIN_POSITIVE)).log())
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        self.categorical.options()
    }
}

impl Reparameterize for RelaxedCategorical {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::Gumbel
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        [sample_shape, &self.categorical.log_probs().size()].concat()
    }

    fn from_noise(&self, eps: &Tensor) -> Tensor {
        self.log_from_noise(eps).exp()
    }

    /// Goes through the logarithm of the sample, which does not underflow at low temperature.
    fn rsample_and_log_prob(&self, noise: &Noise, sample_shape: &[i64]) -> (Tensor, Tensor) {
        let (kind, device) = self.options();
        let eps = noise.gumbel(&self.noise_shape(sample_shape), kind, device);
        let log_value = self.log_from_noise(&eps);
        let log_prob = self.log_prob_of_log(&log_value);
        (log_value.exp(), log_prob)
    }
}
