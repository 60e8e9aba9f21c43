//! The closed forms of the linear-Gaussian model against Monte Carlo, against
//! each other, and against descent on the network itself.

use approx::assert_relative_eq;
use vaegis_core::seed::SeedTree;
use vaegis_dist::{KlTo, W2To};
use vaegis_nn::laws::check_latent_model;
use vaegis_nn::toy::{LatentDistance, LinearGaussian, LinearGaussianSpec, Penalty};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::{Device, Kind, Noise, Tensor, no_grad};

/// Rounding of a dozen f64 operations on numbers of order one to a hundred.
const ROUNDING: f64 = 1e-10;
/// Accuracy that the specification asks of attack optima.
const OPTIMUM: f64 = 1e-5;

fn seed(label: &str) -> SeedTree {
    SeedTree::new(7).child(label)
}

fn inputs(label: &str, batch: i64, size: i64) -> Tensor {
    let noise = Noise::portable(seed(label));
    noise.standard_normal(&[batch, 1, 1, size], Kind::Double, Device::Cpu)
}

fn pixels(x: &Tensor) -> Vec<f64> {
    Vec::try_from(x.flatten(0, -1)).expect("f64")
}

#[test]
fn satisfies_the_laws_in_both_precisions() {
    for kind in [Kind::Double, Kind::Float] {
        let x = inputs("laws", 5, 6).to_kind(kind);
        check_latent_model(
            |number| {
                let spec = LinearGaussianSpec::random(6, 3, &seed("model").index(number));
                Box::new(LinearGaussian::new(kind, &spec))
            },
            &x,
        );
    }
}

#[test]
fn elbo_is_the_log_evidence_less_the_divergence_from_the_exact_posterior() {
    let model = LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::random(5, 3, &seed("gap")),
    );
    let x = inputs("x", 4, 5);
    let (elbo, evidence) = (model.elbo(&x), model.log_evidence(&x));
    let gap = &evidence - &elbo;
    assert!(
        gap.min().double_value(&[]) > 0.0,
        "the ELBO is a lower bound"
    );
    // KL of N(μ, diag σ²) from N(m, C) for full C.
    let (mean, covariance) = model.exact_posterior(&x);
    let layer = model
        .posterior(&x, LatentPath::Mean, Mode::Eval)
        .layers
        .remove(0);
    let precision = covariance.inverse();
    let shift = mean - layer.mean();
    let trace =
        (layer.scale().square() * precision.diagonal(0, 0, 1)).sum_dim_intlist(1, false, None);
    let square = (shift.matmul(&precision) * &shift).sum_dim_intlist(1, false, None);
    let (_, log_det) = covariance.slogdet();
    let own_log_det = layer.log_scale().sum_dim_intlist(1, false, None) * 2.0;
    let kl = (trace + square - 3.0 + log_det - own_log_det) * 0.5;
    for row in 0..4 {
        let (gap, kl) = (gap.double_value(&[row]), kl.double_value(&[row]));
        assert_relative_eq!(gap, kl, max_relative = ROUNDING, epsilon = ROUNDING);
    }
}

#[test]
fn elbo_equals_the_log_evidence_at_the_exact_posterior() {
    let model = LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::exact(6, 3, &seed("exact")),
    );
    let x = inputs("x", 8, 6);
    let gap = (model.log_evidence(&x) - model.elbo(&x))
        .abs()
        .max()
        .double_value(&[]);
    assert!(gap < ROUNDING, "{gap:e}");
    let (mean, _) = model.exact_posterior(&x);
    let posterior = model.posterior(&x, LatentPath::Mean, Mode::Eval);
    let error = (mean - &posterior.z[0]).abs().max().double_value(&[]);
    assert!(error < ROUNDING, "{error:e}");
}

#[test]
fn monte_carlo_elbo_is_within_three_standard_errors_of_the_closed_form() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(5, 3, &seed("mc")));
    let x = inputs("x", 1, 5);
    let num_samples = 200_000;
    let (mean, error) = no_grad(|| {
        let noise = Noise::portable(seed("eps"));
        let eps = noise.standard_normal(&[num_samples, 3], Kind::Double, Device::Cpu);
        let rows = x.expand([num_samples, 1, 1, 5], true);
        let posterior = model.posterior(&rows, LatentPath::Noise(&[eps]), Mode::Eval);
        let log_prob = model.decode(&posterior.z, Mode::Eval).log_prob(&rows);
        let elbo = log_prob - &model.kl_terms(&posterior, Mode::Eval)[0];
        let deviation = elbo.std(true).double_value(&[]);
        (
            elbo.mean(None).double_value(&[]),
            deviation / (num_samples as f64).sqrt(),
        )
    });
    let exact = model.elbo(&x).double_value(&[0]);
    assert!(
        (mean - exact).abs() < 3.0 * error,
        "{mean} ± {error} against {exact}"
    );
}

