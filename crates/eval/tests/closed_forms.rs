//! Measurements against closed forms on the linear-Gaussian model.

use approx::assert_relative_eq;
use vaegis_attacks::Variant;
use vaegis_core::SeedTree;
use vaegis_eval::bounds::{BoundOptions, margin_bounds};
use vaegis_eval::degradation::degradation;
use vaegis_eval::elbo::{elbo, iwae, mean};
use vaegis_eval::latent::{distortion, usage};
use vaegis_eval::margin::{MarginOptions, margins};
use vaegis_eval::robust::distances;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::{Device, Kind, Noise, Tensor};
use vaegis_theory::bisection::MarginStatus;
use vaegis_theory::stats::Proportion;

fn seed() -> SeedTree {
    SeedTree::new(5)
}

fn noise(label: &str) -> Noise {
    Noise::portable(seed().child(label))
}

fn images(model: &LinearGaussian, n: i64) -> Tensor {
    noise("images").standard_normal(&[n, 1, 1, model.num_inputs()], Kind::Double, Device::Cpu)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(&tensor.flatten(0, -1)).expect("numbers")
}

/// Standard errors that a Monte-Carlo estimate may be off: 1 in 16 000 by chance, with draws that
/// never change.
const STANDARD_ERRORS: f64 = 4.0;

#[test]
fn monte_carlo_elbo_is_the_closed_form() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(5, 2, &seed()));
    let x = images(&model, 4);
    let exact = values(&model.elbo(&x));
    // Many single draws per input give the standard error as well.
    let draws: Vec<Vec<f64>> = (0..2000)
        .map(|i| {
            elbo(&model, &x, 1, &noise("elbo").index(i))
                .iter()
                .map(|r| r.elbo())
                .collect()
        })
        .collect();
    for (row, exact) in exact.iter().enumerate() {
        let column: Vec<f64> = draws.iter().map(|d| d[row]).collect();
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let error = (variance / n).sqrt();
        assert!(
            (mean - exact).abs() < STANDARD_ERRORS * error,
            "{mean} for {exact} ± {error}"
        );
    }
    let rows = elbo(&model, &x, 500, &noise("elbo"));
    let average = exact.iter().sum::<f64>() / exact.len() as f64;
    assert_relative_eq!(mean(&rows).elbo(), average, max_relative = 0.1);
}

#[test]
fn importance_weighting_rises_towards_the_evidence() {
    // Broader than the exact posterior, so that the weights are bounded and
    // thousands of samples are enough.
    let mut spec = LinearGaussianSpec::exact(5, 2, &seed());
    spec.log_sigma = &spec.log_sigma + 0.3;
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(&model, 64);
    let evidence = values(&model.log_evidence(&x));
    let total = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let bounds: Vec<f64> = [1, 10, 100, 3000]
        .iter()
        .map(|&k| total(&iwae(&model, &x, k, &noise("iwae"))))
        .collect();
    assert!(bounds.windows(2).all(|p| p[1] > p[0]), "{bounds:?}");
    assert!(bounds[0] < total(&evidence));
    assert_relative_eq!(bounds[3], total(&evidence), epsilon = 0.01);
}

/// With the exact posterior every weight equals p(x): one sample is enough.
#[test]
fn importance_weighting_is_exact_for_the_exact_posterior() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::exact(5, 2, &seed()));
    let x = images(&model, 8);
    let evidence = values(&model.log_evidence(&x));
    for k in [1, 7] {
        for (bound, exact) in iwae(&model, &x, k, &noise("iwae")).iter().zip(&evidence) {
            assert_relative_eq!(bound, exact, max_relative = 1e-9);
        }
    }
}

