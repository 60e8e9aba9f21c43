//! Our own sprites: five asymmetric shapes with known factors, drawn on the spot.
//!
//! The default data set where there are no files. None of the shapes maps onto itself under a
//! rotation, so all images differ and the splits share none.

use std::f32::consts::TAU;

use ndarray::Array2;
use rayon::prelude::*;
use vaegis_core::SeedTree;
use vaegis_core::hash::sha256_hex;

use crate::dataset::{DatasetSpec, Split};
use crate::error::DataError;
use crate::options::OpenOptions;
use crate::plan::permutation;
use crate::store::{ByteStore, Targets};

/// Names of the shapes, in the order of the labels.
pub const SHAPES: [&str; 5] = ["triangle", "half-disk", "ell", "tee", "drop"];
/// Number of values of shape, scale, orientation, x and y.
pub const FACTOR_SIZES: [usize; 5] = [5, 4, 8, 12, 12];
const FACTOR_NAMES: [&str; 5] = ["shape", "scale", "orientation", "posX", "posY"];
/// Images in all.
const NUM_IMAGES: usize = 5 * 4 * 8 * 12 * 12;
/// Images for testing.
const NUM_TEST: usize = 3040;
/// Sides that the set can be drawn at.
const SIDES: std::ops::RangeInclusive<usize> = 8..=256;
/// Side where none is asked for.
const DEFAULT_SIDE: usize = 64;

/// Draws the split at the side of `options.size` (64 where there is none).
///
/// # Errors
///
/// [`DataError::Option`] for a side outside 8 to 256.
pub fn sprites(split: Split, options: &OpenOptions) -> Result<ByteStore, DataError> {
    let side = options.size.unwrap_or(DEFAULT_SIDE);
    if !SIDES.contains(&side) {
        return Err(DataError::Option {
            op: "sprites",
            name: "size",
            expected: format!("{} to {}", SIDES.start(), SIDES.end()),
            found: side.to_string(),
        });
    }
    // The split is part of the set's definition, so it does not follow the options' seed.
    let order = permutation(
        NUM_IMAGES,
        &SeedTree::new(0).child("sprites").child("split"),
    );
    let chosen = match split {
        Split::Test => &order[..NUM_TEST],
        Split::Train => &order[NUM_TEST..],
    };
    let mut data = vec![0_u8; chosen.len() * side * side];
    data.par_chunks_exact_mut(side * side)
        .zip(chosen)
        .for_each(|(image, &index)| draw(image, side, factors_of(index)));
    let mut factors = Array2::zeros((chosen.len(), FACTOR_SIZES.len()));
    for (mut row, &index) in factors.outer_iter_mut().zip(chosen) {
        for (value, class) in row.iter_mut().zip(factors_of(index)) {
            *value = class as f32;
        }
    }
    let labels = chosen.iter().map(|&i| factors_of(i)[0] as i64).collect();
    let spec = DatasetSpec {
        name: "sprites".to_owned(),
        item_shape: [1, side, side],
        value_range: (0.0, 1.0),
        num_classes: Some(SHAPES.len()),
        factor_names: FACTOR_NAMES.map(str::to_owned).to_vec(),
        factor_sizes: FACTOR_SIZES.to_vec(),
        len: chosen.len(),
        split,
        origin: "procedural sprites".to_owned(),
        checksum: sha256_hex(&data),
    };
    ByteStore::new(
        spec,
        data,
        255,
        Targets {
            labels: Some(labels),
            factors: Some(factors),
        },
    )
}

fn factors_of(index: usize) -> [usize; 5] {
    let mut factors = [0; 5];
    let mut rest = index;
    for (factor, size) in factors.iter_mut().zip(FACTOR_SIZES).rev() {
        *factor = rest % size;
        rest /= size;
    }
    factors
}

