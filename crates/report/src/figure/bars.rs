//! What is drawn of bars, histograms and box plots.
//!
//! Not for pixels: see the canvas.

use super::axis::{Ruler, is_drawable};
use super::canvas::{Entry, Mark, Paint, Plan, Swatch};
use super::draw::{Notes, band_values, rulers};
use super::{Axis, Bars, BoxSummary, Figure, Histogram, Scale};

/// Starts a linear axis of sizes at zero, where a bar's length means something.
fn from_zero(axis: &Axis, values: impl Iterator<Item = f64> + Clone) -> Axis {
    let low = values.clone().fold(0.0, f64::min);
    let high = values.fold(0.0, f64::max);
    if axis.scale == Scale::Log10 || axis.range.is_some() || low < 0.0 || high <= 0.0 {
        return axis.clone();
    }
    axis.clone().with_range(0.0, 1.06 * high)
}

pub(super) fn plan_bars(
    figure: &Figure,
    categories: &[String],
    groups: &[Bars],
    notes: &mut Notes,
) -> Plan {
    let scale = figure.y.scale;
    let good: Vec<Vec<bool>> = groups
        .iter()
        .map(|bars| bars.values.iter().map(|&v| notes.admit(scale, v)).collect())
        .collect();
    let values = groups.iter().zip(&good).flat_map(|(bars, good)| {
        let values = bars
            .values
            .iter()
            .zip(good)
            .filter(|(_, g)| **g)
            .map(|(&v, _)| v);
        values.chain(band_values(bars.band.as_ref(), scale, |i| good[i]))
    });
    let kept: Vec<f64> = values.collect();
    let smallest: f64 = kept.iter().copied().fold(f64::INFINITY, f64::min);
    let axis = from_zero(&figure.y, kept.iter().copied());
    // On a linear axis bars start at zero; on a logarithmic one they get some length at least.
    let base: f64 = if scale == Scale::Linear {
        0.0
    } else {
        f64::max(0.5 * smallest, f64::MIN_POSITIVE)
    };
    let any = smallest.is_finite();
    let ruler = if any {
        Ruler::fit(&axis, kept.iter().copied().chain([base]))
    } else {
        None
    };
    let found = ruler.map(|y| (Ruler::categories(categories.to_vec()), y));
    let mut plan = Plan {
        rulers: found,
        marks: Vec::new(),
        legend: Vec::new(),
    };
    let Some((_, y)) = &plan.rulers else {
        return plan;
    };
    let floor = y.clamp(if scale == Scale::Linear {
        0.0
    } else {
        y.at(0.0)
    });
    let width = 0.8 / groups.len().max(1) as f64;
    for (k, (bars, good)) in groups.iter().zip(&good).enumerate() {
        let paint = Paint::Series(k);
        for i in (0..bars.values.len()).filter(|&i| good[i]) {
            let value = bars.values[i];
            notes.num_outside += u64::from(!y.contains(value));
            let left = i as f64 - 0.4 + width * k as f64 + 0.06 * width;
            let right = left + 0.88 * width;
            let top = y.clamp(value);
            let points = vec![(left, floor), (left, top), (right, top), (right, floor)];
            plan.marks.push(Mark::Area {
                points,
                paint,
                opacity: 0.8,
            });
            let Some(band) = &bars.band else { continue };
            let (low, high) = (band.low[i], band.high[i]);
            notes.num_cut_bands += u64::from(!y.contains(low) || !y.contains(high));
            if low.is_nan() || high.is_nan() {
                continue;
            }
            let (low, high, middle) = (y.clamp(low), y.clamp(high), 0.5 * (left + right));
            let cap = 0.12 * width;
            for points in [
                vec![(middle, low), (middle, high)],
                vec![(middle - cap, low), (middle + cap, low)],
                vec![(middle - cap, high), (middle + cap, high)],
            ] {
                plan.marks.push(Mark::Path {
                    points,
                    paint: Paint::Ink,
                    dashed: false,
                    width: 3,
                });
            }
        }
        plan.legend.push(Entry {
            label: bars.name.clone(),
            paint,
            swatch: Swatch::Area,
        });
    }
    plan
}

