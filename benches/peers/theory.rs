//! Distribution functions of weighted chi-squares against SciPy's quadrature, and the codebooks of
//! figure B.5 against vectorized NumPy.

use crate::Setting;
use crate::python::{Python, numbers};
use crate::record::{Part, Ratio};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::time::Instant;
use vaegis_benches::fixtures;
use vaegis_benches::summary::Summary;
use vaegis_theory::TheoryError;
use vaegis_theory::chi_square_mixture::{Probability, cdf, imhof};
use vaegis_theory::sphere::{Method, SphereOptions, simulate_entropy};

/// Ratio of one weight to the next; each occurs twice, so that a closed form tells the truth.
const DECAY: f64 = 0.7;
const NUM_WEIGHTS: usize = 20;
/// Absolute error that both sides must keep.
const ACCURACY: f64 = 1e-8;
/// Goal of the codebooks.
const TARGET_CODEBOOKS: f64 = 5.0;
/// Distance of the network output from the center.
const DISTANCE: f64 = 10.0;
/// Difference of two means over 20 000 codebooks: four standard errors of 0.0003 each, and more.
const SAME_MEAN: f64 = 3e-3;
/// Evaluations of ours in one measurement, as passes over all points.
const PASSES: usize = 50;

type Cdf = fn(f64, &[f64], &[f64]) -> Result<Probability, TheoryError>;

fn weights() -> Vec<f64> {
    (0..NUM_WEIGHTS)
        .map(|i| DECAY.powi((i / 2) as i32))
        .collect()
}

/// Points from the far lower to the far upper tail.
fn points() -> Vec<f64> {
    (0..16).map(|i| 0.5 * 1.3_f64.powi(i)).collect()
}

/// Weights in pairs make a sum of exponential variables, whose distribution is elementary.
fn truth(x: f64) -> f64 {
    let means: Vec<f64> = weights().iter().step_by(2).map(|l| 2.0 * l).collect();
    let tail: f64 = means
        .iter()
        .enumerate()
        .map(|(j, a)| {
            let others = means.iter().enumerate().filter(|(k, _)| *k != j);
            let weight: f64 = others.map(|(_, b)| a / (a - b)).product();
            weight * (-x / a).exp()
        })
        .sum();
    1.0 - tail
}

/// Largest error over the points.
fn largest_error(values: &[f64]) -> f64 {
    let pairs = values.iter().zip(points());
    pairs
        .map(|(value, x)| (value - truth(x)).abs())
        .fold(0.0, f64::max)
}

/// Seconds of one evaluation, and the values.
fn evaluate(function: Cdf, passes: usize) -> Result<(f64, Vec<f64>)> {
    let (weights, points) = (weights(), points());
    let mut values = Vec::new();
    let start = Instant::now();
    for _ in 0..passes {
        values.clear();
        for &x in &points {
            values.push(function(std::hint::black_box(x), &weights, &[])?.value);
        }
    }
    let seconds = start.elapsed().as_secs_f64() / (passes * points.len()) as f64;
    Ok((seconds, values))
}

fn options(method: Method) -> SphereOptions {
    SphereOptions {
        method,
        ..SphereOptions::default()
    }
}

