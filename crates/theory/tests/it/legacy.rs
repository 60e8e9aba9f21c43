//! The printed algorithms: their exact expectations, their bias, and that they stop.

use crate::common::normals;
use vaegis_core::seed::SeedTree;
use vaegis_theory::TheoryError;
use vaegis_theory::legacy::{
    LegacyStop, MarginOptions, MinimalRadiusOptions, Source, margin, minimal_radius,
};
use vaegis_theory::special::{binomial_sf, chi2_cdf, chi2_quantile, normal_cdf};
use vaegis_theory::stats::{mean, standard_deviation};

/// Standard errors that a simulated mean may be off by.
const STANDARD_ERRORS: f64 = 3.0;
/// Increments within which the loops have certainly stopped.
const MAX_STEPS: usize = 2000;

/// P(at least half of n are inside) when each is with probability p.
fn passes(n: u64, p: f64) -> f64 {
    binomial_sf(n.div_ceil(2) - 1, n, p)
}

/// Exact expectation of what Algorithm E.1 returns for ‖N(0, I₅)‖ at m = ½.
fn expected_minimal_radius(step: f64, n: u64) -> f64 {
    let (mut alive, mut total) = (1.0, 0.0);
    for k in 1..=MAX_STEPS {
        let r = k as f64 * step;
        let stop = passes(n, chi2_cdf(r * r, 5.0));
        total += alive * stop * r;
        alive *= 1.0 - stop;
    }
    assert!(alive < 1e-12);
    total
}

/// P(|R + η/2| ≤ 1), the model of the margin tests; the true margin is 1.0000.
fn share_at(radius: f64) -> f64 {
    normal_cdf(2.0 * (1.0 - radius)) - normal_cdf(2.0 * (-1.0 - radius))
}

/// Exact expectation of what Algorithm E.2 returns, with `restarts` tests per pass.
fn expected_margin(step: f64, n: u64, restarts: usize) -> f64 {
    let (mut alive, mut total, mut radius) = (1.0, 0.0, 10.0);
    for _ in 0..MAX_STEPS {
        let last = radius - step * (restarts - 1) as f64;
        radius = last - step;
        let stop = passes(n, share_at(last));
        total += alive * stop * radius;
        alive *= 1.0 - stop;
        if alive < 1e-15 {
            break;
        }
    }
    total
}

fn simulate(num_runs: u64, seed: &SeedTree, run: impl Fn(&SeedTree) -> f64) -> (f64, f64) {
    let values: Vec<f64> = (0..num_runs).map(|i| run(&seed.index(i))).collect();
    let error = standard_deviation(&values).expect("several") / (num_runs as f64).sqrt();
    (mean(&values).expect("several"), error)
}

#[test]
fn algorithm_e1_has_the_bias_of_its_grid_and_of_first_passage() {
    let truth = chi2_quantile(0.5, 5.0).sqrt();
    assert!((truth - 2.0860).abs() < 5e-5);
    // Independent simulations gave these means. How many runs they average is not recorded; a run
    // has a standard deviation of about half a step or more, so two units of the second decimal
    // are their error, not that of the exact expectations here.
    for (step, n, quoted, digit) in [
        (0.1, 40, 2.07, 0.02),
        (0.1, 100, 2.12, 0.02),
        (0.1, 1000, 2.11, 0.02),
        (0.01, 40, 1.889, 0.006),
        (0.01, 100, 1.987, 0.006),
        (0.01, 1000, 2.072, 0.006),
    ] {
        let expected = expected_minimal_radius(step, n);
        assert!(
            (expected - quoted).abs() < digit,
            "step {step}, {n}: {expected} for {quoted}"
        );
    }
    for n in [40, 100, 1000] {
        let coarse = expected_minimal_radius(0.5, n);
        assert!((2.33..=2.50001).contains(&coarse), "N = {n}: {coarse}");
        assert!(coarse > truth + 0.2, "the grid biases upwards");
        assert!(
            expected_minimal_radius(0.01, n) < truth - 0.01,
            "first passage biases down"
        );
    }
    let seed = SeedTree::new(19);
    for source in [Source::Thesis, Source::Paper] {
        let options = MinimalRadiusOptions {
            source,
            num_samples: 40,
            ..Default::default()
        };
        let (value, error) = simulate(400, &seed, |node| {
            let mut pass = 0;
            let found = minimal_radius::<TheoryError>(&options, |count| {
                pass += 1;
                let draws = normals(&node.index(pass), 5 * count);
                Ok(draws
                    .chunks(5)
                    .map(|z| z.iter().map(|z| z * z).sum::<f64>().sqrt())
                    .collect())
            })
            .expect("valid");
            assert_eq!(found.stop, LegacyStop::Condition);
            assert!(found.share >= 0.5);
            found.radius
        });
        let expected = expected_minimal_radius(0.1, 40);
        assert!(
            (value - expected).abs() < STANDARD_ERRORS * error,
            "{value} for {expected}"
        );
    }
}

