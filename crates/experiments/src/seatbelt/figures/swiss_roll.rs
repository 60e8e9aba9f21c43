//! Aggregate posteriors and reconstructions of a Swiss roll.

use crate::claims::over_seeds;
use crate::images::Images;
use crate::page::{Page, block_id};
use crate::seatbelt::ChapterConfig;
use crate::seatbelt::bench::{
    Bench, Family, Measured, Nets, Setting, jobs, per_seed, progress, rise, smaller, training,
    values,
};
use crate::{RunCtx, Tier};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};
use std::sync::Arc;
use vaegis_data::{Dataset, OpenOptions, Split};
use vaegis_eval::elbo::{ElboRow, elbo, mean};
use vaegis_eval::latent::{LatentUsage, usage};
use vaegis_nn::{LatentModel, LatentPath, LikelihoodKind, Mode};
use vaegis_report::{Axis, Block, Cell, Figure, ImageCell, ImageGrid, Line, Picture, Table};
use vaegis_tensor::convert::{to_f64_vec, to_tensor};
use vaegis_tensor::{Noise, Tensor, no_grad, workers};
use vaegis_train::TrainConfig;
use vaegis_zoo::{NetworkConfig, Pixels};

/// Units of progress: about seconds at desk tier.
const TRAIN_UNITS: f64 = 20.0;
const MEASURE_UNITS: f64 = 1.0;
/// Range that holds the roll: t is at most 4.5 π = 14.2, h at most 10.5.
const BOUNDS: (f64, f64) = (-15.0, 15.0);
/// Side of a picture in pixels.
const SIDE: usize = 224;
/// Points along the outline of an ellipse.
const OUTLINE: usize = 96;
/// Least and greatest t of the roll.
const T_RANGE: (f64, f64) = (1.5 * PI, 4.5 * PI);
const SOURCE: &str = "thesis figure 5.2; paper figure A.7";

/// What figure 5.2 depends on besides seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SwissRollConfig {
    /// Models.
    pub nets: Nets,
    /// Points of the roll.
    pub points: usize,
    /// Points whose ellipses are drawn.
    pub shown: usize,
    /// β of both penalized families, ascending; 1 is the VAE.
    pub betas: Vec<f64>,
}

impl SwissRollConfig {
    /// The configuration of a tier.
    pub(crate) fn at(tier: Tier) -> Self {
        let train = TrainConfig {
            max_steps: Some(5000),
            ..training(500, 1250)
        };
        let full = Self {
            nets: Nets {
                network: NetworkConfig::mlp(&[64, 64]),
                latent: 2,
                z_sizes: vec![2],
                h_sizes: vec![],
                pixels: Pixels::custom(BOUNDS, LikelihoodKind::Gaussian { sigma: 1.0 }),
                train,
            },
            points: 2000,
            shown: 400,
            betas: vec![1.0, 8.0, 32.0, 128.0],
        };
        match tier {
            Tier::Desk | Tier::Paper => full,
            Tier::Smoke => Self {
                nets: Nets {
                    network: NetworkConfig::mlp(&[16]),
                    train: training(100, 10),
                    ..full.nets
                },
                points: 200,
                shown: 50,
                ..full
            },
        }
    }

    /// One family over all β.
    fn family(&self, family: Family) -> Vec<Setting> {
        let at = |&beta: &f64| match beta {
            1.0 => Setting::new(Family::Vae, 1.0),
            _ => Setting::new(family, beta),
        };
        self.betas.iter().map(at).collect()
    }

    /// Every model once.
    fn settings(&self) -> Vec<Setting> {
        let mut all = self.family(Family::Vae);
        all.extend(self.family(Family::BetaTcvae).into_iter().skip(1));
        all
    }
}

/// What one model came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Roll {
    usage: LatentUsage,
    quality: ElboRow,
    /// Mean over the points of π σ₁ σ₂.
    volume: f64,
    /// Mean over the points of ‖x̃ − x‖², x̃ the mean of one sample's likelihood.
    error: f64,
    /// Shares of the variance of x̃ along its three principal axes, greatest first.
    shares: Vec<f64>,
    /// The drawn points.
    shown: Vec<Shown>,
}

