//! The tour's report: figures and tables from the measurements.

use super::TourConfig;
use super::claims::{Models, bound_and_margin, cheap, mean_margin, sweep_mean, sweep_success};
use super::data::TourData;
use super::job::{ModelResult, average};
use super::pictures::Pictures;
use crate::RunCtx;
use crate::claims::{over_seeds, tally};
use anyhow::Result;
use vaegis_attacks::grid::lambda_grid;
use vaegis_report::{
    Axis, Block, Cell, ClaimResult, Figure, Line, Points, Report, RunManifest, Section, Table,
};
use vaegis_theory::bisection::MarginStatus;
use vaegis_theory::stats::{geometric_mean, median, pearson};

const ATTACKS: [(&str, &str); 3] = [
    ("kl", "latent KL"),
    ("w2", "latent Wasserstein"),
    ("output", "output (ELBO)"),
];

/// Puts the report together.
pub(super) fn report(
    ctx: &RunCtx,
    config: &TourConfig,
    data: &TourData,
    manifest: RunManifest,
    claims: Vec<ClaimResult>,
    results: &[ModelResult],
    pictures: Pictures,
) -> Result<Report> {
    let models = Models(results);
    let name = data.set.test.spec().origin.clone();
    let mut report = Report::new("How robust is a VAE? The tour", manifest);
    report.summary = vec![
        format!(
            "Plain and β-VAEs (MLP, {} hidden units, {} latents, Bernoulli likelihood) on {name}: \
             {} networks over β ∈ {:?} and {} seeds, {} training images, tier {}.",
            config.hidden,
            config.latent,
            results.len(),
            config.betas,
            models.at(config.betas[0]).len(),
            data.set.train.len(),
            ctx.tier.name(),
        ),
        tally(&claims),
    ];
    report.claims = claims;
    let mut quality = Section::new("quality", "What a larger β costs and does");
    quality.push(quality_table(config, &models)?);
    quality.push(against_beta(
        config,
        &models,
        ("elbo", "Test ELBO against β", Axis::linear("nats")),
        &[
            ("ELBO", &|m| m.quality.elbo.elbo()),
            ("log likelihood", &|m| m.quality.elbo.log_likelihood),
        ],
    )?);
    quality.push(against_beta(
        config,
        &models,
        ("sigma", "Encoder noise ‖σ‖ against β", Axis::linear("‖σ‖₂")),
        &[("mean over the test set", &|m| {
            m.quality.usage.mean_sigma_norm
        })],
    )?);
    quality.push(pictures.reconstructions);
    report.sections.push(quality);

    let mut attacks = Section::new("attacks", "Targeted attacks");
    attacks.push(Block::Text(format!(
        "{} pairs × {} penalties × 3 objectives per network, batched L-BFGS-B in the data's box, \
         at most {} evaluations per attack.",
        config.pairs, config.lambdas, config.search.max_evaluations
    )));
    for panel in pictures.panels {
        attacks.push(panel);
    }
    attacks.push(against_beta(
        config,
        &models,
        (
            "delta",
            "The attacker's loss Δ against β (large = robust)",
            Axis::log10("mean Δ"),
        ),
        &[
            (ATTACKS[0].1, &|m| {
                sweep_mean(m, "kl", |_| true, |r| r.delta)
            }),
            (ATTACKS[1].1, &|m| {
                sweep_mean(m, "w2", |_| true, |r| r.delta)
            }),
            (ATTACKS[2].1, &|m| {
                sweep_mean(m, "output", |_| true, |r| r.delta)
            }),
        ],
    )?);
    attacks.push(against_beta(
        config,
        &models,
        (
            "nll-target",
            "−log p(xᵗ | z*) against β (large = the attack failed)",
            Axis::linear("nats"),
        ),
        &[
            (ATTACKS[0].1, &|m| {
                sweep_mean(m, "kl", |_| true, |r| r.nll_target)
            }),
            (ATTACKS[1].1, &|m| {
                sweep_mean(m, "w2", |_| true, |r| r.nll_target)
            }),
            (ATTACKS[2].1, &|m| {
                sweep_mean(m, "output", |_| true, |r| r.nll_target)
            }),
            ("reference: no attack", &|m| {
                sweep_mean(m, "kl", |_| true, |r| r.nll_target_no_attack)
            }),
            ("reference: perfect", &|m| {
                sweep_mean(m, "kl", |_| true, |r| r.nll_target_perfect)
            }),
        ],
    )?);
    attacks.push(against_lambda(
        config,
        &models,
        (
            "success",
            "Success of the latent KL attack against the price of distortion",
        ),
        Axis::linear("success"),
        "0 = the target is as unlikely as without attack, 1 = as likely as from its own encoding. \
         Of the mean over pairs, 95 % interval over seeds.",
        &|m, lambda| sweep_success(m, "kl", |r| r.lambda == lambda),
    )?);
    attacks.push(against_lambda(
        config,
        &models,
        (
            "delta-lambda",
            "The attacker's loss Δ_KL against the price of distortion",
        ),
        Axis::log10("mean Δ"),
        "Mean over pairs, 95 % interval over seeds. At a high price the attacker does nothing, and \
         Δ is the divergence without attack: means over all λ are dominated by that end.",
        &|m, lambda| sweep_mean(m, "kl", |r| r.lambda == lambda, |r| r.delta),
    )?);
    attacks.push(attack_table(config, &models)?);
    report.sections.push(attacks);

    let mut margins = Section::new("margins", "r-robustness: bounds and margins");
    margins.push(Block::Text(format!(
        "Margins at r = {}, m = {} by bisection with {} starts of projected gradient per radius (V2, no \
         pixel box); an estimate from above, since attacks are incomplete. Bounds are first order in \
         the perturbation and hold for attacks on the mean (V1).",
        config.margins.r, config.margins.m, config.margins.restarts
    )));
    margins.push(bound_scatter(config, &models)?);
    margins.push(damage_figure(config, &models, "attack")?);
    margins.push(damage_figure(config, &models, "random")?);
    margins.push(margin_table(config, &models)?);
    report.sections.push(margins);
    Ok(report)
}