#[test]
fn algorithm_e2_returns_less_than_it_tested() {
    for (step, quoted, digit) in [(0.5, 0.28, 0.02), (0.1, 0.885, 0.02), (0.01, 1.118, 0.006)] {
        let expected = expected_margin(step, 40, 1);
        assert!(
            (expected - quoted).abs() < digit,
            "paper, step {step}: {expected} for {quoted}"
        );
    }
    for (step, quoted, digit) in [(0.5, 0.0, 0.02), (0.1, 0.61, 0.02), (0.01, 1.02, 0.01)] {
        let expected = expected_margin(step, 40, 5);
        assert!(
            (expected - quoted).abs() < digit,
            "thesis, step {step}: {expected} for {quoted}"
        );
    }
    let seed = SeedTree::new(20);
    for (source, restarts) in [(Source::Paper, 1), (Source::Thesis, 5)] {
        let options = MarginOptions {
            source,
            r: 1.0,
            ..Default::default()
        };
        let (value, error) = simulate(400, &seed, |node| {
            let mut test = 0;
            let found = margin::<TheoryError>(&options, |draw| {
                test += 1;
                let noise = normals(&node.index(test), draw.num_samples);
                Ok(noise
                    .iter()
                    .map(|eta| (draw.radius + 0.5 * eta).abs())
                    .collect())
            })
            .expect("valid");
            assert_eq!(found.stop, LegacyStop::Condition);
            found.radius
        });
        let expected = expected_margin(0.1, 40, restarts);
        assert!(
            (value - expected).abs() < STANDARD_ERRORS * error,
            "{value} for {expected}"
        );
    }
}

#[test]
fn both_stop_on_models_that_are_never_robust() {
    let far = |n: usize| Ok::<_, TheoryError>(vec![1e9; n]);
    let options = MinimalRadiusOptions {
        max_iterations: 50,
        ..Default::default()
    };
    let found = minimal_radius(&options, far).expect("valid");
    assert_eq!(
        (found.stop, found.num_iterations),
        (LegacyStop::MaxIterations, 50)
    );
    let options = MarginOptions {
        max_iterations: 500,
        ..Default::default()
    };
    let found = margin(&options, |draw| far(draw.num_samples)).expect("valid");
    assert_eq!(found.stop, LegacyStop::MaxIterations);
    assert!(
        found.radius < -200.0,
        "the printed loop runs towards minus infinity"
    );
    let options = MarginOptions {
        stop_at_zero: true,
        ..options
    };
    let found = margin(&options, |draw| far(draw.num_samples)).expect("valid");
    assert_eq!(found.stop, LegacyStop::NonPositiveRadius);
    let wrong = MarginOptions {
        num_restarts: 0,
        ..options
    };
    assert!(margin(&wrong, |draw| far(draw.num_samples)).is_err());
    assert!(minimal_radius(&MinimalRadiusOptions::default(), |n| far(n + 1)).is_err());
}

#[test]
fn sources_differ_at_an_atom_on_the_boundary() {
    // All mass at distance 0.1 exactly: the paper's ≤ stops one step before the thesis' <.
    let options = MinimalRadiusOptions {
        step: 0.1,
        num_samples: 10,
        ..Default::default()
    };
    let atom = |n: usize| Ok::<_, TheoryError>(vec![0.1; n]);
    let thesis = minimal_radius(&options, atom).expect("valid");
    let options = MinimalRadiusOptions {
        source: Source::Paper,
        m: 0.9,
        ..options
    };
    let paper = minimal_radius(&options, atom).expect("valid");
    assert_eq!((paper.num_iterations, thesis.num_iterations), (1, 2));
}
