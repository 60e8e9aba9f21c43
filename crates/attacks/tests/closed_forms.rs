//! Attacks against optima that are known in closed form: the linear-Gaussian
//! model, where the divergence is a quadratic in the distortion.

use approx::assert_relative_eq;
use vaegis_attacks::search::{Apgd, Lbfgs, Pgd, RandomSearch};
use vaegis_attacks::{
    Attack, AttackOutcome, AttackRows, Ball, BoxBounds, Constraint, Objective, Penalty, Search,
    Variant, grid::lambda_grid,
};
use vaegis_core::SeedTree;
use vaegis_nn::toy::{LatentDistance, LinearGaussian, LinearGaussianSpec, Penalty as ToyPenalty};
use vaegis_tensor::{Kind, Noise, Tensor};

/// The optimizer stops at a relative gain of 2e−15 of the objective; a quadratic
/// then has its minimizer to about the root of that.
const MINIMIZER: f64 = 1e-5;
/// Objectives are flat at the optimum, so they agree far better.
const OBJECTIVE: f64 = 1e-8;

fn seed() -> SeedTree {
    SeedTree::new(7)
}

fn noise() -> Noise {
    Noise::portable(seed().child("attack"))
}

fn free(penalty: Penalty) -> Constraint {
    Constraint {
        penalty,
        ball: Ball::None,
        bounds: BoxBounds::Free,
    }
}

fn exact_search() -> Search {
    // Tighter than the default: these tests ask for the exact minimizer.
    Search::Lbfgs(Lbfgs {
        factr: 0.0,
        pgtol: 1e-12,
        ..Lbfgs::default()
    })
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(&tensor.to_kind(Kind::Double).flatten(0, -1)).expect("numbers")
}

/// One original and one target of a random model, repeated for each penalty.
fn rows(model: &LinearGaussian, lambdas: &[f64]) -> (AttackRows, Vec<f64>, Vec<f64>) {
    let noise = Noise::portable(seed().child("images"));
    let draw = |label: &str| {
        let n = [model.num_inputs()];
        flat(
            &noise
                .child(label)
                .uniform(&n, Kind::Double, vaegis_tensor::Device::Cpu),
        )
    };
    let (x, target) = (draw("x"), draw("target"));
    let times = [lambdas.len() as i64, 1, 1, 1];
    let rows = AttackRows::targeted(
        model.image(&x).repeat(times),
        model.image(&target).repeat(times),
        lambdas.to_vec(),
    );
    (rows, x, target)
}

/// SB-23: encoder mean 2x, σ = 0.5, target offset 1 in latent space.
#[test]
fn scalar_attack_has_its_hand_computed_optimum() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::scalar(2.0, 0.5));
    let rows = |lambdas: &[f64]| {
        let n = [lambdas.len() as i64, 1, 1, 1];
        AttackRows::targeted(
            model.image(&[0.0]).repeat(n),
            model.image(&[0.5]).repeat(n),
            lambdas.to_vec(),
        )
    };
    let squared = Attack::new(
        Objective::LATENT_KL,
        free(Penalty::L2Squared),
        exact_search(),
    );
    let outcome = squared.run(&model, &rows(&[1.0]), &noise()).expect("runs");
    assert_relative_eq!(flat(&outcome.distortion)[0], 4.0 / 9.0, epsilon = MINIMIZER);
    assert_relative_eq!(outcome.objective[0], 2.0 / 9.0, epsilon = OBJECTIVE);

    let plain = Attack::new(Objective::LATENT_KL, free(Penalty::L2), exact_search());
    let outcome = plain
        .run(&model, &rows(&[1.0, 8.0, 20.0]), &noise())
        .expect("runs");
    let d = flat(&outcome.distortion);
    assert_relative_eq!(d[0], 0.4375, epsilon = MINIMIZER);
    assert_relative_eq!(outcome.objective[0], 0.46875, epsilon = OBJECTIVE);
    assert!(
        d[1].abs() < MINIMIZER && d[2].abs() < MINIMIZER,
        "λ ≥ 8 leaves d = 0, found {d:?}"
    );
}

