//! What is written down about an attack, against numbers worked out by hand, and the rules that
//! choose among records (SB-31, SB-32).

use approx::assert_relative_eq;
use std::collections::BTreeSet;
use std::f64::consts::PI;
use vaegis_attacks::record::{AttackRecord, describe};
use vaegis_attacks::select::{auddc, closest_posterior, most_successful};
use vaegis_attacks::{Attack, AttackOutcome, AttackRows, Objective, RowStatus};
use vaegis_core::SeedTree;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Rounding of sums of a few terms of order 100.
const ROUNDING: f64 = 1e-12;
/// Standard errors that a Monte-Carlo mean may be off: 1 in 10⁶ by chance.
const STANDARD_ERRORS: f64 = 5.0;

/// The encoder projects on the direction (3, 4)/5 and the decoder goes back: μ(x) = (3 x₁ + 4 x₂)/25,
/// g(z) = z (3, 4), p(x|z) = N(g(z), 2² I).
fn model(sigma: f64) -> LinearGaussian {
    let on = |values: &[f64], shape: [i64; 2]| Tensor::from_slice(values).reshape(shape);
    let spec = LinearGaussianSpec {
        encoder_weight: on(&[3.0 / 25.0, 4.0 / 25.0], [1, 2]),
        encoder_bias: Tensor::zeros([1], (Kind::Double, Device::Cpu)),
        log_sigma: Tensor::full([1], sigma.ln(), (Kind::Double, Device::Cpu)),
        decoder_weight: on(&[3.0, 4.0], [2, 1]),
        decoder_bias: Tensor::zeros([2], (Kind::Double, Device::Cpu)),
        observation_sigma: 2.0,
        beta: 1.0,
        bounds: (-20.0, 20.0),
    };
    LinearGaussian::new(Kind::Double, &spec)
}

/// x = (3, 4) − (4, −3), d = 0.8 (3, 4), xᵗ = 2 (3, 4) + 2 (4, −3): z = 1, z* = 1.8, zᵗ = 2.
fn record(sigma: f64, samples: usize) -> AttackRecord {
    let model = model(sigma);
    let (x, target) = (model.image(&[-1.0, 7.0]), model.image(&[14.0, 2.0]));
    let mut rows = AttackRows::targeted(x, target, vec![0.25]);
    rows.keys = vec![17];
    let outcome = AttackOutcome {
        distortion: Tensor::from_slice(&[2.4, 3.2]).unsqueeze(0),
        objective: vec![1.5],
        divergence: vec![0.5],
        divergence_clean: vec![8.0],
        norm_l2: vec![4.0],
        norm_linf: vec![3.2],
        iterations: vec![11],
        evaluations: vec![13],
        status: vec![RowStatus::MaxIterations],
        restart: vec![0],
        pixel_range: (-20.0, 20.0),
    };
    let attack = Attack::penalized(Objective::LATENT_KL);
    let noise = Noise::portable(SeedTree::new(5));
    let mut records = describe(&model, &attack, &rows, &[3], &outcome, samples, &noise);
    records.remove(0)
}

/// −log N(y; m, 2² I) in two dimensions at a squared distance.
fn nll(squared_distance: f64) -> f64 {
    squared_distance / 8.0 + (8.0 * PI).ln()
}

#[test]
fn sb31_distances_and_likelihoods_are_those_worked_out_by_hand() {
    // So little encoder noise that every draw is the mean.
    let record = record(1e-20, 3);
    // x̃ = (3, 4), x̃* = (5.4, 7.2), x̃ᵗ = (6, 8), x* = (1.4, 10.2).
    for (found, squared) in [
        (record.reconstruction_to_target, 8.6 * 8.6 + 5.2 * 5.2),
        (record.reconstruction_to_original, 6.4 * 6.4 + 0.2 * 0.2),
        (record.attacked_to_target, 12.6 * 12.6 + 8.2 * 8.2),
        (record.target_reconstruction_to_target, 100.0),
        (record.clean_reconstruction_to_original, 25.0),
        (record.clean_reconstruction_to_target, 125.0),
        (record.input_to_target, 250.0),
    ] {
        assert_relative_eq!(found, f64::sqrt(squared), max_relative = ROUNDING);
    }
    for (found, squared) in [
        (record.nll_target, 101.0),
        (record.nll_original, 41.0),
        (record.nll_target_no_attack, 125.0),
        (record.nll_target_perfect, 100.0),
    ] {
        assert_relative_eq!(found, nll(squared), max_relative = ROUNDING);
    }
    // 24 of the 25 units of squared distance between no attack and the perfect one.
    assert_relative_eq!(record.success(), 0.96, max_relative = ROUNDING);
    assert_eq!((record.key, record.pair, record.lambda), (17, 3, 0.25));
    let parts = (record.delta, record.divergence, record.divergence_clean);
    assert_eq!(parts, (1.5, 0.5, 8.0));
    assert_eq!((record.norm_l2, record.norm_linf), (4.0, 3.2));
    assert_eq!((record.iterations, record.evaluations), (11, 13));
    assert_eq!(record.status, RowStatus::MaxIterations);
}

