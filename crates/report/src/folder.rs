//! A report on disk: the page, its record, and every number and picture as a file.
//!
//! Not for choosing what to keep in version control; see [`accept`](crate::accept()).

use crate::error::ReportError;
use crate::figure::to_svg;
use crate::grid::ImageGrid;
use crate::html::to_html;
use crate::number::exact;
use crate::record::{Block, ClaimResult, Report};
use crate::table::csv_text;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vaegis_core::codec;

/// Name of the record in a report's folder.
pub const RECORD_NAME: &str = "report.json";
/// Name of the page in a report's folder.
pub const PAGE_NAME: &str = "report.html";
/// Largest record that is read, in bytes.
pub const MAX_RECORD_BYTES: u64 = 512 << 20;
/// The folders that belong to a report as a whole.
pub(crate) const FOLDERS: [&str; 3] = ["data", "figures", "images"];

/// What [`write_folder`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// Every file, the page and the record included, in the order of their names.
    pub files: Vec<PathBuf>,
    /// Notes of the figures, each with the figure's identifier.
    pub notes: Vec<String>,
}

/// Writes a report with all its files.
///
/// Everything is rendered before the first byte is written, and every file and folder is replaced
/// atomically, so that neither an impossible record nor a kill leaves half a report. The folders
/// `data`, `figures` and `images` are replaced as a whole.
///
/// # Errors
/// [`ReportError::Invalid`] for a report that contradicts itself, what rendering can fail with, and
/// [`ReportError::Core`] from the disk.
pub fn write_folder(out: &Path, report: &Report) -> Result<Written, ReportError> {
    let (files, notes) = render(report)?;
    std::fs::create_dir_all(out)
        .map_err(|source| vaegis_core::CoreError::io("make", out, source))?;
    let mut written = Vec::new();
    for folder in FOLDERS {
        let prefix = format!("{folder}/");
        let inside = || {
            files
                .iter()
                .filter_map(|(n, b)| Some((n.strip_prefix(&prefix)?, b)))
        };
        codec::write_folder_atomic(&out.join(folder), |temporary| {
            for (name, bytes) in inside() {
                codec::write_atomic(&temporary.join(name), bytes)?;
            }
            Ok::<(), ReportError>(())
        })?;
    }
    for (name, bytes) in &files {
        if !name.contains('/') {
            codec::write_atomic(&out.join(name), bytes)?;
        }
        written.push(out.join(name));
    }
    Ok(Written {
        html: out.join(PAGE_NAME),
        files: written,
        notes,
    })
}

/// Reads the record of a report from its folder.
///
/// # Errors
/// [`ReportError::Core`] where the file is missing, too large or not a report,
/// [`ReportError::Invalid`] where it contradicts itself.
pub fn read_folder(out: &Path) -> Result<Report, ReportError> {
    let path = out.join(RECORD_NAME);
    let bytes = codec::read_limited(&path, MAX_RECORD_BYTES)?;
    let report: Report = codec::from_json(&path, &String::from_utf8_lossy(&bytes))?;
    report.validate()?;
    Ok(report)
}

type Files = BTreeMap<String, Vec<u8>>;

/// Every file by its relative name, and the notes of the figures.
fn render(report: &Report) -> Result<(Files, Vec<String>), ReportError> {
    report.validate()?;
    let mut files = Files::new();
    let mut notes = Vec::new();
    if !report.claims.is_empty() {
        files.insert(
            "data/claims.csv".to_owned(),
            claims_csv(&report.claims)?.into_bytes(),
        );
        files.insert("data/claims.json".to_owned(), json(&report.claims)?);
    }
    for block in report.blocks() {
        match block {
            Block::Text(_) => {}
            Block::Figure(figure) => {
                let drawing = to_svg(figure)?;
                let id = &figure.id;
                notes.extend(drawing.notes.iter().map(|note| format!("{id}: {note}")));
                files.insert(format!("figures/{id}.svg"), drawing.svg.into_bytes());
                files.insert(format!("data/{id}.csv"), figure.to_csv()?.into_bytes());
                files.insert(format!("data/{id}.json"), json(figure)?);
            }
            Block::Table(table) => {
                let id = &table.id;
                files.insert(format!("data/{id}.csv"), table.to_csv()?.into_bytes());
                files.insert(format!("data/{id}.json"), json(table)?);
            }
            Block::Images(grid) => {
                let id = &grid.id;
                files.insert(format!("images/{id}.png"), grid.to_png()?);
                files.insert(format!("data/{id}.json"), json(&Labels::of(grid))?);
            }
        }
    }
    files.insert(PAGE_NAME.to_owned(), to_html(report)?.into_bytes());
    let mut record = serde_json::to_vec(report).map_err(|source| ReportError::Encode {
        op: "writing report.json",
        source,
    })?;
    record.push(b'\n');
    files.insert(RECORD_NAME.to_owned(), record);
    Ok((files, notes))
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, ReportError> {
    Ok(codec::to_json(value)?.into_bytes())
}

/// The words of a grid of pictures; the pixels are in the PNG and in the report's record.
#[derive(Serialize)]
struct Labels<'a> {
    id: &'a str,
    title: &'a str,
    caption: &'a str,
    row_labels: &'a [String],
    column_labels: &'a [String],
    captions: Vec<Vec<Option<&'a str>>>,
}

impl<'a> Labels<'a> {
    fn of(grid: &'a ImageGrid) -> Self {
        let caption = |cell: &'a Option<crate::grid::ImageCell>| {
            cell.as_ref().map(|cell| cell.caption.as_str())
        };
        Self {
            id: &grid.id,
            title: &grid.title,
            caption: &grid.caption,
            row_labels: &grid.row_labels,
            column_labels: &grid.column_labels,
            captions: grid
                .cells
                .iter()
                .map(|row| row.iter().map(caption).collect())
                .collect(),
        }
    }
}

/// One row per claim and seed; claims without seeds get one row.
fn claims_csv(claims: &[ClaimResult]) -> Result<String, ReportError> {
    let header = [
        "id",
        "statement",
        "source",
        "predicate",
        "verdict",
        "observed",
        "interval_low",
        "interval_high",
        "interval_level",
        "seed",
        "value",
    ];
    let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
    let mut rows = Vec::new();
    for result in claims {
        let claim = &result.claim;
        let interval = result
            .interval
            .map_or_else(<[String; 3]>::default, |interval| {
                [
                    exact(interval.low),
                    exact(interval.high),
                    exact(interval.level),
                ]
            });
        let texts = [&claim.id, &claim.statement, &claim.source, &claim.predicate];
        let mut common: Vec<String> = texts.into_iter().cloned().collect();
        common.extend([result.verdict.label().to_owned(), result.observed.clone()]);
        common.extend(interval);
        let seeds = result
            .per_seed
            .iter()
            .map(|s| [s.seed.to_string(), exact(s.value)]);
        let none = result.per_seed.is_empty().then(<[String; 2]>::default);
        rows.extend(seeds.chain(none).map(|last| {
            let mut row = common.clone();
            row.extend(last);
            row
        }));
    }
    csv_text(&header, rows.into_iter())
}
