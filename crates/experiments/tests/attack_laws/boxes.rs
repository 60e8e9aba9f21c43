//! The pixel box at its edges (SB-29): lifts that are forced, and distortions that are rounded to
//! the network's kind.

use super::{TARGETED, images, noise, seed};
use approx::assert_relative_eq;
use vaegis_attacks::search::{AdamSearch, Lbfgs};
use vaegis_attacks::{Attack, AttackRows, Ball, BoxBounds, Constraint, Objective, Penalty, Search};
use vaegis_nn::LikelihoodKind;
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_zoo::{Model, ModelConfig, NetworkConfig, VaeConfig, build};

/// What the specification allows the norm of a forced lift to be off.
const LIFT: f64 = 1e-6;
/// Where the box lifts some pixels, the norm's slope in the others is zero: each of them moves by
/// the divergence's slope (of order ten) times the lift over λ = 10⁶.
const OTHERS: f64 = 1e-4;
const NUM_ROWS: i64 = 4;
const NUM_PIXELS: usize = 36;

/// A small untrained VAE on 6 × 6 images with these pixels.
fn model(kind: Kind, bounds: (f64, f64)) -> Box<dyn Model> {
    let config = VaeConfig {
        input: [1, 6, 6],
        bounds,
        latent: 4,
        likelihood: LikelihoodKind::Gaussian { sigma: 1.0 },
        network: NetworkConfig::mlp(&[24, 24]),
        ..VaeConfig::default()
    };
    let store = ParamStore::new(kind, Device::Cpu, Noise::portable(seed().child("init")));
    build(&ModelConfig::Vae(config), &store).expect("a valid config")
}

fn searches() -> [Search; 2] {
    [
        Search::Lbfgs(Lbfgs {
            max_iterations: 60,
            ..Lbfgs::default()
        }),
        Search::Adam(AdamSearch {
            steps: 200,
            learning_rate: 1e-2,
            ..AdamSearch::default()
        }),
    ]
}

fn constraint(penalty: Penalty, bounds: BoxBounds) -> Constraint {
    Constraint {
        penalty,
        ball: Ball::None,
        bounds,
    }
}

/// At a penalty this large only what the box demands is worth its price.
#[test]
fn sb29_the_legacy_box_lifts_negative_pixels_and_no_others() {
    for kind in [Kind::Double, Kind::Float] {
        let model = model(kind, (-1.0, 1.0));
        let (x, target) = (
            images("x", NUM_ROWS, kind) * 2.0 - 1.0,
            images("target", NUM_ROWS, kind) * 2.0 - 1.0,
        );
        let pixels = to_f64_vec(&x);
        assert!(pixels.iter().any(|v| *v < 0.0) && pixels.iter().all(|v| *v <= 1.0));
        let lift = |row: &[f64]| row.iter().map(|v| v.min(0.0).powi(2)).sum::<f64>().sqrt();
        let lifts: Vec<f64> = pixels.chunks_exact(NUM_PIXELS).map(lift).collect();
        for objective in TARGETED {
            for search in searches() {
                let legacy = constraint(Penalty::L2, BoxBounds::UnitLegacy);
                let attack = Attack::new(objective, legacy, search);
                let lambda = vec![1e6; NUM_ROWS as usize];
                let rows = AttackRows::targeted(x.shallow_clone(), target.shallow_clone(), lambda);
                let outcome = attack.run(&*model, &rows, &noise()).expect("runs");
                for (found, expected) in outcome.norm_l2.iter().zip(&lifts) {
                    assert_relative_eq!(*found, *expected, epsilon = LIFT);
                }
                let attacked = to_f64_vec(&outcome.attacked(&x));
                assert!(attacked.iter().all(|v| (0.0..=1.0).contains(v)));
                for (v, attacked) in pixels.iter().zip(&attacked) {
                    assert_relative_eq!(v.max(0.0), *attacked, epsilon = OTHERS);
                }
            }
        }
    }
}

/// A box whose upper end is no f32 and small beside its lower one, an f32 network, and a target
/// far beyond it: many pixels end at that end, and their rounded distortions would cross it.
#[test]
fn sb29_rounding_to_the_networks_kind_does_not_leave_the_box() {
    let (low, high) = (-1.0, 0.1);
    let model = model(Kind::Float, (low, high));
    let x = images("x", NUM_ROWS, Kind::Float) * 1.05 - 1.0;
    let target = images("target", NUM_ROWS, Kind::Float) * 40.0 - 20.0;
    let lambda = vec![0.0; NUM_ROWS as usize];
    let rows = AttackRows::targeted(x.shallow_clone(), target, lambda);
    let ends = [low as f32, high as f32].map(f64::from);
    let outside = |t: &Tensor| {
        let pixels = to_f64_vec(t);
        let outside = pixels.iter().filter(|v| **v < ends[0] || **v > ends[1]);
        outside.count()
    };
    for search in searches() {
        let boxed = constraint(Penalty::None, BoxBounds::DataRange);
        let attack = Attack::new(Objective::LATENT_KL, boxed, search);
        let outcome = attack.run(&*model, &rows, &noise()).expect("runs");
        assert_eq!(outcome.pixel_range, (low, high));
        let rounded = outcome.distortion.to_kind(Kind::Float).reshape(x.size());
        let name = search.name();
        assert!(
            outside(&(&x + rounded)) > 0,
            "{name}: no distortion crosses the end, so this shows nothing"
        );
        assert_eq!(outside(&outcome.attacked(&x)), 0, "{name}");
    }
}