/// SB-24: any dimension, both penalties, KL and both forms of W₂.
#[test]
fn linear_gaussian_attacks_reach_the_global_optimum() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(6, 3, &seed()));
    let lambdas = [1e-3, 0.1, 1.0, 10.0, 1e4];
    let cases = [
        (Objective::LATENT_KL, LatentDistance::Kl),
        (
            Objective::LatentW2 {
                layers: Default::default(),
                squared: true,
                hier_mode: Default::default(),
            },
            LatentDistance::W2Squared,
        ),
        (Objective::LATENT_W2, LatentDistance::W2),
    ];
    for (objective, distance) in cases {
        for (penalty, toy) in [
            (Penalty::L2, ToyPenalty::L2),
            (Penalty::L2Squared, ToyPenalty::L2Squared),
        ] {
            let (rows, x, target) = rows(&model, &lambdas);
            let attack = Attack::new(objective, free(penalty), exact_search());
            let outcome = attack.run(&model, &rows, &noise()).expect("runs");
            for (row, &lambda) in lambdas.iter().enumerate() {
                let best = model.latent_attack(&x, &target, distance, toy, lambda);
                // The floor under the root of W₂ adds up to 1e−6 at coincidence.
                assert_relative_eq!(
                    outcome.objective[row],
                    best.objective,
                    epsilon = 2e-6,
                    max_relative = 1e-6
                );
                assert_relative_eq!(
                    outcome.norm_l2[row],
                    best.norm,
                    epsilon = 2e-4,
                    max_relative = 1e-3
                );
            }
        }
    }
}

/// SB-24: the distortion itself entry by entry, and the penalty from which on the attacker does
/// nothing.
#[test]
fn kl_distortions_are_those_of_the_closed_form() {
    let spec = LinearGaussianSpec::random(6, 3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let (_, x, target) = rows(&model, &[1.0]);
    let weights = (&spec.log_sigma * -2.0).exp().unsqueeze(1);
    let weighted = &spec.encoder_weight * weights;
    let way = Tensor::from_slice(&target) - Tensor::from_slice(&x);
    let pull = weighted.transpose(0, 1).mv(&spec.encoder_weight.mv(&way));
    let threshold = pull.square().sum(None).sqrt().double_value(&[]);
    // So near the threshold the optimum is a thousandth of the way and still above rounding.
    let (below, above) = (threshold * 0.999, threshold * 1.001);
    let lambdas = [1e-4, 0.1, 1.0, 3.0, below, above];
    for (penalty, toy) in [
        (Penalty::L2, ToyPenalty::L2),
        (Penalty::L2Squared, ToyPenalty::L2Squared),
    ] {
        let (rows, ..) = rows(&model, &lambdas);
        let attack = Attack::new(Objective::LATENT_KL, free(penalty), exact_search());
        let outcome = attack.run(&model, &rows, &noise()).expect("runs");
        for (row, &lambda) in lambdas.iter().enumerate() {
            let best = model.latent_attack(&x, &target, LatentDistance::Kl, toy, lambda);
            let found = flat(&outcome.distortion.get(row as i64));
            for (found, expected) in found.iter().zip(&best.distortion) {
                assert_relative_eq!(*found, *expected, epsilon = MINIMIZER);
            }
            let stays = penalty == Penalty::L2 && lambda > threshold;
            assert_eq!(
                outcome.norm_l2[row] == 0.0,
                stays,
                "{penalty:?}, λ {lambda}"
            );
            assert_eq!(best.norm == 0.0, stays, "{penalty:?}, λ {lambda}");
        }
    }
}

/// §9: the units of the latents are a convention to an attack by KL, and not to one by W₂.
#[test]
fn kl_attacks_do_not_depend_on_the_units_of_the_latents() {
    let (factors, offsets) = ([4.0, 0.5, -2.0], [0.3, -1.0, 2.0]);
    let spec = LinearGaussianSpec::random(6, 3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let mut scaled = LinearGaussianSpec::random(6, 3, &seed());
    let factors = Tensor::from_slice(&factors);
    scaled.encoder_weight = &spec.encoder_weight * factors.unsqueeze(1);
    scaled.encoder_bias = &spec.encoder_bias * &factors + Tensor::from_slice(&offsets);
    scaled.log_sigma = &spec.log_sigma + factors.abs().log();
    let scaled = LinearGaussian::new(Kind::Double, &scaled);
    let run = |model: &LinearGaussian, objective| {
        let attack = Attack::new(objective, free(Penalty::L2), exact_search());
        let (rows, ..) = rows(model, &[0.01, 0.1, 1.0, 10.0]);
        attack.run(model, &rows, &noise()).expect("runs").objective
    };
    let values = |objective| (run(&model, objective), run(&scaled, objective));
    let (first, second) = values(Objective::LATENT_KL);
    for (a, b) in first.iter().zip(&second) {
        assert_relative_eq!(*a, *b, max_relative = OBJECTIVE);
    }
    let (first, second) = values(Objective::LATENT_W2);
    // Where the attack is complete (small λ) only the way to the target counts.
    let mut pairs = first.iter().zip(&second);
    assert!(
        pairs.any(|(a, b)| (a - b).abs() > 0.05 * a),
        "W₂ follows the units: {first:?} and {second:?}"
    );
}

/// SB-25 on the whole grid: ‖d‖ falls, r and Δ rise, Δ is concave in λ, and
/// doing nothing is never better.
#[test]
fn optima_are_monotone_in_the_penalty() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(8, 4, &seed()));
    let lambdas = lambda_grid(50);
    let (rows, x, target) = rows(&model, &lambdas);
    let attack = Attack::new(Objective::LATENT_KL, free(Penalty::L2), exact_search());
    let outcome = attack.run(&model, &rows, &noise()).expect("runs");
    let slack = 1e-6;
    for k in 1..lambdas.len() {
        assert!(
            outcome.norm_l2[k] <= outcome.norm_l2[k - 1] + slack,
            "norm at {k}"
        );
        assert!(
            outcome.divergence[k] >= outcome.divergence[k - 1] - slack,
            "divergence at {k}"
        );
        assert!(
            outcome.objective[k] >= outcome.objective[k - 1] - slack,
            "objective at {k}"
        );
    }
    let slopes: Vec<f64> = (1..lambdas.len())
        .map(|k| (outcome.objective[k] - outcome.objective[k - 1]) / (lambdas[k] - lambdas[k - 1]))
        .collect();
    for pair in slopes.windows(2) {
        assert!(
            pair[1] <= pair[0] + 1e-4 * pair[0].abs() + slack,
            "Δ(λ) must be concave: {pair:?}"
        );
    }
    let distance = (0..x.len())
        .map(|i| (x[i] - target[i]).powi(2))
        .sum::<f64>()
        .sqrt();
    for (k, &lambda) in lambdas.iter().enumerate() {
        assert!(outcome.objective[k] <= outcome.divergence_clean[k] + slack);
        assert!(outcome.objective[k] <= lambda * distance + slack);
    }
}

