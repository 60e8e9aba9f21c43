//! Curves, channels and noise against closed forms on the linear-Gaussian model.

use approx::assert_relative_eq;
use ndarray::Array2;
use vaegis_attacks::{Attack, AttackRows, Objective, Variant};
use vaegis_core::SeedTree;
use vaegis_eval::channel::{propagated, separate};
use vaegis_eval::curve::{
    RayOptions, acceptance_probabilities, first_crossing, random_directions, ray_probabilities,
    unit_directions,
};
use vaegis_eval::damage::NormSweep;
use vaegis_eval::degradation::degradation;
use vaegis_eval::margin::{MarginDirection, MarginOptions, margins};
use vaegis_eval::noise::noise_sensitivity;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, Tensor};
use vaegis_theory::linear::LinearModel;

/// Standard errors that a Monte-Carlo estimate may be off: 1 in 16 000 by chance, with draws that
/// never change.
const STANDARD_ERRORS: f64 = 4.0;
/// Rows in f64 in batches of two sizes, some tens of projected steps apart.
const ROUNDING: f64 = 1e-6;

fn seed() -> SeedTree {
    SeedTree::new(11)
}

fn noise(label: &str) -> Noise {
    Noise::portable(seed().child(label))
}

fn images(n: i64, num_inputs: i64) -> Tensor {
    noise("images").standard_normal(&[n, 1, 1, num_inputs], Kind::Double, Device::Cpu)
}

fn matrix(t: &Tensor) -> Array2<f64> {
    let size = t.size();
    let shape = (size[0] as usize, size[1] as usize);
    Array2::from_shape_vec(shape, to_f64_vec(t)).expect("a matrix")
}

/// The exact law of a toy model.
fn exact(spec: &LinearGaussianSpec) -> LinearModel {
    let (jacobian, decoder) = (matrix(&spec.encoder_weight), matrix(&spec.decoder_weight));
    let sigma = to_f64_vec(&spec.log_sigma.exp());
    LinearModel::new(jacobian.view(), decoder.view(), &sigma).expect("a model")
}

/// C14: the curve along a fixed direction is the exact one, norm by norm.
#[test]
fn probabilities_along_a_ray_are_exact() {
    let spec = LinearGaussianSpec::random(6, 3, &seed());
    let (model, law) = (LinearGaussian::new(Kind::Double, &spec), exact(&spec));
    let x = images(2, 6);
    let directions = random_directions(&x, &noise("directions"));
    let norms = [0.0, 1.0, 3.0];
    let options = RayOptions {
        r: 2.5,
        variant: Variant::Both,
        num_samples: 20_000,
    };
    let found = ray_probabilities(&model, &x, &directions, &norms, &options, &noise("eta"))
        .expect("measures");
    for (row, curve) in found.iter().enumerate() {
        let direction = to_f64_vec(&directions.get(row as i64));
        let norm: f64 = direction.iter().map(|v| v * v).sum();
        assert_relative_eq!(norm, 1.0, max_relative = 1e-12);
        for (p, t) in curve.iter().zip(norms) {
            let delta: Vec<f64> = direction.iter().map(|v| v * t).collect();
            let expected = law.probability(&delta, options.r).expect("a probability");
            let error = STANDARD_ERRORS * (expected * (1.0 - expected) / 20_000.0).sqrt();
            assert!(
                (p.value() - expected).abs() < error,
                "{} for {expected}",
                p.value()
            );
        }
    }
}

/// The bisection along a ray ends at the crossing that the exact law has.
#[test]
fn margins_along_a_ray_are_exact() {
    let spec = LinearGaussianSpec::random(6, 3, &seed());
    let (model, law) = (LinearGaussian::new(Kind::Double, &spec), exact(&spec));
    let x = images(3, 6);
    let directions = random_directions(&x, &noise("rays").child("direction"));
    let options = MarginOptions {
        r: 4.0,
        restarts: 1,
        direction: MarginDirection::Fixed,
        tolerance: 0.02,
        num_samples: 20_000,
        cap: 60.0,
        ..MarginOptions::default()
    };
    let found = margins(&model, &x, &options, &noise("rays"), |_, _| ()).expect("measures");
    for (row, margin) in found.iter().enumerate() {
        let direction = to_f64_vec(&directions.get(row as i64));
        let expected = law.ray_margin(&direction, 4.0, 0.5).expect("a margin");
        // 20 000 draws blur the place by about a hundredth of its size.
        assert_relative_eq!(
            margin.margin.value,
            expected,
            max_relative = 0.04,
            epsilon = 0.04
        );
    }
}

#[test]
fn crossings_are_interpolated() {
    let norms = [0.0, 1.0, 2.0];
    assert_eq!(first_crossing(&norms, &[1.0, 0.75, 0.25], 0.5), Some(1.5));
    assert_eq!(first_crossing(&norms, &[0.5, 0.9, 0.1], 0.5), Some(0.0));
    assert_eq!(first_crossing(&norms, &[1.0, 0.9, 0.8], 0.5), None);
    // The first one counts where a curve crosses more than once.
    assert_eq!(first_crossing(&norms, &[1.0, 0.0, 1.0], 0.5), Some(0.5));
}

#[test]
fn directions_need_a_length() {
    let x = images(2, 4);
    let unit = unit_directions(&(&x * 3.0), &x).expect("directions");
    let norms = unit
        .square()
        .sum_dim_intlist([1, 2, 3].as_slice(), false, None);
    for norm in to_f64_vec(&norms) {
        assert_relative_eq!(norm, 1.0, max_relative = 1e-12);
    }
    let error = unit_directions(&x.zeros_like(), &x).expect_err("no direction");
    assert!(error.to_string().contains("directions"), "{error}");
}