#[test]
fn optimum_of_the_linear_beta_vae_is_stationary_and_has_the_tabulated_numbers() {
    // r-robustness, section 2.8: λ = (6, 3, 1.5, 0.8), four latents.
    let spectrum = [6.0, 3.0, 1.5, 0.8];
    let table = [
        (0.1, 1.4839, 0.1291),
        (1.0, 0.7638, 0.4082),
        (5.0, 0.1667, 0.9129),
    ];
    for (beta, jacobian, sigma_min) in table {
        let spec = LinearGaussianSpec::optimal(&spectrum, 4, beta, 1.0, &seed("spectrum"));
        let norm = spec
            .encoder_weight
            .square()
            .sum(None)
            .sqrt()
            .double_value(&[]);
        assert!((norm - jacobian).abs() < 5e-5, "β {beta}: {norm}");
        let sigma = spec.log_sigma.min().exp().double_value(&[]);
        assert!((sigma - sigma_min).abs() < 5e-5, "β {beta}: {sigma}");
    }
    // At β = 1 the exact posterior of the optimal decoder is the optimal encoder.
    let spec = LinearGaussianSpec::optimal(&spectrum, 4, 1.0, 1.0, &seed("spectrum"));
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = inputs("x", 3, 4);
    let gap = (model.log_evidence(&x) - model.elbo(&x))
        .abs()
        .max()
        .double_value(&[]);
    assert!(gap < ROUNDING, "{gap:e}");
}

#[test]
fn scalar_attack_has_the_published_optima() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::scalar(2.0, 0.5));
    // A target whose latent mean is one away.
    let attack =
        |penalty, lambda| model.latent_attack(&[0.2], &[0.7], LatentDistance::Kl, penalty, lambda);
    let squared = attack(Penalty::L2Squared, 1.0);
    assert_relative_eq!(squared.distortion[0], 4.0 / 9.0, max_relative = ROUNDING);
    assert_relative_eq!(squared.objective, 2.0 / 9.0, max_relative = ROUNDING);
    let plain = attack(Penalty::L2, 1.0);
    assert_relative_eq!(plain.distortion[0], 0.4375, max_relative = ROUNDING);
    assert_relative_eq!(plain.objective, 0.46875, max_relative = ROUNDING);
    for lambda in [8.0, 20.0] {
        assert_eq!(attack(Penalty::L2, lambda).norm, 0.0, "λ {lambda}");
    }
    assert!(attack(Penalty::L2, 7.99).norm > 0.0);
}

#[test]
fn kl_attack_solves_the_normal_and_the_secular_equation() {
    let spec = LinearGaussianSpec::random(6, 3, &seed("attack"));
    let model = LinearGaussian::new(Kind::Double, &spec);
    let (x, target) = (
        inputs("x", 1, 6).flatten(0, -1),
        inputs("target", 1, 6).flatten(0, -1),
    );
    let weights = (&spec.log_sigma * -2.0).exp().unsqueeze(1);
    let metric = spec
        .encoder_weight
        .transpose(0, 1)
        .matmul(&(&spec.encoder_weight * weights));
    let pull = metric.mv(&(&target - &x));
    let identity = Tensor::eye(6, (Kind::Double, Device::Cpu));
    let solve = |penalty, lambda| {
        model.latent_attack(
            &pixels(&x),
            &pixels(&target),
            LatentDistance::Kl,
            penalty,
            lambda,
        )
    };
    for lambda in [1e-4, 0.1, 3.0] {
        let found = Tensor::from_slice(&solve(Penalty::L2Squared, lambda).distortion);
        let direct = (&metric + &identity * (2.0 * lambda)).inverse().mv(&pull);
        let error = (found - direct).abs().max().double_value(&[]);
        assert!(error < OPTIMUM * 1e-3, "λ {lambda}: {error:e}");

        let plain = solve(Penalty::L2, lambda);
        assert!(plain.norm > 0.0, "λ {lambda} is below the threshold");
        let shifted = &metric + &identity * (lambda / plain.norm);
        let residual = shifted.mv(&Tensor::from_slice(&plain.distortion)) - &pull;
        let error = residual.abs().max().double_value(&[]);
        assert!(error < OPTIMUM * 1e-3, "λ {lambda}: {error:e}");
    }
    let threshold = pull.square().sum(None).sqrt().double_value(&[]);
    assert_eq!(solve(Penalty::L2, threshold * 1.000_001).norm, 0.0);
    assert!(solve(Penalty::L2, threshold * 0.999_999).norm > 0.0);
}

