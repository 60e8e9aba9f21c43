//! The bound on random ReLU networks, and why random directions flatter it.

use crate::common::{
    distances_from, normal_matrix, normals, random_layers, relu_network, relu_values, unit,
};
use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;
use std::ops::Range;
use vaegis_core::seed::SeedTree;
use vaegis_theory::linalg::frobenius_norm;
use vaegis_theory::margin::{
    AcceptanceProbability, AffineLayer, EncoderGeometry, bounds, relu_cell,
};
use vaegis_theory::stats::{median, pearson};

/// Draws of the noise by which a distance is judged: the same for p₀, r and every attack.
const NUM_DRAWS: usize = 800;
/// Draws in one step of an attack.
const DRAWS_PER_STEP: usize = 4;
/// Steps of projected gradient, and starts of it.
const NUM_STEPS: usize = 60;
const NUM_STARTS: u64 = 4;

/// Pulls a cotangent of every row's output back to its input.
fn pull_back(layers: &[AffineLayer], values: &[Array2<f64>], output: Array2<f64>) -> Array2<f64> {
    let mut cotangent = output;
    for (k, layer) in layers.iter().enumerate().rev() {
        cotangent = cotangent.dot(&layer.weight);
        if k > 0 {
            let below = &values[k - 1];
            cotangent.zip_mut_with(below, |c, &a| *c *= f64::from(u8::from(a > 0.0)));
        }
    }
    cotangent
}

fn length(x: &Array2<f64>) -> f64 {
    (x * x).sum().sqrt()
}

/// A random VAE with constant σ, an input, and the distance within which it should stay.
struct Case {
    encoder: Vec<AffineLayer>,
    decoder: Vec<AffineLayer>,
    x: Array2<f64>,
    center: Array1<f64>,
    noise: Array2<f64>,
    r: f64,
}

impl Case {
    /// Values of the encoder at x + δ and of the decoder on some draws around its answer.
    fn pass(&self, delta: &Array2<f64>, draws: Range<usize>) -> [Vec<Array2<f64>>; 2] {
        let mean = relu_values(&self.encoder, &(&self.x + delta));
        let noise = self.noise.slice(s![draws, ..]);
        let outputs = relu_values(&self.decoder, &(&mean[mean.len() - 1] + &noise));
        [mean, outputs]
    }

    /// ‖g(μ(x+δ) + σ η) − g(μ(x))‖ on every draw.
    fn distances(&self, delta: &Array2<f64>) -> Vec<f64> {
        let mean = relu_values(&self.encoder, &(&self.x + delta));
        let z = &mean[mean.len() - 1] + &self.noise;
        distances_from(&self.center, &self.decoder, &z)
    }

    /// Gradient in δ of the mean distance on some draws.
    fn gradient(&self, delta: &Array2<f64>, draws: Range<usize>) -> Array2<f64> {
        let [mean, outputs] = self.pass(delta, draws);
        let mut difference = &outputs[outputs.len() - 1] - &self.center;
        for mut row in difference.rows_mut() {
            let distance = row.dot(&row).sqrt();
            row /= distance.max(1e-12);
        }
        let latent = pull_back(&self.decoder, &outputs, difference);
        let latent = latent.sum_axis(Axis(0)).insert_axis(Axis(0));
        pull_back(&self.encoder, &mean, latent)
    }

    /// The perturbation that projected gradient ends at.
    fn attack(&self, radius: f64, seed: &SeedTree) -> Array2<f64> {
        let mut delta = unit(seed, self.x.ncols()).insert_axis(Axis(0)) * radius;
        for step in 0..NUM_STEPS {
            let first = step * DRAWS_PER_STEP % NUM_DRAWS;
            let gradient = self.gradient(&delta, first..first + DRAWS_PER_STEP);
            let size = 0.3 * (1.0 - step as f64 / NUM_STEPS as f64) + 0.02;
            delta = delta + &gradient * (radius * size / (length(&gradient) + 1e-12));
            let norm = length(&delta);
            if norm > radius {
                delta *= radius / norm;
            }
        }
        delta
    }

    fn is_robust(&self, radius: f64, seed: &SeedTree) -> bool {
        (0..NUM_STARTS).all(|start| {
            let delta = self.attack(radius, &seed.index(start));
            let distances = self.distances(&delta);
            2 * distances.iter().filter(|d| **d <= self.r).count() > NUM_DRAWS
        })
    }
}

/// What one pair of a network and an input gives.
struct Pair {
    bound: f64,
    mahalanobis: f64,
    cell: f64,
    margin: f64,
}

