//! How many rows pass through the networks at once.

use std::cell::Cell;
use vaegis_attacks::search::{Lbfgs, Pgd};
use vaegis_attacks::{
    Attack, AttackOutcome, AttackRows, HierMode, NoiseMode, Objective, Search, Variant,
};
use vaegis_core::SeedTree;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_nn::{LatentModel, LatentPath, Likelihood, Mode, Posterior};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};

const NUM_ROWS: usize = 7;
const NUM_INPUTS: i64 = 6;
/// Draws with which restarts are compared.
const SCORE_SAMPLES: usize = 11;
/// Network rows allowed: a few rows of the search, one row and a half of the score.
const LIMIT: usize = 16;
/// Rows in f64 that go through the network in batches of different sizes, a few steps of search
/// apart.
const ROUNDING: f64 = 1e-9;

/// A victim that remembers its largest batch and counts what it encodes and decodes.
struct Watched {
    inner: LinearGaussian,
    largest: Cell<i64>,
    encoded: Cell<i64>,
}

impl Watched {
    fn new() -> Self {
        let spec = LinearGaussianSpec::random(NUM_INPUTS, 2, &SeedTree::new(3));
        Self {
            inner: LinearGaussian::new(Kind::Double, &spec),
            largest: Cell::new(0),
            encoded: Cell::new(0),
        }
    }

    fn saw(&self, rows: i64) {
        self.largest.set(self.largest.get().max(rows));
    }
}

impl LatentModel for Watched {
    fn input_shape(&self) -> [i64; 3] {
        self.inner.input_shape()
    }
    fn bounds(&self) -> (f64, f64) {
        self.inner.bounds()
    }
    fn latent_sizes(&self) -> Vec<i64> {
        self.inner.latent_sizes()
    }
    fn params(&self) -> &ParamStore {
        LatentModel::params(&self.inner)
    }
    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior {
        self.saw(x.size()[0]);
        self.encoded.set(self.encoded.get() + x.size()[0]);
        self.inner.posterior(x, path, mode)
    }
    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        self.saw(z[0].size()[0]);
        self.inner.decode(z, mode)
    }
    fn kl_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor> {
        self.inner.kl_terms(posterior, mode)
    }
}

fn rows() -> AttackRows {
    let noise = Noise::portable(SeedTree::new(4));
    let shape = [NUM_ROWS as i64, 1, 1, NUM_INPUTS];
    let images = |label: &str| {
        noise
            .child(label)
            .uniform(&shape, Kind::Double, Device::Cpu)
    };
    let mut rows = AttackRows::targeted(images("x"), images("target"), vec![0.1; NUM_ROWS]);
    rows.radius = vec![0.5; NUM_ROWS];
    rows
}

/// Every kind of objective with noise in it, searched for a few steps from two starts.
fn attacks() -> Vec<Attack> {
    let two_starts = |attack: Attack| Attack {
        restarts: 2,
        score_samples: SCORE_SAMPLES,
        ..attack
    };
    let damage = [
        Variant::MeanOnly,
        Variant::SigmaOnly,
        Variant::Both,
        Variant::TwoSample,
    ]
    .map(|variant| Attack {
        search: Search::Pgd(Pgd {
            steps: 3,
            ..Pgd::default()
        }),
        ..Attack::max_damage(variant)
    });
    let targeted = [
        Objective::LATENT_KL.with_hier_mode(HierMode::Crn { samples: 5 }),
        Objective::LATENT_W2.with_hier_mode(HierMode::Crn { samples: 5 }),
        Objective::OutputElbo { samples: 5 },
        Objective::OutputL2 { samples: 5 },
    ]
    .map(|objective| Attack {
        search: Search::Lbfgs(Lbfgs {
            max_evaluations: 3,
            ..Lbfgs::default()
        }),
        noise_mode: NoiseMode::Common,
        ..Attack::penalized(objective)
    });
    damage.into_iter().chain(targeted).map(two_starts).collect()
}

fn run(attack: &Attack, max_rows_per_pass: usize) -> (AttackOutcome, Watched) {
    let attack = Attack {
        max_rows_per_pass,
        ..*attack
    };
    let victim = Watched::new();
    let noise = Noise::portable(SeedTree::new(5));
    let outcome = attack.run(&victim, &rows(), &noise).expect("runs");
    (outcome, victim)
}

#[test]
fn no_pass_takes_more_network_rows_than_allowed() {
    for attack in attacks() {
        let name = attack.objective.name();
        let (whole, _) = run(&attack, usize::MAX);
        let (parts, victim) = run(&attack, LIMIT);
        let largest = victim.largest.get();
        assert!(largest <= LIMIT as i64, "{name}: {largest} rows at once");
        for (a, b) in parts.objective.iter().zip(&whole.objective) {
            assert!(
                (a - b).abs() <= ROUNDING * b.abs().max(1.0),
                "{name}: {a} {b}"
            );
        }
        let gap = (&parts.distortion - &whole.distortion).abs().max();
        assert!(gap.double_value(&[]) <= ROUNDING, "{name}");
    }
}

/// A limit below the draws of one row lets one row through at a time.
#[test]
fn one_row_passes_whatever_the_limit() {
    for attack in attacks() {
        let (_, victim) = run(&attack, 1);
        assert_eq!(
            victim.largest.get(),
            SCORE_SAMPLES as i64,
            "{}",
            attack.objective.name()
        );
    }
}

/// The clean value and the attack's are judged against one reference.
#[test]
fn what_rows_are_compared_with_is_computed_once_per_search_and_once_per_score() {
    let attack = Attack {
        search: Search::Pgd(Pgd {
            steps: 3,
            ..Pgd::default()
        }),
        restarts: 2,
        score_samples: SCORE_SAMPLES,
        ..Attack::max_damage(Variant::Both)
    };
    let (_, victim) = run(&attack, usize::MAX);
    let tiled = 2 * NUM_ROWS as i64;
    // The search's reference, its three steps and its end; the score's reference, no attack and
    // the attack.
    assert_eq!(victim.encoded.get(), tiled * (1 + 4 + 3));
}
