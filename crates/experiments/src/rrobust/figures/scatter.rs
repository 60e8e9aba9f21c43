//! Figure 6.6: the bound against the estimated margin, and the margin against
//! the degradation under attack.

use super::agreement::{self, Pairs};
use super::table::degradation_norms;
use super::worth;
use crate::averages::{mean, median};
use crate::claims::never;
use crate::page::{Page, block_id};
use crate::rrobust::measure::Network;
use crate::rrobust::plots::{Statistic, setting_table};
use crate::rrobust::statistics::{
    bound, bound_and_margin, bound_and_random_margin, degradations, distortion, jacobian,
    refutations, values,
};
use crate::rrobust::study::{Set, Study};
use anyhow::Result;
use vaegis_eval::margin::InputMargin;
use vaegis_eval::margin_summary::MarginSummary;
use vaegis_report::{Axis, Block, Claim, Figure, Points, Table};
use vaegis_theory::bisection::MarginStatus;
use vaegis_theory::stats::spearman;

/// Pooled correlation of bound and margin that counts as reproduced.
const CORRELATION: f64 = 0.70;
/// Slopes of the margin on the bound, and median ratios, that count as reproduced.
const SLOPES: (f64, f64) = (1.3, 8.0);
const RATIOS: (f64, f64) = (2.0, 10.0);
/// Median ratio of the random-direction margin to the adversarial one.
const RANDOM_RATIO: f64 = 4.0;
/// Rank correlation of margin and signed degradation.
const RANK_CORRELATION: f64 = 0.35;

/// Draws and judges the figure.
pub(super) fn bound_against_margin(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let margins = &study.config.margins;
    page.section.push(Block::Text(format!(
        "{} images per network. Margins by bisection with {} starts of projected gradient \
         ({} steps) per radius, V2, no pixel box, at r = {} (CIFAR-10: {}); estimates from above, \
         since attacks are incomplete. Bounds are first order in the perturbation and hold for \
         attacks on the mean (V1).",
        study.config.images,
        margins.restarts,
        margins.steps,
        study.config.sets[0].r,
        study.config.sets[study.config.sets.len() - 1].r,
    )));
    for set in &study.sets {
        let name = set.config.name.clone();
        page.section.push(scatter(set, id)?);
        for at in degradation_norms(&study.config.norms) {
            page.section.push(degradation_scatter(study, set, id, at)?);
        }
        page.section.push(random_scatter(study, set, id)?);
        page.section.push(networks(set, id)?);
        worth::show(set, set.config.r, id, page)?;
        judge(study, set, id, &name, page);
    }
    agreement::show(study, id, page)?;
    Ok(())
}

fn points(set: &Set, of: impl Fn(&Network) -> (Vec<f64>, Vec<f64>)) -> Vec<Points> {
    let of_setting = |setting: super::super::config::Setting| {
        let (x, y): (Vec<_>, Vec<_>) = set.at(setting).into_iter().map(&of).unzip();
        Points::new(&setting.label(), x.concat(), y.concat())
    };
    set.settings().into_iter().map(of_setting).collect()
}

fn scatter(set: &Set, id: &str) -> Result<Figure> {
    let figure = Figure::scatter(
        &block_id(id, &[&set.config.name, "bound"]),
        &format!("Bound against margin on {}", set.title()),
        Axis::linear("B_F"),
        Axis::linear(&format!("margin R (r = {})", set.config.r)),
        points(set, bound_and_margin),
    )?;
    Ok(figure.with_identity().with_regression().with_caption(
        "One point per image and network; below y = x the bound would be refuted. Images whose \
         bound is 0 (p₀ at most ½) are left out and counted in the table.",
    ))
}

fn degradation_scatter(study: &Study<'_>, set: &Set, id: &str, at: usize) -> Result<Figure> {
    let norm = study.config.norms[at];
    let figure = Figure::scatter(
        &block_id(id, &[&set.config.name, "degradation", &format!("{norm}")]),
        &format!(
            "Margin against degradation at norm {norm} on {}",
            set.title()
        ),
        Axis::linear(&format!("margin R (r = {})", set.config.r)),
        Axis::linear("(log p(x|z*) − log p(x|z)) / |log p(x|z)|"),
        points(set, |n| (values(&n.margins), degradations(n, at))),
    )?;
    Ok(figure.with_caption(
        "Signed, as the published plots show it; the text prints its absolute value over a \
         negative number. The norm of the published plots is not stated.",
    ))
}

