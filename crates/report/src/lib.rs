//! Results to text and pictures: records, tables, figures, one self-contained HTML page.
//!
//! An experiment fills a [`Report`] with plain records and hands it to [`write_folder`]. Everything
//! shown is also a file beside the page: CSV and JSON for every table and figure, SVG and PNG for
//! pictures, and `report.json`, from which the page can be made again without the code that
//! measured (`vaegis-report render OUT`).
//!
//! No model, no tensor and no statistics live here: this crate knows what was found, never how.
//!
//! ```
//! use vaegis_report::{Claim, ClaimResult, Report, RunManifest, Section, Table, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut report = Report::new("A small run", RunManifest::new("example", "smoke"));
//! let claim = Claim::new("E1", "The loss falls.", "example", "last loss < first loss");
//! report.claims.push(ClaimResult::new(claim, Verdict::Holds, "from 541.2 to 108.2 nats"));
//! let mut table = Table::new("losses", "Losses", &["epoch", "-ELBO [nats]"]);
//! table.push_row(vec![1_usize.into(), 541.2.into()])?;
//! table.push_row(vec![5_usize.into(), 108.2.into()])?;
//! let mut section = Section::new("training", "Training");
//! section.push(table);
//! report.sections.push(section);
//! assert!(vaegis_report::to_html(&report)?.contains("from 541.2 to 108.2 nats"));
//! # Ok(())
//! # }
//! ```

pub mod accept;
pub mod browser;
pub mod error;
pub mod figure;
pub mod folder;
pub mod grid;
pub mod html;
pub mod markdown;
pub mod number;
pub mod record;
pub mod table;

pub use accept::{Accepted, Limits, accept};
pub use error::ReportError;
pub use figure::{
    Axis, Band, Bars, BoxSummary, Drawing, Figure, FigureKind, HeatMap, Histogram, Line, Points,
    Scale,
};
pub use folder::{Written, read_folder, write_folder};
pub use grid::{ImageCell, ImageGrid, Picture, SixPanel};
pub use html::to_html;
pub use markdown::summary_markdown;
pub use record::{
    Block, Claim, ClaimResult, Interval, Report, RunManifest, Section, SeedValue, Verdict,
};
pub use table::{Cell, Table};
