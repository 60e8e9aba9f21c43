//! From marks in data coordinates to SVG text: frame, ticks, symbols, legend.
//!
//! Not for deciding what to draw. All text stays text (no font is needed to make the file), and
//! every color is one of a few constants, so that a page can restyle a figure for a dark screen.

use super::axis::Ruler;
use super::{Figure, FigureKind};
use crate::error::ReportError;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Drawing units per displayed pixel: the backend rounds to whole units.
const UNITS: i32 = 2;
/// Displayed width, in pixels.
const WIDTH: i32 = 520;
/// Displayed height without the legend, in pixels.
const HEIGHT: i32 = 344;
/// Displayed height of one row of the legend.
const LEGEND_ROW: i32 = 25;
/// Size of tick labels and legend, in displayed pixels.
const SMALL: i32 = 15;
/// Size of the axes' names, in displayed pixels.
const LARGE: i32 = 16;
/// Longest legend entry in characters; the CSV file has the whole name.
const MAX_LABEL: usize = 48;
/// Longest name of an axis in characters.
const MAX_AXIS_LABEL: usize = 44;

pub(crate) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
pub(crate) const INK: RGBColor = RGBColor(0x1F, 0x25, 0x2C);
pub(crate) const MUTED: RGBColor = RGBColor(0x55, 0x5F, 0x6A);
pub(crate) const GRID: RGBColor = RGBColor(0xE3, 0xE6, 0xEA);
/// Colors of series, apart in hue and lightness; symbols and dashes tell series apart without them.
pub(crate) const SERIES: [RGBColor; 8] = [
    RGBColor(0x1F, 0x6F, 0xB2),
    RGBColor(0xC9, 0x4F, 0x1C),
    RGBColor(0x1B, 0x87, 0x5D),
    RGBColor(0x8A, 0x4F, 0xA8),
    RGBColor(0xA8, 0x7B, 0x00),
    RGBColor(0xB8, 0x38, 0x70),
    RGBColor(0x1A, 0x8A, 0x99),
    RGBColor(0x5B, 0x66, 0x72),
];

/// Color of a mark.
#[derive(Clone, Copy, Debug)]
pub(super) enum Paint {
    Series(usize),
    Ink,
    Muted,
    Paper,
}

impl Paint {
    fn rgb(self) -> RGBColor {
        match self {
            Self::Series(i) => SERIES[i % SERIES.len()],
            Self::Ink => INK,
            Self::Muted => MUTED,
            Self::Paper => PAPER,
        }
    }
}

/// Something to draw, in data coordinates.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Path {
        points: Vec<(f64, f64)>,
        paint: Paint,
        dashed: bool,
        width: i32,
    },
    Area {
        points: Vec<(f64, f64)>,
        paint: Paint,
        opacity: f64,
    },
    Symbol {
        at: (f64, f64),
        paint: Paint,
        shape: usize,
        opacity: f64,
    },
    /// Centered.
    Text {
        at: (f64, f64),
        text: String,
        paint: Paint,
    },
}

/// How a legend entry looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Swatch {
    Line { dashed: bool, shape: Option<usize> },
    Symbol(usize),
    Area,
}

/// One entry of the legend.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) label: String,
    pub(super) paint: Paint,
    pub(super) swatch: Swatch,
}

/// Everything that is drawn.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// `None` where nothing can be drawn.
    pub(super) rulers: Option<(Ruler, Ruler)>,
    pub(super) marks: Vec<Mark>,
    pub(super) legend: Vec<Entry>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Error<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// Draws a plan.
pub(super) fn render(figure: &Figure, plan: &Plan) -> Result<String, ReportError> {
    let rows = legend_rows(&plan.legend);
    let height = HEIGHT + LEGEND_ROW * i32::try_from(rows.len()).unwrap_or(0);
    let mut text = String::new();
    paint(&mut text, height, figure, plan, &rows).map_err(|error| ReportError::Draw {
        id: figure.id.clone(),
        reason: error.to_string(),
    })?;
    let body = text.split_once('>').map_or("", |(_, body)| body);
    let (w, h) = (WIDTH * UNITS, height * UNITS);
    Ok(format!(
        "<svg class=\"plot\" role=\"img\" aria-label=\"{alt}\" width=\"{WIDTH}\" \
         height=\"{height}\" viewBox=\"0 0 {w} {h}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <title>{title}</title>{body}",
        alt = crate::html::escape(&printable(&figure.alt_text())),
        title = crate::html::escape(&printable(&figure.title)),
    ))
}

