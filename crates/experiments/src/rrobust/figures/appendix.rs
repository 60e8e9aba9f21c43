//! Figures E.2 to E.5: the unperturbed law, and the encoder against β.

use super::table::quality;
use super::trends::{encoder_claims, encoder_figures, noise_curve, rising};
use crate::averages::mean;
use crate::page::{Page, block_id};
use crate::rrobust::config::Setting;
use crate::rrobust::plots::{curves, setting_table};
use crate::rrobust::statistics::{distortion, fixed_bound, jacobian, r_min, sigma};
use crate::rrobust::study::{Set, Study};
use anyhow::Result;
use vaegis_report::{Axis, BoxSummary, Figure};

/// Figure E.2.
pub(super) fn acceptance(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::MNIST)?;
    let groups = [
        ("beta", "by β", study.config.betas()),
        ("tau", "by τ", set.config.taus()),
    ];
    for (name, title, settings) in &groups {
        let figure = curves(
            set,
            settings,
            (
                &block_id(id, &[name]),
                &format!("Probability of staying within r without an attack, {title}"),
                "",
            ),
            (
                Axis::linear("r"),
                Axis::linear("P(‖Δ(x)‖ ≤ r)").with_range(0.0, 1.0),
            ),
            &study.config.acceptance_radii,
            |n, at| n.acceptance.iter().map(|curve| curve[at]).collect(),
        )?;
        page.section
            .push(figure.with_horizontal("m", study.config.margins.m));
    }
    page.section.push(setting_table(
        set,
        &set.settings(),
        (
            &block_id(id, &["table"]),
            "Smallest usable r",
            "r_min at m = ½ as an order statistic of the draws; means over images. The printed \
             proposition's √(2 Tr Σ) is sufficient and not necessary.",
        ),
        &[("r_min", &r_min), ("‖x − g(μ(x))‖", &distortion)],
    )?);
    for (name, _, settings) in &groups {
        let (Some(&low), Some(&high)) = (settings.first(), settings.last()) else {
            continue;
        };
        page.claim_above(
            (
                &format!("{id}-{name}"),
                &format!(
                    "the smallest usable r grows from {} to {}",
                    low.label(),
                    high.label()
                ),
                "thesis figure E.2 (acceptance band 6)",
            ),
            &set.rise((low, high), r_min),
            0.0,
            "difference of the mean r_min",
        );
        let order = rising(settings);
        page.claim_above(
            (
                &format!("{id}-{name}-everywhere"),
                &format!(
                    "the smallest usable r grows at every step from {} to {}",
                    low.label(),
                    high.label()
                ),
                "thesis figure E.2 (acceptance band 6; τ = 0.1 may tie with none)",
            ),
            &set.smallest_rise(&order, r_min),
            0.0,
            "smallest rise of the mean r_min between neighbors",
        );
    }
    Ok(())
}

/// Figure E.3.
pub(super) fn encoder_on_mnist(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::MNIST)?;
    page.section
        .push(super::pictures::prior_samples(study, set, id)?);
    with_noise(study, set, id, page)
}

/// Figure E.4.
pub(super) fn encoder_on_fashion(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::FASHION)?;
    page.section
        .push(super::pictures::prior_samples(study, set, id)?);
    with_noise(study, set, id, page)
}

/// Figure E.5.
pub(super) fn encoder_on_cifar(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    encoder(study, study.set(super::CIFAR)?, id, page)
}

fn with_noise(study: &Study<'_>, set: &Set, id: &str, page: &mut Page) -> Result<()> {
    let betas = study.config.betas();
    page.section.push(noise_curve(study, set, &betas, id)?);
    let (low, high) = (betas[0], betas[betas.len() - 1]);
    let drop = |n: &crate::rrobust::measure::Network| {
        let at = |values: Option<&Vec<f64>>| values.map_or(f64::NAN, |v| mean(v.iter().copied()));
        at(n.input_noise.first()) - at(n.input_noise.last())
    };
    page.claim_above(
        (
            &format!("{id}-noise"),
            &format!(
                "input noise costs {} less likelihood than {}",
                high.label(),
                low.label()
            ),
            "thesis figures E.3(f) and E.4(f): \"quasi constant\" at high β",
        ),
        &set.rise((high, low), drop),
        0.0,
        "nats that the largest variance costs at the lowest β more than at the highest",
    );
    encoder(study, set, id, page)
}

fn encoder(study: &Study<'_>, set: &Set, id: &str, page: &mut Page) -> Result<()> {
    let betas = study.config.betas();
    encoder_figures(set, &betas, id, page)?;
    page.section.push(bounds(set, id)?);
    page.section.push(quality(set, &set.settings(), id)?);
    page.section.push(setting_table(
        set,
        &set.settings(),
        (
            &block_id(id, &["encoder"]),
            "The encoder",
            "Means over the images, 95 % intervals over seeds.",
        ),
        &[
            ("mean σ", &sigma),
            ("‖J‖_F", &jacobian),
            ("B_F at p₀ = .9", &fixed_bound),
            ("‖x − g(μ(x))‖", &distortion),
        ],
    )?);
    encoder_claims(set, &betas, id, page);
    for (name, settings) in [("beta", betas), ("tau", set.config.taus())] {
        let order: Vec<Setting> = settings;
        if order.len() < 2 {
            continue;
        }
        page.claim_above(
            (
                &format!("{id}-bound-{name}"),
                &format!(
                    "on {}, the bound at p₀ = 0.9 grows from {} to {}",
                    set.config.name,
                    order[0].label(),
                    order[order.len() - 1].label()
                ),
                "thesis figures E.3(i), E.4(i), E.5(c) (acceptance band 5)",
            ),
            &set.smallest_rise(&order, fixed_bound),
            0.0,
            "smallest rise of the mean bound between neighbors",
        );
    }
    Ok(())
}

/// Distribution of the bound at p₀ = 0.9.
fn bounds(set: &Set, id: &str) -> Result<Figure> {
    let summary = |setting: Setting| {
        let networks = set.at(setting);
        let all = networks
            .iter()
            .flat_map(|n| n.encoder.iter().map(|b| b.at_p0_90.frobenius));
        BoxSummary::from_values(&setting.label(), &all.collect::<Vec<_>>())
    };
    let figure = Figure::boxes(
        &block_id(id, &["bounds"]),
        "The bound where r is chosen so that p₀ = 0.9",
        "network",
        Axis::log10("B_F"),
        set.settings().into_iter().map(summary).collect(),
    )?;
    Ok(figure.with_caption(
        "All measured images of all seeds. 1.2816 σ_min / ‖J‖_F: it knows neither decoder nor r.",
    ))
}
