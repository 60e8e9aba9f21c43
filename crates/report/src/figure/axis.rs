//! The position of values on an axis, and the ticks that people like to read.
//!
//! Not for drawing.

use super::{Axis, Scale};
use crate::number::{superscript, trim_zeros};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Values beyond this size cannot be drawn: their differences overflow.
const LARGEST: f64 = 1e300;
/// Free space beyond the data, as a share of its span.
const PADDING: f64 = 0.05;
/// More ticks than this would be a bug in the step, not a busy axis.
const MAX_TICKS: usize = 24;

/// Whether a scale can show a value at all.
pub(super) fn is_drawable(scale: Scale, value: f64) -> bool {
    value.abs() <= LARGEST && (scale == Scale::Linear || value >= f64::MIN_POSITIVE)
}

/// An axis with its final range and ticks.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    scale: Scale,
    /// Ends, in transformed coordinates.
    low: f64,
    high: f64,
    /// Position in data coordinates, and label.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Ruler {
    /// Fits an axis to values, without those that it cannot show.
    ///
    /// `None` where there is neither a value nor a fixed range.
    pub(super) fn fit(axis: &Axis, values: impl Iterator<Item = f64>) -> Option<Self> {
        let scale = axis.scale;
        let (low, high) = if let Some((low, high)) = axis.range {
            (transform(scale, low), transform(scale, high))
        } else {
            let (low, high) = values
                .filter(|&v| is_drawable(scale, v))
                .map(|v| transform(scale, v))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                    (l.min(v), h.max(v))
                });
            if low > high {
                return None;
            }
            let span = high - low;
            // Beyond 12 digits a difference is rounding, and its ticks would all look alike.
            let is_point = span <= 1e-12 * low.abs().max(high.abs());
            let pad = match (is_point, scale) {
                (false, _) => PADDING * span,
                (true, Scale::Log10) => 0.5,
                (true, Scale::Linear) => (0.1 * low.abs()).max(0.5),
            };
            (low - pad, high + pad)
        };
        let ticks = match scale {
            Scale::Linear => linear_ticks(low, high),
            Scale::Log10 => log_ticks(low, high),
        };
        Some(Self {
            scale,
            low,
            high,
            ticks,
        })
    }

    /// An axis with one named place per category, at 0, 1, 2, ...
    pub(super) fn categories(labels: Vec<String>) -> Self {
        let high = labels.len().max(1) as f64 - 0.5;
        let ticks = labels
            .into_iter()
            .enumerate()
            .map(|(i, label)| (i as f64, label))
            .collect();
        Self {
            scale: Scale::Linear,
            low: -0.5,
            high,
            ticks,
        }
    }

    /// Whether a value lies between the ends.
    pub(super) fn contains(&self, value: f64) -> bool {
        is_drawable(self.scale, value)
            && (self.low..=self.high).contains(&transform(self.scale, value))
    }

    /// The value at a share of the axis.
    pub(super) fn at(&self, share: f64) -> f64 {
        inverse(self.scale, self.low + share * (self.high - self.low))
    }

    /// The value, or the end of the axis that it lies beyond.
    pub(super) fn clamp(&self, value: f64) -> f64 {
        if is_drawable(self.scale, value) {
            inverse(
                self.scale,
                transform(self.scale, value).clamp(self.low, self.high),
            )
        } else if value > 0.0 {
            self.at(1.0)
        } else {
            self.at(0.0)
        }
    }

    /// Transformed coordinate, for least squares.
    pub(super) fn coordinate(&self, value: f64) -> f64 {
        transform(self.scale, value)
    }

    /// Value of a transformed coordinate.
    pub(super) fn value(&self, coordinate: f64) -> f64 {
        inverse(self.scale, coordinate)
    }

    /// The label of a tick.
    pub(super) fn label(&self, value: f64) -> String {
        let found = self
            .ticks
            .iter()
            .find(|(at, _)| at.total_cmp(&value).is_eq());
        found.map_or_else(String::new, |(_, label)| label.clone())
    }
}

impl Ranged for Ruler {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (transform(self.scale, *value) - self.low) / (self.high - self.low);
        let share = if share.is_finite() {
            share.clamp(-1.0, 2.0)
        } else {
            0.0
        };
        (f64::from(first) + share * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.at(0.0)..self.at(1.0)
    }
}

impl ValueFormatter<f64> for Ruler {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

fn transform(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log10 => value.log10(),
    }
}