#[test]
fn a_target_equal_to_the_input_needs_no_distortion() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(5, 2, &seed()));
    let image = model.image(&[0.1, 0.4, 0.3, 0.9, 0.2]);
    for objective in [Objective::LATENT_KL, Objective::LATENT_W2] {
        let rows = AttackRows::targeted(image.shallow_clone(), image.shallow_clone(), vec![1.0]);
        let outcome = Attack::penalized(objective)
            .run(&model, &rows, &noise())
            .expect("runs");
        assert!(outcome.norm_l2[0] < 1e-6);
        // The floor under the root is 1e−12, its root 1e−6.
        assert!(outcome.objective[0].abs() < 2e-6);
    }
}

/// SB-26: the output attack raises log p(xᵗ|z).
#[test]
fn output_attack_has_the_right_sign() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(6, 3, &seed()));
    let (rows, _, _) = rows(&model, &[1e-3]);
    let attack = Attack::new(
        Objective::OutputElbo { samples: 4 },
        free(Penalty::L2),
        Search::Lbfgs(Lbfgs::default()),
    );
    let outcome = attack.run(&model, &rows, &noise()).expect("runs");
    let records =
        vaegis_attacks::record::describe(&model, &attack, &rows, &[0], &outcome, 64, &noise());
    assert!(outcome.divergence[0] < outcome.divergence_clean[0]);
    assert!(records[0].nll_target < records[0].nll_target_no_attack);
}

fn max_damage(search: Search, ball: Ball) -> Attack {
    let constraint = Constraint {
        penalty: Penalty::None,
        ball,
        bounds: BoxBounds::Free,
    };
    Attack {
        restarts: 3,
        score_samples: 50,
        ..Attack::new(
            Objective::MaxDamage {
                variant: Variant::Both,
                samples: 8,
            },
            constraint,
            search,
        )
    }
}

