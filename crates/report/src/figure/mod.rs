//! Figures as data: what is to be drawn, and the same numbers as CSV.
//!
//! Not for drawing (see [`draw`](crate::figure::to_svg)) and not for choosing statistics beyond
//! those that a plot itself defines: box summaries, bin counts, a least-squares line.

mod axis;
mod bars;
mod canvas;
mod draw;
mod heat;
mod series;

pub use draw::{Drawing, to_svg};
pub use heat::HeatMap;
pub use series::{Band, Bars, BoxSummary, Histogram, Line, Points};

use crate::error::ReportError;
use crate::number::{self, exact};
use crate::table::csv_text;
use serde::{Deserialize, Serialize};

/// How an axis maps values to positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Equal steps for equal differences.
    Linear,
    /// Equal steps for equal ratios; shows only positive values.
    Log10,
}

/// One axis of a [`Figure`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// Drawn range; from the data where absent.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis that fits the data.
    #[must_use]
    pub fn linear(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            scale: Scale::Linear,
            range: None,
        }
    }

    /// A logarithmic axis that fits the data.
    #[must_use]
    pub fn log10(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            scale: Scale::Log10,
            range: None,
        }
    }

    /// Fixes the drawn range; points outside are left out and counted in a note.
    #[must_use]
    pub fn with_range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    fn problems(&self, name: &str) -> Vec<String> {
        let Some((low, high)) = self.range else {
            return Vec::new();
        };
        let positive = self.scale == Scale::Linear || low > 0.0;
        if low.is_finite() && high.is_finite() && low < high && positive {
            Vec::new()
        } else {
            vec![format!(
                "{name} range: expected finite low < high (positive on a log axis), found {low} \
                 and {high}"
            )]
        }
    }
}

/// A straight line across the whole plot, such as a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    /// Name in the legend.
    pub label: String,
    /// Whether the line is horizontal, at `y = at`, or vertical, at `x = at`.
    pub horizontal: bool,
    /// Position.
    #[serde(with = "number")]
    pub at: f64,
}

/// The content of a [`Figure`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FigureKind {
    /// Lines with markers and confidence bands.
    Lines {
        /// One per line.
        lines: Vec<Line>,
    },
    /// Points.
    Scatter {
        /// Groups, each with its own color and marker.
        groups: Vec<Points>,
        /// Whether to draw `y = x`.
        identity: bool,
        /// Whether to draw the least-squares line through all points, in the axes' coordinates.
        regression: bool,
    },
    /// Bars with error bars, grouped by category.
    Bars {
        /// Names along the x axis.
        categories: Vec<String>,
        /// One per color.
        groups: Vec<Bars>,
    },
    /// Overlaid histograms.
    Histogram {
        /// One per color.
        series: Vec<Histogram>,
    },
    /// Box plots.
    Boxes {
        /// One per position.
        boxes: Vec<BoxSummary>,
    },
    /// A shade and a number for every pair of categories.
    Heat {
        /// The values with their names.
        map: HeatMap,
    },
}

/// A figure: axes, content, and words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// File stem and anchor: see [`check_id`](crate::record::check_id).
    pub id: String,
    /// Heading.
    pub title: String,
    /// What the reader should see, with sample sizes and the kind of interval.
    pub caption: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// What is drawn.
    pub kind: FigureKind,
    /// Lines across the plot.
    pub guides: Vec<Guide>,
}

impl Figure {
    fn checked(
        id: &str,
        title: &str,
        (x, y): (Axis, Axis),
        kind: FigureKind,
    ) -> Result<Self, ReportError> {
        let (id, title) = (id.to_owned(), title.to_owned());
        let figure = Self {
            id,
            title,
            caption: String::new(),
            x,
            y,
            kind,
            guides: Vec::new(),
        };
        crate::record::refuse(&format!("figure '{}'", figure.id), figure.problems())?;
        Ok(figure)
    }

    /// Lines with confidence bands.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where lengths differ or a range is impossible.
    pub fn lines(
        id: &str,
        title: &str,
        x: Axis,
        y: Axis,
        lines: Vec<Line>,
    ) -> Result<Self, ReportError> {
        Self::checked(id, title, (x, y), FigureKind::Lines { lines })
    }

