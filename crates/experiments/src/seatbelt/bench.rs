//! What the figures that stand outside the chapter's shared study have in common: models by
//! family and β, data in the models' range, measurements that are kept.

use crate::RunCtx;
use crate::claims::smallest;
use crate::images::{Images, at_hand};
use crate::model_cache::{CachedModel, Recipe, trained};
use crate::progress::Progress;
use crate::stage::{Reused, stage};
use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use vaegis_data::{Dataset, DatasetSpec, Mapped, OpenOptions, Split, Step, Subset};
use vaegis_nn::LatentModel;
use vaegis_tensor::Noise;
use vaegis_train::{ScheduleConfig, TrainConfig};
use vaegis_zoo::{
    BetaTcvaeConfig, ModelConfig, NetworkConfig, Pixels, Profile, SeatbeltConfig, VaeConfig,
};

/// Raised when the numbers of a measurement change without a setting that shows it.
const FORMAT: u32 = 1;
/// Slack of a comparison of value ranges: data is f32, models say f64.
const RANGE_SLACK: f64 = 1e-6;

/// A family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Family {
    /// β = 1, or β on the whole KL.
    Vae,
    /// β on the total correlation.
    BetaTcvae,
    /// β on the total correlation of the top layer of so many.
    Seatbelt(usize),
}

/// One model of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Setting {
    /// Which family.
    pub family: Family,
    /// Its β.
    pub beta: f64,
}

impl Setting {
    /// A family at a β.
    pub(super) const fn new(family: Family, beta: f64) -> Self {
        Self { family, beta }
    }

    /// "VAE", "β-TCVAE, β = 10", "Seatbelt L = 4, β = 10".
    pub(super) fn label(&self) -> String {
        let beta = self.beta;
        match self.family {
            Family::Vae if beta == 1.0 => "VAE".to_owned(),
            Family::Vae => format!("β-VAE, β = {beta}"),
            Family::BetaTcvae => format!("β-TCVAE, β = {beta}"),
            Family::Seatbelt(layers) => format!("Seatbelt L = {layers}, β = {beta}"),
        }
    }

    /// "vae-1", as a part of ids.
    pub(super) fn id(&self) -> String {
        let family = match self.family {
            Family::Vae => "vae".to_owned(),
            Family::BetaTcvae => "tcvae".to_owned(),
            Family::Seatbelt(layers) => format!("seatbelt{layers}"),
        };
        format!("{family}-{}", self.beta).replace('.', "-")
    }
}

/// Networks, pixels and optimization that all models of a figure share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Nets {
    /// Encoder and decoder.
    pub network: NetworkConfig,
    /// Latents of models with one layer.
    pub latent: i64,
    /// Latents of the Seatbelt-VAE's layers, of which a model takes the last.
    pub z_sizes: Vec<i64>,
    /// Hidden units between the layers.
    pub h_sizes: Vec<i64>,
    /// Range and likelihood.
    pub pixels: Pixels,
    /// Optimization.
    pub train: TrainConfig,
}

impl Nets {
    /// The model at one setting, for items of this shape.
    pub(super) fn model(&self, input: [i64; 3], setting: Setting) -> ModelConfig {
        let channels = input[0];
        let (beta, network) = (setting.beta, self.network.clone());
        match setting.family {
            Family::Vae => ModelConfig::Vae(VaeConfig {
                input,
                bounds: self.pixels.bounds(channels),
                latent: self.latent,
                beta,
                likelihood: self.pixels.likelihood(channels),
                network,
                ..VaeConfig::default()
            }),
            Family::BetaTcvae => ModelConfig::BetaTcvae(BetaTcvaeConfig {
                input,
                latent: self.latent,
                beta,
                pixels: self.pixels,
                network,
                ..BetaTcvaeConfig::default()
            }),
            Family::Seatbelt(layers) => ModelConfig::Seatbelt(SeatbeltConfig {
                input,
                layers,
                z_sizes: self.z_sizes.clone(),
                h_sizes: self.h_sizes.clone(),
                beta,
                pixels: self.pixels,
                network,
                ..SeatbeltConfig::default()
            }),
        }
    }
}

