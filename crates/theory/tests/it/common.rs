//! Random matrices and networks for the tests, keyed by a seed so that a failure can be repeated.

use ndarray::{Array1, Array2, Axis};
use rand::RngExt;
use rand_distr::StandardNormal;
use vaegis_core::seed::SeedTree;
use vaegis_theory::margin::AffineLayer;

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

/// Random dense network with the given widths.
pub(crate) fn random_layers(seed: &SeedTree, widths: &[usize]) -> Vec<AffineLayer> {
    widths
        .windows(2)
        .enumerate()
        .map(|(i, pair)| {
            let node = seed.index(i as u64);
            let scale = (pair[0] as f64).sqrt().recip();
            AffineLayer {
                weight: normal_matrix(&node.child("weight"), pair[1], pair[0]) * scale,
                bias: Array1::from(normals(&node.child("bias"), pair[1])) * 0.3,
            }
        })
        .collect()
}

/// Values of a ReLU network before every activation, rows being inputs; the last is its output.
pub(crate) fn relu_values(layers: &[AffineLayer], x: &Array2<f64>) -> Vec<Array2<f64>> {
    let mut values: Vec<Array2<f64>> = Vec::with_capacity(layers.len());
    for layer in layers {
        let hidden = values.last().map(|a| a.mapv(|v| v.max(0.0)));
        values.push(hidden.as_ref().unwrap_or(x).dot(&layer.weight.t()) + &layer.bias);
    }
    values
}

/// Output of a ReLU network at one input.
pub(crate) fn relu_network(layers: &[AffineLayer], x: &[f64]) -> Array1<f64> {
    let row = Array1::from(x.to_vec()).insert_axis(Axis(0));
    let output = relu_values(layers, &row).pop().expect("has layers");
    output.remove_axis(Axis(0))
}

/// ‖g(z) − center‖ of every row z, for a ReLU network g.
pub(crate) fn distances_from(
    center: &Array1<f64>,
    layers: &[AffineLayer],
    z: &Array2<f64>,
) -> Vec<f64> {
    let output = relu_values(layers, z).pop().expect("has layers");
    let difference = output - center;
    let rows = difference.rows().into_iter();
    rows.map(|row| row.dot(&row).sqrt()).collect()
}

pub(crate) fn norm(v: &Array1<f64>) -> f64 {
    v.dot(v).sqrt()
}

pub(crate) fn unit(seed: &SeedTree, dim: usize) -> Array1<f64> {
    let v = Array1::from(normals(seed, dim));
    let length = norm(&v);
    v / length
}
