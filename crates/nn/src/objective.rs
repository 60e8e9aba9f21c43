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

    /// The scalar that is minimized.
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

/// Something that can be trained by gradient descent.
pub trait Objective {
    /// The terms of the loss on one batch, with gradient.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]`; labels: `[B]` of kind Int64 where the data has them
    fn loss(&self, x: &Tensor, labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms;

    /// Parameters and buffers.
    fn params(&self) -> &ParamStore;
}
