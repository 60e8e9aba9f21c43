//! Attacks on and bounds of models with several latent layers (SB-09, SB-26 to SB-28, SB-30).

use approx::assert_relative_eq;
use vaegis_attacks::oracle::Oracle;
use vaegis_attacks::prepared::Prepared;
use vaegis_attacks::record::{AttackRecord, describe};
use vaegis_attacks::reference::random_of_equal_norm;
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::{
    Attack, AttackError, AttackRows, Constraint, Direction, HierMode, Layers, NoiseMode, Objective,
    Search,
};
use vaegis_core::SeedTree;
use vaegis_dist::DiagNormal;
use vaegis_eval::elbo::{elbo, iwae, layered_elbo, mean};
use vaegis_nn::{LatentModel, LatentPath, Likelihood, LikelihoodKind, Mode, Posterior};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, no_grad};
use vaegis_zoo::{KlLower, NetworkConfig, Pixels, PosteriorKind, Seatbelt, SeatbeltConfig};

/// f64 sums in another order.
const ROUNDING: f64 = 1e-11;
/// Central differences in f64 of values of order 10².
const DIFFERENCES: f64 = 1e-5;
/// Two local searches of one problem may end a little apart.
const SEARCH: f64 = 1e-3;

fn seed() -> SeedTree {
    SeedTree::new(21)
}

fn noise() -> Noise {
    Noise::portable(seed().child("attack"))
}

fn config(layers: usize) -> SeatbeltConfig {
    SeatbeltConfig {
        input: [1, 4, 4],
        layers,
        z_sizes: vec![5, 4, 3],
        h_sizes: vec![8, 6],
        pixels: Pixels::custom((0.0, 1.0), LikelihoodKind::Bernoulli),
        network: NetworkConfig::mlp(&[12, 12]),
        ..SeatbeltConfig::default()
    }
}

/// An untrained model whose running statistics have seen a batch.
fn model_of(config: &SeatbeltConfig, kind: Kind) -> Seatbelt {
    let store = ParamStore::new(kind, Device::Cpu, Noise::portable(seed().child("init")));
    let model = Seatbelt::new(config, &store).expect("valid");
    no_grad(|| {
        let x = images("warm", 32, kind);
        let eps = eps_of(&model, 32, kind);
        let posterior = model.posterior(&x, LatentPath::Noise(&eps), Mode::Train);
        let _ = model.decode(&posterior.z, Mode::Train);
        let _ = model.kl_terms(&posterior, Mode::Train);
    });
    model
}

fn model(layers: usize) -> Seatbelt {
    model_of(&config(layers), Kind::Double)
}

fn images(label: &str, n: i64, kind: Kind) -> Tensor {
    Noise::portable(seed().child(label)).uniform(&[n, 1, 4, 4], kind, Device::Cpu)
}

fn eps_of(model: &dyn LatentModel, n: i64, kind: Kind) -> Vec<Tensor> {
    let noise = Noise::portable(seed().child("eps"));
    let sizes = model.latent_sizes();
    let draw = |(l, &d): (usize, &i64)| {
        noise
            .index(l as u64)
            .standard_normal(&[n, d], kind, Device::Cpu)
    };
    sizes.iter().enumerate().map(draw).collect()
}

fn rows(n: i64, lambda: f64) -> AttackRows {
    let x = images("x", n, Kind::Double);
    AttackRows::targeted(
        x,
        images("target", n, Kind::Double),
        vec![lambda; n as usize],
    )
}

/// The divergence part of every row at x + d for a fixed d.
fn value(victim: &dyn LatentModel, objective: Objective, noise: Noise) -> Vec<f64> {
    let rows = rows(3, 0.1);
    let d = (images("d", 3, Kind::Double) - 0.5) * 0.2;
    let prepared = Prepared::new(victim, objective, &rows, noise, NoiseMode::Common);
    let index = Tensor::from_slice(&[0_i64, 1, 2]);
    let value = no_grad(|| prepared.value(&(&rows.x + d), &index));
    vaegis_tensor::convert::to_f64_vec(&value)
}

fn latent_objectives() -> Vec<Objective> {
    let directions = [Direction::Forward, Direction::Reverse, Direction::Symmetric];
    let kl = directions.map(|direction| Objective::LatentKl {
        layers: Layers::All,
        direction,
        hier_mode: HierMode::Mean,
    });
    let w2 = [false, true].map(|squared| Objective::LatentW2 {
        layers: Layers::All,
        squared,
        hier_mode: HierMode::Mean,
    });
    kl.into_iter().chain(w2).collect()
}

const CRN: HierMode = HierMode::Crn { samples: 3 };

