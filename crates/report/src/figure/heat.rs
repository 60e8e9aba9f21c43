//! Heat maps: a value for every pair of two categories, as a shade and as a number.
//!
//! Not for pixels: see the canvas.

use super::axis::{Ruler, is_drawable};
use super::canvas::{Mark, Paint, Plan};
use super::draw::Notes;
use super::{Figure, Scale};
use crate::number::{self, display, exact};
use serde::{Deserialize, Serialize};

/// Shade of the smallest value; that of the largest is 1.
const PALEST: f64 = 0.06;
/// From this shade on, text is light.
const DARK: f64 = 0.55;

/// A value for every row and column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeatMap {
    /// Names along the x axis.
    pub columns: Vec<String>,
    /// Names along the y axis, lowest first.
    pub rows: Vec<String>,
    /// Row by row; a place without a value holds NaN.
    #[serde(with = "number::list")]
    pub values: Vec<f64>,
    /// How values become shades.
    pub scale: Scale,
}

impl HeatMap {
    pub(super) fn problems(&self) -> Vec<String> {
        let expected = self.columns.len() * self.rows.len();
        if self.values.len() == expected {
            return Vec::new();
        }
        let (rows, columns) = (self.rows.len(), self.columns.len());
        vec![format!(
            "heat map: expected {expected} values, {rows} rows of {columns}, found {}",
            self.values.len()
        )]
    }

    pub(super) fn csv_rows(&self) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            for (j, column) in self.columns.iter().enumerate() {
                let value = self.values[i * self.columns.len() + j];
                out.push(vec![row.clone(), column.clone(), exact(value)]);
            }
        }
        out
    }

    /// Position between the smallest and the largest drawable value, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let at = |v: f64| match self.scale {
            Scale::Linear => v,
            Scale::Log10 => v.log10(),
        };
        let good = self.values.iter().filter(|v| is_drawable(self.scale, **v));
        let (low, high) = good.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| {
            (low.min(at(v)), high.max(at(v)))
        });
        if high > low {
            (at(value) - low) / (high - low)
        } else {
            0.0
        }
    }
}

pub(super) fn plan_heat(figure: &Figure, map: &HeatMap, notes: &mut Notes) -> Plan {
    let mut plan = Plan {
        rulers: None,
        marks: Vec::new(),
        legend: Vec::new(),
    };
    if map.values.iter().all(|v| !is_drawable(map.scale, *v)) {
        return plan;
    }
    plan.rulers = Some((
        Ruler::categories(map.columns.clone()),
        Ruler::categories(map.rows.clone()),
    ));
    for (place, &value) in map.values.iter().enumerate() {
        if !notes.admit(map.scale, value) {
            continue;
        }
        let (row, column) = (place / map.columns.len(), place % map.columns.len());
        let (x, y) = (column as f64, row as f64);
        let shade = PALEST + (1.0 - PALEST) * map.share(value);
        let (left, right, low, high) = (x - 0.49, x + 0.49, y - 0.49, y + 0.49);
        plan.marks.push(Mark::Area {
            points: vec![(left, low), (left, high), (right, high), (right, low)],
            paint: Paint::Series(0),
            opacity: shade,
        });
        plan.marks.push(Mark::Text {
            at: (x, y),
            text: display(value),
            paint: if shade > DARK {
                Paint::Paper
            } else {
                Paint::Ink
            },
        });
    }
    if figure.y.range.is_some() || figure.x.range.is_some() {
        notes
            .others
            .push("A heat map shows every place, whatever its axes' ranges.".to_owned());
    }
    plan
}