    /// A scatter plot, without diagonal and regression.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where lengths differ or a range is impossible.
    pub fn scatter(
        id: &str,
        title: &str,
        x: Axis,
        y: Axis,
        groups: Vec<Points>,
    ) -> Result<Self, ReportError> {
        let kind = FigureKind::Scatter {
            groups,
            identity: false,
            regression: false,
        };
        Self::checked(id, title, (x, y), kind)
    }

    /// Grouped bars.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where a group is not as long as the categories.
    pub fn bars(
        id: &str,
        title: &str,
        x_label: &str,
        y: Axis,
        categories: &[&str],
        groups: Vec<Bars>,
    ) -> Result<Self, ReportError> {
        let categories = categories.iter().map(|&name| name.to_owned()).collect();
        let kind = FigureKind::Bars { categories, groups };
        Self::checked(id, title, (Axis::linear(x_label), y), kind)
    }

    /// Overlaid histograms.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where edges and counts do not fit.
    pub fn histogram(
        id: &str,
        title: &str,
        x: Axis,
        series: Vec<Histogram>,
    ) -> Result<Self, ReportError> {
        Self::checked(
            id,
            title,
            (x, Axis::linear("count")),
            FigureKind::Histogram { series },
        )
    }

    /// Box plots.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where a range is impossible.
    pub fn boxes(
        id: &str,
        title: &str,
        x_label: &str,
        y: Axis,
        boxes: Vec<BoxSummary>,
    ) -> Result<Self, ReportError> {
        Self::checked(
            id,
            title,
            (Axis::linear(x_label), y),
            FigureKind::Boxes { boxes },
        )
    }

    /// A heat map.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where there is not one value for every place.
    pub fn heat(
        id: &str,
        title: &str,
        (x_label, y_label): (&str, &str),
        map: HeatMap,
    ) -> Result<Self, ReportError> {
        let axes = (Axis::linear(x_label), Axis::linear(y_label));
        Self::checked(id, title, axes, FigureKind::Heat { map })
    }

    /// Sets the caption.
    #[must_use]
    pub fn with_caption(mut self, caption: &str) -> Self {
        caption.clone_into(&mut self.caption);
        self
    }

    /// Draws `y = x` in a scatter plot; other kinds are unchanged.
    #[must_use]
    pub fn with_identity(mut self) -> Self {
        if let FigureKind::Scatter { identity, .. } = &mut self.kind {
            *identity = true;
        }
        self
    }

    /// Draws the least-squares line in a scatter plot; other kinds are unchanged.
    #[must_use]
    pub fn with_regression(mut self) -> Self {
        if let FigureKind::Scatter { regression, .. } = &mut self.kind {
            *regression = true;
        }
        self
    }

    /// Adds a horizontal line at `y = at`.
    #[must_use]
    pub fn with_horizontal(mut self, label: &str, at: f64) -> Self {
        self.guides.push(Guide {
            label: label.to_owned(),
            horizontal: true,
            at,
        });
        self
    }

    /// Adds a vertical line at `x = at`.
    #[must_use]
    pub fn with_vertical(mut self, label: &str, at: f64) -> Self {
        self.guides.push(Guide {
            label: label.to_owned(),
            horizontal: false,
            at,
        });
        self
    }

