//! What can go wrong between a record and a page.
//!
//! Not for failures of an experiment: those are results, and are recorded as verdicts.

use std::path::PathBuf;

/// Everything that this crate refuses to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A record contradicts itself; every problem found is listed.
    #[error("{op}: {}", problems.join("; "))]
    Invalid {
        /// What was being checked, such as `figure 'damage'`.
        op: String,
        /// Each problem, with what was expected and what was found.
        problems: Vec<String>,
    },
    /// Two things that belong together have different sizes.
    #[error("{op}: {name} has size {found}, expected {expected}")]
    Length {
        /// The operation that noticed.
        op: &'static str,
        /// The thing of the wrong size.
        name: String,
        /// The size that it should have.
        expected: usize,
        /// The size that it has.
        found: usize,
    },
    /// A pixel is not a number, so it has no grey level.
    #[error("{op}: pixel {index} is {found}; clip or mask the picture before recording it")]
    Pixel {
        /// The operation that noticed.
        op: &'static str,
        /// Position in the buffer.
        index: usize,
        /// The value found.
        found: f32,
    },
    /// A file could not be read, understood or written.
    #[error(transparent)]
    Core(#[from] vaegis_core::CoreError),
    /// A record cannot be written as JSON.
    #[error("{op}: {source}")]
    Encode {
        /// What was being written.
        op: &'static str,
        /// Why it failed.
        source: serde_json::Error,
    },
    /// A table cannot be written as CSV.
    #[error("{op}: {source}")]
    Csv {
        /// What was being written.
        op: &'static str,
        /// Why it failed.
        source: csv::Error,
    },
    /// A figure could not be drawn.
    #[error("drawing figure '{id}': {reason}")]
    Draw {
        /// The figure.
        id: String,
        /// What the drawing library said.
        reason: String,
    },
    /// A picture could not be encoded.
    #[error("{op}: {source}")]
    Png {
        /// What was being encoded.
        op: &'static str,
        /// Why it failed.
        source: image::ImageError,
    },
    /// Something is larger than its limit.
    #[error("{op}: {name} takes {found} bytes, the limit is {limit}; {hint}")]
    TooLarge {
        /// The operation that refused.
        op: &'static str,
        /// The thing that is too large.
        name: String,
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
        /// What to do about it.
        hint: &'static str,
    },
    /// The browser was found but could not be made to load the page.
    #[error("browser {}: {reason}", browser.display())]
    Browser {
        /// The program that was started.
        browser: PathBuf,
        /// What went wrong.
        reason: String,
    },
}
