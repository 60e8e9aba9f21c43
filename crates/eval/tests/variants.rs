//! The four variants of r-robustness on a model whose noise moves with the input,
//! so that σ(x) and σ(x + δ) cannot be taken for each other; margins in one and two
//! dimensions against exact ones.

use approx::assert_relative_eq;
use vaegis_attacks::{Attack, AttackRows, Variant};
use vaegis_core::SeedTree;
use vaegis_eval::curve::random_directions;
use vaegis_eval::margin::{InputMargin, MarginOptions, margins};
use vaegis_eval::robust::distances;
use vaegis_nn::LatentModel;
use vaegis_nn::lipschitz::singular_values;
use vaegis_nn::toy::{ExponentialScale, FoldedNormal, LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, Tensor};
use vaegis_theory::bisection::MarginStatus;
use vaegis_theory::r_min;
use vaegis_theory::stats::{Proportion, mean};

/// Standard errors that a Monte-Carlo estimate may be off: 1 in 16 000 by chance, with draws that
/// never change.
const STANDARD_ERRORS: f64 = 4.0;
/// Width at which the bisection of a margin stops.
const TOLERANCE: f64 = 0.02;
const VARIANTS: [Variant; 4] = [
    Variant::MeanOnly,
    Variant::SigmaOnly,
    Variant::Both,
    Variant::TwoSample,
];

fn seed() -> SeedTree {
    SeedTree::new(31)
}

fn noise(label: &str) -> Noise {
    Noise::portable(seed().child(label))
}

/// μ = 0.2 x, σ = 0.25 e^{1.5 |x|}, g the identity, one pixel.
fn toy() -> ExponentialScale {
    ExponentialScale::new(Kind::Double, 1, 0.2, [0.25, 1.5], (-20.0, 20.0))
}

/// The law of the distance at x when it is moved by δ.
fn law(model: &ExponentialScale, variant: Variant, x: f64, delta: f64) -> FoldedNormal {
    let (still, moved) = (model.sigma(x), model.sigma(x + delta));
    let shift = model.mu(x + delta) - model.mu(x);
    let (shift, sigma) = match variant {
        Variant::MeanOnly => (shift, still),
        Variant::SigmaOnly => (0.0, moved),
        Variant::Both => (shift, moved),
        Variant::TwoSample => (shift, still.hypot(moved)),
    };
    FoldedNormal { shift, sigma }
}

/// C4: shares within r and mean distances of every variant at fixed shifts. The shifts go uphill
/// and downhill in σ, so that a scale of the wrong input is far off.
#[test]
fn every_variant_takes_mean_and_scale_from_its_own_input() {
    const NUM_DRAWS: usize = 40_000;
    let model = toy();
    for (x, delta) in [(0.5, 0.7), (0.5, -0.4), (-0.3, 2.0), (0.4, 0.0)] {
        let (at, moved) = (model.image(&[x]), model.image(&[x + delta]));
        for variant in VARIANTS {
            let found = distances(&model, &at, &moved, variant, NUM_DRAWS, &[0], &noise("eta"));
            let found = found.expect("one layer").remove(0);
            let law = law(&model, variant, x, delta);
            for r in [0.3, 0.8, 2.0] {
                let (share, p) = (
                    Proportion::of(&found, r).expect("finite").value(),
                    law.probability_within(r),
                );
                let error = (p * (1.0 - p) / NUM_DRAWS as f64).sqrt();
                assert!(
                    (share - p).abs() <= STANDARD_ERRORS * error,
                    "{variant:?} at {x} + {delta}, r {r}: {share} for {p}"
                );
            }
            let (average, expected) = (mean(&found).expect("many"), law.mean());
            let error = law.standard_deviation() / (NUM_DRAWS as f64).sqrt();
            assert!(
                (average - expected).abs() <= STANDARD_ERRORS * error,
                "{variant:?} at {x} + {delta}: {average} for {expected}"
            );
        }
    }
}

