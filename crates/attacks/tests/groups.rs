//! Many rows run in groups on several threads: the outcome must not tell, to rounding.

use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::{Attack, AttackOutcome, AttackRows, Objective, Search, Variant};
use vaegis_core::SeedTree;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_nn::{LatentModel, LatentPath, Likelihood, Mode, Posterior};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, workers};

const NUM_ROWS: usize = 90;
/// Rows in f64 that the network sees in batches of different sizes: its sums are then
/// taken in another order, and the search amplifies the last bits.
const ROUNDING: f64 = 1e-6;
/// Objectives are flat at the optimum: equal ones leave the minimizer its root.
const MINIMIZER: f64 = 1e-3;

/// A victim that cannot be copied.
struct Single(LinearGaussian);

impl LatentModel for Single {
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
        LatentModel::params(&self.0)
    }
    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior {
        self.0.posterior(x, path, mode)
    }
    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        self.0.decode(z, mode)
    }
    fn kl_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor> {
        self.0.kl_terms(posterior, mode)
    }
}

fn model() -> LinearGaussian {
    LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::random(12, 3, &SeedTree::new(3)),
    )
}

fn rows() -> AttackRows {
    let noise = Noise::portable(SeedTree::new(4));
    let shape = [NUM_ROWS as i64, 1, 1, 12];
    let images = |label: &str| {
        noise
            .child(label)
            .uniform(&shape, Kind::Double, Device::Cpu)
    };
    let mut rows = AttackRows::targeted(images("x"), images("target"), vec![0.1; NUM_ROWS]);
    rows.radius = vec![0.5; NUM_ROWS];
    rows
}

fn attacks() -> [Attack; 2] {
    let mut penalized = Attack::penalized(Objective::LATENT_KL);
    penalized.search = Search::Lbfgs(Lbfgs {
        max_evaluations: 40,
        ..Lbfgs::default()
    });
    [penalized, Attack::max_damage(Variant::Both)]
}

/// Runs with this many threads of libtorch.
fn run(attack: &Attack, threads: usize) -> AttackOutcome {
    let work = |_, _: &()| {
        let noise = Noise::portable(SeedTree::new(5));
        attack.run(&model(), &rows(), &noise)
    };
    let mut outcomes = workers::run(&[()], 1, threads, work).expect("runs");
    outcomes.remove(0)
}

fn assert_same(a: &AttackOutcome, b: &AttackOutcome) {
    assert_eq!((a.len(), b.len()), (NUM_ROWS, NUM_ROWS));
    for (a, b) in a.objective.iter().zip(&b.objective) {
        assert!((a - b).abs() <= ROUNDING * b.abs().max(1.0), "{a} {b}");
    }
    let gap = (&a.distortion - &b.distortion)
        .abs()
        .max()
        .double_value(&[]);
    assert!(gap <= MINIMIZER, "{gap}");
}

#[test]
fn outcomes_do_not_depend_on_the_number_of_threads() {
    for attack in attacks() {
        let one = run(&attack, 1);
        for threads in [2, 3] {
            assert_same(&run(&attack, threads), &one);
        }
    }
}

#[test]
fn equal_numbers_of_threads_give_equal_bits() {
    for attack in attacks() {
        let (first, second) = (run(&attack, 3), run(&attack, 3));
        assert_eq!(first.distortion, second.distortion);
        assert_eq!(first.evaluations, second.evaluations);
    }
}

#[test]
fn a_victim_without_replicas_is_attacked_all_the_same() {
    let noise = Noise::portable(SeedTree::new(5));
    for attack in attacks() {
        let grouped = run(&attack, 2);
        let single = attack.run(&Single(model()), &rows(), &noise).expect("runs");
        assert_same(&grouped, &single);
    }
}
