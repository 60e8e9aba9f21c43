//! Tables of results: built row by row, written as CSV, Markdown and HTML.
//!
//! Not for computing anything: a table holds what an experiment measured.

use crate::error::ReportError;
use crate::number;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// One entry of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count.
    Int(i64),
    /// A measured number; shown with four digits, stored in full.
    Number(#[serde(with = "number")] f64),
    /// A number with its interval; becomes three columns in CSV.
    Interval {
        /// The estimate.
        #[serde(with = "number")]
        value: f64,
        /// Lower end of the interval.
        #[serde(with = "number")]
        low: f64,
        /// Upper end of the interval.
        #[serde(with = "number")]
        high: f64,
    },
    /// Nothing was measured.
    Missing,
}

impl Cell {
    /// The entry as people read it.
    #[must_use]
    pub fn display(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Int(value) => value.to_string(),
            Self::Number(value) => number::display(*value),
            // An estimate from no values at all: nothing was measured here.
            Self::Interval { value, low, high }
                if value.is_nan() && low.is_infinite() && high.is_infinite() =>
            {
                Self::Missing.display()
            }
            Self::Interval { value, low, high } => number::display_interval(*value, *low, *high),
            Self::Missing => "–".to_owned(),
        }
    }

    /// Whether the entry belongs to the right-aligned kind.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Number(_) | Self::Interval { .. })
    }

    /// The entry as one CSV field, or as three where its column has intervals.
    fn push_csv(&self, with_interval: bool, fields: &mut Vec<String>) {
        let (value, low, high) = match self {
            Self::Text(text) => (text.clone(), String::new(), String::new()),
            Self::Int(value) => (value.to_string(), String::new(), String::new()),
            Self::Number(value) => (number::exact(*value), String::new(), String::new()),
            Self::Interval { value, low, high } => (
                number::exact(*value),
                number::exact(*low),
                number::exact(*high),
            ),
            Self::Missing => <(String, String, String)>::default(),
        };
        fields.push(value);
        if with_interval {
            fields.extend([low, high]);
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<f32> for Cell {
    fn from(value: f32) -> Self {
        Self::Number(f64::from(value))
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Cell {
    /// A count beyond `i64` becomes a number.
    fn from(value: usize) -> Self {
        i64::try_from(value).map_or(Self::Number(value as f64), Self::Int)
    }
}

impl From<(f64, f64, f64)> for Cell {
    /// `(value, low, high)`.
    fn from((value, low, high): (f64, f64, f64)) -> Self {
        Self::Interval { value, low, high }
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

/// A table with a name, a caption and one heading per column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// File stem and anchor: see [`check_id`](crate::record::check_id).
    pub id: String,
    /// Heading.
    pub title: String,
    /// What the reader should see, with units and sample sizes.
    pub caption: String,
    /// One heading per column.
    pub columns: Vec<String>,
    /// The entries, each row as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the rows stand in the files alone, and the page only points there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_in_files: bool,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(id: &str, title: &str, columns: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: String::new(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
            only_in_files: false,
        }
    }

    /// Sets the caption.
    #[must_use]
    pub fn with_caption(mut self, caption: &str) -> Self {
        caption.clone_into(&mut self.caption);
        self
    }

    /// Leaves the rows to the CSV and JSON files, for tables too long to read.
    #[must_use]
    pub fn for_files(mut self) -> Self {
        self.only_in_files = true;
        self
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`ReportError::Length`] where the row is not as long as the headings.
    pub fn push_row(&mut self, row: Vec<Cell>) -> Result<(), ReportError> {
        if row.len() != self.columns.len() {
            return Err(ReportError::Length {
                op: "Table::push_row",
                name: format!("row {} of table '{}'", self.rows.len(), self.id),
                expected: self.columns.len(),
                found: row.len(),
            });
        }
        self.rows.push(row);
        Ok(())
    }

    /// Every problem of this table, in words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.columns.is_empty() {
            problems.push("expected at least one column, found none".to_owned());
        }
        for (i, row) in self.rows.iter().enumerate() {
            if row.len() != self.columns.len() {
                problems.push(format!(
                    "row {i}: expected {} entries, found {}",
                    self.columns.len(),
                    row.len()
                ));
            }
        }
        problems
    }

    /// Whether every entry of a column is numeric or missing, and some entry is numeric.
    #[must_use]
    pub fn is_numeric_column(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        let numeric = |cell: &Cell| cell.is_numeric() || *cell == Cell::Missing;
        cells.clone().all(numeric) && cells.any(Cell::is_numeric)
    }

    /// Comma-separated values with full precision.
    ///
    /// A column that holds an interval anywhere becomes `name`, `name_low`, `name_high`.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where rows and headings differ in length.
    pub fn to_csv(&self) -> Result<String, ReportError> {
        crate::record::refuse(&format!("table '{}'", self.id), self.problems())?;
        let with_interval: Vec<bool> = (0..self.columns.len())
            .map(|j| {
                self.rows
                    .iter()
                    .any(|row| matches!(row[j], Cell::Interval { .. }))
            })
            .collect();
        let mut header = Vec::new();
        for (name, &wide) in self.columns.iter().zip(&with_interval) {
            header.push(name.clone());
            if wide {
                header.extend([format!("{name}_low"), format!("{name}_high")]);
            }
        }
        let rows = self.rows.iter().map(|row| {
            let mut fields = Vec::with_capacity(header.len());
            for (cell, &wide) in row.iter().zip(&with_interval) {
                cell.push_csv(wide, &mut fields);
            }
            fields
        });
        csv_text(&header, rows)
    }

    /// A GitHub-flavored Markdown table, without title and caption.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|name| escape_markdown(name))
            .collect();
        let _ = writeln!(out, "| {} |", names.join(" | "));
        let rules: Vec<&str> = (0..self.columns.len())
            .map(|j| {
                if self.is_numeric_column(j) {
                    "---:"
                } else {
                    "---"
                }
            })
            .collect();
        let _ = writeln!(out, "| {} |", rules.join(" | "));
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|cell| escape_markdown(&cell.display()))
                .collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out
    }
}