/// The largest R with P(‖Δ‖ ≤ r) > ½, where P falls with R, and the slope of P there.
fn exact_margin(probability: impl Fn(f64) -> f64) -> (f64, f64) {
    let (mut low, mut high) = (0.0, 12.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if probability(middle) > 0.5 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let step = 1e-4;
    let slope = (probability(low - step) - probability(low + step)) / (2.0 * step);
    (low, slope)
}

/// Whether the bracket contains the exact margin, up to what `num_samples` draws leave open.
fn assert_bracketed(estimate: &InputMargin, (exact, slope): (f64, f64), num_samples: usize) {
    let margin = &estimate.margin;
    assert!(matches!(margin.status, MarginStatus::Bracketed { .. }));
    assert!(margin.upper - margin.value < TOLERANCE);
    // A share of one half has this error; through the slope it is one of the radius.
    let blur = STANDARD_ERRORS * 0.5 / (num_samples as f64).sqrt() / slope;
    assert!(blur < TOLERANCE, "{blur} would hide the bracket");
    assert!(
        margin.value - blur <= exact && exact <= margin.upper + blur,
        "[{}, {}] ± {blur} for {exact}",
        margin.value,
        margin.upper
    );
}

/// V8: freezing σ makes the difference between a margin of 4.000 and one of 1.028; every variant
/// is estimated within its bracket.
#[test]
fn margins_of_every_variant_are_exact_where_the_scale_moves() {
    const NUM_SAMPLES: usize = 400_000;
    let (model, r) = (toy(), 0.8);
    for (variant, quoted) in [
        (Variant::MeanOnly, Some(4.000)),
        (Variant::Both, Some(1.028)),
        (Variant::SigmaOnly, None),
        (Variant::TwoSample, None),
    ] {
        let exact = exact_margin(|radius| law(&model, variant, 0.0, radius).probability_within(r));
        if let Some(quoted) = quoted {
            assert!((exact.0 - quoted).abs() < 5e-4, "{exact:?} for {quoted}");
        }
        let options = MarginOptions {
            r,
            variant,
            tolerance: TOLERANCE,
            num_samples: NUM_SAMPLES,
            restarts: 1,
            ..MarginOptions::default()
        };
        let x = model.image(&[0.0]);
        let found = margins(&model, &x, &options, &noise("margin"), |_, _| ()).expect("runs");
        assert_bracketed(&found[0], exact, NUM_SAMPLES);
    }
}

/// C13: exact margins of linear models with one and with two dimensions.
#[test]
fn linear_margins_in_one_and_two_dimensions_are_within_the_tolerance() {
    const NUM_SAMPLES: usize = 100_000;
    for (spec, r) in [
        (LinearGaussianSpec::scalar(2.0, 0.5), 1.5),
        (LinearGaussianSpec::scalar(0.7, 0.3), 0.9),
        (
            LinearGaussianSpec::isotropic(2, 2, 1.5, 0.4, &seed().child("two")),
            2.0,
        ),
    ] {
        let model = LinearGaussian::new(Kind::Double, &spec);
        let exact = model.margin(r, 0.5).expect("isotropic");
        // Length of the latent shift per unit of the worst perturbation.
        let gain = singular_values(&spec.encoder_weight)[0];
        let searched = exact_margin(|radius| {
            let share = model.probability_within(r, radius * gain);
            share.expect("isotropic")
        });
        assert_relative_eq!(searched.0, exact, max_relative = 1e-9);
        let x =
            noise("x").standard_normal(&[1, 1, 1, model.num_inputs()], Kind::Double, Device::Cpu);
        let options = MarginOptions {
            r,
            tolerance: TOLERANCE,
            num_samples: NUM_SAMPLES,
            ..MarginOptions::default()
        };
        let found = margins(&model, &x, &options, &noise("margin"), |_, _| ()).expect("runs");
        assert_bracketed(&found[0], searched, NUM_SAMPLES);
        let off = (found[0].margin.value - exact).abs();
        assert!(off <= TOLERANCE, "off by {off}");
    }
}

/// C4: with a linear decoder and constant σ the two-sample law is the one-sample law with σ √2.
#[test]
fn two_samples_need_a_radius_larger_by_the_root_of_two() {
    const NUM_DRAWS: usize = 200_000;
    let spec = LinearGaussianSpec::random(6, 3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = noise("x").standard_normal(&[1, 1, 1, 6], Kind::Double, Device::Cpu);
    let radius = |variant| {
        let found = distances(&model, &x, &x, variant, NUM_DRAWS, &[0], &noise("r-min"));
        let found = found.expect("one layer").remove(0);
        r_min::empirical(&found, 0.5, 1e-3).expect("many").value
    };
    let (one, two) = (radius(Variant::MeanOnly), radius(Variant::TwoSample));
    assert_relative_eq!(two / one, 2f64.sqrt(), max_relative = 0.01);
    let scaled = &spec.decoder_weight * spec.log_sigma.exp();
    let gram = scaled.transpose(0, 1).matmul(&scaled);
    let exact = r_min::linearized(&to_f64_vec(&gram.linalg_eigvalsh("L")), 0.5).expect("a radius");
    assert_relative_eq!(one, exact, max_relative = 0.01);
}

/// §9.1, 2: more starts of the attack never raise a margin, and here they lower some.
#[test]
fn more_restarts_never_raise_a_margin() {
    let model = ExponentialScale::new(Kind::Double, 6, 0.3, [0.2, 0.8], (-20.0, 20.0));
    let x = noise("x").uniform(&[6, 1, 1, 6], Kind::Double, Device::Cpu) - 0.5;
    let run = |restarts| -> Vec<f64> {
        let options = MarginOptions {
            r: 2.0,
            steps: 3,
            restarts,
            num_samples: 2000,
            ..MarginOptions::default()
        };
        let found = margins(&model, &x, &options, &noise("restarts"), |_, _| ()).expect("runs");
        found.iter().map(|m| m.margin.value).collect()
    };
    let (one, three) = (run(1), run(3));
    assert!(
        one.iter().all(|&value| value > 0.0 && value < 12.0),
        "{one:?}"
    );
    for (one, three) in one.iter().zip(&three) {
        assert!(three <= one, "{three} after {one}");
    }
    let lowered = one
        .iter()
        .zip(&three)
        .filter(|(one, three)| **three < **one - TOLERANCE);
    assert!(lowered.count() > 0, "{one:?} {three:?}");
}

/// §9.1, 14: an attack does at least the damage of the mean random direction, also where the
/// encoder's noise is no smaller than the shift.
#[test]
fn attacks_do_more_damage_than_random_directions() {
    const NUM_DIRECTIONS: i64 = 64;
    const NUM_DRAWS: usize = 2000;
    let mut spec = LinearGaussianSpec::random(8, 3, &seed());
    spec.log_sigma = Tensor::full([3], 0.4f64.ln(), (Kind::Double, Device::Cpu));
    let linear = LinearGaussian::new(Kind::Double, &spec);
    let curved = ExponentialScale::new(Kind::Double, 8, 0.5, [0.4, 1.0], (-20.0, 20.0));
    let both: [&dyn LatentModel; 2] = [&linear, &curved];
    for model in both {
        let x = noise("x").standard_normal(&[1, 1, 1, 8], Kind::Double, Device::Cpu);
        let copies = x.repeat([NUM_DIRECTIONS, 1, 1, 1]);
        let directions = random_directions(&copies, &noise("directions"));
        for radius in [0.5, 2.0] {
            for variant in [Variant::MeanOnly, Variant::Both, Variant::TwoSample] {
                let damages = |moved: &Tensor| -> Vec<f64> {
                    // Equal keys: every direction is judged on the same draws.
                    let keys = vec![0; moved.size()[0] as usize];
                    let still = x.expand_as(moved);
                    distances(
                        model,
                        &still,
                        moved,
                        variant,
                        NUM_DRAWS,
                        &keys,
                        &noise("judge"),
                    )
                    .expect("one layer")
                    .iter()
                    .map(|d| mean(d).expect("many"))
                    .collect()
                };
                let rows = AttackRows::untargeted(x.shallow_clone(), vec![radius]);
                let outcome = Attack::max_damage(variant).run(model, &rows, &noise("attack"));
                let attacked = damages(&outcome.expect("runs").attacked(&x))[0];
                let random = damages(&(&copies + &directions * radius));
                let random = mean(&random).expect("many");
                assert!(
                    attacked > random,
                    "{variant:?} at {radius}: {attacked}, random {random}"
                );
            }
        }
    }
}
