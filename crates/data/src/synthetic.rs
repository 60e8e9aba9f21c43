//! Small generated sets with known distributions: Swiss roll, Gaussian blobs, linear-Gaussian.
//!
//! The two splits are draws of the same distribution from different streams.

use std::f64::consts::PI;

use ndarray::{Array1, Array2};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use vaegis_core::SeedTree;
use vaegis_core::hash::sha256_hex;

use crate::dataset::{DatasetSpec, Split};
use crate::error::DataError;
use crate::options::OpenOptions;
use crate::store::{FloatStore, Targets};

/// Most values of a generated set, against a mistyped option.
const MAX_VALUES: usize = 1 << 28;

/// Points of a Swiss roll in three dimensions; the factors are `t` and `h`.
///
/// # Formula
///
/// ```text
/// t = 1.5 π (1 + 2u),  h = 21 u′ − 10.5,  x = (t cos t, h, t sin t),  u, u′ uniform in [0, 1)
/// ```
///
/// # Errors
///
/// [`DataError::Option`] for an impossible number of samples.
pub fn swiss_roll(split: Split, options: &OpenOptions) -> Result<FloatStore, DataError> {
    let samples = check(options, 3)?;
    let mut rng = stream("swiss-roll", split, options).rng();
    let mut data = Vec::with_capacity(samples * 3);
    let mut factors = Array2::zeros((samples, 2));
    for mut row in factors.outer_iter_mut() {
        let t = 1.5 * PI * (1.0 + 2.0 * rng.random::<f64>());
        let h = 21.0 * rng.random::<f64>() - 10.5;
        data.extend([t * t.cos(), h, t * t.sin()].map(|v| v as f32));
        row[0] = t as f32;
        row[1] = h as f32;
    }
    let mut spec = spec("swiss-roll", split, options, samples, 3);
    spec.factor_names = vec!["t".to_owned(), "h".to_owned()];
    spec.factor_sizes = vec![0, 0];
    FloatStore::new(
        spec,
        data,
        Targets {
            labels: None,
            factors: Some(factors),
        },
    )
}

/// Gaussian blobs with unit noise around centers on a sphere; item `i` has class `i mod K`.
///
/// The centers depend on the seed alone, so both splits share them.
///
/// # Errors
///
/// [`DataError::Option`] for impossible numbers of samples, classes or dimensions.
pub fn blobs(split: Split, options: &OpenOptions) -> Result<FloatStore, DataError> {
    let dimension = options.dimension.unwrap_or(20);
    let classes = options.classes.unwrap_or(6);
    let separation = options.separation.unwrap_or(6.0);
    let samples = check(options, dimension)?;
    require(
        "classes",
        (1..=100_000).contains(&classes),
        "1 to 100000",
        classes,
    )?;
    require(
        "separation",
        separation.is_finite() && separation >= 0.0,
        "at least 0",
        separation,
    )?;
    let mut rng = SeedTree::new(options.seed)
        .child("blobs")
        .child("centers")
        .rng();
    let mut centers = Array2::zeros((classes, dimension));
    for mut center in centers.outer_iter_mut() {
        center.mapv_inplace(|_: f64| rng.sample(StandardNormal));
        let norm = center.dot(&center).sqrt().max(f64::MIN_POSITIVE);
        center *= f64::from(separation) / norm;
    }
    let mut rng = stream("blobs", split, options).rng();
    let mut data = Vec::with_capacity(samples * dimension);
    for i in 0..samples {
        for &center in centers.row(i % classes) {
            data.push((center + normal(&mut rng)) as f32);
        }
    }
    let labels = (0..samples).map(|i| (i % classes) as i64).collect();
    let mut spec = spec("blobs", split, options, samples, dimension);
    spec.num_classes = Some(classes);
    spec.checksum = sha256_hex(format!("{} {classes} {separation}", spec.checksum).as_bytes());
    FloatStore::new(
        spec,
        data,
        Targets {
            labels: Some(labels),
            factors: None,
        },
    )
}