/// Text as one Markdown table cell: no cell border, line break, markup or HTML survives.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Writes a header and rows as CSV with `\n` line ends.
pub(crate) fn csv_text(
    header: &[String],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<String, ReportError> {
    let fail = |source| ReportError::Csv {
        op: "writing CSV",
        source,
    };
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(header).map_err(fail)?;
    for row in rows {
        writer.write_record(&row).map_err(fail)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| fail(error.into_error().into()))?;
    Ok(String::from_utf8(bytes).expect("invariant: every field is a Rust string"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Table {
        let mut table = Table::new("elbo", "ELBO", &["model", "-ELBO [nats]", "active units"]);
        table
            .push_row(vec![
                "VAE | β = 1".into(),
                (105.25, 104.5, 106.0).into(),
                19_usize.into(),
            ])
            .expect("three entries");
        table
            .push_row(vec!["<b>β-VAE</b>".into(), f64::NAN.into(), Cell::Missing])
            .expect("three entries");
        table
    }

    #[test]
    fn csv_has_full_precision_and_interval_columns() {
        insta::assert_snapshot!(sample().to_csv().expect("valid"), @r"
        model,-ELBO [nats],-ELBO [nats]_low,-ELBO [nats]_high,active units
        VAE | β = 1,105.25,104.5,106,19
        <b>β-VAE</b>,NaN,,,
        ");
    }

    #[test]
    fn markdown_is_escaped_and_aligned() {
        insta::assert_snapshot!(sample().to_markdown(), @r"
        | model | -ELBO \[nats\] | active units |
        | --- | ---: | ---: |
        | VAE \| β = 1 | 105.2 \[104.5, 106.0\] | 19 |
        | &lt;b&gt;β-VAE&lt;/b&gt; | not a number | – |
        ");
    }

    #[test]
    fn an_interval_of_nothing_reads_as_missing() {
        let nothing = Cell::from((f64::NAN, f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(nothing.display(), Cell::Missing.display());
        // A value of one seed has no interval and is shown all the same.
        let one = Cell::from((1.5, f64::NEG_INFINITY, f64::INFINITY));
        assert!(one.display().starts_with("1.5"), "{}", one.display());
    }

    #[test]
    fn short_row_is_refused() {
        let error = sample()
            .push_row(vec!["alone".into()])
            .expect_err("one entry of three");
        assert!(
            matches!(
                error,
                ReportError::Length {
                    expected: 3,
                    found: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn csv_round_trip(rows in proptest::collection::vec((any::<String>(), any::<f64>()), 0..8)) {
            let mut table = Table::new("t", "t", &["text, with \"quotes\"", "number"]);
            for (text, value) in &rows {
                table.push_row(vec![text.clone().into(), (*value).into()]).expect("two entries");
            }
            let text = table.to_csv().expect("valid");
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            prop_assert_eq!(reader.headers().expect("header").get(0), Some("text, with \"quotes\""));
            let back: Vec<csv::StringRecord> =
                reader.records().collect::<Result<_, _>>().expect("our own CSV");
            prop_assert_eq!(back.len(), rows.len());
            for (record, (label, value)) in back.iter().zip(&rows) {
                prop_assert_eq!(&record[0], label.as_str());
                let number: f64 = record[1].parse().expect("a number");
                prop_assert!(number == *value || (number.is_nan() && value.is_nan()));
            }
        }

        #[test]
        fn markdown_keeps_one_line_per_row(text in any::<String>()) {
            let mut table = Table::new("t", "t", &["a"]);
            table.push_row(vec![text.into()]).expect("one entry");
            let markdown = table.to_markdown();
            prop_assert_eq!(markdown.lines().count(), 3);
            prop_assert!(!markdown.contains('<'));
        }
    }
}
