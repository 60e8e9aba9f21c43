//! Figure D.4: the mutual information gap against the attack's loss.

use crate::RunCtx;
use crate::averages::mean;
use crate::claims::{LEVEL, over_seeds};
use crate::page::Page;
use crate::seatbelt::grid::statistics::attacked;
use crate::seatbelt::grid::{
    AttackKind, Family, Group, Measure, Models, Node, Request, Set, Study,
};
use anyhow::Result;
use vaegis_report::{Axis, Cell, Claim, ClaimResult, Figure, Points, Table, Verdict};
use vaegis_theory::stats::spearman;

const KIND: AttackKind = AttackKind::Kl;
const REQUEST: Request = Request {
    sets: &["faces", "chairs"],
    models: Models::Tcvae,
    measures: &[Measure::Disentanglement, Measure::Attack(KIND)],
};
/// Latents of the sources' figure.
const LATENTS: [i64; 2] = [8, 32];

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    for set in &study.sets {
        let latents = shown(set);
        if points(set, &latents, None).0.is_empty() {
            page.section
                .push(format!("{} has no known factors: no gap.", set.title()).as_str());
            continue;
        }
        let groups = latents.iter().map(|&d| {
            let (x, y) = points(set, &[d], None);
            Points::new(&Group::Latent(d).label(), x, y)
        });
        let figure = Figure::scatter(
            &set.id(id, &["scatter"]),
            &format!("Disentanglement and robustness, {}", set.name()),
            Axis::linear("MIG"),
            Axis::log10("mean Δ_KL in nats"),
            groups.collect(),
        )?;
        page.section.push(figure.with_caption(&format!(
            "One point a model (β, latents, seed). Gap over the factors {}.",
            set.config.factors.join(", ")
        )));
        page.section.push(table(set, &latents, id)?);
        judge(set, &latents, id, page);
    }
    Ok(())
}

/// The sources' latents, or all where the grid has none of them.
fn shown(set: &Set) -> Vec<i64> {
    let all = &set.config.latents;
    let of_sources: Vec<i64> = all
        .iter()
        .copied()
        .filter(|d| LATENTS.contains(d))
        .collect();
    if of_sources.is_empty() {
        all.clone()
    } else {
        of_sources
    }
}

fn loss(node: &Node) -> f64 {
    mean(attacked(KIND, |r| r.delta)(node))
}

/// Gaps and losses of the models with these latents; of one seed where it is given.
fn points(set: &Set, latents: &[i64], seed: Option<u64>) -> (Vec<f64>, Vec<f64>) {
    let is_shown = |n: &&Node| {
        let has = matches!(n.setting.family, Family::Tcvae(d) if latents.contains(&d));
        has && seed.is_none_or(|s| n.seed == s)
    };
    let both = set.nodes.iter().filter(is_shown);
    both.filter_map(|n| Some((n.mig.as_ref()?.score, loss(n))))
        .unzip()
}

fn table(set: &Set, latents: &[i64], id: &str) -> Result<Table> {
    let mut names = vec!["latents", "β", "seed", "Δ_KL", "MIG"];
    names.extend(set.config.factors.iter().map(String::as_str));
    let mut table = Table::new(
        &set.id(id, &["table"]),
        &format!("Gap and loss of every model: {}", set.title()),
        &names,
    )
    .with_caption("MIG, its part of each factor, and the mean loss of the latent KL attack.");
    for node in &set.nodes {
        let Family::Tcvae(latent) = node.setting.family else {
            continue;
        };
        let Some(mig) = node.mig.as_ref().filter(|_| latents.contains(&latent)) else {
            continue;
        };
        let mut row: Vec<Cell> = vec![
            latent.into(),
            node.setting.beta.into(),
            (node.seed as usize).into(),
            loss(node).into(),
            mig.score.into(),
        ];
        row.extend(mig.gaps.iter().map(|&g| Cell::from(g)));
        table.push_row(row)?;
    }
    Ok(table)
}

/// Rank correlations below this are no simple relation.
const UNRELATED: f64 = 0.5;

/// "No simple relation" is shown by an interval of the rank correlation that holds 0 and nothing
/// beyond the band, refuted by one without 0, and left open by a wide one.
fn judge(set: &Set, latents: &[i64], id: &str, page: &mut Page) {
    let name = &set.config.name;
    let per_seed = set.per_seed(|seed| {
        let (gap, loss) = points(set, latents, Some(seed));
        spearman(&gap, &loss).unwrap_or(f64::NAN)
    });
    let values: Vec<f64> = per_seed.iter().map(|(_, v)| *v).collect();
    let estimate = over_seeds(&values);
    let claim = Claim::new(
        &format!("{id}-{name}-unrelated"),
        &format!("on {name}, MIG and Δ_KL have no simple relation"),
        "thesis figure D.4; paper figure E.11",
        "rank correlation over β and latents, per seed: the 95 % interval has both signs and lies \
         within ±0.5",
    );
    let is_known = values.iter().all(|v| v.is_finite()) && estimate.lower.is_finite();
    let has_both_signs = estimate.lower <= 0.0 && estimate.upper >= 0.0;
    let is_narrow = estimate.lower >= -UNRELATED && estimate.upper <= UNRELATED;
    let verdict = match (is_known, has_both_signs, is_narrow) {
        (true, false, _) => Verdict::Fails,
        (true, true, true) => Verdict::Holds,
        _ => Verdict::Inconclusive,
    };
    let observed = format!(
        "Spearman's ρ: mean {:.3} over {} seeds of {} models each",
        estimate.value,
        values.len(),
        points(set, latents, Some(set.seeds()[0])).0.len(),
    );
    let result = ClaimResult::new(claim, verdict, &observed).with_seeds(per_seed);
    page.claims.push(if estimate.lower.is_finite() {
        result.with_interval(estimate.lower, estimate.upper, LEVEL)
    } else {
        result
    });
}
