//! Decides what of a figure is drawn, and says what is not.
//!
//! Not for pixels: see the canvas. Experiments diverge, so every input is drawable: what has no
//! place on the axes is left out and counted in a note.

use super::axis::{Ruler, is_drawable};
use super::bars::{plan_bars, plan_boxes, plan_histogram};
use super::canvas::{Entry, Mark, Paint, Plan, Swatch, render};
use super::heat::plan_heat;
use super::{Axis, Band, Figure, FigureKind, Line, Points, Scale};
use crate::error::ReportError;
use crate::number;

/// Lines with more points than this are told apart by dashes instead of symbols.
const MAX_SYMBOLS: usize = 40;

/// A drawn figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// The SVG document, with text as text.
    pub svg: String,
    /// What was left out or computed for the drawing, in sentences.
    pub notes: Vec<String>,
}

/// Draws a figure.
///
/// Values that the axes cannot show (not finite, not positive on a logarithmic axis, outside a
/// fixed range) are left out and counted in the notes; a figure without any value says so.
///
/// # Errors
/// [`ReportError::Invalid`] where lengths differ or a range is impossible, [`ReportError::Draw`]
/// from the drawing library.
pub fn to_svg(figure: &Figure) -> Result<Drawing, ReportError> {
    crate::record::refuse(&format!("figure '{}'", figure.id), figure.problems())?;
    let mut notes = Notes::default();
    let mut plan = match &figure.kind {
        FigureKind::Lines { lines } => plan_lines(figure, lines, &mut notes),
        FigureKind::Scatter {
            groups,
            identity,
            regression,
        } => plan_scatter(figure, groups, *identity, *regression, &mut notes),
        FigureKind::Bars { categories, groups } => {
            plan_bars(figure, categories, groups, &mut notes)
        }
        FigureKind::Histogram { series } => plan_histogram(figure, series, &mut notes),
        FigureKind::Boxes { boxes } => plan_boxes(figure, boxes, &mut notes),
        FigureKind::Heat { map } => plan_heat(figure, map, &mut notes),
    };
    add_guides(figure, &mut plan, &mut notes);
    let is_alone = plan.legend.len() == 1 && figure.guides.is_empty();
    if is_alone && plan.legend[0].label.is_empty() {
        plan.legend.clear();
    }
    let svg = render(figure, &plan)?;
    Ok(Drawing {
        svg,
        notes: notes.sentences(plan.rulers.is_none()),
    })
}

/// What was left out, by reason.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) num_not_finite: u64,
    num_not_positive: u64,
    pub(super) num_outside: u64,
    pub(super) num_cut_bands: u64,
    pub(super) others: Vec<String>,
}

impl Notes {
    /// Counts a value that cannot be drawn; tells whether it can.
    pub(super) fn admit(&mut self, scale: Scale, value: f64) -> bool {
        let good = is_drawable(scale, value);
        if !good {
            let is_not_positive = scale == Scale::Log10 && value.is_finite() && value.abs() <= 1.0;
            let is_negative = scale == Scale::Log10 && value.is_finite() && value < 0.0;
            if is_not_positive || is_negative {
                self.num_not_positive += 1;
            } else {
                self.num_not_finite += 1;
            }
        }
        good
    }

    fn admit_pair(&mut self, figure: &Figure, x: f64, y: f64) -> bool {
        self.admit(figure.x.scale, x) && self.admit(figure.y.scale, y)
    }

    fn sentences(self, is_empty: bool) -> Vec<String> {
        let mut out = Vec::new();
        if is_empty {
            out.push("There is no data to draw.".to_owned());
        }
        let mut count = |n: u64, what: &str| {
            if n > 0 {
                let (s, was, is) = if n == 1 {
                    ("", "was", "it is")
                } else {
                    ("s", "were", "they are")
                };
                out.push(format!("{n} value{s} {was} left out: {is} {what}."));
            }
        };
        count(self.num_not_finite, "not finite or too large");
        count(
            self.num_not_positive,
            "not positive, and the axis is logarithmic",
        );
        count(self.num_outside, "outside the drawn range");
        if self.num_cut_bands > 0 {
            let n = self.num_cut_bands;
            out.push(format!(
                "The interval was cut off at the axis, or is unknown, in {n} places."
            ));
        }
        out.extend(self.others);
        out
    }
}

