//! Lines and tables in the forms that the grid's figures share.

use super::config::Group;
use super::measure::{AttackKind, Node};
use super::statistics::{Average, FREE_LAMBDA, Values, attacked, attacked_where};
use super::study::Set;
use crate::averages::mean;
use crate::claims::{LEVEL, over_seeds};
use anyhow::Result;
use vaegis_core::SeedTree;
use vaegis_report::{Axis, Cell, Figure, Line, Table};
use vaegis_theory::stats::bootstrap_mean_ci;

/// Resamples of a band, as in the sources' plots.
const RESAMPLES: usize = 1000;

/// What every caption of a line says about its band.
pub(crate) const BAND: &str = "Arithmetic means over pairs, penalties, latents and seeds; bands are 95 % \
                        percentile bootstrap intervals of the mean (1000 resamples).";

/// A curve of a group: its members and what each contributes.
pub(crate) type Curve<'a> = (String, Group, Values<'a>);

/// Means against β with bootstrap bands.
///
/// # Errors
/// An impossible axis.
pub(crate) fn against_beta(
    set: &Set,
    words: (&str, &str, &str),
    y: Axis,
    curves: &[Curve<'_>],
) -> Result<Figure> {
    beside_references(set, words, y, curves, &[])
}

/// [`against_beta`] with references, which are means without bands.
///
/// # Errors
/// As [`against_beta`].
pub(crate) fn beside_references(
    set: &Set,
    (id, title, caption): (&str, &str, &str),
    y: Axis,
    curves: &[Curve<'_>],
    references: &[Curve<'_>],
) -> Result<Figure> {
    let mut lines = Vec::new();
    for (name, group, values) in curves {
        let betas = set.betas(*group);
        let (mut middle, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
        for &beta in &betas {
            let pool = set.pool(*group, beta, None, values);
            // The same resamples for every point: a picture does not depend on what else is drawn.
            let seed = SeedTree::new(0).child("bootstrap");
            // A loss that overflowed is a result too: its mean is shown without a band.
            let band = bootstrap_mean_ci(&pool, LEVEL, RESAMPLES, &seed).ok();
            middle.push(band.map_or_else(|| mean(pool.iter().copied()), |b| b.value));
            low.push(band.map_or(f64::NAN, |b| b.lower));
            high.push(band.map_or(f64::NAN, |b| b.upper));
        }
        lines.push(Line::new(name, betas, middle).with_band(low, high));
    }
    for (name, group, values) in references {
        let betas = set.betas(*group);
        let at = |beta: &f64| mean(set.pool(*group, *beta, None, values));
        let means = betas.iter().map(at).collect();
        lines.push(Line::new(name, betas, means));
    }
    let figure = Figure::lines(id, title, Axis::linear("β"), y, lines)?;
    Ok(figure.with_caption(caption))
}

/// Medians over pairs, latents and seeds of an attack's number against the penalty.
///
/// # Errors
/// Lengths that differ.
pub(crate) fn against_lambda(
    set: &Set,
    (id, title, caption): (&str, &str, &str),
    y: Axis,
    curves: &[(String, Group, f64, AttackKind)],
    pick: fn(&vaegis_attacks::record::AttackRecord) -> f64,
) -> Result<Figure> {
    let mut lines = Vec::new();
    for (name, group, beta, kind) in curves {
        let members = set.members(*group, *beta, None);
        let mut lambdas: Vec<f64> = members
            .iter()
            .flat_map(|n| n.records(*kind).iter().map(|r| r.lambda))
            .collect();
        lambdas.sort_by(f64::total_cmp);
        lambdas.dedup();
        let at = |lambda: &f64| {
            let values = attacked_where(*kind, |r| r.lambda == *lambda, pick);
            Average::Median.of(&set.pool(*group, *beta, None, &values))
        };
        let medians = lambdas.iter().map(at).collect();
        lines.push(Line::new(name, lambdas, medians));
    }
    let figure = Figure::lines(id, title, Axis::log10("λ"), y, lines)?;
    Ok(figure.with_caption(caption))
}

/// A column of a table: heading, and the number of one group, β and seed.
pub(crate) type Column<'a> = (&'a str, &'a dyn Fn(Group, f64, u64) -> f64);

/// A table with one row per group and β and an interval over seeds in each cell. A column that
/// has no number for a row leaves it empty.
///
/// # Errors
/// Never, as every row is as long as the headings.
pub(crate) fn model_table(
    set: &Set,
    groups: &[Group],
    (id, title, caption): (&str, &str, &str),
    columns: &[Column<'_>],
) -> Result<Table> {
    let mut names = vec!["model", "β"];
    names.extend(columns.iter().map(|(name, _)| *name));
    let mut table = Table::new(id, title, &names).with_caption(caption);
    for &group in groups {
        for beta in set.betas(group) {
            let mut row = vec![Cell::from(group.label()), Cell::from(beta)];
            for (_, number) in columns {
                let values = set.per_seed(|seed| number(group, beta, seed));
                let values: Vec<f64> = values.into_iter().map(|(_, v)| v).collect();
                row.push(interval(&values));
            }
            table.push_row(row)?;
        }
    }
    Ok(table)
}

/// The mean over seeds with its interval; without an interval where there is one seed, nothing
/// where a value is missing.
pub(crate) fn interval(values: &[f64]) -> Cell {
    if values.is_empty() || values.iter().any(|v| v.is_nan()) {
        return Cell::Missing;
    }
    let estimate = over_seeds(values);
    if estimate.lower.is_finite() {
        Cell::from((estimate.value, estimate.lower, estimate.upper))
    } else {
        Cell::from(estimate.value)
    }
}

/// What one attack does to the models of some groups, beside its references.
///
/// # Errors
/// As [`model_table`].
pub(crate) fn attack_table(
    set: &Set,
    groups: &[Group],
    kind: AttackKind,
    (id, title): (&str, &str),
    published: &[Column<'_>],
) -> Result<Table> {
    let nll = attacked(kind, |r| r.nll_target);
    let free = attacked_where(kind, |r| r.lambda <= FREE_LAMBDA, |r| r.nll_target);
    let none = attacked(kind, |r| r.nll_target_no_attack);
    let perfect = attacked(kind, |r| r.nll_target_perfect);
    let random = |n: &Node| {
        n.attacks
            .get(&kind)
            .map_or_else(Vec::new, |a| a.random.clone())
    };
    let success = |place| set.success(place, kind, |r| r.lambda <= FREE_LAMBDA);
    let delta = attacked(kind, |r| r.delta);
    let clean = attacked(kind, |r| r.divergence_clean);
    let norm = attacked_where(kind, |r| r.lambda <= FREE_LAMBDA, |r| r.norm_l2);
    let of = |average: Average, values: Values<'_>, (group, beta, seed): (Group, f64, u64)| {
        average.of(&set.pool(group, beta, Some(seed), values))
    };
    use Average::{Geometric, Mean, Median};
    let mut columns: Vec<Column<'_>> = Vec::new();
    let columns_of_ours: [Column<'_>; 12] = [
        ("−log p(xᵗ|z*), mean", &|g, b, s| {
            of(Mean, &nll, (g, b, s))
        }),
        ("median", &|g, b, s| of(Median, &nll, (g, b, s))),
        ("mean, λ ≤ 2⁻¹⁰", &|g, b, s| {
            of(Mean, &free, (g, b, s))
        }),
        ("no attack", &|g, b, s| of(Mean, &none, (g, b, s))),
        ("perfect attack", &|g, b, s| of(Mean, &perfect, (g, b, s))),
        ("random noise of equal norm", &|g, b, s| {
            of(Mean, &random, (g, b, s))
        }),
        ("success, λ ≤ 2⁻¹⁰", &|g, b, s| success((g, b, s))),
        ("Δ, mean", &|g, b, s| of(Mean, &delta, (g, b, s))),
        ("Δ, median", &|g, b, s| of(Median, &delta, (g, b, s))),
        ("Δ, geometric", &|g, b, s| of(Geometric, &delta, (g, b, s))),
        ("divergence without attack", &|g, b, s| {
            of(Mean, &clean, (g, b, s))
        }),
        ("‖d‖, λ ≤ 2⁻¹⁰", &|g, b, s| {
            of(Mean, &norm, (g, b, s))
        }),
    ];
    columns.extend(columns_of_ours);
    columns.extend(published.iter().copied());
    let title = format!("{title}: {}", set.title());
    let caption = "Means over pairs and penalties with intervals over seeds, in nats and pixel \
                   units. Success: 0 as without attack, 1 as with the target's own code. The \
                   divergence without attack is what Δ tends to at large λ. Published: read off \
                   the sources' plots of 64 × 64 images; there to compare shapes, not sizes.";
    model_table(set, groups, (id, &title, caption), &columns)
}

/// Mean over the models of a group of a number that each has once.
pub(crate) fn of_models(
    set: &Set,
    (group, beta, seed): (Group, f64, u64),
    number: impl Fn(&Node) -> Option<f64>,
) -> f64 {
    let members = set.members(group, beta, Some(seed));
    mean(members.into_iter().map(|n| number(n).unwrap_or(f64::NAN)))
}
