//! Figure D.3: whether robustness is more than bad reconstruction.

use crate::RunCtx;
use crate::averages::mean;
use crate::page::Page;
use crate::seatbelt::grid::plots::{BAND, Column, against_beta, beside_references, model_table};
use crate::seatbelt::grid::statistics::{FREE_LAMBDA, Values, attacked, attacked_where};
use crate::seatbelt::grid::{AttackKind, Group, Measure, Models, Request, Set, Study};
use anyhow::Result;
use vaegis_report::{Axis, Table};

const KINDS: [AttackKind; 2] = [AttackKind::Kl, AttackKind::OutputL2];
const REQUEST: Request = Request {
    sets: &["dsprites", "chairs", "faces"],
    models: Models::Tcvae,
    measures: &[
        Measure::Attack(AttackKind::Kl),
        Measure::Attack(AttackKind::OutputL2),
    ],
};
const GROUP: Group = Group::Tcvae;

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    for set in &study.sets {
        let target = attacked(AttackKind::Kl, |r| r.target_reconstruction_to_target);
        let latent = attacked(AttackKind::Kl, |r| r.reconstruction_to_target);
        let output = attacked(AttackKind::OutputL2, |r| r.reconstruction_to_target);
        let none = attacked(AttackKind::Kl, |r| r.clean_reconstruction_to_target);
        page.section.push(beside_references(
            set,
            (
                &set.id(id, &["distances"]),
                &format!("Distances to the target, {}", set.name()),
                &format!("Under attack: of the attacked reconstruction. {BAND}"),
            ),
            Axis::linear("L2 distance"),
            &[
                (
                    "target and its reconstruction".to_owned(),
                    GROUP,
                    &target as _,
                ),
                ("latent attack".to_owned(), GROUP, &latent),
                ("output attack".to_owned(), GROUP, &output),
            ],
            &[("no attack".to_owned(), GROUP, &none as _)],
        )?);
        let deltas = KINDS.map(|kind| (kind, attacked(kind, |r| r.delta)));
        let curves: Vec<_> = deltas
            .iter()
            .map(|(kind, delta)| (kind.label().to_owned(), GROUP, delta as _))
            .collect();
        page.section.push(against_beta(
            set,
            (
                &set.id(id, &["delta"]),
                &format!("Loss of the attacks, {}", set.name()),
                &format!("The two losses have different units. {BAND}"),
            ),
            Axis::log10("Δ"),
            &curves,
        )?);
        page.section.push(table(set, id)?);
        judge(set, id, page);
    }
    Ok(())
}

fn table(set: &Set, id: &str) -> Result<Table> {
    let target = attacked(AttackKind::Kl, |r| r.target_reconstruction_to_target);
    let clean = attacked(AttackKind::Kl, |r| r.clean_reconstruction_to_original);
    let latent = attacked(AttackKind::Kl, |r| r.reconstruction_to_target);
    let output = attacked(AttackKind::OutputL2, |r| r.reconstruction_to_target);
    let free = |kind| {
        attacked_where(
            kind,
            |r| r.lambda <= FREE_LAMBDA,
            |r| r.reconstruction_to_target,
        )
    };
    let (free_latent, free_output) = (free(AttackKind::Kl), free(AttackKind::OutputL2));
    let input = attacked(AttackKind::Kl, |r| r.attacked_to_target);
    let columns: [Column<'_>; 8] = [
        ("‖x̃ᵗ − xᵗ‖", &|g, b, s| {
            set.average(g, b, s, &target)
        }),
        ("‖x̃ − x‖", &|g, b, s| set.average(g, b, s, &clean)),
        ("‖x̃* − xᵗ‖, latent", &|g, b, s| {
            set.average(g, b, s, &latent)
        }),
        ("‖x̃* − xᵗ‖, output", &|g, b, s| {
            set.average(g, b, s, &output)
        }),
        ("latent, λ ≤ 2⁻¹⁰", &|g, b, s| {
            set.average(g, b, s, &free_latent)
        }),
        ("output, λ ≤ 2⁻¹⁰", &|g, b, s| {
            set.average(g, b, s, &free_output)
        }),
        ("latent over ‖x̃ᵗ − xᵗ‖", &|g, b, s| {
            set.average(g, b, s, &latent) / set.average(g, b, s, &target)
        }),
        ("‖x* − xᵗ‖, latent", &|g, b, s| {
            set.average(g, b, s, &input)
        }),
    ];
    model_table(
        set,
        &[GROUP],
        (
            &set.id(id, &["table"]),
            &format!("Distances under attack: {}", set.title()),
            "Means over pairs, penalties and latents. The captions of the sources speak of the \
             distance of the adversarial input, the last column; the text of that of the output.",
        ),
        &columns,
    )
}

