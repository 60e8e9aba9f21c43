//! The data of each kind of figure.
//!
//! Not for axes and colors.

use crate::number::{self, exact};
use serde::{Deserialize, Serialize};

/// A confidence band around a [`Line`], or error bars on [`Bars`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Lower ends.
    #[serde(with = "number::list")]
    pub low: Vec<f64>,
    /// Upper ends.
    #[serde(with = "number::list")]
    pub high: Vec<f64>,
}

impl Band {
    fn problems(&self, name: &str, expected: usize) -> Vec<String> {
        let mut problems = Vec::new();
        for (part, list) in [("low", &self.low), ("high", &self.high)] {
            check_length(&mut problems, name, part, expected, list.len());
        }
        problems
    }
}

fn check_length(out: &mut Vec<String>, name: &str, part: &str, expected: usize, found: usize) {
    if expected != found {
        out.push(format!(
            "series '{name}', {part}: expected {expected} values, found {found}"
        ));
    }
}

fn band_fields(band: Option<&Band>, i: usize) -> [String; 2] {
    band.map_or_else(<[String; 2]>::default, |band| {
        [exact(band.low[i]), exact(band.high[i])]
    })
}

/// One line of a line chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Positions, in drawing order.
    #[serde(with = "number::list")]
    pub x: Vec<f64>,
    /// Values.
    #[serde(with = "number::list")]
    pub y: Vec<f64>,
    /// Confidence band.
    pub band: Option<Band>,
}

impl Line {
    /// A line without a band.
    #[must_use]
    pub fn new(name: &str, x: Vec<f64>, y: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            x,
            y,
            band: None,
        }
    }

    /// Adds a confidence band.
    #[must_use]
    pub fn with_band(mut self, low: Vec<f64>, high: Vec<f64>) -> Self {
        self.band = Some(Band { low, high });
        self
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check_length(&mut problems, &self.name, "y", self.x.len(), self.y.len());
        problems.extend(
            self.band
                .iter()
                .flat_map(|b| b.problems(&self.name, self.x.len())),
        );
        problems
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.x.iter().zip(&self.y).enumerate().map(|(i, (&x, &y))| {
            let [low, high] = band_fields(self.band.as_ref(), i);
            vec![self.name.clone(), exact(x), exact(y), low, high]
        })
    }
}

/// One group of points of a scatter plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// Name in the legend.
    pub name: String,
    /// Horizontal positions.
    #[serde(with = "number::list")]
    pub x: Vec<f64>,
    /// Vertical positions.
    #[serde(with = "number::list")]
    pub y: Vec<f64>,
}

impl Points {
    /// A group of points.
    #[must_use]
    pub fn new(name: &str, x: Vec<f64>, y: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            x,
            y,
        }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        check_length(&mut problems, &self.name, "y", self.x.len(), self.y.len());
        problems
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        let pairs = self.x.iter().zip(&self.y);
        pairs.map(|(&x, &y)| vec![self.name.clone(), exact(x), exact(y)])
    }
}

/// One color of a bar chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bars {
    /// Name in the legend.
    pub name: String,
    /// One value per category.
    #[serde(with = "number::list")]
    pub values: Vec<f64>,
    /// Error bars.
    pub band: Option<Band>,
}

impl Bars {
    /// Bars without error bars.
    #[must_use]
    pub fn new(name: &str, values: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            values,
            band: None,
        }
    }

    /// Adds error bars.
    #[must_use]
    pub fn with_band(mut self, low: Vec<f64>, high: Vec<f64>) -> Self {
        self.band = Some(Band { low, high });
        self
    }

    pub(super) fn problems(&self, num_categories: usize) -> Vec<String> {
        let mut problems = Vec::new();
        check_length(
            &mut problems,
            &self.name,
            "values",
            num_categories,
            self.values.len(),
        );
        problems.extend(
            self.band
                .iter()
                .flat_map(|b| b.problems(&self.name, num_categories)),
        );
        problems
    }

    pub(super) fn rows(&self, categories: &[String]) -> Vec<Vec<String>> {
        let pairs = categories.iter().zip(&self.values).enumerate();
        pairs
            .map(|(i, (category, &value))| {
                let [low, high] = band_fields(self.band.as_ref(), i);
                vec![category.clone(), self.name.clone(), exact(value), low, high]
            })
            .collect()
    }
}

/// Counts in bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Name in the legend.
    pub name: String,
    /// Borders of the bins, ascending; one more than counts.
    #[serde(with = "number::list")]
    pub edges: Vec<f64>,
    /// How many values fell in each bin.
    pub counts: Vec<u64>,
    /// How many values were not finite or outside all bins.
    pub num_outside: u64,
}

