//! Total correlation: the worked example, the limits, and every law that the estimators obey.

use vaegis_core::SeedTree;
use vaegis_dist::total_correlation::{
    Decomposition, Estimator, decomposition, dense_log_densities, total_correlation,
};
use vaegis_dist::{DiagNormal, Distribution as _};
use vaegis_tensor::autograd::{GradCheck, gradcheck};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Digits that the worked example is printed with.
const PRINTED: f64 = 1e-7;
/// Rounding of sums of a few hundred terms of order 1 to 100.
const ROUNDING: f64 = 1e-10;
/// Relative to the largest entry: what the streamed routine promises.
const SAME_F64: f64 = 1e-10;
const SAME_F32: f64 = 1e-5;

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);
const MWS: Estimator = Estimator::MinibatchWeighted;
/// Every estimator with a size of the data set that suits a batch of 11.
const ALL: [(Estimator, f64); 4] = [
    (MWS, 100.0),
    (Estimator::Stratified, 100.0),
    (Estimator::StratifiedCompat, 100.0),
    (Estimator::Full, 11.0),
];

fn draw(label: &str, shape: &[i64]) -> Tensor {
    let noise = Noise::portable(SeedTree::new(11).child(label));
    noise.standard_normal(shape, Kind::Double, Device::Cpu)
}

/// Samples, means and log scales of overlapping posteriors.
fn batch(m: i64, d: i64) -> (Tensor, Tensor, Tensor) {
    let mu = draw("mu", &[m, d]);
    let log_sigma: Tensor = 0.4 * draw("log sigma", &[m, d]) - 0.5;
    (&mu + log_sigma.exp() * draw("eps", &[m, d]), mu, log_sigma)
}

fn number(t: &Tensor) -> f64 {
    t.double_value(&[])
}

fn rows(values: &[[f64; 2]]) -> Tensor {
    Tensor::from_slice(values.as_flattened()).view([-1, 2])
}

/// Posteriors of three data points and one sample of each.
fn worked_example() -> (Tensor, Tensor, Tensor) {
    let mu = rows(&[[0.5, -1.0], [-0.5, 1.0], [2.0, 0.0]]);
    let log_sigma = rows(&[[0.4, 0.6], [0.8, 0.3], [0.5, 1.1]]).log();
    let eps = rows(&[[0.5, -0.5], [-1.0, 0.25], [0.0, 1.0]]);
    (&mu + log_sigma.exp() * eps, mu, log_sigma)
}

#[test]
fn the_worked_example_is_met_by_every_estimator() {
    let (z, mu, log_sigma) = worked_example();
    let table = [
        (Estimator::Full, 3.0, [1.0865563, 0.2651798, 1.0778080]),
        (
            Estimator::MinibatchWeighted,
            3.0,
            [2.1851686, 1.3637920, -1.1194166],
        ),
        (
            Estimator::MinibatchWeighted,
            30.0,
            [4.4877537, 3.6663771, -5.7245868],
        ),
        (
            Estimator::Stratified,
            30.0,
            [3.2431964, 0.5884737, -1.4021260],
        ),
    ];
    for (estimator, dataset_size, [mi, tc, dw]) in table {
        let parts: Decomposition = decomposition(&z, &mu, &log_sigma, dataset_size, estimator);
        let alone = total_correlation(&z, &mu, &log_sigma, dataset_size, estimator);
        for (name, found, expected) in [
            ("MI", &parts.mutual_information, mi),
            ("TC", &parts.total_correlation, tc),
            ("DW", &parts.dimension_wise, dw),
            ("TC alone", &alone, tc),
        ] {
            assert!(
                (number(found) - expected).abs() < PRINTED,
                "{estimator:?}, N = {dataset_size}: {name} is {}, not {expected}",
                number(found)
            );
        }
    }
}

#[test]
fn identical_posteriors_leave_only_the_offset() {
    // All M posteriors equal and factorized: TC_MWS = (d − 1) log N.
    let (m, d, dataset_size) = (5, 3, 40.0_f64);
    let mu = Tensor::ones([m, d], DOUBLE);
    let log_sigma = Tensor::full([m, d], -0.3, DOUBLE);
    let z = &mu + log_sigma.exp() * draw("eps", &[m, d]);
    let offsets = Estimator::MinibatchWeighted.offsets(dataset_size, d);
    let tc = total_correlation(&z, &mu, &log_sigma, dataset_size, MWS);
    assert!((number(&tc) - offsets.total_correlation).abs() < ROUNDING);
    let full = decomposition(&z, &mu, &log_sigma, m as f64, Estimator::Full);
    assert!(number(&full.total_correlation).abs() < ROUNDING);
    assert!(number(&full.mutual_information).abs() < ROUNDING);
}