fn inverse(scale: Scale, coordinate: f64) -> f64 {
    match scale {
        Scale::Linear => coordinate,
        Scale::Log10 => 10_f64.powf(coordinate),
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `rough`, and its exponent.
fn nice_step(rough: f64) -> (f64, i32) {
    let exponent = rough.log10().floor() as i32;
    for (mantissa, shift) in [(1.0, 0), (2.0, 0), (5.0, 0), (10.0, 1)] {
        let step = mantissa * 10_f64.powi(exponent);
        // The slack absorbs the rounding of log10 and powi.
        if step >= rough * (1.0 - 1e-9) {
            return (step, exponent + shift);
        }
    }
    (10.0 * 10_f64.powi(exponent), exponent + 1)
}

fn linear_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let (step, exponent) = nice_step((high - low) / 6.0);
    let first = (low / step).ceil();
    let largest = low.abs().max(high.abs());
    let mut ticks = Vec::new();
    for i in 0..MAX_TICKS {
        let multiple = first + i as f64;
        let value = multiple * step;
        if !value.is_finite() || value > high {
            break;
        }
        let value = if multiple == 0.0 { 0.0 } else { value };
        let label = if (1e-4..1e5).contains(&largest) && exponent >= -6 {
            let decimals = usize::try_from(-exponent).unwrap_or(0);
            format!("{value:.decimals$}")
        } else {
            scientific(value)
        };
        // A step below the resolution of f64 would repeat the same value for ever.
        if ticks.last().is_some_and(|(last, _)| *last == value) {
            break;
        }
        ticks.push((value, label));
    }
    ticks
}

/// `0`, `2×10⁵`, `-1.5×10⁻⁷`.
fn scientific(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{value:.3e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power = superscript(exponent.parse().unwrap_or(0));
    match trim_zeros(mantissa).as_str() {
        "1" => format!("10{power}"),
        mantissa => format!("{mantissa}×10{power}"),
    }
}

fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let (first, last) = (low.ceil() as i32, high.floor() as i32);
    let plain = low >= -3.0 && high <= 4.0;
    let label = |value: f64| {
        if plain {
            trim_zeros(&format!("{value:.4}"))
        } else {
            scientific(value)
        }
    };
    if high - low < 0.7 {
        // Less than a factor of five: linear ticks tell more than one power of ten.
        return linear_ticks(10_f64.powf(low), 10_f64.powf(high));
    }
    if high - low < 3.5 {
        let mantissas: &[f64] = if high - low < 2.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0, 3.0]
        };
        let mut ticks = Vec::new();
        for exponent in first - 1..=last + 1 {
            for mantissa in mantissas {
                let value: f64 = mantissa * 10_f64.powi(exponent);
                if (low..=high).contains(&value.log10()) {
                    ticks.push((value, label(value)));
                }
            }
        }
        return ticks;
    }
    let stride = usize::try_from((last - first) / 8 + 1).unwrap_or(1);
    let ticks = (first..=last).step_by(stride);
    ticks
        .map(|exponent| 10_f64.powi(exponent))
        .map(|value| (value, label(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
        let ruler = Ruler::fit(axis, values.iter().copied()).expect("values given");
        ruler.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels(&Axis::linear(""), &[0.0, 1.0]),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&Axis::linear(""), &[1.0, 10.0]),
            ["2", "4", "6", "8", "10"]
        );
        assert_eq!(
            labels(&Axis::linear(""), &[0.0, 4e6])[..3],
            ["0", "10⁶", "2×10⁶"]
        );
        assert_eq!(
            labels(&Axis::log10(""), &[0.01, 100.0]),
            ["0.01", "0.1", "1", "10", "100"]
        );
        assert_eq!(labels(&Axis::log10(""), &[3.0, 30.0]), ["5", "10", "20"]);
        let wide = labels(&Axis::log10(""), &[1e-6, 1e6]);
        assert_eq!(wide[..3], ["10⁻⁶", "10⁻⁴", "10⁻²"]);
    }

    proptest! {
        #[test]
        fn any_drawable_range_has_few_ticks_inside(a in any::<f64>(), b in any::<f64>(), log: bool) {
            let axis = if log { Axis::log10("") } else { Axis::linear("") };
            let values: Vec<f64> =
                [a, b].into_iter().filter(|&v| is_drawable(axis.scale, v)).collect();
            if let Some(ruler) = Ruler::fit(&axis, values.iter().copied()) {
                prop_assert!(ruler.ticks.len() <= MAX_TICKS);
                for &value in &values {
                    let pixel = ruler.map(&value, (0, 1000));
                    prop_assert!((0..=1000).contains(&pixel), "{value} at {pixel}");
                }
            } else {
                prop_assert!(values.is_empty());
            }
        }
    }
}
