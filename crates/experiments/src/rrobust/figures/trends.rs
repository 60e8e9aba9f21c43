//! Figures 6.7 and 6.9: what τ and β do.

use super::rays::adversarial;
use super::table::{beside_reference, quality};
use crate::averages::mean;
use crate::page::{Page, block_id};
use crate::rrobust::config::Setting;
use crate::rrobust::measure::{Network, Spread};
use crate::rrobust::plots::{Statistic, against_beta, curves, setting_table};
use crate::rrobust::reference::REPRODUCED;
use crate::rrobust::statistics::{
    attacked_likelihood, distortion, jacobian, mean_margin, mean_other_margin, mean_other_p0,
    r_min, sigma, values,
};
use crate::rrobust::study::{Set, Study};
use anyhow::Result;
use vaegis_report::{Axis, Figure, Histogram, Table};

/// Bins of the distribution of margins.
const BINS: usize = 20;
/// τ = 0.1 may tie with τ = 0.
const MAY_TIE: f64 = 0.1;

/// log p(x|z*) against the norm of the attack.
fn attack_curve(study: &Study<'_>, set: &Set, settings: &[Setting], id: &str) -> Result<Figure> {
    curves(
        set,
        settings,
        (
            &block_id(id, &["likelihood-norm"]),
            "Likelihood of the clean image under attack",
            "z* is the mean encoding of the attacked image.",
        ),
        (
            Axis::linear("norm L of the attack"),
            Axis::linear("log p(x | z*) in nats"),
        ),
        &study.config.norms,
        |n, at| {
            n.damage[at]
                .rows
                .iter()
                .map(|r| r.degradation.attacked)
                .collect()
        },
    )
}

/// log p(x|z*) against the variance of the input noise.
pub(super) fn noise_curve(
    study: &Study<'_>,
    set: &Set,
    settings: &[Setting],
    id: &str,
) -> Result<Figure> {
    curves(
        set,
        settings,
        (
            &block_id(id, &["likelihood-noise"]),
            "Likelihood of the clean image under input noise",
            "z* is the mean encoding of the noisy image; nothing is clipped.",
        ),
        (Axis::linear("σ_ε²"), Axis::linear("log p(x | z*) in nats")),
        &study.config.noise_variances,
        |n, at| n.input_noise[at].clone(),
    )
}

/// Margins at other r, where the order may reverse.
fn at_other_r(set: &Set, settings: &[Setting], id: &str) -> Result<Option<Table>> {
    let all = &set.config.other_r;
    if all.is_empty() {
        return Ok(None);
    }
    let reference = |n: &Network| {
        let row = REPRODUCED.iter().find(|row| row.label == n.setting.label());
        let known = row.and_then(|row| row.margin_at_2);
        known
            .filter(|_| set.images.is_real && all.contains(&2.0))
            .unwrap_or(f64::NAN)
    };
    let own = format!("R at r = {}", set.config.r);
    let margins: Vec<_> = (0..all.len())
        .map(|which| move |n: &Network| mean_other_margin(n, which))
        .collect();
    let shares: Vec<_> = (0..all.len())
        .map(|which| move |n: &Network| mean_other_p0(n, which))
        .collect();
    let names: Vec<[String; 2]> = all
        .iter()
        .map(|r| [format!("R at r = {r}"), format!("p₀ at r = {r}")])
        .collect();
    let mut columns: Vec<Statistic<'_>> = vec![(&own, &mean_margin)];
    for (which, [margin, share]) in names.iter().enumerate() {
        columns.push((margin, &margins[which]));
        columns.push((share, &shares[which]));
    }
    columns.push(("r_min", &r_min));
    columns.push(("‖x − g(μ(x))‖", &distortion));
    columns.push(("reference R at r = 2", &reference));
    let table = setting_table(
        set,
        settings,
        (
            &block_id(id, &["other-r"]),
            "Margins at other r",
            "At a small r, the smallest usable radius of wide posteriors exceeds r and the order \
             may reverse. Reference: the independent reproduction at r = 2.",
        ),
        &columns,
    )?;
    Ok(Some(table))
}

