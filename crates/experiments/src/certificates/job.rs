//! One model: train or load it, certify images, and hunt for violations.

use super::CertificatesConfig;
use super::config::{CertifiedSet, Family};
use crate::RunCtx;
use crate::images::Images;
use crate::model_cache::{Recipe, trained};
use crate::progress::Progress;
use crate::stage::stage;
use crate::variants::short_name;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use vaegis_attacks::Variant;
use vaegis_eval::bounds::BoundOptions;
use vaegis_eval::certificate::{InputCertificates, ModelConstants, certify};
use vaegis_eval::hunt::{HuntOptions, Trial, hunt};
use vaegis_eval::latent::distortion;
use vaegis_eval::margin::{InputMargin, MarginOptions, margins};
use vaegis_nn::LatentModel;
use vaegis_nn::lipschitz::{NetworkPath, singular_values};
use vaegis_tensor::{Noise, Tensor};
use vaegis_theory::margin::MarginBounds;
use vaegis_zoo::ModelConfig;

/// Units of progress of one model: about seconds at desk tier.
pub(super) const UNITS: f64 = 60.0;
const TRAIN_UNITS: f64 = 20.0;

/// Raised when the numbers of a stage change without a setting that shows it.
const FORMAT: u32 = 3;

/// Names of the first-order bounds among the claims.
pub(super) const FROBENIUS: &str = "B_F";
pub(super) const MAHALANOBIS: &str = "B_M";

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
    /// ‖x − g(μ(x))‖ per image.
    pub(super) distortions: Vec<f64>,
    /// Per image.
    pub(super) inputs: Vec<InputCertificates>,
    /// Empirical margins of the first images, V1.
    pub(super) margins: Vec<InputMargin>,
    /// The same of V3, where models range over a constant.
    #[serde(default)]
    pub(super) two_sample_margins: Vec<InputMargin>,
    /// Per claim.
    pub(super) hunts: Vec<Hunt>,
}

/// One model with its measurements.
#[derive(Clone, Debug)]
pub(super) struct ModelResult {
    /// Position of the data set in the configuration.
    pub(super) set: usize,
    pub(super) name: &'static str,
    pub(super) seed: u64,
    pub(super) record: ModelRecord,
}

/// One data set that models are trained and certified on.
pub(super) struct Bench<'a> {
    pub(super) ctx: &'a RunCtx,
    pub(super) config: &'a CertificatesConfig,
    /// Position of the data set in the configuration.
    pub(super) set: usize,
    pub(super) images: Images,
    /// Test positions of the certified images.
    pub(super) positions: Vec<usize>,
}

impl Bench<'_> {
    /// Its part of the configuration.
    pub(super) fn set(&self) -> &CertifiedSet {
        &self.config.sets[self.set]
    }

    /// The models of this data set by name.
    pub(super) fn models(&self) -> Vec<(&'static str, ModelConfig)> {
        self.config.models(self.set(), self.images.shape())
    }

    /// Runs or loads everything on one model.
    pub(super) fn run(
        &self,
        (name, model): &(&'static str, ModelConfig),
        seed: u64,
        progress: &Progress,
    ) -> Result<ModelResult> {
        let (ctx, set, name) = (self.ctx, self.set(), *name);
        let say = |what: &str| format!("{}, {name}, seed {seed}: {what}", set.label);
        let recipe = Recipe {
            model: model.clone(),
            train: self.config.train.clone(),
            seed,
        };
        let cached = trained(
            ctx,
            &recipe,
            &self.images.train,
            &say("training"),
            progress,
            TRAIN_UNITS,
        )
        .with_context(|| say("training"))?;
        let work = ctx.out.join("work").join(&cached.key[..16]);
        let checksum = &self.images.test.spec().checksum;
        let data = (checksum, &self.positions, set.attacked_images);
        let options = self.options();
        let key = (FORMAT, &cached.key, data, &options, seed);
        // Both families may certify one model, each in its own way.
        let file = match set.family {
            Family::Compared => "certificates.json",
            Family::Constants => "certificates-by-constant.json",
        };
        let (record, reused) = stage(&ctx.lineage, &work.join(file), &key, || {
            let x = self.images.test_images(&self.positions, ctx)?;
            let seed = ctx.seed_tree("certificates", seed);
            let noise = Noise::portable(seed.child(&set.name).child(name));
            self.measure(&*cached.model, model, &x, &noise)
        })?;
        let units = UNITS - TRAIN_UNITS;
        if reused.0 {
            progress.skip(units, &say("certificates"));
        } else {
            progress.advance(units, &say("certificates"));
        }
        Ok(ModelResult {
            set: self.set,
            name,
            seed,
            record,
        })
    }

    /// The options at this data set's r.
    fn options(&self) -> (BoundOptions, MarginOptions, HuntOptions) {
        let r = self.set().r;
        let bounds = BoundOptions {
            r,
            ..self.config.bounds
        };
        let margins = MarginOptions {
            r,
            ..self.config.margins
        };
        (bounds, margins, self.config.hunt)
    }

    fn measure(
        &self,
        model: &dyn LatentModel,
        config: &ModelConfig,
        x: &Tensor,
        noise: &Noise,
    ) -> Result<ModelRecord> {
        let (bounds, margin_options, hunt_options) = self.options();
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
        let inputs = certify(model, x, &bounds, &noise.child("certify"))?;
        let mut hunts = Vec::new();
        let mut attack = |claim: &str, is_sound, variant, radii: Vec<f64>| -> Result<()> {
            let part = x.narrow(0, 0, radii.len() as i64);
            let node = noise.child("hunt").child(claim);
            let trials = hunt(
                model,
                &part,
                &radii,
                variant,
                bounds.r,
                &hunt_options,
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
            attack(&certificate_claim(variant), true, variant, radii.collect())?;
        }
        let few = &inputs[..self.set().attacked_images.min(inputs.len())];
        let confident = |radius: fn(&MarginBounds) -> f64| -> Vec<f64> {
            few.iter().map(|i| radius(&i.bounds.confident)).collect()
        };
        let mean_only = Variant::MeanOnly;
        attack(FROBENIUS, false, mean_only, confident(|b| b.frobenius))?;
        attack(MAHALANOBIS, false, mean_only, confident(|b| b.mahalanobis))?;
        let first = x.narrow(0, 0, few.len() as i64);
        let node = noise.child("margins");
        let two_sample_margins = match self.set().family {
            Family::Compared => Vec::new(),
            Family::Constants => {
                let options = MarginOptions {
                    variant: Variant::TwoSample,
                    ..margin_options
                };
                margins(model, &first, &options, &node, |_, _| ())?
            }
        };
        Ok(ModelRecord {
            constants: ModelConstants::of(&paths),
            worst_layer,
            distortions: distortion(model, x),
            margins: margins(model, &first, &margin_options, &node, |_, _| ())?,
            two_sample_margins,
            inputs,
            hunts,
        })
    }
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

/// Name of the certificate of a variant among the claims.
pub(super) fn certificate_claim(variant: Variant) -> String {
    format!("certificate, {}", short_name(variant))
}