/// Draws one image with edges softened over one pixel.
fn draw(image: &mut [u8], side: usize, [shape, scale, orientation, x, y]: [usize; 5]) {
    let pixels = side as f32;
    let radius = pixels * (0.14 + 0.03 * scale as f32);
    // The center stays far enough from the border for every shape to be whole.
    let place = |class: usize| pixels * (0.28 + 0.44 * class as f32 / 11.0);
    let (center_x, center_y) = (place(x), place(y));
    // The added eighth of a step keeps edges off the pixel axes, where they would not be soft.
    let (sin, cos) = (TAU * (orientation as f32 + 0.125) / 8.0).sin_cos();
    let first = |c: f32| (c - radius - 1.0).floor().max(0.0) as usize;
    let last = |c: f32| ((c + radius + 1.0).ceil() as usize).min(side);
    for row in first(center_y)..last(center_y) {
        for column in first(center_x)..last(center_x) {
            let dx = (column as f32 + 0.5 - center_x) / radius;
            let dy = (row as f32 + 0.5 - center_y) / radius;
            let distance = distance(shape, cos * dx + sin * dy, cos * dy - sin * dx);
            let coverage = (0.5 - distance * radius).clamp(0.0, 1.0);
            image[row * side + column] = (coverage * 255.0 + 0.5) as u8;
        }
    }
}

/// Signed distance (negative inside, exact near the edges) in a unit disk.
fn distance(shape: usize, x: f32, y: f32) -> f32 {
    let boxed = |cx: f32, cy: f32, half_x: f32, half_y: f32| {
        ((x - cx).abs() - half_x).max((y - cy).abs() - half_y)
    };
    // A triangle with its tip at (0, top) and its base from (-half, base) to (half, base).
    let wedge = |top: f32, base: f32, half: f32| {
        let length = half.hypot(top - base);
        let slope = (x.abs() * (top - base) - half * (top - y)) / length;
        slope.max(base - y)
    };
    match shape {
        0 => wedge(0.95, -0.6, 0.65),
        1 => (x.hypot(y) - 0.95).max(-y - 0.1),
        2 => boxed(-0.4, 0.0, 0.25, 0.75).min(boxed(0.05, -0.5, 0.65, 0.25)),
        3 => boxed(0.0, 0.5, 0.75, 0.22).min(boxed(0.0, -0.2, 0.22, 0.7)),
        _ => (x.hypot(y + 0.4) - 0.55).min(wedge(0.95, -0.3, 0.55)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Dataset;

    #[test]
    fn splits_are_disjoint_and_all_images_differ() {
        let options = OpenOptions {
            size: Some(28),
            ..OpenOptions::default()
        };
        let train = sprites(Split::Train, &options).expect("train");
        let test = sprites(Split::Test, &options).expect("test");
        assert_eq!((train.len(), test.len()), (20_000, 3040));
        let images: BTreeSet<&[u8]> = train
            .bytes()
            .chunks_exact(784)
            .chain(test.bytes().chunks_exact(784))
            .collect();
        assert_eq!(images.len(), NUM_IMAGES);
        assert_eq!(
            train.spec().checksum,
            sprites(Split::Train, &options).expect("x").spec().checksum
        );
    }

    #[test]
    fn shapes_are_whole_at_every_side_and_labels_fit() {
        for side in [28, 32, 64] {
            let options = OpenOptions {
                size: Some(side),
                ..OpenOptions::default()
            };
            let test = sprites(Split::Test, &options).expect("test");
            let batch = test
                .batch(&(0..test.len()).collect::<Vec<_>>())
                .expect("all");
            let labels = batch.labels.expect("labels");
            for (i, item) in batch.x.outer_iter().enumerate() {
                let border: f32 = (0..side)
                    .map(|k| {
                        item[[0, 0, k]]
                            + item[[0, side - 1, k]]
                            + item[[0, k, 0]]
                            + item[[0, k, side - 1]]
                    })
                    .sum();
                assert_eq!(border, 0.0, "item {i} touches the border at side {side}");
                let ink = item.sum() / (side * side) as f32;
                assert!(
                    (0.015..0.2).contains(&ink),
                    "ink {ink} of shape {}",
                    labels[i]
                );
            }
        }
        let options = OpenOptions {
            size: Some(4),
            ..OpenOptions::default()
        };
        assert!(sprites(Split::Test, &options).is_err());
    }
}