/// The attack's objective on the network, as an attack would compute it.
fn objective(
    model: &LinearGaussian,
    x: &Tensor,
    target: &Tensor,
    d: &Tensor,
    kind: (LatentDistance, Penalty),
    lambda: f64,
) -> Tensor {
    let encode = |x: &Tensor| {
        model
            .posterior(x, LatentPath::Mean, Mode::Eval)
            .layers
            .remove(0)
    };
    let (a, b) = (encode(&(x + d)), encode(target));
    let distance = match kind.0 {
        LatentDistance::Kl => a.kl_to(&b),
        LatentDistance::W2Squared => a.w2_squared_to(&b),
        LatentDistance::W2 => a.w2_squared_to(&b).sqrt(),
    };
    let square = d.square().sum(None);
    let penalty = match kind.1 {
        Penalty::L2 => square.sqrt(),
        Penalty::L2Squared => square,
    };
    distance.sum(None) + penalty * lambda
}

#[test]
fn attack_optima_are_global_on_the_network_and_monotone_in_lambda() {
    // More latents than pixels and fewer: full and deficient rank of the metric.
    for (num_inputs, num_latents) in [(5, 2), (3, 5)] {
        let spec = LinearGaussianSpec::random(num_inputs, num_latents, &seed("global"));
        let model = LinearGaussian::new(Kind::Double, &spec);
        let (x, target) = (inputs("x", 1, num_inputs), inputs("target", 1, num_inputs));
        let noise = Noise::portable(seed("probe"));
        for distance in [
            LatentDistance::Kl,
            LatentDistance::W2,
            LatentDistance::W2Squared,
        ] {
            for penalty in [Penalty::L2, Penalty::L2Squared] {
                let mut last = (f64::INFINITY, 0.0, 0.0);
                for k in -12..12 {
                    let lambda = 2f64.powi(k);
                    let best = model.latent_attack(
                        &pixels(&x),
                        &pixels(&target),
                        distance,
                        penalty,
                        lambda,
                    );
                    let case = format!("{distance:?} {penalty:?} λ {lambda}");
                    let d = model.image(&best.distortion);
                    let value =
                        |d: &Tensor| objective(&model, &x, &target, d, (distance, penalty), lambda);
                    let at_best = value(&d).double_value(&[]);
                    assert_relative_eq!(
                        at_best,
                        best.objective,
                        max_relative = 1e-7,
                        epsilon = 1e-7
                    );
                    // The problem is convex: no better neighbor, no better point anywhere.
                    for probe in 0..20 {
                        let step = noise.index(probe).standard_normal(
                            &d.size(),
                            Kind::Double,
                            Device::Cpu,
                        );
                        let step = step * 10f64.powi(-(probe as i32 % 5));
                        let other = no_grad(|| value(&(&d + step)).double_value(&[]));
                        assert!(
                            other >= at_best - ROUNDING,
                            "{case}: {other} below {at_best}"
                        );
                    }
                    assert!(
                        best.norm <= last.0 + ROUNDING,
                        "{case}: norm {} grew",
                        best.norm
                    );
                    assert!(best.distance >= last.1 - ROUNDING, "{case}: distance fell");
                    assert!(
                        best.objective >= last.2 - ROUNDING,
                        "{case}: objective fell"
                    );
                    last = (best.norm, best.distance, best.objective);
                }
            }
        }
    }
}

#[test]
fn attack_on_the_target_itself_does_nothing() {
    let model = LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::random(4, 2, &seed("same")),
    );
    for distance in [LatentDistance::Kl, LatentDistance::W2] {
        let best = model.latent_attack(&[0.5; 4], &[0.5; 4], distance, Penalty::L2, 0.3);
        assert_eq!((best.norm, best.objective), (0.0, 0.0));
    }
}

