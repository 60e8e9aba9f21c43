//! What is measured on one network, each kind as a stage that is computed once
//! and shared by all figures.

use super::at_bounds::{self, AtBounds};
use super::config::{ChapterConfig, SetConfig, Setting};
use crate::RunCtx;
use crate::images::Images;
use crate::model_cache::{CachedModel, Recipe, trained};
use crate::progress::Progress;
use crate::stage::{Reused, stage};
use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaegis_attacks::{AttackRows, Variant};
use vaegis_eval::bounds::{
    BoundOptions, EncoderBounds, InputBounds, encoder_bounds, margin_bounds,
};
use vaegis_eval::channel::{ChannelDamage, propagated, separate};
use vaegis_eval::curve::{
    RayOptions, acceptance_probabilities, random_directions, ray_probabilities, unit_directions,
};
use vaegis_eval::damage::{DamagePoint, damage_curve};
use vaegis_eval::elbo::{ElboRow, elbo, mean};
use vaegis_eval::latent::{LatentUsage, distortion, mean_sigmas, usage};
use vaegis_eval::margin::{InputMargin, MarginDirection, MarginOptions, margins};
use vaegis_eval::noise::noise_sensitivity;
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor};
use vaegis_theory::stats;

/// Raised when the numbers of a stage change without a setting that shows it.
const FORMAT: u32 = 2;
/// Units of progress of one training: about seconds at desk tier.
pub(super) const TRAIN_UNITS: f64 = 40.0;

/// A kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Measure {
    /// Likelihoods, σ, distortion over the test set.
    Quality,
    /// Bounds, Jacobians and r_min.
    Bounds,
    /// Jacobians, and bounds at p₀ = 0.9, of many images.
    Encoder,
    /// Adversarial margins at the data set's r.
    Margins,
    /// Adversarial margins of the mean alone (V1).
    MeanMargins,
    /// Adversarial margins at the other r.
    OtherMargins,
    /// Attacks at the bounds, and linear regions; needs the bounds.
    AtBounds,
    /// Probabilities and margins along fixed directions.
    Rays,
    /// Damage per channel.
    Channels,
    /// Damage and likelihood against the norm of the attack.
    Damage,
    /// Likelihood against the variance of input noise.
    InputNoise,
    /// P(‖Δ(x)‖ ≤ r) against r.
    Acceptance,
}

impl Measure {
    /// Units of progress: about seconds at desk tier.
    pub(super) fn units(self) -> f64 {
        match self {
            Self::Quality | Self::Acceptance | Self::InputNoise => 1.0,
            Self::Bounds | Self::Encoder => 2.0,
            Self::Margins | Self::MeanMargins | Self::OtherMargins => 8.0,
            Self::Rays | Self::Channels => 4.0,
            Self::Damage => 6.0,
            Self::AtBounds => 12.0,
        }
    }
}

/// A mean with its standard deviation over the data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    /// Mean.
    #[serde(with = "vaegis_core::codec::float")]
    pub mean: f64,
    /// Standard deviation over the inputs; 0 for one input.
    #[serde(with = "vaegis_core::codec::float")]
    pub deviation: f64,
}

impl Spread {
    /// Of these values.
    pub(super) fn of(values: &[f64]) -> Self {
        Self {
            mean: stats::mean(values).unwrap_or(f64::NAN),
            deviation: stats::standard_deviation(values).unwrap_or(0.0),
        }
    }
}

/// Likelihoods and latent statistics of one network over the test set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Quality {
    /// Mean ELBO and its terms.
    pub elbo: ElboRow,
    /// How the latent space is used.
    pub usage: LatentUsage,
    /// Mean over the latents of σ(x).
    pub sigma: Spread,
    /// ‖x − g(μ(x))‖.
    pub distortion: Spread,
}

/// Probabilities of staying within r along one direction per image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rays {
    /// Along random directions: per image, per norm.
    pub random: Vec<Vec<f64>>,
    /// Along the direction of the strongest attack: per image, per norm.
    pub adversarial: Vec<Vec<f64>>,
    /// Margins along the random directions.
    pub margins: Vec<InputMargin>,
}

