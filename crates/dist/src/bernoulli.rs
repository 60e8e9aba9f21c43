//! The Bernoulli distribution, parameterized by logits.

use crate::{
    Cdf, DistError, Distribution, Entropy, KlTo, Mean, Mode, Variance, W2To, check, numeric,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// A coin with log odds ℓ, batched; samples are zeros and ones of the logits' kind.
#[derive(Debug)]
pub struct Bernoulli {
    logits: Tensor,
}

impl Bernoulli {
    /// The law with these log odds.
    ///
    /// # Shapes
    /// logits: `batch_shape`
    ///
    /// # Errors
    /// Logits that are not finite floats.
    pub fn new(logits: &Tensor) -> Result<Self, DistError> {
        check::finite("Bernoulli::new", "logits", logits)?;
        Ok(Self {
            logits: logits.shallow_clone(),
        })
    }

    /// The law with these probabilities of a one.
    ///
    /// # Shapes
    /// probs: `batch_shape`
    ///
    /// # Errors
    /// Probabilities that are not floats strictly between zero and one: certainty has no logit.
    pub fn from_probs(probs: &Tensor) -> Result<Self, DistError> {
        const OP: &str = "Bernoulli::from_probs";
        check::positive(OP, "probs", probs)?;
        check::positive(OP, "1 − probs", &(-probs + 1.0))?;
        Self::new(&(probs.log() - (-probs).log1p()))
    }

    /// The log odds ℓ, `batch_shape`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// P(x = 1) = σ(ℓ), `batch_shape`.
    pub fn probs(&self) -> Tensor {
        self.logits.sigmoid()
    }

    /// log P(x = 0) and log P(x = 1), both exact to rounding for any logit.
    fn log_probs(&self) -> (Tensor, Tensor) {
        (
            numeric::log_sigmoid(&-&self.logits),
            numeric::log_sigmoid(&self.logits),
        )
    }
}

impl Distribution for Bernoulli {
    fn batch_shape(&self) -> Vec<i64> {
        self.logits.size()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// The log mass of zeros and ones. Grey levels in \[0, 1\] count as probabilities of a one,
    /// which makes this the negative cross-entropy; it is then no log density.
    ///
    /// # Formula
    /// ```text
    /// x log σ(ℓ) + (1−x) log σ(−ℓ)
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        check::assert_value("Bernoulli", value, &self.logits.size(), &[]);
        // Two exact terms: x ℓ − softplus(ℓ) cancels to zero at large |ℓ|.
        let (zero, one) = self.log_probs();
        value * one + (-value + 1.0) * zero
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        let (kind, device) = self.options();
        let shape = [sample_shape, &self.logits.size()].concat();
        let u = noise.uniform(&shape, kind, device);
        vaegis_tensor::no_grad(|| u.lt_tensor(&self.probs()).to_kind(kind))
    }

    fn options(&self) -> (Kind, Device) {
        (self.logits.kind(), self.logits.device())
    }
}

impl Mean for Bernoulli {
    fn mean(&self) -> Tensor {
        self.probs()
    }
}

impl Variance for Bernoulli {
    /// # Formula
    /// ```text
    /// σ(ℓ) σ(−ℓ)
    /// ```
    fn variance(&self) -> Tensor {
        self.probs() * (-&self.logits).sigmoid()
    }
}

impl Mode for Bernoulli {
    fn mode(&self) -> Tensor {
        self.logits.gt(0.0).to_kind(self.logits.kind())
    }
}

impl Entropy for Bernoulli {
    /// # Formula
    /// ```text
    /// −σ(ℓ) log σ(ℓ) − σ(−ℓ) log σ(−ℓ)
    /// ```
    fn entropy(&self) -> Tensor {
        let (zero, one) = self.log_probs();
        -(zero.exp() * &zero + one.exp() * &one)
    }
}

impl Cdf for Bernoulli {
    fn cdf(&self, value: &Tensor) -> Tensor {
        check::assert_value("Bernoulli::cdf", value, &self.logits.size(), &[]);
        let zero = (-&self.logits).sigmoid();
        let from_zero = zero * value.ge(0.0).to_kind(self.logits.kind());
        from_zero.where_self(&value.lt(1.0), &from_zero.ones_like())
    }
}

impl KlTo<Bernoulli> for Bernoulli {
    /// # Formula
    /// ```text
    /// σ(a) log(σ(a)/σ(b)) + σ(−a) log(σ(−a)/σ(−b))
    /// ```
    fn kl_to(&self, other: &Bernoulli) -> Tensor {
        let (ours, theirs) = (self.logits.size(), other.logits.size());
        check::assert_same_batch("KL(Bernoulli ‖ Bernoulli)", &ours, &theirs);
        let (zero, one) = self.log_probs();
        let (other_zero, other_one) = other.log_probs();
        zero.exp() * (&zero - other_zero) + one.exp() * (&one - other_one)
    }
}

impl W2To<Bernoulli> for Bernoulli {
    /// # Formula
    /// ```text
    /// |σ(a) − σ(b)|
    /// ```
    fn w2_squared_to(&self, other: &Bernoulli) -> Tensor {
        let (ours, theirs) = (self.logits.size(), other.logits.size());
        check::assert_same_batch("W₂(Bernoulli, Bernoulli)", &ours, &theirs);
        (self.probs() - other.probs()).abs()
    }
}