#[test]
fn gradient_vanishes_at_smooth_optima() {
    let model = LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::random(5, 2, &seed("slope")),
    );
    let (x, target) = (inputs("x", 1, 5), inputs("target", 1, 5));
    // W₂ with a small λ ends in its kink at distance zero; the larger one does not.
    for (distance, penalty, lambda) in [
        (LatentDistance::Kl, Penalty::L2, 0.1),
        (LatentDistance::Kl, Penalty::L2Squared, 0.1),
        (LatentDistance::W2, Penalty::L2Squared, 3.0),
        (LatentDistance::W2Squared, Penalty::L2, 0.1),
    ] {
        let best = model.latent_attack(&pixels(&x), &pixels(&target), distance, penalty, lambda);
        assert!(
            best.distance > 1e-6 && best.norm > 1e-6,
            "{distance:?} {penalty:?}: {best:?}"
        );
        let d = model.image(&best.distortion).set_requires_grad(true);
        let value = objective(&model, &x, &target, &d, (distance, penalty), lambda);
        let slope = gradient(&value, &[&d])
            .remove(0)
            .abs()
            .max()
            .double_value(&[]);
        assert!(slope < 1e-7, "{distance:?} {penalty:?}: {slope:e}");
    }
}

#[test]
fn margin_agrees_with_simulation_at_its_edge() {
    let spec = LinearGaussianSpec::isotropic(6, 3, 1.7, 0.4, &seed("margin"));
    let model = LinearGaussian::new(Kind::Double, &spec);
    let (r, m) = (2.0, 0.6);
    let margin = model.margin(r, m).expect("isotropic");
    assert!(margin > 0.0 && margin.is_finite());
    // The worst perturbation of that length moves the mean along the steepest
    // direction; there the probability is m.
    let direction = Tensor::from_slice(&model.max_damage(1.0).direction).reshape([1, 1, 1, 6]);
    let x = inputs("x", 1, 6);
    let num_samples = 200_000_i64;
    let share = no_grad(|| {
        let noise = Noise::portable(seed("eps"));
        let eps = noise.standard_normal(&[num_samples, 3], Kind::Double, Device::Cpu);
        let moved = (&x + direction * margin).expand([num_samples, 1, 1, 6], true);
        let posterior = model.posterior(&moved, LatentPath::Noise(&[eps]), Mode::Eval);
        let output = model.decode(&posterior.z, Mode::Eval).mean() - model.reconstruct(&x);
        let inside = output
            .flatten(1, -1)
            .norm_scalaropt_dim(2, [1], false)
            .le(r);
        inside.to_kind(Kind::Double).mean(None).double_value(&[])
    });
    let error = (m * (1.0 - m) / num_samples as f64).sqrt();
    assert!((share - m).abs() < 4.0 * error, "{share} ± {error}");
}

#[test]
fn margin_in_one_dimension_is_the_root_of_the_normal_probability() {
    // μ = k x, g the identity, σ small against r: P = Φ((r − k t)/σ) to rounding,
    // so that at m = ½ the margin is r/k.
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::scalar(2.0, 0.05));
    let margin = model.margin(1.0, 0.5).expect("isotropic");
    assert_relative_eq!(margin, 0.5, max_relative = 1e-9);
    assert_eq!(
        model.margin(0.01, 0.5),
        Some(0.0),
        "the noise alone leaves the ball"
    );
    let wide = LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::random(4, 2, &seed("none")),
    );
    assert_eq!(
        wide.margin(1.0, 0.5),
        None,
        "no closed form without isotropy"
    );
}

#[test]
fn margin_falls_with_risk_and_grows_with_the_radius() {
    let spec = LinearGaussianSpec::isotropic(5, 2, 1.0, 0.5, &seed("monotone"));
    let model = LinearGaussian::new(Kind::Double, &spec);
    let margin = |r, m| model.margin(r, m).expect("isotropic");
    for k in 0..8 {
        let r = 0.8 + 0.3 * f64::from(k);
        assert!(margin(r + 0.3, 0.5) > margin(r, 0.5));
        assert!(margin(r, 0.7) <= margin(r, 0.5));
    }
}

#[test]
fn maximum_damage_beats_every_other_direction() {
    let model = LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::random(6, 3, &seed("damage")),
    );
    let x = inputs("x", 1, 6);
    let best = model.max_damage(0.8);
    let damage = |direction: &Tensor| {
        let d = direction * (0.8 / direction.square().sum(None).sqrt().double_value(&[]));
        let change = model.reconstruct(&(&x + d)) - model.reconstruct(&x);
        no_grad(|| change.square().sum(None).sqrt().double_value(&[]))
    };
    let reached = damage(&model.image(&best.direction));
    assert_relative_eq!(reached, best.damage, max_relative = ROUNDING);
    for probe in 0..50 {
        let other = inputs(&format!("direction {probe}"), 1, 6);
        assert!(damage(&other) <= best.damage + ROUNDING);
    }
}
