//! The crate's error type: what can be wrong with a caller's input.
//!
//! Trouble met while optimizing is no error but a [`crate::Status`], since the best point is still
//! of use.

use thiserror::Error;

/// Input that the optimizer cannot work with.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum LbfgsbError {
    /// An option is out of range.
    #[error("option `{name}` must be {expected}, found {found}")]
    Option {
        /// The field of [`crate::Options`].
        name: &'static str,
        /// The range.
        expected: &'static str,
        /// The value given.
        found: String,
    },
    /// A slice has the wrong length.
    #[error("{op}: `{name}` must have length {expected}, found {found}")]
    Length {
        /// The operation that was called.
        op: &'static str,
        /// The argument.
        name: &'static str,
        /// The length or lengths accepted.
        expected: String,
        /// The length given.
        found: usize,
    },
    /// The starting point has an entry that is not finite.
    #[error("row {row}: x0[{index}] must be finite, found {found}; replace it before the start")]
    StartingPoint {
        /// Row of the batch.
        row: usize,
        /// Variable within the row.
        index: usize,
        /// The value given.
        found: f64,
    },
    /// A pair of bounds leaves no finite point.
    #[error(
        "row {row}: bounds of variable {index} must hold a finite number \
         (lower <= upper, no NaN), found [{lower}, {upper}]"
    )]
    Bounds {
        /// Row of the batch.
        row: usize,
        /// Variable within the row.
        index: usize,
        /// The lower bound given.
        lower: f64,
        /// The upper bound given.
        upper: f64,
    },
    /// A row that has finished was given another evaluation.
    #[error("the row has finished; take its solution instead of advancing it")]
    Finished,
}
