//! Figures B.3 and B.4: exact entropies, their first order with its bounds, and the true floor.

use super::verdicts::{PRINTED_ERROR, is_between, largest_error};
use super::{CODE_COUNTS, NUM_CODES, SCALES, judged, thresholds};
use anyhow::Result;
use vaegis_report::{Axis, Cell, ClaimResult, Figure, Line, Section, Table};
use vaegis_theory::entropy::{
    EntropyCurve, EntropyPoint, figure_b3, figure_b4, min_entropy_threshold, paper_distances,
};

/// Distance of the single code from the others in figure B.3.
pub(super) const DELTA: f64 = 1.0;
/// Inputs of the table.
const SHOWN: [f64; 8] = [1.0, 5.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0];
/// Numbers of codes whose curves are also judged one by one: that of B.5, and the smallest.
const JUDGED: [usize; 2] = [NUM_CODES, 2];
/// Every how many points of the grid of 0.1 the other numbers of codes are drawn.
const COARSE: usize = 5;
/// Inputs up to which the number of codes at the top is drawn; it is 1 beyond, with 1024 codes
/// from gap 8.63 on.
const TOP_UNTIL: f64 = 10.0;

/// Figure B.3.
pub(super) fn vector_quantizer(section: &mut Section) -> Result<Vec<ClaimResult>> {
    let claims = draw(section, "b3", "distance d", |num_codes, grid| {
        Ok(figure_b3(num_codes, DELTA, grid)?)
    })?;
    section.push(thresholds::least_entropy()?);
    section.push(thresholds::first_order(&CODE_COUNTS)?);
    Ok(claims)
}

/// Figure B.4.
pub(super) fn softmax(section: &mut Section) -> Result<Vec<ClaimResult>> {
    let axis = "lead ℓ of the largest logit";
    let claims = draw(section, "b4", axis, |num_codes, grid| {
        Ok(figure_b4(num_codes, grid)?)
    })?;
    section.push(thresholds::crossovers()?);
    Ok(claims)
}

fn draw(
    section: &mut Section,
    id: &str,
    x: &str,
    curve: impl Fn(usize, &[f64]) -> Result<EntropyCurve>,
) -> Result<Vec<ClaimResult>> {
    let fine = paper_distances();
    let coarse: Vec<f64> = fine.iter().copied().step_by(COARSE).collect();
    let curves = CODE_COUNTS
        .map(|num_codes| {
            curve(
                num_codes,
                if JUDGED.contains(&num_codes) {
                    &fine
                } else {
                    &coarse
                },
            )
        })
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    for curve in &curves {
        section.push(figure(id, x, curve)?);
        section.push(table(id, x, curve)?);
    }
    section.push(errors(id, x, &curves)?);
    let near: Vec<f64> = fine.into_iter().filter(|&d| d <= TOP_UNTIL).collect();
    let near = CODE_COUNTS
        .map(|num_codes| curve(num_codes, &near))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    section.push(tops(id, x, &near)?);
    section.push(
        "The printed first order is an upper bound and no floor; below a threshold gap several \
         codes at the near point have less entropy than one.",
    );
    section.push(SCALES);
    let mut claims = vec![first_order_is_above(id, &curves)];
    for num_codes in JUDGED {
        let chosen = curves.iter().filter(|c| c.num_codes == num_codes);
        claims.extend(chosen.map(|c| error_of_the_text(id, c)));
    }
    for curve in curves.iter().filter(|c| c.num_codes == NUM_CODES) {
        claims.push(arrangement_is_the_worst(id, curve)?);
    }
    Ok(claims)
}

fn line(name: &str, curve: &EntropyCurve, value: fn(&EntropyPoint) -> f64) -> Line {
    let points = &curve.points;
    Line::new(
        name,
        points.iter().map(|p| p.x).collect(),
        points.iter().map(value).collect(),
    )
}

fn figure(id: &str, x: &str, curve: &EntropyCurve) -> Result<Figure> {
    let figure = Figure::lines(
        &format!("{id}-k{}", curve.num_codes),
        &format!("Entropy with {} codes", curve.num_codes),
        Axis::linear(x),
        Axis::log10("entropy in nats"),
        vec![
            line("exact", curve, |p| p.exact),
            line("first order", curve, |p| p.first_order),
            line("lower bound X(1+g)/(1+X)", curve, |p| p.lower),
            line("smallest of any arrangement", curve, |p| p.floor),
        ],
    )?;
    let caption = format!("The sources do not state the number of codes or the grid. {SCALES}");
    Ok(figure.with_caption(&caption))
}

fn errors(id: &str, x: &str, curves: &[EntropyCurve]) -> Result<Figure> {
    let lines = curves
        .iter()
        .map(|c| line(&format!("{} codes", c.num_codes), c, |p| p.relative_error));
    let figure = Figure::lines(
        &format!("{id}-error"),
        "Relative error of the first order",
        Axis::linear(x),
        Axis::log10("relative error"),
        lines.collect(),
    )?;
    Ok(figure
        .with_horizontal("1e-6, the printed accuracy", PRINTED_ERROR)
        .with_vertical(
            "10, from which it is said to hold",
            super::verdicts::PRINTED_FROM,
        )
        .with_caption("(h¹ − h)/h, never negative: the first order is an upper bound."))
}

fn tops(id: &str, x: &str, curves: &[EntropyCurve]) -> Result<Figure> {
    let lines = curves.iter().map(|c| {
        line(&format!("{} codes", c.num_codes), c, |p| {
            p.floor_num_top as f64
        })
    });
    let figure = Figure::lines(
        &format!("{id}-top"),
        "Codes at the top in the arrangement of least entropy",
        Axis::linear(x),
        Axis::log10("codes at the top"),
        lines.collect(),
    )?;
    Ok(figure.with_caption("The printed worst case is 1, the right end of every curve."))
}

fn table(id: &str, x: &str, curve: &EntropyCurve) -> Result<Table> {
    let names = [
        x,
        "exact",
        "lower bound",
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
            point.lower.into(),
            point.first_order.into(),
            point.relative_error.into(),
            point.floor.into(),
            Cell::from(point.floor_num_top),
        ])?;
    }
    Ok(table)
}

fn first_order_is_above(id: &str, curves: &[EntropyCurve]) -> ClaimResult {
    let points = || curves.iter().flat_map(|c| &c.points);
    let outside = points().filter(|p| !is_between(p)).count();
    judged(
        (
            &format!("{id}-above"),
            "the first-order value is an upper bound, so no floor",
            "thesis theorems 3.1 and 3.2, read as bounds",
            "no point of the grid outside X(1+g)/(1+X) ≤ h ≤ X(1+g), the first-order value",
        ),
        outside == 0,
        &format!("{outside} of {} points outside", points().count()),
    )
}

fn error_of_the_text(id: &str, curve: &EntropyCurve) -> ClaimResult {
    let largest = largest_error(curve);
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