/// One drawn point.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Shown {
    t: f64,
    mean: [f64; 2],
    sigma: [f64; 2],
    reconstruction: [f64; 3],
}

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let chapter = ChapterConfig::at(ctx.tier);
    let (config, seeds) = (&chapter.swiss_roll, ctx.seeds(chapter.num_seeds));
    let images = open(ctx, config)?;
    let jobs = jobs(&seeds, &config.settings());
    let units = jobs.len() as f64 * (TRAIN_UNITS + MEASURE_UNITS);
    let progress = progress(ctx, id, units);
    let bench = Bench {
        ctx,
        nets: &config.nets,
        images: &images,
        progress: &progress,
        train_units: TRAIN_UNITS,
    };
    let all = workers::run(&jobs, ctx.jobs, ctx.threads, |_, &(seed, setting)| {
        let cached = bench.model(setting, seed)?;
        let what = ("roll", seed, MEASURE_UNITS);
        let value = bench.keep(&cached, what, &("roll", config.shown), |model| {
            measure(
                ctx,
                &images,
                config.shown,
                model,
                &bench.noise(seed, "roll"),
            )
        })?;
        anyhow::Ok(Measured {
            seed,
            setting,
            value,
        })
    })?;
    progress.finish();
    page.used(images.provenance());
    page.section.push(Block::Text(format!(
        "{} points of a roll in three dimensions, two latents. The sources state β alone; network, \
         number of points, likelihood (Gaussian, σ = 1) and steps are ours.",
        config.points
    )));
    page.section.push(pictures(config, &all, seeds[0], id)?);
    page.section.push(volumes(config, &all, id)?);
    page.section.push(table(config, &all, id)?);
    judge(config, &all, id, page);
    Ok(())
}

fn open(ctx: &RunCtx, config: &SwissRollConfig) -> Result<Images> {
    let open = |split| -> Result<Arc<dyn Dataset>> {
        let options = OpenOptions {
            samples: Some(config.points),
            seed: ctx.seed,
            ..OpenOptions::default()
        };
        Ok(Arc::from(vaegis_data::open(
            "swiss-roll",
            None,
            split,
            &options,
        )?))
    };
    Ok(Images {
        train: open(Split::Train)?,
        test: open(Split::Test)?,
        is_real: true,
    })
}

/// Everything on the training points: the aggregate posterior is theirs.
fn measure(
    ctx: &RunCtx,
    images: &Images,
    num_shown: usize,
    model: &dyn LatentModel,
    noise: &Noise,
) -> Result<Roll> {
    let positions: Vec<usize> = (0..images.train.len()).collect();
    let batch = images.train.batch(&positions)?;
    let factors = batch.factors.context("the roll has factors")?;
    let x = to_tensor(&batch.x).to_device(ctx.device);
    let (mean_z, sigma, decoded) = no_grad(|| {
        let eps = noise.standard_normal(&[x.size()[0], 2], x.kind(), x.device());
        let posterior = model.posterior(&x, LatentPath::Noise(&[eps]), Mode::Eval);
        let decoded = model.decode(&posterior.z, Mode::Eval).mean();
        let layer = &posterior.layers[0];
        (layer.mean().shallow_clone(), layer.scale(), decoded)
    });
    let difference = (&decoded - &x).flatten(1, -1).square();
    let squared = difference.sum_dim_intlist(1, false, None);
    let (means, sigmas) = (to_f64_vec(&mean_z), to_f64_vec(&sigma));
    let values = to_f64_vec(&decoded);
    let volumes = sigmas.chunks_exact(2).map(|s| PI * s[0] * s[1]);
    let shown = (0..num_shown.min(positions.len())).map(|i| Shown {
        t: f64::from(factors[[i, 0]]),
        mean: [means[2 * i], means[2 * i + 1]],
        sigma: [sigmas[2 * i], sigmas[2 * i + 1]],
        reconstruction: [values[3 * i], values[3 * i + 1], values[3 * i + 2]],
    });
    Ok(Roll {
        usage: usage(model, &x),
        quality: mean(&elbo(model, &x, 1, &noise.child("elbo"))),
        volume: volumes.sum::<f64>() / positions.len() as f64,
        error: to_f64_vec(&squared.mean(None))[0],
        shares: principal_shares(&decoded),
        shown: shown.collect(),
    })
}

/// Shares of the variance along the principal axes, greatest first.
fn principal_shares(points: &Tensor) -> Vec<f64> {
    let flat = points.flatten(1, -1).to_kind(vaegis_tensor::Kind::Double);
    let centered = &flat - flat.mean_dim(0, true, None);
    let (_, singular, _) = centered.svd(true, false);
    let variances: Vec<f64> = to_f64_vec(&singular.square());
    let total: f64 = variances.iter().sum();
    variances.iter().map(|v| v / total).collect()
}

/// A canvas of colored dots on white.
struct Canvas {
    bytes: Vec<u8>,
    center: [f64; 2],
    /// Pixels per unit.
    zoom: f64,
}