/// The parameters of the linear-Gaussian model `x = W z + b + s ε`, `z ~ N(0, I)`.
///
/// # Shapes
///
/// `weight: [D, 2]`, `bias: [D]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearGaussian {
    /// `W`.
    pub weight: Array2<f64>,
    /// `b`.
    pub bias: Array1<f64>,
    /// `s`.
    pub sigma: f64,
}

impl LinearGaussian {
    /// Number of latent dimensions.
    pub const LATENT: usize = 2;

    /// The model of a seed: standard normal weights and biases, noise 0.5.
    pub fn from_seed(seed: u64, dimension: usize) -> Self {
        let mut rng = SeedTree::new(seed)
            .child("linear-gaussian")
            .child("model")
            .rng();
        Self {
            weight: Array2::from_shape_simple_fn((dimension, Self::LATENT), || normal(&mut rng)),
            bias: Array1::from_shape_simple_fn(dimension, || normal(&mut rng)),
            sigma: 0.5,
        }
    }
}

/// Draws from [`LinearGaussian::from_seed`]; the factors are `z`.
///
/// # Errors
///
/// [`DataError::Option`] for impossible numbers of samples or dimensions.
pub fn linear_gaussian(split: Split, options: &OpenOptions) -> Result<FloatStore, DataError> {
    let dimension = options.dimension.unwrap_or(8);
    let samples = check(options, dimension)?;
    let model = LinearGaussian::from_seed(options.seed, dimension);
    let mut rng = stream("linear-gaussian", split, options).rng();
    let mut data = Vec::with_capacity(samples * dimension);
    let mut factors = Array2::zeros((samples, LinearGaussian::LATENT));
    for mut row in factors.outer_iter_mut() {
        let z = Array1::from_shape_simple_fn(LinearGaussian::LATENT, || normal(&mut rng));
        for mean in model.weight.dot(&z) + &model.bias {
            data.push((mean + model.sigma * normal(&mut rng)) as f32);
        }
        row.assign(&z.mapv(|v| v as f32));
    }
    let mut spec = spec("linear-gaussian", split, options, samples, dimension);
    spec.factor_names = (0..LinearGaussian::LATENT)
        .map(|i| format!("z{i}"))
        .collect();
    spec.factor_sizes = vec![0; LinearGaussian::LATENT];
    FloatStore::new(
        spec,
        data,
        Targets {
            labels: None,
            factors: Some(factors),
        },
    )
}

fn normal(rng: &mut impl Rng) -> f64 {
    rng.sample(StandardNormal)
}

fn stream(name: &str, split: Split, options: &OpenOptions) -> SeedTree {
    SeedTree::new(options.seed).child(name).child(split.name())
}

fn check(options: &OpenOptions, dimension: usize) -> Result<usize, DataError> {
    let samples = options.samples();
    require("samples", samples > 0, "at least 1", samples)?;
    require("dimension", dimension > 0, "at least 1", dimension)?;
    let values = samples.saturating_mul(dimension);
    require(
        "samples x dimension",
        values <= MAX_VALUES,
        "at most 268435456 values",
        values,
    )?;
    Ok(samples)
}

fn require(
    name: &'static str,
    ok: bool,
    expected: &str,
    found: impl std::fmt::Display,
) -> Result<(), DataError> {
    if ok {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_string());
    Err(DataError::Option {
        op: "generate",
        name,
        expected,
        found,
    })
}

