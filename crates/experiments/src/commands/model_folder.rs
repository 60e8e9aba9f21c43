//! Trained models on disk: the folder of `vaegis train`, its checkpoint, an entry of the model
//! cache, or a single self-describing file.

use super::run_config::{DatasetConfig, RunConfig, check_fit};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vaegis_core::codec::{read_json, read_toml, recover_folder};
use vaegis_core::config::load_toml;
use vaegis_core::hash::sha256_file;
use vaegis_core::{SeedTree, config::validated};
use vaegis_data::{Dataset, Split};
use vaegis_nn::LatentModel;
use vaegis_tensor::checkpoint::{self, Limits};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_train::CHECKPOINT_FOLDER;
use vaegis_zoo::{Model, ModelConfig, ZooError, build, weights};

/// The finished weights in a model folder.
pub const MODEL_FILE: &str = "model.safetensors";
/// The configuration in a model folder.
pub const RUN_FILE: &str = "run.toml";
/// The configuration in an entry of the model cache.
pub const RECIPE_FILE: &str = "recipe.json";

/// Which trained model a command works on.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// Folder written by `vaegis train`, its checkpoint, or a .safetensors file; `vaegis audit` takes
    /// one that does not say which model it holds with --config
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Data set to use instead of the model's own
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
}

/// A model with where it comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The model, its parameters frozen.
    pub model: Box<dyn Model>,
    /// What it was trained on, where that is known.
    pub dataset: Option<DatasetConfig>,
    /// Steps of training, where they are known.
    pub steps: Option<u64>,
    /// The file of the weights.
    pub file: PathBuf,
    /// SHA-256 of that file.
    pub sha256: String,
    /// Where results on this model go by default.
    pub folder: PathBuf,
    /// Whether the weights come from a checkpoint of a training that has not ended.
    pub unfinished: bool,
}

/// The metadata of a finished model: enough to build it and to find its data.
pub fn metadata(config: &RunConfig, steps: u64) -> Value {
    let mut meta = weights::metadata(&config.model);
    meta["dataset"] = json!(config.dataset);
    meta["seed"] = json!(config.seed);
    meta["steps"] = json!(steps);
    meta
}

/// Loads the model at `path`, a folder or a file.
///
/// # Errors
/// Nothing there, something that is no model, damaged files, weights of another shape.
pub fn load(path: &Path, device: Device) -> Result<Loaded> {
    if !path.exists() {
        bail!(
            "{} does not exist: give the folder that `vaegis train CONFIG.toml --out DIR` wrote",
            path.display()
        );
    }
    let store = ParamStore::new(
        Kind::Float,
        device,
        Noise::portable(SeedTree::new(0).child("overwritten")),
    );
    let loaded = if let Some(run) = run_of_checkpoint(path) {
        from_checkpoint(run, &store)
    } else if path.is_file() {
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        from_file(path, folder, &store)
    } else if path.join(MODEL_FILE).exists() {
        from_file(&path.join(MODEL_FILE), path.to_owned(), &store)
    } else {
        from_checkpoint(path, &store)
    };
    let loaded = loaded.with_context(|| format!("loading the model {}", path.display()))?;
    store.set_trainable(false);
    Ok(loaded)
}

/// Loads the weights at `path` into the model that `config` describes, whatever
/// the file itself says: for files that another program wrote.
///
/// # Errors
/// No such file, damaged files, weights of another shape.
pub fn load_described(path: &Path, config: &RunConfig, device: Device) -> Result<Loaded> {
    let file = if path.is_dir() {
        path.join(MODEL_FILE)
    } else {
        path.to_owned()
    };
    if !file.exists() {
        bail!("{} does not exist", file.display());
    }
    let noise = Noise::portable(SeedTree::new(0).child("overwritten"));
    let store = ParamStore::new(Kind::Float, device, noise);
    let model = build(&config.model, &store)?;
    let (tensors, _) = checkpoint::load(&file, Limits::default())?;
    refuse_non_finite(&file, &tensors)?;
    weights::load_weights(&store, &tensors).with_context(|| {
        format!(
            "the weights in {} are not those of the configured model",
            file.display()
        )
    })?;
    store.set_trainable(false);
    Ok(Loaded {
        model,
        dataset: Some(config.dataset.clone()),
        steps: None,
        sha256: sha256_file(&file)?.0,
        folder: run_of_checkpoint(&file)
            .or_else(|| file.parent())
            .map_or_else(PathBuf::new, Path::to_owned),
        file,
        unfinished: false,
    })
}

/// The folder whose checkpoint lies at `path`, given as a folder or as its file of weights. A
/// checkpoint does not say which model it holds, the folder around it does; it is replaced as a
/// whole in training, so nothing else may be kept in it.
fn run_of_checkpoint(path: &Path) -> Option<&Path> {
    let is_weights = path.is_file() && path.file_name()? == MODEL_FILE;
    let checkpoint = if is_weights { path.parent()? } else { path };
    let run = checkpoint.parent()?;
    let is_described = run.join(RUN_FILE).exists() || run.join(RECIPE_FILE).exists();
    (checkpoint.file_name()? == CHECKPOINT_FOLDER && is_described).then_some(run)
}