#[test]
fn distances_follow_the_exact_law() {
    let (gain, sigma) = (1.5, 0.4);
    let spec = LinearGaussianSpec::isotropic(6, 3, gain, sigma, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(&model, 2);
    let draw = |variant| {
        distances(&model, &x, &x, variant, 20_000, &[0, 1], &noise("eta")).expect("one layer")
    };
    let share = |d: &[f64], r: f64| Proportion::of(d, r).expect("finite").value();
    let r = 1.0;
    let exact = model.probability_within(r, 0.0).expect("isotropic");
    let allowed = STANDARD_ERRORS * (exact * (1.0 - exact) / 20_000.0).sqrt();
    for row in draw(Variant::MeanOnly) {
        assert!((share(&row, r) - exact).abs() < allowed);
    }
    // V3 against V1: σ grows by √2 (C4), so r·√2 gives the same probability.
    for row in draw(Variant::TwoSample) {
        assert!((share(&row, r * 2f64.sqrt()) - exact).abs() < allowed);
    }
}

#[test]
fn estimated_margins_bracket_the_exact_one_and_bounds_lie_below() {
    let spec = LinearGaussianSpec::isotropic(8, 3, 1.2, 0.3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(&model, 5);
    let (r, m) = (2.0, 0.5);
    let exact = model.margin(r, m).expect("isotropic");
    let options = MarginOptions {
        r,
        m,
        tolerance: 0.02,
        num_samples: 4000,
        ..Default::default()
    };
    let estimates = margins(&model, &x, &options, &noise("margin"), |_, _| ()).expect("runs");
    for estimate in &estimates {
        assert!(matches!(
            estimate.margin.status,
            MarginStatus::Bracketed { .. }
        ));
        // The bracket is 0.02 wide; 4000 draws blur its place by as much.
        assert!(
            (estimate.margin.value - exact).abs() < 0.08,
            "{} for {exact}",
            estimate.margin.value
        );
        let failing = estimate.failing.expect("some radius fails");
        assert!(failing.share.value() <= m && failing.radius >= estimate.margin.value);
    }
    let bounds = margin_bounds(
        &model,
        &x,
        &BoundOptions {
            r,
            m,
            ..Default::default()
        },
        &noise("bounds"),
    )
    .expect("runs");
    for b in &bounds {
        assert!(b.plug_in.frobenius <= b.plug_in.spectral + 1e-12);
        assert!(b.plug_in.spectral <= b.plug_in.mahalanobis + 1e-12);
        assert!(b.confident.mahalanobis <= b.plug_in.mahalanobis);
        assert!(
            b.confident.mahalanobis <= exact,
            "{} above {exact}",
            b.confident.mahalanobis
        );
        // C17: the form at p₀ = 0.9 knows the encoder alone.
        assert_relative_eq!(
            b.at_p0_90.frobenius,
            1.281_551_565_544_600_4 * b.sigma_min / b.jacobian_frobenius,
            max_relative = 1e-9
        );
    }
}

#[test]
fn hopeless_and_unbreakable_inputs_have_their_own_status() {
    let spec = LinearGaussianSpec::isotropic(6, 3, 1.0, 0.5, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(&model, 2);
    let run = |r: f64| {
        let options = MarginOptions {
            r,
            steps: 5,
            restarts: 1,
            ..Default::default()
        };
        margins(&model, &x, &options, &noise("margin"), |_, _| ()).expect("runs")
    };
    assert!(
        run(0.01)
            .iter()
            .all(|e| e.margin.status == MarginStatus::NotRobustUnperturbed)
    );
    assert!(run(0.01).iter().all(|e| e.margin.value == 0.0));
    assert!(
        run(1e4)
            .iter()
            .all(|e| e.margin.status == MarginStatus::AtCap)
    );
}

#[test]
fn latent_usage_and_distortion_are_what_they_say() {
    let spec = LinearGaussianSpec::random(5, 2, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(&model, 3000);
    let found = usage(&model, &x);
    // Var μ = A Aᵀ on the diagonal for standard normal inputs.
    let covariance = spec
        .encoder_weight
        .matmul(&spec.encoder_weight.transpose(0, 1));
    for (j, variance) in found.mean_variance.iter().enumerate() {
        let exact = covariance.double_value(&[j as i64, j as i64]);
        assert_relative_eq!(*variance, exact, max_relative = 0.15);
    }
    let sigma = values(&spec.log_sigma.exp());
    assert_relative_eq!(
        found.mean_sigma,
        sigma.iter().sum::<f64>() / 2.0,
        max_relative = 1e-9
    );
    let smallest = sigma.iter().copied().fold(f64::INFINITY, f64::min);
    assert_relative_eq!(found.mean_min_sigma, smallest, max_relative = 1e-9);
    let direct = (model_reconstruction(&model, &x) - &x).flatten(1, -1);
    let direct = values(&direct.square().sum_dim_intlist(1, false, None).sqrt());
    for (a, b) in distortion(&model, &x).iter().zip(direct) {
        assert_relative_eq!(*a, b, max_relative = 1e-12);
    }
}

fn model_reconstruction(model: &LinearGaussian, x: &Tensor) -> Tensor {
    vaegis_nn::LatentModel::reconstruct(model, x)
}

/// C16: no perturbation, no degradation.
#[test]
fn an_untouched_input_does_not_degrade() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(5, 2, &seed()));
    let x = images(&model, 4);
    for row in degradation(&model, &x, &x) {
        assert_eq!(row.signed(), 0.0);
        assert_eq!(row.printed(), 0.0);
    }
    let far = &x + 10.0;
    assert!(
        degradation(&model, &x, &far)
            .iter()
            .all(|row| row.signed() < 0.0)
    );
}