/// The sources' optimization: Adam from 0.001 down half a cosine.
pub(super) fn training(batch_size: usize, epochs: u64) -> TrainConfig {
    TrainConfig {
        batch_size,
        epochs,
        lr: 1e-3,
        schedule: ScheduleConfig::Cosine { floor: 0.0 },
        // A guard: a step of a hierarchical model may meet a divergence of many thousand nats.
        clip_norm: Some(100.0),
        ..TrainConfig::default()
    }
}

/// CelebA where it is at hand and toy faces elsewhere, at this side.
///
/// # Errors
/// Damaged files.
pub(super) fn portraits(ctx: &RunCtx, side: usize, train: usize, test: usize) -> Result<Images> {
    let is_real = at_hand(ctx, "celeba")?;
    let name = if is_real { "celeba" } else { "toy-faces" };
    if !is_real {
        tracing::info!("celeba is not at hand (set VAEGIS_DATA or --data): using our toy faces");
    }
    let open = |split, samples: usize| -> Result<Arc<dyn Dataset>> {
        let options = OpenOptions {
            size: Some(side),
            samples: Some(samples),
            cache: vaegis_data::decoded_cache(),
            ..OpenOptions::default()
        };
        let data = vaegis_data::open(name, ctx.data_root.as_deref(), split, &options)
            .with_context(|| format!("opening {name}"))?;
        let data: Arc<dyn Dataset> = Arc::from(data);
        Ok(Arc::new(Subset::first(data, samples)))
    };
    Ok(Images {
        train: open(Split::Train, train)?,
        test: open(Split::Test, test)?,
        is_real,
    })
}

/// The same images with their values in the range of the models.
///
/// # Errors
/// A range that is none.
pub(super) fn in_range(images: Images, pixels: Pixels) -> Result<Images> {
    let (low, high) = pixels.bounds(images.shape()[0]);
    let map = |data: Arc<dyn Dataset>| -> Result<Arc<dyn Dataset>> {
        if data.spec().value_range == (low as f32, high as f32) {
            return Ok(data);
        }
        let (low, high) = (low as f32, high as f32);
        Ok(Arc::new(Mapped::new(
            data,
            vec![Step::Range { low, high }],
        )?))
    };
    Ok(Images {
        train: map(images.train)?,
        test: map(images.test)?,
        is_real: images.is_real,
    })
}

/// Checks that the values of a data set are those that a model is for: its range exactly, or
/// within it where the range was chosen freely.
///
/// # Errors
/// Ranges that differ, with what to do.
pub(super) fn agree(spec: &DatasetSpec, pixels: Pixels) -> Result<()> {
    let (low, high) = pixels.bounds(spec.item_shape[0] as i64);
    let found = (f64::from(spec.value_range.0), f64::from(spec.value_range.1));
    let is_within = found.0 >= low - RANGE_SLACK && found.1 <= high + RANGE_SLACK;
    let is_filled = found.0 <= low + RANGE_SLACK && found.1 >= high - RANGE_SLACK;
    if is_within && (is_filled || pixels.profile == Profile::Custom) {
        return Ok(());
    }
    bail!(
        "{} has values from {} to {}, but its models are for {low} to {high}: map its range first",
        spec.name,
        found.0,
        found.1
    );
}

/// Trains models of one figure on one data set and keeps what is measured on them.
pub(super) struct Bench<'a> {
    pub(super) ctx: &'a RunCtx,
    pub(super) nets: &'a Nets,
    pub(super) images: &'a Images,
    pub(super) progress: &'a Progress,
    /// Units of progress of one training: about seconds at desk tier.
    pub(super) train_units: f64,
}

