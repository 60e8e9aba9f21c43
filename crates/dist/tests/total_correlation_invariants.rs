//! What total correlation and its estimators are indifferent to, and their exact averages.

use proptest::prelude::*;
use vaegis_core::SeedTree;
use vaegis_dist::total_correlation::{
    Decomposition, Estimator, FullData, decomposition, total_correlation,
};
use vaegis_dist::{DiagNormal, Distribution as _};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Rounding of sums of a few hundred terms of order 1 to 100.
const ROUNDING: f64 = 1e-9;
/// Averages of at most 60 densities of order one.
const EXACT: f64 = 1e-12;
/// Far above rounding: two numbers differ.
const CLEARLY: f64 = 1e-3;

const MWS: Estimator = Estimator::MinibatchWeighted;
const BATCH_ESTIMATORS: [Estimator; 3] = [MWS, Estimator::Stratified, Estimator::StratifiedCompat];

fn number(t: &Tensor) -> f64 {
    t.double_value(&[])
}

fn draw(seed: u64, label: &str, shape: &[i64]) -> Tensor {
    let noise = Noise::portable(SeedTree::new(seed).child(label));
    noise.standard_normal(shape, Kind::Double, Device::Cpu)
}

fn batch(seed: u64, m: i64, d: i64) -> (Tensor, Tensor, Tensor) {
    let mu = draw(seed, "mu", &[m, d]);
    let log_sigma: Tensor = 0.4 * draw(seed, "log sigma", &[m, d]) - 0.5;
    let eps = draw(seed, "eps", &[m, d]);
    (&mu + log_sigma.exp() * eps, mu, log_sigma)
}

fn parts(inputs: &(Tensor, Tensor, Tensor), n: f64, estimator: Estimator) -> [f64; 3] {
    let Decomposition {
        mutual_information,
        total_correlation,
        dimension_wise,
        ..
    } = decomposition(&inputs.0, &inputs.1, &inputs.2, n, estimator);
    [&mutual_information, &total_correlation, &dimension_wise].map(number)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < ROUNDING * (1.0 + b.abs())
}

