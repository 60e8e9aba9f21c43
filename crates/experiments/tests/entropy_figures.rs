//! Figures B.3 to B.5 through the program.

mod common;

use common::succeed;
use std::path::Path;
use vaegis_report::{Report, Verdict, read_folder};

fn figure(at: &Path, id: &str) -> Report {
    let words = format!("run {id} --tier smoke --seeds 3 --out out --quiet");
    succeed(at, &words);
    read_folder(&at.join(format!("out/{id}-smoke-0"))).expect("a report")
}

fn verdict(report: &Report, id: &str) -> Verdict {
    let found = report.claims.iter().find(|c| c.claim.id == id);
    found.expect("the claim is judged").verdict
}

/// F14: the curves are there, and what the text says of them is judged (V3, V4, V5).
#[test]
fn curves_and_their_verdicts() {
    let folder = tempfile::tempdir().expect("a folder");
    for (id, stem) in [("fig-b.3", "b3"), ("fig-b.4", "b4")] {
        let report = figure(folder.path(), id);
        assert_eq!(verdict(&report, &format!("{stem}-above")), Verdict::Holds);
        // 1e-6 beyond 10 needs fewer codes than 256, and even two need more than 10.
        assert_eq!(
            verdict(&report, &format!("{stem}-error-k256")),
            Verdict::Fails
        );
        assert_eq!(verdict(&report, &format!("{stem}-worst")), Verdict::Fails);
    }
}

/// F14: the simulation runs and never falls below the true floor.
#[test]
fn simulated_codebooks_stay_above_the_floor() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = figure(folder.path(), "fig-b.5");
    for placement in ["a", "b", "c"] {
        let id = format!("b5-{placement}-floor");
        assert_eq!(verdict(&report, &id), Verdict::Holds, "{id}");
    }
}
