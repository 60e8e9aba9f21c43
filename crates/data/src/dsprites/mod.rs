//! dSprites: 737 280 binary 64x64 images of three shapes with six known factors.
//!
//! Either the published .npz, or pictures drawn on demand by a renderer that was fitted to the
//! published frames; the specification's origin says which.

mod published;
mod render;

use std::path::Path;

use ndarray::Array2;
use rayon::prelude::*;
use vaegis_core::hash::sha256_hex;

use crate::dataset::{Batch, Dataset, DatasetSpec, Split, check_indices};
use crate::error::DataError;
use crate::limits::Limits;
pub use render::{BitImage, HEIGHT, Renderer, WIDTH};

/// Number of values of color, shape, scale, orientation, position x and position y.
pub const FACTOR_SIZES: [usize; 6] = [1, 3, 6, 40, 32, 32];
/// Names of the factors, in the order of the images.
pub const FACTOR_NAMES: [&str; 6] = ["color", "shape", "scale", "orientation", "posX", "posY"];
/// Number of images.
pub const NUM_IMAGES: usize = 737_280;

/// Factor classes of an image; the last factor varies fastest.
///
/// # Panics
///
/// When the index is at or above [`NUM_IMAGES`].
pub fn factors_of(index: usize) -> [usize; 6] {
    assert!(index < NUM_IMAGES, "dSprites index {index} of {NUM_IMAGES}");
    let mut factors = [0; 6];
    let mut rest = index;
    for (factor, size) in factors.iter_mut().zip(FACTOR_SIZES).rev() {
        *factor = rest % size;
        rest /= size;
    }
    factors
}

/// Index of the image with the given factor classes.
///
/// # Panics
///
/// When a class is at or above its number of values.
pub fn index_of(factors: [usize; 6]) -> usize {
    factors
        .iter()
        .zip(FACTOR_SIZES)
        .fold(0, |index, (&factor, size)| {
            assert!(factor < size, "dSprites factor {factor} of {size}");
            index * size + factor
        })
}

enum Source {
    Rendered(Renderer),
    Published(Vec<BitImage>),
}

/// The whole set; both splits hold all images, because the authors published no split.
pub struct Dsprites {
    spec: DatasetSpec,
    source: Source,
}

impl Dsprites {
    /// The set drawn on demand; needs no files.
    pub fn rendered(split: Split) -> Self {
        let origin = "dSprites, regenerated: a fitted renderer, equal on 316 of the 320 published \
                      traversal frames (the other 4 differ in 2 pixels each); a close copy, not \
                      the original bits";
        let checksum = sha256_hex(b"vaegis dsprites renderer 1");
        Self {
            spec: spec(split, origin, checksum),
            source: Source::Rendered(Renderer::new()),
        }
    }

    /// The published file `dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz`.
    ///
    /// # Errors
    ///
    /// [`DataError`] when the file is not readable or not that set.
    pub fn published(path: &Path, split: Split, limits: &Limits) -> Result<Self, DataError> {
        let (images, checksum) = published::read(path, limits)?;
        let origin = "dSprites (real, the published .npz)";
        Ok(Self {
            spec: spec(split, origin, checksum),
            source: Source::Published(images),
        })
    }

    /// One image as bits.
    ///
    /// # Panics
    ///
    /// When the index is at or above [`NUM_IMAGES`].
    pub fn image(&self, index: usize) -> BitImage {
        match &self.source {
            Source::Rendered(renderer) => renderer.image(factors_of(index)),
            Source::Published(images) => images[index],
        }
    }
}

fn spec(split: Split, origin: &str, checksum: String) -> DatasetSpec {
    DatasetSpec {
        name: "dsprites".to_owned(),
        item_shape: [1, HEIGHT, WIDTH],
        value_range: (0.0, 1.0),
        num_classes: Some(FACTOR_SIZES[1]),
        factor_names: FACTOR_NAMES.map(str::to_owned).to_vec(),
        factor_sizes: FACTOR_SIZES.to_vec(),
        len: NUM_IMAGES,
        split,
        origin: origin.to_owned(),
        checksum,
    }
}

impl Dataset for Dsprites {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        check_indices(&self.spec, indices)?;
        let mut buffer = batch.take_buffer(indices.len(), self.spec.item_shape);
        buffer
            .par_chunks_exact_mut(HEIGHT * WIDTH)
            .zip(indices)
            .with_min_len(16)
            .for_each(|(out, &index)| {
                for (row, bits) in out.chunks_exact_mut(WIDTH).zip(self.image(index)) {
                    for (x, pixel) in row.iter_mut().enumerate() {
                        *pixel = ((bits >> x) & 1) as f32;
                    }
                }
            });
        batch.put_buffer(buffer, indices.len(), self.spec.item_shape);
        let mut factors = Array2::zeros((indices.len(), 6));
        let mut labels = Vec::with_capacity(indices.len());
        for (mut row, &index) in factors.outer_iter_mut().zip(indices) {
            let classes = factors_of(index);
            labels.push(classes[1] as i64);
            for (value, class) in row.iter_mut().zip(classes) {
                *value = class as f32;
            }
        }
        batch.labels = Some(labels);
        batch.factors = Some(factors);
        batch.indices.clear();
        batch.indices.extend_from_slice(indices);
        Ok(())
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        let label = |index| factors_of(index)[1] as i64;
        Ok(Some((0..self.len()).map(label).collect()))
    }
}