/// A permutation of 0..n.
fn permutation(seed: u64, label: &str, n: i64) -> Tensor {
    draw(seed, label, &[n]).argsort(0, false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_the_batch_does_not_matter(seed in 0_u64..1 << 40, m in 2_i64..40, d in 1_i64..12) {
        let inputs = batch(seed, m, d);
        let order = permutation(seed, "order", m);
        let shuffled = (
            inputs.0.index_select(0, &order),
            inputs.1.index_select(0, &order),
            inputs.2.index_select(0, &order),
        );
        for (estimator, n) in [(MWS, 500.0), (Estimator::Full, m as f64)] {
            let (a, b) = (parts(&inputs, n, estimator), parts(&shuffled, n, estimator));
            prop_assert!(a.iter().zip(b).all(|(&a, b)| close(a, b)), "{estimator:?}");
        }
    }

    #[test]
    fn the_order_of_the_coordinates_does_not_matter(seed in 0_u64..1 << 40, m in 2_i64..40, d in 2_i64..12) {
        let inputs = batch(seed, m, d);
        let order = permutation(seed, "order", d);
        let shuffled = (
            inputs.0.index_select(1, &order),
            inputs.1.index_select(1, &order),
            inputs.2.index_select(1, &order),
        );
        for estimator in BATCH_ESTIMATORS {
            let (a, b) = (parts(&inputs, 500.0, estimator), parts(&shuffled, 500.0, estimator));
            prop_assert!(a.iter().zip(b).all(|(&a, b)| close(a, b)), "{estimator:?}");
        }
    }

    #[test]
    fn shift_and_scale_of_a_coordinate_do_not_matter(
        seed in 0_u64..1 << 40, m in 2_i64..40, d in 2_i64..12,
    ) {
        let (z, mu, log_sigma) = batch(seed, m, d);
        let shift = draw(seed, "shift", &[1, d]);
        let log_scale: Tensor = 0.5 * draw(seed, "scale", &[1, d]);
        let scale = log_scale.exp();
        let moved = (&z * &scale + &shift, &mu * &scale + &shift, &log_sigma + &log_scale);
        let inputs = (z, mu, log_sigma);
        for estimator in BATCH_ESTIMATORS {
            let [mi, tc, dw] = parts(&inputs, 500.0, estimator);
            let [moved_mi, moved_tc, moved_dw] = parts(&moved, 500.0, estimator);
            prop_assert!(close(moved_mi, mi) && close(moved_tc, tc), "{estimator:?}");
            prop_assert!((moved_dw - dw).abs() > EXACT, "the prior does not move along");
        }
    }

    #[test]
    fn one_coordinate_has_no_total_correlation(seed in 0_u64..1 << 40, m in 2_i64..40) {
        let inputs = batch(seed, m, 1);
        for estimator in BATCH_ESTIMATORS {
            prop_assert!(parts(&inputs, 500.0, estimator)[1].abs() < EXACT);
        }
        prop_assert!(parts(&inputs, m as f64, Estimator::Full)[1].abs() < EXACT);
    }

    #[test]
    fn the_size_of_the_data_set_is_an_offset(
        seed in 0_u64..1 << 40, m in 2_i64..40, d in 1_i64..12,
        n in 100.0_f64..1e5, other in 100.0_f64..1e5,
    ) {
        let (z, mu, log_sigma) = batch(seed, m, d);
        let tc = |n: f64| number(&total_correlation(&z, &mu, &log_sigma, n, MWS));
        prop_assert!(close(tc(n) - tc(other), (d - 1) as f64 * (n / other).ln()));
    }

    #[test]
    fn rotations_move_information_between_the_two_last_parts_only(seed in 0_u64..1 << 40) {
        let (m, d) = (20, 4);
        let (_, mu, _) = batch(seed, m, d);
        // Isotropic posteriors stay diagonal.
        let radius: Tensor = 0.3 * draw(seed, "radius", &[m, 1]) - 0.5;
        let log_sigma = radius.expand([m, d], false).contiguous();
        let z = &mu + log_sigma.exp() * draw(seed, "eps", &[m, d]);
        let (rotation, _) = Tensor::linalg_qr(&draw(seed, "rotation", &[d, d]), "reduced");
        let turned = (z.matmul(&rotation), mu.matmul(&rotation), log_sigma.shallow_clone());
        let [mi, tc, dw] = parts(&(z, mu, log_sigma), m as f64, Estimator::Full);
        let [turned_mi, turned_tc, turned_dw] = parts(&turned, m as f64, Estimator::Full);
        prop_assert!(close(turned_mi, mi));
        prop_assert!(close(turned_tc + turned_dw, tc + dw));
        prop_assert!((turned_tc - tc).abs() > EXACT, "each of them does change");
    }

    #[test]
    fn chunks_and_repetition_of_the_data_do_not_matter(
        seed in 0_u64..1 << 40, n in 3_i64..40, cut in 1_i64..3,
    ) {
        let (z, mu, log_sigma) = batch(seed, n, 5);
        let own = DiagNormal::new(mu.shallow_clone(), log_sigma.shallow_clone()).log_prob(&z);
        let expected = parts(
            &(z.shallow_clone(), mu.shallow_clone(), log_sigma.shallow_clone()),
            n as f64,
            Estimator::Full,
        );
        for repetitions in [1, 2] {
            let mut full = FullData::new(&z);
            for _ in 0..repetitions {
                full.push(&mu.narrow(0, 0, cut), &log_sigma.narrow(0, 0, cut));
                full.push(&mu.narrow(0, cut, n - cut), &log_sigma.narrow(0, cut, n - cut));
            }
            let found = full.decomposition(&own);
            let found = [&found.mutual_information, &found.total_correlation, &found.dimension_wise];
            for (found, expected) in found.into_iter().zip(expected) {
                prop_assert!(close(number(found), expected));
            }
        }
    }
}

#[test]
fn a_grid_of_means_has_no_total_correlation() {
    // A full Cartesian grid with a common sigma: q(z) factorizes, at every sample.
    let axes = [[-1.0, 0.5, 2.0], [0.0, 0.3, -4.0]];
    let mut mu = Vec::new();
    for a in axes[0] {
        for b in axes[1] {
            mu.extend([a, b]);
        }
    }
    let mu = Tensor::from_slice(&mu).view([9, 2]);
    let log_sigma = Tensor::from_slice(&[-0.7, 0.1])
        .expand([9, 2], false)
        .contiguous();
    let z = &mu + log_sigma.exp() * draw(5, "eps", &[9, 2]);
    let tc = total_correlation(&z, &mu, &log_sigma, 9.0, Estimator::Full);
    assert!(number(&tc).abs() < EXACT);
}

fn normal(z: f64, mu: f64, sigma: f64) -> f64 {
    (-0.5 * ((z - mu) / sigma).powi(2)).exp() / (sigma * std::f64::consts::TAU.sqrt())
}

/// TC of a mixture in the plane by the trapezoid rule, which for such functions converges faster
/// than any power of the step.
fn quadrature(components: &[[f64; 4]]) -> f64 {
    let (low, high, steps) = (-9.0, 9.0, 600);
    let step = (high - low) / f64::from(steps);
    let at = |i: i32| low + f64::from(i) * step;
    let share = 1.0 / components.len() as f64;
    let along = |i: i32, axis: usize| -> Vec<f64> {
        let density = |c: &[f64; 4]| normal(at(i), c[axis], c[2 + axis]);
        components.iter().map(density).collect()
    };
    let table = |axis: usize| (0..=steps).map(|i| along(i, axis)).collect::<Vec<_>>();
    let (x, y) = (table(0), table(1));
    let mean = |values: &[f64]| values.iter().sum::<f64>() * share;
    let mut total = 0.0;
    for a in &x {
        for b in &y {
            let joint: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() * share;
            let product = mean(a) * mean(b);
            if joint > 0.0 && product > 0.0 {
                total += joint * (joint / product).ln();
            }
        }
    }
    total * step * step
}

/// The full estimate from `per_component` samples of each component, and its standard error.
fn sampled(components: &[[f64; 4]], per_component: i64) -> (f64, f64) {
    let n = i64::try_from(components.len()).expect("few");
    let table = Tensor::from_slice(components.as_flattened()).view([n, 4]);
    let (mu, sigma) = (table.narrow(1, 0, 2), table.narrow(1, 2, 2));
    let eps = draw(17, "samples", &[per_component, n, 2]);
    let z = (mu.unsqueeze(0) + sigma.unsqueeze(0) * eps).reshape([-1, 2]);
    let mut full = FullData::new(&z);
    full.push(&mu, &sigma.log());
    let densities = full.log_densities();
    let terms = densities.joint - densities.marginals.sum_dim_intlist(-1, false, None);
    let count = (per_component * n) as f64;
    (
        number(&terms.mean(None)),
        number(&terms.std(true)) / count.sqrt(),
    )
}

#[test]
fn the_full_estimate_meets_a_quadrature() {
    // mu_1, mu_2, sigma_1, sigma_2
    let components = [
        [-1.0, -0.8, 0.4, 0.7],
        [0.9, 1.1, 0.6, 0.3],
        [2.0, 0.4, 0.5, 0.5],
        [-0.2, 0.3, 0.8, 0.35],
        [1.2, -1.5, 0.3, 0.9],
    ];
    let exact = quadrature(&components);
    let (found, standard_error) = sampled(&components, 20_000);
    assert!(
        exact > 100.0 * standard_error,
        "the case must not be trivial"
    );
    assert!(
        (found - exact).abs() < 3.0 * standard_error,
        "{found} +- {standard_error} against {exact}"
    );
}

#[test]
fn the_corners_of_a_square_have_no_total_correlation() {
    let corners = [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)];
    let components = corners.map(|(x, y)| [1.3 * x, 1.3 * y, 0.5, 0.5]);
    assert!(quadrature(&components).abs() < EXACT.sqrt());
    assert!(sampled(&components, 1000).0.abs() < EXACT);
}

