//! Parts of the models left out or replaced, one at a time: what free bits, the layers that the
//! likelihood reads and the estimator of the total correlation have to do with the chapter's
//! claims.

use super::quality::{elbo, quality_table};
use crate::RunCtx;
use crate::claims::smallest;
use crate::page::Page;
use crate::seatbelt::grid::plots::{BAND, against_beta, attack_table, of_models};
use crate::seatbelt::grid::statistics::{FREE_LAMBDA, Values, attacked};
use crate::seatbelt::grid::{
    AttackKind, Family, Group, Measure, Models, Node, Request, Set, Study,
};
use anyhow::{Context as _, Result};
use vaegis_report::Axis;
use vaegis_zoo::SeatbeltConfig;
use vaegis_zoo::seatbelt::GREY_SIZES;

const KIND: AttackKind = AttackKind::Kl;
const REQUEST: Request = Request {
    sets: &["faces"],
    models: Models::Parts,
    measures: &[Measure::Quality, Measure::Attack(KIND)],
};
/// A layer uses no more than its free bits if its divergence stays below so many times them.
const IDLE: f64 = 1.25;
/// Success fractions that differ by less are called equal.
const EQUAL_SUCCESS: f64 = 0.1;

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    page.section.push(
        "Without free bits: trained with the plain divergence in every layer. Chain: the \
         likelihood reads the layer nearest the data alone, as in a deep latent Gaussian model, \
         with the total-correlation penalty on the top layer. FactorVAE: the penalty of the \
         β-TCVAE at γ = β − 1, estimated by a discriminator. All else is as in figures 5.6 and \
         5.7, which share the models that are not changed.",
    );
    let delta = attacked(KIND, |r| r.delta);
    let nll = attacked(KIND, |r| r.nll_target);
    let bound = |n: &Node| elbo(n).into_iter().collect::<Vec<f64>>();
    let top = |n: &Node| top_divergence(n).into_iter().collect::<Vec<f64>>();
    for set in &study.sets {
        page.section.push(
            format!(
                "On {} the discriminator has hidden layers of {:?} units (published: six of 1000).",
                set.name(),
                set.config.discriminator
            )
            .as_str(),
        );
        let families = set.config.parts();
        let groups: Vec<Group> = families.iter().map(|&f| Group::Of(f)).collect();
        for (stem, title, axis, values) in [
            (
                "elbo",
                "ELBO at β = 1",
                Axis::linear("ELBO in nats"),
                &bound as Values<'_>,
            ),
            (
                "top",
                "Divergence of the top layer",
                Axis::linear("KL of the top layer in nats"),
                &top,
            ),
            (
                "delta",
                "Loss of the latent KL attack",
                Axis::log10("Δ_KL in nats"),
                &delta,
            ),
            (
                "nll",
                "Target's likelihood under the latent KL attack",
                Axis::linear("−log p(xᵗ | z*) in nats"),
                &nll,
            ),
        ] {
            let curves: Vec<_> = groups.iter().map(|&g| (g.label(), g, values)).collect();
            page.section.push(against_beta(
                set,
                (
                    &set.id(id, &[stem]),
                    &format!("{title}, {}", set.name()),
                    BAND,
                ),
                axis,
                &curves,
            )?);
        }
        page.section.push(quality_table(set, &groups, id)?);
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
        judge(set, &families, id, page)?;
    }
    Ok(())
}

/// What the top layer costs in the bound.
fn top_divergence(node: &Node) -> Option<f64> {
    node.quality.as_ref()?.elbo.layers.last().copied()
}