#[test]
fn far_apart_posteriors_leave_the_offset_of_the_batch_too() {
    // No two overlap in any coordinate: TC_MWS = (d − 1) log(N M).
    let (m, d, dataset_size) = (4, 3, 50.0);
    let mu = Tensor::arange(m, DOUBLE).unsqueeze(1) * 1e4 * Tensor::ones([1, d], DOUBLE);
    let log_sigma = Tensor::zeros([m, d], DOUBLE);
    let z = &mu + draw("eps", &[m, d]);
    let tc = total_correlation(&z, &mu, &log_sigma, dataset_size, MWS);
    let expected = (d - 1) as f64 * (dataset_size * m as f64).ln();
    assert!((number(&tc) - expected).abs() < ROUNDING * expected);
}

#[test]
fn at_full_batch_minibatch_weights_differ_from_the_truth_by_the_offsets() {
    let (z, mu, log_sigma) = batch(9, 4);
    let full = decomposition(&z, &mu, &log_sigma, 9.0, Estimator::Full);
    let mws = decomposition(&z, &mu, &log_sigma, 9.0, MWS);
    let offsets = MWS.offsets(9.0, 4);
    for (with, without, offset) in [
        (
            &mws.mutual_information,
            &full.mutual_information,
            offsets.mutual_information,
        ),
        (
            &mws.total_correlation,
            &full.total_correlation,
            offsets.total_correlation,
        ),
        (
            &mws.dimension_wise,
            &full.dimension_wise,
            offsets.dimension_wise,
        ),
    ] {
        assert!((number(with) - number(without) - offset).abs() < ROUNDING);
    }
}

#[test]
fn the_three_parts_add_up_to_the_sampled_kl() {
    let (z, mu, log_sigma) = batch(11, 5);
    let own = DiagNormal::new(mu.shallow_clone(), log_sigma.shallow_clone()).log_prob(&z);
    let prior = DiagNormal::standard(&[5], Kind::Double, Device::Cpu).log_prob(&z);
    let kl = number(&(own - prior).mean(None));
    for (estimator, dataset_size) in ALL {
        let parts = decomposition(&z, &mu, &log_sigma, dataset_size, estimator);
        let sum = number(&parts.mutual_information)
            + number(&parts.total_correlation)
            + number(&parts.dimension_wise);
        assert!(
            (sum - kl).abs() < ROUNDING * kl.abs().max(1.0),
            "{estimator:?}: {sum}, {kl}"
        );
    }
}

/// Value and gradients of the total correlation, and of a combination of all three parts.
fn evaluate(
    inputs: [&Tensor; 3],
    estimator: Estimator,
    dataset_size: f64,
    is_dense: bool,
) -> Vec<Tensor> {
    let [z, mu, log_sigma] = inputs.map(|x| x.detach().copy().set_requires_grad(true));
    let values = if is_dense {
        let weights = estimator.log_weights(z.size()[0], mu.size()[0], dataset_size);
        let densities = dense_log_densities(&z, &mu, &log_sigma, &weights);
        let marginals = densities.marginals.sum_dim_intlist(-1, false, None);
        let own = DiagNormal::new(mu.shallow_clone(), log_sigma.shallow_clone()).log_prob(&z);
        let tc = (&densities.joint - &marginals).mean(None);
        let mixed: Tensor = own - 1.7 * &densities.joint + 0.6 * marginals;
        let mixed = mixed.mean(None);
        [tc, mixed]
    } else {
        let tc = total_correlation(&z, &mu, &log_sigma, dataset_size, estimator);
        let parts = decomposition(&z, &mu, &log_sigma, dataset_size, estimator);
        // own − 1.7 joint + 0.6 marginals, less what does not depend on the estimator.
        let prior = DiagNormal::standard(&[z.size()[1]], z.kind(), Device::Cpu).log_prob(&z);
        let mixed: Tensor = parts.mutual_information
            - 0.7 * parts.total_correlation
            - 0.1 * (parts.dimension_wise + prior.mean(None));
        [tc, mixed]
    };
    let mut out = Vec::new();
    for value in values {
        let gradients = Tensor::run_backward(&[&value], &[&z, &mu, &log_sigma], true, false);
        out.push(value.detach());
        out.extend(gradients);
    }
    out
}

