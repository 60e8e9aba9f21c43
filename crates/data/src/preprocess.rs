//! Steps from stored items to network inputs: range, crop, resize, binarize, dequantize.
//!
//! Random steps are keyed by a seed node and the item's index, so an item is the same in every
//! batch; give every epoch its own node for fresh draws.

use ndarray::Array4;
use rand::Rng;
use vaegis_core::SeedTree;
use vaegis_core::hash::sha256_hex;

use crate::dataset::{Batch, Dataset, DatasetSpec};
use crate::error::DataError;
use crate::resize::resize_plane;

/// One step of preprocessing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Maps the present value range onto another one, linearly.
    Range {
        /// New least value.
        low: f32,
        /// New greatest value.
        high: f32,
    },
    /// Keeps the middle.
    CenterCrop {
        /// Height and width to keep.
        height: usize,
        /// Width to keep.
        width: usize,
    },
    /// Resizes with a triangle filter: bilinear with half-pixel centers and clamped edges when
    /// growing, an average over the covered area when shrinking.
    Resize {
        /// New height.
        height: usize,
        /// New width.
        width: usize,
    },
    /// 1 where the value, scaled to `[0, 1]`, is above the threshold, else 0.
    Binarize {
        /// The threshold.
        threshold: f32,
    },
    /// 1 with a probability equal to the value scaled to `[0, 1]`, else 0.
    BinarizeRandom {
        /// Key of the draws.
        seed: SeedTree,
    },
    /// `(k + u) / levels` for the level `k` of a value and a fresh uniform `u`.
    Dequantize {
        /// Number of levels; 256 for bytes.
        levels: u32,
        /// Key of the draws.
        seed: SeedTree,
    },
}

impl Step {
    /// Checks the step against the shape that it meets, and returns the shape and range behind it.
    fn plan(
        &self,
        shape: [usize; 3],
        range: (f32, f32),
    ) -> Result<([usize; 3], (f32, f32)), DataError> {
        let [c, h, w] = shape;
        let bad = |name, expected: String, found: String| {
            Err(DataError::Option {
                op: "preprocess",
                name,
                expected,
                found,
            })
        };
        match *self {
            Self::Range { low, high } if low < high && low.is_finite() && high.is_finite() => {
                Ok((shape, (low, high)))
            }
            Self::Range { low, high } => bad(
                "range",
                "finite bounds, low below high".to_owned(),
                format!("{low}, {high}"),
            ),
            Self::CenterCrop { height, width }
                if (1..=h).contains(&height) && (1..=w).contains(&width) =>
            {
                Ok(([c, height, width], range))
            }
            Self::CenterCrop { height, width } => bad(
                "crop",
                format!("at least 1x1, at most {h}x{w}"),
                format!("{height}x{width}"),
            ),
            Self::Resize { height, width } if height.min(width) >= 1 && h.min(w) >= 1 => {
                Ok(([c, height, width], range))
            }
            Self::Resize { height, width } => bad(
                "resize",
                "at least 1x1".to_owned(),
                format!("{height}x{width}"),
            ),
            Self::Binarize { threshold } if (0.0..1.0).contains(&threshold) => {
                Ok((shape, (0.0, 1.0)))
            }
            Self::Binarize { threshold } => bad(
                "threshold",
                "a number in [0, 1)".to_owned(),
                threshold.to_string(),
            ),
            Self::BinarizeRandom { .. } => Ok((shape, (0.0, 1.0))),
            Self::Dequantize { levels, .. } if (2..=65_536).contains(&levels) => {
                Ok((shape, (0.0, 1.0)))
            }
            Self::Dequantize { levels, .. } => {
                bad("levels", "2 to 65536".to_owned(), levels.to_string())
            }
        }
    }