fn paint<'a>(
    text: &'a mut String,
    height: i32,
    figure: &Figure,
    plan: &Plan,
    rows: &[Vec<(i32, &Entry)>],
) -> Result<(), Error<'a>> {
    let size = |n: i32| u32::try_from(n * UNITS).expect("invariant: sizes are positive");
    let root: Area<'_> =
        SVGBackend::with_string(text, (size(WIDTH), size(height))).into_drawing_area();
    root.fill(&PAPER)?;
    if let Some((x, y)) = &plan.rulers {
        frame_and_marks(&root, figure, plan, x, y)?;
    } else {
        let words = "There is no data to draw.";
        let at = (WIDTH * UNITS / 2, HEIGHT * UNITS / 2);
        root.draw(&Text::new(
            words,
            at,
            style(LARGE, MUTED, HPos::Center, VPos::Center),
        ))?;
    }
    for (i, row) in rows.iter().enumerate() {
        let middle = HEIGHT + LEGEND_ROW * i32::try_from(i).unwrap_or(0) + LEGEND_ROW / 2 - 2;
        for (left, entry) in row {
            draw_entry(&root, *left, middle, entry)?;
        }
    }
    root.present()?;
    Ok(())
}

fn frame_and_marks<'a>(
    root: &Area<'a>,
    figure: &Figure,
    plan: &Plan,
    x: &Ruler,
    y: &Ruler,
) -> Result<(), Error<'a>> {
    let plot = root.clone().shrink((0, 0), (WIDTH * UNITS, HEIGHT * UNITS));
    let widest = y
        .ticks
        .iter()
        .map(|(_, label)| label.chars().count())
        .max()
        .unwrap_or(1);
    let left = text_width(widest, SMALL) + 34;
    let mut chart = ChartBuilder::on(&plot)
        .margin_top(12 * UNITS)
        .margin_left(4 * UNITS)
        .margin_right(18 * UNITS)
        .margin_bottom(6 * UNITS)
        .x_label_area_size(50 * UNITS)
        .y_label_area_size(left * UNITS)
        .build_cartesian_2d(x.clone(), y.clone())?;
    let is_categorical = matches!(
        figure.kind,
        FigureKind::Bars { .. } | FigureKind::Boxes { .. } | FigureKind::Heat { .. }
    );
    // A category gets the characters that fit below it.
    let room = (WIDTH - left - 22) / i32::try_from(x.ticks.len().max(1)).unwrap_or(1);
    let fits = usize::try_from(room / text_width(1, SMALL).max(1))
        .unwrap_or(1)
        .max(2);
    let x_label = |value: &f64| {
        let label = printable(&x.label(*value));
        if is_categorical {
            shorten(&label, fits)
        } else {
            label
        }
    };
    let y_label = |value: &f64| y.label(*value);
    let mut mesh = chart.configure_mesh();
    if is_categorical {
        mesh.disable_x_mesh();
    }
    if matches!(figure.kind, FigureKind::Heat { .. }) {
        mesh.disable_y_mesh();
    }
    mesh.bold_line_style(GRID.stroke_width(2))
        .light_line_style(TRANSPARENT)
        .axis_style(MUTED.stroke_width(2))
        .x_labels(x.ticks.len().max(1))
        .y_labels(y.ticks.len().max(1))
        .x_label_formatter(&x_label)
        .y_label_formatter(&y_label)
        .label_style(style(SMALL, MUTED, HPos::Center, VPos::Center))
        .axis_desc_style(style(LARGE, INK, HPos::Center, VPos::Center))
        .x_desc(shorten(&printable(&figure.x.label), MAX_AXIS_LABEL))
        .y_desc(shorten(&printable(&figure.y.label), MAX_AXIS_LABEL))
        .draw()?;
    let pixel = |&(a, b): &(f64, f64)| chart.backend_coord(&(a, b));
    for mark in &plan.marks {
        match mark {
            Mark::Path {
                points,
                paint,
                dashed,
                width,
            } => {
                let pixels = points.iter().map(pixel).collect();
                draw_path(root, pixels, paint.rgb(), *dashed, *width)?;
            }
            Mark::Area {
                points,
                paint,
                opacity,
            } => {
                let pixels: Vec<_> = points.iter().map(pixel).collect();
                root.draw(&Polygon::new(pixels, paint.rgb().mix(*opacity).filled()))?;
            }
            Mark::Symbol {
                at,
                paint,
                shape,
                opacity,
            } => {
                draw_symbol(root, pixel(at), *shape, paint.rgb().mix(*opacity))?;
            }
            Mark::Text { at, text, paint } => {
                let style = style(SMALL, paint.rgb(), HPos::Center, VPos::Center);
                root.draw(&Text::new(printable(text), pixel(at), style))?;
            }
        }
    }
    Ok(())
}

fn draw_path<'a>(
    root: &Area<'a>,
    pixels: Vec<(i32, i32)>,
    color: RGBColor,
    dashed: bool,
    width: i32,
) -> Result<(), Error<'a>> {
    let stroke = color.stroke_width(u32::try_from(width).unwrap_or(1));
    if !dashed {
        return root.draw(&PathElement::new(pixels, stroke));
    }
    for (from, to) in dashes(&pixels) {
        root.draw(&PathElement::new(vec![from, to], stroke))?;
    }
    Ok(())
}

