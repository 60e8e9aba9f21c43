//! Likelihoods against direct formulas on fixed inputs, and at extreme logits.

use vaegis_nn::{Likelihood, LikelihoodKind};
use vaegis_tensor::{Device, Kind, Tensor};

/// What the specification asks for; the formulas agree much further.
const TOLERANCE: f64 = 1e-6;

const X: [f64; 6] = [0.0, 0.1, 0.35, 0.5, 0.9, 1.0];
const LOGITS: [f64; 6] = [-3.0, -0.7, 1e-9, 0.4, 2.5, 6.0];

fn likelihood(kind: LikelihoodKind, parameter: &[f64]) -> Likelihood {
    Likelihood {
        kind,
        parameter: image(parameter),
    }
}

fn image(pixels: &[f64]) -> Tensor {
    Tensor::from_slice(pixels).reshape([1, 1, 2, -1])
}

fn assert_log_prob(kind: LikelihoodKind, expected: f64) {
    let found = likelihood(kind, &LOGITS)
        .log_prob(&image(&X))
        .double_value(&[0]);
    assert!(
        (found - expected).abs() < TOLERANCE,
        "{kind:?}: {found} against {expected}"
    );
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Σ x log λ + (1 − x) log(1 − λ).
fn cross_entropy() -> f64 {
    let terms = X.iter().zip(LOGITS).map(|(x, logit)| {
        let probability = sigmoid(logit);
        x * probability.ln() + (1.0 - x) * (1.0 - probability).ln()
    });
    terms.sum()
}

/// The textbook normalizer, with its limit 2 at λ = ½.
fn normalizer(probability: f64) -> f64 {
    let distance = 1.0 - 2.0 * probability;
    if distance.abs() < 1e-6 {
        2.0
    } else {
        2.0 * distance.atanh() / distance
    }
}

#[test]
fn bernoulli_matches_the_direct_formula() {
    assert_log_prob(LikelihoodKind::Bernoulli, cross_entropy());
}

#[test]
fn continuous_bernoulli_matches_the_direct_formula() {
    let norm: f64 = LOGITS
        .iter()
        .map(|&logit| normalizer(sigmoid(logit)).ln())
        .sum();
    assert_log_prob(LikelihoodKind::ContinuousBernoulli, cross_entropy() + norm);
}

#[test]
fn continuous_bernoulli_integrates_to_one_and_has_its_mean() {
    // Midpoint rule; its error is the square of the step times the curvature.
    let steps = 4000_i64;
    let x = (Tensor::arange(steps, (Kind::Double, Device::Cpu)) + 0.5) / steps as f64;
    let x = x.reshape([-1, 1, 1, 1]);
    for logit in [-5.0, -0.3, 0.0, 0.015, 1.0, 8.0] {
        let kind = LikelihoodKind::ContinuousBernoulli;
        let law = Likelihood {
            kind,
            parameter: x.full_like(logit),
        };
        let density = law.log_prob(&x).exp();
        let total = density.mean(None).double_value(&[]);
        assert!(
            (total - 1.0).abs() < TOLERANCE * 10.0,
            "logit {logit}: {total}"
        );
        let mean = (density * x.flatten(0, -1)).mean(None).double_value(&[]);
        let found = law.mean().double_value(&[0, 0, 0, 0]);
        assert!(
            (found - mean).abs() < TOLERANCE * 10.0,
            "logit {logit}: {found} against {mean}"
        );
    }
}

#[test]
fn gaussian_matches_the_direct_formula() {
    let sigma: f64 = 0.1;
    let terms = X.iter().zip(LOGITS).map(|(x, mean)| {
        let constant = 0.5 * (2.0 * std::f64::consts::PI * sigma * sigma).ln();
        -(x - mean).powi(2) / (2.0 * sigma * sigma) - constant
    });
    assert_log_prob(LikelihoodKind::Gaussian { sigma }, terms.sum());
}

#[test]
fn extreme_logits_stay_finite_with_finite_slopes() {
    for kind in [
        LikelihoodKind::Bernoulli,
        LikelihoodKind::ContinuousBernoulli,
    ] {
        for logit in [-80.0, -1e-30, 0.0, 80.0] {
            let parameter = image(&[logit; 4]).set_requires_grad(true);
            let x = image(&[0.0, 0.3, 0.7, 1.0]);
            let value = Likelihood {
                kind,
                parameter: parameter.shallow_clone(),
            }
            .log_prob(&x);
            let slope =
                Tensor::run_backward(&[value.sum(None)], &[&parameter], false, false).remove(0);
            assert!(value.double_value(&[0]).is_finite(), "{kind:?} at {logit}");
            assert!(
                slope.isfinite().all().int64_value(&[]) == 1,
                "{kind:?} at {logit}"
            );
        }
    }
    // log p(x | ±80) = −80 times what is on the wrong side.
    let value =
        likelihood(LikelihoodKind::Bernoulli, &[80.0, -80.0]).log_prob(&image(&[0.25, 0.5]));
    assert!((value.double_value(&[0]) + 80.0 * 0.75 + 80.0 * 0.5).abs() < TOLERANCE);
}