/// Weights that do not say what they are, with what a command can do about them.
fn without_config(error: ZooError) -> anyhow::Error {
    match error {
        ZooError::NoModelConfig { path, reason } => anyhow!(
            "the checkpoint {} does not describe its model ({reason}): `vaegis audit` takes such \
             weights with --config TOML, the configuration of the model",
            path.display()
        ),
        other => other.into(),
    }
}

fn from_file(file: &Path, folder: PathBuf, store: &ParamStore) -> Result<Loaded> {
    let (tensors, meta) = checkpoint::load(file, Limits::default())?;
    refuse_non_finite(file, &tensors)?;
    let model = weights::from_checkpoint(file, &tensors, &meta, store).map_err(without_config)?;
    let dataset = match meta.get("dataset") {
        Some(value) => Some(
            serde_json::from_value(value.clone())
                .with_context(|| format!("the data set named in {}", file.display()))?,
        ),
        None => None,
    };
    Ok(Loaded {
        model,
        dataset,
        steps: meta.get("steps").and_then(Value::as_u64),
        sha256: sha256_file(file)?.0,
        file: file.to_owned(),
        folder,
        unfinished: false,
    })
}

/// The configuration beside a checkpoint.
fn described(folder: &Path) -> Result<Option<(ModelConfig, Option<DatasetConfig>)>> {
    let run = folder.join(RUN_FILE);
    if run.exists() {
        let config: RunConfig = load_toml(&run)?;
        return Ok(Some((config.model, Some(config.dataset))));
    }
    let recipe = folder.join(RECIPE_FILE);
    if recipe.exists() {
        let value: Value = read_json(&recipe)?;
        let config: ModelConfig = serde_json::from_value(value["model"].clone())
            .with_context(|| format!("the model described in {}", recipe.display()))?;
        return Ok(Some((validated(&recipe, config)?, None)));
    }
    Ok(None)
}

fn from_checkpoint(folder: &Path, store: &ParamStore) -> Result<Loaded> {
    let checkpoint_folder = folder.join(CHECKPOINT_FOLDER);
    let Some((config, dataset)) = described(folder)? else {
        bail!(
            "not a model folder: expected {MODEL_FILE}, or {RUN_FILE} and {CHECKPOINT_FOLDER}/, as \
             `vaegis train` writes them"
        );
    };
    recover_folder(&checkpoint_folder)?;
    let file = checkpoint_folder.join(MODEL_FILE);
    if !file.exists() {
        bail!("no checkpoint was written yet: run the same `vaegis train` again, it goes on");
    }
    let model = build(&config, store)?;
    let (tensors, meta) = checkpoint::load(&file, Limits::default())?;
    refuse_non_finite(&file, &tensors)?;
    weights::load_weights(store, &tensors).with_context(|| {
        format!(
            "the weights in {} are not those of the model that its folder describes",
            file.display()
        )
    })?;
    Ok(Loaded {
        model,
        dataset,
        steps: meta.get("step").and_then(Value::as_u64),
        sha256: sha256_file(&file)?.0,
        // Either file is written when a training has ended. An entry of the model cache keeps its
        // weights in the checkpoint for good.
        unfinished: !folder.join("trained.json").exists() && !folder.join(MODEL_FILE).exists(),
        file,
        folder: folder.to_owned(),
    })
}

fn refuse_non_finite(file: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    if checkpoint::all_finite(tensors) {
        return Ok(());
    }
    bail!(
        "{} holds weights that are not finite numbers: train the model again",
        file.display()
    );
}

impl Loaded {
    /// The test split to work on: the model's own data set or the one named instead.
    ///
    /// # Errors
    /// No data set is known, it cannot be opened, or it does not fit the model.
    pub fn test_set(
        &self,
        instead: Option<&str>,
        root: Option<&Path>,
    ) -> Result<(DatasetConfig, Arc<dyn Dataset>)> {
        let mut config = match (instead, &self.dataset) {
            (Some(name), _) => DatasetConfig::named(name),
            (None, Some(config)) => config.clone(),
            (None, None) => bail!(
                "{} does not say what the model was trained on: name a data set with --dataset",
                self.file.display()
            ),
        };
        let mut data = config.open(Split::Test, root)?;
        let input = LatentModel::input_shape(&*self.model);
        let fits = data.spec().item_shape.map(|n| n as i64) == input;
        if instead.is_some() && !fits && input[1] == input[2] {
            config.size = usize::try_from(input[1]).ok();
            data = config.open(Split::Test, root)?;
        }
        check_fit(&*self.model, &*data)?;
        if data.is_empty() {
            bail!("the test split of {:?} has no items", config.name);
        }
        Ok((config, data))
    }

    /// One line on the model.
    pub fn describe(&self) -> String {
        let steps = self
            .steps
            .map_or_else(String::new, |s| format!(", {s} steps"));
        let state = if self.unfinished { " (unfinished)" } else { "" };
        format!(
            "{} with {} parameters{steps}{state}: {}",
            self.model.family(),
            self.model.store().num_parameters(),
            self.file.display()
        )
    }
}

/// The stored configuration of a training folder, if it is one.
///
/// # Errors
/// A damaged or impossible configuration.
pub fn stored_run(folder: &Path) -> Result<Option<RunConfig>> {
    let path = folder.join(RUN_FILE);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(validated(&path, read_toml(&path)?)?))
}