pub(super) fn plan_histogram(figure: &Figure, series: &[Histogram], notes: &mut Notes) -> Plan {
    let num_outside: u64 = series.iter().map(|s| s.num_outside).sum();
    if num_outside > 0 {
        let text = format!("Not finite or outside all bins, and not counted: {num_outside}.");
        notes.others.push(text);
    }
    let counts = series.iter().flat_map(|s| &s.counts).map(|&n| n as f64);
    let bins = || {
        series.iter().enumerate().flat_map(|(k, s)| {
            s.edges
                .windows(2)
                .zip(&s.counts)
                .map(move |(edge, &n)| (k, edge[0], edge[1], n as f64))
        })
    };
    let drawable = |v: f64| is_drawable(figure.x.scale, v);
    let good: Vec<_> = bins()
        .filter(|bin| drawable(bin.1) && drawable(bin.2))
        .collect();
    let num_hidden = bins().count() - good.len();
    if num_hidden > 0 {
        let text = format!("Bins that the axis cannot show, and that are left out: {num_hidden}.");
        notes.others.push(text);
    }
    let axis = from_zero(&figure.y, counts);
    let edges = good.iter().flat_map(|bin| [bin.1, bin.2]);
    let heights = good.iter().map(|bin| bin.3).chain([0.0]);
    let found = if good.is_empty() {
        None
    } else {
        rulers((&figure.x, &axis), edges, heights)
    };
    let mut plan = Plan {
        rulers: found,
        marks: Vec::new(),
        legend: Vec::new(),
    };
    let Some((x, y)) = &plan.rulers else {
        return plan;
    };
    let opacity = if series.len() > 1 { 0.45 } else { 0.75 };
    for (k, one) in series.iter().enumerate() {
        let mut points = Vec::new();
        for &(_, low, high, n) in good.iter().filter(|bin| bin.0 == k) {
            points.extend([(x.clamp(low), y.clamp(n)), (x.clamp(high), y.clamp(n))]);
        }
        let paint = Paint::Series(k);
        // One outline for all bins: bars side by side would show their seams.
        if let (Some(&(first, _)), Some(&(last, _))) = (points.first(), points.last()) {
            let floor = y.clamp(0.0);
            let closed = [(first, floor)].into_iter().chain(points.iter().copied());
            let points = closed.chain([(last, floor)]).collect();
            plan.marks.push(Mark::Area {
                points,
                paint,
                opacity,
            });
        }
        plan.marks.push(Mark::Path {
            points,
            paint,
            dashed: false,
            width: 3,
        });
        plan.legend.push(Entry {
            label: one.name.clone(),
            paint,
            swatch: Swatch::Area,
        });
    }
    plan
}

pub(super) fn plan_boxes(figure: &Figure, boxes: &[BoxSummary], notes: &mut Notes) -> Plan {
    let scale = figure.y.scale;
    notes.num_not_finite += boxes.iter().map(|b| b.num_left_out as u64).sum::<u64>();
    for summary in boxes.iter().filter(|b| b.num_values == 0) {
        notes
            .others
            .push(format!("There are no values for '{}'.", summary.label));
    }
    let values = boxes
        .iter()
        .filter(|b| b.num_values > 0)
        .flat_map(|b| b.numbers().into_iter().chain(b.outliers.iter().copied()));
    let kept: Vec<f64> = values.filter(|&v| notes.admit(scale, v)).collect();
    let ruler = Ruler::fit(&figure.y, kept.iter().copied()).filter(|_| !kept.is_empty());
    let labels = boxes.iter().map(|b| b.label.clone()).collect();
    let found = ruler.map(|y| (Ruler::categories(labels), y));
    let mut plan = Plan {
        rulers: found,
        marks: Vec::new(),
        legend: Vec::new(),
    };
    let Some((_, y)) = &plan.rulers else {
        return plan;
    };
    for (i, summary) in boxes.iter().enumerate().filter(|(_, b)| b.num_values > 0) {
        let (middle, paint) = (i as f64, Paint::Series(0));
        let (left, right) = (middle - 0.28, middle + 0.28);
        let [low, q1, median, q3, high] = summary.numbers().map(|v| y.clamp(v));
        let points = vec![(left, q1), (left, q3), (right, q3), (right, q1)];
        plan.marks.push(Mark::Area {
            points: points.clone(),
            paint,
            opacity: 0.25,
        });
        let path = |points, paint, width| Mark::Path {
            points,
            paint,
            dashed: false,
            width,
        };
        let outline = points.iter().chain(&points[..1]).copied().collect();
        plan.marks.push(path(outline, paint, 3));
        for (from, to) in [(q1, low), (q3, high)] {
            plan.marks
                .push(path(vec![(middle, from), (middle, to)], paint, 3));
            plan.marks
                .push(path(vec![(middle - 0.1, to), (middle + 0.1, to)], paint, 3));
        }
        plan.marks
            .push(path(vec![(left, median), (right, median)], Paint::Ink, 4));
        for &value in &summary.outliers {
            if y.contains(value) {
                let at = (middle, value);
                plan.marks.push(Mark::Symbol {
                    at,
                    paint,
                    shape: 0,
                    opacity: 0.6,
                });
            } else if is_drawable(scale, value) {
                notes.num_outside += 1;
            }
        }
    }
    plan
}
