//! Figure 5.4: the loss of the latent attack on β-TCVAEs against β.

use crate::RunCtx;
use crate::averages::mean;
use crate::claims::smallest;
use crate::page::Page;
use crate::seatbelt::grid::plots::{
    BAND, Column, against_beta, against_lambda, attack_table, model_table,
};
use crate::seatbelt::grid::reference::latent_delta;
use crate::seatbelt::grid::statistics::{FREE_LAMBDA, attacked, attacked_where, range};
use crate::seatbelt::grid::{AttackKind, Group, Measure, Models, Request, Set, Study};
use anyhow::Result;
use vaegis_report::Axis;

const KIND: AttackKind = AttackKind::Kl;
const REQUEST: Request = Request {
    sets: &["dsprites", "chairs", "faces"],
    models: Models::Tcvae,
    measures: &[Measure::Quality, Measure::Attack(KIND)],
};
/// Least factor between Δ at β ≥ 4 and at β = 1 (acceptance of the specification), in decades.
const FACTOR_DECADES: f64 = 1.0;
/// From this β on, the factor is expected.
const LARGE_BETA: f64 = 4.0;

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    let delta = attacked(KIND, |r| r.delta);
    for set in &study.sets {
        let groups: Vec<Group> = set
            .config
            .latents
            .iter()
            .map(|&d| Group::Latent(d))
            .collect();
        let mut curves = vec![("all latents".to_owned(), Group::Tcvae, &delta as _)];
        if groups.len() > 1 {
            curves.extend(groups.iter().map(|&g| (g.label(), g, &delta as _)));
        }
        page.section.push(against_beta(
            set,
            (
                &set.id(id, &["delta"]),
                &format!("Loss of the latent KL attack, {}", set.name()),
                BAND,
            ),
            Axis::log10("Δ_KL in nats"),
            &curves,
        )?);
        let betas = set.betas(Group::Tcvae);
        let by_beta: Vec<_> = betas
            .iter()
            .map(|&beta| (format!("β = {beta}"), Group::Tcvae, beta, KIND))
            .collect();
        page.section.push(against_lambda(
            set,
            (
                &set.id(id, &["penalties"]),
                &format!("Loss of the latent KL attack per penalty, {}", set.name()),
                "Medians over pairs, latents and seeds. The arithmetic mean over penalties is \
                 that of the right end, where the attacker does nothing.",
            ),
            Axis::log10("Δ_KL in nats"),
            &by_beta,
            |r| r.delta,
        )?);
        let name = set.config.name.clone();
        let published: [Column<'_>; 1] =
            [("published Δ", &|_, beta, _| latent_delta(&name, beta))];
        page.section.push(attack_table(
            set,
            &[&[Group::Tcvae], groups.as_slice()].concat(),
            KIND,
            (&set.id(id, &["table"]), "Latent KL attack on β-TCVAEs"),
            &published,
        )?);
        page.section.push(why(set, id)?);
        judge(set, id, page);
    }
    Ok(())
}

/// What Δ is made of: the attacker's loss where the norm is free, where nothing is attacked, and
/// the encoder's noise, whose size sets the scale of every KL.
fn why(set: &Set, id: &str) -> Result<vaegis_report::Table> {
    let free = attacked_where(KIND, |r| r.lambda <= FREE_LAMBDA, |r| r.delta);
    let clean = attacked(KIND, |r| r.divergence_clean);
    let sigma = |group, beta, seed| {
        let members = set.members(group, beta, Some(seed));
        let sigmas = members.iter().filter_map(|n| n.quality.as_ref());
        mean(sigmas.map(|q| q.sigma[0]))
    };
    let active = |group, beta, seed| {
        let members = set.members(group, beta, Some(seed));
        let active = members.iter().filter_map(|n| n.quality.as_ref());
        mean(active.map(|q| q.active[0] as f64))
    };
    model_table(
        set,
        &[Group::Tcvae],
        (
            &set.id(id, &["why"]),
            &format!("What the latent loss is made of, {}", set.name()),
            "Δ where the norm costs nothing, the divergence without attack, and the encoder: mean \
             σ and active units. A wider posterior lowers every KL, however hard the attack.",
        ),
        &[
            ("Δ, λ ≤ 2⁻¹⁰", &|g, b, s| {
                set.average(g, b, s, &free)
            }),
            ("divergence without attack", &|g, b, s| {
                set.average(g, b, s, &clean)
            }),
            ("mean σ", &sigma),
            ("active units", &active),
        ],
    )
}

