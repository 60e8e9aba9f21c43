//! `kill -9` of the real program at random moments of a training and of a sweep: run again to its
//! end, it leaves the bytes of an uninterrupted run.
//!
//! `VAEGIS_KILLS` sets the number of kills per test (default 2).

mod common;

use common::{TINY, assert_same, results, run, succeed, vaegis};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vaegis_core::SeedTree;

/// Longer than the other tests' run, so that kills meet the loop and not only the start.
fn config() -> String {
    TINY.replace("epochs = 4", "epochs = 60")
}

const TRAIN: &str = "train tiny.toml --out m --threads 1 --quiet";
const ATTACK: &str = "attack m --objective kl --pairs 8 --lambdas 25 --restarts 2 --samples 64 \
                      --chunk-rows 5 --pictures 2 --out a --threads 1 --quiet";

fn num_kills() -> u32 {
    let wanted = std::env::var("VAEGIS_KILLS").ok();
    wanted.map_or(2, |n| n.parse().expect("VAEGIS_KILLS is a number"))
}

/// Runs `words` in folders made by `prepare`, killing it `num_kills()` times at moments drawn
/// uniformly from an uninterrupted run's length, and compares every finished folder.
fn kill_and_compare(words: &str, shown: &str, prepare: &dyn Fn(&Path)) {
    let fresh = || {
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        folder
    };
    let whole = fresh();
    let started = Instant::now();
    succeed(whole.path(), words);
    let length = started.elapsed();
    let expected = results(whole.path());

    // Timing is random by itself; the tree only spreads the moments.
    let moments = SeedTree::new(u64::from(std::process::id())).child("moments");
    let (mut kills, mut runs, mut resumed) = (0, 0_u64, 0);
    let mut folder = fresh();
    while kills < num_kills() {
        let share = moments.index(runs).seed_u64() as f64 / u64::MAX as f64;
        runs += 1;
        let mut child = vaegis(folder.path())
            .args(words.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_secs_f64(length.as_secs_f64() * share));
        if child.try_wait().expect("a child").is_none() {
            child.kill().expect("killed");
            kills += 1;
        }
        let output = child.wait_with_output().expect("ended");
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            // It was faster than the moment: this folder is finished, the next one is new.
            assert_same(&expected, &results(folder.path()));
            folder = fresh();
            continue;
        }
        assert!(stderr.is_empty(), "after {kills} kills: {stderr}");
        // Whatever a kill leaves can be shown: nothing is half written.
        if folder.path().join(shown).exists() {
            let after = run(folder.path(), &format!("show {shown}"));
            let stderr = String::from_utf8_lossy(&after.stderr);
            assert!(after.status.success(), "after a kill: {stderr}");
            resumed += 1;
        }
    }
    succeed(folder.path(), words);
    let found = results(folder.path());
    // Nothing temporary stays behind a finished run.
    assert_same(&expected, &found);
    eprintln!("{kills} kills, {resumed} of them with results on disk, {runs} starts");
}

#[test]
fn a_killed_training_ends_like_a_whole_one() {
    kill_and_compare(TRAIN, "m/run.toml", &|folder| {
        std::fs::write(folder.join("tiny.toml"), config()).expect("written");
    });
}

/// A kill between the exchange of the last checkpoint and the removal of the old one leaves the
/// old one under a temporary name, and no later checkpoint of the run cleans up behind it.
#[test]
fn what_a_kill_at_the_last_checkpoint_leaves_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tiny.toml"), TINY).expect("written");
    succeed(folder.path(), TRAIN);
    let expected = results(folder.path());
    // Above the largest process number of Linux, so certainly of a dead process.
    let left = folder.path().join("m/.checkpoint.writing-4194305-x.tmp");
    std::fs::create_dir(&left).expect("a folder");
    std::fs::write(left.join("state.bin"), "old").expect("written");
    succeed(folder.path(), TRAIN);
    assert_same(&expected, &results(folder.path()));
}

#[test]
fn a_killed_sweep_ends_like_a_whole_one() {
    kill_and_compare(ATTACK, "a/job.json", &|folder| {
        std::fs::write(folder.join("tiny.toml"), TINY).expect("written");
        succeed(folder, TRAIN);
    });
}

/// Models, measurements and report of a figure of `chapter-5`.
#[test]
fn a_killed_experiment_ends_like_a_whole_one() {
    let words = "run fig-5.1 --tier smoke --seeds 1 --jobs 2 --threads 1 --out out --quiet";
    kill_and_compare(words, "out/fig-5.1-smoke-0/report.json", &|_| {});
}