/// The bounds of one case, and the largest radius before the first at which an attack breaks it.
fn pair(index: u64, sigma: f64) -> Pair {
    /// Growth of the tested radius from one step to the next, and how often a failing step is
    /// halved.
    const GROWTH: f64 = 1.5;
    const NUM_HALVINGS: usize = 4;
    let seed = SeedTree::new(909).index(index);
    let encoder = random_layers(&seed.child("encoder"), &[10, 32, 32, 4]);
    let decoder = random_layers(&seed.child("decoder"), &[4, 32, 12]);
    let x = normals(&seed.child("x"), 10);
    let cell = relu_cell(&encoder, &x).expect("valid");
    let mut case = Case {
        center: relu_network(&decoder, &cell.output.to_vec()),
        encoder,
        decoder,
        x: Array1::from(x).insert_axis(Axis(0)),
        noise: normal_matrix(&seed.child("noise"), NUM_DRAWS, 4) * sigma,
        r: 0.0,
    };
    let mut still = case.distances(&Array2::zeros((1, 10)));
    still.sort_unstable_by(f64::total_cmp);
    let level = [0.75, 0.9, 0.99][(index % 3) as usize];
    let num_inside = (level * NUM_DRAWS as f64).round() as usize;
    case.r = still[num_inside - 1];
    let p0 = AcceptanceProbability::plug_in(num_inside as u64, NUM_DRAWS as u64).expect("valid");
    let geometry = EncoderGeometry::diagonal(&[sigma; 4], cell.jacobian.view()).expect("valid");
    let b = bounds(&geometry, &p0, 0.5).expect("valid");

    let node = seed.child("attack");
    // Below the bound too, so that a violation would be seen.
    let (mut low, mut high) = (0.0, 0.5 * b.frobenius);
    while case.is_robust(high, &node) {
        (low, high) = (high, high * GROWTH);
        assert!(high < 1e3 * b.frobenius, "pair {index} is never broken");
    }
    for _ in 0..NUM_HALVINGS {
        let middle = 0.5 * (low + high);
        if case.is_robust(middle, &node) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Pair {
        bound: b.frobenius,
        mahalanobis: b.mahalanobis,
        cell: cell.radius,
        margin: low,
    }
}

/// Sixty pairs, a third each with p₀ = 0.75, 0.9 and 0.99, or every `stride`-th from `first` on.
fn pairs(sigma: f64, first: usize, stride: usize) -> Vec<Pair> {
    let indices: Vec<u64> = (0..60).skip(first).step_by(stride).collect();
    let each = indices.into_par_iter().map(|i| pair(i, sigma));
    let found: Vec<Pair> = each.collect();
    assert!(found.iter().all(|p| p.bound <= p.mahalanobis));
    let violations = found.iter().filter(|p| p.margin <= p.bound).count();
    assert_eq!(violations, 0, "of B_F, as in independent experiments");
    // The cell is nearly always smaller than the bound, so the bound is not exact at its radius.
    let exact = found.iter().filter(|p| p.bound <= p.cell).count();
    assert!(
        10 * exact <= found.len(),
        "{exact} bounds lie within the cell"
    );
    found
}

fn median_ratio(pairs: &[Pair], bound: fn(&Pair) -> f64) -> f64 {
    let ratios: Vec<f64> = pairs.iter().map(|p| p.margin / bound(p)).collect();
    median(&ratios).expect("sixty")
}

/// V9: a gradient attack breaks no first-order bound where the noise, and with it every radius, is
/// small.
#[test]
fn bound_holds_empirically_on_random_relu_networks_and_is_seldom_exact_there() {
    let pairs = pairs(0.1, 0, 1);
    let violations = pairs.iter().filter(|p| p.margin <= p.mahalanobis);
    assert_eq!(violations.count(), 0, "of B_M");
    // Independent experiments with this attack have medians of 5.4 and 3 at a noise that they do
    // not record.
    let frobenius = median_ratio(&pairs, |p| p.bound);
    let mahalanobis = median_ratio(&pairs, |p| p.mahalanobis);
    assert!(
        (1.5..15.0).contains(&frobenius),
        "median margin/B_F {frobenius}"
    );
    assert!(
        (1.2..9.0).contains(&mahalanobis),
        "median margin/B_M {mahalanobis}"
    );
    let column = |value: fn(&Pair) -> f64| pairs.iter().map(value).collect::<Vec<f64>>();
    let rho = |bound| pearson(&column(bound), &column(|p| p.margin)).expect("they vary");
    let (frobenius, mahalanobis) = (rho(|p: &Pair| p.bound), rho(|p: &Pair| p.mahalanobis));
    assert!(
        frobenius > 0.5 && mahalanobis > 0.5,
        "correlations {frobenius} {mahalanobis}"
    );
}

/// Where the noise is three times as large, so are the bounds, and B_M at p₀ = 0.99 has too little
/// slack for the curvature of some encoder: it is beaten, but only beyond the cell in which it is
/// exact.
#[test]
fn large_noise_takes_the_tighter_bound_beyond_where_it_holds() {
    let pairs = pairs(0.3, 2, 3);
    let beaten: Vec<&Pair> = pairs.iter().filter(|p| p.margin <= p.mahalanobis).collect();
    assert!((1..=2).contains(&beaten.len()), "{} of 20", beaten.len());
    for pair in beaten {
        assert!(
            pair.cell < pair.margin,
            "within its cell the bound is exact"
        );
    }
}

#[test]
fn random_directions_feel_the_frobenius_norm_over_the_root_of_the_inputs() {
    // RMS ‖Jv‖ over the sphere is ‖J‖_F/√d_x; an adversary has ‖J‖₂.
    const NUM_DIRECTIONS: u64 = 500;
    for num_inputs in [784, 3072] {
        let seed = SeedTree::new(10).child("directions");
        let jacobian = normal_matrix(&seed.child("j"), 20, num_inputs);
        let squares: f64 = (0..NUM_DIRECTIONS)
            .into_par_iter()
            .map(|i| {
                let image = jacobian.dot(&unit(&seed.index(i), num_inputs));
                image.dot(&image)
            })
            .sum();
        let rms = (squares / NUM_DIRECTIONS as f64).sqrt();
        let want = frobenius_norm(jacobian.view()) / (num_inputs as f64).sqrt();
        // ‖Jv‖² has a relative deviation of √(2/20); four standard errors of its root.
        let allowance = 2.0 * (0.1 / NUM_DIRECTIONS as f64).sqrt();
        assert!(
            (rms / want - 1.0).abs() < allowance,
            "{num_inputs} inputs: {rms} for {want}"
        );
    }
}
