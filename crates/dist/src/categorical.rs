//! The categorical distribution over class numbers, parameterized by logits.
//! For one-hot events with a gradient see [`crate::StraightThrough`].

use crate::{DistError, Distribution, Entropy, KlTo, Mode, check};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// A law over the numbers 0 … K−1, batched; samples are of kind Int64.
#[derive(Debug)]
pub struct Categorical {
    log_probs: Tensor,
}

impl Categorical {
    /// The law with these logits; a constant added to all K of them changes nothing.
    ///
    /// # Shapes
    /// logits: `batch_shape + [K]`
    ///
    /// # Errors
    /// Logits that are not finite floats, or have no last axis to hold the classes.
    pub fn new(logits: &Tensor) -> Result<Self, DistError> {
        const OP: &str = "Categorical::new";
        check::finite(OP, "logits", logits)?;
        check::last_axis(OP, "logits", logits)?;
        Ok(Self {
            log_probs: logits.log_softmax(-1, None),
        })
    }

    /// Number of classes K.
    pub fn num_classes(&self) -> i64 {
        self.log_probs
            .size()
            .last()
            .copied()
            .expect("invariant: checked in the constructor")
    }

    /// log P(x = k) for every class, `batch_shape + [K]`.
    pub fn log_probs(&self) -> &Tensor {
        &self.log_probs
    }

    /// P(x = k) for every class, `batch_shape + [K]`.
    pub fn probs(&self) -> Tensor {
        self.log_probs.exp()
    }
}

impl Distribution for Categorical {
    fn batch_shape(&self) -> Vec<i64> {
        let size = self.log_probs.size();
        size[..size.len() - 1].to_vec()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// The log mass of each class number in `value`, of kind Int64.
    fn log_prob(&self, value: &Tensor) -> Tensor {
        check::assert_value("Categorical", value, &self.batch_shape(), &[]);
        assert!(
            value.kind() == Kind::Int64,
            "Categorical: class numbers must be of kind Int64, found {:?}: use to_kind",
            value.kind()
        );
        let table = self
            .log_probs
            .expand([value.size(), vec![self.num_classes()]].concat(), false);
        table
            .gather(-1, &value.unsqueeze(-1), false)
            .squeeze_dim(-1)
    }

    /// The class with the largest sum of log mass and Gumbel noise.
    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        let (kind, device) = self.options();
        let shape = [sample_shape, &self.log_probs.size()].concat();
        let gumbel = noise.gumbel(&shape, kind, device);
        vaegis_tensor::no_grad(|| (gumbel + &self.log_probs).argmax(-1, false))
    }

    fn options(&self) -> (Kind, Device) {
        (self.log_probs.kind(), self.log_probs.device())
    }
}

impl Mode for Categorical {
    fn mode(&self) -> Tensor {
        self.log_probs.argmax(-1, false)
    }
}

impl Entropy for Categorical {
    /// # Formula
    /// ```text
    /// −Σₖ pₖ log pₖ
    /// ```
    fn entropy(&self) -> Tensor {
        // Finite logits have finite log masses, so 0 · log 0 does not arise.
        -(self.probs() * &self.log_probs).sum_dim_intlist(-1, false, None)
    }
}

impl KlTo<Categorical> for Categorical {
    /// # Formula
    /// ```text
    /// Σₖ pₖ (log pₖ − log qₖ)
    /// ```
    fn kl_to(&self, other: &Categorical) -> Tensor {
        let (ours, theirs) = (self.log_probs.size(), other.log_probs.size());
        check::assert_same_batch("KL(Categorical ‖ Categorical)", &ours, &theirs);
        (self.probs() * (&self.log_probs - &other.log_probs)).sum_dim_intlist(-1, false, None)
    }
}