fn margin_histogram(set: &Set, settings: &[Setting], id: &str) -> Result<Figure> {
    let of = |setting: Setting| -> Vec<f64> {
        set.at(setting)
            .iter()
            .flat_map(|n| values(&n.margins))
            .collect()
    };
    let highest = settings
        .iter()
        .flat_map(|&s| of(s))
        .fold(f64::MIN_POSITIVE, f64::max);
    let edges: Vec<f64> = (0..=BINS)
        .map(|i| highest * i as f64 / BINS as f64)
        .collect();
    let histogram = |&s: &Setting| Histogram::from_values(&s.label(), &of(s), edges.clone());
    let figure = Figure::histogram(
        &block_id(id, &["margins"]),
        &format!("Margins R at r = {}", set.config.r),
        Axis::linear("R"),
        settings.iter().map(histogram).collect(),
    )?;
    Ok(figure.with_caption("Lower ends of the brackets of all images and seeds, m = ½."))
}

/// The settings along which a quantity has to grow: all but the one that may tie with none.
pub(super) fn rising(settings: &[Setting]) -> Vec<Setting> {
    let settings = settings.iter().copied();
    settings
        .filter(|s| s.tau.total_cmp(&MAY_TIE).is_ne())
        .collect()
}

/// Figure 6.7.
pub(super) fn offset_on_sigma(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::MNIST)?;
    let settings = set.config.taus();
    let r = set.config.r;
    let p_axis = Axis::linear(&format!("P(‖Δ(x, δ)‖ ≤ {r})")).with_range(0.0, 1.0);
    let figure = curves(
        set,
        &settings,
        (
            &block_id(id, &["probability"]),
            "Probability of staying within r",
            "Along the direction of each image's strongest attack.",
        ),
        (Axis::linear("‖δ‖₂"), p_axis),
        &study.config.ray_norms,
        adversarial,
    )?;
    page.section
        .push(figure.with_horizontal("m", study.config.margins.m));
    page.section.push(noise_curve(study, set, &settings, id)?);
    page.section.push(attack_curve(study, set, &settings, id)?);
    page.section.push(quality(set, &settings, id)?);
    if set.images.is_real {
        page.section.push(beside_reference(set, &settings, id)?);
    }
    if let Some(table) = at_other_r(set, &settings, id)? {
        page.section.push(table);
    }
    let order = rising(&settings);
    page.claim_above(
        (
            &format!("{id}-margin"),
            "the margin grows with τ (τ = 0.1 may tie with none)",
            "thesis figure 6.7 (acceptance band 4)",
        ),
        &set.smallest_rise(&order, mean_margin),
        0.0,
        "smallest rise of the mean margin between neighboring τ",
    );
    let (none, most) = (settings[0], settings[settings.len() - 1]);
    let last = study.config.norms.len() - 1;
    page.claim_above(
        (
            &format!("{id}-attack"),
            "under the largest attack the clean image stays more likely with τ than without",
            "thesis figure 6.7, right",
        ),
        &set.rise((none, most), |n| attacked_likelihood(n, last)),
        0.0,
        "nats gained at the largest norm",
    );
    page.claim_above(
        (
            &format!("{id}-noise"),
            "under the largest input noise the clean image stays more likely with τ than without",
            "thesis figure 6.7, center",
        ),
        &set.rise((none, most), |n| {
            n.input_noise
                .last()
                .map_or(f64::NAN, |v| mean(v.iter().copied()))
        }),
        0.0,
        "nats gained at the largest variance",
    );
    page.claim_above(
        (
            &format!("{id}-cost"),
            "a large τ costs reconstruction quality",
            "acceptance band 10: every table shows distortion",
        ),
        &set.rise((none, most), distortion),
        0.0,
        "rise of ‖x − g(μ(x))‖",
    );
    Ok(())
}