#[test]
fn sb27_subsets_of_layers_add_up() {
    let victim = model(2);
    for objective in latent_objectives() {
        for mode in [HierMode::Mean, CRN] {
            let of = |layers| {
                let objective = objective.with_hier_mode(mode).with_layers(layers);
                value(&victim, objective, noise())
            };
            let list = |numbers: &[usize]| of(Layers::only(numbers).expect("a set"));
            let (all, bottom, top) = (of(Layers::All), of(Layers::Bottom), of(Layers::Top));
            for row in 0..3 {
                assert!(bottom[row] > 0.0 && top[row] > 0.0);
                assert_relative_eq!(all[row], bottom[row] + top[row], max_relative = ROUNDING);
            }
            assert_eq!(list(&[1]), bottom);
            assert_eq!(list(&[2]), top);
            assert_eq!(list(&[1, 2]), all);
        }
    }
}

fn short(objective: Objective) -> Attack {
    let search = Lbfgs {
        max_iterations: 200,
        ..Lbfgs::default()
    };
    Attack {
        search: Search::Lbfgs(search),
        ..Attack::penalized(objective)
    }
}

#[test]
fn sb27_all_layers_cost_the_attacker_at_least_as_much_as_one() {
    let victim = model(2);
    let run = |layers| {
        let attack = short(Objective::LATENT_KL.with_layers(layers));
        attack
            .run(&victim, &rows(3, 0.02), &noise())
            .expect("runs")
            .objective
    };
    let (all, bottom, top) = (run(Layers::All), run(Layers::Bottom), run(Layers::Top));
    for row in 0..3 {
        assert!(
            all[row] >= bottom[row] - SEARCH,
            "{} and {}",
            all[row],
            bottom[row]
        );
        assert!(
            all[row] >= top[row] - SEARCH,
            "{} and {}",
            all[row],
            top[row]
        );
    }
}

/// A model whose draws are its means.
struct Noiseless<'a>(&'a Seatbelt);

impl LatentModel for Noiseless<'_> {
    fn input_shape(&self) -> [i64; 3] {
        self.0.input_shape()
    }
    fn bounds(&self) -> (f64, f64) {
        self.0.bounds()
    }
    fn latent_sizes(&self) -> Vec<i64> {
        self.0.latent_sizes()
    }
    fn params(&self) -> &ParamStore {
        LatentModel::params(self.0)
    }
    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior {
        match path {
            LatentPath::Mean => self.0.posterior(x, path, mode),
            LatentPath::Noise(eps) => {
                let zeros: Vec<Tensor> = eps.iter().map(Tensor::zeros_like).collect();
                self.0.posterior(x, LatentPath::Noise(&zeros), mode)
            }
        }
    }
    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        self.0.decode(z, mode)
    }
    fn kl_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor> {
        self.0.kl_terms(posterior, mode)
    }
    fn priors(&self, z: &[Tensor], mode: Mode) -> Vec<DiagNormal> {
        self.0.priors(z, mode)
    }
}

#[test]
fn sb28_chains_without_noise_are_the_chain_of_means() {
    let victim = model(3);
    for objective in latent_objectives() {
        let means = value(&victim, objective, noise());
        let chains = objective.with_hier_mode(CRN);
        for (a, b) in value(&Noiseless(&victim), chains, noise())
            .iter()
            .zip(&means)
        {
            assert_relative_eq!(a, b, max_relative = ROUNDING);
        }
        // Real noise is reproducible and matters.
        let drawn = value(&victim, chains, noise());
        assert_eq!(drawn, value(&victim, chains, noise()));
        assert_ne!(drawn, value(&victim, chains, noise().child("other")));
        assert_ne!(drawn, means);
    }
}

#[test]
fn sb28_chains_average_over_their_draws() {
    let victim = model(2);
    let target = images("target", 3, Kind::Double);
    let x = images("x", 3, Kind::Double) + (images("d", 3, Kind::Double) - 0.5) * 0.2;
    let samples = 3;
    let mut expected = [0.0; 3];
    for sample in 0..samples {
        let eps: Vec<Tensor> = (0..2_u64)
            .map(|layer| {
                let size = victim.latent_sizes()[layer as usize];
                let row = |key: u64| {
                    let node = noise().child("eps").index(key).index(layer);
                    node.standard_normal(&[samples, size], Kind::Double, Device::Cpu)
                        .get(sample)
                };
                Tensor::stack(&[row(0), row(1), row(2)], 0)
            })
            .collect();
        let chain = |x: &Tensor| {
            victim
                .posterior(x, LatentPath::Noise(&eps), Mode::Eval)
                .layers
        };
        let (a, t) = (chain(&x), chain(&target));
        for layer in 0..2 {
            let kl =
                vaegis_tensor::convert::to_f64_vec(&vaegis_dist::KlTo::kl_to(&a[layer], &t[layer]));
            for (sum, kl) in expected.iter_mut().zip(kl) {
                *sum += kl / samples as f64;
            }
        }
    }
    let found = value(&victim, Objective::LATENT_KL.with_hier_mode(CRN), noise());
    for (found, expected) in found.iter().zip(expected) {
        assert_relative_eq!(*found, expected, max_relative = ROUNDING);
    }
}

