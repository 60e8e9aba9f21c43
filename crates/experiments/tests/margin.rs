//! `vaegis margin` on a tiny model: what stands in its files, and the printed algorithms beside
//! our margins.

mod common;

use common::{TINY, results, run, succeed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

const MARGIN: &str = "margin m --r 2 --samples 60 --steps 4 --restarts 2 --tolerance 1 --seed 3 \
                      --threads 1 --quiet";
/// A coarse grid, so that the loops are short; the first radius and the restarts stay as printed.
const LEGACY: &str = "--legacy-step 0.25 --legacy-samples 10 --legacy-clean-samples 400";
/// First radius and number of restarts of the printed E.2, and the step above.
const START: f64 = 10.0;
const RESTARTS: f64 = 5.0;
const STEP: f64 = 0.25;
/// Rounding of a sum of up to a hundred steps.
const ROUNDING: f64 = 1e-9;

/// A folder with a copy of one trained model.
fn trained() -> tempfile::TempDir {
    static MODEL: OnceLock<tempfile::TempDir> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("tiny.toml"), TINY).expect("written");
        succeed(folder.path(), "train tiny.toml --out m --threads 1 --quiet");
        folder
    });
    let folder = tempfile::tempdir().expect("a folder");
    common::copy(&model.path().join("m"), &folder.path().join("m"));
    folder
}

fn json(folder: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(name)).expect(name);
    serde_json::from_str(&text).expect("JSON")
}

/// The rows of a CSV file by column.
fn csv(folder: &Path, name: &str) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(folder.join(name)).expect(name);
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a heading").split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), names.len(), "{line}");
        let pairs = names.iter().zip(cells);
        pairs
            .map(|(n, c)| ((*n).to_owned(), c.to_owned()))
            .collect()
    };
    lines.map(row).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::INFINITY)
}

/// Whether a value lies on the grid of a step.
fn on_grid(value: f64, step: f64) -> bool {
    let steps = value / step;
    (steps - steps.round()).abs() < ROUNDING
}

#[test]
fn every_image_has_what_places_it_in_a_figure() {
    let folder = trained();
    let at = folder.path();
    let said = succeed(at, &format!("{MARGIN} --images 3"));
    let margins = json(at, "m/margins/margins.json");
    let rows = csv(at, "m/margins/margins.csv");
    assert_eq!(rows.len(), 3);
    let sha256 = margins["settings"]["model-sha256"].as_str().expect("text");
    for (row, stored) in rows.iter().zip(margins["rows"].as_array().expect("rows")) {
        let value = |name: &str| -> f64 {
            let cell = &row[name];
            cell.parse().unwrap_or_else(|_| panic!("{name}: {cell}"))
        };
        assert!(row["network"].len() == 16 && sha256.starts_with(&row["network"]));
        assert_eq!(value("image"), number(&stored["image"]));
        assert_eq!((value("seed"), value("r"), value("m")), (3.0, 2.0, 0.5));
        assert_eq!(
            (row["mode"].as_str(), row["direction"].as_str()),
            ("both", "attack")
        );
        assert_eq!(row["search"], "bisection");
        assert!(["bracketed", "at cap", "not robust at 0"].contains(&row["status"].as_str()));
        assert!(value("margin_lower") <= value("margin_upper"));
        assert!(value("p0_lower") < value("p0_upper"));
        assert!((value("p0_lower")..=value("p0_upper")).contains(&value("p0")));
        assert!(value("bound_frobenius") <= value("bound_spectral"));
        assert!(value("bound_spectral") <= value("bound_mahalanobis"));
        assert!(value("cell_radius") > 0.0, "a ReLU MLP has cells");
        assert_eq!(row["margin_evidence"], "empirical");
        assert_eq!(stored["margin"]["evidence"]["kind"], "empirical");
        assert_eq!(row["bound_evidence"], "first order");
        assert_eq!(row["bound_confident_evidence"], "first order");
        assert_eq!(
            stored["bounds"]["confident"]["evidence"]["kind"],
            "first_order"
        );
    }
    let summary = &margins["summary"]["margins"];
    let mean: f64 = rows
        .iter()
        .map(|r| r["margin_lower"].parse::<f64>().expect("a number"))
        .sum();
    assert!((number(&summary["mean"]) - mean / 3.0).abs() < ROUNDING);
    let shown = succeed(at, "show m/margins");
    for line in said.lines().filter(|l| {
        l.starts_with("margins V2") && l.contains(" of 3 ") || l.starts_with("at the cap")
    }) {
        assert!(shown.contains(line), "{line} is not shown");
    }
    let margins = "margins V2 (mean and noise scale) of 3 images (empirical)";
    assert!(said.contains(margins), "{said}");
}

