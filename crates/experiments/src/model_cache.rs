//! Trained models by what they depend on: experiments that need the same model
//! train it once, and a killed training goes on.

use crate::RunCtx;
use crate::progress::Progress;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use vaegis_core::codec::{read_json, to_toml, write_json};
use vaegis_core::{EntryLock, SeedTree};
use vaegis_data::Dataset;
use vaegis_tensor::{Kind, Noise, ParamStore};
use vaegis_train::{Flow, Observer, Output, TrainConfig, Trainer};
use vaegis_zoo::{Model, ModelConfig, build};

/// Raised when anything that the numbers of a trained model depend on changes
/// without showing in the configuration.
const FORMAT: u32 = 2;

/// What a trained model depends on.
#[derive(Clone, Debug, Serialize)]
pub struct Recipe {
    /// Architecture and loss.
    pub model: ModelConfig,
    /// Optimization.
    pub train: TrainConfig,
    /// Seed of initialization, shuffling and noise.
    pub seed: u64,
}

/// What is stored beside the weights of a finished model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trained {
    /// Mean loss of the last epoch.
    pub epoch_loss: Option<f64>,
    /// Steps.
    pub steps: u64,
    /// Seconds of training in the process that finished it; those of processes that were killed
    /// before are not in it.
    pub seconds: f64,
    /// Revision of the process that finished it; absent in entries of earlier versions.
    #[serde(default)]
    pub revision: Option<String>,
}

/// A trained model with its place in the cache.
#[derive(Debug)]
pub struct CachedModel {
    /// The model in evaluation state: parameters frozen.
    pub model: Box<dyn Model>,
    /// Hash of the recipe and the data.
    pub key: String,
    /// What is known of its training.
    pub trained: Trained,
    /// Folder of the cache entry.
    pub folder: PathBuf,
}

/// Reports training to the run's progress and stops nothing.
struct Watcher<'a> {
    progress: &'a Progress,
    units: f64,
    label: String,
    last: u64,
}

impl Observer for Watcher<'_> {
    fn on_start(&mut self, at: vaegis_train::Progress) {
        self.last = at.step;
        if at.step > 0 {
            let share = at.step as f64 / at.total_steps.max(1) as f64;
            self.progress.skip(self.units * share, &self.label);
        }
    }

    fn on_step(&mut self, at: vaegis_train::Progress) -> Flow {
        // The bar is cheap but not free; a hundredth of a run is fine enough.
        let every = (at.total_steps / 100).max(1);
        if at.step.is_multiple_of(every) || at.step == at.total_steps {
            let share = (at.step - self.last) as f64 / at.total_steps.max(1) as f64;
            self.last = at.step;
            self.progress.advance(self.units * share, &self.label);
        }
        Flow::Continue
    }
}