/// Damage per channel at the largest norm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Channels {
    /// Each channel with an attack of its own.
    pub separate: Vec<ChannelDamage>,
    /// One joint attack propagated through each channel.
    pub propagated: Vec<ChannelDamage>,
}

/// One trained network with what was asked for.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// β and τ.
    pub setting: Setting,
    /// Seed of the replicate.
    pub seed: u64,
    /// See [`Measure::Quality`].
    pub quality: Option<Quality>,
    /// See [`Measure::Bounds`].
    pub bounds: Vec<InputBounds>,
    /// See [`Measure::Encoder`].
    pub encoder: Vec<EncoderBounds>,
    /// See [`Measure::Margins`].
    pub margins: Vec<InputMargin>,
    /// See [`Measure::MeanMargins`].
    pub mean_margins: Vec<InputMargin>,
    /// See [`Measure::OtherMargins`]: per r, per image.
    pub other_margins: Vec<Vec<InputMargin>>,
    /// See [`Measure::AtBounds`].
    pub at_bounds: Option<AtBounds>,
    /// See [`Measure::Rays`].
    pub rays: Option<Rays>,
    /// See [`Measure::Channels`].
    pub channels: Option<Channels>,
    /// See [`Measure::Damage`].
    pub damage: Vec<DamagePoint>,
    /// See [`Measure::InputNoise`]: per variance, per image.
    pub input_noise: Vec<Vec<f64>>,
    /// See [`Measure::Acceptance`]: per image, per radius.
    pub acceptance: Vec<Vec<f64>>,
}

/// What a measurement needs to know.
pub(super) struct Bench<'a> {
    pub(super) ctx: &'a RunCtx,
    pub(super) config: &'a ChapterConfig,
    pub(super) set: &'a SetConfig,
    pub(super) images: &'a Images,
    /// Test positions of the measured images.
    pub(super) positions: &'a [usize],
    pub(super) progress: &'a Progress,
}