/// Figure 6.9.
pub(super) fn beta(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::MNIST)?;
    let settings = study.config.betas();
    page.section.push(margin_histogram(set, &settings, id)?);
    page.section.push(attack_curve(study, set, &settings, id)?);
    encoder_figures(set, &settings, id, page)?;
    page.section.push(quality(set, &settings, id)?);
    if set.images.is_real {
        page.section.push(beside_reference(set, &settings, id)?);
    }
    if let Some(table) = at_other_r(set, &settings, id)? {
        page.section.push(table);
    }
    page.claim_above(
        (
            &format!("{id}-margin"),
            &format!("the margin at r = {} grows strictly with β", set.config.r),
            "thesis figure 6.9(a) (acceptance band 4)",
        ),
        &set.smallest_rise(&settings, mean_margin),
        0.0,
        "smallest rise of the mean margin between neighboring β",
    );
    let (low, high) = (settings[0], settings[settings.len() - 1]);
    page.claim_above(
        (
            &format!("{id}-margin-ends"),
            &format!(
                "the margin at {} exceeds that at {}",
                high.label(),
                low.label()
            ),
            "thesis figure 6.9(a); paper figure 7(a)",
        ),
        &set.rise((low, high), mean_margin),
        0.0,
        "difference of the mean margins",
    );
    let last = study.config.norms.len() - 1;
    page.claim_above(
        (
            &format!("{id}-attack"),
            &format!(
                "attacks cost the clean image less likelihood at {} than at {}",
                high.label(),
                low.label()
            ),
            "thesis figure 6.9(b)",
        ),
        &set.rise((low, high), |n| {
            attacked_likelihood(n, last) - attacked_likelihood(n, 0)
        }),
        0.0,
        "nats that the largest attack costs at the lowest β more than at the highest",
    );
    encoder_claims(set, &settings, id, page);
    page.claim_above(
        (
            &format!("{id}-distortion"),
            "a larger β costs reconstruction quality",
            "acceptance band 10",
        ),
        &set.smallest_rise(&settings, distortion),
        0.0,
        "smallest rise of ‖x − g(μ(x))‖ between neighboring β",
    );
    Ok(())
}

/// σ and ‖J‖ against β with their bands.
pub(super) fn encoder_figures(
    set: &Set,
    betas: &[Setting],
    id: &str,
    page: &mut Page,
) -> Result<()> {
    page.section.push(against_beta(
        set,
        betas,
        (
            &block_id(id, &["sigma"]),
            "Encoder noise against β",
            Axis::linear("mean σ"),
        ),
        |n| n.quality.as_ref().map_or(Spread::of(&[]), |q| q.sigma),
    )?);
    page.section.push(against_beta(
        set,
        betas,
        (
            &block_id(id, &["jacobian"]),
            "Encoder Jacobian against β",
            Axis::linear("‖J_μ‖_F"),
        ),
        |n| {
            let norms = n.encoder.iter().map(|b| b.jacobian_frobenius);
            Spread::of(&norms.collect::<Vec<_>>())
        },
    )?);
    Ok(())
}

/// σ rises and ‖J‖ falls with β.
pub(super) fn encoder_claims(set: &Set, betas: &[Setting], id: &str, page: &mut Page) {
    let name = &set.config.name;
    page.claim_above(
        (
            &format!("{id}-sigma"),
            &format!("on {name}, the encoder's noise grows with β"),
            "thesis figures 6.9(c), E.3, E.4, E.5 (acceptance band 5)",
        ),
        &set.smallest_rise(betas, sigma),
        0.0,
        "smallest rise of mean σ between neighboring β",
    );
    page.claim_above(
        (
            &format!("{id}-jacobian"),
            &format!("on {name}, the encoder's Jacobian shrinks as β grows"),
            "thesis figures 6.9(d), E.3, E.4, E.5, whose captions say increase (acceptance band 5)",
        ),
        &set.smallest_rise(betas, |n| -jacobian(n)),
        0.0,
        "smallest fall of ‖J‖_F between neighboring β",
    );
}