/// exp of the log weights as rows.
fn weights(estimator: Estimator, batch: i64, dataset_size: f64) -> Vec<Vec<f64>> {
    let size = usize::try_from(batch).expect("positive");
    let log_weights = estimator.log_weights(batch, batch, dataset_size);
    let table = log_weights.to_tensor(size, Kind::Double, Device::Cpu).exp();
    (0..batch)
        .map(|k| (0..batch).map(|m| table.double_value(&[k, m])).collect())
        .collect()
}

#[test]
fn stratified_rows_sum_to_one_and_the_widely_copied_ones_do_not() {
    for (batch, n) in [(2, 2.0), (3, 5.0), (16, 1000.0)] {
        for (k, row) in weights(Estimator::Stratified, batch, n).iter().enumerate() {
            assert!(
                (row.iter().sum::<f64>() - 1.0).abs() < EXACT,
                "row {k} of {batch}"
            );
            assert!((row[k] - 1.0 / n).abs() < EXACT);
        }
    }
    let compat = weights(Estimator::StratifiedCompat, 16, 1000.0);
    let off = |row: &&Vec<f64>| (row.iter().sum::<f64>() - 1.0).abs() > CLEARLY;
    assert_eq!(compat.iter().filter(off).count(), 1);
    assert!(
        (compat[5][5] - 1.0 / 15.0).abs() < EXACT,
        "the own weight is not 1/N"
    );
}

/// The average over all ordered batches of three out of five with the sample's own point in
/// position `k`, of Σ_m w_km q(z|x_m).
fn average_over_batches(estimator: Estimator, k: usize, own: usize, density: &[f64; 5]) -> f64 {
    let row = &weights(estimator, 3, 5.0)[k];
    let (mut total, mut count) = (0.0, 0.0);
    for a in 0..5 {
        for b in 0..5 {
            if a == b || a == own || b == own {
                continue;
            }
            let mut batch = vec![a, b];
            batch.insert(k, own);
            total += row
                .iter()
                .zip(&batch)
                .map(|(w, &n)| w * density[n])
                .sum::<f64>();
            count += 1.0;
        }
    }
    total / count
}

#[test]
fn stratified_weights_are_unbiased_over_all_batches_and_the_widely_copied_ones_are_not() {
    let z = 0.4;
    let mu = [-1.0, 0.2, 0.9, 1.7, -0.4];
    let sigma = [0.5, 0.3, 0.8, 0.4, 0.6];
    let density: [f64; 5] = std::array::from_fn(|n| normal(z, mu[n], sigma[n]));
    let exact = density.iter().sum::<f64>() / 5.0;
    let mut compat_gap: f64 = 0.0;
    for own in 0..5 {
        for k in 0..3 {
            let average = average_over_batches(Estimator::Stratified, k, own, &density);
            assert!(
                (average - exact).abs() < EXACT,
                "own {own} at {k}: {average}, {exact}"
            );
            let wrong = average_over_batches(Estimator::StratifiedCompat, k, own, &density);
            compat_gap = compat_gap.max((wrong - exact).abs());
        }
    }
    assert!(
        compat_gap > CLEARLY,
        "the wrong weights must fail this test"
    );
}
