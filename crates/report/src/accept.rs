//! The small part of a report that belongs into version control.
//!
//! Not for records, which are large and can be made again.

use crate::error::ReportError;
use crate::folder::read_folder;
use crate::grid::ImageGrid;
use crate::markdown::summary_markdown;
use crate::record::{Block, Report};
use crate::table::escape_markdown;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vaegis_core::{CoreError, codec};

/// How much may be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files larger than this are left out, and named in the summary.
    pub file_bytes: u64,
    /// More than this in all is refused.
    pub total_bytes: u64,
}

impl Default for Limits {
    /// 256 KiB a file, 2 MiB in all.
    fn default() -> Self {
        Self {
            file_bytes: 256 << 10,
            total_bytes: 2 << 20,
        }
    }
}

/// What [`accept`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Files written.
    pub files: Vec<PathBuf>,
    /// Relative names of files left out for their size.
    pub left_out: Vec<String>,
}

/// Copies summary, CSV, SVG and PNG files of a report to a folder for version control.
///
/// The destination is replaced as a whole, atomically.
///
/// # Errors
/// [`ReportError::Core`] where a file cannot be read or written, [`ReportError::TooLarge`] where
/// all files together are over the limit.
pub fn accept(out: &Path, destination: &Path, limits: Limits) -> Result<Accepted, ReportError> {
    let report = read_folder(out)?;
    let mut names: Vec<String> = Vec::new();
    if !report.claims.is_empty() {
        names.push("data/claims.csv".to_owned());
    }
    let shown = [".csv", ".svg", ".png"];
    let small = |name: &String| shown.iter().any(|end| name.ends_with(end));
    names.extend(
        report
            .blocks()
            .flat_map(crate::html::block_files)
            .filter(small),
    );
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for name in names {
        let path = out.join(&name);
        let size = std::fs::metadata(&path)
            .map_err(|e| CoreError::io("read", &path, e))?
            .len();
        if size > limits.file_bytes {
            left_out.push(name);
        } else {
            kept.push((name, codec::read_limited(&path, limits.file_bytes)?));
        }
    }
    let summary = summary(&report, &left_out).into_bytes();
    kept.push(("summary.md".to_owned(), summary));
    let total: u64 = kept.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    if total > limits.total_bytes {
        return Err(ReportError::TooLarge {
            op: "accept",
            name: destination.display().to_string(),
            found: total,
            limit: limits.total_bytes,
            hint: "accept a smaller tier, or raise the limit on purpose",
        });
    }
    if let Some(parent) = destination.parent() {
        std::fs::create_dir_all(parent).map_err(|e| CoreError::io("make", parent, e))?;
    }
    codec::write_folder_atomic(destination, |temporary| {
        for (name, bytes) in &kept {
            let path = temporary.join(name);
            let parent = path.parent().unwrap_or(temporary);
            std::fs::create_dir_all(parent).map_err(|e| CoreError::io("make", parent, e))?;
            codec::write_atomic(&path, bytes)?;
        }
        Ok::<(), ReportError>(())
    })?;
    let files = kept
        .into_iter()
        .map(|(name, _)| destination.join(name))
        .collect();
    Ok(Accepted { files, left_out })
}

fn summary(report: &Report, left_out: &[String]) -> String {
    let mut out = summary_markdown(report);
    let mut is_first = true;
    for block in report.blocks() {
        let (title, caption, file) = match block {
            Block::Figure(f) => (&f.title, &f.caption, format!("figures/{}.svg", f.id)),
            Block::Images(g) => (&g.title, &g.caption, format!("images/{}.png", g.id)),
            _ => continue,
        };
        let title = escape_markdown(title);
        if std::mem::take(&mut is_first) {
            out.push_str("## Figures\n\n");
        }
        if left_out.contains(&file) {
            let _ = writeln!(out, "{title}: too large to be kept here.\n");
        } else {
            let _ = writeln!(out, "![{title}]({file})\n");
        }
        if let Block::Images(grid) = block {
            push_labels(&mut out, grid);
        }
        if !caption.is_empty() {
            let _ = writeln!(out, "{}\n", escape_markdown(caption));
        }
    }
    if !left_out.is_empty() {
        let _ = writeln!(out, "Left out for their size: {}.", left_out.join(", "));
    }
    out
}

/// The words of a grid, which the picture itself has not.
fn push_labels(out: &mut String, grid: &ImageGrid) {
    let list = |labels: &[String]| {
        let labels: Vec<String> = labels.iter().map(|l| escape_markdown(l)).collect();
        labels.join("; ")
    };
    for (name, labels) in [("Columns", &grid.column_labels), ("Rows", &grid.row_labels)] {
        if !labels.is_empty() {
            let _ = writeln!(out, "{name}: {}.\n", list(labels));
        }
    }
    for (i, row) in grid.cells.iter().enumerate() {
        let captions = row.iter().map(|c| c.as_ref().map_or("", |c| &c.caption));
        let captions: Vec<String> = captions.map(str::to_owned).collect();
        if captions.iter().any(|caption| !caption.is_empty()) {
            let _ = writeln!(out, "Below row {}: {}.\n", i + 1, list(&captions));
        }
    }
}