/// Cuts a polyline into dashes of 12 units with gaps of 9.
fn dashes(pixels: &[(i32, i32)]) -> Vec<((i32, i32), (i32, i32))> {
    const DASH: f64 = 12.0;
    const PERIOD: f64 = 21.0;
    let mut out = Vec::new();
    let mut phase = 0.0;
    for pair in pixels.windows(2) {
        let (x0, y0) = (f64::from(pair[0].0), f64::from(pair[0].1));
        let (dx, dy) = (f64::from(pair[1].0) - x0, f64::from(pair[1].1) - y0);
        let length = dx.hypot(dy);
        let point = |at: f64| {
            let share = at / length;
            (
                (x0 + share * dx).round() as i32,
                (y0 + share * dy).round() as i32,
            )
        };
        let mut at = -phase;
        while at < length {
            let (from, to) = (f64::max(at, 0.0), (at + DASH).min(length));
            if from < to {
                out.push((point(from), point(to)));
            }
            at += PERIOD;
        }
        phase = (phase + length) % PERIOD;
    }
    out
}

fn draw_symbol<'a>(
    root: &Area<'a>,
    (x, y): (i32, i32),
    shape: usize,
    color: RGBAColor,
) -> Result<(), Error<'a>> {
    let fill = color.filled();
    let polygon = |corners: &[(i32, i32)]| {
        let corners: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        root.draw(&Polygon::new(corners, fill))
    };
    match shape % 5 {
        0 => root.draw(&Circle::new((x, y), 7, fill)),
        1 => polygon(&[(-6, -6), (6, -6), (6, 6), (-6, 6)]),
        2 => polygon(&[(0, -9), (8, 6), (-8, 6)]),
        3 => polygon(&[(0, -9), (9, 0), (0, 9), (-9, 0)]),
        _ => polygon(&[(0, 9), (8, -6), (-8, -6)]),
    }
}

fn draw_entry<'a>(root: &Area<'a>, left: i32, middle: i32, entry: &Entry) -> Result<(), Error<'a>> {
    let (x, y) = (left * UNITS, middle * UNITS);
    let (start, center, end) = (x, x + 13 * UNITS, x + 26 * UNITS);
    let color = entry.paint.rgb();
    match entry.swatch {
        Swatch::Line { dashed, shape } => {
            draw_path(root, vec![(start, y), (end, y)], color, dashed, 4)?;
            if let Some(shape) = shape {
                draw_symbol(root, (center, y), shape, color.to_rgba())?;
            }
        }
        Swatch::Symbol(shape) => draw_symbol(root, (center, y), shape, color.to_rgba())?,
        Swatch::Area => {
            let corners = [(x + 8 * UNITS, y - 6 * UNITS), (end, y + 6 * UNITS)];
            root.draw(&Rectangle::new(corners, color.mix(0.8).filled()))?;
        }
    }
    let label = shorten(&printable(&entry.label), MAX_LABEL);
    let words = style(SMALL, INK, HPos::Left, VPos::Center);
    root.draw(&Text::new(label, (x + 33 * UNITS, y), words))
}

/// Places the entries in rows; each entry comes with its left end.
fn legend_rows(legend: &[Entry]) -> Vec<Vec<(i32, &Entry)>> {
    let mut rows: Vec<Vec<(i32, &Entry)>> = Vec::new();
    let (mut left, margin) = (WIDTH, 16);
    for entry in legend {
        let characters = entry.label.chars().count().min(MAX_LABEL);
        let width = 33 + text_width(characters, SMALL) + 18;
        if rows.is_empty() || left + width > WIDTH {
            rows.push(Vec::new());
            left = margin;
        }
        if let Some(row) = rows.last_mut() {
            row.push((left, entry));
        }
        left += width;
    }
    rows
}

/// An estimate on the safe side; the true width depends on the reader's font.
fn text_width(characters: usize, size: i32) -> i32 {
    let characters = i32::try_from(characters).unwrap_or(i32::MAX / 1000);
    (characters * size * 3 + 4) / 5
}

fn style<'b>(size: i32, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'b> {
    // The backend divides by 1.24.
    let font = ("sans-serif", 1.24 * f64::from(size * UNITS)).into_font();
    let mut style = TextStyle::from(font).pos(Pos::new(h, v));
    style.color = color.to_backend_color();
    style
}

/// Cuts text to a number of characters, with an ellipsis where something is missing.
fn shorten(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Replaces what XML cannot hold.
fn printable(text: &str) -> String {
    let bad = |c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    text.chars().map(|c| if bad(c) { ' ' } else { c }).collect()
}
