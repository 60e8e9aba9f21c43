//! What attacks and evaluation need of a latent-variable model.

use crate::{Likelihood, NetworkPaths};
use vaegis_dist::DiagNormal;
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

    /// What each layer contributes to KL(q(z|x) ‖ p(z)): closed form for the
    /// only layer of a flat model, log-ratio along the path where there is none.
    ///
    /// # Shapes
    /// result: one `[B]` per layer, in nats
    fn kl_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor>;

    /// A builder of copies of this model with the parameters as they are now,
    /// which share nothing with it.
    ///
    /// Tensors cannot be shared between threads; work over many rows is spread
    /// by copies. A model without replicas is worked with on one thread.
    fn replica(&self) -> Option<Replica> {
        None
    }

    /// The networks as explicit affine maps, for certificates; none where the
    /// model is not fully connected with one latent layer.
    fn network_paths(&self) -> Option<NetworkPaths> {
        None
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
