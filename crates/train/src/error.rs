//! What can end a training run before its time.

use std::path::{Path, PathBuf};

/// An error of the training crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A loss term, or the norm of the gradients, is NaN or infinite.
    #[error(
        "loss term {term:?} is {found} at step {step} (examples {}): lower the learning rate, \
         clip the gradients or look at these examples{}",
        show_indices(indices),
        show_checkpoint(checkpoint.as_deref())
    )]
    NonFiniteTerm {
        /// Name of the first term, in the order of the loss, that is not finite.
        term: String,
        /// First step at which it is not, counted from 0.
        step: u64,
        /// Its value.
        found: f64,
        /// Data set indices of the step's batch.
        indices: Vec<usize>,
        /// The last complete checkpoint, which is from before, if one was written.
        checkpoint: Option<PathBuf>,
    },
    /// A parameter or an optimizer moment is NaN or infinite; it was not saved.
    #[error(
        "parameter or moment {name:?} is not finite after step {step}: lower the learning rate or \
         clip the gradients{}",
        show_checkpoint(checkpoint.as_deref())
    )]
    NonFiniteParameter {
        /// Its full name.
        name: String,
        /// Number of completed steps.
        step: u64,
        /// The last complete checkpoint, which is from before, if one was written.
        checkpoint: Option<PathBuf>,
    },
    /// The loss has no gradient in any parameter that training may move.
    #[error(
        "the loss of the {player} depends on none of its {num_trainable} trainable parameters, so \
         there is nothing to train: call ParamStore::set_trainable(true) first (a finished model \
         is frozen), and do not compute the loss under no_grad"
    )]
    NothingToTrain {
        /// `model` or `opponent`.
        player: &'static str,
        /// Number of parameter tensors that it could move.
        num_trainable: usize,
    },
    /// Another thread or process trains in the output folder.
    #[error(
        "another run is training in {}: wait until it has ended, or choose another output folder",
        path.display()
    )]
    FolderInUse {
        /// The output folder.
        path: PathBuf,
    },
    /// The loss changed its terms from one step to the next.
    #[error("the loss has the terms {expected:?} and, at step {step}, {found:?}: terms are fixed")]
    TermsChanged {
        /// Terms of the first step.
        expected: Vec<String>,
        /// Terms of this step.
        found: Vec<String>,
        /// The step.
        step: u64,
    },
    /// The output folder belongs to another run.
    #[error(
        "{} was written by another run: {what}: expected {expected}, found {found}; \
         choose another output folder or remove this one", path.display()
    )]
    OtherRun {
        /// What differs.
        what: &'static str,
        /// This run's value.
        expected: String,
        /// The stored value.
        found: String,
        /// The checkpoint folder.
        path: PathBuf,
    },
    /// The data set gives no batch.
    #[error("data set {name:?} has {len} items, too few for one batch of {batch_size}")]
    NoBatches {
        /// Registry name.
        name: String,
        /// Number of items.
        len: usize,
        /// Examples per batch.
        batch_size: usize,
    },
    /// Files, codecs or the configuration.
    #[error(transparent)]
    Core(#[from] vaegis_core::CoreError),
    /// libtorch or a parameter file.
    #[error(transparent)]
    Tensor(#[from] vaegis_tensor::TensorError),
    /// The data set.
    #[error(transparent)]
    Data(#[from] vaegis_data::DataError),
}

impl TrainError {
    /// Tells an error about values that are not finite which checkpoint is left.
    pub(crate) fn with_checkpoint(mut self, left: Option<PathBuf>) -> Self {
        if let Self::NonFiniteTerm { checkpoint, .. }
        | Self::NonFiniteParameter { checkpoint, .. } = &mut self
        {
            *checkpoint = left;
        }
        self
    }
}

/// Where to go on from, if that is anywhere.
fn show_checkpoint(checkpoint: Option<&Path>) -> String {
    let Some(path) = checkpoint else {
        return String::new();
    };
    format!("; the last checkpoint, {}, is from before", path.display())
}

/// A batch can have thousands of indices; the first ones show where to look, and the field has
/// them all.
fn show_indices(indices: &[usize]) -> String {
    const SHOWN: usize = 16;
    let mut text = format!("{:?}", &indices[..indices.len().min(SHOWN)]);
    if indices.len() > SHOWN {
        text.push_str(&format!(" and {} more", indices.len() - SHOWN));
    }
    text
}