#[test]
fn printed_algorithms_stand_beside_ours() {
    let folder = trained();
    let at = folder.path();
    succeed(at, &format!("{MARGIN} --images 2"));
    let plain = json(at, "m/margins/margins.json");
    let words = format!("{MARGIN} --images 2 --legacy thesis,paper {LEGACY}");
    let said = succeed(at, &words);
    let both = json(at, "m/margins/margins.json");
    for word in [
        "printed algorithms of the thesis",
        "printed algorithms of the paper",
        "known defects",
        "keeps the share of the last restart",
        "one random direction per sample",
    ] {
        assert!(said.contains(word), "{word} is not said in:\n{said}");
    }
    let rows = csv(at, "m/margins/margins.csv");
    for (at, row) in both["rows"].as_array().expect("rows").iter().enumerate() {
        // Ours are those measured before.
        assert_eq!(row["margin"], plain["rows"][at]["margin"]);
        assert_eq!(row["bounds"], plain["rows"][at]["bounds"]);
        for (legacy, source) in row["legacy"]
            .as_array()
            .expect("both")
            .iter()
            .zip(["thesis", "paper"])
        {
            assert_eq!(legacy["source"], source);
            assert_eq!(legacy["evidence"]["kind"], "empirical");
            let (r_min, margin) = (&legacy["minimal-radius"], &legacy["margin"]);
            assert_eq!(r_min["stop"], "condition");
            // The grid, and a share of at least one half, which fresh samples may pass early.
            let (radius, share) = (number(&r_min["radius"]), number(&r_min["share"]));
            assert!(on_grid(radius, STEP) && share >= 0.5, "{radius}, {share}");
            let ours = &row["bounds"]["r_min"];
            assert!(
                radius > number(&ours["lower"]) - STEP,
                "{radius} for {ours}"
            );
            assert!(
                radius < number(&ours["upper"]) + 2.0 * STEP,
                "{radius} for {ours}"
            );
            // One step per test: five tests per pass of the thesis, one of the paper.
            let per_pass = if source == "thesis" { RESTARTS } else { 1.0 };
            let passes = number(&margin["num_iterations"]);
            let expected = START - STEP * per_pass * passes;
            assert!(
                (number(&margin["radius"]) - expected).abs() < ROUNDING,
                "{margin}"
            );
            let cell = |name: &str| rows[at][&format!("legacy_{source}_{name}")].clone();
            assert_eq!(
                cell("margin").parse::<f64>().expect("a number"),
                number(&margin["radius"])
            );
            assert_eq!(cell("r_min").parse::<f64>().expect("a number"), radius);
            assert_eq!(cell("evidence"), "empirical");
        }
    }
    // Again, and without: nothing is lost, nothing changes.
    let before = results(at);
    succeed(at, &words);
    assert!(before == results(at), "a result changed");
    succeed(at, &format!("{MARGIN} --images 2"));
    assert!(before == results(at), "a result changed");
    // An image gives the same whichever images and sources are beside it.
    let alone = format!("{MARGIN} --images 1 --out alone --legacy P {LEGACY}");
    succeed(at, &alone);
    let alone = json(at, "alone/margins.json");
    assert_eq!(alone["rows"][0]["image"], both["rows"][0]["image"]);
    assert_eq!(alone["rows"][0]["legacy"][0], both["rows"][0]["legacy"][1]);
}

