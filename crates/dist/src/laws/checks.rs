//! The laws themselves.

use super::gradients::{check_log_prob_gradient, check_sample_gradient};
use super::{
    Case, FAILURE_RATE, Measure, STANDARD_ERRORS, Support, chi_square_p_value, kolmogorov_p_value,
};
use crate::Distribution;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vaegis_core::SeedTree;
use vaegis_tensor::{Kind, Noise, Tensor};

/// Samples per law for moments.
const NUM_SAMPLES: i64 = 20_000;
/// Samples per law for goodness of fit: at the failure rate, Kolmogorov's test then sees distances
/// from 0.0096 on, which is a width that is off by 4 %. The moments see less.
const NUM_FIT_SAMPLES: i64 = 80_000;
/// Rounding of double-precision formulas that evaluate the same function in another order.
const ROUNDING: f64 = 1e-11;
/// Truncation of the support and error of the quadrature together.
const QUADRATURE: f64 = 1e-8;
/// Rounding of single-precision log densities, relative to one plus their size.
const SINGLE: f64 = 1e-4;

/// Every law that applies to the case.
///
/// # Panics
/// If the distribution breaks one of them.
pub fn check_distribution<D: Distribution>(case: &Case<D>) {
    let seed = SeedTree::new(2024).child(case.name);
    check_shapes(case, &seed.child("shapes"));
    check_reference(case, &seed.child("reference"));
    check_normalization(case);
    check_cdf(case);
    check_moments(case, &seed.child("moments"));
    check_samples(case, &seed.child("samples"));
    check_log_prob_gradient(case, &seed.child("log_prob gradient"));
    check_sample_gradient(case, &seed.child("sample gradient"));
    check_batching(case, &seed.child("batching"));
    check_single_precision(case, &seed.child("single"));
}

/// All elements, row by row, as doubles.
fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.detach().to_kind(Kind::Double).contiguous().view(-1);
    Vec::<f64>::try_from(&flat).expect("invariant: a flat tensor of doubles")
}

fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size(), "{what}: shape");
    for (index, (a, b)) in values(found).into_iter().zip(values(expected)).enumerate() {
        assert!(
            a.to_bits() == b.to_bits() || (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{what}: element {index}: found {a}, expected {b}",
        );
    }
}

/// A sample has shape `sample_shape + batch_shape + event_shape`, `log_prob` drops the event, two
/// draws from one node of noise agree, samples carry no gradient and wrong shapes panic.
///
/// # Panics
/// If the law does not hold.
pub fn check_shapes<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let (name, law) = (case.name, case.law());
    let noise = Noise::portable(seed.clone());
    let (batch, event) = (law.batch_shape(), law.event_shape());
    assert_eq!(
        batch,
        case.parameters[0].size()[..1],
        "{name}: one leading batch axis"
    );
    for sample_shape in [&[][..], &[4], &[2, 3]] {
        let sample = law.sample(&noise, sample_shape);
        let expected = [sample_shape, &batch, &event].concat();
        assert_eq!(sample.size(), expected, "{name}: shape of a sample");
        assert!(
            !sample.requires_grad(),
            "{name}: a sample carries a gradient"
        );
        let again = law.sample(&noise, sample_shape);
        assert!(
            sample.equal(&again),
            "{name}: the same noise gives another sample"
        );
        let expected = [sample_shape, &batch].concat();
        assert_eq!(
            law.log_prob(&sample).size(),
            expected,
            "{name}: shape of log_prob"
        );
        if let Some(view) = case.reparameterize {
            let reparameterized = view(&law).rsample(&noise, sample_shape);
            assert!(
                reparameterized.equal(&sample),
                "{name}: sample and rsample differ"
            );
            let (_, log_prob) = view(&law).rsample_and_log_prob(&noise, sample_shape);
            let direct = law.log_prob(&sample);
            assert_close(
                &format!("{name}: rsample_and_log_prob"),
                &log_prob,
                &direct,
                1e-9,
            );
        }
    }
    let tall = [&[batch[0] + 1][..], &event].concat();
    let wrong = Tensor::zeros(tall, law.options());
    let outcome = catch_unwind(AssertUnwindSafe(|| law.log_prob(&wrong)));
    assert!(
        outcome.is_err(),
        "{name}: a value of the wrong shape does not panic"
    );
}

/// `log_prob` agrees with the definition in plain arithmetic, at samples.
///
/// # Panics
/// If the law does not hold.
pub fn check_reference<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let law = case.law();
    let sample = law.sample(&Noise::portable(seed.clone()), &[8]);
    let found = values(&law.log_prob(&sample));
    let num_laws = law.batch_shape()[0];
    for (index, found) in found.into_iter().enumerate() {
        let index = i64::try_from(index).expect("invariant: a small number");
        let (s, row) = (index / num_laws, index % num_laws);
        let parameters: Vec<Vec<f64>> = case
            .parameters
            .iter()
            .map(|p| values(&p.select(0, row)))
            .collect();
        let event = values(&sample.select(0, s).select(0, row));
        let expected = (case.reference)(&parameters, &event);
        assert!(
            (found - expected).abs() <= ROUNDING * (1.0 + expected.abs()),
            "{}: log_prob at {event:?} of law {row}: found {found}, definition {expected}",
            case.name,
        );
    }
}

