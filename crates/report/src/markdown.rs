//! A summary of a report as Markdown: verdicts, claims and tables.
//!
//! Not for figures, which Markdown can only link to.

use crate::html::flatten;
use crate::number;
use crate::record::{Block, Report, Verdict};
use crate::table::escape_markdown;
use std::fmt::Write as _;

/// Claims and tables of a report as Markdown.
#[must_use]
pub fn summary_markdown(report: &Report) -> String {
    let manifest = &report.manifest;
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n", escape_markdown(&report.title));
    let seeds: Vec<String> = manifest.seeds.iter().map(ToString::to_string).collect();
    let mut facts = vec![
        format!("experiment {}", escape_markdown(&manifest.experiment)),
        format!("tier {}", escape_markdown(&manifest.tier)),
    ];
    if !seeds.is_empty() {
        facts.push(format!("seeds {}", seeds.join(", ")));
    }
    let mut provenance = Vec::new();
    flatten("", &manifest.provenance, &mut provenance);
    let datasets = manifest.provenance.get("datasets");
    let mut names: Vec<&str> = (datasets
        .and_then(|sets| sets.as_array())
        .into_iter()
        .flatten())
    .filter_map(|set| set.get("name")?.as_str())
    .collect();
    names.dedup();
    if !names.is_empty() {
        facts.push(format!("data {}", escape_markdown(&names.join(", "))));
    }
    let seconds = manifest.provenance.get("wall_seconds");
    if let Some(seconds) = seconds.and_then(|value| value.as_f64()) {
        facts.push(format!("last run took {seconds:.0} seconds"));
    }
    for key in ["started_at", "git_revision", "device", "host.cpu"] {
        if let Some((_, value)) = provenance.iter().find(|(name, _)| name == key) {
            let changes = match manifest.provenance.get("git_dirty") {
                Some(serde_json::Value::Bool(true)) if key == "git_revision" => " with changes",
                _ => "",
            };
            facts.push(format!(
                "{} {}{changes}",
                escape_markdown(key),
                escape_markdown(value)
            ));
        }
    }
    let computed = manifest.provenance.get("computed_at");
    let computed = computed.and_then(|list| list.as_array());
    let revisions: Vec<&str> = (computed.into_iter().flatten())
        .filter_map(|revision| revision.as_str())
        .collect();
    if !revisions.is_empty() {
        let revisions = escape_markdown(&revisions.join(", "));
        facts.push(format!("results computed at {revisions}"));
    }
    let _ = writeln!(out, "{}.\n", facts.join("; "));
    for paragraph in &report.summary {
        let _ = writeln!(out, "{}\n", escape_markdown(paragraph));
    }
    push_claims(&mut out, report);
    for section in &report.sections {
        let tables = section.blocks.iter().filter_map(|block| match block {
            Block::Table(table) => Some(table),
            _ => None,
        });
        for (i, table) in tables.enumerate() {
            if i == 0 {
                let _ = writeln!(out, "## {}\n", escape_markdown(&section.title));
            }
            let _ = writeln!(out, "### {}\n", escape_markdown(&table.title));
            let _ = if table.only_in_files {
                writeln!(
                    out,
                    "{} rows, in data/{}.csv.\n",
                    table.rows.len(),
                    table.id
                )
            } else {
                writeln!(out, "{}", table.to_markdown())
            };
            if !table.caption.is_empty() {
                let _ = writeln!(out, "{}\n", escape_markdown(&table.caption));
            }
        }
    }
    out
}

fn push_claims(out: &mut String, report: &Report) {
    if report.claims.is_empty() {
        return;
    }
    let tally: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|&verdict| report.num_with(verdict) > 0)
        .map(|verdict| format!("{} {}", report.num_with(verdict), verdict.label()))
        .collect();
    let _ = writeln!(out, "## Claims\n\n{}.\n", tally.join(", "));
    out.push_str("| claim | statement | observed | per seed | interval | verdict |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for result in &report.claims {
        let seeds: Vec<String> = result
            .per_seed
            .iter()
            .map(|seed| number::display(seed.value))
            .collect();
        let interval = result
            .interval
            .map_or_else(|| "–".to_owned(), |i| i.to_string());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} {} |",
            escape_markdown(&result.claim.id),
            escape_markdown(&result.claim.statement),
            escape_markdown(&result.observed),
            if seeds.is_empty() {
                "–".to_owned()
            } else {
                seeds.join(", ")
            },
            escape_markdown(&interval),
            result.verdict.symbol(),
            result.verdict.label()
        );
    }
    out.push('\n');
}