/// Seconds and mean entropy of one distance of the figure.
fn simulate(method: Method, pool: &rayon::ThreadPool) -> Result<(f64, f64)> {
    let options = options(method);
    let start = Instant::now();
    let found = pool.install(|| simulate_entropy(&options, DISTANCE, &fixtures::seed()))?;
    Ok((start.elapsed().as_secs_f64(), found.mean))
}

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let mut python = Python::start(setting, "theory.py")?;
    let size = SphereOptions::default();
    let reply = python.ask(&json!({
        "op": "load", "lambdas": weights(), "points": points(),
        "num_codes": size.num_codes, "dim": size.dim, "radius": size.radius,
        "num_codebooks": size.num_codebooks, "distance": DISTANCE,
    }))?;
    let their_error = largest_error(&numbers(&reply, "probabilities")?);
    let their_means = numbers(&reply, "means")?;

    let methods = [
        ("projections", Method::Projection),
        ("codebooks", Method::Codebook),
    ];
    let functions: [(&str, Cdf, usize); 2] = [
        ("contour rule", cdf, PASSES),
        ("Imhof's integral", imhof, 1),
    ];
    let pool = fixtures::pool(setting.threads);
    let mut errors = Vec::new();
    for (name, function, _) in functions {
        let error = largest_error(&evaluate(function, 1)?.1);
        ensure!(error < ACCURACY, "{name} is off by {error:.1e}");
        errors.push(error);
    }
    for ((name, method), theirs) in methods.iter().zip(&their_means) {
        let mean = simulate(*method, &pool)?.1;
        let gap = (mean - theirs).abs();
        ensure!(
            gap < SAME_MEAN,
            "{name}: the two sides' mean entropies are {mean} and {theirs}"
        );
    }

    let mut cdf_seconds = vec![(Vec::new(), Vec::new()); functions.len()];
    let mut book_seconds = vec![(Vec::new(), Vec::new()); methods.len()];
    for _ in 0..if setting.quick { 3 } else { 9 } {
        for ((_, function, passes), (mine, theirs)) in functions.iter().zip(&mut cdf_seconds) {
            mine.push(evaluate(*function, *passes)?.0);
            let reply = python.ask(&json!({"op": "imhof"}))?;
            let seconds = Summary::of(&numbers(&reply, "seconds")?).median;
            theirs.push(seconds / points().len() as f64);
        }
        for ((name, method), (mine, theirs)) in methods.iter().zip(&mut book_seconds) {
            mine.push(simulate(*method, &pool)?.0);
            let reply = python.ask(&json!({"op": "simulate", "method": name}))?;
            theirs.push(Summary::of(&numbers(&reply, "seconds")?).median);
        }
    }
    let mut ratios = Vec::new();
    for ((name, ..), (mine, theirs)) in functions.iter().zip(&cdf_seconds) {
        let what = format!("CDF of {NUM_WEIGHTS} weighted chi-squares, {name}");
        ratios.push(Ratio::new(what, "scipy.integrate.quad", mine, theirs, None));
    }
    let contour = ratios.first().context("the first ratio")?;
    let rates = [1.0 / contour.ours.median, 1.0 / contour.theirs.median];
    for ((name, _), (mine, theirs)) in methods.iter().zip(&book_seconds) {
        let what = format!("Figure B.5, one distance, by {name}");
        let peer = "NumPy, chunks on all threads";
        ratios.push(Ratio::new(what, peer, mine, theirs, Some(TARGET_CODEBOOKS)));
    }
    let shortcut = Ratio::new(
        "Figure B.5, ours by projections, theirs by codebooks",
        "NumPy, chunks on all threads",
        &book_seconds[0].0,
        &book_seconds[1].1,
        Some(TARGET_CODEBOOKS),
    );
    ratios.push(shortcut);
    let notes = vec![
        format!(
            "Distribution functions per second on one thread: {:.0} by the contour rule, {:.0} by \
             SciPy.",
            rates[0], rates[1]
        ),
        format!(
            "Largest error against the closed form of weights in pairs, over {} points: {:.1e} by \
             the contour rule, {:.1e} by our Imhof integral, {their_error:.1e} by SciPy with \
             epsabs {ACCURACY:.0e}.",
            points().len(),
            errors[0],
            errors[1]
        ),
        format!(
            "Mean entropy at d = {DISTANCE}: {:.4} and {:.4} nats on the other side.",
            their_means[0], their_means[1]
        ),
    ];
    Ok(Part {
        name: "theory",
        what: format!(
            "The distribution function of a weighted sum of {NUM_WEIGHTS} chi-squares at \
             {ACCURACY:.0e}, and the entropy of {} random codebooks of {} × {} on the sphere.",
            size.num_codebooks, size.num_codes, size.dim
        ),
        ratios,
        notes,
        tables: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closed_form_is_a_distribution_function_that_ours_meets() {
        let weights = weights();
        let mut last = 0.0;
        for x in points() {
            let want = truth(x);
            assert!(want > last && want < 1.0, "{want} at {x}");
            let got = cdf(x, &weights, &[]).expect("valid").value;
            assert!((got - want).abs() < 1e-10, "{got} for {want} at {x}");
            last = want;
        }
    }
}