/// Trains the model of `recipe` on `data`, or loads it. `units` of `progress`
/// are counted for it. Where another thread or process is training the same
/// model, its result is waited for.
///
/// # Errors
/// An impossible recipe, a loss that is not finite, disk errors.
pub fn trained(
    ctx: &RunCtx,
    recipe: &Recipe,
    data: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
    units: f64,
) -> Result<CachedModel> {
    let threads = vaegis_tensor::device::num_threads();
    let identity = (
        FORMAT,
        recipe,
        (&data.spec().name, &data.spec().checksum, data.len()),
        (
            vaegis_tensor::device::libtorch_version(),
            format!("{:?}", ctx.device),
            threads,
        ),
    );
    let key = vaegis_core::hash::content_hash(&identity)?;
    let folder = ctx.cache.join(&key[..16]);
    std::fs::create_dir_all(&folder).with_context(|| format!("in {}", folder.display()))?;
    let seed = SeedTree::new(recipe.seed).child("model");
    let store = ParamStore::new(Kind::Float, ctx.device, Noise::portable(seed.child("init")));
    let model = build(&recipe.model, &store)?;
    let marker = folder.join("trained.json");
    // A finished entry never changes, so only writers need the lock; whoever waited for it finds
    // the entry finished.
    let _lock = if marker.exists() {
        None
    } else {
        let path = ctx.cache.join(format!("{}.lock", &key[..16]));
        let waiting = || {
            let message = format!("{label}: waiting for another run that trains this model");
            tracing::info!("{message} ({})", path.display());
            progress.advance(0.0, &message);
        };
        Some(EntryLock::acquire(&path, waiting)?)
    };
    let trained = if marker.exists() {
        vaegis_train::load_parameters(&folder, &store)
            .with_context(|| format!("the cached model in {}", folder.display()))?;
        progress.skip(units, label);
        let trained: Trained = read_json(&marker)?;
        ctx.lineage.read(trained.revision.as_deref());
        trained
    } else {
        write_json(&folder.join("recipe.json"), recipe)?;
        let watcher = Watcher {
            progress,
            units,
            label: label.to_owned(),
            last: 0,
        };
        let observers: Vec<Box<dyn Observer + '_>> = vec![Box::new(watcher)];
        let mut trainer = Trainer::new(
            &*model,
            Arc::clone(data),
            recipe.train.clone(),
            seed.child("train"),
            // The folder is named after the recipe, so an older checkpoint in it is of this model.
            Some(Output::new(&folder, to_toml(&recipe.model)?).trusting_older()),
            observers,
        )?;
        let report = trainer.train()?;
        let trained = Trained {
            epoch_loss: report.epoch_loss,
            steps: report.steps,
            seconds: report.seconds,
            revision: Some(ctx.lineage.made()),
        };
        write_json(&marker, &trained)?;
        trained
    };
    store.set_trainable(false);
    Ok(CachedModel {
        model,
        key,
        trained,
        folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tier;
    use crate::lineage::Lineage;
    use vaegis_data::{OpenOptions, Split};
    use vaegis_tensor::{Device, device::DeviceSpec};
    use vaegis_zoo::{NetworkConfig, VaeConfig};

    fn context(folder: &std::path::Path) -> RunCtx {
        RunCtx {
            tier: Tier::Smoke,
            seed: 0,
            num_seeds: None,
            device_spec: DeviceSpec::Cpu,
            device: Device::Cpu,
            data_root: None,
            out: folder.join("out"),
            cache: folder.join("models"),
            jobs: 1,
            threads: 1,
            quiet: true,
            command: String::new(),
            lineage: Arc::new(Lineage::of(&crate::context::provenance(
                Device::Cpu,
                1,
                &[],
                "smoke",
            ))),
        }
    }

    /// Three runs want one model at the same time: one trains it, the others get its weights.
    #[test]
    fn a_model_is_trained_once_however_many_want_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let ctx = context(folder.path());
        let options = OpenOptions {
            size: Some(8),
            samples: Some(64),
            ..OpenOptions::default()
        };
        let data = vaegis_data::open("sprites", None, Split::Train, &options).expect("made");
        let data: Arc<dyn Dataset> = Arc::from(data);
        let recipe = Recipe {
            model: ModelConfig::Vae(VaeConfig {
                input: [1, 8, 8],
                latent: 2,
                network: NetworkConfig::mlp(&[8]),
                ..VaeConfig::default()
            }),
            train: TrainConfig {
                batch_size: 16,
                epochs: 2,
                ..TrainConfig::default()
            },
            seed: 1,
        };
        let items = [(); 3];
        let work = |_, _: &()| {
            let model = trained(&ctx, &recipe, &data, "m", &Progress::hidden(), 1.0)?;
            // The clock of the one training; two trainings would not agree to the last bit.
            let seconds = model.trained.seconds.to_bits();
            let weights: Vec<Vec<f64>> = model
                .model
                .store()
                .named_tensors()
                .iter()
                .map(|(_, t)| vaegis_tensor::convert::to_f64_vec(t))
                .collect();
            anyhow::Ok((seconds, weights))
        };
        let models = vaegis_tensor::workers::run(&items, 3, 1, work).expect("all get it");
        assert!(models.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(models[0].1.iter().flatten().all(|w| w.is_finite()));
    }
}
