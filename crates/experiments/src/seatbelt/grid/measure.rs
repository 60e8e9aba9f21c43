//! What is measured on one model of the grid, each kind once, beside the model.

use super::config::{GridConfig, GridSet, Setting};
use crate::RunCtx;
use crate::images::Images;
use crate::model_cache::{CachedModel, Recipe, trained};
use crate::progress::Progress;
use crate::stage::{Reused, stage};
use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use vaegis_attacks::record::AttackRecord;
use vaegis_attacks::reference::describe_random;
use vaegis_attacks::sweep::{Sweep, SweepRows};
use vaegis_attacks::{Layers, Objective};
use vaegis_eval::decomposition::{LatentDecomposition, decomposition};
use vaegis_eval::denoise::{Denoising, denoising};
use vaegis_eval::disentangle::{Mig, encode, mig};
use vaegis_eval::elbo::{LayeredElbo, layered_elbo};
use vaegis_eval::latent::{distortion, usage_of_layer};
use vaegis_nn::LatentModel;
use vaegis_tensor::Noise;

/// Raised when the numbers of a stage change without a setting that shows it.
const FORMAT: u32 = 1;
/// Units of progress of one training: about seconds at desk tier.
pub(super) const TRAIN_UNITS: f64 = 30.0;

/// Which targeted attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum AttackKind {
    /// Latent, KL, all layers.
    Kl,
    /// Latent, KL, the layer nearest the data.
    KlBottom,
    /// Latent, KL, the top layer.
    KlTop,
    /// Minus the target's ELBO.
    Output,
    /// Latent, Wasserstein, all layers.
    W2,
    /// Distance of the reconstruction from the target.
    OutputL2,
}

impl AttackKind {
    /// The objective that is minimized.
    pub(crate) fn objective(self) -> Objective {
        match self {
            Self::Kl => Objective::LATENT_KL,
            Self::KlBottom => Objective::LATENT_KL.with_layers(Layers::Bottom),
            Self::KlTop => Objective::LATENT_KL.with_layers(Layers::Top),
            Self::Output => Objective::OUTPUT_ELBO,
            Self::W2 => Objective::LATENT_W2,
            Self::OutputL2 => Objective::OutputL2 { samples: 0 },
        }
    }

    /// Stem of files and of blocks' ids.
    pub(crate) fn stem(self) -> &'static str {
        match self {
            Self::Kl => "kl",
            Self::KlBottom => "kl-bottom",
            Self::KlTop => "kl-top",
            Self::Output => "output",
            Self::W2 => "w2",
            Self::OutputL2 => "output-l2",
        }
    }

    /// Name in legends and tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Kl => "latent, KL",
            Self::KlBottom => "latent, KL, bottom layer",
            Self::KlTop => "latent, KL, top layer",
            Self::Output => "output, ELBO",
            Self::W2 => "latent, W₂",
            Self::OutputL2 => "output, distance",
        }
    }
}

/// A kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Measure {
    /// Bound, decomposition and use of the latents over the test set.
    Quality,
    /// The mutual information gap.
    Disentanglement,
    /// Likelihoods after noise on the input.
    Denoising,
    /// Attacks on all pairs at all penalties.
    Attack(AttackKind),
}

impl Measure {
    /// Units of progress: about seconds at desk tier.
    pub(crate) fn units(self) -> f64 {
        match self {
            Self::Quality => 1.0,
            Self::Disentanglement => 2.0,
            Self::Denoising => 0.5,
            Self::Attack(_) => 3.0,
        }
    }
}

/// Bound, decomposition and use of the latents of one model over the test set (β = 1, no free
/// bits).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Quality {
    /// The bound with the cost of each layer, bottom first.
    pub elbo: LayeredElbo,
    /// The top layer's KL in three parts.
    pub top: LatentDecomposition,
    /// Active units of each layer, bottom first.
    pub active: Vec<usize>,
    /// Mean σ of each layer.
    pub sigma: Vec<f64>,
    /// Mean ‖x − x̃‖.
    pub distortion: f64,
}

/// Attacks of one kind on one model.
#[derive(Clone, Debug)]
pub(crate) struct Attacked {
    /// Pair by pair, each at all penalties.
    pub records: Vec<AttackRecord>,
    /// −log p(xᵗ|z) after random noise of each attack's norm, in the same order.
    pub random: Vec<f64>,
}

