//! The results as a page.

use crate::record::{Part, Ratio, Record, Table};
use std::fmt::Write as _;
use vaegis_benches::summary::Summary;

/// The whole page.
pub(crate) fn whole(record: &Record) -> String {
    let p = &record.provenance;
    let dirty = match p.git_dirty {
        Some(false) => "",
        Some(true) => ", with changes",
        None => ", changes unknown",
    };
    let versions: Vec<String> = record
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let mut text = format!(
        "# Against PyTorch and SciPy\n\nWritten by `cargo xtask bench --peers`; do not edit.\n\n\
         - Date: {}\n- Machine: {}, {} cores, {}; {} threads on both sides\n\
         - Load at the start (1, 5, 15 minutes): {}\n\
         - Ours: revision {}{dirty}, libtorch {}\n- Peers: {}\n\
         - Large f32 matrix products: {:.0} GFLOP/s\n- The run took {:.0} s{}\n\n\
         A ratio is the peer's time over ours: above 1 ours is faster. The two sides take turns; \
         a ratio is formed in every round and given as median (smallest to largest).\n\n",
        p.started_at,
        p.host.cpu,
        p.host.cores,
        p.host.os,
        p.threads,
        record.load,
        p.git_revision,
        p.libtorch,
        versions.join(", "),
        record.gemm_rate / 1e9,
        p.wall_seconds,
        if record.quick {
            ", with few rounds (`--quick`)"
        } else {
            ""
        },
    );
    text.push_str(&reading(record));
    for measured in &record.parts {
        text.push('\n');
        text.push_str(&part(measured));
    }
    text
}

/// Which goals are reached and which are not.
fn reading(record: &Record) -> String {
    let ratios = record.parts.iter().flat_map(|part| &part.ratios);
    let (reached, missed): (Vec<&Ratio>, Vec<&Ratio>) = ratios
        .filter(|ratio| ratio.target.is_some())
        .partition(|ratio| ratio.reached() == Some(true));
    let mut text = format!(
        "## Reading\n\n{} of {} goals for speed are reached.\n",
        reached.len(),
        reached.len() + missed.len()
    );
    for ratio in missed {
        let target = ratio.target.unwrap_or(f64::NAN);
        let _ = writeln!(
            text,
            "- Missed: {}, against {}: {:.2} times, the goal is {target}.",
            ratio.what, ratio.peer, ratio.ratio.median
        );
    }
    text
}

/// One part.
pub(crate) fn part(part: &Part) -> String {
    let mut text = format!("## {}\n\n{}\n\n", part.name, part.what);
    text.push_str("| what | peer | ours | theirs | ratio | goal |\n|---|---|---|---|---|---|\n");
    for ratio in &part.ratios {
        let target = ratio.target.map(|target| (target * 100.0).round() / 100.0);
        let goal = match (target, ratio.reached()) {
            (Some(target), Some(true)) => format!("{target}, reached"),
            (Some(target), _) => format!("{target}, missed"),
            (None, _) => "none".to_owned(),
        };
        let Summary {
            min, median, max, ..
        } = ratio.ratio;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {median:.2} ({min:.2} to {max:.2}) | {goal} |",
            ratio.what,
            ratio.peer,
            duration(ratio.ours.median),
            duration(ratio.theirs.median)
        );
    }
    text.push('\n');
    for note in &part.notes {
        let _ = writeln!(text, "- {note}");
    }
    for shown in &part.tables {
        text.push_str(&table(shown));
    }
    text
}

fn table(table: &Table) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("\n### {}\n\n{}", table.title, row(&table.columns));
    let _ = writeln!(text, "|{}", "---|".repeat(table.columns.len()));
    for cells in &table.rows {
        text.push_str(&row(cells));
    }
    text
}

/// Seconds in the unit that suits them.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", 1e6 * s),
        s if s < 1.0 => format!("{:.2} ms", 1e3 * s),
        s => format!("{s:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_readable_units() {
        assert_eq!(duration(12.34e-6), "12.3 µs");
        assert_eq!(duration(0.012_345), "12.35 ms");
        assert_eq!(duration(2.5), "2.50 s");
    }

    #[test]
    fn a_part_shows_what_misses_its_goal() {
        let measured = Part {
            name: "attacks",
            what: "w".to_owned(),
            ratios: vec![Ratio::new("grid", "SciPy", &[1.0], &[14.0], Some(15.0))],
            notes: vec!["a note".to_owned()],
            tables: vec![Table {
                title: "t".to_owned(),
                columns: vec!["a".to_owned(), "b".to_owned()],
                rows: vec![vec!["1".to_owned(), "2".to_owned()]],
            }],
        };
        let text = part(&measured);
        assert!(
            text.contains("| 14.00 (14.00 to 14.00) | 15, missed |"),
            "{text}"
        );
        assert!(text.contains("| a | b |\n|---|---|\n| 1 | 2 |"), "{text}");
    }
}
