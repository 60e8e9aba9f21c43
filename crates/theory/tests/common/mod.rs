//! Random matrices for the tests, keyed by a seed so that a failure can be repeated.

use ndarray::Array2;
use rand::RngExt;
use rand_distr::StandardNormal;
use vaegis_core::seed::SeedTree;

pub(crate) fn normals(seed: &SeedTree, count: usize) -> Vec<f64> {
    let mut rng = seed.rng();
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

pub(crate) fn normal_matrix(seed: &SeedTree, rows: usize, cols: usize) -> Array2<f64> {
    Array2::from_shape_vec((rows, cols), normals(seed, rows * cols)).expect("lengths agree")
}

pub(crate) fn uniforms(seed: &SeedTree, count: usize, low: f64, high: f64) -> Vec<f64> {
    let mut rng = seed.rng();
    (0..count).map(|_| rng.random_range(low..high)).collect()
}
