//! What a data set is to the rest of the workspace: a description, a length and batches.

use ndarray::{Array2, Array4};
use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// Items in memory at once where [`Dataset::labels`] has to ask for whole items.
pub const LABELS_PER_PASS: usize = 256;

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For fitting.
    Train,
    /// For judging; never seen in training.
    Test,
}

impl Split {
    /// `train` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// The description of one split of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetSpec {
    /// Registry name, with the wrappers' names behind it.
    pub name: String,
    /// Channels, height, width; vectors are `[1, 1, D]`.
    pub item_shape: [usize; 3],
    /// Bounds of every value.
    pub value_range: (f32, f32),
    /// Number of classes where there are labels.
    pub num_classes: Option<usize>,
    /// Names of the ground-truth factors, empty where there are none.
    pub factor_names: Vec<String>,
    /// Number of values of each factor; 0 for a continuous one.
    pub factor_sizes: Vec<usize>,
    /// Number of items.
    pub len: usize,
    /// Which part this is.
    pub split: Split,
    /// Real, regenerated or procedural, in words.
    pub origin: String,
    /// SHA-256 over the files read, or over the generator's parameters.
    pub checksum: String,
}

impl DatasetSpec {
    /// Values per item.
    pub fn item_size(&self) -> usize {
        self.item_shape.iter().product()
    }
}

/// Some items of a data set.
///
/// # Shapes
///
/// `x: [B, C, H, W]`, `labels: [B]`, `factors: [B, F]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The items.
    pub x: Array4<f32>,
    /// Class of each item.
    pub labels: Option<Vec<i64>>,
    /// Ground-truth factors of each item, as their class numbers or real values.
    pub factors: Option<Array2<f32>>,
    /// Which items these are.
    pub indices: Vec<usize>,
}

impl Batch {
    /// A batch of no items, for [`Dataset::batch_into`].
    pub fn empty() -> Self {
        Self {
            x: Array4::zeros((0, 0, 0, 0)),
            labels: None,
            factors: None,
            indices: Vec::new(),
        }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Takes the pixel buffer out and gives it the size of `count` items of `shape`.
    ///
    /// The old content stays where it fits, so callers must overwrite every value.
    pub(crate) fn take_buffer(&mut self, count: usize, shape: [usize; 3]) -> Vec<f32> {
        let x = std::mem::replace(&mut self.x, Array4::zeros((0, 0, 0, 0)));
        let (mut buffer, offset) = x.into_raw_vec_and_offset();
        if offset.unwrap_or(0) != 0 {
            buffer.clear();
        }
        buffer.resize(count * shape.iter().product::<usize>(), 0.0);
        buffer
    }

    /// Puts a full buffer back as the pixels of `count` items of `shape`.
    pub(crate) fn put_buffer(&mut self, buffer: Vec<f32>, count: usize, shape: [usize; 3]) {
        let [c, h, w] = shape;
        self.x = Array4::from_shape_vec((count, c, h, w), buffer)
            .expect("invariant: the buffer has the size of its shape");
    }
}

/// Items that can be asked for in any order; the same indices give the same batch, always.
pub trait Dataset: Send + Sync {
    /// The description.
    fn spec(&self) -> &DatasetSpec;

    /// Number of items.
    fn len(&self) -> usize {
        self.spec().len
    }

    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the items at `indices` into `batch`, reusing its memory.
    ///
    /// # Errors
    ///
    /// [`DataError::Index`] for an index at or above the length; `batch` is then unspecified.
    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError>;

    /// Returns the items at `indices`.
    ///
    /// # Errors
    ///
    /// [`DataError::Index`] for an index at or above the length.
    fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        let mut batch = Batch::empty();
        self.batch_into(indices, &mut batch)?;
        Ok(batch)
    }

    /// The class of every item in order, or none where the set has no labels.
    ///
    /// The sets of this crate decode and draw no image for it. What is inherited here asks for
    /// [`LABELS_PER_PASS`] items at a time, which is right for every set and slow for large ones.
    ///
    /// # Errors
    ///
    /// As [`Dataset::batch_into`].
    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        let mut labels = Vec::with_capacity(self.len());
        let mut batch = Batch::empty();
        for start in (0..self.len()).step_by(LABELS_PER_PASS) {
            let end = self.len().min(start + LABELS_PER_PASS);
            let indices: Vec<usize> = (start..end).collect();
            self.batch_into(&indices, &mut batch)?;
            match batch.labels.take() {
                Some(some) => labels.extend(some),
                None => return Ok(None),
            }
        }
        Ok(Some(labels))
    }
}

/// Checks indices against the length of a data set.
pub(crate) fn check_indices(spec: &DatasetSpec, indices: &[usize]) -> Result<(), DataError> {
    match indices.iter().find(|&&i| i >= spec.len) {
        None => Ok(()),
        Some(&found) => Err(DataError::Index {
            name: spec.name.clone(),
            expected: spec.len,
            found,
        }),
    }
}
