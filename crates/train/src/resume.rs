//! The checkpoint folder: model, optimizer, state and configuration, replaced as one.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use vaegis_core::codec::{
    ArtifactKind, JsonlWriter, decode_artifact, encode_artifact, read_limited, read_toml,
    recover_folder, to_toml, write_atomic, write_folder_atomic,
};
use vaegis_core::config::validated;
use vaegis_core::{CoreError, EntryLock, LOCK_FILE};
use vaegis_tensor::checkpoint::{self, Limits};
use vaegis_tensor::schedule::Plateau;
use vaegis_tensor::{ParamStore, Tensor};

use crate::players::Players;
use crate::window::Sums;
use crate::{TrainConfig, TrainError};

/// Name of the checkpoint folder within the output folder.
pub const CHECKPOINT_FOLDER: &str = "checkpoint";

/// Name of the metric file within the output folder.
pub const METRICS_FILE: &str = "metrics.jsonl";

const MODEL_FILE: &str = "model.safetensors";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const STATE_FILE: &str = "state.bin";
const CONFIG_FILE: &str = "config.toml";
const CONTEXT_FILE: &str = "context.txt";

/// Version of [`State`] on disk.
const STATE_VERSION: u32 = 1;

/// Largest state file; a real one has a few hundred bytes.
const MAX_STATE_BYTES: u64 = 1 << 20;

/// Largest stored context; a model's configuration has about a thousand bytes.
const MAX_CONTEXT_BYTES: u64 = 1 << 20;

/// Where a run keeps its files, and what its loss depends on that the trainer cannot see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    folder: PathBuf,
    context: String,
    trusts_older: bool,
}

impl Output {
    /// Files in `folder`. `context` says in text, for example as the TOML of the model's
    /// configuration, what besides the training's configuration, seed and data the loss depends
    /// on; it is stored with each checkpoint, and one of another context is refused.
    ///
    /// Shapes of parameters alone do not tell models apart: a β-VAE has the shapes of a VAE.
    pub fn new(folder: &Path, context: impl Into<String>) -> Self {
        Self {
            folder: folder.to_owned(),
            context: context.into(),
            trusts_older: false,
        }
    }

    /// Goes on also from a checkpoint without a stored context, as earlier versions wrote them.
    ///
    /// Right only where something else ties the folder to one model: its name, or a file beside it
    /// that is compared first.
    #[must_use]
    pub fn trusting_older(mut self) -> Self {
        self.trusts_older = true;
        self
    }
}

/// Where a run stands, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Number of completed steps.
    pub(crate) step: u64,
    /// What the run is made from, to refuse another run's checkpoint.
    pub(crate) identity: Identity,
    pub(crate) sums: Sums,
    pub(crate) plateau: Option<Plateau>,
    /// Mean loss of the last complete epoch.
    pub(crate) epoch_loss: Option<f64>,
    /// Length of the metric file at this step.
    pub(crate) metrics_bytes: u64,
}

/// What a run is made from, besides its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) seed: String,
    pub(crate) dataset: String,
    pub(crate) checksum: String,
    pub(crate) len: u64,
}

/// The files of one run, which nobody else writes meanwhile.
#[derive(Debug)]
pub(crate) struct RunFolder {
    checkpoint: PathBuf,
    metrics: PathBuf,
    context: String,
    trusts_older: bool,
    /// Metrics are appended and checkpoints replaced, so two writers would mix their runs.
    _lock: EntryLock,
}

impl RunFolder {
    /// Takes the folder for as long as the answer lives.
    ///
    /// # Errors
    /// [`TrainError::FolderInUse`] where another run has it; disk errors.
    pub(crate) fn open(out: Output) -> Result<Self, TrainError> {
        let lock = EntryLock::try_acquire(&out.folder.join(LOCK_FILE))?;
        let Some(lock) = lock else {
            return Err(TrainError::FolderInUse { path: out.folder });
        };
        Ok(Self {
            checkpoint: out.folder.join(CHECKPOINT_FOLDER),
            metrics: out.folder.join(METRICS_FILE),
            context: out.context,
            trusts_older: out.trusts_older,
            _lock: lock,
        })
    }

    pub(crate) fn checkpoint(&self) -> &Path {
        &self.checkpoint
    }

    /// Writes a complete checkpoint beside the old one and then takes its place.
    pub(crate) fn save(
        &self,
        config: &TrainConfig,
        state: &State,
        params: &ParamStore,
        players: &Players,
    ) -> Result<(), TrainError> {
        let model = params.named_tensors();
        let moments = players.state();
        refuse_non_finite(&model, state.step)?;
        refuse_non_finite(&moments, state.step)?;
        let meta = serde_json::json!({ "step": state.step });
        write_folder_atomic(&self.checkpoint, |folder| {
            checkpoint::save(&folder.join(MODEL_FILE), &model, &meta)?;
            checkpoint::save(&folder.join(OPTIMIZER_FILE), &moments, &meta)?;
            let state = encode_artifact(ArtifactKind::TrainerState, STATE_VERSION, state)?;
            write_atomic(&folder.join(STATE_FILE), &state)?;
            write_atomic(&folder.join(CONFIG_FILE), to_toml(config)?.as_bytes())?;
            write_atomic(&folder.join(CONTEXT_FILE), self.context.as_bytes())?;
            Ok::<(), TrainError>(())
        })
    }