impl Histogram {
    /// Counts values in bins that are closed below and open above, the last closed on both sides.
    #[must_use]
    pub fn from_values(name: &str, values: &[f64], edges: Vec<f64>) -> Self {
        let num_bins = edges.len().saturating_sub(1);
        let mut counts = vec![0; num_bins];
        let mut num_outside = 0;
        for &value in values {
            let above = edges.partition_point(|&edge| edge <= value);
            let is_last_edge = num_bins > 0 && value == edges[num_bins];
            let bin = if is_last_edge {
                Some(num_bins - 1)
            } else {
                above.checked_sub(1)
            };
            match bin.and_then(|bin| counts.get_mut(bin)) {
                Some(count) if value.is_finite() => *count += 1,
                _ => num_outside += 1,
            }
        }
        Self {
            name: name.to_owned(),
            edges,
            counts,
            num_outside,
        }
    }

    /// Equal bins over the range of the finite values.
    #[must_use]
    pub fn equal_bins(name: &str, values: &[f64], num_bins: usize) -> Self {
        let finite = values.iter().copied().filter(|v| v.is_finite());
        let low = finite.clone().fold(f64::INFINITY, f64::min);
        let high = finite.fold(f64::NEG_INFINITY, f64::max);
        if low > high || num_bins == 0 {
            return Self::from_values(name, values, Vec::new());
        }
        let (low, high) = if low < high {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        };
        let share = |i: usize| i as f64 / num_bins as f64;
        // The convex combination does not overflow for extreme ends, and meets them exactly.
        let mut edges: Vec<f64> = (0..=num_bins)
            .map(|i| low * (1.0 - share(i)) + high * share(i))
            .collect();
        edges.dedup();
        Self::from_values(name, values, edges)
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let expected = self.edges.len().saturating_sub(1);
        check_length(
            &mut problems,
            &self.name,
            "counts",
            expected,
            self.counts.len(),
        );
        if !self.edges.windows(2).all(|pair| pair[0] < pair[1]) {
            problems.push(format!(
                "series '{}', edges: expected ascending values",
                self.name
            ));
        }
        problems
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.edges
            .windows(2)
            .zip(&self.counts)
            .map(|(edge, count)| {
                vec![
                    self.name.clone(),
                    exact(edge[0]),
                    exact(edge[1]),
                    count.to_string(),
                ]
            })
    }
}

/// The five numbers of a box plot and its outliers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxSummary {
    /// Name below the box.
    pub label: String,
    /// Smallest value within 1.5 interquartile ranges of the box.
    #[serde(with = "number")]
    pub low_whisker: f64,
    /// First quartile.
    #[serde(with = "number")]
    pub q1: f64,
    /// Median.
    #[serde(with = "number")]
    pub median: f64,
    /// Third quartile.
    #[serde(with = "number")]
    pub q3: f64,
    /// Largest value within 1.5 interquartile ranges of the box.
    #[serde(with = "number")]
    pub high_whisker: f64,
    /// Finite values beyond the whiskers.
    #[serde(with = "number::list")]
    pub outliers: Vec<f64>,
    /// How many finite values there are.
    pub num_values: usize,
    /// How many values were not finite.
    pub num_left_out: usize,
}

impl BoxSummary {
    /// Summarizes values by quartiles (linear interpolation) and Tukey's whiskers.
    #[must_use]
    pub fn from_values(label: &str, values: &[f64]) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |p: f64| {
            let Some(last) = sorted.len().checked_sub(1) else {
                return f64::NAN;
            };
            let position = p * last as f64;
            let (below, above) = (position.floor() as usize, position.ceil() as usize);
            let share = position - below as f64;
            sorted[below] * (1.0 - share) + sorted[above] * share
        };
        let (q1, median, q3) = (quantile(0.25), quantile(0.5), quantile(0.75));
        let reach = 1.5 * (q3 - q1);
        let is_inside = |v: &f64| (q1 - reach..=q3 + reach).contains(v);
        let inside = || sorted.iter().copied().filter(is_inside);
        Self {
            label: label.to_owned(),
            low_whisker: inside().next().unwrap_or(f64::NAN),
            q1,
            median,
            q3,
            high_whisker: inside().next_back().unwrap_or(f64::NAN),
            outliers: sorted.iter().copied().filter(|v| !is_inside(v)).collect(),
            num_values: sorted.len(),
            num_left_out: values.len() - sorted.len(),
        }
    }

    pub(super) fn numbers(&self) -> [f64; 5] {
        [
            self.low_whisker,
            self.q1,
            self.median,
            self.q3,
            self.high_whisker,
        ]
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        let names = ["low_whisker", "q1", "median", "q3", "high_whisker"];
        let outliers = self.outliers.iter().map(|&v| ("outlier", v));
        names
            .into_iter()
            .zip(self.numbers())
            .chain(outliers)
            .map(|(name, value)| vec![self.label.clone(), name.to_owned(), exact(value)])
    }
}
