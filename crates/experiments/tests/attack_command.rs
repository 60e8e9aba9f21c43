//! `vaegis attack` on a model of two latent layers: options reach the attack, and every record
//! stands beside its references.

mod common;

use common::succeed;
use serde_json::Value;
use std::path::Path;

/// Two layers, with the pixels of the published numbers.
const TWO_LAYERS: &str = r#"
[dataset]
name = "sprites"
size = 8
train-items = 128
test-items = 32
[model]
family = "seatbelt"
input = [1, 8, 8]
layers = 2
z-sizes = [4, 2]
h-sizes = [8, 8]
[model.network]
kind = "mlp"
hidden = [16]
[model.pixels]
profile = "as-plotted"
[train]
batch-size = 32
epochs = 1
"#;

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn options_and_references_reach_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("two.toml"), TWO_LAYERS).expect("written");
    succeed(at, "train two.toml --out m --threads 1 --quiet");
    let grid = "--pairs 2 --lambdas 3 --with-zero --pictures 1 --threads 1 --quiet";
    let said = succeed(
        at,
        &format!(
            "attack m --objective w2-squared --layers 2 --chains 3 --max-iterations 5 {grid} --out a"
        ),
    );
    for word in ["no attack", "random", "perfect"] {
        assert!(said.contains(word), "{word} is missing: {said}");
    }
    let settings = json(&at.join("a/attack.json"));
    assert_eq!(settings["profile"], "as-plotted");
    let attack = &settings["sweep"]["attack"];
    assert_eq!(attack["constraint"]["bounds"], "unit-legacy");
    assert_eq!(attack["objective"]["squared"], true);
    assert_eq!(attack["objective"]["layers"], serde_json::json!([2]));
    assert_eq!(attack["objective"]["hier-mode"]["samples"], 3);
    let lambdas = settings["lambdas"].as_array().expect("a list");
    assert_eq!((lambdas.len(), lambdas[0].as_f64()), (4, Some(0.0)));

    let table = std::fs::read_to_string(at.join("a/records.csv")).expect("a table");
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let column = |line: &str, name: &str| {
        let position = names.iter().position(|n| *n == name).expect(name);
        line.split(',').nth(position).expect("a cell").to_owned()
    };
    let records: Vec<&str> = lines.collect();
    assert_eq!(records.len(), 8, "two pairs at four penalties");
    for line in records {
        assert_eq!(column(line, "penalty"), "l2");
        assert_eq!(column(line, "hier_mode"), "crn-3");
        let random: f64 = column(line, "nll_target_random").parse().expect("a number");
        let norm: f64 = column(line, "norm_l2").parse().expect("a number");
        let clean: f64 = column(line, "nll_target_no_attack")
            .parse()
            .expect("a number");
        // Noise of no length does nothing; noise of some length does something.
        assert_eq!(random == clean, norm == 0.0, "{line}");
    }
    let summary = json(&at.join("a/summary.json"));
    assert_eq!(summary["level"], "lambda");
    let first = &summary["by-level"][0];
    for name in [
        "nll-target-no-attack",
        "nll-target-random",
        "nll-target-perfect",
    ] {
        assert!(
            first[name].as_f64().is_some_and(f64::is_finite),
            "{name}: {first}"
        );
    }
    let asked = "attack m --objective kl --optimizer adam --max-iterations 3 --bounds data-range";
    succeed(at, &format!("{asked} {grid} --out b"));
    let attack = &json(&at.join("b/attack.json"))["sweep"]["attack"];
    assert_eq!(attack["constraint"]["bounds"], "data-range");
    assert_eq!(attack["search"]["kind"], "adam");

    // In balls: the limit is kept, and a larger ball is never worse.
    let pairs = "--pairs 2 --pictures 1 --threads 1 --quiet";
    for (ball, norm, optimizer) in [
        ("l2", "norm_l2", "pgd"),
        ("linf", "norm_linf", "apgd"),
        ("l2", "norm_l2", "random"),
        ("linf", "norm_linf", "lbfgs"),
    ] {
        let out = format!("{ball}-{optimizer}");
        let asked = format!(
            "attack m --objective kl --ball {ball} --radii 0.1,0.5 --optimizer {optimizer} \
             --max-iterations 8 --out {out}"
        );
        succeed(at, &format!("{asked} {pairs}"));
        let table = std::fs::read_to_string(at.join(&out).join("records.csv")).expect("a table");
        let mut lines = table.lines();
        let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
        let column = |line: &str, name: &str| -> f64 {
            let position = names.iter().position(|n| *n == name).expect(name);
            let cell = line.split(',').nth(position).expect("a cell");
            cell.parse().expect("a number")
        };
        let records: Vec<&str> = lines.collect();
        assert_eq!(records.len(), 4, "two pairs in two balls: {table}");
        for line in &records {
            // f32 arithmetic of x + d.
            assert!(
                column(line, norm) <= column(line, "radius") * (1.0 + 1e-5),
                "{line}"
            );
            assert_eq!(column(line, "lambda"), 0.0, "{line}");
            let (after, before) = (column(line, "divergence"), column(line, "divergence_clean"));
            assert!(after <= before, "{line}");
        }
        let summary = json(&at.join(&out).join("summary.json"));
        assert_eq!(summary["level"], "radius");
        assert_eq!(summary["by-level"][1]["level"], 0.5);
    }
    for (words, expected) in [
        ("--radii 0.1", "--radii"),
        ("--ball l2 --lambdas 3", "--lambdas"),
        ("--ball l2 --radii 0,1", "--radii"),
        ("--ball l2 --optimizer lbfgs --penalty l2", "--penalty"),
    ] {
        let output = common::run(
            at,
            &format!("attack m --objective kl {words} --out no {pairs}"),
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{words}");
        assert!(said.contains(expected), "{words}: {said}");
        assert!(!at.join("no").exists(), "{words}: nothing is written");
    }
}