impl Bench<'_> {
    /// Loads or trains one network.
    pub(super) fn model(&self, setting: Setting, seed: u64) -> Result<CachedModel> {
        let recipe = Recipe {
            model: self.set.model(self.images.shape(), setting),
            train: self.set.train.clone(),
            seed,
        };
        let label = format!("{}: training", self.label(setting, seed));
        let train = &self.images.train;
        trained(self.ctx, &recipe, train, &label, self.progress, TRAIN_UNITS)
            .with_context(|| self.label(setting, seed))
    }

    /// The measured images, `[N, C, H, W]`.
    pub(super) fn x(&self) -> Result<Tensor> {
        self.images.test_images(self.positions, self.ctx)
    }

    /// The root of all noise of one replicate.
    pub(super) fn noise(&self, seed: u64, label: &str) -> Noise {
        Noise::portable(self.ctx.seed_tree(super::CHAPTER, seed).child(label))
    }

    fn label(&self, setting: Setting, seed: u64) -> String {
        format!("{}, {}, seed {seed}", self.set.name, setting.label())
    }

    /// Loads or trains one network and reads or makes the measurements.
    pub(super) fn network(
        &self,
        setting: Setting,
        seed: u64,
        measures: &[Measure],
    ) -> Result<Network> {
        let cached = self.model(setting, seed)?;
        let stages = Stages {
            bench: self,
            key: &cached.key,
            seed,
            label: self.label(setting, seed),
        };
        let (model, config): (&dyn LatentModel, _) = (&*cached.model, self.config);
        let x = self.x()?;
        let noise = |label: &str| self.noise(seed, label);
        let last = config.norms.last().copied().unwrap_or(0.0);
        let attack = config.attack(Variant::Both);
        let mut network = Network {
            setting,
            seed,
            quality: None,
            bounds: Vec::new(),
            encoder: Vec::new(),
            margins: Vec::new(),
            mean_margins: Vec::new(),
            other_margins: Vec::new(),
            at_bounds: None,
            rays: None,
            channels: None,
            damage: Vec::new(),
            input_noise: Vec::new(),
            acceptance: Vec::new(),
        };
        for &measure in measures {
            let run = Run {
                stages: &stages,
                measure,
            };
            match measure {
                Measure::Quality => {
                    let quality =
                        run.stage("quality", &(), || self.quality(model, &noise("elbo")))?;
                    network.quality = Some(quality);
                }
                Measure::Bounds => {
                    let options = BoundOptions {
                        r: self.set.r,
                        ..config.bounds
                    };
                    network.bounds = run.stage("bounds", &options, || {
                        Ok(margin_bounds(model, &x, &options, &noise("bounds"))?)
                    })?;
                }
                Measure::Encoder => {
                    network.encoder = run.stage("encoder", &config.encoder_images, || {
                        let x = self
                            .images
                            .first_test_images(config.encoder_images, self.ctx)?;
                        Ok(encoder_bounds(model, &x)?)
                    })?;
                }
                Measure::Margins => {
                    let options = self.margin_options(self.set.r);
                    network.margins = run.margins(model, &x, &options)?;
                }
                Measure::MeanMargins => {
                    let options = MarginOptions {
                        variant: Variant::MeanOnly,
                        ..self.margin_options(self.set.r)
                    };
                    network.mean_margins = run.margins(model, &x, &options)?;
                }
                Measure::OtherMargins => {
                    let at = |&r: &f64| run.margins(model, &x, &self.margin_options(r));
                    network.other_margins =
                        self.set.other_r.iter().map(at).collect::<Result<_>>()?;
                }
                Measure::AtBounds => {
                    anyhow::ensure!(
                        network.bounds.len() as i64 == x.size()[0],
                        "invariant: the bounds are measured before they are attacked"
                    );
                    let ball = (self.set.r, config.margins.cap);
                    let (hunt, bounds) = (&config.hunt, &network.bounds);
                    let searches = [Variant::MeanOnly, Variant::Both].map(|v| hunt.attacks(v));
                    let at = run.stage("at-bounds", &(ball, hunt, searches, bounds), || {
                        at_bounds::measure(model, &x, bounds, ball, hunt, &noise("at-bounds"))
                    })?;
                    network.at_bounds = Some(at);
                }
                Measure::Rays => {
                    let options = self.ray_margin_options();
                    let key = (options, &config.ray_norms, config.ray_samples, attack, last);
                    let rays = run.stage("rays", &key, || {
                        self.rays(model, &x, &options, last, &noise("rays"))
                    })?;
                    network.rays = Some(rays);
                }
                Measure::Channels => {
                    let samples = config.damage_samples;
                    let key = (attack, last, samples);
                    let channels = run.stage("channels", &key, || {
                        let noise = noise("channels");
                        let (own, attacked) = separate(model, &x, last, &attack, samples, &noise)?;
                        let judge = noise.child("judge");
                        Ok(Channels {
                            separate: own,
                            propagated: propagated(model, &x, &attacked, samples, &judge)?,
                        })
                    })?;
                    network.channels = Some(channels);
                }
                Measure::Damage => {
                    let key = (attack, &config.norms);
                    network.damage = run.stage("damage", &key, || {
                        Ok(damage_curve(
                            model,
                            &x,
                            &config.norms,
                            &attack,
                            &noise("damage"),
                        )?)
                    })?;
                }
                Measure::InputNoise => {
                    let key = (&config.noise_variances, config.noise_images);
                    network.input_noise = run.stage("input-noise", &key, || {
                        let x = self
                            .images
                            .first_test_images(config.noise_images, self.ctx)?;
                        let noise = noise("input-noise");
                        Ok(noise_sensitivity(
                            model,
                            &x,
                            &config.noise_variances,
                            &noise,
                        )?)
                    })?;
                }
                Measure::Acceptance => {
                    let (radii, samples) = (&config.acceptance_radii, config.acceptance_samples);
                    network.acceptance = run.stage("acceptance", &(radii, samples), || {
                        let noise = noise("acceptance");
                        Ok(acceptance_probabilities(model, &x, radii, samples, &noise)?)
                    })?;
                }
            }
        }
        Ok(network)
    }

    fn margin_options(&self, r: f64) -> MarginOptions {
        MarginOptions {
            r,
            ..self.config.margins
        }
    }

    /// One ray per image, which needs no attack and so may go far.
    fn ray_margin_options(&self) -> MarginOptions {
        MarginOptions {
            direction: MarginDirection::Fixed,
            restarts: 1,
            cap: self.config.ray_cap,
            ..self.margin_options(self.set.r)
        }
    }

    fn quality(&self, model: &dyn LatentModel, noise: &Noise) -> Result<Quality> {
        let x = self.images.all_test_images(self.ctx)?;
        Ok(Quality {
            elbo: mean(&elbo(model, &x, 1, noise)),
            usage: usage(model, &x),
            sigma: Spread::of(&mean_sigmas(model, &x)),
            distortion: Spread::of(&distortion(model, &x)),
        })
    }

    fn rays(
        &self,
        model: &dyn LatentModel,
        x: &Tensor,
        margin: &MarginOptions,
        norm: f64,
        noise: &Noise,
    ) -> Result<Rays> {
        let random = random_directions(x, &noise.child("direction"));
        let attack = self.config.attack(Variant::Both);
        let rows = AttackRows::untargeted(x.shallow_clone(), vec![norm; self.positions.len()]);
        let outcome = attack.run(model, &rows, &noise.child("attack"))?;
        let adversarial = unit_directions(&outcome.distortion, x)?;
        let options = RayOptions {
            r: margin.r,
            variant: margin.variant,
            num_samples: self.config.ray_samples,
        };
        let probabilities = |directions: &Tensor| -> Result<Vec<Vec<f64>>> {
            let norms = &self.config.ray_norms;
            let noise = noise.child("curve");
            let curves = ray_probabilities(model, x, directions, norms, &options, &noise)?;
            let values = |curve: Vec<stats::Proportion>| curve.iter().map(|p| p.value()).collect();
            Ok(curves.into_iter().map(values).collect())
        };
        Ok(Rays {
            random: probabilities(&random)?,
            adversarial: probabilities(&adversarial)?,
            // The same directions as above.
            margins: margins(model, x, margin, noise, |_, _| ())?,
        })
    }
}