fn random_scatter(study: &Study<'_>, set: &Set, id: &str) -> Result<Figure> {
    let figure = Figure::scatter(
        &block_id(id, &[&set.config.name, "random"]),
        &format!("Bound against random-direction margin on {}", set.title()),
        Axis::linear("B_F"),
        Axis::linear("margin along a random direction"),
        points(set, bound_and_random_margin),
    )?;
    Ok(figure.with_identity().with_caption(&format!(
        "The paper's estimate: an average-case radius, cut at {}.",
        study.config.ray_cap
    )))
}

/// Median ratio of the random-direction margin to the adversarial one; NaN where the cap of the
/// search leaves open on which side of the claim's ratio it lies.
fn random_ratio(networks: &[&Network]) -> f64 {
    let each = networks
        .iter()
        .flat_map(|n| n.margins.iter().zip(random_margins(n)));
    // Where an image is not robust at rest, both are 0.
    let robust = each.filter(|(m, _)| m.margin.value > 0.0);
    median_of_cut(
        robust.map(|(m, random)| (random.margin.value / m.margin.value, is_cut(random))),
        RANDOM_RATIO,
    )
}

/// Median of values of which some are only lower limits; NaN where it may lie on either side of
/// the threshold.
fn median_of_cut(values: impl Iterator<Item = (f64, bool)>, threshold: f64) -> f64 {
    let (at_least, at_most): (Vec<f64>, Vec<f64>) = values
        .map(|(value, is_limit)| (value, if is_limit { f64::MAX } else { value }))
        .unzip();
    let (at_least, at_most) = (median(at_least), median(at_most));
    if at_least < threshold && at_most >= threshold {
        f64::NAN
    } else {
        at_least
    }
}

fn is_cut(margin: &InputMargin) -> bool {
    margin.margin.status == MarginStatus::AtCap
}

fn random_margins(network: &Network) -> &[InputMargin] {
    network.rays.as_ref().map_or(&[], |rays| &rays.margins)
}

fn judge(study: &Study<'_>, set: &Set, id: &str, name: &str, page: &mut Page) {
    let last = study.config.norms.len() - 1;
    page.claim_above(
        (
            &format!("{id}-{name}-correlates"),
            &format!("on {name}, bound and margin correlate over networks"),
            "thesis figure 6.6(a-c) (published 0.840, 0.831, 0.879; acceptance band 1)",
        ),
        &set.pooled(|n| Pairs::adversarial(n).correlation()),
        CORRELATION,
        "pooled Pearson ρ",
    );
    let all: Vec<&Network> = set.networks.iter().collect();
    let (refuted, judged) = refutations(&all);
    let claim = Claim::new(
        &format!("{id}-{name}-never-below"),
        &format!("on {name}, no margin lies below its bound"),
        "thesis theorem 6.1 and figure 6.6 (first order: may fail; acceptance band 2)",
        "no image whose bracket of R ends below B_F (plug-in p₀)",
    );
    page.claims.push(never(claim, refuted, judged, "images"));
    let within = |(low, high): (f64, f64), value: f64| (value - low).min(high - value);
    page.claim_above(
        (
            &format!("{id}-{name}-slope"),
            &format!("on {name}, the slope of the margin on the bound is between 1.3 and 8"),
            "thesis figure 6.6 (read off: 3.6, 5.2, 3.8; acceptance band 3)",
        ),
        &set.pooled(|n| within(SLOPES, Pairs::adversarial(n).slope())),
        0.0,
        "distance of the slope from the ends of its band",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-ratio"),
            &format!("on {name}, the median ratio of margin to bound is between 2 and 10"),
            "thesis figure 6.6 (read off: 2.8, 3.9, 3.8; acceptance band 3)",
        ),
        &set.pooled(|n| within(RATIOS, Pairs::adversarial(n).median_ratio())),
        0.0,
        "distance of the median ratio from the ends of its band",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-random"),
            &format!("on {name}, a random direction has at least 4 times the adversarial margin"),
            "paper figure 4 against thesis figure 6.6 (acceptance band 8)",
        ),
        &set.pooled(random_ratio),
        RANDOM_RATIO,
        "median ratio of the random-direction margin to the adversarial one",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-degradation"),
            &format!("on {name}, images with a larger margin degrade less"),
            "thesis figure 6.6(d-f) (acceptance band 9: at least 0.35)",
        ),
        &set.pooled(|networks| {
            let margin: Vec<f64> = networks.iter().flat_map(|n| values(&n.margins)).collect();
            let drop: Vec<f64> = networks
                .iter()
                .flat_map(|n| degradations(n, last))
                .collect();
            spearman(&margin, &drop).unwrap_or(f64::NAN)
        }),
        RANK_CORRELATION,
        "pooled Spearman ρ of margin and signed degradation at the largest norm",
    );
}

