//! What a sweep refuses, and what it says.

use std::path::PathBuf;
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::sweep::{Sweep, SweepRows};
use vaegis_attacks::{Attack, Objective, Search};
use vaegis_core::SeedTree;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

fn model() -> LinearGaussian {
    LinearGaussian::new(
        Kind::Double,
        &LinearGaussianSpec::random(4, 2, &SeedTree::new(3)),
    )
}

fn noise() -> Noise {
    Noise::portable(SeedTree::new(4))
}

/// Two pairs of images at each penalty.
fn rows(lambdas: &[f64]) -> SweepRows {
    let images = |label: &str| {
        noise()
            .child(label)
            .uniform(&[2, 1, 1, 4], Kind::Double, Device::Cpu)
    };
    SweepRows::grid(&images("x"), &images("target"), lambdas, "model".to_owned())
}

fn sweep(max_evaluations: usize) -> Sweep {
    let search = Lbfgs {
        max_evaluations,
        ..Lbfgs::default()
    };
    Sweep {
        attack: Attack {
            search: Search::Lbfgs(search),
            ..Attack::penalized(Objective::LATENT_KL)
        },
        chunk_rows: 3,
        samples: 2,
    }
}

/// An empty folder of this test alone.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("removed");
    }
    std::fs::create_dir_all(&path).expect("made");
    path
}

#[test]
fn nothing_to_do_is_an_error_that_says_what_is_missing() {
    let whole = sweep(5);
    let no_chunk = Sweep {
        chunk_rows: 0,
        ..whole.clone()
    };
    let no_draw = Sweep {
        samples: 0,
        ..whole.clone()
    };
    let short = || {
        let mut rows = rows(&[0.1]);
        rows.pairs.pop();
        rows
    };
    let cases = [
        ("sweep.rows", &whole, rows(&[])),
        ("sweep.chunk-rows", &no_chunk, rows(&[0.1])),
        ("sweep.samples", &no_draw, rows(&[0.1])),
        ("sweep.pairs", &whole, short()),
    ];
    for (name, sweep, rows) in cases {
        let path = folder(name);
        let in_memory = sweep.run(&model(), &rows, &noise(), |_, _| ());
        let on_disk = sweep.run_resumable(&model(), &rows, &noise(), &path, |_, _| ());
        for result in [in_memory, on_disk] {
            let error = result.expect_err("nothing to do").to_string();
            assert!(error.starts_with(name), "{name}: {error}");
        }
        let left = std::fs::read_dir(&path).expect("there").count();
        assert_eq!(left, 0, "{name}: a job that cannot run leaves nothing");
    }
}

#[test]
fn another_job_is_told_by_the_settings_that_differ() {
    let path = folder("another-job");
    let run = |sweep: &Sweep, rows: &SweepRows| -> Result<usize, String> {
        let done = sweep.run_resumable(&model(), rows, &noise(), &path, |_, _| ());
        done.map(|(_, d): (_, Tensor)| d.size()[0] as usize)
            .map_err(|error| error.to_string())
    };
    assert_eq!(run(&sweep(5), &rows(&[0.1, 1.0])), Ok(4));
    let other = run(&sweep(6), &rows(&[0.1, 1.0])).expect_err("other settings");
    assert!(
        other.contains("attack.search.max-evaluations (5 there)"),
        "{other}"
    );
    assert!(!other.contains("penalties"), "{other}");
    let other = run(&sweep(5), &rows(&[0.1])).expect_err("other rows");
    assert!(other.contains("rows (4 there)"), "{other}");
    assert!(other.contains("penalties"), "{other}");
    assert!(!other.contains("attack"), "{other}");
}
