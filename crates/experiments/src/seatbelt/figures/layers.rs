//! Figure D.1: latent attacks on the bottom layer, on the top layer and on all layers.

use crate::RunCtx;
use crate::averages::mean;
use crate::claims::smallest;
use crate::page::Page;
use crate::seatbelt::grid::plots::{BAND, Column, against_beta, model_table, of_models};
use crate::seatbelt::grid::statistics::{FREE_LAMBDA, attacked, attacked_where};
use crate::seatbelt::grid::{AttackKind, Group, Measure, Models, Node, Request, Set, Study};
use anyhow::Result;
use vaegis_report::{Axis, Table};

const KINDS: [AttackKind; 3] = [AttackKind::KlBottom, AttackKind::KlTop, AttackKind::Kl];
const REQUEST: Request = Request {
    sets: &["faces", "chairs"],
    models: Models::Seatbelt,
    measures: &[
        Measure::Quality,
        Measure::Attack(AttackKind::Kl),
        Measure::Attack(AttackKind::KlBottom),
        Measure::Attack(AttackKind::KlTop),
    ],
};

fn name_of(kind: AttackKind) -> &'static str {
    match kind {
        AttackKind::KlBottom => "bottom layer",
        AttackKind::KlTop => "top layer",
        _ => "all layers",
    }
}

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    for set in &study.sets {
        for &depth in &set.config.depths {
            let group = Group::Layers(depth);
            let nlls = KINDS.map(|kind| (kind, attacked(kind, |r| r.nll_target)));
            let curves: Vec<_> = nlls
                .iter()
                .map(|(kind, nll)| (name_of(*kind).to_owned(), group, nll as _))
                .collect();
            let depth_name = format!("l{depth}");
            page.section.push(against_beta(
                set,
                (
                    &set.id(id, &[&depth_name]),
                    &format!("Attacked layers of a {}, {}", group.label(), set.name()),
                    &format!("Latent KL attack. {BAND}"),
                ),
                Axis::linear("−log p(xᵗ | z*) in nats"),
                &curves,
            )?);
            page.section.push(table(set, depth, id)?);
            judge(set, depth, id, page);
        }
    }
    Ok(())
}

fn table(set: &Set, depth: usize, id: &str) -> Result<Table> {
    let at = |kind: AttackKind, free: bool| {
        let values = attacked_where(
            kind,
            move |r| !free || r.lambda <= FREE_LAMBDA,
            |r| r.nll_target,
        );
        move |g, b, s| set.average(g, b, s, &values)
    };
    let [bottom, top, all] = KINDS.map(|kind| at(kind, false));
    let [free_bottom, free_top, free_all] = KINDS.map(|kind| at(kind, true));
    let none = attacked(AttackKind::Kl, |r| r.nll_target_no_attack);
    let none = |g, b, s| set.average(g, b, s, &none);
    let perfect = attacked(AttackKind::Kl, |r| r.nll_target_perfect);
    let perfect = |g, b, s| set.average(g, b, s, &perfect);
    let unit = |layer: usize| {
        move |g, b, s| {
            let active = |n: &Node| n.quality.as_ref()?.active.get(layer).map(|&a| a as f64);
            of_models(set, (g, b, s), active)
        }
    };
    let (active_bottom, active_top) = (unit(0), unit(depth - 1));
    let columns: [Column<'_>; 10] = [
        ("bottom layer", &bottom),
        ("top layer", &top),
        ("all layers", &all),
        ("bottom, λ ≤ 2⁻¹⁰", &free_bottom),
        ("top, λ ≤ 2⁻¹⁰", &free_top),
        ("all, λ ≤ 2⁻¹⁰", &free_all),
        ("no attack", &none),
        ("perfect attack", &perfect),
        ("active units, bottom", &active_bottom),
        ("active units, top", &active_top),
    ];
    model_table(
        set,
        &[Group::Layers(depth)],
        (
            &set.id(id, &[&format!("l{depth}"), "table"]),
            &format!(
                "−log p(xᵗ|z*) by attacked layers, L = {depth}: {}",
                set.title()
            ),
            "Means over pairs and penalties in nats. A layer without active units carries nothing \
             that an attack on it could move.",
        ),
        &columns,
    )
}

fn judge(set: &Set, depth: usize, id: &str, page: &mut Page) {
    let name = &set.config.name;
    let group = Group::Layers(depth);
    let betas = set.betas(group);
    let over_betas = |kind: AttackKind, seed| {
        let nll = attacked(kind, |r| r.nll_target);
        mean(betas.iter().map(|&b| set.average(group, b, seed, &nll)))
    };
    page.claim_above(
        (
            &format!("{id}-{name}-l{depth}"),
            &format!(
                "on {name} with {depth} layers, attacking all layers is slightly more effective \
                 than attacking the bottom or the top alone"
            ),
            "thesis figure D.1; paper figure D.8",
        ),
        &set.per_seed(|seed| {
            let single = [AttackKind::KlBottom, AttackKind::KlTop];
            let lowest = smallest(single.map(|kind| over_betas(kind, seed)));
            lowest - over_betas(AttackKind::Kl, seed)
        }),
        0.0,
        "mean −log p(xᵗ|z*) of the better attack on one layer minus that on all, over all β",
    );
}
