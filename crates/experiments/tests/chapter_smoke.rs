//! Figures of the r-robustness chapter through the program, small, on sprites: every figure is
//! drawn and judged, and what one figure trains and measures another reuses.

mod common;

use common::succeed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use vaegis_report::{Verdict, read_folder};

fn words(id: &str) -> String {
    format!("run {id} --tier smoke --seeds 1 --jobs 2 --threads 1 --out out --quiet")
}

/// When every stored model and measurement was written.
fn written(out: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut times = BTreeMap::new();
    for name in common::snapshot(out).keys() {
        let kept = name.starts_with("models/") || name.starts_with("measurements/");
        if kept && name.ends_with(".json") {
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
    let said = succeed(at, &words("chapter-6"));
    let out = at.join("out/chapter-6-smoke-0");
    let report = read_folder(&out).expect("a report");
    assert!(
        report.sections.len() >= 15,
        "{} sections",
        report.sections.len()
    );
    for section in &report.sections {
        assert!(!section.blocks.is_empty(), "{} is empty", section.id);
    }
    assert!(report.claims.len() >= 43, "{} claims", report.claims.len());
    for result in &report.claims {
        let id = &result.claim.id;
        assert!(result.verdict != Verdict::NotRun, "{id} was not judged");
        assert!(said.contains(id.as_str()), "{id} is not printed");
    }
    let files = common::snapshot(&out);
    let count = |end: &str| files.keys().filter(|n| n.ends_with(end)).count();
    assert!(count(".svg") >= 33, "{} figures", count(".svg"));
    let pictures: Vec<&String> = files.keys().filter(|n| n.ends_with(".png")).collect();
    // One grid for each of two data sets in 6.1, and those of 6.8, E.3, E.4 and E.6.
    assert_eq!(pictures.len(), 6, "{pictures:?}");
    for (name, bytes) in &files {
        let lines = bytes.iter().filter(|b| **b == b'\n').count();
        let is_csv = name.starts_with("data/") && name.ends_with(".csv");
        assert!(!is_csv || lines >= 2, "{name} has no data");
    }

    // C19: pictures say how far they were moved and what the network bears.
    for grid in ["fig-6-1-mnist", "fig-6-8-grid", "fig-e-6-grid"] {
        let name = format!("data/{grid}.json");
        let labels = String::from_utf8_lossy(&files[&name]);
        assert!(
            labels.contains("R = ") && labels.contains("‖δ‖ = "),
            "{labels}"
        );
    }

    // A figure alone finds everything there and says the same.
    let times = written(&at.join("out"));
    assert!(times.len() > 50, "{} stored files", times.len());
    succeed(at, &words("fig-6.9"));
    assert_eq!(times, written(&at.join("out")));
    let alone = read_folder(&at.join("out/fig-6.9-smoke-0")).expect("a report");
    for result in &alone.claims {
        let same = report.claims.iter().find(|c| c.claim.id == result.claim.id);
        let same = same.expect("the chapter has the figure's claims");
        assert_eq!(same.observed, result.observed);
    }

    // C21: the figure's data does not depend on what was there, down to the last byte.
    let fresh = tempfile::tempdir().expect("a folder");
    succeed(fresh.path(), &words("fig-6.9"));
    let data = |root: &Path| {
        let mut files = common::snapshot(&root.join("out/fig-6.9-smoke-0"));
        files.retain(|name, _| name.ends_with(".csv"));
        files
    };
    let (first, second) = (data(at), data(fresh.path()));
    assert!(first.len() >= 2, "{:?}", first.keys());
    assert_eq!(first, second);

    // C19 once more: a figure that is run alone asks for the margins that it labels.
    for (id, grid) in [("fig-6.8", "fig-6-8-grid"), ("fig-e.6", "fig-e-6-grid")] {
        succeed(fresh.path(), &words(id));
        let folder = fresh.path().join(format!("out/{id}-smoke-0"));
        let labels = std::fs::read_to_string(folder.join(format!("data/{grid}.json")));
        assert!(labels.expect("a grid").contains("R = "), "{id}");
    }
}