/// The density integrates, or the masses sum, to one.
///
/// # Panics
/// If the law does not hold.
pub fn check_normalization<D: Distribution>(case: &Case<D>) {
    let total = Measure::of(case).masses.sum_dim_intlist(0, false, None);
    let what = format!("{}: total mass", case.name);
    assert_close(&what, &total, &total.ones_like(), QUADRATURE);
}

/// The distribution function is the integral of the density, the quantile function its inverse.
///
/// # Panics
/// If the law does not hold.
pub fn check_cdf<D: Distribution>(case: &Case<D>) {
    let Some(cdf) = case.cdf else {
        return;
    };
    let (name, law) = (case.name, case.law());
    let measure = Measure::of(case);
    let below = measure.cells.cumsum(0, Kind::Double); // [cells, B]
    let ends = match &case.support {
        Support::Chart(chart) => Tensor::from_slice(&chart.edges[0][1..]),
        Support::Atoms(atoms) => atoms.shallow_clone(),
    };
    let ends = ends.unsqueeze(-1).expand_as(&below);
    assert_close(
        &format!("{name}: cdf"),
        &cdf(&law, &ends),
        &below,
        QUADRATURE,
    );
    if let Some(quantile) = case.quantile {
        let p = Tensor::from_slice(&[1e-6, 0.01, 0.3, 0.5, 0.8, 0.999]);
        let p = p.unsqueeze(-1).expand([6, below.size()[1]], false);
        let back = cdf(&law, &quantile(&law, &p));
        assert_close(&format!("{name}: cdf of quantile"), &back, &p, ROUNDING);
    }
}

/// Mean, variance and entropy agree with quadrature and, within [`STANDARD_ERRORS`], with
/// samples.
///
/// # Panics
/// If the law does not hold.
pub fn check_moments<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let (name, law) = (case.name, case.law());
    let measure = Measure::of(case);
    let points = measure.points.to_kind(Kind::Double);
    let sample = law.sample(&Noise::portable(seed.clone()), &[NUM_SAMPLES]);
    let log_prob = law.log_prob(&sample);
    let sample = sample.to_kind(Kind::Double);
    let compare = |what: &str, found: &Tensor, at_points: &Tensor, at_samples: &Tensor| {
        let what = format!("{name}: {what}");
        assert_close(&what, found, &measure.expect(at_points), 10.0 * QUADRATURE);
        let error = at_samples.std_dim(0, true, false) / (NUM_SAMPLES as f64).sqrt();
        let estimate = at_samples.mean_dim(0, false, None);
        let excess = (found - &estimate).abs() - error * STANDARD_ERRORS;
        let worst = excess.max().double_value(&[]);
        assert!(
            worst <= ROUNDING,
            "{what}: sample mean off by {STANDARD_ERRORS} errors + {worst}"
        );
    };
    if let Some(mean) = case.mean {
        compare("mean", &mean(&law), &points, &sample);
    }
    if let Some(variance) = case.variance {
        let center = measure.expect(&points);
        let (at_points, at_samples) = ((&points - &center).square(), (&sample - &center).square());
        compare("variance", &variance(&law), &at_points, &at_samples);
    }
    if let Some(entropy) = case.entropy {
        compare(
            "entropy",
            &entropy(&law),
            &-law.log_prob(&measure.points),
            &-log_prob,
        );
    }
}

/// Samples follow the density: Kolmogorov-Smirnov on the line, chi-square on atoms and in the
/// plane, each with at most [`FAILURE_RATE`].
///
/// # Panics
/// If the law does not hold.
pub fn check_samples<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let (name, law) = (case.name, case.law());
    let sample = law.sample(&Noise::portable(seed.clone()), &[NUM_FIT_SAMPLES]);
    let cells = Measure::of(case).cells;
    let numbers = cell_numbers(name, &case.support, &sample); // [S, B]
    for row in 0..law.batch_shape()[0] {
        let probabilities = values(&cells.select(1, row));
        let mut counts = vec![0.0; probabilities.len()];
        for number in values(&numbers.select(1, row)) {
            // Conversion of a float that holds a small whole number.
            counts[number as usize] += 1.0;
        }
        let on_line = matches!(&case.support, Support::Chart(chart) if chart.edges.len() == 1);
        let p_value = if on_line {
            kolmogorov_p_value(
                greatest_distance(&counts, &probabilities),
                NUM_FIT_SAMPLES as f64,
            )
        } else {
            chi_square_p_value(&counts, &probabilities)
        };
        assert!(
            p_value > FAILURE_RATE,
            "{name}: samples of law {row} do not follow the density: p = {p_value}",
        );
    }
}

