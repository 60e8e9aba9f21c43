//! Figures B.3 to B.5 through the program.

mod common;

use common::succeed;
use std::path::{Path, PathBuf};
use vaegis_report::{Report, Verdict, read_folder};

fn run(at: &Path, id: &str) -> PathBuf {
    let words = format!("run {id} --tier smoke --seeds 3 --out out --quiet");
    succeed(at, &words);
    at.join(format!("out/{id}-smoke-0"))
}

fn verdict(report: &Report, id: &str) -> Verdict {
    let found = report.claims.iter().find(|c| c.claim.id == id);
    found.expect("the claim is judged").verdict
}

/// A data file as lines, its heading first.
fn lines(folder: &Path, name: &str) -> Vec<String> {
    let path = folder.join("data").join(name);
    let text = std::fs::read_to_string(&path).expect("the file is there");
    text.lines().map(str::to_owned).collect()
}

/// The numbers of the row of a table that starts with `first`.
fn row(folder: &Path, name: &str, first: &str) -> Vec<f64> {
    let lines = lines(folder, name);
    let found = lines.iter().find(|l| l.split(',').next() == Some(first));
    let found = found.expect("the row is there");
    found
        .split(',')
        .map(|x| x.parse().unwrap_or(f64::NAN))
        .collect()
}

/// V1 to V9 stand in every report, with the verdicts that mathematics gives them.
fn all_nine_are_judged(report: &Report) {
    for (id, want) in [
        ("v1", Verdict::Holds),
        ("v2", Verdict::Fails),
        ("v3", Verdict::Fails),
        ("v4", Verdict::Fails),
        ("v5", Verdict::Fails),
        ("v6", Verdict::Holds),
        ("v7", Verdict::Fails),
        ("v8", Verdict::Fails),
        ("v9", Verdict::Fails),
    ] {
        assert_eq!(verdict(report, id), want, "{id}");
    }
    assert!(
        report
            .summary
            .iter()
            .any(|text| text.contains("share no axis")),
        "V9 stands next to the plots"
    );
}

/// F14: the curves are there, and what the text says of them is judged (V1 to V9).
#[test]
fn curves_and_their_verdicts() {
    let at = tempfile::tempdir().expect("a folder");
    for (id, stem) in [("fig-b.3", "b3"), ("fig-b.4", "b4")] {
        let folder = run(at.path(), id);
        let report = read_folder(&folder).expect("a report");
        assert_eq!(verdict(&report, &format!("{stem}-above")), Verdict::Holds);
        // 1e-6 beyond 10 needs fewer codes than 256, and even two need more than 10.
        for codes in [256, 2] {
            let claim = format!("{stem}-error-k{codes}");
            assert_eq!(verdict(&report, &claim), Verdict::Fails);
        }
        assert_eq!(verdict(&report, &format!("{stem}-worst")), Verdict::Fails);
        all_nine_are_judged(&report);
        for codes in [2, 16, 64, 256, 1024] {
            let curve = lines(&folder, &format!("{stem}-k{codes}.csv"));
            for name in ["exact,", "first order,", "lower bound", "smallest"] {
                assert!(
                    curve.iter().any(|line| line.starts_with(name)),
                    "{name} with {codes} codes"
                );
            }
            // exact, lower bound, first order, error, floor, codes at the top
            let [_, exact, lower, upper, error, floor, top] =
                row(&folder, &format!("{stem}-table-k{codes}.csv"), "5")[..]
            else {
                panic!("seven columns");
            };
            assert!(lower <= exact && exact <= upper, "{codes} codes");
            assert!((upper / exact - 1.0 - error).abs() < 1e-9, "{codes} codes");
            assert!(
                floor <= exact && (top > 1.0) == (floor < exact),
                "{codes} codes"
            );
        }
        for name in ["error", "top"] {
            assert!(lines(&folder, &format!("{stem}-{name}.csv")).len() > 100);
        }
    }
}

/// §6.7: the tables of thresholds g*(K) and of crossovers d*(δ, c).
#[test]
fn thresholds_and_crossovers_are_tabulated() {
    let at = tempfile::tempdir().expect("a folder");
    let b3 = run(at.path(), "fig-b.3");
    let threshold = row(&b3, "thresholds.csv", "256");
    assert!((threshold[1] - 7.00105).abs() < 1e-5, "{threshold:?}");
    assert_eq!(lines(&b3, "first-order.csv").len(), 6);
    let b4 = run(at.path(), "fig-b.4");
    // (c + 1/8)/(1/2) at c = −1, 0, 1, 5.
    let crossover = row(&b4, "crossovers.csv", "0.5");
    for (got, want) in crossover[1..].iter().zip([-1.75, 0.25, 2.25, 10.25]) {
        assert!((got - want).abs() < 1e-12, "{crossover:?}");
    }
}

/// F14: the simulation runs out to distance 100 and never falls below the true floor; V8: unit
/// variances have its entropies.
#[test]
fn simulated_codebooks_stay_above_the_floor() {
    let at = tempfile::tempdir().expect("a folder");
    let folder = run(at.path(), "fig-b.5");
    let report = read_folder(&folder).expect("a report");
    for placement in ["a", "b", "c"] {
        let id = format!("b5-{placement}-floor");
        assert_eq!(verdict(&report, &id), Verdict::Holds, "{id}");
        let far = row(&folder, &format!("b5-table-{placement}.csv"), "100");
        assert!(
            far[1] > 0.0,
            "an entropy that underflows is no entropy: {far:?}"
        );
    }
    all_nine_are_judged(&report);
    assert_eq!(
        lines(&folder, "learnt.csv").len(),
        13,
        "three norms, four widths"
    );
    let unit = row(&folder, "learnt.csv", "10");
    let simulated = row(&folder, "b5-table-a.csv", "10");
    // Thirty codebooks with a standard deviation of 0.043: four standard errors.
    assert!((unit[2] - simulated[1]).abs() < 4.0 * 0.043 / 30.0_f64.sqrt());
}
