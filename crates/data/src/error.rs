//! The one error type of this crate: which file, what was expected, what was found, what to do.

use std::path::PathBuf;

use vaegis_core::CoreError;

/// Everything that can go wrong between a file and a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file of a known data set is not there.
    #[error(
        "{dataset}: {} is missing (expected {expected}); {advice}, \
         or point --data or VAEGIS_DATA at the folder that has it", path.display()
    )]
    Missing {
        /// Registry name.
        dataset: String,
        /// Where the file was looked for.
        path: PathBuf,
        /// Size and checksum.
        expected: String,
        /// Where it comes from.
        advice: String,
    },

    /// Bytes are not what their format, their header or their partner file says.
    #[error(
        "{op} {name}: expected {expected}, found {found}; the file is damaged or is not what it \
         should be: replace it (`vaegis data check` compares checksums)"
    )]
    Format {
        /// What was being decoded.
        op: &'static str,
        /// File, and entry within an archive.
        name: String,
        /// What the format wants.
        expected: String,
        /// What the bytes hold.
        found: String,
    },

    /// Decoding would take more memory, pixels or items than allowed; nothing was allocated.
    #[error(
        "{op} {name}: {what} of {found} is above the limit of {expected}; \
         if the file is trusted, raise the limit in the options"
    )]
    TooLarge {
        /// What was being decoded.
        op: &'static str,
        /// File, and entry within an archive.
        name: String,
        /// Which limit: decoded bytes, image side, entries.
        what: &'static str,
        /// The limit.
        expected: u64,
        /// What the bytes ask for (at least).
        found: u64,
    },

    /// A name is in no registry.
    #[error("unknown data set {found:?}: expected one of {expected}")]
    UnknownDataset {
        /// The names that exist.
        expected: String,
        /// The name asked for.
        found: String,
    },

    /// A data set needs files and no folder was given.
    #[error(
        "{name} needs a data folder: give --data DIR or set VAEGIS_DATA; \
         the procedural set `sprites` needs none"
    )]
    NoRoot {
        /// Registry name.
        name: String,
    },

    /// An option or an argument is impossible.
    #[error("{op}: {name}: expected {expected}, found {found}")]
    Option {
        /// Where the option is used.
        op: &'static str,
        /// The option.
        name: &'static str,
        /// What would be right.
        expected: String,
        /// What was given.
        found: String,
    },

    /// A batch asks for an item that does not exist.
    #[error("{name}: index {found} is out of range, expected below {expected}")]
    Index {
        /// The data set.
        name: String,
        /// Its length.
        expected: usize,
        /// The index.
        found: usize,
    },

    /// A download did not end with the right file.
    #[error("fetch {name}: expected {expected}, found {found}; {advice}")]
    Fetch {
        /// File or address.
        name: String,
        /// What should have come.
        expected: String,
        /// What came.
        found: String,
        /// What to do.
        advice: String,
    },

    /// The background thread that makes batches stopped.
    #[error("a prefetching thread stopped before batch {batch}; run again with fewer threads")]
    Prefetch {
        /// The batch that never came.
        batch: usize,
    },

    /// A file operation or a cache failed.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl DataError {
    /// Shorthand for [`DataError::Format`].
    pub(crate) fn format(
        op: &'static str,
        name: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Format {
            op,
            name: name.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
