//! How well a model explains an input after seeing only a noisy copy of it.

use crate::{in_parts, layer_noise};
use serde::{Deserialize, Serialize};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Noise, Tensor, no_grad};

/// Inputs of one network pass.
const ROWS_PER_PASS: usize = 1024;
/// The noise scales of the sources, and none.
pub const SCALES: [f64; 4] = [0.0, 0.1, 0.5, 1.0];

/// The densities of all inputs at one noise scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Denoising {
    /// Standard deviation a of the noise on the input.
    pub scale: f64,
    /// log p(x | z) of the clean input, in nats.
    pub log_likelihood: Vec<f64>,
}

/// log p(x | z) of every input, with z from its noisy copy.
///
/// The noise on the input and that of the latents are the same at every scale, so scales differ
/// by the scale alone; scale 0 gives the plain distribution. The noisy input is not clipped.
///
/// # Formula
/// ```text
/// log p(x | z),  z ~ q(z | x + a ε),  ε ~ N(0, I)
/// ```
///
/// # Shapes
/// x: `[N, C, H, W]` → one entry per scale, each of `N` values
///
/// # References
/// Figure D.5 of the thesis's chapter on robust VAEs.
pub fn denoising(
    model: &dyn LatentModel,
    x: &Tensor,
    scales: &[f64],
    noise: &Noise,
) -> Vec<Denoising> {
    let at = |scale: f64| {
        let log_likelihood = in_parts(x, ROWS_PER_PASS, |start, part| {
            let noise = noise.index(start as u64);
            let pixels = noise.child("pixels");
            let eps = pixels.standard_normal(&part.size(), part.kind(), part.device());
            let z = latents(model, &(part + eps * scale), Some(&noise.child("latents")));
            to_f64_vec(&model.decode(&z, Mode::Eval).log_prob(part))
        });
        Denoising {
            scale,
            log_likelihood,
        }
    };
    no_grad(|| scales.iter().map(|&scale| at(scale)).collect())
}

/// One sample of all layers given an input, or all means without noise.
///
/// # Shapes
/// x: `[B, C, H, W]` → one `[B, d_l]` per layer
pub(crate) fn latents(model: &dyn LatentModel, x: &Tensor, noise: Option<&Noise>) -> Vec<Tensor> {
    let Some(noise) = noise else {
        return model.posterior(x, LatentPath::Mean, Mode::Eval).z;
    };
    let eps = layer_noise(model, x.size()[0], x, noise);
    model.posterior(x, LatentPath::Noise(&eps), Mode::Eval).z
}
