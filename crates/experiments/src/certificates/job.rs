//! One model: train or load it, certify images, and hunt for violations.

use super::CertificatesConfig;
use crate::RunCtx;
use crate::model_cache::{Recipe, trained};
use crate::progress::Progress;
use crate::stage::stage;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vaegis_attacks::Variant;
use vaegis_data::Dataset;
use vaegis_eval::certificate::{InputCertificates, ModelConstants, certify};
use vaegis_eval::hunt::{Trial, hunt};
use vaegis_eval::latent::distortion;
use vaegis_nn::LatentModel;
use vaegis_nn::lipschitz::{NetworkPath, singular_values};
use vaegis_tensor::{Noise, Tensor};
use vaegis_zoo::ModelConfig;

/// Units of progress of one model: about seconds at desk tier.
pub(super) const UNITS: f64 = 40.0;
const TRAIN_UNITS: f64 = 15.0;

/// Raised when the numbers of a stage change without a setting that shows it.
const FORMAT: u32 = 1;

/// The radius of a claim was attacked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hunt {
    /// Name of the claim: a certificate, or one of the first-order bounds.
    pub(super) claim: String,
    /// Whether the claim says that no attack can succeed.
    pub(super) is_sound: bool,
    /// The variant it speaks of.
    pub(super) variant: Variant,
    /// What the attacks left.
    pub(super) trials: Vec<Trial>,
}

/// Everything that is measured on one model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ModelRecord {
    /// Lipschitz constants by singular values.
    pub(super) constants: ModelConstants,
    /// Largest |s − 1| over the singular values of the orthonormal layers; none
    /// for ordinary models.
    pub(super) worst_layer: Option<f64>,
    /// Mean ‖x − g(μ(x))‖.
    pub(super) distortion: f64,
    /// Per image.
    pub(super) inputs: Vec<InputCertificates>,
    /// Per claim.
    pub(super) hunts: Vec<Hunt>,
}

/// One model with its measurements.
#[derive(Clone, Debug)]
pub(super) struct ModelResult {
    pub(super) name: &'static str,
    pub(super) seed: u64,
    pub(super) record: ModelRecord,
}

/// What every model is measured on.
pub(super) struct Images {
    pub(super) train: Arc<dyn Dataset>,
    /// Test images `[N, C, H, W]` by value, since tensors stay on their thread.
    pub(super) test: ndarray::Array4<f32>,
    /// Identity of the test images.
    pub(super) checksum: String,
}

/// Runs or loads everything on one model.
pub(super) fn run(
    ctx: &RunCtx,
    config: &CertificatesConfig,
    images: &Images,
    (name, model): &(&'static str, ModelConfig),
    seed: u64,
    progress: &Progress,
) -> Result<ModelResult> {
    let name = *name;
    let say = |what: &str| format!("{name}, seed {seed}: {what}");
    let recipe = Recipe {
        model: model.clone(),
        train: config.train.clone(),
        seed,
    };
    let cached = trained(
        ctx,
        &recipe,
        &images.train,
        &say("training"),
        progress,
        TRAIN_UNITS,
    )
    .with_context(|| say("training"))?;
    let work = ctx.out.join("work").join(&cached.key[..16]);
    let key = (FORMAT, &cached.key, &images.checksum, config, seed);
    let (record, reused) = stage(&work.join("certificates.json"), &key, || {
        let x = vaegis_tensor::convert::to_tensor(&images.test).to_device(ctx.device);
        let seed = ctx.seed_tree("certificates", seed).child(name);
        measure(&*cached.model, model, &x, config, &Noise::portable(seed))
    })?;
    let units = UNITS - TRAIN_UNITS;
    if reused.0 {
        progress.skip(units, &say("certificates"));
    } else {
        progress.advance(units, &say("certificates"));
    }
    Ok(ModelResult { name, seed, record })
}

fn measure(
    model: &dyn LatentModel,
    config: &ModelConfig,
    x: &Tensor,
    options: &CertificatesConfig,
    noise: &Noise,
) -> Result<ModelRecord> {
    let paths = model
        .network_paths()
        .context("invariant: every model here is fully connected")?;
    let worst_layer = match config {
        ModelConfig::LipschitzVae(config) => Some(
            worst(&paths.mean, config.encoder_lipschitz)
                .max(worst(&paths.decoder, config.decoder_lipschitz)),
        ),
        _ => None,
    };
    let inputs = certify(model, x, &options.bounds, &noise.child("certify"))?;
    let mut hunts = Vec::new();
    let mut attack = |claim: &str, is_sound, variant, radii: Vec<f64>| -> Result<()> {
        let part = x.narrow(0, 0, radii.len() as i64);
        let node = noise.child("hunt").child(claim);
        let trials = hunt(
            model,
            &part,
            &radii,
            variant,
            options.bounds.r,
            &options.hunt,
            &node,
        )?;
        hunts.push(Hunt {
            claim: claim.to_owned(),
            is_sound,
            variant,
            trials,
        });
        Ok(())
    };
    for (position, certificate) in inputs[0].certificates.iter().enumerate() {
        let variant = certificate.variant;
        // Where σ is constant, V2 is V1 with another name.
        if variant == Variant::Both && paths.scale == vaegis_nn::ScalePath::Constant {
            continue;
        }
        let radii = inputs.iter().map(|i| i.certificates[position].best.radius);
        let claim = format!("certificate, {}", variant_name(variant));
        attack(&claim, true, variant, radii.collect())?;
    }
    let few = &inputs[..options.first_order_images.min(inputs.len())];
    let confident = |radius: fn(&vaegis_theory::margin::MarginBounds) -> f64| {
        few.iter().map(|i| radius(&i.bounds.confident)).collect()
    };
    attack("B_F", false, Variant::MeanOnly, confident(|b| b.frobenius))?;
    attack(
        "B_M",
        false,
        Variant::MeanOnly,
        confident(|b| b.mahalanobis),
    )?;
    let distances = distortion(model, x);
    Ok(ModelRecord {
        constants: ModelConstants::of(&paths),
        worst_layer,
        distortion: distances.iter().sum::<f64>() / distances.len().max(1) as f64,
        inputs,
        hunts,
    })
}

/// Largest deviation of a singular value from its layer's gain, relatively.
fn worst(path: &NetworkPath, lipschitz: f64) -> f64 {
    let gain = lipschitz.powf((path.layers.len() as f64).recip());
    let layers = path.layers.iter();
    let deviations = layers.flat_map(|layer| singular_values(&layer.weight));
    deviations
        .map(|s| (s / gain - 1.0).abs())
        .fold(0.0, f64::max)
}

/// Short name of a variant in tables.
pub(super) fn variant_name(variant: Variant) -> &'static str {
    match variant {
        Variant::MeanOnly => "V1",
        Variant::Both => "V2",
        Variant::TwoSample => "V3",
        Variant::SigmaOnly => "σ only",
    }
}