fn judge(set: &Set, id: &str, page: &mut Page) {
    let name = &set.config.name;
    let betas = set.betas(GROUP);
    let (first, last) = (betas[0], betas[betas.len() - 1]);
    let target = attacked(AttackKind::Kl, |r| r.target_reconstruction_to_target);
    for kind in KINDS {
        let short = if kind == AttackKind::Kl {
            "latent"
        } else {
            "output"
        };
        let distance = attacked(kind, |r| r.reconstruction_to_target);
        let free = attacked_where(
            kind,
            |r| r.lambda <= FREE_LAMBDA,
            |r| r.reconstruction_to_target,
        );
        let delta = attacked(kind, |r| r.delta);
        let source = if kind == AttackKind::Kl {
            "thesis figure D.3; paper figure E.10"
        } else {
            "thesis figure D.3; paper figure E.10 (much less clear for output attacks)"
        };
        page.claim_above(
            (
                &format!("{id}-{name}-{short}-distance"),
                &format!(
                    "on {name}, the attacked reconstruction moves away from the target faster \
                     with β than the target's own reconstruction does ({short} attack)"
                ),
                source,
            ),
            &set.per_seed(|seed| {
                let rise =
                    |v| set.average(GROUP, last, seed, v) - set.average(GROUP, first, seed, v);
                rise(&distance as Values<'_>) - rise(&target)
            }),
            0.0,
            "rise of ‖x̃* − xᵗ‖ minus rise of ‖x̃ᵗ − xᵗ‖ from β = 1 to the largest β",
        );
        page.claim_above(
            (
                &format!("{id}-{name}-{short}-ratio"),
                &format!(
                    "on {name}, the same relative to the target's own reconstruction where the \
                     norm is nearly free ({short} attack)"
                ),
                "thesis figure D.3, normalized; not in the sources",
            ),
            &set.per_seed(|seed| {
                let ratio = |beta| {
                    set.average(GROUP, beta, seed, &free) / set.average(GROUP, beta, seed, &target)
                };
                ratio(last) - ratio(first)
            }),
            0.0,
            "rise of ‖x̃* − xᵗ‖ / ‖x̃ᵗ − xᵗ‖ at λ ≤ 2⁻¹⁰",
        );
        page.claim_above(
            (
                &format!("{id}-{name}-{short}-delta"),
                &format!("on {name}, the loss of the {short} attack is larger at the largest β than at β = 1"),
                "thesis figure D.3; paper figure E.10",
            ),
            &set.per_seed(|seed| set.decades((GROUP, last), (GROUP, first), seed, &delta)),
            0.0,
            "log₁₀ of the ratio",
        );
    }
    let of = |kind: AttackKind, seed| {
        let distance = attacked(kind, |r| r.reconstruction_to_target);
        mean(
            betas
                .iter()
                .map(|&b| set.average(GROUP, b, seed, &distance)),
        )
    };
    page.claim_above(
        (
            &format!("{id}-{name}-weaker"),
            &format!("on {name}, the output attack is less effective than the latent attack"),
            "paper figure E.10",
        ),
        &set.per_seed(|seed| of(AttackKind::OutputL2, seed) - of(AttackKind::Kl, seed)),
        0.0,
        "‖x̃* − xᵗ‖ under the output attack minus under the latent attack, over all β",
    );
}