pub(super) fn rulers(
    (x, y): (&Axis, &Axis),
    xs: impl Iterator<Item = f64>,
    ys: impl Iterator<Item = f64>,
) -> Option<(Ruler, Ruler)> {
    Some((Ruler::fit(x, xs)?, Ruler::fit(y, ys)?))
}

/// The finite, drawable ends of a band where its middle is drawable.
pub(super) fn band_values<'a>(
    band: Option<&'a Band>,
    scale: Scale,
    keep: impl Fn(usize) -> bool + 'a,
) -> impl Iterator<Item = f64> + 'a {
    band.into_iter()
        .flat_map(|band| {
            band.low
                .iter()
                .enumerate()
                .chain(band.high.iter().enumerate())
        })
        .filter(move |&(i, &v)| keep(i) && is_drawable(scale, v))
        .map(|(_, &v)| v)
}

fn plan_lines(figure: &Figure, lines: &[Line], notes: &mut Notes) -> Plan {
    let good: Vec<Vec<bool>> = lines
        .iter()
        .map(|l| {
            l.x.iter()
                .zip(&l.y)
                .map(|(&x, &y)| notes.admit_pair(figure, x, y))
                .collect()
        })
        .collect();
    let kept = || {
        let pairs = lines.iter().zip(&good);
        pairs.flat_map(|(l, good)| l.x.iter().zip(&l.y).zip(good).filter(|(_, g)| **g))
    };
    let bands = lines
        .iter()
        .zip(&good)
        .flat_map(|(line, good)| band_values(line.band.as_ref(), figure.y.scale, |i| good[i]));
    let any = kept().next().is_some();
    let xs = kept().map(|((&x, _), _)| x);
    let ys = kept().map(|((_, &y), _)| y).chain(bands);
    let found = if any {
        rulers((&figure.x, &figure.y), xs, ys)
    } else {
        None
    };
    let mut plan = Plan {
        rulers: found,
        marks: Vec::new(),
        legend: Vec::new(),
    };
    let Some((x_ruler, y_ruler)) = plan.rulers.clone() else {
        return plan;
    };
    let (mut areas, mut paths, mut symbols) = (Vec::new(), Vec::new(), Vec::new());
    for (k, (line, good)) in lines.iter().zip(&good).enumerate() {
        let paint = Paint::Series(k);
        let with_symbols = line.x.len() <= MAX_SYMBOLS;
        let dashed = if with_symbols {
            k >= super::canvas::SERIES.len()
        } else {
            k % 2 == 1
        };
        let inside = |i: usize| x_ruler.contains(line.x[i]) && y_ruler.contains(line.y[i]);
        let usable: Vec<bool> = (0..line.x.len())
            .map(|i| {
                let inside = good[i] && inside(i);
                notes.num_outside += u64::from(good[i] && !inside);
                inside
            })
            .collect();
        for run in runs(&usable) {
            let points: Vec<_> = run.clone().map(|i| (line.x[i], line.y[i])).collect();
            if with_symbols {
                let symbol = |&at| Mark::Symbol {
                    at,
                    paint,
                    shape: k,
                    opacity: 1.0,
                };
                symbols.extend(points.iter().map(symbol));
            }
            if points.len() > 1 {
                paths.push(Mark::Path {
                    points,
                    paint,
                    dashed,
                    width: 4,
                });
            } else if !with_symbols {
                symbols.extend(points.iter().map(|&at| Mark::Symbol {
                    at,
                    paint,
                    shape: k,
                    opacity: 1.0,
                }));
            }
            if let Some(band) = &line.band {
                let ends = |i: usize| (band.low[i], band.high[i]);
                push_band(line, run, ends, (&y_ruler, paint), &mut areas, notes);
            }
        }
        let shape = with_symbols.then_some(k);
        let swatch = Swatch::Line { dashed, shape };
        plan.legend.push(Entry {
            label: line.name.clone(),
            paint,
            swatch,
        });
    }
    plan.marks = areas.into_iter().chain(paths).chain(symbols).collect();
    plan
}

