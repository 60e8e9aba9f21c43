//! Laws of every attack on a network: independent rows, reproducibility,
//! gradients, clear errors, sweeps that survive a kill.

#[path = "attack_laws/boxes.rs"]
mod boxes;

use approx::assert_relative_eq;
use vaegis_attacks::search::{AdamSearch, Lbfgs, Pgd};
use vaegis_attacks::sweep::{Sweep, SweepRows};
use vaegis_attacks::{
    Attack, AttackRows, Constraint, Direction, HierMode, Layers, NoiseMode, Objective, RowStatus,
    Search, Variant,
    grid::{draw_pairs, lambda_grid},
};
use vaegis_core::SeedTree;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_zoo::{Model, ModelConfig, NetworkConfig, VaeConfig, build};

fn seed() -> SeedTree {
    SeedTree::new(11)
}

fn noise() -> Noise {
    Noise::portable(seed().child("attack"))
}

/// A small untrained VAE on 6 × 6 images: random weights are enough for laws.
fn model(kind: Kind) -> Box<dyn Model> {
    let config = VaeConfig {
        input: [1, 6, 6],
        latent: 4,
        network: NetworkConfig::mlp(&[24, 24]),
        ..VaeConfig::default()
    };
    let store = ParamStore::new(kind, Device::Cpu, Noise::portable(seed().child("init")));
    build(&ModelConfig::Vae(config), &store).expect("a valid config")
}

fn images(label: &str, n: i64, kind: Kind) -> Tensor {
    Noise::portable(seed().child(label)).uniform(&[n, 1, 6, 6], kind, Device::Cpu)
}

fn short(objective: Objective) -> Attack {
    let search = Lbfgs {
        max_iterations: 30,
        ..Lbfgs::default()
    };
    Attack {
        search: Search::Lbfgs(search),
        ..Attack::penalized(objective)
    }
}

const TARGETED: [Objective; 4] = [
    Objective::LATENT_KL,
    Objective::LATENT_W2,
    Objective::OutputElbo { samples: 2 },
    Objective::OutputL2 { samples: 0 },
];

