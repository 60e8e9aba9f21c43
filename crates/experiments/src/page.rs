//! What one figure contributes to a report: blocks, claims, the data it used.

use crate::claims::above;
use vaegis_core::provenance::DatasetUse;
use vaegis_report::{Claim, ClaimResult, Section};

/// What a figure contributes to a report.
pub(crate) struct Page {
    /// Text, plots, tables and pictures.
    pub(crate) section: Section,
    /// Judged claims.
    pub(crate) claims: Vec<ClaimResult>,
    /// Data sets that were used.
    pub(crate) datasets: Vec<DatasetUse>,
    /// Paragraphs for the top of the report.
    pub(crate) summary: Vec<String>,
}

impl Page {
    /// An empty page of the figure with this id.
    pub(crate) fn new(figure: &str, title: &str) -> Self {
        let heading = format!("{figure}: {title}");
        Self {
            section: Section::new(&block_id(figure, &["section"]), &heading),
            claims: Vec::new(),
            datasets: Vec::new(),
            summary: Vec::new(),
        }
    }

    /// Judges "the quantity is above the threshold" over seeds.
    pub(crate) fn claim_above(
        &mut self,
        (id, statement, source): (&str, &str, &str),
        per_seed: &[(u64, f64)],
        threshold: f64,
        what: &str,
    ) {
        let predicate = format!("{what}, per seed: the 95 % interval is above {threshold}");
        let claim = Claim::new(id, statement, source, &predicate);
        self.claims.push(above(claim, per_seed, threshold, what));
    }

    /// Notes that these data sets were used, each once.
    pub(crate) fn used(&mut self, datasets: Vec<DatasetUse>) {
        for dataset in datasets {
            if self.datasets.iter().all(|d| d.name != dataset.name) {
                self.datasets.push(dataset);
            }
        }
    }
}

/// A title with a capital, as headings of reports have it; lists have it without.
pub(crate) fn heading(title: &str) -> String {
    let mut rest = title.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(rest).collect()
    })
}

/// Words for a run of about so many minutes.
macro_rules! durations {
    ($($minutes:literal),*) => {
        /// About how long so many minutes are, in words that live for ever.
        pub(crate) fn about(minutes: u32) -> &'static str {
            match minutes {
                $($minutes => concat!("about ", $minutes, " minutes"),)*
                _ => OVER_AN_HOUR,
            }
        }
    };
}
durations!(
    1, 2, 3, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 75, 110
);

/// What [`about`] says of all that it has no words for.
pub(crate) const OVER_AN_HOUR: &str = "over an hour";

/// "fig-6.4" and "mnist" as the stem of a block's id.
pub(crate) fn block_id(figure: &str, parts: &[&str]) -> String {
    let mut id = figure.to_lowercase().replace('.', "-");
    for part in parts {
        id = format!("{id}-{part}");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_start_with_a_capital() {
        assert_eq!(heading("äpfel and μ"), "Äpfel and μ");
        assert_eq!(heading(""), "");
    }

    #[test]
    fn ids_hold_no_dots() {
        assert_eq!(block_id("fig-D.4", &["faces", "why"]), "fig-d-4-faces-why");
    }
}
