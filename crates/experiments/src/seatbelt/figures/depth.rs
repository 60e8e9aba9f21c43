//! Figure D.2: depth against β.

use crate::RunCtx;
use crate::averages::mean;
use crate::claims::smallest;
use crate::page::{Page, block_id};
use crate::seatbelt::grid::plots::{BAND, against_beta, attack_table, interval};
use crate::seatbelt::grid::reference::{STATED_DELTA_FACTOR, STATED_NLL_FACTOR};
use crate::seatbelt::grid::statistics::{Values, attacked};
use crate::seatbelt::grid::{AttackKind, Group, Measure, Models, Request, Set, Study};
use anyhow::Result;
use vaegis_report::{Axis, Cell, Figure, HeatMap, Scale, Table};

const KIND: AttackKind = AttackKind::Kl;
const REQUEST: Request = Request {
    sets: &["faces", "chairs"],
    models: Models::All,
    measures: &[Measure::Attack(KIND)],
};
/// A factor that the sources give as "about" is met within this factor.
const ABOUT: f64 = 10.0;
/// Factors that are given in whole numbers are met from half a number below.
const ROUNDING: f64 = 0.5;

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    let nll = attacked(KIND, |r| r.nll_target);
    let delta = attacked(KIND, |r| r.delta);
    for set in &study.sets {
        let rows = depths(set);
        for (stem, title, axis, values) in [
            (
                "nll",
                "−log p(xᵗ | z*)",
                Axis::linear("−log p(xᵗ | z*) in nats"),
                &nll as Values<'_>,
            ),
            ("delta", "Δ_KL", Axis::log10("Δ_KL in nats"), &delta),
        ] {
            page.section
                .push(heat(set, &rows, (id, stem, title), values)?);
            page.section
                .push(map(set, &rows, (id, stem, title), values)?);
            let curves: Vec<_> = rows
                .iter()
                .map(|(depth, group)| (format!("L = {depth}"), *group, values))
                .collect();
            page.section.push(against_beta(
                set,
                (
                    &set.id(id, &[stem]),
                    &format!("{title} by depth, {}", set.name()),
                    &format!("Latent KL attack; L = 1 is the β-TCVAE. {BAND}"),
                ),
                axis,
                &curves,
            )?);
        }
        let groups: Vec<Group> = rows.iter().map(|row| row.1).collect();
        page.section.push(attack_table(
            set,
            &groups,
            KIND,
            (
                &set.id(id, &["references"]),
                "The attacks and their references",
            ),
            &[],
        )?);
        judge(set, &rows, id, page);
    }
    Ok(())
}

/// Depths with their models: one layer is the β-TCVAE.
fn depths(set: &Set) -> Vec<(usize, Group)> {
    let deeper = set.config.depths.iter().map(|&l| (l, Group::Layers(l)));
    std::iter::once((1, Group::Tcvae)).chain(deeper).collect()
}

/// Depth by β, as the sources draw it; a place without a model stays empty.
fn heat(
    set: &Set,
    rows: &[(usize, Group)],
    (id, stem, title): (&str, &str, &str),
    values: Values<'_>,
) -> Result<Figure> {
    let betas = set.betas(Group::Tcvae);
    let over_seeds = |group: Group, beta: f64| {
        let per_seed = set.per_seed(|seed| set.average(group, beta, seed, values));
        mean(per_seed.iter().map(|&(_, value)| value))
    };
    let places = rows
        .iter()
        .flat_map(|row| betas.iter().map(move |&b| (row.1, b)));
    let map = HeatMap {
        columns: betas.iter().map(|b| format!("{b}")).collect(),
        rows: rows.iter().map(|(depth, _)| format!("{depth}")).collect(),
        values: places
            .map(|(group, beta)| over_seeds(group, beta))
            .collect(),
        scale: if stem == "delta" {
            Scale::Log10
        } else {
            Scale::Linear
        },
    };
    let figure = Figure::heat(
        &set.id(id, &[stem, "heat"]),
        &format!("{title} over depth and β, {}", set.name()),
        ("β", "layers"),
        map,
    )?;
    Ok(
        figure
            .with_caption("Means over pairs, penalties, latents and seeds; L = 1 is the β-TCVAE."),
    )
}

/// The same numbers with intervals.
fn map(
    set: &Set,
    rows: &[(usize, Group)],
    (id, stem, title): (&str, &str, &str),
    values: Values<'_>,
) -> Result<Table> {
    let betas = set.betas(Group::Tcvae);
    let mut names = vec!["L".to_owned()];
    names.extend(betas.iter().map(|b| format!("β = {b}")));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut table = Table::new(
        &block_id(id, &[&set.config.name, stem, "map"]),
        &format!("{title} over depth and β: {}", set.title()),
        &names,
    )
    .with_caption("Means over pairs, penalties and latents with intervals over seeds.");
    for &(depth, group) in rows {
        let mut row = vec![Cell::from(depth)];
        for &beta in &betas {
            let per_seed = set.per_seed(|seed| set.average(group, beta, seed, values));
            row.push(interval(
                &per_seed.iter().map(|(_, v)| *v).collect::<Vec<_>>(),
            ));
        }
        table.push_row(row)?;
    }
    Ok(table)
}

fn judge(set: &Set, rows: &[(usize, Group)], id: &str, page: &mut Page) {
    let name = &set.config.name;
    let nll = attacked(KIND, |r| r.nll_target);
    let delta = attacked(KIND, |r| r.delta);
    let (depth, deepest) = rows[rows.len() - 1];
    let betas = set.betas(deepest);
    let (first, last) = (betas[0], betas[betas.len() - 1]);
    page.claim_above(
        (
            &format!("{id}-{name}-delta"),
            &format!(
                "on {name} with {depth} layers, Δ_KL grows by about 10⁷ from β = 1 to the largest β"
            ),
            "thesis figure D.2; paper figure D.9",
        ),
        &set.per_seed(|seed| set.decades((deepest, last), (deepest, first), seed, &delta)),
        (STATED_DELTA_FACTOR / ABOUT).log10(),
        "log₁₀ of the factor",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-nll"),
            &format!(
                "on {name} with {depth} layers, −log p(xᵗ|z*) doubles from β = 1 to the largest β"
            ),
            "thesis figure D.2; paper figure D.9",
        ),
        &set.per_seed(|seed| {
            set.average(deepest, last, seed, &nll) / set.average(deepest, first, seed, &nll)
        }),
        STATED_NLL_FACTOR - ROUNDING,
        "factor",
    );
    for (stem, what, values) in [
        ("nll", "−log p(xᵗ|z*)", &nll as Values<'_>),
        ("delta", "Δ_KL", &delta),
    ] {
        page.claim_above(
            (
                &format!("{id}-{name}-{stem}-depth"),
                &format!("on {name}, {what} at the largest β grows with depth"),
                "thesis figure D.2; paper figure D.9",
            ),
            &set.per_seed(|seed| {
                let neighbors = rows.windows(2);
                smallest(
                    neighbors.map(|w| set.decades((w[1].1, last), (w[0].1, last), seed, values)),
                )
            }),
            0.0,
            "smallest log₁₀ of the ratio between neighboring depths",
        );
    }
}