/// C11: at least 99 % of L‖WB‖₂ on a linear model; a random baseline is below.
#[test]
fn maximum_damage_reaches_the_spectral_norm() {
    let mut spec = LinearGaussianSpec::random(12, 3, &seed());
    // Hardly any encoder noise, so that the closed form without noise applies.
    spec.log_sigma = spec.log_sigma.full_like(-9.0);
    let model = LinearGaussian::new(Kind::Double, &spec);
    let radius = 2.0;
    let optimum = model.max_damage(radius).damage;
    let rows = || AttackRows::untargeted(model.image(&[0.5; 12]), vec![radius]);
    let searches = [
        Search::Pgd(Pgd::default()),
        Search::Apgd(Apgd::default()),
        Search::Lbfgs(Lbfgs::default()),
    ];
    let mut random = max_damage(Search::Random(RandomSearch::default()), Ball::L2);
    random.restarts = 1;
    let baseline = -random
        .run(&model, &rows(), &noise())
        .expect("runs")
        .objective[0];
    for search in searches {
        let attack = max_damage(search, Ball::L2);
        let outcome = attack.run(&model, &rows(), &noise()).expect("runs");
        let damage = -outcome.objective[0];
        assert!(
            damage >= 0.99 * optimum,
            "{}: {damage} of {optimum}",
            search.name()
        );
        assert!(
            damage <= optimum * (1.0 + 1e-2),
            "{}: above the optimum",
            search.name()
        );
        assert!(outcome.norm_l2[0] <= radius * (1.0 + 1e-5));
        assert!(
            damage >= baseline,
            "{} must beat random directions",
            search.name()
        );
    }
}

#[test]
fn damage_does_not_fall_with_the_radius_and_zero_radius_means_no_attack() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(10, 3, &seed()));
    let radii = vec![0.0, 0.5, 1.0, 2.0, 4.0];
    let x = model
        .image(&[0.5; 10])
        .repeat([radii.len() as i64, 1, 1, 1]);
    let mut rows = AttackRows::untargeted(x, radii);
    rows.keys = vec![3; rows.len()];
    let outcome = max_damage(Search::Pgd(Pgd::default()), Ball::L2)
        .run(&model, &rows, &noise())
        .expect("runs");
    assert_eq!(outcome.norm_l2[0], 0.0);
    for pair in outcome.objective.windows(2) {
        assert!(
            -pair[1] >= -pair[0] - 1e-9,
            "damage must not fall: {:?}",
            outcome.objective
        );
    }
}

/// SB-29: the data's box always holds; the legacy box lifts negative pixels.
#[test]
fn both_boxes_hold() {
    let mut spec = LinearGaussianSpec::random(6, 3, &seed());
    spec.bounds = (-1.0, 1.0);
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = [-0.9, -0.2, 0.0, 0.3, 0.99, -1.0];
    let target = model.image(&[0.9, 0.9, -0.9, -0.9, 0.1, 0.5]);
    let run = |bounds| {
        let constraint = Constraint {
            penalty: Penalty::L2,
            ball: Ball::None,
            bounds,
        };
        let attack = Attack::new(
            Objective::LATENT_KL,
            constraint,
            Search::Lbfgs(Lbfgs::default()),
        );
        let rows = AttackRows::targeted(model.image(&x), target.shallow_clone(), vec![1e-6]);
        attack.run(&model, &rows, &noise()).expect("runs")
    };
    let within = |outcome: &AttackOutcome, low: f64, high: f64| {
        let attacked = flat(&outcome.attacked(&model.image(&x)));
        assert!(
            attacked
                .iter()
                .all(|v| *v >= low - 1e-12 && *v <= high + 1e-12),
            "{attacked:?}"
        );
    };
    within(&run(BoxBounds::DataRange), -1.0, 1.0);
    let legacy = run(BoxBounds::UnitLegacy);
    within(&legacy, 0.0, 1.0);
    let lift = x.iter().map(|v| v.min(0.0).powi(2)).sum::<f64>().sqrt();
    assert!(
        legacy.norm_l2[0] >= lift - 1e-12,
        "negative pixels cannot stay"
    );
}

#[test]
fn linf_ball_holds_for_every_search() {
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(10, 3, &seed()));
    for search in [
        Search::Pgd(Pgd::default()),
        Search::Apgd(Apgd::default()),
        Search::Lbfgs(Lbfgs::default()),
    ] {
        let rows = AttackRows::untargeted(model.image(&[0.5; 10]), vec![0.1]);
        let outcome = max_damage(search, Ball::LInf)
            .run(&model, &rows, &noise())
            .expect("runs");
        assert!(outcome.norm_linf[0] <= 0.1 + 1e-9);
        // The optimum of a linear problem lies in a corner of the box.
        assert!(
            outcome.norm_l2[0] > 0.1 * 10f64.sqrt() * 0.9,
            "{}",
            search.name()
        );
    }
}