fn judge(set: &Set, families: &[Family], id: &str, page: &mut Page) -> Result<()> {
    let name = &set.config.name;
    let &[seatbelt, without, chain, tcvae, factor] = families else {
        anyhow::bail!("invariant: five families, found {families:?}");
    };
    let betas = set.betas(Group::Of(seatbelt));
    let (&first, &last) = betas.first().zip(betas.last()).context("no β")?;
    let of = |family, beta, seed, number: fn(&Node) -> Option<f64>| {
        of_models(set, (Group::Of(family), beta, seed), number)
    };
    let top = |family, beta, seed| of(family, beta, seed, top_divergence);
    let total_correlation = |family, beta, seed| {
        of(family, beta, seed, |n| {
            Some(n.quality.as_ref()?.top.total_correlation)
        })
    };
    let allowance = SeatbeltConfig::default().free_bits() * GREY_SIZES[GREY_SIZES.len() - 1] as f64;
    page.claim_above(
        (
            &format!("{id}-{name}-idle"),
            &format!(
                "on {name}, the top layer of the Seatbelt-VAE carries what free bits give away and \
                 no more, at every β"
            ),
            "not in the sources, which do not report free bits; found in figure 5.7",
        ),
        &set.per_seed(|seed| {
            let spare = betas
                .iter()
                .map(|&b| IDLE * allowance - top(seatbelt, b, seed));
            smallest(spare)
        }),
        0.0,
        "1.25 times the free bits of the top layer minus its largest divergence, in nats",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-without-top"),
            &format!(
                "on {name} at β = 1, without free bits the top layer of the Seatbelt-VAE carries \
                 less"
            ),
            "not in the sources",
        ),
        &set.per_seed(|seed| top(seatbelt, first, seed) - top(without, first, seed)),
        0.0,
        "nats that free bits add to the divergence of the top layer",
    );
    let delta = attacked(KIND, |r| r.delta);
    let grows = |family, seed| {
        let group = Group::Of(family);
        set.decades((group, last), (group, first), seed, &delta)
    };
    page.claim_above(
        (
            &format!("{id}-{name}-without-delta"),
            &format!(
                "on {name}, trained without free bits the loss of the attack on the Seatbelt-VAE \
                 grows with β, as the sources have it"
            ),
            "thesis figures 5.6 and D.2 (the claim); without free bits: not in the sources",
        ),
        &set.per_seed(|seed| grows(without, seed)),
        0.0,
        "log₁₀ of Δ_KL at the largest β over that at β = 1",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-all-layers"),
            &format!(
                "on {name}, a likelihood that reads all layers uses those above the bottom more \
                 than the chain does, at every β"
            ),
            "thesis section 5.5; Seatbelt paper appendix A.3",
        ),
        &set.per_seed(|seed| {
            let upper = |family, beta| {
                of(family, beta, seed, |n| {
                    Some(n.quality.as_ref()?.elbo.layers[1..].iter().sum())
                })
            };
            smallest(betas.iter().map(|&b| upper(seatbelt, b) - upper(chain, b)))
        }),
        0.0,
        "smallest difference of the divergence above the bottom layer, in nats",
    );
    let success = |family, beta, seed| {
        let place = (Group::Of(family), beta, seed);
        set.success(place, KIND, |r| r.lambda <= FREE_LAMBDA)
    };
    page.claim_above(
        (
            &format!("{id}-{name}-chain"),
            &format!("on {name}, the penalty confers no robustness on the chain"),
            "thesis section 5.5",
        ),
        &set.per_seed(|seed| {
            EQUAL_SUCCESS - (success(chain, first, seed) - success(chain, last, seed))
        }),
        0.0,
        "0.1 minus the fall of the success fraction from β = 1 to the largest β at λ ≤ 2⁻¹⁰",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-factor-vae"),
            &format!(
                "on {name}, the FactorVAE's γ lowers the total correlation of its latents as the \
                 β-TCVAE's β does"
            ),
            "specification §3.3 (the same penalty, γ = β − 1); not in the sources",
        ),
        &set.per_seed(|seed| {
            let falls = |family| {
                total_correlation(family, first, seed) - total_correlation(family, last, seed)
            };
            smallest([factor, tcvae].map(falls))
        }),
        0.0,
        "smaller fall of the total correlation over β, in nats",
    );
    Ok(())
}
