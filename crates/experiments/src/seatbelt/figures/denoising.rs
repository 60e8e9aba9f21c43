//! Figure D.5: densities of the likelihood after noise on the input.

use crate::RunCtx;
use crate::averages::mean;
use crate::claims::smallest;
use crate::page::Page;
use crate::seatbelt::grid::plots::{BAND, against_beta};
use crate::seatbelt::grid::{Group, Measure, Models, Node, Request, Set, Study};
use anyhow::Result;
use vaegis_report::{Axis, Figure, Histogram};

const REQUEST: Request = Request {
    sets: &["chairs"],
    models: Models::Main,
    measures: &[Measure::Denoising],
};
/// Bins of a density.
const BINS: usize = 30;

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    for set in &study.sets {
        for (group, short) in [(Group::Tcvae, "tcvae"), (set.main()?, "seatbelt")] {
            for &scale in &study.config.noise_scales {
                page.section.push(density(set, (group, short), scale, id)?);
            }
            let values: Vec<_> = study
                .config
                .noise_scales
                .iter()
                .map(|&scale| (scale, move |n: &Node| likelihoods(n, scale)))
                .collect();
            let curves: Vec<_> = values
                .iter()
                .map(|(scale, values)| (format!("a = {scale}"), group, values as _))
                .collect();
            page.section.push(against_beta(
                set,
                (
                    &set.id(id, &[short, "means"]),
                    &format!(
                        "Mean likelihood after noise, {}, {}",
                        group.label(),
                        set.name()
                    ),
                    BAND,
                ),
                Axis::linear("log p(x | z) in nats"),
                &curves,
            )?);
            let noisy = study
                .config
                .noise_scales
                .iter()
                .copied()
                .filter(|a| *a > 0.0);
            for scale in noisy {
                judge(set, (group, short), scale, id, page);
            }
        }
    }
    Ok(())
}

/// log p(x|z) of every test image at a noise scale.
fn likelihoods(node: &Node, scale: f64) -> Vec<f64> {
    let at = node.denoising.iter().find(|d| d.scale == scale);
    at.map_or_else(Vec::new, |d| d.log_likelihood.clone())
}

fn density(set: &Set, (group, short): (Group, &str), scale: f64, id: &str) -> Result<Figure> {
    let values = |n: &Node| likelihoods(n, scale);
    let betas = set.betas(group);
    let all: Vec<f64> = betas
        .iter()
        .flat_map(|&b| set.pool(group, b, None, &values))
        .collect();
    let finite = all.iter().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| {
        (l.min(v), h.max(v))
    });
    let width = (high - low).max(f64::MIN_POSITIVE) / BINS as f64;
    let edges: Vec<f64> = (0..=BINS).map(|i| low + i as f64 * width).collect();
    let series = betas.iter().map(|&beta| {
        let pool = set.pool(group, beta, None, &values);
        Histogram::from_values(&format!("β = {beta}"), &pool, edges.clone())
    });
    let stem = format!("a{}", scale.to_string().replace('.', "-"));
    let figure = Figure::histogram(
        &set.id(id, &[short, &stem]),
        &format!(
            "Likelihood after noise a = {scale}, {}, {}",
            group.label(),
            set.name()
        ),
        Axis::linear("log p(x | z) in nats"),
        series.collect(),
    )?;
    Ok(figure.with_caption(
        "All test images, latents and seeds; z from x + a ε, ε standard normal, not clipped.",
    ))
}

fn judge(set: &Set, (group, short): (Group, &str), scale: f64, id: &str, page: &mut Page) {
    let name = &set.config.name;
    let betas = set.betas(group);
    let first = betas[0];
    let at =
        |beta, seed| mean(set.pool(group, beta, Some(seed), &|n: &Node| likelihoods(n, scale)));
    page.claim_above(
        (
            &format!("{id}-{name}-{short}-a{scale}"),
            &format!(
                "on {name}, after noise of scale {scale} every β > 1 explains the clean image \
                 better than β = 1 ({})",
                group.label()
            ),
            "thesis figure D.5; paper figure F.12",
        ),
        &set.per_seed(|seed| {
            let larger = betas.iter().filter(|b| **b > first);
            smallest(larger.map(|&b| at(b, seed) - at(first, seed)))
        }),
        0.0,
        "smallest rise of the mean log p(x|z) over β = 1 in nats",
    );
}