fn spec(
    name: &str,
    split: Split,
    options: &OpenOptions,
    len: usize,
    dimension: usize,
) -> DatasetSpec {
    let key = format!(
        "{name} 1 {} {} {len} {dimension}",
        split.name(),
        options.seed
    );
    DatasetSpec {
        name: name.to_owned(),
        item_shape: [1, 1, dimension],
        value_range: (0.0, 0.0),
        num_classes: None,
        factor_names: vec![],
        factor_sizes: vec![],
        len,
        split,
        origin: format!("procedural {name}"),
        checksum: sha256_hex(key.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;

    fn all(data: &FloatStore) -> crate::Batch {
        data.batch(&(0..data.len()).collect::<Vec<_>>())
            .expect("all items")
    }

    #[test]
    fn the_roll_lies_on_its_surface() {
        let data = swiss_roll(Split::Train, &OpenOptions::default()).expect("generates");
        let batch = all(&data);
        let factors = batch.factors.expect("factors");
        for (item, factor) in batch.x.outer_iter().zip(factors.outer_iter()) {
            let (x, h, z) = (item[[0, 0, 0]], item[[0, 0, 1]], item[[0, 0, 2]]);
            // Two f32 roundings of numbers up to 15.
            assert!((x.hypot(z) - factor[0]).abs() < 1e-5);
            assert_eq!(h, factor[1]);
            let (low, high) = ((1.5 * PI) as f32, (4.5 * PI) as f32);
            assert!((low..=high).contains(&factor[0]) && h.abs() <= 10.5);
        }
    }

    #[test]
    fn blobs_lie_around_centers_at_the_separation() {
        let options = OpenOptions {
            samples: Some(6000),
            ..OpenOptions::default()
        };
        let train = all(&blobs(Split::Train, &options).expect("generates"));
        let test = all(&blobs(Split::Test, &options).expect("generates"));
        assert_ne!(train.x, test.x);
        for class in 0..6 {
            let mean = |batch: &crate::Batch| {
                let mut sum = vec![0.0_f64; 20];
                for i in (class..6000).step_by(6) {
                    for (s, v) in sum.iter_mut().zip(batch.x.index_axis(ndarray::Axis(0), i)) {
                        *s += f64::from(*v) / 1000.0;
                    }
                }
                sum
            };
            let (a, b) = (mean(&train), mean(&test));
            let norm = a.iter().map(|v| v * v).sum::<f64>().sqrt();
            // Each coordinate of a mean has standard error 0.032; 5 of them on the norm.
            assert!((norm - 6.0).abs() < 0.2, "{norm}");
            let gap = a
                .iter()
                .zip(&b)
                .map(|(p, q)| (p - q).powi(2))
                .sum::<f64>()
                .sqrt();
            // The square of the gap is 0.002 times a chi-square of 20 degrees (99.9 %: 45).
            assert!(gap < 0.31, "{gap}");
        }
    }

    #[test]
    fn linear_gaussian_has_the_moments_of_its_model() {
        let options = OpenOptions {
            samples: Some(20_000),
            seed: 3,
            ..OpenOptions::default()
        };
        let batch = all(&linear_gaussian(Split::Train, &options).expect("generates"));
        let model = LinearGaussian::from_seed(3, 8);
        for d in 0..8 {
            let values: Vec<f64> = batch
                .x
                .slice(ndarray::s![.., 0, 0, d])
                .iter()
                .map(|&v| f64::from(v))
                .collect();
            let mean = values.iter().sum::<f64>() / 2e4;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2e4;
            let row = model.weight.row(d);
            let expected = row.dot(&row) + model.sigma.powi(2);
            // Five standard errors: sqrt(v/n) for a mean, v sqrt(2/n) for a variance.
            assert!((mean - model.bias[d]).abs() < 5.0 * (expected / 2e4).sqrt());
            assert!((variance - expected).abs() < 5.0 * expected * (2.0_f64 / 2e4).sqrt());
        }
    }

    #[test]
    fn same_seed_same_data_and_bad_options_are_named() {
        let options = OpenOptions {
            samples: Some(50),
            ..OpenOptions::default()
        };
        let one = all(&blobs(Split::Train, &options).expect("generates"));
        assert_eq!(one, all(&blobs(Split::Train, &options).expect("generates")));
        let other = OpenOptions {
            seed: 1,
            ..options.clone()
        };
        assert_ne!(
            one.x,
            all(&blobs(Split::Train, &other).expect("generates")).x
        );
        for bad in [
            OpenOptions {
                samples: Some(0),
                ..options.clone()
            },
            OpenOptions {
                classes: Some(0),
                ..options.clone()
            },
            OpenOptions {
                dimension: Some(0),
                ..options.clone()
            },
            OpenOptions {
                dimension: Some(1 << 40),
                ..options.clone()
            },
            OpenOptions {
                separation: Some(f32::NAN),
                ..options
            },
        ] {
            assert!(blobs(Split::Train, &bad).is_err(), "{bad:?}");
        }
    }
}
