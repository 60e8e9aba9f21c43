//! Same seed, same number of threads: the same losses, attacks, margins and report data, byte for
//! byte, in two processes.

mod common;

use common::{TINY, assert_same, results, snapshot, succeed};
use std::collections::BTreeMap;

fn everything(threads: usize, seed: u64, objectives: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("tiny.toml"), TINY).expect("written");
    let common = format!("--threads {threads} --quiet");
    succeed(
        at,
        &format!("train tiny.toml --out m --seed {seed} {common}"),
    );
    for objective in objectives {
        let grid = "--pairs 2 --lambdas 3 --max-evaluations 20 --pictures 1 --chunk-rows 4";
        succeed(
            at,
            &format!("attack m --objective {objective} {grid} {common}"),
        );
    }
    let few = "--images 2 --r 2 --samples 50 --steps 5 --tolerance 1";
    succeed(at, &format!("margin m {few} {common}"));
    results(at)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let all = ["kl", "w2", "output", "output-l2"];
    for (threads, objectives) in [(1, &all[..]), (2, &all[2..3])] {
        let make = || everything(threads, 5, objectives);
        let (first, second) = (make(), make());
        for name in [
            "m/metrics.jsonl",
            "m/model.safetensors",
            "m/result.json",
            "m/attack-output/records.jsonl",
            "m/attack-output/report.json",
            "m/margins/margins.json",
        ] {
            assert!(!first[name].is_empty(), "{name} is empty");
        }
        assert_same(&first, &second);
    }
}

#[test]
fn decoded_copies_are_kept_where_asked_for_and_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::create_dir(at.join("pictures")).expect("made");
    for i in 0..12_u8 {
        let pixels: Vec<u8> = (0..64).map(|p: u8| p.wrapping_mul(i)).collect();
        let picture = vaegis_report::Picture::from_bytes(8, 8, 1, pixels).expect("64 pixels");
        let path = at.join(format!("pictures/{i}.png"));
        std::fs::write(path, picture.to_png(1).expect("encoded")).expect("written");
    }
    let config = TINY.replace("name = \"sprites\"", "name = \"folder:pictures\"");
    assert!(config != TINY, "the configuration names its data set");
    std::fs::write(at.join("own.toml"), config).expect("written");
    let weights = |out: &str, decoded: Option<&str>| {
        let mut command = common::vaegis(at);
        command.args(format!("train own.toml --out {out} --threads 1 --quiet").split(' '));
        if let Some(folder) = decoded {
            command.env("VAEGIS_DECODED", at.join(folder));
        }
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        std::fs::read(at.join(out).join("model.safetensors")).expect("weights")
    };
    let without = weights("a", None);
    assert!(!at.join("decoded").exists());
    assert_eq!(weights("b", Some("decoded")), without);
    let copies = || {
        std::fs::read_dir(at.join("decoded"))
            .expect("a folder")
            .count()
    };
    let made = copies();
    assert!(made > 0, "copies were kept");
    assert_eq!(weights("c", Some("decoded")), without);
    assert_eq!(copies(), made, "and used again");
}

#[test]
fn another_seed_gives_other_losses_and_attacks() {
    let (first, second) = (everything(1, 5, &["kl"]), everything(1, 6, &["kl"]));
    for name in [
        "m/metrics.jsonl",
        "m/model.safetensors",
        "m/attack-kl/records.jsonl",
    ] {
        assert!(first[name] != second[name], "{name} ignores the seed");
    }
}

#[test]
fn a_second_run_of_each_command_changes_no_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("tiny.toml"), TINY).expect("written");
    let commands = [
        "train tiny.toml --out m --threads 1 --quiet",
        "attack m --objective kl --pairs 2 --lambdas 3 --threads 1 --quiet",
        "margin m --images 2 --r 2 --samples 50 --steps 5 --tolerance 1 --threads 1 --quiet",
    ];
    let first = commands.map(|words| succeed(at, words));
    let before = results(at);
    let second = commands.map(|words| succeed(at, words));
    assert_same(&before, &results(at));
    // The training says that it made no step; the others say the same.
    assert!(second[0].contains("by earlier processes"), "{}", second[0]);
    assert_eq!(first[1..], second[1..]);
    assert!(snapshot(at).contains_key("m/provenance.json"));
}
