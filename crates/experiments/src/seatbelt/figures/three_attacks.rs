//! Figure 5.6: three attacks on β-TCVAEs and on Seatbelt-VAEs against β.

use crate::RunCtx;
use crate::claims::smallest;
use crate::page::Page;
use crate::seatbelt::grid::plots::{
    BAND, Column, against_beta, against_lambda, attack_table, beside_references,
};
use crate::seatbelt::grid::reference;
use crate::seatbelt::grid::statistics::{FREE_LAMBDA, attacked_where};
use crate::seatbelt::grid::{AttackKind, Group, Measure, Models, Node, Request, Set, Study};
use anyhow::Result;
use vaegis_attacks::record::AttackRecord;
use vaegis_report::Axis;

const KINDS: [AttackKind; 3] = [AttackKind::Kl, AttackKind::Output, AttackKind::W2];
const REQUEST: Request = Request {
    sets: &["faces", "chairs"],
    models: Models::Main,
    measures: &[
        Measure::Attack(AttackKind::Kl),
        Measure::Attack(AttackKind::Output),
        Measure::Attack(AttackKind::W2),
    ],
};
/// From this β on, the Seatbelt-VAE is expected to resist more.
const LARGE_BETA: f64 = 4.0;

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    let pairs = study.config.pairs;
    for set in &study.sets {
        let seatbelt = set.main()?;
        for kind in KINDS {
            panels(set, seatbelt, kind, pairs, id, page)?;
            judge(set, seatbelt, kind, pairs, id, page);
        }
    }
    Ok(())
}

/// A number of the attacks on the pairs that all models share.
fn shared(
    kind: AttackKind,
    pairs: usize,
    pick: fn(&AttackRecord) -> f64,
) -> impl Fn(&Node) -> Vec<f64> {
    attacked_where(kind, move |r| r.pair < pairs, pick)
}

fn panels(
    set: &Set,
    seatbelt: Group,
    kind: AttackKind,
    pairs: usize,
    id: &str,
    page: &mut Page,
) -> Result<()> {
    let nll = shared(kind, pairs, |r| r.nll_target);
    let delta = shared(kind, pairs, |r| r.delta);
    let none = shared(kind, pairs, |r| r.nll_target_no_attack);
    let perfect = shared(kind, pairs, |r| r.nll_target_perfect);
    let (mut curves, mut references) = (Vec::new(), Vec::new());
    for group in [Group::Tcvae, seatbelt] {
        curves.push((group.label(), group, &nll as _));
        references.push((format!("{}, no attack", group.label()), group, &none as _));
        references.push((
            format!("{}, perfect attack", group.label()),
            group,
            &perfect as _,
        ));
    }
    let (label, stem) = (kind.label(), kind.stem());
    page.section.push(beside_references(
        set,
        (
            &set.id(id, &[stem, "nll"]),
            &format!("Target's likelihood under attack ({label}), {}", set.name()),
            &format!("Large: the attack failed. {BAND}"),
        ),
        Axis::linear("−log p(xᵗ | z*) in nats"),
        &curves,
        &references,
    )?);
    page.section.push(against_beta(
        set,
        (
            &set.id(id, &[stem, "delta"]),
            &format!("Loss of the attack ({label}), {}", set.name()),
            &format!(
                "Latent losses of models with different latents are sums of different terms and \
                 not comparable; the likelihood is. {BAND}"
            ),
        ),
        Axis::log10("Δ"),
        &[
            (Group::Tcvae.label(), Group::Tcvae, &delta as _),
            (seatbelt.label(), seatbelt, &delta as _),
        ],
    )?);
    let betas = set.betas(seatbelt);
    let ends = [betas[0], betas[betas.len() - 1]];
    let mut by_penalty = Vec::new();
    for group in [Group::Tcvae, seatbelt] {
        for beta in ends {
            by_penalty.push((format!("{}, β = {beta}", group.label()), group, beta, kind));
        }
    }
    page.section.push(against_lambda(
        set,
        (
            &set.id(id, &[stem, "penalties"]),
            &format!("Target's likelihood per penalty ({label}), {}", set.name()),
            "Medians over pairs, latents and seeds. Left: the norm is free; right: nobody attacks.",
        ),
        Axis::linear("−log p(xᵗ | z*) in nats"),
        &by_penalty,
        |r| r.nll_target,
    )?);
    let name = set.config.name.as_str();
    let is_seatbelt = |group: Group| matches!(group, Group::Layers(_));
    let published: [Column<'_>; 2] = [
        ("published −log p", &|g, beta, _| {
            reference::nll(name, kind, is_seatbelt(g), beta)
        }),
        ("published Δ", &|g, beta, _| {
            reference::delta(name, kind, is_seatbelt(g), beta)
        }),
    ];
    page.section.push(attack_table(
        set,
        &[Group::Tcvae, seatbelt],
        kind,
        (&set.id(id, &[stem, "table"]), &format!("Attack ({label})")),
        &published,
    )?);
    Ok(())
}