#[test]
fn sb31_likelihoods_are_expectations_over_the_encoders_noise() {
    let (sigma, samples) = (0.5, 4000);
    let record = record(sigma, samples);
    // ‖y − g(μ + σε)‖² = ‖r‖² − 2 σ ε gᵀr + 25 σ² ε² with r = y − g(μ) and g = (3, 4).
    for (found, r) in [
        (record.nll_target, [8.6, -5.2]),
        (record.nll_original, [-6.4, -0.2]),
        (record.nll_target_no_attack, [11.0, -2.0]),
        (record.nll_target_perfect, [8.0, -6.0]),
    ] {
        let along: f64 = 3.0 * r[0] + 4.0 * r[1];
        let variance = (2.0 * sigma * along).powi(2) + 2.0 * (25.0 * sigma * sigma).powi(2);
        let error = (variance / samples as f64).sqrt() / 8.0;
        let expected = nll(r[0] * r[0] + r[1] * r[1] + 25.0 * sigma * sigma);
        assert!(
            (found - expected).abs() < STANDARD_ERRORS * error,
            "{found} is not {expected} within {error}"
        );
    }
    // The distances are those of the means.
    let distance = record.clean_reconstruction_to_original;
    assert_relative_eq!(distance, 5.0, max_relative = ROUNDING);
}

#[test]
fn sb31_a_record_has_every_required_field_and_survives_its_file() {
    let mut record = record(0.5, 1);
    let value = serde_json::to_value(&record).expect("serializes");
    let found: BTreeSet<&str> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let required = [
        "pair",
        "lambda",
        "penalty",
        "objective",
        "layers",
        "seed",
        "delta",
        "divergence",
        "norm-l2",
        "norm-linf",
        "nll-target",
        "nll-original",
        "reconstruction-to-target",
        "reconstruction-to-original",
        "attacked-to-target",
        "target-reconstruction-to-target",
        "clean-reconstruction-to-original",
        "input-to-target",
        "iterations",
        "evaluations",
        "status",
        // The two references beside the likelihood, and what names the draws and the search.
        "nll-target-no-attack",
        "nll-target-perfect",
        "clean-reconstruction-to-target",
        "divergence-clean",
        "direction",
        "hier-mode",
        "key",
        "restart",
        "search",
        // The hard limit, for attacks without a price.
        "ball",
        "radius",
    ];
    assert_eq!(found, BTreeSet::from(required));
    let again: AttackRecord = serde_json::from_value(value).expect("reads its own JSON");
    assert_eq!(again, record);
    // Numbers that are none are kept as what they are.
    record.delta = f64::NAN;
    record.nll_target = f64::INFINITY;
    let line = serde_json::to_string(&record).expect("serializes");
    let again: AttackRecord = serde_json::from_str(&line).expect("reads its own JSON");
    assert!(again.delta.is_nan() && again.nll_target == f64::INFINITY);
}

/// Records that differ in what `change` sets.
fn records<T: Copy>(values: &[T], change: impl Fn(&mut AttackRecord, T)) -> Vec<AttackRecord> {
    let template = record(0.5, 1);
    let one = |&value: &T| {
        let mut record = template.clone();
        change(&mut record, value);
        record
    };
    values.iter().map(one).collect()
}

