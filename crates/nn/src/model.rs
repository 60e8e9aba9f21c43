//! What attacks and evaluation need of a latent-variable model.

use crate::lipschitz::Unconverged;
use crate::{Likelihood, NetworkPaths};
use vaegis_dist::{DiagNormal, Distribution as _, Reparameterize as _};
use vaegis_tensor::autograd::per_example_jacobian;
use vaegis_tensor::{ParamStore, Tensor};

/// Whether a pass trains (batch statistics) or evaluates (running statistics).
/// An argument of every pass, never hidden state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, updated.
    Train,
    /// Running statistics, unchanged; rows do not influence each other.
    Eval,
}

/// Which point of each posterior the pass goes through.
#[derive(Clone, Copy, Debug)]
pub enum LatentPath<'a> {
    /// z = μ in every layer.
    Mean,
    /// z = μ + σ ⊙ ε with the given ε, one `[B, d_l]` tensor per layer, layer 1
    /// (nearest the data) first.
    Noise(&'a [Tensor]),
}

impl LatentPath<'_> {
    /// The point of this path in one layer (0 is nearest the data).
    ///
    /// # Shapes
    /// result: `[B, d_l]`
    ///
    /// # Panics
    /// If there is noise for fewer layers.
    pub fn point(&self, layer: usize, posterior: &DiagNormal) -> Tensor {
        match self {
            Self::Mean => posterior.mean().shallow_clone(),
            Self::Noise(eps) => posterior.from_noise(&eps[layer]),
        }
    }
}

/// The encoder's answer to a batch of inputs.
#[derive(Debug)]
pub struct Posterior {
    /// q(z¹|x), q(z²|z¹, x), …, each `[B] + [d_l]`, layer 1 nearest the data.
    pub layers: Vec<DiagNormal>,
    /// The point of each layer that the path went through, `[B, d_l]`.
    pub z: Vec<Tensor>,
}

/// Builds an independent copy of a model, on whatever thread it is called.
pub type Replica = Box<dyn FnOnce() -> Box<dyn LatentModel> + Send>;

/// A model with continuous latent variables, an encoder and a decoder.
///
/// The rows of a batch are independent in [`Mode::Eval`]. `B` is the batch;
/// `S` samples per input are expressed by repeating rows.
pub trait LatentModel {
    /// `[C, H, W]` of one input.
    fn input_shape(&self) -> [i64; 3];

    /// Lowest and highest valid pixel value.
    fn bounds(&self) -> (f64, f64);

    /// Size of each latent layer, layer 1 nearest the data.
    fn latent_sizes(&self) -> Vec<i64>;

    /// Parameters and buffers.
    fn params(&self) -> &ParamStore;

    /// The posterior along one path.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]`
    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior;

    /// p(x | z).
    ///
    /// # Shapes
    /// z: one `[B, d_l]` per layer → likelihood over `[B, C, H, W]`
    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood;

    /// What each layer contributes to KL(q(z|x) ‖ p(z)): closed form where it is exact (the only
    /// layer of a flat model), log-ratio along the path where there is none. The expectation over
    /// the path is the divergence itself, whatever form a model trains with.
    ///
    /// # Shapes
    /// result: one `[B]` per layer, in nats
    fn kl_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor>;

    /// A builder of copies of this model with the parameters as they are now,
    /// which share nothing with it.
    ///
    /// Tensors cannot be shared between threads; work over many rows is spread
    /// by copies. A model without replicas is worked with as one batch, with
    /// libtorch's own threads.
    fn replica(&self) -> Option<Replica> {
        None
    }

    /// The networks as explicit affine maps, for certificates; none where the
    /// model is not fully connected with one latent layer.
    fn network_paths(&self) -> Option<NetworkPaths> {
        None
    }

    /// Whether the frozen layers are as orthonormal as the model's construction promises; a model
    /// that promises nothing keeps it. Certificates ask before they trust the model.
    ///
    /// # Errors
    /// A layer whose iteration has not converged.
    fn check_layers(&self) -> Result<(), Unconverged> {
        Ok(())
    }

    /// The Jacobian of the bottom layer's posterior mean for every input: by products of
    /// layers where the encoder is fully connected, else by one backward pass per latent.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, d_1, C·H·W]`
    fn mean_jacobian(&self, x: &Tensor) -> Tensor {
        let paths = self.network_paths();
        let by_layers = paths.map(|paths| paths.mean.jacobian(&x.flatten(1, -1)));
        by_layers.unwrap_or_else(|| {
            let mean = |x: &Tensor| {
                let mut posterior = self.posterior(x, LatentPath::Mean, Mode::Eval);
                posterior.layers.swap_remove(0).mean().shallow_clone()
            };
            per_example_jacobian(mean, x)
        })
    }

    /// p(zˡ | zˡ⁺¹) of each layer at the points of a path; N(0, I) for the layer farthest from the
    /// data. Models with several layers give their own.
    ///
    /// # Shapes
    /// z: one `[B, d_l]` per layer → one law per layer, each `[B] + [d_l]`
    ///
    /// # Panics
    /// If there are several layers and the model does not say how they depend on each other.
    fn priors(&self, z: &[Tensor], _mode: Mode) -> Vec<DiagNormal> {
        assert_eq!(z.len(), 1, "a model with several layers has its own priors");
        vec![DiagNormal::standard(
            &z[0].size(),
            z[0].kind(),
            z[0].device(),
        )]
    }

    /// log q(zˡ | …) − log p(zˡ | zˡ⁺¹) of each layer at the points of the path: exact importance
    /// weights, and in expectation over the path the KL divergence.
    ///
    /// # Shapes
    /// result: one `[B]` per layer, in nats
    fn log_ratio_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor> {
        let priors = self.priors(&posterior.z, mode);
        let layers = posterior.layers.iter().zip(&priors).zip(&posterior.z);
        layers
            .map(|((q, p), z)| q.log_prob(z) - p.log_prob(z))
            .collect()
    }

    /// The mean reconstruction g(μ(x)).
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, C, H, W]`
    fn reconstruct(&self, x: &Tensor) -> Tensor {
        let posterior = self.posterior(x, LatentPath::Mean, Mode::Eval);
        self.decode(&posterior.z, Mode::Eval).mean()
    }
}