impl Bench<'_> {
    /// Loads or trains one model.
    ///
    /// # Errors
    /// Data that is not in the models' range; as [`trained`].
    pub(super) fn model(&self, setting: Setting, seed: u64) -> Result<CachedModel> {
        agree(self.images.train.spec(), self.nets.pixels)?;
        let recipe = Recipe {
            model: self.nets.model(self.images.shape(), setting),
            train: self.nets.train.clone(),
            seed,
        };
        let (data, units) = (&self.images.train, self.train_units);
        let label = self.label(setting, seed);
        let what = format!("{label}: training");
        trained(self.ctx, &recipe, data, &what, self.progress, units).with_context(|| label)
    }

    /// "sprites, VAE, seed 0".
    pub(super) fn label(&self, setting: Setting, seed: u64) -> String {
        let name = &self.images.train.spec().name;
        format!("{name}, {}, seed {seed}", setting.label())
    }

    /// The root of all noise of one replicate.
    pub(super) fn noise(&self, seed: u64, label: &str) -> Noise {
        Noise::portable(self.ctx.seed_tree(super::CHAPTER, seed).child(label))
    }

    /// Reads or makes one measurement of one model and counts it as so many units.
    ///
    /// # Errors
    /// As `compute`; disk errors.
    pub(super) fn keep<T: Serialize + DeserializeOwned>(
        &self,
        cached: &CachedModel,
        (name, seed, units): (&str, u64, f64),
        options: &impl Serialize,
        compute: impl FnOnce(&dyn LatentModel) -> Result<T>,
    ) -> Result<T> {
        let key = self.key(cached, seed, options);
        let path = self
            .folder(cached)
            .join(format!("{name}-{}.json", &hash(&key)?[..12]));
        let what = format!("{}, seed {seed}: {name}", self.images.train.spec().name);
        let made = stage(&self.ctx.lineage, &path, &key, || compute(&*cached.model));
        let (value, Reused(reused)) = made.with_context(|| what.clone())?;
        if reused {
            self.progress.skip(units, &what);
        } else {
            self.progress.advance(units, &what);
        }
        Ok(value)
    }

    /// Folder of the measurements of one model, beside the models.
    pub(super) fn folder(&self, cached: &CachedModel) -> PathBuf {
        let root = self.ctx.cache.with_file_name("measurements");
        root.join(&cached.key[..16])
    }

    /// Whatever a measurement depends on.
    fn key<'k, O: Serialize>(
        &'k self,
        cached: &'k CachedModel,
        seed: u64,
        options: &'k O,
    ) -> impl Serialize + use<'k, O> {
        let test = self.images.test.spec();
        (
            (FORMAT, &cached.key, &test.checksum, test.len),
            (seed, options),
        )
    }
}

/// Hash of a key as hexadecimal digits.
pub(super) fn hash(key: &impl Serialize) -> Result<String> {
    Ok(vaegis_core::hash::content_hash(key)?)
}

/// Progress of one figure.
pub(super) fn progress(ctx: &RunCtx, title: &str, units: f64) -> Progress {
    Progress::unless(ctx.quiet, title, units)
}

/// Every seed with every setting, seed by seed.
pub(super) fn jobs(seeds: &[u64], settings: &[Setting]) -> Vec<(u64, Setting)> {
    let of_seed = |&seed: &u64| settings.iter().map(move |&setting| (seed, setting));
    seeds.iter().flat_map(of_seed).collect()
}

/// What one model of a replicate came to.
pub(super) struct Measured<T> {
    pub(super) seed: u64,
    pub(super) setting: Setting,
    pub(super) value: T,
}

/// One value per seed from two settings: `statistic` of the second minus that of the first.
pub(super) fn rise<T>(
    all: &[Measured<T>],
    (from, to): (Setting, Setting),
    statistic: impl Fn(&T) -> f64,
) -> Vec<(u64, f64)> {
    let of = |seed: u64, setting: Setting| {
        let mut found = all.iter();
        let found = found.find(|m| m.seed == seed && m.setting == setting);
        found.map_or(f64::NAN, |m| statistic(&m.value))
    };
    let firsts = all.iter().filter(|m| m.setting == from);
    firsts
        .map(|m| (m.seed, of(m.seed, to) - of(m.seed, from)))
        .collect()
}

/// One value per seed of one setting.
pub(super) fn per_seed<T>(
    all: &[Measured<T>],
    setting: Setting,
    statistic: impl Fn(&T) -> f64,
) -> Vec<(u64, f64)> {
    let of_setting = all.iter().filter(|m| m.setting == setting);
    of_setting.map(|m| (m.seed, statistic(&m.value))).collect()
}