/// A row gives the same result alone and among others (f64: to rounding).
#[test]
fn rows_are_independent_of_their_batch() {
    let model = model(Kind::Double);
    let (x, target) = (
        images("x", 5, Kind::Double),
        images("target", 5, Kind::Double),
    );
    for objective in TARGETED {
        let rows = AttackRows::targeted(
            x.shallow_clone(),
            target.shallow_clone(),
            vec![1e-3, 0.1, 1.0, 10.0, 1e-2],
        );
        // W₂ has a kink where the posteriors meet; near it a search turns the
        // last bits into another path. Twelve iterations stay before it.
        let attack = Attack {
            search: Search::Lbfgs(Lbfgs {
                max_iterations: 12,
                ..Lbfgs::default()
            }),
            ..Attack::penalized(objective)
        };
        let together = attack.run(&*model, &rows, &noise()).expect("runs");
        for row in 0..5 {
            let single = attack
                .run(&*model, &rows.select(&[row]), &noise())
                .expect("runs");
            // Matrix products of other sizes round differently, which the
            // iterations amplify a little.
            assert_relative_eq!(
                single.objective[0],
                together.objective[row],
                max_relative = 1e-6,
                epsilon = 1e-9
            );
            assert_eq!(single.status[0], together.status[row]);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_does_not() {
    let model = model(Kind::Float);
    let rows = || {
        AttackRows::targeted(
            images("x", 3, Kind::Float),
            images("t", 3, Kind::Float),
            vec![1e-5; 3],
        )
    };
    let attack = short(Objective::OutputElbo { samples: 2 });
    let first = attack.run(&*model, &rows(), &noise()).expect("runs");
    let again = attack.run(&*model, &rows(), &noise()).expect("runs");
    assert!(first.distortion.equal(&again.distortion));
    let other = attack
        .run(&*model, &rows(), &noise().child("other"))
        .expect("runs");
    assert!(!first.distortion.equal(&other.distortion));
}

/// Parameters come back trainable and unchanged.
#[test]
fn the_victim_is_left_as_it_was() {
    let model = model(Kind::Float);
    let before: Vec<Tensor> = model
        .store()
        .named_tensors()
        .iter()
        .map(|(_, t)| t.detach().copy())
        .collect();
    let rows = AttackRows::targeted(
        images("x", 2, Kind::Float),
        images("t", 2, Kind::Float),
        vec![0.1; 2],
    );
    short(Objective::LATENT_KL)
        .run(&*model, &rows, &noise())
        .expect("runs");
    for ((name, after), before) in model.store().named_tensors().iter().zip(before) {
        assert!(after.equal(&before), "{name} changed");
    }
    assert!(
        model
            .store()
            .trainable()
            .iter()
            .all(|(_, t)| t.requires_grad())
    );
    assert!(
        model
            .store()
            .trainable()
            .iter()
            .all(|(_, t)| !t.grad().defined())
    );
}

/// SB-09: gradients of every objective in d against central differences.
#[test]
fn gradients_match_finite_differences() {
    use vaegis_attacks::oracle::Oracle;
    use vaegis_attacks::prepared::Prepared;
    let model = model(Kind::Double);
    let (x, target) = (
        images("x", 2, Kind::Double),
        images("target", 2, Kind::Double),
    );
    let damage = |variant| Objective::MaxDamage {
        variant,
        samples: 3,
    };
    let objectives = TARGETED.into_iter().chain(
        [
            Variant::MeanOnly,
            Variant::SigmaOnly,
            Variant::Both,
            Variant::TwoSample,
        ]
        .map(damage),
    );
    for objective in objectives {
        let rows = AttackRows::targeted(x.shallow_clone(), target.shallow_clone(), vec![0.7, 0.3]);
        let prepared = Prepared::new(&*model, objective, &rows, noise(), NoiseMode::Common);
        let mut oracle = Oracle::new(&*model, prepared, &rows, Constraint::PENALIZED, 1024);
        let index = oracle.row_index(&[0, 1]);
        let d = (images("d", 2, Kind::Double) - 0.5).flatten(1, -1) * 0.2;
        let gradient = oracle.evaluate(&index, &d).gradient;
        let step = 1e-6;
        for pixel in [0, 7, 20, 35] {
            let bump = Tensor::zeros_like(&d);
            let _ = bump.narrow(1, pixel, 1).fill_(step);
            let up = oracle.evaluate(&index, &(&d + &bump)).value;
            let down = oracle.evaluate(&index, &(&d - &bump)).value;
            let expected = (up - down) / (2.0 * step);
            for row in 0..2 {
                assert_relative_eq!(
                    gradient.double_value(&[row, pixel]),
                    expected.double_value(&[row]),
                    max_relative = 1e-5,
                    epsilon = 1e-7
                );
            }
        }
    }
}

#[test]
fn more_restarts_are_never_worse() {
    let model = model(Kind::Double);
    let run = |restarts| {
        let mut attack = Attack::max_damage(Variant::Both);
        attack.restarts = restarts;
        attack.search = Search::Pgd(Pgd {
            steps: 15,
            ..Pgd::default()
        });
        let rows = AttackRows::untargeted(images("x", 4, Kind::Double), vec![1.0; 4]);
        attack
            .run(&*model, &rows, &noise())
            .expect("runs")
            .objective
    };
    for (more, fewer) in run(4).iter().zip(run(1)) {
        assert!(*more <= fewer + 1e-12);
    }
}

#[test]
fn adam_lowers_the_penalized_objective() {
    let model = model(Kind::Double);
    let mut attack = short(Objective::LATENT_KL);
    attack.search = Search::Adam(AdamSearch {
        steps: 100,
        learning_rate: 1e-2,
        ..AdamSearch::default()
    });
    let rows = AttackRows::targeted(
        images("x", 3, Kind::Double),
        images("t", 3, Kind::Double),
        vec![1e-4; 3],
    );
    let outcome = attack.run(&*model, &rows, &noise()).expect("runs");
    for row in 0..3 {
        assert!(outcome.objective[row] < 0.5 * outcome.divergence_clean[row]);
    }
}

#[test]
fn impossible_attacks_are_refused_with_a_reason() {
    let model = model(Kind::Float);
    let x = || images("x", 2, Kind::Float);
    let targeted = || AttackRows::targeted(x(), x(), vec![0.1; 2]);
    let refuse = |attack: &Attack, rows: &AttackRows, needle: &str| {
        let error = attack
            .run(&*model, rows, &noise())
            .expect_err("must be refused")
            .to_string();
        assert!(
            error.contains(needle),
            "{error:?} does not mention {needle:?}"
        );
    };
    let mut pgd = Attack::penalized(Objective::LATENT_KL);
    pgd.search = Search::Pgd(Pgd::default());
    refuse(&pgd, &targeted(), "without a ball");
    let mut fresh = Attack::penalized(Objective::OUTPUT_ELBO);
    fresh.noise_mode = NoiseMode::Fresh;
    refuse(&fresh, &targeted(), "common random numbers");
    refuse(
        &Attack::penalized(Objective::OutputElbo { samples: 0 }),
        &targeted(),
        "at least 1",
    );
    let kl = Attack::penalized(Objective::LATENT_KL);
    refuse(&kl, &AttackRows::untargeted(x(), vec![1.0; 2]), "target");
    let mut negative = targeted();
    negative.lambda[1] = -1.0;
    refuse(&kl, &negative, "lambda");
    let mut nan = targeted();
    nan.x = &nan.x * f64::NAN;
    refuse(&kl, &nan, "finite");
    let mut wrong = targeted();
    wrong.x = Tensor::zeros([2, 1, 5, 6], (Kind::Float, Device::Cpu));
    refuse(&kl, &wrong, "shape");
}

/// Weights that overflow give a flagged row, not a panic and not a lost batch.
#[test]
fn a_row_that_is_not_finite_is_flagged() {
    let model = model(Kind::Float);
    vaegis_tensor::no_grad(|| {
        let (_, mut weight) = model.store().trainable().remove(0);
        let _ = weight.fill_(1e30);
    });
    let rows = AttackRows::targeted(
        images("x", 2, Kind::Float),
        images("t", 2, Kind::Float),
        vec![0.1; 2],
    );
    let outcome = short(Objective::LATENT_KL)
        .run(&*model, &rows, &noise())
        .expect("runs");
    assert!(
        outcome.status.iter().all(|s| *s == RowStatus::NonFinite),
        "{:?}",
        outcome.status
    );
}

#[test]
fn the_grid_is_that_of_the_sources() {
    let grid = lambda_grid(50);
    assert_eq!(grid.len(), 50);
    assert_relative_eq!(grid[0], 2f64.powi(-20), max_relative = 1e-14);
    assert_relative_eq!(grid[49], 2f64.powi(20), max_relative = 1e-14);
    let ratio = 2f64.powf(40.0 / 49.0);
    for pair in grid.windows(2) {
        assert_relative_eq!(pair[1] / pair[0], ratio, max_relative = 1e-12);
    }
    let pairs = draw_pairs(100, None, 10, &seed());
    assert_eq!(pairs, draw_pairs(100, None, 10, &seed()));
    assert!(pairs.iter().all(|(a, b)| a != b));
}

/// A job that stops after any chunk and goes on gives the same file.
#[test]
fn a_resumed_sweep_equals_an_uninterrupted_one() {
    let model = model(Kind::Float);
    let folder = tempfile::tempdir().expect("a folder");
    let rows = || {
        let (x, t) = (images("x", 3, Kind::Float), images("t", 3, Kind::Float));
        SweepRows::grid(&x, &t, &[1e-3, 0.1, 10.0], "untrained".into())
    };
    let sweep = Sweep {
        attack: short(Objective::LATENT_KL),
        chunk_rows: 2,
        samples: 1,
    };
    let run = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        let mut seen = Vec::new();
        let result = sweep
            .run_resumable(&*model, &rows(), &noise(), &path, |done, all| {
                seen.push((done, all))
            })
            .expect("runs");
        (
            std::fs::read(path.join("records.jsonl")).expect("written"),
            result,
            seen,
        )
    };
    let (whole, (records, distortions), seen) = run("whole");
    assert_eq!((records.len(), distortions.size()), (9, vec![9, 36]));
    assert_eq!(seen.last(), Some(&(9, 9)));
    for keep in [1, whole.len() / 3, whole.len() / 2, whole.len() - 3] {
        // A kill leaves a prefix of the file, perhaps within a line.
        let path = folder.path().join("cut");
        std::fs::create_dir_all(&path).expect("a folder");
        std::fs::copy(folder.path().join("whole/job.json"), path.join("job.json")).expect("copied");
        for chunk in 0..2 {
            let name = format!("distortions-{chunk:05}.f32");
            std::fs::copy(folder.path().join("whole").join(&name), path.join(&name))
                .expect("copied");
        }
        std::fs::write(path.join("records.jsonl"), &whole[..keep]).expect("written");
        let (resumed, (again, d), _) = run("cut");
        assert!(resumed == whole, "after a cut at byte {keep}");
        assert_eq!(again, records);
        assert!(d.equal(&distortions));
        std::fs::remove_dir_all(&path).expect("removed");
    }
    // Another job in the same folder is refused, and its rows stay.
    let other = Sweep {
        samples: 2,
        ..sweep.clone()
    };
    let path = folder.path().join("whole");
    let error = other
        .run_resumable(&*model, &rows(), &noise(), &path, |_, _| ())
        .expect_err("another job");
    assert!(error.to_string().contains("another folder"));
    // So are other images, other targets and other radii under the same context.
    let changes: [fn(&mut AttackRows); 3] = [
        |rows| rows.x = &rows.x * 0.5,
        |rows| rows.target = Some(rows.x.shallow_clone()),
        |rows| rows.radius[0] = 1.0,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut rows = rows();
        change(&mut rows.rows);
        let error = sweep
            .run_resumable(&*model, &rows, &noise(), &path, |_, _| ())
            .expect_err("other data");
        assert!(
            error.to_string().contains("another folder"),
            "change {number}: {error}"
        );
    }
    assert!(std::fs::read(path.join("records.jsonl")).expect("still there") == whole);
}

/// The likelihoods and distances of a row do not depend on how many rows pass
/// through the networks at once.
#[test]
fn records_are_described_in_parts_of_bounded_size() {
    let model = model(Kind::Double);
    let (x, t) = (images("x", 5, Kind::Double), images("t", 5, Kind::Double));
    let rows = AttackRows::targeted(x, t, vec![0.1; 5]);
    let attack = short(Objective::LATENT_KL);
    let outcome = attack.run(&*model, &rows, &noise()).expect("runs");
    let describe = |max_rows_per_pass: usize| {
        let attack = Attack {
            max_rows_per_pass,
            ..attack
        };
        vaegis_attacks::record::describe(
            &*model,
            &attack,
            &rows,
            &[4, 3, 2, 1, 0],
            &outcome,
            3,
            &noise(),
        )
    };
    // All at once, two rows of three draws at a time, one row at a time.
    let whole = describe(1024);
    for parts in [describe(7), describe(1)] {
        assert_eq!(parts.len(), 5);
        for (a, b) in whole.iter().zip(&parts) {
            assert_eq!((a.key, a.pair, a.delta), (b.key, b.pair, b.delta));
            assert_relative_eq!(a.nll_target, b.nll_target, max_relative = 1e-12);
            assert_relative_eq!(a.nll_original, b.nll_original, max_relative = 1e-12);
            assert_relative_eq!(
                a.reconstruction_to_target,
                b.reconstruction_to_target,
                max_relative = 1e-12
            );
        }
    }
    assert_eq!(whole[0].seed, *noise().seed());
    assert_eq!(whole[0].layers, Some(Layers::All));
    assert_eq!(whole[0].hier_mode, Some(HierMode::Mean));
    assert_eq!(whole[0].direction, Some(Direction::Forward));
}

/// Rows are appended: a second run in the folder must wait, and then finds every row there once.
#[test]
fn two_sweeps_in_one_folder_take_turns() {
    let folder = tempfile::tempdir().expect("a folder");
    let sweep = Sweep {
        attack: short(Objective::LATENT_KL),
        chunk_rows: 2,
        samples: 1,
    };
    let run = |progress: &mut dyn FnMut(usize, usize)| {
        let (x, t) = (images("x", 3, Kind::Float), images("t", 3, Kind::Float));
        let rows = SweepRows::grid(&x, &t, &[1e-3, 0.1], "untrained".into());
        let result = sweep.run_resumable(
            &*model(Kind::Float),
            &rows,
            &noise(),
            folder.path(),
            progress,
        );
        result.expect("runs").0
    };
    let (say, hear) = std::sync::mpsc::channel();
    let (first, second) = std::thread::scope(|scope| {
        let mut second = None;
        let first = run(&mut |done, _| {
            if second.is_none() {
                let say = say.clone();
                second =
                    Some(scope.spawn(move || run(&mut |done, _| say.send(done).expect("heard"))));
            }
            if done == 2 {
                // Without a lock it starts while the first one is at its rows.
                let patience = std::time::Duration::from_millis(300);
                assert!(hear.recv_timeout(patience).is_err(), "both run at once");
            }
        });
        let second = second.expect("started").join().expect("no panic");
        (first, second)
    });
    assert_eq!(
        hear.try_iter().collect::<Vec<_>>(),
        [6],
        "it had nothing left to do"
    );
    assert_eq!(first, second);
    let path = folder.path().join("records.jsonl");
    let lines = std::fs::read_to_string(path).expect("written");
    assert_eq!(lines.lines().count(), 6);
}
