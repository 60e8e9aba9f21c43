//! Toy faces and toy chairs: rendered stand-ins for sets that cannot be had freely, with identity,
//! pose and light as known factors.
//!
//! Not copies of the published sets: a result on them must say so, which the origin of their
//! specification does. Every image is drawn when it is first asked for and kept as bytes.

mod canvas;
mod chair_parts;
mod chairs;
mod face_look;
mod faces;
mod vector;

use std::sync::OnceLock;

use ndarray::Array2;
use rayon::prelude::*;
use vaegis_core::SeedTree;
use vaegis_core::hash::sha256_hex;

use crate::dataset::{Batch, Dataset, DatasetSpec, Split, check_indices};
use crate::error::DataError;
use crate::options::OpenOptions;
use crate::plan::permutation;
use canvas::Canvas;

/// Number of values of identity, azimuth, elevation and light of `toy-faces`.
pub const FACE_FACTOR_SIZES: [usize; 4] = [50, 21, 11, 11];
/// Number of values of identity, azimuth and elevation of `toy-chairs`.
pub const CHAIR_FACTOR_SIZES: [usize; 3] = [500, 31, 5];
const FACTOR_NAMES: [&str; 4] = ["identity", "azimuth", "elevation", "light"];
/// Sides that the sets can be drawn at.
const SIDES: std::ops::RangeInclusive<usize> = 32..=128;
/// Side where none is asked for.
const DEFAULT_SIDE: usize = 64;
/// One image in so many is for testing.
const TEST_PART: usize = 10;
/// Raised with every change of a picture, because checksums and caches hang on it.
const VERSION: u32 = 1;

/// What is drawn.
enum Models {
    Faces(Vec<face_look::Face>),
    Chairs(Vec<chairs::Chair>),
}

/// One split of a toy set.
pub struct Toys {
    spec: DatasetSpec,
    models: Models,
    /// Number of each image of the split among all combinations of factors.
    order: Vec<usize>,
    images: Vec<OnceLock<Box<[u8]>>>,
}

/// Shaded heads of 50 identities under 21 azimuths, 11 elevations and 11 lights.
///
/// The side is `options.size` (64 where there is none); `options.samples` keeps the first so many
/// images of the split's random order.
///
/// # Errors
///
/// [`DataError::Option`] for a side outside 32 to 128 or no samples.
pub fn faces(split: Split, options: &OpenOptions) -> Result<Toys, DataError> {
    let seed = SeedTree::new(0).child("toy-faces");
    let models = (0..FACE_FACTOR_SIZES[0])
        .map(|i| face_look::Face::from_seed(&seed.child("identity").index(i as u64)))
        .collect();
    let models = Models::Faces(models);
    Toys::new(
        "toy-faces",
        &FACE_FACTOR_SIZES,
        models,
        &seed,
        split,
        options,
    )
}

/// Chairs of 500 styles under 31 azimuths and 5 elevations, on white.
///
/// Options and errors are those of [`faces`].
///
/// # Errors
///
/// As [`faces`].
pub fn chairs(split: Split, options: &OpenOptions) -> Result<Toys, DataError> {
    let seed = SeedTree::new(0).child("toy-chairs");
    let models = (0..CHAIR_FACTOR_SIZES[0])
        .map(|i| chairs::Chair::from_seed(&seed.child("identity").index(i as u64)))
        .collect();
    let models = Models::Chairs(models);
    Toys::new(
        "toy-chairs",
        &CHAIR_FACTOR_SIZES,
        models,
        &seed,
        split,
        options,
    )
}