impl Canvas {
    /// One whose window holds these ranges with a margin, the same scale both ways.
    fn over(points: impl Iterator<Item = [f64; 2]>) -> Self {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for point in points {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let span = (high[0] - low[0]).max(high[1] - low[1]).max(1e-9) * 1.06;
        Self {
            bytes: vec![255; SIDE * SIDE * 3],
            center: [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0),
            zoom: SIDE as f64 / span,
        }
    }

    fn dot(&mut self, point: [f64; 2], color: [u8; 3], size: isize) {
        let half = SIDE as f64 / 2.0;
        let column = (half + (point[0] - self.center[0]) * self.zoom).floor() as isize;
        let row = (half - (point[1] - self.center[1]) * self.zoom).floor() as isize;
        for (r, c) in (0..size * size).map(|i| (row + i / size, column + i % size)) {
            let is_inside = (0..SIDE as isize).contains(&r) && (0..SIDE as isize).contains(&c);
            if is_inside {
                let at = (r as usize * SIDE + c as usize) * 3;
                self.bytes[at..at + 3].copy_from_slice(&color);
            }
        }
    }

    fn picture(self) -> Result<Option<ImageCell>> {
        let picture = Picture::from_bytes(SIDE, SIDE, 3, self.bytes)?;
        Ok(Some(ImageCell::new(picture, "")))
    }
}

/// From blue at the inner end of the roll to orange at its outer end.
fn color(t: f64) -> [u8; 3] {
    let share = ((t - T_RANGE.0) / (T_RANGE.1 - T_RANGE.0)).clamp(0.0, 1.0);
    let mix = |a: f64, b: f64| (a + share * (b - a)).round() as u8;
    [mix(20.0, 230.0), mix(90.0, 110.0), mix(190.0, 10.0)]
}

/// The ellipses of one model: one standard deviation around every mean.
fn ellipses(roll: &Roll) -> Result<Option<ImageCell>> {
    let outline = |s: &Shown, step: usize| {
        let angle = TAU * step as f64 / OUTLINE as f64;
        let [a, b] = [angle.cos(), angle.sin()];
        [s.mean[0] + s.sigma[0] * a, s.mean[1] + s.sigma[1] * b]
    };
    let corners = roll
        .shown
        .iter()
        .flat_map(|s| (0..OUTLINE).map(|step| outline(s, step)));
    let mut canvas = Canvas::over(corners);
    for shown in &roll.shown {
        for step in 0..OUTLINE {
            canvas.dot(outline(shown, step), color(shown.t), 1);
        }
    }
    canvas.picture()
}

/// The roll from its end: the spiral of the first and last coordinate.
fn spiral(roll: &Roll) -> Result<Option<ImageCell>> {
    let reach = BOUNDS.1;
    let mut canvas = Canvas::over([[-reach, -reach], [reach, reach]].into_iter());
    for shown in &roll.shown {
        let [x, _, y] = shown.reconstruction;
        canvas.dot([x, y], color(shown.t), 3);
    }
    canvas.picture()
}

fn pictures(
    config: &SwissRollConfig,
    all: &[Measured<Roll>],
    seed: u64,
    id: &str,
) -> Result<ImageGrid> {
    let names: Vec<String> = config.betas.iter().map(|b| format!("β = {b}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = "Aggregate posteriors and reconstructions";
    let mut grid = ImageGrid::new(&block_id(id, &["rolls"]), title, &names).with_caption(&format!(
        "First seed, {} points, blue at the inner end of the roll and orange at the outer one. \
         Posteriors: one standard deviation around every mean, each picture at its own scale. \
         Reconstructions: the mean of the likelihood at one sample, seen along the roll's axis. \
         β = 1 is the same VAE in both families.",
        config.shown
    ));
    type Drawn = fn(&Roll) -> Result<Option<ImageCell>>;
    for (name, family) in [("β-VAE", Family::Vae), ("β-TCVAE", Family::BetaTcvae)] {
        let parts: [(&str, Drawn); 2] = [("posteriors", ellipses), ("reconstructions", spiral)];
        for (what, drawn) in parts {
            let at = |setting: &Setting| {
                let mut found = all.iter();
                let found = found.find(|m| m.seed == seed && m.setting == *setting);
                drawn(&found.context("every model was measured")?.value)
            };
            let row: Result<Vec<_>> = config.family(family).iter().map(at).collect();
            grid.push_row(&format!("{name}: {what}"), row?)?;
        }
    }
    Ok(grid)
}

/// Mean volume of the posteriors against β.
fn volumes(config: &SwissRollConfig, all: &[Measured<Roll>], id: &str) -> Result<Figure> {
    let line = |(name, family): (&str, Family)| {
        let at = config.family(family);
        let at = at
            .iter()
            .map(|&s| over_seeds(&values(all, s, |r| r.volume)));
        let at: Vec<_> = at.collect();
        let means = at.iter().map(|e| e.value).collect();
        // A logarithmic axis has no place for an interval below 0.
        let low = at.iter().map(|e| e.lower.max(e.value / 10.0)).collect();
        let high = at.iter().map(|e| e.upper.min(e.value * 10.0)).collect();
        Line::new(name, config.betas.clone(), means).with_band(low, high)
    };
    let lines = [("β-VAE", Family::Vae), ("β-TCVAE", Family::BetaTcvae)].map(line);
    let figure = Figure::lines(
        &block_id(id, &["volume"]),
        "Mean volume of the posteriors",
        Axis::log10("β"),
        Axis::log10("mean of π σ₁ σ₂"),
        lines.to_vec(),
    )?;
    Ok(figure.with_caption(
        "Means over seeds; bands are 95 % t intervals, cut at a factor of ten. π = 3.14 is the \
         volume of the prior.",
    ))
}

fn table(config: &SwissRollConfig, all: &[Measured<Roll>], id: &str) -> Result<Table> {
    type Statistic = fn(&Roll) -> f64;
    let columns: [(&str, Statistic); 7] = [
        ("active latents", |r| r.usage.active_units as f64),
        ("mean π σ₁ σ₂", |r| r.volume),
        ("‖x̃ − x‖²", |r| r.error),
        ("first principal share of x̃", |r| r.shares[0]),
        ("third", |r| r.shares[2]),
        ("E log p(x|z)", |r| r.quality.log_likelihood),
        ("KL", |r| r.quality.kl),
    ];
    let names: Vec<&str> = std::iter::once("model")
        .chain(columns.map(|c| c.0))
        .collect();
    let title = "What β does to a roll";
    let mut table = Table::new(&block_id(id, &["numbers"]), title, &names).with_caption(
        "Means over seeds with 95 % t intervals. Active: the variance of the mean over the points \
         exceeds 0.01. Principal shares: of the variance of the reconstructions; a curve has \
         fewer of them than a surface.",
    );
    for setting in config.settings() {
        let mut row = vec![Cell::from(setting.label())];
        for (_, statistic) in columns {
            let e = over_seeds(&values(all, setting, statistic));
            row.push(Cell::from((e.value, e.lower, e.upper)));
        }
        table.push_row(row)?;
    }
    Ok(table)
}

fn judge(config: &SwissRollConfig, all: &[Measured<Roll>], id: &str, page: &mut Page) {
    let largest = config.betas[config.betas.len() - 1];
    let (plain, tc) = (
        Setting::new(Family::Vae, largest),
        Setting::new(Family::BetaTcvae, largest),
    );
    let active = |r: &Roll| r.usage.active_units as f64;
    page.claim_above(
        (
            &format!("{id}-bvae-collapse"),
            &format!("at β = {largest}, at most one latent of the β-VAE is active"),
            SOURCE,
        ),
        &per_seed(all, plain, |r| 1.5 - active(r)),
        0.0,
        "1.5 minus the number of active latents",
    );
    page.claim_above(
        (
            &format!("{id}-tcvae-active"),
            &format!("at β = {largest}, both latents of the β-TCVAE are active"),
            SOURCE,
        ),
        &per_seed(all, tc, |r| active(r) - 1.5),
        0.0,
        "number of active latents minus 1.5",
    );
    for (name, family) in [("β-VAE", Family::Vae), ("β-TCVAE", Family::BetaTcvae)] {
        let steps = config.family(family);
        let rises = steps
            .windows(2)
            .map(|pair| rise(all, (pair[0], pair[1]), |r| r.volume.ln()));
        let least = rises.reduce(|a, b| smaller(&a, &b)).unwrap_or_default();
        let kind = name.replace('β', "b").to_lowercase().replace('-', "");
        page.claim_above(
            (
                &format!("{id}-{kind}-overlap"),
                &format!("the mean volume of the posteriors of the {name} grows with β"),
                SOURCE,
            ),
            &least,
            0.0,
            "smallest step of the log of the mean volume from one β to the next",
        );
    }
    page.claim_above(
        (
            &format!("{id}-reconstruction"),
            &format!("at β = {largest}, the β-TCVAE reconstructs better than the β-VAE"),
            SOURCE,
        ),
        &rise(all, (tc, plain), |r| r.error),
        0.0,
        "‖x̃ − x‖² of the β-VAE minus that of the β-TCVAE",
    );
}
