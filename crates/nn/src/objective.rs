//! What the training loop needs of a model.

use vaegis_tensor::{Noise, ParamStore, Tensor};

/// One named part of a loss.
#[derive(Debug)]
pub struct LossTerm {
    /// Name in logs, for example `recon` or `kl`.
    pub name: &'static str,
    /// Value per example `[B]`, or a scalar for a batch-level term.
    pub value: Tensor,
    /// Factor with which the mean of the term enters the total.
    pub weight: f64,
}

/// An ordered list of named terms; the loss is Σ weight · mean(value).
#[derive(Debug, Default)]
pub struct LossTerms {
    /// The terms in the order in which they are logged.
    pub terms: Vec<LossTerm>,
    /// Terms of the opponent's own loss, for an objective that has one.
    pub opponent: Vec<LossTerm>,
}

impl LossTerms {
    /// Appends a term.
    #[must_use]
    pub fn with(mut self, name: &'static str, weight: f64, value: Tensor) -> Self {
        self.terms.push(LossTerm {
            name,
            value,
            weight,
        });
        self
    }

    /// Appends a term to the opponent's loss. Its value must be cut off from the parameters of
    /// the model, and the names of both losses must differ.
    #[must_use]
    pub fn with_opponent(mut self, name: &'static str, weight: f64, value: Tensor) -> Self {
        self.opponent.push(LossTerm {
            name,
            value,
            weight,
        });
        self
    }

    /// The scalar that is minimized, without the opponent's terms.
    ///
    /// # Panics
    /// If there is no term.
    pub fn total(&self) -> Tensor {
        let weighted = self.terms.iter().map(|t| t.value.mean(None) * t.weight);
        weighted
            .reduce(|a, b| a + b)
            .expect("invariant: a loss has at least one term")
    }
}

/// What a loss may depend on besides the batch and the parameters.
#[derive(Debug)]
pub struct StepContext<'a> {
    /// Number of this step, from 0.
    pub step: u64,
    /// Noise of this step; every use takes its own child.
    pub noise: &'a Noise,
    /// Number of examples in the data set, for estimators of the aggregate posterior.
    pub dataset_size: usize,
}

impl StepContext<'_> {
    /// Standard normal noise for the latents of one layer (0 is nearest the
    /// data), of the shape, kind and device of `like`. Every model draws here,
    /// so that a step can be replayed outside of it.
    pub fn latent_noise(&self, layer: u64, like: &Tensor) -> Tensor {
        let noise = self.noise.child("z").index(layer);
        noise.standard_normal(&like.size(), like.kind(), like.device())
    }
}

/// Parameters that are trained against the model, by their own Adam on their own loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opponent {
    /// Path below which its parameters live; the model's loss does not move them.
    pub prefix: &'static str,
    /// Constant learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
}

impl Opponent {
    /// Whether a parameter of this name is the opponent's.
    pub fn owns(&self, name: &str) -> bool {
        name.strip_prefix(self.prefix)
            .is_some_and(|rest| rest.starts_with('.'))
    }
}

/// Something that can be trained by gradient descent.
pub trait Objective {
    /// The terms of the loss on one batch, with gradient.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]`; labels: `[B]` of kind Int64 where the data has them
    fn loss(&self, x: &Tensor, labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms;

    /// Parameters and buffers.
    fn params(&self) -> &ParamStore;

    /// Who is trained against this objective on [`LossTerms::opponent`]; nobody by default.
    fn opponent(&self) -> Option<Opponent> {
        None
    }
}
