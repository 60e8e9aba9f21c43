//! The main job through the program, small, on sprites: a whole report with judged claims, and a
//! second run that repeats nothing.

mod common;

use common::{results, succeed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use vaegis_report::{Verdict, read_folder};

const TOUR: &str = "run tour --tier smoke --seeds 1 --jobs 2 --threads 1 --out out --quiet";

/// When every stored model and measurement was written; without the records of
/// sweeps, which are opened for appending even where nothing is left to append.
fn written(out: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut times = BTreeMap::new();
    for name in common::snapshot(out).keys() {
        let kept = name.starts_with("models/") || name.split('/').any(|part| part == "work");
        if kept && !name.ends_with('/') && !name.ends_with("records.jsonl") {
            let path = out.join(name);
            let modified = path.metadata().and_then(|m| m.modified());
            times.insert(path, modified.expect("a time"));
        }
    }
    times
}

#[test]
fn the_tour_writes_a_whole_report_and_repeats_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let said = succeed(at, TOUR);
    let out = at.join("out/tour-smoke-0");
    let files = common::snapshot(&out);
    for name in ["report.html", "report.json", "data/claims.csv"] {
        assert!(
            said.contains("report.html") && !files[name].is_empty(),
            "{name}"
        );
    }
    let count = |folder: &str, end: &str| {
        let names = files.keys();
        names
            .filter(|n| n.starts_with(folder) && n.ends_with(end))
            .count()
    };
    let num_figures = count("figures/", ".svg");
    assert!(num_figures >= 5, "{num_figures} figures");
    assert!(count("data/", ".csv") > num_figures);
    assert!(count("images/", ".png") >= 4);
    for (name, bytes) in &files {
        let is_csv = name.starts_with("data/") && name.ends_with(".csv");
        let lines = bytes.iter().filter(|b| **b == b'\n').count();
        assert!(!is_csv || lines >= 2, "{name} has no data");
    }

    let report = read_folder(&out).expect("a report");
    assert!(report.claims.len() >= 10, "{}", report.claims.len());
    for result in &report.claims {
        let id = &result.claim.id;
        assert!(result.verdict != Verdict::NotRun, "{id} was not judged");
        assert!(said.contains(id.as_str()), "{id} is not printed");
    }
    let provenance = &report.manifest.provenance;
    assert_eq!(provenance["datasets"][0]["origin"], "procedural sprites");
    assert_eq!(provenance["libtorch"], "2.11.0");

    let (before, times) = (results(&out), written(&at.join("out")));
    assert!(times.len() > 20, "{} stored files", times.len());
    succeed(at, TOUR);
    common::assert_same(&before, &results(&out));
    for (path, time) in written(&at.join("out")) {
        assert_eq!(times.get(&path), Some(&time), "{}", path.display());
    }

    // Same seed, same threads, nothing to go on from: the same results.
    let fresh = tempfile::tempdir().expect("a folder");
    succeed(fresh.path(), TOUR);
    common::assert_same(&before, &results(&fresh.path().join("out/tour-smoke-0")));
}

/// Where a browser is installed; `cargo xtask check` says when there is none.
#[test]
fn a_browser_opens_the_report_without_an_error_or_a_request() {
    let folder = tempfile::tempdir().expect("a folder");
    succeed(folder.path(), TOUR);
    let page = folder.path().join("out/tour-smoke-0/report.html");
    let outcome = vaegis_report::browser::check_page(&page).expect("the page is opened");
    assert_ne!(outcome.is_clean(), Some(false), "{outcome:?}");
}
