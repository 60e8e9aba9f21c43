//! One Gaussian conditional between latent layers.

use crate::network::gaussian;
use vaegis_dist::DiagNormal;
use vaegis_nn::{Activation, BatchNorm, Linear, Mode, WeightInit};
use vaegis_tensor::{ParamPath, Tensor, TensorError};

/// Two hidden layers, each affine, batch-normalized and leaky-rectified, then one affine head for
/// the mean and one for log σ. The hidden part is named like a PyTorch
/// `Sequential(Linear, BatchNorm1d, LeakyReLU, Linear, BatchNorm1d, LeakyReLU)`.
#[derive(Debug)]
pub(super) struct Conditional {
    hidden: Vec<(Linear, BatchNorm)>,
    mu: Linear,
    log_sigma: Linear,
}

impl Conditional {
    pub(super) fn new(
        path: &ParamPath,
        num_inputs: i64,
        num_hidden: i64,
        num_outputs: i64,
        init: WeightInit,
    ) -> Result<Self, TensorError> {
        let net = path.sub("net");
        let layer = |k: i64, num_inputs: i64| {
            let linear = net.sub(&(3 * k).to_string());
            let norm = net.sub(&(3 * k + 1).to_string());
            Ok::<_, TensorError>((
                Linear::new(&linear, num_inputs, num_hidden, init)?,
                BatchNorm::new(&norm, num_hidden)?,
            ))
        };
        Ok(Self {
            hidden: vec![layer(0, num_inputs)?, layer(1, num_hidden)?],
            mu: Linear::new(&path.sub("mu"), num_hidden, num_outputs, init)?,
            log_sigma: Linear::new(&path.sub("log_sigma"), num_hidden, num_outputs, init)?,
        })
    }

    /// # Shapes
    /// inputs: `[B, num_inputs]` → batch `[B]`, event `[num_outputs]`
    pub(super) fn forward(&self, inputs: &Tensor, mode: Mode) -> DiagNormal {
        let mut h = inputs.shallow_clone();
        for (linear, norm) in &self.hidden {
            h = Activation::LeakyRelu.apply_owned(norm.forward(&linear.forward(&h), mode));
        }
        gaussian((self.mu.forward(&h), self.log_sigma.forward(&h)))
    }
}