    /// Every problem of this figure, in words; data that cannot be drawn is no problem.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.x.problems("x");
        problems.extend(self.y.problems("y"));
        match &self.kind {
            FigureKind::Lines { lines } => {
                problems.extend(lines.iter().flat_map(Line::problems));
            }
            FigureKind::Scatter { groups, .. } => {
                problems.extend(groups.iter().flat_map(Points::problems));
            }
            FigureKind::Bars { categories, groups } => {
                problems.extend(
                    groups
                        .iter()
                        .flat_map(|bars| bars.problems(categories.len())),
                );
            }
            FigureKind::Histogram { series } => {
                problems.extend(series.iter().flat_map(Histogram::problems));
            }
            FigureKind::Boxes { .. } => {}
            FigureKind::Heat { map } => problems.extend(map.problems()),
        }
        problems
    }

    /// The drawn numbers in long form, with full precision.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where lengths differ.
    pub fn to_csv(&self) -> Result<String, ReportError> {
        crate::record::refuse(&format!("figure '{}'", self.id), self.problems())?;
        let (header, rows): (&[&str], Vec<Vec<String>>) = match &self.kind {
            FigureKind::Lines { lines } => (
                &["series", "x", "y", "low", "high"],
                lines.iter().flat_map(Line::rows).collect(),
            ),
            FigureKind::Scatter { groups, .. } => (
                &["group", "x", "y"],
                groups.iter().flat_map(Points::rows).collect(),
            ),
            FigureKind::Bars { categories, groups } => (
                &["category", "group", "value", "low", "high"],
                groups
                    .iter()
                    .flat_map(|bars| bars.rows(categories))
                    .collect(),
            ),
            FigureKind::Histogram { series } => (
                &["series", "bin_low", "bin_high", "count"],
                series.iter().flat_map(Histogram::rows).collect(),
            ),
            FigureKind::Boxes { boxes } => (
                &["label", "quantity", "value"],
                boxes.iter().flat_map(BoxSummary::rows).collect(),
            ),
            FigureKind::Heat { map } => (&["row", "column", "value"], map.csv_rows()),
        };
        let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
        let guides = self.guides.iter().map(|guide| {
            let mut row = vec![String::new(); header.len()];
            row[0] = format!("guide: {}", guide.label);
            let last = if header.len() == 5 {
                2
            } else {
                header.len() - 1
            };
            let at = if guide.horizontal { last } else { last - 1 };
            row[at] = exact(guide.at);
            row
        });
        csv_text(&header, rows.into_iter().chain(guides))
    }

    /// What the figure shows, in words, for people who do not see it.
    #[must_use]
    pub fn alt_text(&self) -> String {
        let (what, names): (&str, Vec<&str>) = match &self.kind {
            FigureKind::Lines { lines } => (
                "Line chart",
                lines.iter().map(|line| line.name.as_str()).collect(),
            ),
            FigureKind::Scatter { groups, .. } => (
                "Scatter plot",
                groups.iter().map(|group| group.name.as_str()).collect(),
            ),
            FigureKind::Bars { groups, .. } => (
                "Bar chart",
                groups.iter().map(|bars| bars.name.as_str()).collect(),
            ),
            FigureKind::Histogram { series } => (
                "Histogram",
                series.iter().map(|series| series.name.as_str()).collect(),
            ),
            FigureKind::Boxes { boxes } => (
                "Box plot",
                boxes.iter().map(|summary| summary.label.as_str()).collect(),
            ),
            FigureKind::Heat { map } => ("Heat map", map.rows.iter().map(String::as_str).collect()),
        };
        let log = |axis: &Axis| {
            if axis.scale == Scale::Log10 {
                " (log scale)"
            } else {
                ""
            }
        };
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let shown = if names.is_empty() {
            String::new()
        } else {
            format!(": {}", names.join(", "))
        };
        format!(
            "{what} of {}{} against {}{}{shown}. The numbers are in the CSV file.",
            self.y.label,
            log(&self.y),
            self.x.label,
            log(&self.x),
        )
    }
}

/// The colors that drawings consist of, as they stand in the SVG.
pub(crate) struct Palette {
    pub(crate) paper: String,
    pub(crate) ink: String,
    pub(crate) muted: String,
    pub(crate) grid: String,
    pub(crate) series: Vec<String>,
}

/// The colors that drawings consist of.
pub(crate) fn palette() -> Palette {
    let hex = |c: plotters::style::RGBColor| format!("#{:02X}{:02X}{:02X}", c.0, c.1, c.2);
    Palette {
        paper: hex(canvas::PAPER),
        ink: hex(canvas::INK),
        muted: hex(canvas::MUTED),
        grid: hex(canvas::GRID),
        series: canvas::SERIES.map(hex).to_vec(),
    }
}