impl Toys {
    fn new(
        name: &'static str,
        sizes: &[usize],
        models: Models,
        seed: &SeedTree,
        split: Split,
        options: &OpenOptions,
    ) -> Result<Self, DataError> {
        let side = options.size.unwrap_or(DEFAULT_SIDE);
        let bad = |option, expected: String, found: usize| {
            Err(DataError::Option {
                op: name,
                name: option,
                expected,
                found: found.to_string(),
            })
        };
        if !SIDES.contains(&side) {
            let expected = format!("{} to {}", SIDES.start(), SIDES.end());
            return bad("size", expected, side);
        }
        let total: usize = sizes.iter().product();
        // The split is part of the set's definition, so it does not follow the options' seed.
        let mut order = permutation(total, &seed.child("split"));
        let train = order.split_off(total / TEST_PART);
        if split == Split::Train {
            order = train;
        }
        match options.samples {
            Some(0) => return bad("samples", "at least 1".to_owned(), 0),
            Some(samples) => order.truncate(samples),
            None => {}
        }
        let parameters = format!(
            "vaegis {name} {VERSION} {side} {} {}",
            split.name(),
            order.len()
        );
        let spec = DatasetSpec {
            name: name.to_owned(),
            item_shape: [1, side, side],
            value_range: (0.0, 1.0),
            num_classes: Some(sizes[0]),
            factor_names: FACTOR_NAMES[..sizes.len()]
                .iter()
                .map(|&n| n.to_owned())
                .collect(),
            factor_sizes: sizes.to_vec(),
            len: order.len(),
            split,
            origin: format!("procedural {}", name.replace('-', " ")),
            checksum: sha256_hex(parameters.as_bytes()),
        };
        let images = std::iter::repeat_with(OnceLock::new)
            .take(order.len())
            .collect();
        Ok(Self {
            spec,
            models,
            order,
            images,
        })
    }

    /// Factor classes of an item.
    ///
    /// # Panics
    ///
    /// When the index is at or above the length.
    pub fn factors(&self, index: usize) -> Vec<usize> {
        let mut rest = self.order[index];
        let mut classes = vec![0; self.spec.factor_sizes.len()];
        for (class, size) in classes.iter_mut().zip(&self.spec.factor_sizes).rev() {
            *class = rest % size;
            rest /= size;
        }
        classes
    }

    /// Draws the picture of any combination of factor classes, also of the other split.
    ///
    /// # Panics
    ///
    /// When the number of classes is not that of the factors, or one is out of range.
    pub fn draw(&self, classes: &[usize]) -> Vec<u8> {
        let sizes = &self.spec.factor_sizes;
        assert!(
            classes.len() == sizes.len() && classes.iter().zip(sizes).all(|(c, s)| c < s),
            "{}: classes {classes:?} of factors {sizes:?}",
            self.spec.name
        );
        let mut canvas = Canvas::new(self.spec.item_shape[1]);
        match &self.models {
            Models::Faces(models) => faces::draw(&mut canvas, &models[classes[0]], classes),
            Models::Chairs(models) => chairs::draw(&mut canvas, &models[classes[0]], classes),
        }
        canvas.finish()
    }

    /// The bytes of an item, row by row; drawn on the first call.
    ///
    /// # Panics
    ///
    /// When the index is at or above the length.
    pub fn image(&self, index: usize) -> &[u8] {
        self.images[index].get_or_init(|| self.draw(&self.factors(index)).into_boxed_slice())
    }
}

impl Dataset for Toys {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        check_indices(&self.spec, indices)?;
        let mut buffer = batch.take_buffer(indices.len(), self.spec.item_shape);
        buffer
            .par_chunks_exact_mut(self.spec.item_size())
            .zip(indices)
            .for_each(|(out, &index)| {
                for (pixel, &byte) in out.iter_mut().zip(self.image(index)) {
                    *pixel = f32::from(byte) / 255.0;
                }
            });
        batch.put_buffer(buffer, indices.len(), self.spec.item_shape);
        let mut factors = Array2::zeros((indices.len(), self.spec.factor_sizes.len()));
        let mut labels = Vec::with_capacity(indices.len());
        for (mut row, &index) in factors.outer_iter_mut().zip(indices) {
            let classes = self.factors(index);
            labels.push(classes[0] as i64);
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
        let label = |index| self.factors(index)[0] as i64;
        Ok(Some((0..self.len()).map(label).collect()))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
