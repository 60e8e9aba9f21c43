//! How the latent space is used: active units and the size of the encoder's noise.

use crate::in_parts;
use serde::{Deserialize, Serialize};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Kind, Tensor, no_grad};

/// A unit is active when the variance of its posterior mean over the data
/// exceeds this (Burda, Grosse and Salakhutdinov 2016).
pub const ACTIVE_VARIANCE: f64 = 0.01;

/// Statistics of one latent layer over a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatentUsage {
    /// Var over the data of each μⱼ.
    #[serde(with = "vaegis_core::codec::float::list")]
    pub mean_variance: Vec<f64>,
    /// Number of units with a variance above [`ACTIVE_VARIANCE`].
    pub active_units: usize,
    /// Mean over the data and the units of σⱼ.
    #[serde(with = "vaegis_core::codec::float")]
    pub mean_sigma: f64,
    /// Mean over the data of min_j σⱼ.
    #[serde(with = "vaegis_core::codec::float")]
    pub mean_min_sigma: f64,
    /// Mean over the data of ‖σ‖₂.
    #[serde(with = "vaegis_core::codec::float")]
    pub mean_sigma_norm: f64,
}

/// Usage of the layer nearest the data.
///
/// # Shapes
/// x: `[N, C, H, W]`
pub fn usage(model: &dyn LatentModel, x: &Tensor) -> LatentUsage {
    usage_of_layer(model, x, 0)
}

/// Usage of one layer (0 is nearest the data) along the chain of means.
///
/// # Shapes
/// x: `[N, C, H, W]`
///
/// # Panics
/// If there is no such layer.
pub fn usage_of_layer(model: &dyn LatentModel, x: &Tensor, layer: usize) -> LatentUsage {
    no_grad(|| {
        let passes: Vec<(Tensor, Tensor)> = in_parts(x, 1024, |_, part| {
            let posterior = model.posterior(part, LatentPath::Mean, Mode::Eval);
            let layer = &posterior.layers[layer];
            vec![(
                layer.mean().to_kind(Kind::Double),
                layer.scale().to_kind(Kind::Double),
            )]
        });
        let join = |pick: fn(&(Tensor, Tensor)) -> &Tensor| {
            Tensor::cat(&passes.iter().map(pick).collect::<Vec<_>>(), 0)
        };
        let (mean, sigma) = (join(|p| &p.0), join(|p| &p.1));
        let mean_variance = to_f64_vec(&mean.var_dim(0, false, false));
        let scalar = |t: Tensor| to_f64_vec(&t.mean(None))[0];
        LatentUsage {
            active_units: mean_variance
                .iter()
                .filter(|v| **v > ACTIVE_VARIANCE)
                .count(),
            mean_variance,
            mean_sigma: scalar(sigma.shallow_clone()),
            mean_min_sigma: scalar(sigma.amin(1, false)),
            mean_sigma_norm: scalar(sigma.square().sum_dim_intlist(1, false, None).sqrt()),
        }
    })
}

/// Mean over the units of σⱼ(x), of every input: what error bands over a data
/// set are made of.
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` values
pub fn mean_sigmas(model: &dyn LatentModel, x: &Tensor) -> Vec<f64> {
    no_grad(|| {
        in_parts(x, 1024, |_, part| {
            let posterior = model.posterior(part, LatentPath::Mean, Mode::Eval);
            to_f64_vec(&posterior.layers[0].scale().mean_dim(1, false, None))
        })
    })
}

/// ‖x − g(μ(x))‖₂ of every input: the distortion that every robustness
/// number must be shown beside.
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` distances
pub fn distortion(model: &dyn LatentModel, x: &Tensor) -> Vec<f64> {
    no_grad(|| {
        in_parts(x, 1024, |_, part| {
            let difference = (model.reconstruct(part) - part).flatten(1, -1);
            to_f64_vec(&difference.square().sum_dim_intlist(1, false, None).sqrt())
        })
    })
}
