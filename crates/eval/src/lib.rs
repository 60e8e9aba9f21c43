//! Measurements on trained models.
//!
//! Here the torch side meets the theory: networks give distances, Jacobians and
//! success or failure per radius; `vaegis-theory` turns them into bounds,
//! intervals and margins. Nothing here trains, and nothing knows a concrete model.

pub mod bounds;
pub mod cell;
pub mod certificate;
pub mod channel;
pub mod curve;
pub mod damage;
pub mod decomposition;
pub mod degradation;
pub mod denoise;
mod direction;
pub mod disentangle;
pub mod downstream;
pub mod elbo;
pub mod error;
pub mod hunt;
pub mod latent;
pub mod margin;
pub mod margin_legacy;
pub mod margin_summary;
pub mod noise;
pub mod robust;

pub use error::EvalError;

use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor, parts};

/// Standard normal noise of every layer for `num_rows` rows, like `x` in kind and device; a layer
/// has a node of its own.
///
/// # Shapes
/// result: one `[num_rows, d_l]` per layer
pub(crate) fn layer_noise(
    model: &dyn LatentModel,
    num_rows: i64,
    x: &Tensor,
    noise: &Noise,
) -> Vec<Tensor> {
    let draw = |(layer, &size): (usize, &i64)| {
        let node = noise.index(layer as u64);
        node.standard_normal(&[num_rows, size], x.kind(), x.device())
    };
    model.latent_sizes().iter().enumerate().map(draw).collect()
}

/// Runs `measure` on consecutive parts of at most `per_pass` rows and joins the
/// results; bounds the memory of a pass over a whole test set.
pub(crate) fn in_parts<T>(
    x: &Tensor,
    per_pass: usize,
    mut measure: impl FnMut(usize, &Tensor) -> Vec<T>,
) -> Vec<T> {
    let num_rows = x.size()[0];
    let mut results = Vec::with_capacity(num_rows as usize);
    for (start, len) in parts(num_rows, per_pass as i64) {
        results.extend(measure(start as usize, &x.narrow(0, start, len)));
    }
    results
}
