//! What a bound is worth on one network: attacks exactly at it, and the linear region around each
//! image, in which it would hold.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use vaegis_attacks::Variant;
use vaegis_eval::bounds::InputBounds;
use vaegis_eval::cell::cells;
use vaegis_eval::hunt::{HuntOptions, Trial, hunt};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor};

/// What the strongest of three searches with restarts leaves within r at the bounds, and how far a bound on the linearized encoder can reach. A bound that is infinite is attacked
/// at the cap of margins; one that is 0 says nothing and has no trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AtBounds {
    /// At B_F with the counted p₀, as printed; mean and scale attacked (V2), as the sources'
    /// algorithm does.
    pub frobenius_both: Vec<Option<Trial>>,
    /// At B_F, the mean alone attacked (V1), of which theorem 6.1 speaks.
    pub frobenius_mean: Vec<Option<Trial>>,
    /// At B_M with the lower confidence limit of p₀, so that what refutes it is the encoder's bend
    /// and no error of p₀; V1.
    pub mahalanobis_mean: Vec<Option<Trial>>,
    /// ρ_cell: distance to the boundary of the linear region of μ.
    #[serde(with = "vaegis_core::codec::float::list")]
    pub cell: Vec<f64>,
    /// Product of the spectral norms of μ's layers, the global Lipschitz constant of μ.
    #[serde(with = "vaegis_core::codec::float")]
    pub norm_product: f64,
}

/// Attacks every image at its own bounds.
///
/// # Shapes
/// x: `[N, C, H, W]`; bounds: `N`
pub(super) fn measure(
    model: &dyn LatentModel,
    x: &Tensor,
    bounds: &[InputBounds],
    (r, cap): (f64, f64),
    options: &HuntOptions,
    noise: &Noise,
) -> Result<AtBounds> {
    let test = |variant, label: &str, bound: fn(&InputBounds) -> f64| -> Result<_> {
        let at = |b: &InputBounds| bound(b).min(cap);
        let radii: Vec<f64> = bounds.iter().map(at).collect();
        let mut trials = vec![None; radii.len()];
        for trial in hunt(model, x, &radii, variant, r, options, &noise.child(label))? {
            trials[trial.row] = Some(trial);
        }
        Ok(trials)
    };
    let paths = model
        .network_paths()
        .context("the networks of this chapter are fully connected")?;
    let cells = cells(&paths.mean, x)?;
    Ok(AtBounds {
        frobenius_both: test(Variant::Both, "both", |b| b.plug_in.frobenius)?,
        frobenius_mean: test(Variant::MeanOnly, "mean", |b| b.plug_in.frobenius)?,
        mahalanobis_mean: test(Variant::MeanOnly, "mahalanobis", |b| {
            b.confident.mahalanobis
        })?,
        cell: cells.iter().map(|cell| cell.radius).collect(),
        norm_product: paths.mean.lipschitz(),
    })
}