type Statistic<'a> = (&'a str, &'a dyn Fn(&ModelResult) -> f64);

/// Lines over β with intervals over seeds.
fn against_beta(
    config: &TourConfig,
    models: &Models<'_>,
    (id, title, y): (&str, &str, Axis),
    statistics: &[Statistic<'_>],
) -> Result<Figure> {
    let line = |(name, statistic): &Statistic<'_>| {
        let estimates: Vec<_> = config
            .betas
            .iter()
            .map(|&beta| {
                let values: Vec<f64> = models.at(beta).iter().map(|m| statistic(m)).collect();
                over_seeds(&values)
            })
            .collect();
        Line::new(
            name,
            config.betas.clone(),
            estimates.iter().map(|e| e.value).collect(),
        )
        .with_band(
            estimates.iter().map(|e| e.lower).collect(),
            estimates.iter().map(|e| e.upper).collect(),
        )
    };
    let figure = Figure::lines(
        id,
        title,
        Axis::linear("β"),
        y,
        statistics.iter().map(line).collect(),
    )?;
    Ok(figure.with_caption("Mean and 95 % interval over seeds."))
}

/// A statistic of the KL attack against the penalty, one line per β.
fn against_lambda(
    config: &TourConfig,
    models: &Models<'_>,
    (id, title): (&str, &str),
    y: Axis,
    caption: &str,
    statistic: &dyn Fn(&ModelResult, f64) -> f64,
) -> Result<Figure> {
    let lambdas = lambda_grid(config.lambdas);
    let line = |&beta: &f64| {
        let estimates: Vec<_> = lambdas
            .iter()
            .map(|&lambda| {
                let of_model = |m: &&ModelResult| statistic(m, lambda);
                over_seeds(&models.at(beta).iter().map(of_model).collect::<Vec<_>>())
            })
            .collect();
        Line::new(
            &format!("β = {beta}"),
            lambdas.clone(),
            estimates.iter().map(|e| e.value).collect(),
        )
        .with_band(
            estimates.iter().map(|e| e.lower).collect(),
            estimates.iter().map(|e| e.upper).collect(),
        )
    };
    let lines = config.betas.iter().map(line).collect();
    let figure = Figure::lines(id, title, Axis::log10("λ"), y, lines)?;
    Ok(figure.with_caption(caption))
}