#[test]
fn the_target_itself_is_at_distance_zero() {
    let victim = model(3);
    let target = images("target", 3, Kind::Double);
    let index = Tensor::from_slice(&[0_i64, 1, 2]);
    for objective in latent_objectives() {
        for mode in [HierMode::Mean, CRN] {
            let rows = rows(3, 0.1);
            let objective = objective.with_hier_mode(mode);
            let prepared = Prepared::new(&victim, objective, &rows, noise(), NoiseMode::Common);
            let value = no_grad(|| prepared.value(&target, &index)).abs().max();
            // W₂ has a floor of 10⁻⁶ per layer under its root.
            assert!(value.double_value(&[]) < 1e-5, "{objective:?}");
        }
    }
}

#[test]
fn sb26_the_output_attack_scores_the_bound_at_its_own_draws() {
    for (layers, kl_lower) in (1..=3).flat_map(|l| [(l, KlLower::Mc), (l, KlLower::Analytic)]) {
        let victim = model_of(
            &SeatbeltConfig {
                kl_lower,
                ..config(layers)
            },
            Kind::Double,
        );
        let rows = rows(3, 0.1);
        let x = &rows.x + (images("d", 3, Kind::Double) - 0.5) * 0.2;
        let eps: Vec<Tensor> = (0..layers as u64)
            .map(|layer| {
                let size = victim.latent_sizes()[layer as usize];
                let row = |key: u64| {
                    let node = noise().child("eps").index(key).index(layer);
                    node.standard_normal(&[1, size], Kind::Double, Device::Cpu)
                };
                Tensor::cat(&[row(0), row(1), row(2)], 0)
            })
            .collect();
        let posterior = victim.posterior(&x, LatentPath::Noise(&eps), Mode::Eval);
        let target = rows.target.as_ref().expect("targets");
        let log_prob = victim.decode(&posterior.z, Mode::Eval).log_prob(target);
        // The divergence of a single layer has a closed form.
        let ratios = match layers {
            1 => vec![posterior.layers[0].kl_to_standard()],
            _ => victim.log_ratio_terms(&posterior, Mode::Eval),
        };
        let expected = ratios.iter().fold(-log_prob, |sum, ratio| sum + ratio);
        let found = value(&victim, Objective::OUTPUT_ELBO, noise());
        let expected = vaegis_tensor::convert::to_f64_vec(&expected);
        for (found, expected) in found.iter().zip(expected) {
            assert_relative_eq!(*found, expected, max_relative = ROUNDING);
        }
    }
}

#[test]
fn sb26_the_output_attack_raises_the_targets_bound() {
    // Networks this small only lose by threads.
    vaegis_tensor::device::set_num_threads(1);
    for victim in (1..=3).map(model) {
        let attack = short(Objective::OutputElbo { samples: 4 });
        let outcome = attack.run(&victim, &rows(3, 1e-3), &noise()).expect("runs");
        for (reached, clean) in outcome.divergence.iter().zip(&outcome.divergence_clean) {
            assert!(
                reached < clean,
                "−ELBO of the target: {reached} from {clean}"
            );
        }
    }
}

#[test]
fn sb09_objectives_have_the_slope_of_their_differences() {
    for posterior in [PosteriorKind::BottomUp, PosteriorKind::TopDown] {
        let victim = model_of(
            &SeatbeltConfig {
                posterior,
                ..config(3)
            },
            Kind::Double,
        );
        let mut objectives = latent_objectives();
        objectives.extend(latent_objectives().iter().map(|o| o.with_hier_mode(CRN)));
        objectives.push(Objective::OutputElbo { samples: 2 });
        objectives.push(Objective::OutputL2 { samples: 2 });
        for objective in objectives {
            let rows = rows(2, 0.3);
            let prepared = Prepared::new(&victim, objective, &rows, noise(), NoiseMode::Common);
            let mut oracle = Oracle::new(&victim, prepared, &rows, Constraint::PENALIZED, 64);
            let index = oracle.row_index(&[0, 1]);
            let d = (images("d", 2, Kind::Double) - 0.5).flatten(1, -1) * 0.2;
            let found = oracle.evaluate(&index, &d).gradient;
            for pixel in [0_i64, 5, 11] {
                for row in 0..2 {
                    let mut at = |shift: f64| {
                        let moved = d.copy();
                        let _ = moved
                            .get(row)
                            .get(pixel)
                            .fill_(d.double_value(&[row, pixel]) + shift);
                        oracle.evaluate(&index, &moved).value.double_value(&[row])
                    };
                    // A rectifier's kink inside one interval spoils it, not all of them.
                    let slope = found.double_value(&[row, pixel]);
                    let agrees = [1e-5, 1e-6, 1e-7].into_iter().any(|step| {
                        let expected = (at(step) - at(-step)) / (2.0 * step);
                        (slope - expected).abs() < DIFFERENCES * expected.abs().max(1.0)
                    });
                    assert!(agrees, "{objective:?} at row {row}, pixel {pixel}: {slope}");
                }
            }
        }
    }
}