fn largest_gap(found: &[Tensor], expected: &[Tensor]) -> f64 {
    let gap = |(a, b): (&Tensor, &Tensor)| {
        let b = b.to_kind(Kind::Double);
        number(&((a.to_kind(Kind::Double) - &b).abs().max() / b.abs().max()))
    };
    found.iter().zip(expected).map(gap).fold(0.0, f64::max)
}

#[test]
fn streamed_and_dense_agree_in_value_and_gradients() {
    // Neither the batch nor the coordinates fill the kernel's blocks.
    for (m, d) in [(70, 13), (16, 8), (3, 1)] {
        let (z, mu, log_sigma) = batch(m, d);
        for (estimator, dataset_size) in ALL {
            let dataset_size = if estimator == Estimator::Full {
                m as f64
            } else {
                dataset_size * 10.0
            };
            let inputs = [&z, &mu, &log_sigma];
            let expected = evaluate(inputs, estimator, dataset_size, true);
            let found = evaluate(inputs, estimator, dataset_size, false);
            // With one coordinate the total correlation is 0 and so are its gradients.
            let first = if d == 1 { 4 } else { 0 };
            let gap = largest_gap(&found[first..], &expected[first..]);
            assert!(
                gap < SAME_F64,
                "{estimator:?} [{m}, {d}]: f64 differs by {gap:.1e}"
            );
            let single = inputs.map(|x| x.to_kind(Kind::Float));
            let rounded = [&single[0], &single[1], &single[2]].map(|x| x.to_kind(Kind::Double));
            let expected = evaluate(
                [&rounded[0], &rounded[1], &rounded[2]],
                estimator,
                dataset_size,
                true,
            );
            let found = evaluate(
                [&single[0], &single[1], &single[2]],
                estimator,
                dataset_size,
                false,
            );
            let gap = largest_gap(&found[first..], &expected[first..]);
            assert!(
                gap < SAME_F32,
                "{estimator:?} [{m}, {d}]: f32 differs by {gap:.1e}"
            );
        }
    }
}

#[test]
fn gradients_match_finite_differences() {
    let (z, mu, log_sigma) = batch(6, 3);
    for (estimator, dataset_size) in ALL {
        let n = if estimator == Estimator::Full {
            6.0
        } else {
            dataset_size
        };
        let all = |z: &Tensor, mu: &Tensor, log_sigma: &Tensor| {
            let parts = decomposition(z, mu, log_sigma, n, estimator);
            let tc = total_correlation(z, mu, log_sigma, n, estimator);
            Tensor::stack(&[parts.mutual_information, parts.dimension_wise, tc], 0)
        };
        let tolerance = GradCheck::default;
        gradcheck(|z| all(z, &mu, &log_sigma), &z, tolerance()).expect("gradient in z");
        gradcheck(|mu| all(&z, mu, &log_sigma), &mu, tolerance()).expect("gradient in mu");
        gradcheck(|s| all(&z, &mu, s), &log_sigma, tolerance()).expect("gradient in log sigma");
        // All at once, through a sample that moves with its posterior.
        let eps = draw("reparameterized", &[6, 3]);
        let f = |mu: &Tensor| all(&(mu + log_sigma.exp() * &eps), mu, &log_sigma);
        gradcheck(f, &mu, tolerance()).expect("gradient through the sample");
    }
}

#[test]
fn not_a_number_is_not_hidden() {
    let (z, mu, log_sigma) = batch(5, 3);
    let bad = Tensor::from_slice(&[f64::NAN, 0.0, 0.0]).view([1, 3]);
    let bad = Tensor::cat(&[bad, Tensor::zeros([4, 3], DOUBLE)], 0);
    for inputs in [
        [&(&z + &bad), &mu, &log_sigma],
        [&z, &(&mu + &bad), &log_sigma],
        [&z, &mu, &(&log_sigma + &bad)],
    ] {
        let tc = total_correlation(inputs[0], inputs[1], inputs[2], 50.0, MWS);
        assert!(number(&tc).is_nan());
    }
}

#[test]
#[should_panic(expected = "the full estimate needs all")]
fn the_full_estimate_refuses_a_part_of_the_data() {
    let (z, mu, log_sigma) = batch(5, 3);
    drop(total_correlation(
        &z,
        &mu,
        &log_sigma,
        50.0,
        Estimator::Full,
    ));
}