/// One row per network: the margins beside what they cost.
fn networks(set: &Set, id: &str) -> Result<Table> {
    let own_correlation = |n: &Network| Pairs::adversarial(&[n]).correlation();
    let of_margins = |n: &Network, pick: fn(&MarginSummary) -> f64| {
        let summary = MarginSummary::of(n.margins.iter().map(|m| &m.margin));
        summary.map_or(f64::NAN, |summary| pick(&summary))
    };
    let columns: [Statistic<'_>; 15] = [
        ("margin R", &|n| of_margins(n, |s| s.mean)),
        ("lower quartile", &|n| of_margins(n, |s| s.lower_quartile)),
        ("median R", &|n| of_margins(n, |s| s.median)),
        ("upper quartile", &|n| of_margins(n, |s| s.upper_quartile)),
        ("smallest R", &|n| of_margins(n, |s| s.minimum)),
        ("at the cap", &|n| of_margins(n, |s| s.share_at_cap)),
        ("not robust at rest", &|n| {
            of_margins(n, |s| s.share_not_robust)
        }),
        ("bracket from 0", &|n| {
            of_margins(n, |s| s.share_bracketed_at_zero)
        }),
        ("B_F", &bound),
        ("ρ within", &own_correlation),
        ("p₀", &|n| mean(n.bounds.iter().map(|b| b.p0.value()))),
        ("‖J‖_F", &jacobian),
        ("random-direction R", &|n| mean(values(random_margins(n)))),
        ("random at the cap", &|n| {
            let margins = random_margins(n).iter();
            mean(margins.map(|m| f64::from(u8::from(is_cut(m)))))
        }),
        ("‖x − g(μ(x))‖", &distortion),
    ];
    setting_table(
        set,
        &set.settings(),
        (
            &block_id(id, &[&set.config.name, "networks"]),
            &format!("Networks on {}", set.title()),
            "Means over images, 95 % intervals over seeds; margins are empirical, and an image at \
             the cap counts with the cap. Two kinds of 0: not robust at rest, and a bracket that \
             begins at 0. ρ within: correlation of bound and \
             margin among the images of one network. ‖J‖_F over more test images than the rest; \
             random: the search along one random direction has a cap of its own.",
        ),
        &columns,
    )
}

#[cfg(test)]
mod tests {
    use super::median_of_cut;

    #[test]
    fn a_cut_median_decides_only_what_its_limits_decide() {
        let of = |values: &[(f64, bool)]| median_of_cut(values.iter().copied(), 4.0);
        // Nothing is cut; above the threshold at least; surely below; on either side.
        assert_eq!(of(&[(2.0, false), (3.0, false), (9.0, false)]), 3.0);
        assert_eq!(of(&[(2.0, false), (5.0, true), (9.0, true)]), 5.0);
        assert_eq!(of(&[(2.0, false), (3.0, false), (3.5, true)]), 3.0);
        assert!(of(&[(2.0, false), (3.0, true), (3.5, true)]).is_nan());
        assert!(of(&[]).is_nan());
    }
}