/// Greatest distance of the two distribution functions at the ends of the cells; at most the
/// Kolmogorov-Smirnov statistic.
fn greatest_distance(counts: &[f64], probabilities: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    let mut gap = 0.0_f64;
    let mut greatest = 0.0_f64;
    for (count, probability) in counts.iter().zip(probabilities) {
        gap += count / total - probability;
        greatest = greatest.max(gap.abs());
    }
    greatest
}

/// The number of the cell in which each sample lies, `[S, B]`; samples beyond the last edge count
/// in the last cell.
fn cell_numbers(name: &str, support: &Support, sample: &Tensor) -> Tensor {
    match support {
        Support::Chart(chart) => {
            let coordinates = (chart.project)(sample);
            let along = |axis: usize| {
                let edges = &chart.edges[axis];
                let inner = Tensor::from_slice(&edges[1..edges.len() - 1]);
                let axis = i64::try_from(axis).expect("invariant: at most two axes");
                coordinates
                    .select(-1, axis)
                    .contiguous()
                    .bucketize(&inner, false, false)
            };
            match chart.edges.get(1) {
                None => along(0),
                Some(second) => along(0) * (second.len() as i64 - 1) + along(1),
            }
        }
        Support::Atoms(atoms) => {
            let atoms = atoms.to_kind(Kind::Double);
            let sample = sample.to_kind(Kind::Double);
            let (numbers, nearest) = if atoms.dim() == 1 {
                let borders = (atoms.narrow(0, 0, atoms.size()[0] - 1)
                    + atoms.narrow(0, 1, atoms.size()[0] - 1))
                    * 0.5;
                let numbers = sample.contiguous().bucketize(&borders, false, false);
                let nearest = atoms.take(&numbers);
                (numbers, nearest)
            } else {
                let square = (sample.unsqueeze(2) - &atoms).square(); // [S, B, N, event]
                let numbers = square.sum_dim_intlist(-1, false, None).argmin(-1, false);
                let nearest = atoms.index_select(0, &numbers.view(-1)).view_as(&sample);
                (numbers, nearest)
            };
            assert_close(
                &format!("{name}: samples are atoms"),
                &sample,
                &nearest,
                1e-9,
            );
            numbers
        }
    }
}

/// Each law of a batch behaves as it does alone, and each sample as it does alone.
///
/// # Panics
/// If the law does not hold.
pub fn check_batching<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let (name, law) = (case.name, case.law());
    let noise = Noise::portable(seed.clone());
    let sample = law.sample(&noise, &[5]);
    let log_prob = law.log_prob(&sample);
    for row in 0..law.batch_shape()[0] {
        let parameters: Vec<Tensor> = case
            .parameters
            .iter()
            .map(|p| p.narrow(0, row, 1))
            .collect();
        let alone = (case.build)(&parameters);
        let found = alone.log_prob(&sample.narrow(1, row, 1));
        let expected = log_prob.narrow(1, row, 1);
        assert_close(
            &format!("{name}: law {row} alone"),
            &found,
            &expected,
            ROUNDING,
        );
        if let Some(view) = case.reparameterize {
            let (kind, device) = law.options();
            let shape = view(&law).noise_shape(&[5]);
            let eps = view(&law).base_noise().draw(&noise, &shape, kind, device);
            let found = view(&alone).from_noise(&eps.narrow(1, row, 1));
            let expected = sample.narrow(1, row, 1);
            assert_close(
                &format!("{name}: sample {row} alone"),
                &found,
                &expected,
                ROUNDING,
            );
        }
    }
    for s in 0..5 {
        let found = law.log_prob(&sample.select(0, s));
        assert_close(
            &format!("{name}: value {s} alone"),
            &found,
            &log_prob.select(0, s),
            ROUNDING,
        );
    }
}

/// Single precision gives the double-precision log density of the same rounded numbers.
///
/// # Panics
/// If the law does not hold.
pub fn check_single_precision<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let single: Vec<Tensor> = case
        .parameters
        .iter()
        .map(|p| p.to_kind(Kind::Float))
        .collect();
    let double: Vec<Tensor> = single.iter().map(|p| p.to_kind(Kind::Double)).collect();
    let (single, double) = ((case.build)(&single), (case.build)(&double));
    assert_eq!(
        single.options().0,
        Kind::Float,
        "{}: kind of the options",
        case.name
    );
    let value = single.sample(&Noise::portable(seed.clone()), &[50]);
    let found = single.log_prob(&value);
    assert_eq!(found.kind(), Kind::Float, "{}: kind of log_prob", case.name);
    let value = if value.is_floating_point() {
        value.to_kind(Kind::Double)
    } else {
        value
    };
    let expected = double.log_prob(&value).to_kind(Kind::Float);
    assert_close(
        &format!("{}: single precision", case.name),
        &found,
        &expected,
        SINGLE,
    );
}