    /// Applies the step to items of `range`; `indices` key the random steps.
    fn apply(&self, x: Array4<f32>, range: (f32, f32), indices: &[usize]) -> Array4<f32> {
        let scale = 1.0 / (range.1 - range.0).max(f32::MIN_POSITIVE);
        let unit = |v: f32| (v - range.0) * scale;
        match self {
            Self::Range { low, high } => {
                x.mapv_into(|v| (low + unit(v) * (high - low)).clamp(*low, *high))
            }
            Self::CenterCrop { height, width } => {
                let (top, left) = ((x.dim().2 - height) / 2, (x.dim().3 - width) / 2);
                x.slice(ndarray::s![.., .., top..top + height, left..left + width])
                    .to_owned()
            }
            Self::Resize { height, width } => resize(&x, *height, *width),
            Self::Binarize { threshold } => {
                x.mapv_into(|v| if unit(v) > *threshold { 1.0 } else { 0.0 })
            }
            Self::BinarizeRandom { seed } => {
                map_random(x, seed, indices, |v, u| if u < unit(v) { 1.0 } else { 0.0 })
            }
            Self::Dequantize { levels, seed } => {
                let top = *levels as f32 - 1.0;
                // The largest float below 1: rounding of the quotient must not leave [0, 1).
                let below_one = 1.0 - f32::EPSILON / 2.0;
                map_random(x, seed, indices, |v, u| {
                    (((unit(v) * top).round() + u) / (top + 1.0)).min(below_one)
                })
            }
        }
    }
}

/// Applies `f` to every value with a uniform number in `[0, 1)` of the item's own stream.
fn map_random(
    mut x: Array4<f32>,
    seed: &SeedTree,
    indices: &[usize],
    f: impl Fn(f32, f32) -> f32,
) -> Array4<f32> {
    for (mut item, &i) in x.outer_iter_mut().zip(indices) {
        let mut rng = seed.index(i as u64).rng();
        // 24 bits are all that an f32 in [0, 1) holds evenly.
        item.mapv_inplace(|v| f(v, (rng.next_u32() >> 8) as f32 / 16_777_216.0));
    }
    x
}

fn resize(x: &Array4<f32>, height: usize, width: usize) -> Array4<f32> {
    let (b, c, h, w) = x.dim();
    let x = x.as_standard_layout();
    let source = x.as_slice().expect("invariant: standard layout");
    let mut out = Vec::with_capacity(b * c * height * width);
    for plane in source.chunks_exact(h * w) {
        out.extend(resize_plane(plane, (h, w), (height, width)));
    }
    Array4::from_shape_vec((b, c, height, width), out).expect("invariant: one plane a channel")
}

/// A data set seen through preprocessing steps.
#[derive(Clone, Debug)]
pub struct Mapped<D> {
    inner: D,
    steps: Vec<Step>,
    ranges: Vec<(f32, f32)>,
    spec: DatasetSpec,
}

impl<D: Dataset> Mapped<D> {
    /// Puts steps in front of a data set.
    ///
    /// # Errors
    ///
    /// [`DataError::Option`] for a step that is impossible at its place.
    pub fn new(inner: D, steps: Vec<Step>) -> Result<Self, DataError> {
        let mut spec = inner.spec().clone();
        let mut ranges = Vec::with_capacity(steps.len());
        for step in &steps {
            ranges.push(spec.value_range);
            (spec.item_shape, spec.value_range) = step.plan(spec.item_shape, spec.value_range)?;
        }
        spec.checksum = sha256_hex(format!("{} {steps:?}", spec.checksum).as_bytes());
        Ok(Self {
            inner,
            steps,
            ranges,
            spec,
        })
    }
}

impl<D: Dataset> Dataset for Mapped<D> {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        self.inner.batch_into(indices, batch)?;
        let mut x = std::mem::replace(&mut batch.x, Array4::zeros((0, 0, 0, 0)));
        for (step, &range) in self.steps.iter().zip(&self.ranges) {
            x = step.apply(x, range, indices);
        }
        // A crop leaves a view's strides only before `to_owned`, which it always calls.
        batch.x = x;
        Ok(())
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        self.inner.labels()
    }
}

#[cfg(test)]
#[path = "preprocess_tests.rs"]
mod tests;