fn judge(set: &Set, seatbelt: Group, kind: AttackKind, pairs: usize, id: &str, page: &mut Page) {
    let name = &set.config.name;
    let (label, stem) = (kind.label(), kind.stem());
    let nll = shared(kind, pairs, |r| r.nll_target);
    let delta = shared(kind, pairs, |r| r.delta);
    let betas = set.betas(seatbelt);
    let (first, last) = (betas[0], betas[betas.len() - 1]);
    let large = || betas.iter().copied().filter(|b| *b >= LARGE_BETA);
    page.claim_above(
        (
            &format!("{id}-{name}-{stem}-nll"),
            &format!(
                "on {name}, for every β ≥ 4 the target is less likely under the attack ({label}) \
                 on the Seatbelt-VAE than on the β-TCVAE"
            ),
            "thesis figure 5.6; paper figure 5 (SB-40)",
        ),
        &set.per_seed(|seed| {
            let gain = |beta| {
                set.average(seatbelt, beta, seed, &nll)
                    - set.average(Group::Tcvae, beta, seed, &nll)
            };
            smallest(large().map(gain))
        }),
        0.0,
        "smallest difference of the mean −log p(xᵗ|z*) at β ≥ 4",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-{stem}-delta"),
            &format!(
                "on {name}, for every β ≥ 4 the loss of the attack ({label}) is larger on the \
                 Seatbelt-VAE than on the β-TCVAE"
            ),
            "thesis figure 5.6; paper figure 5 (the plots: all panels but W₂ on chairs)",
        ),
        &set.per_seed(|seed| {
            let gain = |b| set.decades((seatbelt, b), (Group::Tcvae, b), seed, &delta);
            smallest(large().map(gain))
        }),
        0.0,
        "smallest log₁₀ of the ratio of the mean Δ at β ≥ 4",
    );
    for group in [Group::Tcvae, seatbelt] {
        let (short, words) = match group {
            Group::Layers(_) => ("seatbelt", "Seatbelt-VAE"),
            _ => ("tcvae", "β-TCVAE"),
        };
        page.claim_above(
            (
                &format!("{id}-{name}-{stem}-{short}-beta"),
                &format!(
                    "on {name}, the largest β makes the target less likely under the attack \
                     ({label}) on the {words} than β = 1"
                ),
                "thesis section 5.6.1 (of the plots, not KL on faces and W₂ on chairs for β-TCVAEs)",
            ),
            &set.per_seed(|seed| {
                set.average(group, last, seed, &nll) - set.average(group, first, seed, &nll)
            }),
            0.0,
            "difference of the mean −log p(xᵗ|z*)",
        );
    }
    // The same without the penalties at which nobody attacks, as a check of what the mean hides.
    let is_free = |r: &AttackRecord| r.pair < pairs && r.lambda <= FREE_LAMBDA;
    let success = |group, seed| set.success((group, last, seed), kind, is_free);
    page.claim_above(
        (
            &format!("{id}-{name}-{stem}-success"),
            &format!(
                "on {name}, where the norm is nearly free, the attack ({label}) succeeds less on \
                 the Seatbelt-VAE than on the β-TCVAE at the largest β"
            ),
            "specification §8 (success fraction); not in the sources",
        ),
        &set.per_seed(|seed| success(Group::Tcvae, seed) - success(seatbelt, seed)),
        0.0,
        "difference of the success fractions (of mean likelihoods) at λ ≤ 2⁻¹⁰",
    );
}
