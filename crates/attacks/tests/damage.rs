//! Maximum damage of every variant: its value against closed forms, and its ball
//! and box for every search.

use vaegis_attacks::search::{BallMode, Lbfgs, Pgd};
use vaegis_attacks::{
    Attack, AttackRows, Ball, BoxBounds, Constraint, Objective, Penalty, Search, Variant,
};
use vaegis_core::SeedTree;
use vaegis_nn::LatentModel;
use vaegis_nn::toy::{ExponentialScale, FoldedNormal, LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::{Kind, Noise, Tensor};

/// What C11 allows norms and pixels to be off.
const CONSTRAINT: f64 = 1e-5;
/// Standard errors that a mean of many draws may be off.
const STANDARD_ERRORS: f64 = 4.0;

fn seed() -> SeedTree {
    SeedTree::new(23)
}

fn noise() -> Noise {
    Noise::portable(seed().child("attack"))
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(&tensor.to_kind(Kind::Double).flatten(0, -1)).expect("numbers")
}

/// §9.1, 14: without room to move, the damage is E‖Δ(x)‖: c σ times the mean of a χ variable with
/// three degrees of freedom.
#[test]
fn damage_without_room_is_the_mean_distance_of_the_noise() {
    const NUM_DRAWS: usize = 100_000;
    let (gain, sigma) = (1.5, 0.4);
    let spec = LinearGaussianSpec::isotropic(6, 3, gain, sigma, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let rows = AttackRows::untargeted(model.image(&[0.5; 6]), vec![0.0]);
    let attack = Attack {
        restarts: 1,
        score_samples: NUM_DRAWS,
        ..Attack::max_damage(Variant::MeanOnly)
    };
    let outcome = attack.run(&model, &rows, &noise()).expect("runs");
    assert_eq!(outcome.norm_l2, [0.0]);
    // E χ₃ = √2 Γ(2)/Γ(3/2) with Γ(3/2) = √π/2, and E χ₃² = 3.
    let mean = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let error = gain * sigma * ((3.0 - mean * mean) / NUM_DRAWS as f64).sqrt();
    let (damage, expected) = (-outcome.objective[0], gain * sigma * mean);
    assert!(
        (damage - expected).abs() <= STANDARD_ERRORS * error,
        "{damage} for {expected} ± {error}"
    );
}

/// C11: the damage that every variant reports is the mean distance of that variant at the
/// distortion found, on a model where σ(x) and σ(x + δ) differ.
#[test]
fn every_variant_reports_the_mean_distance_of_its_own_law() {
    const NUM_DRAWS: usize = 40_000;
    let model = ExponentialScale::new(Kind::Double, 1, 0.2, [0.25, 1.5], (-20.0, 20.0));
    for (x, radius) in [(0.5, 0.8), (-0.2, 1.5)] {
        for variant in [
            Variant::MeanOnly,
            Variant::SigmaOnly,
            Variant::Both,
            Variant::TwoSample,
        ] {
            let attack = Attack {
                restarts: 1,
                score_samples: NUM_DRAWS,
                start_spread: 0.1,
                ..Attack::max_damage(variant)
            };
            let rows = AttackRows::untargeted(model.image(&[x]), vec![radius]);
            let outcome = attack.run(&model, &rows, &noise()).expect("runs");
            let check = |delta: f64, found: f64| {
                let (still, moved) = (model.sigma(x), model.sigma(x + delta));
                let shift = model.mu(x + delta) - model.mu(x);
                let (shift, sigma) = match variant {
                    Variant::MeanOnly => (shift, still),
                    Variant::SigmaOnly => (0.0, moved),
                    Variant::Both => (shift, moved),
                    Variant::TwoSample => (shift, still.hypot(moved)),
                };
                let law = FoldedNormal { shift, sigma };
                let error = law.standard_deviation() / (NUM_DRAWS as f64).sqrt();
                assert!(
                    (found - law.mean()).abs() <= STANDARD_ERRORS * error,
                    "{variant:?} at {x} + {delta}: {found} for {}",
                    law.mean()
                );
            };
            let delta = flat(&outcome.distortion)[0];
            assert!(
                delta.abs() > 0.5 * radius,
                "{variant:?} hardly moved: {delta}"
            );
            check(delta, -outcome.divergence[0]);
            check(0.0, -outcome.divergence_clean[0]);
            if variant != Variant::MeanOnly {
                // Uphill in σ is away from zero.
                assert!(delta * x > 0.0, "{variant:?} from {x} by {delta}");
            }
        }
    }
}

fn searches() -> [(&'static str, Search, bool); 4] {
    let pgd = |scale| {
        Search::Pgd(Pgd {
            steps: 30,
            scale,
            ..Pgd::default()
        })
    };
    let lbfgs = |ball_mode| {
        Search::Lbfgs(Lbfgs {
            ball_mode,
            max_evaluations: 60,
            ..Lbfgs::default()
        })
    };
    [
        ("pgd clip", pgd(false), false),
        ("pgd scale", pgd(true), true),
        ("l-bfgs clip", lbfgs(BallMode::Clip), false),
        ("l-bfgs scale", lbfgs(BallMode::Scale), true),
    ]
}

/// C11: whatever the variant, the search and its way with the ball, the attacked image is in ball
/// and box to 10⁻⁵, on the sphere where the search scales and no box stops it, and damaged.
#[test]
fn ball_and_box_hold_for_every_variant_and_search() {
    let radius = 1.2;
    for kind in [Kind::Float, Kind::Double] {
        let mut spec = LinearGaussianSpec::random(6, 3, &seed());
        spec.bounds = (-1.0, 1.0);
        let linear = LinearGaussian::new(kind, &spec);
        let curved = ExponentialScale::new(kind, 6, 0.8, [0.3, 1.0], (-1.0, 1.0));
        let x = curved.image(&[-0.95, -0.3, 0.1, 0.4, 0.99, 1.0]);
        let models: [(&str, &dyn LatentModel); 2] = [("linear", &linear), ("curved", &curved)];
        for (name, model) in models {
            for variant in [
                Variant::MeanOnly,
                Variant::SigmaOnly,
                Variant::Both,
                Variant::TwoSample,
            ] {
                if variant == Variant::SigmaOnly && name == "linear" {
                    continue; // σ is constant there: nothing to attack.
                }
                for (search_name, search, scales) in searches() {
                    for bounds in [BoxBounds::Free, BoxBounds::DataRange] {
                        let case = format!("{name} {kind:?} {variant:?} {search_name} {bounds:?}");
                        let constraint = Constraint {
                            penalty: Penalty::None,
                            ball: Ball::L2,
                            bounds,
                        };
                        let objective = Objective::MaxDamage {
                            variant,
                            samples: 8,
                        };
                        let attack = Attack {
                            restarts: 2,
                            score_samples: 200,
                            ..Attack::new(objective, constraint, search)
                        };
                        let rows = AttackRows::untargeted(x.shallow_clone(), vec![radius]);
                        let outcome = attack.run(model, &rows, &noise()).expect("runs");
                        let attacked = outcome.attacked(&x);
                        let norm = flat(&(&attacked - &x))
                            .iter()
                            .map(|v| v * v)
                            .sum::<f64>()
                            .sqrt();
                        assert!(norm <= radius + CONSTRAINT, "{case}: norm {norm}");
                        assert!((norm - outcome.norm_l2[0]).abs() < CONSTRAINT, "{case}");
                        match bounds {
                            BoxBounds::Free if scales => assert!(
                                (norm - radius).abs() <= CONSTRAINT,
                                "{case}: norm {norm} for {radius}"
                            ),
                            BoxBounds::DataRange => assert!(
                                flat(&attacked).iter().all(|v| v.abs() <= 1.0 + CONSTRAINT),
                                "{case}: {attacked:?}"
                            ),
                            _ => {}
                        }
                        assert!(
                            outcome.divergence[0] < outcome.divergence_clean[0],
                            "{case}: no damage"
                        );
                    }
                }
            }
        }
    }
}
