//! How a data set is opened.

use std::path::PathBuf;

use crate::limits::Limits;

/// Options of [`crate::open`]; every set ignores those that do not concern it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenOptions {
    /// Side of square images: generated at it (`sprites`), or resized to it (all other images).
    pub size: Option<usize>,
    /// Number of items of a generated set without a natural number; the default is 2000. Toy sets
    /// and picture folders keep only the first so many.
    pub samples: Option<usize>,
    /// Seed of a generated set.
    pub seed: u64,
    /// Number of classes of `blobs`; the default is 6.
    pub classes: Option<usize>,
    /// Number of values of an item of `blobs` and `linear-gaussian`; the defaults are 20 and 8.
    pub dimension: Option<usize>,
    /// Distance of the centers of `blobs` from the origin; the default is 6.
    pub separation: Option<f32>,
    /// Folder for decoded caches; none means no caching.
    pub cache: Option<PathBuf>,
    /// Bounds for what decoders may take.
    pub limits: Limits,
}

impl OpenOptions {
    pub(crate) fn samples(&self) -> usize {
        self.samples.unwrap_or(2000)
    }
}