fn push_band(
    line: &Line,
    run: std::ops::Range<usize>,
    ends: impl Fn(usize) -> (f64, f64),
    (ruler, paint): (&Ruler, Paint),
    areas: &mut Vec<Mark>,
    notes: &mut Notes,
) {
    let start = run.start;
    let known: Vec<bool> = run
        .map(|i| {
            let (low, high) = ends(i);
            notes.num_cut_bands += u64::from(!ruler.contains(low) || !ruler.contains(high));
            !low.is_nan() && !high.is_nan()
        })
        .collect();
    for part in runs(&known) {
        let part = part.start + start..part.end + start;
        let upper = part.clone().map(|i| (line.x[i], ruler.clamp(ends(i).1)));
        let lower = part
            .clone()
            .rev()
            .map(|i| (line.x[i], ruler.clamp(ends(i).0)));
        if part.len() > 1 {
            let points = upper.chain(lower).collect();
            areas.push(Mark::Area {
                points,
                paint,
                opacity: 0.18,
            });
        } else {
            // A single point has no width to fill, so its interval is a bar.
            let points = upper.chain(lower).collect();
            areas.push(Mark::Path {
                points,
                paint,
                dashed: false,
                width: 3,
            });
        }
    }
}

/// The maximal ranges of true.
fn runs(flags: &[bool]) -> Vec<std::ops::Range<usize>> {
    let mut out: Vec<std::ops::Range<usize>> = Vec::new();
    for (i, _) in flags.iter().enumerate().filter(|(_, flag)| **flag) {
        match out.last_mut() {
            Some(run) if run.end == i => run.end += 1,
            _ => out.push(i..i + 1),
        }
    }
    out
}

fn plan_scatter(
    figure: &Figure,
    groups: &[Points],
    identity: bool,
    regression: bool,
    notes: &mut Notes,
) -> Plan {
    let mut points = Vec::new();
    for (k, group) in groups.iter().enumerate() {
        for (&x, &y) in group.x.iter().zip(&group.y) {
            if notes.admit_pair(figure, x, y) {
                points.push((k, (x, y)));
            }
        }
    }
    let xs = points.iter().map(|(_, (x, _))| *x);
    let ys = points.iter().map(|(_, (_, y))| *y);
    let found = if points.is_empty() {
        None
    } else {
        rulers((&figure.x, &figure.y), xs, ys)
    };
    let mut plan = Plan {
        rulers: found,
        marks: Vec::new(),
        legend: Vec::new(),
    };
    let Some((x, y)) = &plan.rulers else {
        return plan;
    };
    let num_all = points.len();
    points.retain(|(_, at)| x.contains(at.0) && y.contains(at.1));
    notes.num_outside += (num_all - points.len()) as u64;
    let opacity = if points.len() > 150 { 0.55 } else { 0.85 };
    let symbol = |(k, at): &(usize, _)| Mark::Symbol {
        at: *at,
        paint: Paint::Series(*k),
        shape: *k,
        opacity,
    };
    plan.marks.extend(points.iter().map(symbol));
    for (k, group) in groups.iter().enumerate() {
        let (label, paint) = (group.name.clone(), Paint::Series(k));
        plan.legend.push(Entry {
            label,
            paint,
            swatch: Swatch::Symbol(k),
        });
    }
    let mut curve = |f: &dyn Fn(f64) -> f64, paint, dashed, label: String| {
        let samples = (0..=64)
            .map(|i| x.at(f64::from(i) / 64.0))
            .map(|at| (at, f(at)));
        let inside: Vec<_> = samples.filter(|(_, v)| y.contains(*v)).collect();
        if inside.len() < 2 {
            return false;
        }
        plan.marks.push(Mark::Path {
            points: inside,
            paint,
            dashed,
            width: 3,
        });
        let swatch = Swatch::Line {
            dashed,
            shape: None,
        };
        plan.legend.push(Entry {
            label,
            paint,
            swatch,
        });
        true
    };
    if identity && !curve(&|v| v, Paint::Muted, true, "y = x".to_owned()) {
        notes
            .others
            .push("The line y = x lies outside the drawn range.".to_owned());
    }
    if regression {
        let pairs: Vec<_> = points
            .iter()
            .map(|(_, at)| (x.coordinate(at.0), y.coordinate(at.1)))
            .collect();
        match least_squares(&pairs) {
            None => notes.others.push(
                "No least-squares line: it takes at least two different positions.".to_owned(),
            ),
            Some((slope, intercept, r2)) => {
                let label = format!(
                    "least squares: slope {}, R² = {}",
                    number::display(slope),
                    number::display(r2)
                );
                let line = |v: f64| y.value(intercept + slope * x.coordinate(v));
                curve(&line, Paint::Ink, false, label);
                let name = |axis: &Axis, n| match axis.scale {
                    Scale::Linear => n,
                    Scale::Log10 => {
                        if n == "x" {
                            "log₁₀ x"
                        } else {
                            "log₁₀ y"
                        }
                    }
                };
                notes.others.push(format!(
                    "Least squares over {} points: {} = {} + {} · {}, R² = {}.",
                    pairs.len(),
                    name(&figure.y, "y"),
                    number::display(intercept),
                    number::display(slope),
                    name(&figure.x, "x"),
                    number::display(r2)
                ));
            }
        }
    }
    plan
}

