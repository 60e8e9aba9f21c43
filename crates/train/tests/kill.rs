//! A run that is killed at random moments ends with the same bytes as one that is not.
//!
//! The child process is this program itself. `VAEGIS_KILLS` sets the number of kills (default 3).

#![expect(
    clippy::print_stdout,
    reason = "a test without harness reports by itself"
)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vaegis_core::SeedTree;
use vaegis_tensor::device;
use vaegis_train::{TrainConfig, read_metrics};

/// The files that must be equal in the end.
const FILES: [&str; 5] = [
    "metrics.jsonl",
    "checkpoint/model.safetensors",
    "checkpoint/optimizer.safetensors",
    "checkpoint/state.bin",
    "checkpoint/config.toml",
];

const EPOCHS: u64 = 12;

/// 103 items in batches of 10.
const BATCHES_PER_EPOCH: u64 = 11;

const STEPS_BETWEEN_RECORDS: u64 = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("child") => child(Path::new(&arguments[2])),
        Some("--list") => println!("killed_runs_end_like_whole_ones: test"),
        _ => {
            killed_runs_end_like_whole_ones();
            println!("test killed_runs_end_like_whole_ones ... ok");
        }
    }
}

fn child(out: &Path) {
    device::set_num_threads(1);
    println!("ready");
    let config = TrainConfig {
        epochs: EPOCHS,
        log_every: STEPS_BETWEEN_RECORDS,
        checkpoint_every_steps: Some(3),
        ..common::config()
    };
    common::train(&common::Toy::new(1), config, Some(out), Vec::new()).expect("trains");
}

fn start(out: &Path) -> Child {
    let program = std::env::current_exe().expect("own path");
    let mut child = Command::new(program)
        .arg("child")
        .arg(out)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    // The clock starts when libtorch is loaded, so that kills meet the training.
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    child
}

fn read(out: &Path) -> Vec<Vec<u8>> {
    FILES
        .iter()
        .map(|file| std::fs::read(out.join(file)).expect(file))
        .collect()
}

fn compare(out: &Path, expected: &[Vec<u8>], kills: u32) {
    for ((file, expected), found) in FILES.iter().zip(expected).zip(read(out)) {
        assert!(*expected == found, "{file} differs after {kills} kills");
    }
    let mut left: Vec<String> = std::fs::read_dir(out)
        .expect("folder")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["checkpoint", "metrics.jsonl"],
        "no temporary file is left"
    );
}

fn killed_runs_end_like_whole_ones() {
    let kills_wanted: u32 = std::env::var("VAEGIS_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3);
    let folder = tempfile::tempdir().expect("temp folder");
    let whole = folder.path().join("whole");
    let started = Instant::now();
    assert!(start(&whole).wait().expect("ends").success());
    let duration = started.elapsed();
    let expected = read(&whole);
    let records = read_metrics(&whole.join(FILES[0])).expect("reads");
    assert!(
        records.windows(2).all(|w| w[1].step > w[0].step),
        "steps rise"
    );
    assert_eq!(
        records.len() as u64,
        (EPOCHS * BATCHES_PER_EPOCH).div_ceil(STEPS_BETWEEN_RECORDS)
    );

    // The moments differ from run to run of this test only by the machine's speed.
    let seed = SeedTree::new(u64::from(kills_wanted)).child("moments");
    let (mut kills, mut attempt) = (0, 0);
    let mut run = folder.path().join("run-0");
    let mut kills_of_run = 0;
    while kills < kills_wanted {
        let mut child = start(&run);
        let share = seed.index(attempt).seed_u64() as f64 / u64::MAX as f64;
        attempt += 1;
        assert!(
            attempt < 50 * u64::from(kills_wanted),
            "the child always ends before its kill"
        );
        std::thread::sleep(duration.mul_f64(0.6 * share) + Duration::from_millis(1));
        // On Unix this is SIGKILL: nothing in the child runs afterwards.
        child.kill().expect("the child exists");
        let status = child.wait().expect("ends");
        if status.success() {
            compare(&run, &expected, kills_of_run);
            run = folder.path().join(format!("run-{attempt}"));
            kills_of_run = 0;
        } else {
            assert_eq!(
                status.code(),
                None,
                "killed by a signal, not failed: {status}"
            );
            (kills, kills_of_run) = (kills + 1, kills_of_run + 1);
        }
    }
    assert!(start(&run).wait().expect("ends").success());
    compare(&run, &expected, kills_of_run);
    println!("{kills} kills in {attempt} starts, whole run {duration:?}");
}