/// Bound against margin, one point per image.
fn bound_scatter(config: &TourConfig, models: &Models<'_>) -> Result<Figure> {
    let points = |&beta: &f64| {
        let (bounds, margins): (Vec<_>, Vec<_>) =
            models.at(beta).iter().map(|m| bound_and_margin(m)).unzip();
        Points::new(&format!("β = {beta}"), bounds.concat(), margins.concat())
    };
    let figure = Figure::scatter(
        "bound-margin",
        "Margin bound B_F against the estimated margin",
        Axis::log10("B_F"),
        Axis::log10("margin R"),
        config.betas.iter().map(points).collect(),
    )?;
    Ok(figure.with_identity().with_caption(
        "One point per image and network; below the line y = x the bound would be refuted.",
    ))
}

/// Mean damage against the radius of the attack.
fn damage_figure(config: &TourConfig, models: &Models<'_>, which: &str) -> Result<Figure> {
    let line = |&beta: &f64| {
        let estimates: Vec<_> = (0..config.radii.len())
            .map(|i| {
                let mean = |m: &&ModelResult| {
                    let point = &m.damage[i];
                    average(if which == "attack" {
                        &point.attack
                    } else {
                        &point.random
                    })
                };
                over_seeds(&models.at(beta).iter().map(mean).collect::<Vec<_>>())
            })
            .collect();
        Line::new(
            &format!("β = {beta}"),
            config.radii.clone(),
            estimates.iter().map(|e| e.value).collect(),
        )
        .with_band(
            estimates.iter().map(|e| e.lower).collect(),
            estimates.iter().map(|e| e.upper).collect(),
        )
    };
    let title = if which == "attack" {
        "Damage of the maximum-damage attack"
    } else {
        "Damage of a random direction of the same norm"
    };
    let figure = Figure::lines(
        &format!("damage-{which}"),
        title,
        Axis::linear("‖δ‖₂"),
        Axis::linear("E ‖g(z*) − g(μ(x))‖₂"),
        config.betas.iter().map(line).collect(),
    )?;
    Ok(figure.with_caption("Mean over images, 95 % interval over seeds."))
}