#[test]
fn sb30_rows_do_not_depend_on_their_batch_and_the_victim_stays() {
    let victim = model(3);
    let before: Vec<Tensor> = victim.params_copy();
    for objective in [
        Objective::LATENT_KL,
        Objective::LATENT_KL.with_hier_mode(CRN),
        Objective::OUTPUT_ELBO,
    ] {
        let attack = Attack {
            search: Search::Lbfgs(Lbfgs {
                max_iterations: 8,
                ..Lbfgs::default()
            }),
            ..Attack::penalized(objective)
        };
        let together = attack.run(&victim, &rows(4, 0.01), &noise()).expect("runs");
        for row in 0..4 {
            let single = rows(4, 0.01).select(&[row]);
            let single = attack.run(&victim, &single, &noise()).expect("runs");
            // Products of other sizes round differently, which the iterations amplify a little.
            let (a, b) = (single.objective[0], together.objective[row]);
            assert_relative_eq!(a, b, max_relative = 1e-6, epsilon = 1e-9);
        }
    }
    for (after, before) in victim.params_copy().iter().zip(&before) {
        assert!(after.equal(before));
    }
}

#[test]
fn an_attack_beats_noise_of_the_same_size() {
    let victim = model(3);
    let rows = rows(6, 1e-3);
    let attack = short(Objective::LATENT_KL);
    let outcome = attack.run(&victim, &rows, &noise()).expect("runs");
    let random = random_of_equal_norm(&outcome, &rows, &noise());
    let norms = random
        .distortion
        .square()
        .sum_dim_intlist(1, false, None)
        .sqrt();
    for (norm, expected) in vaegis_tensor::convert::to_f64_vec(&norms)
        .iter()
        .zip(&outcome.norm_l2)
    {
        assert_relative_eq!(norm, expected, max_relative = 1e-12);
    }
    let again = random_of_equal_norm(&outcome, &rows, &noise());
    assert!(again.distortion.equal(&random.distortion));
    let pairs: Vec<usize> = (0..6).collect();
    let describe = |outcome| describe(&victim, &attack, &rows, &pairs, outcome, 4, &noise());
    let mean = |records: Vec<AttackRecord>| records.iter().map(|r| r.nll_target).sum::<f64>();
    assert!(
        mean(describe(&outcome)) < mean(describe(&random)),
        "closer to the target"
    );
}

trait Copied {
    fn params_copy(&self) -> Vec<Tensor>;
}

impl Copied for Seatbelt {
    fn params_copy(&self) -> Vec<Tensor> {
        let tensors = LatentModel::params(self).named_tensors();
        tensors.iter().map(|(_, t)| t.detach().copy()).collect()
    }
}

#[test]
fn impossible_layers_and_chains_are_refused() {
    let victim = model(2);
    let refused = |objective: Objective, word: &str| {
        let result = short(objective).run(&victim, &rows(1, 0.1), &noise());
        let error: AttackError = result.expect_err("refused");
        assert!(error.to_string().contains(word), "{error}");
    };
    let third = Layers::only(&[3]).expect("a set");
    refused(Objective::LATENT_KL.with_layers(third), "layers");
    let none = HierMode::Crn { samples: 0 };
    refused(Objective::LATENT_W2.with_hier_mode(none), "samples");
}

#[test]
fn bounds_of_several_layers_fit_together() {
    for layers in 1..=3 {
        let victim = model(layers);
        let x = images("x", 40, Kind::Double);
        let noise = noise().child("elbo");
        let rows = elbo(&victim, &x, 8, &noise);
        let report = layered_elbo(&victim, &x, 8, &noise);
        let whole = mean(&rows);
        assert_eq!(report.layers.len(), layers);
        assert_relative_eq!(
            report.log_likelihood,
            whole.log_likelihood,
            max_relative = ROUNDING
        );
        assert_relative_eq!(report.elbo(), whole.elbo(), max_relative = ROUNDING);
        // More importance samples tighten the bound.
        let tight = iwae(&victim, &x, 200, &noise);
        let tight = tight.iter().sum::<f64>() / tight.len() as f64;
        assert!(
            tight > whole.elbo() - 3.0 * report.standard_error,
            "{tight} and {}",
            whole.elbo()
        );
    }
}