/// The values of [`per_seed`].
pub(super) fn values<T>(
    all: &[Measured<T>],
    setting: Setting,
    statistic: impl Fn(&T) -> f64,
) -> Vec<f64> {
    let pairs = per_seed(all, setting, statistic);
    pairs.into_iter().map(|(_, value)| value).collect()
}

/// The smaller one of every seed; NaN where either is.
pub(super) fn smaller(a: &[(u64, f64)], b: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let both = a.iter().zip(b);
    both.map(|(&(seed, x), &(_, y))| (seed, smallest([x, y])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_nn::LikelihoodKind;

    fn spec(channels: usize, value_range: (f32, f32)) -> DatasetSpec {
        let options = OpenOptions {
            size: Some(8),
            ..OpenOptions::default()
        };
        let data = vaegis_data::open("sprites", None, Split::Test, &options).expect("drawn");
        DatasetSpec {
            item_shape: [channels, 8, 8],
            value_range,
            ..data.spec().clone()
        }
    }

    /// Range of the data, bounds of the models and likelihood are one choice, the profile.
    #[test]
    fn data_models_and_likelihood_agree_or_say_what_to_do() {
        let text = Pixels::of(Profile::Text);
        assert!(agree(&spec(3, (-1.0, 1.0)), text).is_ok());
        let error = agree(&spec(3, (0.0, 1.0)), text).expect_err("another range");
        assert!(error.to_string().contains("map its range"), "{error}");
        let plotted = Pixels::of(Profile::AsPlotted);
        assert!(agree(&spec(1, (0.0, 1.0)), plotted).is_ok());
        assert!(agree(&spec(1, (-1.0, 1.0)), plotted).is_err());
        // A freely chosen range has to hold the data and no more.
        let free = Pixels::custom((-15.0, 15.0), LikelihoodKind::Gaussian { sigma: 1.0 });
        assert!(agree(&spec(1, (-14.2, 10.5)), free).is_ok());
        assert!(agree(&spec(1, (-15.2, 10.5)), free).is_err());
        let nets = Nets {
            network: NetworkConfig::mlp(&[8]),
            latent: 2,
            z_sizes: vec![4, 2],
            h_sizes: vec![8],
            pixels: text,
            train: training(8, 1),
        };
        for family in [Family::Vae, Family::BetaTcvae, Family::Seatbelt(2)] {
            let config = nets.model([3, 8, 8], Setting::new(family, 2.0));
            let store = vaegis_tensor::ParamStore::new(
                vaegis_tensor::Kind::Float,
                vaegis_tensor::Device::Cpu,
                Noise::portable(vaegis_core::SeedTree::new(0)),
            );
            let model = vaegis_zoo::build(&config, &store).expect("a model");
            assert_eq!(LatentModel::bounds(&*model), (-1.0, 1.0), "{family:?}");
            let z: Vec<_> = model.latent_sizes();
            let z: Vec<_> = z
                .iter()
                .map(|&n| {
                    vaegis_tensor::Tensor::zeros(
                        [1, n],
                        (vaegis_tensor::Kind::Float, vaegis_tensor::Device::Cpu),
                    )
                })
                .collect();
            let kind = model.decode(&z, vaegis_nn::Mode::Eval).kind;
            assert_eq!(kind, LikelihoodKind::Gaussian { sigma: 0.1 }, "{family:?}");
        }
    }

    #[test]
    fn differences_are_taken_within_a_seed() {
        let (a, b) = (
            Setting::new(Family::Vae, 1.0),
            Setting::new(Family::Vae, 4.0),
        );
        let of = |seed, setting, value| Measured {
            seed,
            setting,
            value,
        };
        let all = [of(3, a, 1.0), of(3, b, 4.0), of(4, a, 2.0), of(4, b, 1.0)];
        assert_eq!(rise(&all, (a, b), |v| *v), [(3, 3.0), (4, -1.0)]);
        let least = smaller(&[(3, 1.0), (4, f64::NAN)], &[(3, -1.0), (4, 0.0)]);
        assert_eq!(least[0], (3, -1.0));
        assert!(least[1].1.is_nan());
    }
}
