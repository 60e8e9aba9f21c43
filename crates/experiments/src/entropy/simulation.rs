//! Figure B.5: random codebooks beside the worst case.

use super::curves::DELTA;
use super::{NUM_CODES, SCALES, judged};
use crate::claims::{above, over_seeds};
use crate::{RunCtx, Tier};
use anyhow::Result;
use vaegis_core::SeedTree;
use vaegis_report::{Axis, Cell, Claim, ClaimResult, Figure, Line, Section, Table};
use vaegis_theory::entropy::{SimulatedPoint, figure_b5};
use vaegis_theory::sphere::{Placement, SphereOptions};

/// Distances of the figure.
const DISTANCES: [f64; 10] = [1.0, 2.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0];
/// The distance at which the mean over codebooks is compared.
const COMPARED: f64 = 10.0;
/// Mean at that distance in an independent simulation (20 000 codebooks, surface, from the
/// center), and how far ours may be: three times its own error.
const REFERENCE: (f64, f64) = (5.171, 0.003);

const PLACEMENTS: [(&str, &str, Placement); 3] = [
    ("a", "at distance d from the center", Placement::FromCenter),
    (
        "b",
        "at distance d from the nearest code",
        Placement::FromNearest,
    ),
    (
        "c",
        "on the ray through a code, d beyond it",
        Placement::BeyondCode,
    ),
];

/// Draws and judges the figure.
pub(super) fn draw(ctx: &RunCtx, seeds: &[u64], section: &mut Section) -> Result<Vec<ClaimResult>> {
    let num_codebooks = if ctx.tier == Tier::Smoke { 200 } else { 20_000 };
    section.push(
        "Codes uniform on the sphere of radius 0.5 in 32 dimensions. Where the network output is \
         put for a distance d is not stated: three readings.",
    );
    let mut claims = Vec::new();
    for (name, title, placement) in PLACEMENTS {
        let options = SphereOptions {
            num_codes: NUM_CODES,
            placement,
            num_codebooks,
            ..SphereOptions::default()
        };
        let runs: Vec<Vec<SimulatedPoint>> = seeds
            .iter()
            .map(|&seed| {
                let tree = SeedTree::new(seed).child("fig-b.5").child(name);
                Ok(figure_b5(&options, DELTA, &DISTANCES, &tree)?)
            })
            .collect::<Result<_>>()?;
        section.push(figure(name, title, &runs)?);
        section.push(table(name, title, &runs)?);
        claims.extend(judge(ctx, name, title, seeds, &runs));
    }
    Ok(claims)
}

fn over(runs: &[Vec<SimulatedPoint>], at: usize, value: fn(&SimulatedPoint) -> f64) -> Vec<f64> {
    runs.iter().map(|run| value(&run[at])).collect()
}

fn figure(name: &str, title: &str, runs: &[Vec<SimulatedPoint>]) -> Result<Figure> {
    let line = |label: &str, value: fn(&SimulatedPoint) -> f64| {
        let y = (0..DISTANCES.len()).map(|i| over_seeds(&over(runs, i, value)).value);
        Line::new(label, DISTANCES.to_vec(), y.collect())
    };
    let figure = Figure::lines(
        &format!("b5-{name}"),
        &format!("Entropy over random codebooks, output {title}"),
        Axis::linear("d"),
        Axis::log10("entropy in nats"),
        vec![
            line("mean", |p| p.simulated.mean),
            line("smallest", |p| p.simulated.min),
            line("worst case, exact", |p| p.worst_case.exact),
            line("worst case, first order", |p| p.worst_case.first_order),
        ],
    )?;
    let caption = format!("Means over seeds; worst case for δ = 1. {SCALES}");
    Ok(figure.with_caption(&caption))
}

fn table(name: &str, title: &str, runs: &[Vec<SimulatedPoint>]) -> Result<Table> {
    let names = [
        "d",
        "mean",
        "sd over codebooks",
        "smallest",
        "worst case",
        "smallest of any arrangement",
    ];
    let mut table = Table::new(
        &format!("b5-table-{name}"),
        &format!("Output {title}"),
        &names,
    )
    .with_caption("Means over seeds with 95 % intervals; the smallest over all seeds.");
    for (i, &d) in DISTANCES.iter().enumerate() {
        let mean = over_seeds(&over(runs, i, |p| p.simulated.mean));
        let spread = over_seeds(&over(runs, i, |p| p.simulated.standard_deviation));
        let smallest = over(runs, i, |p| p.simulated.min)
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        table.push_row(vec![
            d.into(),
            Cell::from((mean.value, mean.lower, mean.upper)),
            spread.value.into(),
            smallest.into(),
            runs[0][i].worst_case.exact.into(),
            runs[0][i].worst_case.floor.into(),
        ])?;
    }
    Ok(table)
}

fn judge(
    ctx: &RunCtx,
    name: &str,
    title: &str,
    seeds: &[u64],
    runs: &[Vec<SimulatedPoint>],
) -> Vec<ClaimResult> {
    let points = || runs.iter().flatten();
    // The simulation adds single-precision logits; the floor is exact.
    let floor = |p: &&SimulatedPoint| p.simulated.min < p.worst_case.floor * (1.0 - 1e-4);
    let below_floor = points().filter(floor).count();
    let below_worst = points()
        .filter(|p| p.simulated.min < p.worst_case.exact)
        .count();
    let total = points().count();
    let mut claims = vec![
        judged(
            (
                &format!("b5-{name}-floor"),
                &format!("output {title}: no codebook has less entropy than the true minimum"),
                "the corrected floor for δ = 1, the diameter of the sphere",
                "no distance whose smallest entropy is below the floor",
            ),
            below_floor == 0,
            &format!("{below_floor} of {total} points below"),
        ),
        judged(
            (
                &format!("b5-{name}-worst"),
                &format!(
                    "output {title}: no codebook has less entropy than the printed worst case"
                ),
                "thesis figure B.5",
                "no distance whose smallest entropy is below the exact worst case",
            ),
            below_worst == 0,
            &format!("{below_worst} of {total} points below"),
        ),
    ];
    let at = DISTANCES
        .iter()
        .position(|d| d.total_cmp(&COMPARED).is_eq());
    if let Some(at) = at.filter(|_| name == "a" && ctx.tier != Tier::Smoke) {
        let (mean, allowed) = REFERENCE;
        let room = seeds
            .iter()
            .zip(runs)
            .map(|(&seed, run)| (seed, allowed - (run[at].simulated.mean - mean).abs()));
        let claim = Claim::new(
            "b5-mean",
            &format!("the mean entropy at d = {COMPARED} is {mean}"),
            "an independent simulation",
            &format!("{allowed} minus the distance from {mean}, per seed: interval above 0"),
        );
        claims.push(above(claim, &room.collect::<Vec<_>>(), 0.0, "room"));
    }
    claims
}
