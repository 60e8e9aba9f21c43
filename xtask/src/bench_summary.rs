//! From criterion's result files to a table in Markdown, with the machine
//! that it was measured on.

use crate::process;
use crate::workspace::Workspace;
use crate::{date, files};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// One benchmark: nanoseconds for one iteration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    id: String,
    median: f64,
    low: f64,
    high: f64,
    /// Elements or bytes of one iteration, with their unit.
    throughput: Option<(f64, &'static str)>,
}

/// What the numbers depend on.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    revision: String,
    rust: String,
}

impl Machine {
    /// This machine, and the state of the checkout.
    pub(crate) fn of(workspace: &Workspace) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let processor = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            process::output(command.current_dir(workspace.root()).args(words)).unwrap_or_default()
        };
        let dirty = if git(&["status", "--porcelain"]).is_empty() {
            ""
        } else {
            ", with changes"
        };
        Self {
            processor: processor.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            revision: format!("{}{dirty}", git(&["rev-parse", "--short", "HEAD"]).trim()),
            rust: process::version_line("rustc").unwrap_or_default(),
        }
    }
}

/// All benchmarks below criterion's folder that were measured after `since`.
pub(crate) fn read(folder: &Path, since: SystemTime) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    collect(folder, since, &mut rows)?;
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rows)
}

fn collect(folder: &Path, since: SystemTime, rows: &mut Vec<Row>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let estimates = path.join("estimates.json");
        let fresh = estimates
            .metadata()
            .and_then(|m| m.modified())
            .is_ok_and(|at| at >= since);
        if entry.file_name() == "new" && fresh {
            let parse = |path: &Path| -> Result<Value> {
                serde_json::from_str(&files::read(path)?)
                    .with_context(|| format!("reading {}", path.display()))
            };
            rows.push(row(
                &parse(&path.join("benchmark.json"))?,
                &parse(&estimates)?,
            )?);
        } else {
            collect(&path, since, rows)?;
        }
    }
    Ok(())
}

fn row(benchmark: &Value, estimates: &Value) -> Result<Row> {
    let id = benchmark["full_id"]
        .as_str()
        .context("a benchmark without full_id")?;
    let median = &estimates["median"];
    let number = |value: &Value| value.as_f64().with_context(|| format!("{id}: no median"));
    let amount = |unit: &str| benchmark["throughput"][unit].as_f64();
    let throughput = amount("Elements")
        .map(|n| (n, "elements"))
        .or(amount("Bytes").map(|n| (n, "bytes")));
    Ok(Row {
        id: id.to_owned(),
        median: number(&median["point_estimate"])?,
        low: number(&median["confidence_interval"]["lower_bound"])?,
        high: number(&median["confidence_interval"]["upper_bound"])?,
        throughput,
    })
}

/// The stored page.
pub(crate) fn markdown(rows: &[Row], machine: &Machine, filter: Option<&str>) -> String {
    let scope = filter.map_or(String::new(), |filter| format!(", only `{filter}`"));
    let mut text = format!(
        "# Criterion benchmarks, {}{scope}\n\n\
         Processor: {}, {} cores. Revision: {}. {}.\n\
         Median time of one iteration with its 95 % interval.\n\n\
         | benchmark | median | interval | rate |\n| --- | --- | --- | --- |\n",
        date::today(),
        machine.processor,
        machine.cores,
        machine.revision,
        machine.rust
    );
    for row in rows {
        let rate = row.throughput.map_or(String::new(), |(amount, unit)| {
            format!("{} {unit}/s", scaled(amount / (row.median * 1e-9)))
        });
        text += &format!(
            "| {} | {} | {} .. {} | {rate} |\n",
            row.id,
            time(row.median),
            time(row.low),
            time(row.high)
        );
    }
    text
}

fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

fn scaled(value: f64) -> String {
    match value {
        v if v < 1e3 => digits(v),
        v if v < 1e6 => format!("{} k", digits(v / 1e3)),
        v if v < 1e9 => format!("{} M", digits(v / 1e6)),
        v => format!("{} G", digits(v / 1e9)),
    }
}

/// Four digits, which is more than the intervals allow.
fn digits(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.3}"),
        v if v < 100.0 => format!("{v:.2}"),
        v => format!("{v:.1}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::files::scratch;
    use std::time::Duration;

    const BENCHMARK: &str = r#"{"full_id":"jacobian/256","throughput":{"Elements":256}}"#;
    const ESTIMATES: &str = r#"{"median":{"point_estimate":2.5e6,
        "confidence_interval":{"lower_bound":2.4e6,"upper_bound":2.6e6}}}"#;

    #[test]
    fn results_become_a_table() {
        let folder = scratch("criterion");
        let new = folder.join("jacobian/256/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), BENCHMARK).unwrap();
        fs::write(new.join("estimates.json"), ESTIMATES).unwrap();
        let now = SystemTime::now();
        let rows = read(&folder, now - Duration::from_secs(60)).unwrap();
        assert!(
            read(&folder, now + Duration::from_secs(60))
                .unwrap()
                .is_empty(),
            "old results"
        );
        let machine = Machine {
            processor: "some processor".to_owned(),
            cores: 2,
            revision: "abc".to_owned(),
            rust: "rustc 1".to_owned(),
        };
        let text = markdown(&rows, &machine, None);
        let line = "| jacobian/256 | 2.500 ms | 2.400 ms .. 2.600 ms | 102.4 k elements/s |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("some processor, 2 cores"), "{text}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_result_without_median_is_an_error() {
        let value = serde_json::from_str(BENCHMARK).unwrap();
        assert!(
            row(&value, &Value::Null)
                .unwrap_err()
                .to_string()
                .contains("jacobian/256")
        );
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time(12.0), "12.00 ns");
        assert_eq!(time(1_500.0), "1.500 µs");
        assert_eq!(time(2.5e9), "2.500 s");
    }
}
