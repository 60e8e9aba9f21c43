//! What can go wrong between a configuration or a file and a model.

use std::path::PathBuf;
use vaegis_core::error::Violations;
use vaegis_tensor::TensorError;

/// An error of the zoo crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooError {
    /// A configuration asks for a model that cannot be built.
    #[error("the model {family:?} cannot be built: {violations}")]
    Config {
        /// Name of the family.
        family: &'static str,
        /// Everything that is wrong.
        violations: Violations,
    },
    /// A checkpoint does not say which model it holds.
    #[error(
        "the checkpoint {} does not describe its model ({reason}): build the model from its \
         configuration and load the weights alone",
        path.display()
    )]
    NoModelConfig {
        /// The file.
        path: PathBuf,
        /// What is missing or cannot be read.
        reason: String,
    },
    /// The tensor crate reported an error.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}