fn judge(set: &Set, id: &str, page: &mut Page) {
    let name = &set.config.name;
    let delta = attacked(KIND, |r| r.delta);
    let free = attacked_where(KIND, |r| r.lambda <= FREE_LAMBDA, |r| r.delta);
    let betas = set.betas(Group::Tcvae);
    let (first, last) = (betas[0], betas[betas.len() - 1]);
    let group = Group::Tcvae;
    let rise = |beta: f64, seed| set.decades((group, beta), (group, first), seed, &delta);
    let above = |from: f64, seed: u64| {
        let larger = betas.iter().filter(|b| **b >= from && **b > first);
        smallest(larger.map(|&b| rise(b, seed)))
    };
    page.claim_above(
        (
            &format!("{id}-{name}-factor"),
            &format!("on {name}, Δ_KL at every β ≥ 4 is at least ten times that at β = 1"),
            "thesis figure 5.4; paper figure 3 (SB-40)",
        ),
        &set.per_seed(|seed| above(LARGE_BETA, seed)),
        FACTOR_DECADES,
        "smallest log₁₀ of Δ at β ≥ 4 over Δ at β = 1",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-any"),
            &format!("on {name}, every β > 1 has a larger Δ_KL than β = 1"),
            "thesis figure 5.4; paper figure 3",
        ),
        &set.per_seed(|seed| above(first, seed)),
        0.0,
        "smallest log₁₀ of Δ at β > 1 over Δ at β = 1",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-free"),
            &format!("on {name}, the same where the norm is nearly free (λ ≤ 2⁻¹⁰)"),
            "specification §2.10; not in the sources",
        ),
        &set.per_seed(|seed| {
            let larger = betas.iter().filter(|b| **b > first);
            smallest(larger.map(|&b| set.decades((group, b), (group, first), seed, &free)))
        }),
        0.0,
        "smallest log₁₀ of Δ at β > 1 over Δ at β = 1, λ ≤ 2⁻¹⁰",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-falls"),
            &format!("on {name}, Δ_KL falls again at the largest β"),
            "thesis figure 5.4; paper figure 3",
        ),
        &set.per_seed(|seed| {
            let inner = betas.iter().filter(|b| **b < last);
            -smallest(inner.map(|&b| set.decades((group, last), (group, b), seed, &delta)))
        }),
        0.0,
        "log₁₀ of the largest Δ below the largest β over Δ at the largest β",
    );
    let latents: Vec<Group> = set
        .config
        .latents
        .iter()
        .map(|&d| Group::Latent(d))
        .collect();
    if latents.len() < 2 {
        return;
    }
    let at = |g: Group, beta: f64, seed| set.average(g, beta, seed, &delta).log10();
    page.claim_above(
        (
            &format!("{id}-{name}-latents"),
            &format!("on {name}, the number of latents matters less to Δ_KL than β"),
            "thesis figure 5.4; paper figure 3: latents matter little",
        ),
        &set.per_seed(|seed| {
            let over_beta = latents
                .iter()
                .map(|&g| range(&betas.iter().map(|&b| at(g, b, seed)).collect::<Vec<_>>()));
            let over_latents = betas
                .iter()
                .map(|&b| range(&latents.iter().map(|&g| at(g, b, seed)).collect::<Vec<_>>()));
            mean(over_beta) - mean(over_latents)
        }),
        0.0,
        "decades of Δ between the β at fixed latents, minus those between the latents at fixed β",
    );
}
