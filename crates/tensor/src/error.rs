//! What can go wrong at the border to libtorch. Wrong shapes inside the
//! library are programming errors and panic instead.

use std::path::PathBuf;

/// An error of the tensor crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// A parameter name was registered twice.
    #[error("the parameter name {name:?} is already taken: give each layer its own sub-path")]
    DuplicateParameter {
        /// Full dotted name.
        name: String,
    },
    /// A stored parameter set does not match the model's.
    #[error("{op}: parameter {name:?}: expected {expected}, found {found}")]
    ParameterMismatch {
        /// What was being done.
        op: &'static str,
        /// Full dotted name.
        name: String,
        /// What the model needs.
        expected: String,
        /// What the file or the caller offered.
        found: String,
    },
    /// A parameter does not fit into memory.
    #[error(
        "parameter {name:?} of shape {shape:?} does not fit into memory: make the model smaller"
    )]
    OutOfMemory {
        /// Full dotted name.
        name: String,
        /// The shape asked for.
        shape: Vec<i64>,
    },
    /// A device string cannot be parsed or the device cannot be used.
    #[error("device {requested:?} cannot be used: {reason}")]
    Device {
        /// What the user asked for.
        requested: String,
        /// Why it failed, and what to do.
        reason: String,
    },
    /// A file is damaged or not what it claims to be.
    #[error("{what}: expected {expected}, found {found} (file {})", path.display())]
    BadFile {
        /// The part of the file.
        what: &'static str,
        /// What a good file holds.
        expected: String,
        /// What this one holds.
        found: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor has another element kind than the caller wants.
    #[error("{op}: expected kind {expected}, found {found}: convert with to_kind first")]
    Kind {
        /// What was being done.
        op: &'static str,
        /// The kind asked for.
        expected: String,
        /// The tensor's kind.
        found: String,
    },
    /// A gradient does not agree with finite differences.
    #[error(
        "gradient of input element {index}: autograd gives {found:e}, central differences {expected:e}"
    )]
    Gradient {
        /// Row-major position in the input.
        index: usize,
        /// The difference quotient.
        expected: f64,
        /// The derivative that autograd returned.
        found: f64,
    },
    /// A value that must be finite is not.
    #[error("{name} is not finite ({found})")]
    NonFinite {
        /// Name of the value.
        name: String,
        /// The offending value.
        found: f64,
    },
    /// Reading or writing failed in the core crate.
    #[error(transparent)]
    Core(#[from] vaegis_core::CoreError),
    /// libtorch reported an error.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}