    /// Reads the checkpoint into the parameters and the optimizer; none if there is none.
    ///
    /// # Errors
    /// A checkpoint that is damaged or belongs to another run; nothing is changed then.
    pub(crate) fn load(
        &self,
        config: &TrainConfig,
        identity: &Identity,
        params: &ParamStore,
        players: &mut Players,
    ) -> Result<Option<State>, TrainError> {
        recover_folder(&self.checkpoint)?;
        if !self.checkpoint.exists() {
            return Ok(None);
        }
        let config_path = self.checkpoint.join(CONFIG_FILE);
        let stored: TrainConfig = validated(&config_path, read_toml(&config_path)?)?;
        if stored.identity() != config.identity() {
            let [expected, found] = [config, &stored].map(|c| to_toml(&c.identity()));
            let (expected, found) = different_lines(&expected?, &found?);
            return Err(self.other_run("configuration", expected, found));
        }
        self.check_context()?;
        let bytes = read_limited(&self.checkpoint.join(STATE_FILE), MAX_STATE_BYTES)?;
        let state: State = decode_artifact(
            ArtifactKind::TrainerState,
            STATE_VERSION,
            &bytes,
            MAX_STATE_BYTES,
        )?;
        for (what, expected, found) in [
            ("seed", &identity.seed, &state.identity.seed),
            ("data set", &identity.dataset, &state.identity.dataset),
            (
                "data checksum",
                &identity.checksum,
                &state.identity.checksum,
            ),
        ] {
            if expected != found {
                return Err(self.other_run(what, expected.clone(), found.clone()));
            }
        }
        if identity.len != state.identity.len {
            let (expected, found) = (identity.len.to_string(), state.identity.len.to_string());
            return Err(self.other_run("number of examples", expected, found));
        }
        let (model, _) = checkpoint::load(&self.checkpoint.join(MODEL_FILE), Limits::default())?;
        let (moments, _) =
            checkpoint::load(&self.checkpoint.join(OPTIMIZER_FILE), Limits::default())?;
        // The optimizers refuse a wrong shape before the parameters are touched.
        players.load_state(&moments)?;
        params.copy_from(&model)?;
        Ok(Some(state))
    }

    /// Compares the stored context, such as the model's configuration, with this run's.
    fn check_context(&self) -> Result<(), TrainError> {
        let path = self.checkpoint.join(CONTEXT_FILE);
        if !path.exists() {
            if self.trusts_older {
                return Ok(());
            }
            let expected = format!("{CONTEXT_FILE}, which says what is trained");
            let found = "no such file, as earlier versions wrote it".to_owned();
            return Err(self.other_run("model", expected, found));
        }
        let bytes = read_limited(&path, MAX_CONTEXT_BYTES)?;
        let stored = String::from_utf8_lossy(&bytes);
        if stored == self.context {
            return Ok(());
        }
        let (expected, found) = different_lines(&self.context, &stored);
        Err(self.other_run("model", expected, found))
    }

    /// Opens the metric file for appending, cut back to the length that the checkpoint knows: what
    /// came after it will be computed again.
    pub(crate) fn open_metrics(&self, bytes: u64) -> Result<JsonlWriter, TrainError> {
        if self.metrics.exists() {
            let io = |e| CoreError::io("cut back", &self.metrics, e);
            let file = File::options()
                .write(true)
                .open(&self.metrics)
                .map_err(io)?;
            let found = file.metadata().map_err(io)?.len();
            if found < bytes {
                return Err(TrainError::OtherRun {
                    what: "length of the metric file",
                    expected: format!("at least {bytes} bytes"),
                    found: format!("{found} bytes"),
                    path: self.metrics.clone(),
                });
            }
            file.set_len(bytes).map_err(io)?;
        } else if bytes > 0 {
            return Err(TrainError::OtherRun {
                what: "metric file",
                expected: format!("at least {bytes} bytes"),
                found: "no file".to_owned(),
                path: self.metrics.clone(),
            });
        }
        Ok(JsonlWriter::open_append(&self.metrics)?)
    }

    /// The length of the metric file, after its content is on the disk.
    pub(crate) fn metrics_bytes(&self, writer: &JsonlWriter) -> Result<u64, TrainError> {
        writer.sync()?;
        let length = std::fs::metadata(&self.metrics)
            .map_err(|e| CoreError::io("measure", &self.metrics, e))?
            .len();
        Ok(length)
    }

    fn other_run(&self, what: &'static str, expected: String, found: String) -> TrainError {
        TrainError::OtherRun {
            what,
            expected,
            found,
            path: self.checkpoint.clone(),
        }
    }
}

/// Copies the parameters of the checkpoint in a run's output folder into a model, for use after
/// training.
///
/// # Errors
/// No checkpoint, a damaged one, or one of another model; nothing is changed then.
pub fn load_parameters(out: &Path, params: &ParamStore) -> Result<(), TrainError> {
    let folder = out.join(CHECKPOINT_FOLDER);
    recover_folder(&folder)?;
    let (model, _) = checkpoint::load(&folder.join(MODEL_FILE), Limits::default())?;
    Ok(params.copy_from(&model)?)
}

fn refuse_non_finite(tensors: &[(String, Tensor)], step: u64) -> Result<(), TrainError> {
    if checkpoint::all_finite(tensors) {
        return Ok(());
    }
    let bad = tensors
        .iter()
        .find(|(name, tensor)| !checkpoint::all_finite(&[(name.clone(), tensor.shallow_clone())]));
    let name = bad.map_or_else(String::new, |(name, _)| name.clone());
    Err(TrainError::NonFiniteParameter {
        name,
        step,
        checkpoint: None,
    })
}

/// The lines of two configurations that differ, for a message.
fn different_lines(expected: &str, found: &str) -> (String, String) {
    let only = |a: &str, b: &str| {
        let lines: Vec<&str> = a
            .lines()
            .filter(|line| !b.lines().any(|l| l == *line))
            .collect();
        if lines.is_empty() {
            "nothing".to_owned()
        } else {
            lines.join(", ")
        }
    };
    (only(expected, found), only(found, expected))
}