#[test]
fn printed_loops_end_where_no_image_is_robust() {
    let folder = trained();
    let at = folder.path();
    // No reconstruction stays within a hundredth of a millionth, and E.1 has three steps.
    let words = "margin m --r 1e-8 --images 1 --samples 20 --steps 2 --threads 1 --quiet \
                 --legacy thesis,paper --legacy-samples 5 --legacy-step 2 --legacy-max-passes 3";
    let said = succeed(at, words);
    let row = &csv(at, "m/margins/margins.csv")[0];
    assert_eq!(row["status"], "not robust at 0");
    // 10 falls by ten per pass of the thesis; three passes leave the paper at 4.
    assert_eq!(row["legacy_thesis_margin_stop"], "not above 0");
    assert_eq!(row["legacy_thesis_margin"], "0");
    assert_eq!(row["legacy_paper_margin_stop"], "gave up");
    assert_eq!(row["legacy_paper_margin"], "4");
    assert!(said.contains("not robust at rest 100.0 %"), "{said}");
}

#[test]
fn wrong_words_about_the_printed_algorithms_are_refused() {
    let folder = trained();
    let at = folder.path();
    for (words, code, needle) in [
        ("--legacy preprint", 2, "preprint"),
        ("--legacy-step 0.5", 2, "--legacy"),
        (
            "--legacy paper --legacy-step 0 --legacy-samples 0",
            1,
            "2 configuration",
        ),
    ] {
        let output = run(at, &format!("{MARGIN} --images 1 {words}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words}: {stderr}");
        assert!(stderr.contains(needle), "{words}: {stderr}");
        assert!(!at.join("m/margins").exists(), "{words} left a folder");
    }
    succeed(at, &format!("{MARGIN} --images 1 --legacy paper {LEGACY}"));
    let other = format!("{MARGIN} --images 1 --legacy paper --legacy-step 0.5");
    let output = run(at, &other);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("printed algorithms of the paper"),
        "{stderr}"
    );
    let help = String::from_utf8(run(at, "margin --help").stdout).expect("text");
    for word in [
        "--legacy <SOURCES>",
        "thesis",
        "may stop early by luck",
        "average-case radius",
    ] {
        assert!(help.contains(word), "{word} is not in the help");
    }
}

/// Files of earlier versions lack the evidence, the cell and the summary: they are read and
/// completed, and not measured again.
#[test]
fn files_without_the_new_fields_are_completed() {
    let folder = trained();
    let at = folder.path();
    let words = format!("{MARGIN} --images 2");
    succeed(at, &words);
    let before = results(at);
    let mut old = json(at, "m/margins/margins.json");
    old.as_object_mut().expect("an object").remove("summary");
    // A mark that only a file that was read back still has.
    for row in old["rows"].as_array_mut().expect("rows") {
        row.as_object_mut().expect("a row").remove("cell");
        row["margin"]
            .as_object_mut()
            .expect("a margin")
            .remove("evidence");
        row["label"] = Value::from(77);
    }
    std::fs::write(at.join("m/margins/margins.json"), old.to_string()).expect("written");
    assert!(succeed(at, "show m/margins").contains("2 images"));
    succeed(at, &words);
    let mut now = json(at, "m/margins/margins.json");
    for row in now["rows"].as_array_mut().expect("rows") {
        assert_eq!(row["label"], 77, "measured again");
        row["label"] = Value::Null;
    }
    let mut first: Value = serde_json::from_slice(&before["m/margins/margins.json"]).expect("JSON");
    for row in first["rows"].as_array_mut().expect("rows") {
        row["label"] = Value::Null;
    }
    assert_eq!(now, first);
}
