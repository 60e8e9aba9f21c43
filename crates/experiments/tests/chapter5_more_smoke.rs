//! The figures of the chapter on robust VAEs that have studies of their own, through the program
//! and small: each is drawn and judged, and a second run computes nothing again.

mod common;

use common::succeed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use vaegis_report::{Block, Cell, FigureKind, Verdict, read_folder};

/// Figure or table, and how many figures, tables, grids of pictures and claims it has.
const EXPECTED: [(&str, [usize; 4]); 5] = [
    ("tab-5.1", [3, 3, 0, 18]),
    ("fig-5.2", [1, 1, 1, 5]),
    ("fig-5.3", [3, 2, 0, 11]),
    ("fig-5.5", [0, 1, 4, 5]),
    ("fig-5.1", [0, 1, 4, 6]),
];

/// When every stored model and measurement was written.
fn written(out: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut times = BTreeMap::new();
    for name in common::snapshot(out).keys() {
        let is_kept = name.starts_with("models/") || name.starts_with("measurements/");
        if is_kept && name.ends_with(".json") {
            let path = out.join(name);
            let modified = path.metadata().and_then(|m| m.modified());
            times.insert(path, modified.expect("a time"));
        }
    }
    times
}

/// Every number that a block shows.
fn numbers(block: &Block) -> Vec<f64> {
    match block {
        Block::Table(table) => {
            let cells = table.rows.iter().flatten();
            let number = |cell: &Cell| match cell {
                Cell::Number(value) | Cell::Interval { value, .. } => Some(*value),
                _ => None,
            };
            cells.filter_map(number).collect()
        }
        Block::Figure(figure) => match &figure.kind {
            FigureKind::Lines { lines } => lines
                .iter()
                .flat_map(|line| line.x.iter().chain(&line.y).copied())
                .collect(),
            other => panic!("a kind without a check: {other:?}"),
        },
        _ => Vec::new(),
    }
}

#[test]
fn every_figure_is_drawn_and_judged_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let ids = EXPECTED.map(|(id, _)| id).join(" ");
    let words = format!("run {ids} --tier smoke --seeds 2 --jobs 2 --threads 1 --out out --quiet");
    let said = succeed(at, &words);
    let out = at.join("out");
    let mut observed = Vec::new();
    for (id, [figures, tables, grids, claims]) in EXPECTED {
        let report = read_folder(&out.join(format!("{id}-smoke-0"))).expect("a report");
        let count = |is: fn(&Block) -> bool| report.blocks().filter(|b| is(b)).count();
        assert_eq!(count(|b| matches!(b, Block::Figure(_))), figures, "{id}");
        assert_eq!(count(|b| matches!(b, Block::Table(_))), tables, "{id}");
        assert_eq!(count(|b| matches!(b, Block::Images(_))), grids, "{id}");
        assert_eq!(report.claims.len(), claims, "{id}");
        for block in report.blocks() {
            let shown = numbers(block);
            assert!(shown.iter().all(|v| v.is_finite()), "{id}: {block:?}");
        }
        for result in &report.claims {
            let claim = &result.claim.id;
            assert!(result.verdict != Verdict::NotRun, "{claim} was not judged");
            assert_eq!(result.per_seed.len(), 2, "{claim}");
            assert!(said.contains(claim.as_str()), "{claim} is not printed");
            observed.push(result.observed.clone());
        }
    }

    let times = written(&out);
    assert!(times.len() > 40, "{} stored files", times.len());
    succeed(at, &words);
    assert_eq!(times, written(&out));
    let again = EXPECTED.iter().flat_map(|(id, _)| {
        let report = read_folder(&out.join(format!("{id}-smoke-0"))).expect("a report");
        report.claims.into_iter().map(|c| c.observed)
    });
    assert_eq!(observed, again.collect::<Vec<_>>());

    // The whole chapter is one report of the same claims; what was measured above is used again.
    let whole = "run chapter-5 --tier smoke --seeds 2 --jobs 2 --threads 1 --out out --quiet";
    succeed(at, whole);
    let chapter = read_folder(&out.join("chapter-5-smoke-0")).expect("a report");
    for (id, [.., claims]) in EXPECTED {
        let of_figure = |c: &&vaegis_report::ClaimResult| c.claim.id.starts_with(&format!("{id}-"));
        let found = chapter.claims.iter().filter(of_figure).count();
        assert_eq!(found, claims, "{id} in the chapter");
    }
    assert_eq!(
        chapter.sections.len(),
        14,
        "twelve figures, a table and the parts"
    );
    let in_chapter: Vec<_> = chapter.claims.iter().map(|c| &c.observed).collect();
    assert!(observed.iter().all(|o| in_chapter.contains(&o)));
}
