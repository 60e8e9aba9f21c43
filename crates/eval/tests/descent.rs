//! Attacks by descent in the data's box, whatever the optimizer and whatever the penalty (SB-25):
//! no attack ends above doing nothing, and where the minimum is global none ends above becoming
//! the target.

use approx::assert_relative_eq;
use vaegis_attacks::search::{AdamSearch, Lbfgs};
use vaegis_attacks::{Attack, AttackOutcome, AttackRows, Objective, Search};
use vaegis_core::SeedTree;
use vaegis_dist::{KlTo as _, w2};
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_zoo::{ModelConfig, NetworkConfig, VaeConfig, build};

/// What the specification allows an attack to end above doing nothing.
const NOTHING: f64 = 1e-6;
/// Δ at the reported distortion, computed here in another order.
const ROUNDING: f64 = 1e-9;
/// The floor under the root of W₂ is 10⁻¹², so W₂ is 10⁻⁶ at coincidence.
const FLOOR: f64 = 1e-6;
/// Adam takes steps of its rate near a kink, and along a valley its last ones are worth this.
const ADAM: f64 = 2e-2;

const TARGETED: [Objective; 4] = [
    Objective::LATENT_KL,
    Objective::LATENT_W2,
    Objective::OutputElbo { samples: 2 },
    Objective::OutputL2 { samples: 0 },
];

fn seed() -> SeedTree {
    SeedTree::new(25)
}

fn noise() -> Noise {
    Noise::portable(seed().child("attack"))
}

/// 2⁻²⁰ to 2²⁰.
fn lambdas() -> Vec<f64> {
    [-20, -10, 0, 10, 20].map(|e| 2f64.powi(e)).to_vec()
}

fn searches() -> [Search; 2] {
    [
        Search::Lbfgs(Lbfgs {
            factr: 0.0,
            pgtol: 1e-12,
            max_evaluations: 600,
            ..Lbfgs::default()
        }),
        Search::Adam(AdamSearch {
            steps: 1000,
            learning_rate: 3e-3,
            ..AdamSearch::default()
        }),
    ]
}

/// One original and one target in [0, 1], under every penalty.
fn rows(model: &dyn LatentModel) -> AttackRows {
    let [c, h, w] = model.input_shape();
    let draw = |label: &str| {
        let noise = Noise::portable(seed().child(label));
        let image = noise.uniform(&[1, c, h, w], Kind::Double, Device::Cpu);
        image.repeat([lambdas().len() as i64, 1, 1, 1])
    };
    AttackRows::targeted(draw("x"), draw("target"), lambdas())
}

/// Δ at the reported distortion, where it needs no noise.
fn delta(
    model: &dyn LatentModel,
    objective: Objective,
    rows: &AttackRows,
    outcome: &AttackOutcome,
) -> Option<Vec<f64>> {
    let target = rows.target.as_ref()?;
    let attacked = outcome.attacked(&rows.x);
    let encode = |x: &Tensor| {
        let mut posterior = model.posterior(x, LatentPath::Mean, Mode::Eval);
        posterior.layers.remove(0)
    };
    let divergence = match objective {
        Objective::LatentKl { .. } => encode(&attacked).kl_to(&encode(target)),
        Objective::LatentW2 { .. } => w2(&encode(&attacked), &encode(target)),
        Objective::OutputL2 { .. } => (model.reconstruct(&attacked) - target)
            .square()
            .flatten(1, -1)
            .sum_dim_intlist(1, false, None),
        _ => return None,
    };
    let norms = (attacked - &rows.x)
        .square()
        .flatten(1, -1)
        .sum_dim_intlist(1, false, None)
        .sqrt();
    Some(to_f64_vec(
        &(divergence + norms * Tensor::from_slice(&rows.lambda)),
    ))
}

/// Every objective by every search: Δ is what it says, in the box and not above r(d = 0).
/// Returns the objectives with their outcomes.
fn attack_all(model: &dyn LatentModel) -> Vec<(Objective, Search, AttackOutcome)> {
    // Networks this small only lose by threads.
    vaegis_tensor::device::set_num_threads(1);
    let rows = rows(model);
    let mut all = Vec::new();
    for objective in TARGETED {
        for search in searches() {
            let attack = Attack {
                search,
                ..Attack::penalized(objective)
            };
            let outcome = attack.run(model, &rows, &noise()).expect("runs");
            let what = format!("{} by {}", objective.name(), search.name());
            let (low, high) = model.bounds();
            let pixels = to_f64_vec(&outcome.attacked(&rows.x));
            assert!(pixels.iter().all(|v| (low..=high).contains(v)), "{what}");
            for row in 0..outcome.len() {
                let (reached, nothing) = (outcome.objective[row], outcome.divergence_clean[row]);
                assert!(
                    reached <= nothing + NOTHING,
                    "{what}, row {row}: {reached} and {nothing} without attack"
                );
            }
            if let Some(expected) = delta(model, objective, &rows, &outcome) {
                for (found, expected) in outcome.objective.iter().zip(expected) {
                    assert_relative_eq!(
                        *found,
                        expected,
                        epsilon = ROUNDING,
                        max_relative = ROUNDING
                    );
                }
            }
            // The attacks do something where it is cheap, and nothing where it is dear.
            let gain = 1.0 - outcome.objective[0] / outcome.divergence_clean[0];
            assert!(gain > 0.0, "{what}: nothing gained at the smallest penalty");
            assert_eq!(outcome.norm_l2[4], 0.0, "{what}");
            all.push((objective, search, outcome));
        }
    }
    all
}

#[test]
fn sb25_on_the_linear_model_no_attack_costs_more_than_becoming_the_target() {
    let mut spec = LinearGaussianSpec::random(8, 4, &seed());
    spec.bounds = (0.0, 1.0);
    let model = LinearGaussian::new(Kind::Double, &spec);
    let rows = rows(&model);
    let target = rows.target.as_ref().expect("targeted");
    let way = (target - &rows.x).get(0).square().sum(None).sqrt();
    let way = way.double_value(&[]);
    for (objective, search, outcome) in attack_all(&model) {
        // Latent objectives are convex here, so their minimum is global; r = 0 at the target.
        let slack = match objective {
            Objective::LatentKl { .. } | Objective::LatentW2 { .. } => match search {
                Search::Adam(_) => ADAM,
                _ => FLOOR,
            },
            _ => continue,
        };
        for (found, lambda) in outcome.objective.iter().zip(lambdas()) {
            assert!(
                *found <= lambda * way + FLOOR + slack,
                "{} by {}: {found} at λ = {lambda}, ‖xᵗ − x‖ = {way}",
                objective.name(),
                search.name()
            );
        }
    }
}

#[test]
fn sb25_on_a_network_no_attack_ends_above_doing_nothing() {
    let config = VaeConfig {
        input: [1, 6, 6],
        latent: 4,
        network: NetworkConfig::mlp(&[24, 24]),
        ..VaeConfig::default()
    };
    let store = ParamStore::new(
        Kind::Double,
        Device::Cpu,
        Noise::portable(seed().child("init")),
    );
    let model = build(&ModelConfig::Vae(config), &store).expect("a valid config");
    assert_eq!(attack_all(&*model).len(), TARGETED.len() * searches().len());
}