/// Where the stages of one network are kept.
struct Stages<'a> {
    bench: &'a Bench<'a>,
    key: &'a str,
    seed: u64,
    label: String,
}

struct Run<'a> {
    stages: &'a Stages<'a>,
    measure: Measure,
}

impl Run<'_> {
    /// Margins of the measured images.
    fn margins(
        &self,
        model: &dyn LatentModel,
        x: &Tensor,
        options: &MarginOptions,
    ) -> Result<Vec<InputMargin>> {
        let noise = self.stages.bench.noise(self.stages.seed, "margins");
        self.stage("margins", &(options, options.attack()), || {
            Ok(margins(model, x, options, &noise, |_, _| ())?)
        })
    }

    /// Reads or makes one measurement and counts it. Measurements with other
    /// options lie beside each other.
    fn stage<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        options: &impl Serialize,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Stages {
            bench,
            key,
            seed,
            label,
        } = self.stages;
        let test = &bench.images.test;
        let key_of_stage = (
            (FORMAT, key, &test.spec().checksum, test.len()),
            (seed, bench.positions, options),
        );
        let hash = vaegis_core::hash::content_hash(&key_of_stage)?;
        let folder = bench
            .ctx
            .cache
            .with_file_name("measurements")
            .join(&key[..16]);
        let path = folder.join(format!("{name}-{}.json", &hash[..12]));
        let what = format!("{label}: {name}");
        let (value, Reused(reused)) = stage(&bench.ctx.lineage, &path, &key_of_stage, compute)
            .with_context(|| what.clone())?;
        if reused {
            bench.progress.skip(self.measure.units(), &what);
        } else {
            bench.progress.advance(self.measure.units(), &what);
        }
        Ok(value)
    }
}
