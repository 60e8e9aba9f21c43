//! Figures B.3 and B.4: exact entropies, their first order, and the true floor.

use super::{NUM_CODES, judged};
use anyhow::Result;
use vaegis_report::{Axis, Cell, ClaimResult, Figure, Line, Section, Table};
use vaegis_theory::entropy::{
    EntropyCurve, EntropyPoint, figure_b3, figure_b4, min_entropy_threshold, paper_distances,
};

/// Distance of the single code from the others in figure B.3.
pub(super) const DELTA: f64 = 1.0;
/// Relative error that the text gives for inputs above 10.
const PRINTED_ERROR: f64 = 1e-6;
/// Inputs above which it gives it.
const PRINTED_FROM: f64 = 10.0;
/// Inputs of the table.
const SHOWN: [f64; 8] = [1.0, 5.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0];

/// Figure B.3.
pub(super) fn vector_quantizer(section: &mut Section) -> Result<Vec<ClaimResult>> {
    let at = |num_codes: usize| figure_b3(num_codes, DELTA, &paper_distances());
    draw(section, "b3", "distance d", [at(NUM_CODES)?, at(2)?])
}

/// Figure B.4.
pub(super) fn softmax(section: &mut Section) -> Result<Vec<ClaimResult>> {
    let at = |num_codes: usize| figure_b4(num_codes, &paper_distances());
    draw(
        section,
        "b4",
        "lead ℓ of the largest logit",
        [at(NUM_CODES)?, at(2)?],
    )
}

fn draw(
    section: &mut Section,
    id: &str,
    x: &str,
    curves: [EntropyCurve; 2],
) -> Result<Vec<ClaimResult>> {
    for curve in &curves {
        section.push(figure(id, x, curve)?);
        section.push(table(id, x, curve)?);
    }
    section.push(
        "The printed first order is an upper bound and no floor; below a threshold gap several \
         codes at the near point have less entropy than one.",
    );
    let [many, two] = &curves;
    Ok(vec![
        first_order_is_above(id, &curves),
        error_of_the_text(id, many),
        error_of_the_text(id, two),
        arrangement_is_the_worst(id, many)?,
    ])
}

fn figure(id: &str, x: &str, curve: &EntropyCurve) -> Result<Figure> {
    let line = |name: &str, value: fn(&EntropyPoint) -> f64| {
        let points = &curve.points;
        Line::new(
            name,
            points.iter().map(|p| p.x).collect(),
            points.iter().map(value).collect(),
        )
    };
    let figure = Figure::lines(
        &format!("{id}-k{}", curve.num_codes),
        &format!("Entropy with {} codes", curve.num_codes),
        Axis::linear(x),
        Axis::log10("entropy in nats"),
        vec![
            line("exact", |p| p.exact),
            line("first order", |p| p.first_order),
            line("smallest of any arrangement", |p| p.floor),
        ],
    )?;
    Ok(figure.with_caption("The sources do not state the number of codes or the grid."))
}

fn table(id: &str, x: &str, curve: &EntropyCurve) -> Result<Table> {
    let names = [
        x,
        "exact",
        "first order",
        "relative error",
        "smallest",
        "codes at the top",
    ];
    let title = format!("Entropy with {} codes", curve.num_codes);
    let mut table = Table::new(&format!("{id}-table-k{}", curve.num_codes), &title, &names);
    let shown = |p: &&EntropyPoint| SHOWN.iter().any(|s| (s - p.x).abs() < 1e-9);
    for point in curve.points.iter().filter(shown) {
        table.push_row(vec![
            point.x.into(),
            point.exact.into(),
            point.first_order.into(),
            point.relative_error.into(),
            point.floor.into(),
            Cell::from(point.floor_num_top),
        ])?;
    }
    Ok(table)
}

fn first_order_is_above(id: &str, curves: &[EntropyCurve]) -> ClaimResult {
    // Beyond where the error leaves f64, both are the same number.
    let points = curves.iter().flat_map(|c| &c.points);
    let below = points
        .filter(|p| p.first_order < p.exact * (1.0 - 1e-12))
        .count();
    judged(
        (
            &format!("{id}-above"),
            "the first-order value is an upper bound, so no floor",
            "thesis theorems 3.1 and 3.2, read as bounds",
            "no point of the grid with the first-order value below the exact one",
        ),
        below == 0,
        &format!("{below} points below"),
    )
}

fn error_of_the_text(id: &str, curve: &EntropyCurve) -> ClaimResult {
    let beyond = curve.points.iter().filter(|p| p.x > PRINTED_FROM);
    let largest = beyond.map(|p| p.relative_error.abs()).fold(0.0, f64::max);
    let reached = curve
        .points
        .iter()
        .find(|p| p.relative_error.abs() <= PRINTED_ERROR);
    let reached = reached.map_or("nowhere on the grid".to_owned(), |p| {
        format!("from {:.1}", p.x)
    });
    judged(
        (
            &format!("{id}-error-k{}", curve.num_codes),
            &format!(
                "with {} codes the first order is within about 1e-6 for inputs above 10",
                curve.num_codes
            ),
            "thesis section B.4.3 (the number of codes is not stated)",
            "largest relative error beyond 10 at most 1e-6",
        ),
        largest <= PRINTED_ERROR,
        &format!("largest relative error {largest:.2e}; 1e-6 is reached {reached}"),
    )
}

fn arrangement_is_the_worst(id: &str, curve: &EntropyCurve) -> Result<ClaimResult> {
    let lower = curve
        .points
        .iter()
        .filter(|p| p.floor < p.exact * (1.0 - 1e-12));
    let last = lower.clone().map(|p| p.gap).fold(0.0, f64::max);
    let threshold = min_entropy_threshold(curve.num_codes)?;
    let threshold = threshold.map_or("none".to_owned(), |g| format!("{g:.3}"));
    Ok(judged(
        (
            &format!("{id}-worst"),
            "one code against all others is the arrangement of least entropy",
            "thesis theorems 3.1 and 3.2 (\"worst case\"; stated for large inputs)",
            "no point of the grid where another arrangement has less",
        ),
        lower.count() == 0,
        &format!("others have less up to gap {last:.2}; threshold {threshold}"),
    ))
}