/// Slope, intercept and R² of the least-squares line.
///
/// # Formula
/// ```text
/// slope = Σ (x - x̄)(y - ȳ) / Σ (x - x̄)²,  intercept = ȳ - slope · x̄
/// R² = (Σ (x - x̄)(y - ȳ))² / (Σ (x - x̄)² Σ (y - ȳ)²),  1 for constant y
/// ```
fn least_squares(pairs: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let n = pairs.len() as f64;
    let mean_x = pairs.iter().map(|(x, _)| x / n).sum::<f64>();
    let mean_y = pairs.iter().map(|(_, y)| y / n).sum::<f64>();
    let sum = |f: &dyn Fn(f64, f64) -> f64| {
        pairs
            .iter()
            .map(|(x, y)| f(x - mean_x, y - mean_y))
            .sum::<f64>()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let slope = xy / xx;
    let r2 = if yy > 0.0 { slope * xy / yy } else { 1.0 };
    let intercept = mean_y - slope * mean_x;
    // Equal positions give 0/0, and huge ones overflow: neither is a line.
    (xx > 0.0 && slope.is_finite() && intercept.is_finite()).then_some((slope, intercept, r2))
}

fn add_guides(figure: &Figure, plan: &mut Plan, notes: &mut Notes) {
    let Some((x, y)) = &plan.rulers else { return };
    for guide in &figure.guides {
        let (own, other) = if guide.horizontal { (y, x) } else { (x, y) };
        if !own.contains(guide.at) {
            let text = format!("The line '{}' lies outside the drawn range.", guide.label);
            notes.others.push(text);
            continue;
        }
        let point = |v: f64| {
            if guide.horizontal {
                (v, guide.at)
            } else {
                (guide.at, v)
            }
        };
        let points = vec![point(other.at(0.0)), point(other.at(1.0))];
        let (paint, dashed) = (Paint::Muted, true);
        plan.marks.push(Mark::Path {
            points,
            paint,
            dashed,
            width: 3,
        });
        let swatch = Swatch::Line {
            dashed,
            shape: None,
        };
        plan.legend.push(Entry {
            label: guide.label.clone(),
            paint,
            swatch,
        });
    }
}