#[test]
fn acceptance_is_the_exact_distribution_function() {
    let spec = LinearGaussianSpec::random(6, 3, &seed());
    let (model, law) = (LinearGaussian::new(Kind::Double, &spec), exact(&spec));
    let x = images(2, 6);
    let radii = [0.0, 0.5, 1.5, 3.0];
    let found = acceptance_probabilities(&model, &x, &radii, 20_000, &noise("eta"));
    for curve in found.expect("measures") {
        assert!(curve.windows(2).all(|p| p[0] <= p[1]), "{curve:?} falls");
        for (p, r) in curve.iter().zip(radii) {
            let expected = law.probability(&[0.0; 6], r).expect("a probability");
            let allowed = STANDARD_ERRORS * (expected * (1.0 - expected) / 20_000.0).sqrt();
            assert!((p - expected).abs() <= allowed, "{p} for {expected}");
        }
    }
}

/// σ of the toy model does not depend on the input: the scale carries nothing.
#[test]
fn a_constant_scale_carries_no_damage() {
    let spec = LinearGaussianSpec::random(6, 3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(3, 6);
    let attack = Attack::max_damage(Variant::Both);
    let (own, attacked) =
        separate(&model, &x, 3.0, &attack, 500, &noise("damage")).expect("attacks");
    let joint = propagated(&model, &x, &attacked, 500, &noise("judge")).expect("measures");
    let rest = propagated(&model, &x, &x, 500, &noise("judge")).expect("measures");
    for ((own, joint), rest) in own.iter().zip(&joint).zip(&rest) {
        assert_eq!(joint.sigma_only, rest.both);
        assert_eq!(joint.mean_only, joint.both);
        assert!(own.mean_only > 1.5 * own.sigma_only, "{own:?}");
        assert_relative_eq!(own.both, own.mean_only, max_relative = 0.01);
    }
    let wrong = Attack {
        objective: Objective::LATENT_KL,
        ..attack
    };
    assert!(separate(&model, &x, 3.0, &wrong, 10, &noise("damage")).is_err());
}

/// E log p(x | μ(x+ε)) falls by σ_ε² ‖W A‖_F² / (2 s²) on a linear model, and not
/// at all without noise (C16).
#[test]
fn noise_costs_what_the_closed_form_says() {
    let spec = LinearGaussianSpec::random(5, 2, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(4000, 5);
    let variances = [0.0, 0.25, 1.0];
    let found = noise_sensitivity(&model, &x, &variances, &noise("eps")).expect("measures");
    let clean: Vec<f64> = degradation(&model, &x, &x)
        .iter()
        .map(|d| d.clean)
        .collect();
    // Noise of variance zero is no noise, bit for bit where the passes have the same rows.
    let part = x.narrow(0, 0, 1000);
    let still = noise_sensitivity(&model, &part, &[0.0], &noise("eps")).expect("measures");
    let exact: Vec<f64> = degradation(&model, &part, &part)
        .iter()
        .map(|d| d.clean)
        .collect();
    assert_eq!(still[0], exact);
    let product = spec.decoder_weight.matmul(&spec.encoder_weight);
    let squared = to_f64_vec(&product.square().sum(None))[0];
    for (values, variance) in found.iter().zip(variances) {
        let drops: Vec<f64> = clean.iter().zip(values).map(|(c, v)| c - v).collect();
        let n = drops.len() as f64;
        let mean = drops.iter().sum::<f64>() / n;
        let spread = drops.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let expected = variance * squared / (2.0 * spec.observation_sigma.powi(2));
        let allowed = STANDARD_ERRORS * (spread / n).sqrt() + 1e-4;
        assert!((mean - expected).abs() < allowed, "{mean} for {expected}");
    }
    assert!(noise_sensitivity(&model, &x, &[-1.0], &noise("eps")).is_err());
}

/// The damage at norm L is L ‖W A‖₂ where σ is small, and nothing at L = 0.
#[test]
fn damage_grows_with_the_norm_as_the_spectral_norm_says() {
    let mut spec = LinearGaussianSpec::random(6, 3, &seed());
    spec.log_sigma = Tensor::full([3], -8.0, (Kind::Double, Device::Cpu));
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = images(2, 6);
    let product = matrix(&spec.decoder_weight).dot(&matrix(&spec.encoder_weight));
    let gram = Tensor::from_slice(product.t().dot(&product).as_slice().expect("contiguous"))
        .reshape([6, 6]);
    let spectral = to_f64_vec(&gram.linalg_eigvalsh("L"))[5].sqrt();
    let attack = Attack::max_damage(Variant::Both);
    let norms = [0.0, 1.0, 4.0];
    let sweep = NormSweep::run(&model, &x, &norms, &attack, &noise("damage")).expect("attacks");
    for (i, norm) in norms.into_iter().enumerate() {
        // Those of the norm alone, whatever the others.
        let rows = AttackRows::untargeted(x.shallow_clone(), vec![norm; 2]);
        let alone = attack
            .run(&model, &rows, &noise("damage"))
            .expect("attacks");
        let gap = (sweep.attacked(i) - alone.attacked(&x)).abs().max();
        assert!(gap.double_value(&[]) < ROUNDING, "norm {norm}");
    }
    let points = sweep.points(&model);
    assert_eq!(points.len(), 3);
    for (i, point) in points.iter().enumerate() {
        let distances: Vec<f64> = point.rows.iter().map(|row| row.distance).collect();
        assert_eq!((point.norm, &distances[..]), (norms[i], sweep.distances(i)));
        for row in &point.rows {
            let expected = point.norm * spectral;
            assert_relative_eq!(row.distance, expected, max_relative = 0.01, epsilon = 5e-3);
            let moved = row.degradation.attacked != row.degradation.clean;
            assert_eq!(moved, point.norm > 0.0);
        }
    }
}
