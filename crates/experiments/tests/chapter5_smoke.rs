//! Figures of the chapter on robust VAEs through the program, small, on procedural images: every
//! figure is drawn and judged with finite numbers, and a second run recomputes nothing.

mod common;

use common::succeed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use vaegis_report::{Verdict, read_folder};

/// A figure with the least numbers of its plots, tables and claims.
struct Expected {
    id: &'static str,
    plots: usize,
    tables: usize,
    claims: usize,
}

const fn expect(id: &'static str, plots: usize, tables: usize, claims: usize) -> Expected {
    Expected {
        id,
        plots,
        tables,
        claims,
    }
}

const FIGURES: &[Expected] = &[
    expect("fig-5.4", 6, 6, 12),
    expect("fig-5.6", 18, 6, 30),
    expect("fig-5.7", 2, 2, 14),
    expect("fig-d.1", 2, 2, 2),
    expect("fig-d.2", 8, 4, 8),
    expect("fig-d.3", 6, 3, 21),
    expect("fig-d.4", 2, 2, 2),
    expect("fig-d.5", 8, 0, 4),
    expect("seatbelt-parts", 4, 2, 6),
];

fn words(id: &str) -> String {
    format!("run {id} --tier smoke --seeds 1 --jobs 2 --threads 1 --out out --quiet")
}

/// When every stored model, distortion and measurement was written. Records are opened for
/// appending on every run, so their times say nothing.
fn written(out: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut times = BTreeMap::new();
    for name in common::snapshot(out).keys() {
        let kept = name.starts_with("models/") || name.starts_with("measurements/");
        if kept && (name.ends_with(".json") || name.ends_with(".f32")) {
            let path = out.join(name);
            let modified = path.metadata().and_then(|m| m.modified());
            times.insert(path, modified.expect("a time"));
        }
    }
    times
}

#[test]
fn every_figure_is_drawn_and_judged_and_shares_what_it_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let mut first_reports = Vec::new();
    for figure in FIGURES {
        let id = figure.id;
        let said = succeed(at, &words(id));
        let out = at.join(format!("out/{id}-smoke-0"));
        let report = read_folder(&out).expect("a report");
        let files = common::snapshot(&out);
        let count = |folder: &str, end: &str| {
            let is_of = |n: &&String| n.starts_with(folder) && n.ends_with(end);
            files.keys().filter(is_of).count()
        };
        let tables = report.sections.iter().flat_map(|s| &s.blocks);
        let tables = tables
            .filter(|b| matches!(b, vaegis_report::Block::Table(_)))
            .count();
        assert!(count("figures/", ".svg") >= figure.plots, "{id}: plots");
        assert!(tables >= figure.tables, "{id}: {tables} tables");
        let claims = report.claims.len();
        assert!(claims >= figure.claims, "{id}: {claims} claims");
        for result in &report.claims {
            let claim = &result.claim.id;
            assert!(result.verdict != Verdict::NotRun, "{claim} was not judged");
            assert!(said.contains(claim.as_str()), "{claim} is not printed");
            for seed in &result.per_seed {
                assert!(seed.value.is_finite(), "{claim}: {}", seed.value);
            }
        }
        for (name, bytes) in &files {
            if !(name.starts_with("data/") && name.ends_with(".csv")) {
                continue;
            }
            let text = String::from_utf8_lossy(bytes);
            assert!(text.lines().count() >= 2, "{id}: {name} has no data");
            let is_bad = |field: &str| matches!(field, "NaN" | "inf" | "-inf");
            let bad = text.lines().any(|line| line.split(',').any(is_bad));
            assert!(!bad, "{id}: {name} has numbers that are not finite");
        }
        first_reports.push(report);
    }
    let times = written(&at.join("out"));
    assert!(times.len() > 100, "{} stored files", times.len());
    for (figure, first) in FIGURES.iter().zip(&first_reports) {
        succeed(at, &words(figure.id));
        let again = read_folder(&at.join(format!("out/{}-smoke-0", figure.id)));
        let again = again.expect("a report");
        assert_eq!(again.claims, first.claims, "{}", figure.id);
    }
    let later = written(&at.join("out"));
    let changed: Vec<&PathBuf> = later
        .iter()
        .filter(|(path, time)| times.get(*path) != Some(*time))
        .map(|(path, _)| path)
        .collect();
    assert!(changed.is_empty(), "a second run computes {changed:?}");
}