/// A table with one row per β and an interval over seeds in each cell.
fn beta_table(
    config: &TourConfig,
    models: &Models<'_>,
    (id, title, caption): (&str, &str, &str),
    columns: &[Statistic<'_>],
) -> Result<Table> {
    let names: Vec<&str> = std::iter::once("β")
        .chain(columns.iter().map(|(name, _)| *name))
        .collect();
    let mut table = Table::new(id, title, &names).with_caption(caption);
    for &beta in &config.betas {
        let mut row = vec![Cell::from(beta)];
        for (_, statistic) in columns {
            let values: Vec<f64> = models.at(beta).iter().map(|m| statistic(m)).collect();
            let e = over_seeds(&values);
            row.push(Cell::from((e.value, e.lower, e.upper)));
        }
        table.push_row(row)?;
    }
    Ok(table)
}

/// Share of a model's images whose margin has this status.
fn share(model: &ModelResult, is: impl Fn(&MarginStatus) -> bool) -> f64 {
    let hits = model
        .margins
        .iter()
        .filter(|m| is(&m.margin.status))
        .count();
    hits as f64 / model.margins.len() as f64
}

fn quality_table(config: &TourConfig, models: &Models<'_>) -> Result<Table> {
    beta_table(
        config,
        models,
        (
            "quality-table",
            "Quality",
            "Means over the test set, with 95 % intervals over seeds.",
        ),
        &[
            ("−ELBO (nats)", &|m| -m.quality.elbo.elbo()),
            ("−IWAE (nats)", &|m| -m.quality.iwae),
            ("KL (nats)", &|m| m.quality.elbo.kl),
            ("active units", &|m| m.quality.usage.active_units as f64),
            ("mean σ", &|m| m.quality.usage.mean_sigma),
            ("‖x − g(μ(x))‖", &|m| m.quality.distortion),
        ],
    )
}

fn attack_table(config: &TourConfig, models: &Models<'_>) -> Result<Table> {
    beta_table(
        config,
        models,
        (
            "attack-table",
            "Targeted attacks where distortion is cheap (λ ≤ 0.001)",
            "Success: 0 = no attack, 1 = perfect attack.",
        ),
        &[
            ("success, KL", &|m| sweep_success(m, "kl", cheap)),
            ("success, W₂", &|m| sweep_success(m, "w2", cheap)),
            ("success, output", &|m| sweep_success(m, "output", cheap)),
            ("geometric mean Δ, KL (all λ)", &|m| {
                let sweep = m.sweeps.iter().find(|(name, _, _)| *name == "kl");
                let deltas: Vec<f64> = sweep
                    .map(|(_, r, _)| r.iter().map(|r| r.delta).collect())
                    .unwrap_or_default();
                geometric_mean(&deltas).unwrap_or(f64::NAN)
            }),
            ("‖d‖, KL", &|m| {
                sweep_mean(m, "kl", cheap, |r| r.norm_l2)
            }),
            ("evaluations, KL", &|m| {
                sweep_mean(m, "kl", |_| true, |r| r.evaluations as f64)
            }),
        ],
    )
}

fn margin_table(config: &TourConfig, models: &Models<'_>) -> Result<Table> {
    let mean = |values: Vec<f64>| average(&values);
    beta_table(
        config,
        models,
        (
            "margin-table",
            "Bounds and margins",
            "Means over the images. B_F at p₀ = 0.9 knows the encoder alone. ρ is Pearson's \
             correlation of bound and margin over the images of one network, where no difference \
             between networks helps it; the claim's ρ is pooled over the networks of a seed.",
        ),
        &[
            ("margin R", &mean_margin),
            ("median R", &|m| {
                median(&m.margins.iter().map(|r| r.margin.value).collect::<Vec<_>>())
                    .unwrap_or(f64::NAN)
            }),
            ("share at the cap", &|m| {
                share(m, |s| *s == MarginStatus::AtCap)
            }),
            ("share not robust at rest", &|m| {
                share(m, |s| *s == MarginStatus::NotRobustUnperturbed)
            }),
            ("B_F", &|m| {
                mean(m.bounds.iter().map(|b| b.plug_in.frobenius).collect())
            }),
            ("B_2", &|m| {
                mean(m.bounds.iter().map(|b| b.plug_in.spectral).collect())
            }),
            ("B_M", &|m| {
                mean(m.bounds.iter().map(|b| b.plug_in.mahalanobis).collect())
            }),
            ("B_F at p₀ = .9", &|m| {
                mean(m.bounds.iter().map(|b| b.at_p0_90.frobenius).collect())
            }),
            ("r_min", &|m| {
                mean(m.bounds.iter().map(|b| b.r_min.value).collect())
            }),
            ("ρ(B_F, R) within a network", &|m| {
                let (bounds, margins) = bound_and_margin(m);
                pearson(&bounds, &margins).unwrap_or(f64::NAN)
            }),
            ("‖J‖_F", &|m| {
                mean(m.bounds.iter().map(|b| b.jacobian_frobenius).collect())
            }),
        ],
    )
}