/// One trained model with what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Family, latents or depth, β.
    pub setting: Setting,
    /// Seed of the replicate.
    pub seed: u64,
    /// See [`Measure::Quality`].
    pub quality: Option<Quality>,
    /// See [`Measure::Disentanglement`].
    pub mig: Option<Mig>,
    /// See [`Measure::Denoising`].
    pub denoising: Vec<Denoising>,
    /// See [`Measure::Attack`].
    pub attacks: BTreeMap<AttackKind, Attacked>,
}

impl Node {
    /// The records of one attack; none where it was not asked for.
    pub(crate) fn records(&self, kind: AttackKind) -> &[AttackRecord] {
        self.attacks.get(&kind).map_or(&[], |a| &a.records)
    }
}

/// What a measurement needs to know.
pub(crate) struct Bench<'a> {
    pub(super) ctx: &'a RunCtx,
    pub(super) config: &'a GridConfig,
    pub(super) set: &'a GridSet,
    pub(super) images: &'a Images,
    /// Test positions of originals and targets.
    pub(super) pairs: &'a [(usize, usize)],
    pub(super) progress: &'a Progress,
}

/// A model and where its measurements lie.
struct Place<'a> {
    cached: &'a CachedModel,
    seed: u64,
    label: String,
    folder: PathBuf,
}