#[test]
fn sb32_the_attack_shown_has_the_largest_penalty_that_is_no_worse_than_the_mean() {
    let of = |rows: &[(f64, f64)]| {
        let set = |r: &mut AttackRecord, (lambda, distance)| {
            (r.lambda, r.reconstruction_to_target) = (lambda, distance);
        };
        most_successful(&records(rows, set))
    };
    // The mean is 4: the rows at 1, 2 and 4 qualify, in whatever order they stand.
    let rows = [(8.0, 10.0), (4.0, 4.0), (0.5, 1.0), (2.0, 3.0), (1.0, 2.0)];
    assert_eq!(of(&rows), Some(1));
    // A little farther than the mean is too far, however large the penalty.
    let rows = [(8.0, 10.0), (4.0, 4.1), (0.5, 1.0), (2.0, 3.0), (1.0, 1.9)];
    assert_eq!(of(&rows), Some(3));
    // A row that failed is neither in the mean nor chosen.
    for failed in [f64::NAN, f64::INFINITY] {
        let rows = [(32.0, failed), (8.0, 10.0), (4.0, 4.0), (0.5, 1.0)];
        assert_eq!(of(&rows), Some(2), "{failed}");
        assert_eq!(of(&[(1.0, failed)]), None);
    }
    assert_eq!(of(&[(1.0, 5.0), (2.0, 5.0)]), Some(1));
    assert_eq!(of(&[]), None);
}

#[test]
fn sb32_the_closest_posterior_is_the_smallest_divergence() {
    let of = |values: &[f64]| closest_posterior(&records(values, |r, value| r.divergence = value));
    assert_eq!(of(&[3.0, 0.5, 2.0]), Some(1));
    // Either sign of NaN would win or lose by its bits alone.
    assert_eq!(of(&[f64::NAN, 3.0, -f64::NAN, 0.5]), Some(3));
    assert_eq!(of(&[f64::INFINITY, 7.0]), Some(1));
    assert_eq!(of(&[f64::NAN]), None);
    assert_eq!(of(&[]), None);
}

#[test]
fn sb32_the_area_under_the_curve_is_that_of_its_trapezoids() {
    // ‖x − xᵗ‖ = 10, ‖x̃ − xᵗ‖ = 9 and ‖x̃ᵗ − xᵗ‖ = 1: a distance of 1 + 8 y stands for y.
    let of = |points: &[(f64, f64)]| {
        let set = |r: &mut AttackRecord, (x, y): (f64, f64)| {
            (r.input_to_target, r.norm_l2) = (10.0, 10.0 * x);
            r.clean_reconstruction_to_target = 9.0;
            r.target_reconstruction_to_target = 1.0;
            r.reconstruction_to_target = 1.0 + 8.0 * y;
        };
        auddc(&records(points, set))
    };
    let is = |found: Option<f64>, expected: f64| {
        assert_relative_eq!(found.expect("an area"), expected, max_relative = ROUNDING);
    };
    // Unsorted, with a distortion longer than the way: ½ (1 + ½)/2 + ½ (½ + 0)/2.
    is(of(&[(2.0, 0.0), (0.0, 1.0), (0.5, 0.5)]), 0.5);
    // The curve goes on to 1 at its lowest value: ½ (1 + ½)/2 + ½ (½ + ½)/2.
    is(of(&[(0.5, 0.5), (0.0, 1.0)]), 0.625);
    // Also where that is not the last one: ¼ (1 + ¼)/2 + ¼ (¼ + ¾)/2 + ½ (¾ + ¼)/2.
    is(of(&[(0.0, 1.0), (0.25, 0.25), (0.5, 0.75)]), 0.53125);
    // A row that failed does not count.
    is(
        of(&[(0.5, 0.5), (f64::NAN, 0.1), (0.0, 1.0), (0.7, f64::NAN)]),
        0.625,
    );
    assert_eq!(of(&[(0.5, f64::NAN)]), None);
    assert_eq!(of(&[]), None);
    // No span between the references, no curve.
    let flat = records(&[0.5], |r, norm| {
        (r.input_to_target, r.norm_l2) = (1.0, norm);
        r.clean_reconstruction_to_target = r.target_reconstruction_to_target;
    });
    assert_eq!(auddc(&flat), None);
}