impl Bench<'_> {
    /// Loads or trains one model.
    pub(super) fn model(&self, setting: Setting, seed: u64) -> Result<CachedModel> {
        let recipe = Recipe {
            model: self
                .set
                .model(self.images.shape(), self.config.profile, setting),
            train: self.set.train.clone(),
            seed,
        };
        let label = format!("{}: training", self.label(setting, seed));
        let train = &self.images.train;
        trained(self.ctx, &recipe, train, &label, self.progress, TRAIN_UNITS)
            .with_context(|| self.label(setting, seed))
    }

    fn label(&self, setting: Setting, seed: u64) -> String {
        format!("{}, {}, seed {seed}", self.set.name, setting.label())
    }

    fn noise(&self, seed: u64, label: &str) -> Noise {
        Noise::portable(self.ctx.seed_tree(super::GRID, seed).child(label))
    }

    /// Loads or trains one model and reads or makes the measurements.
    pub(super) fn node(&self, setting: Setting, seed: u64, measures: &[Measure]) -> Result<Node> {
        let cached = self.model(setting, seed)?;
        let folder = self.ctx.cache.with_file_name("measurements");
        let place = Place {
            seed,
            label: self.label(setting, seed),
            folder: folder.join(&cached.key[..16]),
            cached: &cached,
        };
        let model: &dyn LatentModel = &*cached.model;
        let mut node = Node {
            setting,
            seed,
            quality: None,
            mig: None,
            denoising: Vec::new(),
            attacks: BTreeMap::new(),
        };
        for &measure in measures {
            match measure {
                Measure::Quality => {
                    let key = self.config.elbo_samples;
                    let make = || self.quality(model, &self.noise(seed, "quality"));
                    node.quality = Some(self.stage(&place, measure, "quality", &key, make)?);
                }
                Measure::Disentanglement => {
                    let key = (self.config.mig, &self.set.factors);
                    let make = || self.gap(model, &self.noise(seed, "mig"));
                    node.mig = self.stage(&place, measure, "mig", &key, make)?;
                }
                Measure::Denoising => {
                    let scales = &self.config.noise_scales;
                    node.denoising = self.stage(&place, measure, "denoising", scales, || {
                        let x = self.images.all_test_images(self.ctx)?;
                        let noise = self.noise(seed, "denoising");
                        Ok(denoising(model, &x, scales, &noise))
                    })?;
                }
                Measure::Attack(kind) => {
                    let attacked = self.attack(&place, model, kind)?;
                    node.attacks.insert(kind, attacked);
                }
            }
        }
        Ok(node)
    }

    fn quality(&self, model: &dyn LatentModel, noise: &Noise) -> Result<Quality> {
        let x = self.images.all_test_images(self.ctx)?;
        let usages: Vec<_> = (0..model.latent_sizes().len())
            .map(|layer| usage_of_layer(model, &x, layer))
            .collect();
        let distances = distortion(model, &x);
        Ok(Quality {
            elbo: layered_elbo(model, &x, self.config.elbo_samples, &noise.child("elbo")),
            top: decomposition(model, &x, x.size()[0] as usize, &noise.child("top")),
            active: usages.iter().map(|u| u.active_units).collect(),
            sigma: usages.iter().map(|u| u.mean_sigma).collect(),
            distortion: distances.iter().sum::<f64>() / distances.len() as f64,
        })
    }

    /// None where the data set does not have the factors.
    fn gap(&self, model: &dyn LatentModel, noise: &Noise) -> Result<Option<Mig>> {
        let test = &*self.images.test;
        let known = &test.spec().factor_names;
        if !self.set.factors.iter().all(|f| known.contains(f)) {
            return Ok(None);
        }
        let factors: Vec<&str> = self.set.factors.iter().map(String::as_str).collect();
        let all: Vec<usize> = (0..test.len()).collect();
        let codes = encode(model, test, &all, &factors, &[])?;
        Ok(Some(mig(&codes, &self.config.mig, noise)?))
    }

    /// The rows of a sweep: the first so many pairs at every penalty.
    fn rows(&self, key: &str, num_pairs: usize) -> Result<SweepRows> {
        let pairs = &self.pairs[..num_pairs];
        let side = |pick: fn(&(usize, usize)) -> usize| {
            let positions: Vec<usize> = pairs.iter().map(pick).collect();
            self.images.test_images(&positions, self.ctx)
        };
        let test = self.images.test.spec();
        let context = format!("{FORMAT} {key} {} {pairs:?}", test.checksum);
        let (originals, targets) = (side(|p| p.0)?, side(|p| p.1)?);
        let lambdas = self.config.lambdas();
        Ok(SweepRows::grid(&originals, &targets, &lambdas, context))
    }

    fn attack(
        &self,
        place: &Place<'_>,
        model: &dyn LatentModel,
        kind: AttackKind,
    ) -> Result<Attacked> {
        let measure = Measure::Attack(kind);
        let what = format!("{}: attacks ({})", place.label, kind.label());
        let one_layer = model.latent_sizes().len() == 1;
        let num_pairs = if kind == AttackKind::Kl && one_layer {
            self.config.latent_pairs
        } else {
            self.config.pairs
        };
        let rows = self.rows(&place.cached.key, num_pairs)?;
        let sweep = Sweep {
            attack: self.config.attack(kind.objective()),
            chunk_rows: self.config.chunk_rows,
            samples: self.config.samples,
        };
        let identity = (&sweep, &rows.context, self.config.lambdas, place.seed);
        let id = vaegis_core::hash::content_hash(&identity)?;
        let folder = place
            .folder
            .join(format!("attacks-{}-{}", kind.stem(), &id[..8]));
        std::fs::create_dir_all(&folder)?;
        let (mut counted, mut first) = (0.0, true);
        let report = |done: usize, all: usize| {
            let units = measure.units() * done as f64 / all as f64 - counted;
            counted += units;
            // The first call tells what an earlier process had done.
            if first {
                self.progress.skip(units, &what);
            } else {
                self.progress.advance(units, &what);
            }
            first = false;
        };
        let noise = self.noise(place.seed, "attacks");
        let (records, distortions) = sweep
            .run_resumable(model, &rows, &noise, &folder, report)
            .with_context(|| what.clone())?;
        let (random, _) = stage(
            &self.ctx.lineage,
            &folder.join("random.json"),
            &(FORMAT, &id),
            || {
                let attacked = (&records[..], &distortions);
                let described = describe_random(model, &sweep, &rows, attacked, &noise);
                Ok(described.iter().map(|r| r.nll_target).collect())
            },
        )?;
        Ok(Attacked { records, random })
    }

    /// Reads or makes one measurement and counts it. Those with other options lie beside.
    fn stage<T: Serialize + DeserializeOwned>(
        &self,
        place: &Place<'_>,
        measure: Measure,
        name: &str,
        options: &impl Serialize,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let test = self.images.test.spec();
        let identity = (FORMAT, &place.cached.key, &test.checksum, test.len);
        let key = (identity, place.seed, options);
        let hash = vaegis_core::hash::content_hash(&key)?;
        let path = place.folder.join(format!("{name}-{}.json", &hash[..12]));
        let what = format!("{}: {name}", place.label);
        let (value, Reused(reused)) =
            stage(&self.ctx.lineage, &path, &key, make).with_context(|| what.clone())?;
        if reused {
            self.progress.skip(measure.units(), &what);
        } else {
            self.progress.advance(measure.units(), &what);
        }
        Ok(value)
    }
}
