//! Everything that is measured on one model: one β, one seed.

use super::TourConfig;
use super::data::TourData;
use crate::RunCtx;
use crate::model_cache::{CachedModel, Recipe, trained};
use crate::progress::Progress;
use crate::stage::stage;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vaegis_attacks::grid::lambda_grid;
use vaegis_attacks::record::AttackRecord;
use vaegis_attacks::search::{Pgd, RandomSearch};
use vaegis_attacks::sweep::{Sweep, SweepRows};
use vaegis_attacks::{Attack, NoiseMode, Search, Variant};
use vaegis_eval::bounds::{BoundOptions, InputBounds, margin_bounds};
use vaegis_eval::damage::{NormSweep, damage_curve};
use vaegis_eval::degradation::Degradation;
use vaegis_eval::elbo::{ElboRow, elbo, iwae, mean};
use vaegis_eval::latent::{LatentUsage, distortion, usage};
use vaegis_eval::margin::{FailingShare, InputMargin, MarginOptions, margins, shares_at};
use vaegis_nn::LatentModel;
use vaegis_tensor::Noise;

/// Units of progress of one model: about seconds at desk tier.
pub(super) const UNITS: f64 = 100.0;
const TRAIN_UNITS: f64 = 45.0;
const QUALITY_UNITS: f64 = 5.0;
const SWEEP_UNITS: f64 = 10.0;
const DAMAGE_UNITS: f64 = 10.0;
const MARGIN_UNITS: f64 = 10.0;

/// Rows of one chunk of a sweep; also what a kill can cost.
const CHUNK_ROWS: usize = 100;

/// Raised when the numbers of a stage change without a setting that shows it,
/// so that results of an older program are not mixed with new ones.
const FORMAT: u32 = 4;

/// Likelihoods and latent statistics of one model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quality {
    /// Mean test ELBO and its terms.
    pub elbo: ElboRow,
    /// Mean importance-weighted bound on a part of the test set.
    #[serde(with = "vaegis_core::codec::float")]
    pub iwae: f64,
    /// How the latent space is used.
    pub usage: LatentUsage,
    /// Mean ‖x − g(μ(x))‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub distortion: f64,
}

/// Damage at one radius.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DamagePoint {
    /// Radius of the L2 ball.
    pub radius: f64,
    /// Damage of the attack per image.
    #[serde(with = "vaegis_core::codec::float::list")]
    pub attack: Vec<f64>,
    /// Damage of a random direction per image.
    #[serde(with = "vaegis_core::codec::float::list")]
    pub random: Vec<f64>,
    /// Likelihood degradation under the attack per image.
    pub degradation: Vec<Degradation>,
}

/// All measurements on one model.
#[derive(Clone, Debug)]
pub struct ModelResult {
    /// Weight of the KL term.
    pub beta: f64,
    /// Seed of the replicate.
    pub seed: u64,
    /// Key in the model cache.
    pub key: String,
    /// Quality.
    pub quality: Quality,
    /// Targeted attacks: name, records, folder with the distortions.
    pub sweeps: Vec<(&'static str, Vec<AttackRecord>, PathBuf)>,
    /// Damage curve.
    pub damage: Vec<DamagePoint>,
    /// Bounds per image.
    pub bounds: Vec<InputBounds>,
    /// Margins per image.
    pub margins: Vec<InputMargin>,
    /// Attacks at the radius of each image's bound.
    pub at_bound: AtBound,
}

/// Attacks at the radius of the bound itself: the direct test of the theorem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AtBound {
    /// On the mean alone (V1), which is what the theorem speaks of.
    pub mean_only: Vec<FailingShare>,
    /// On mean and scale (V2), which is what the sources' algorithm does.
    pub both: Vec<FailingShare>,
}

/// The recipe of one model.
pub(super) fn recipe(config: &TourConfig, data: &TourData, beta: f64, seed: u64) -> Recipe {
    Recipe {
        model: config.model(data.set.shape(), beta),
        train: config.train.clone(),
        seed,
    }
}

/// Loads or trains one model of the tour.
pub(super) fn model(
    ctx: &RunCtx,
    config: &TourConfig,
    data: &TourData,
    beta: f64,
    seed: u64,
    progress: &Progress,
) -> Result<CachedModel> {
    let label = format!("β = {beta}, seed {seed}: training");
    trained(
        ctx,
        &recipe(config, data, beta, seed),
        &data.set.train,
        &label,
        progress,
        TRAIN_UNITS,
    )
    .with_context(|| format!("β = {beta}, seed {seed}"))
}

/// The images of one sweep as rows.
pub(super) fn sweep_rows(
    ctx: &RunCtx,
    config: &TourConfig,
    data: &TourData,
    key: &str,
) -> Result<SweepRows> {
    let (originals, targets) = data.pair_images(ctx)?;
    let context = format!(
        "{FORMAT} {key} {} {:?}",
        data.set.test.spec().checksum,
        data.pairs
    );
    Ok(SweepRows::grid(
        &originals,
        &targets,
        &lambda_grid(config.lambdas),
        context,
    ))
}

/// The sweep of one attack.
pub(super) fn sweep(attack: Attack) -> Sweep {
    Sweep {
        attack,
        chunk_rows: CHUNK_ROWS,
        samples: 16,
    }
}

/// Runs or resumes everything on one model.
pub(super) fn run(
    ctx: &RunCtx,
    config: &TourConfig,
    data: &TourData,
    beta: f64,
    seed: u64,
    progress: &Progress,
) -> Result<ModelResult> {
    let cached = model(ctx, config, data, beta, seed, progress)?;
    let model: &dyn LatentModel = &*cached.model;
    let work = ctx.out.join("work").join(&cached.key[..16]);
    let tree = ctx.seed_tree("tour", seed);
    let noise = |label: &str| Noise::portable(tree.child(label));
    let say = |what: &str| format!("β = {beta}, seed {seed}: {what}");
    let count = |units: f64, reused: crate::stage::Reused, what: &str| {
        if reused.0 {
            progress.skip(units, &say(what))
        } else {
            progress.advance(units, &say(what))
        }
    };
    // Whatever a stored stage depends on besides its own options.
    let base = (
        FORMAT,
        &cached.key,
        &data.set.test.spec().checksum,
        seed,
        data.set.test.len(),
    );

    let key = (
        &base,
        config.elbo_samples,
        config.iwae_samples,
        config.iwae_images,
    );
    let (quality, reused) = stage(&ctx.lineage, &work.join("quality.json"), &key, || {
        let x = data.set.all_test_images(ctx)?;
        let part = x.narrow(0, 0, (config.iwae_images as i64).min(x.size()[0]));
        let iwae = iwae(model, &part, config.iwae_samples, &noise("iwae"));
        let distances = distortion(model, &x);
        Ok(Quality {
            elbo: mean(&elbo(model, &x, config.elbo_samples, &noise("elbo"))),
            iwae: average(&iwae),
            usage: usage(model, &x),
            distortion: average(&distances),
        })
    })?;
    count(QUALITY_UNITS, reused, "likelihoods");

    let rows = sweep_rows(ctx, config, data, &cached.key)?;
    let mut sweeps = Vec::new();
    for (name, attack) in config.attacks() {
        let sweep = sweep(attack);
        // A changed setting starts a new folder and leaves the old rows alone.
        let id = vaegis_core::hash::content_hash(&(&sweep, &rows.context, config.lambdas))?;
        let folder = work.join(format!("sweep-{name}-{}", &id[..8]));
        std::fs::create_dir_all(&folder)?;
        let (mut counted, mut first) = (0.0, true);
        let report = |done: usize, all: usize| {
            let units = SWEEP_UNITS * done as f64 / all as f64 - counted;
            counted += units;
            // The first call tells what an earlier process had done.
            count(
                units,
                crate::stage::Reused(first),
                &format!("{name} attacks"),
            );
            first = false;
        };
        let (records, _) = sweep
            .run_resumable(model, &rows, &noise("targeted"), &folder, report)
            .with_context(|| say(name))?;
        sweeps.push((name, records, folder));
    }

    let x = data.set.test_images(&data.images, ctx)?;
    let damage_attacks = damage_attacks(config);
    let key = (&base, &data.images, &config.radii, &damage_attacks);
    let (damage, reused) = stage(&ctx.lineage, &work.join("damage.json"), &key, || {
        both_damage_curves(model, &x, config, &damage_attacks, &noise("damage"))
    })?;
    count(DAMAGE_UNITS, reused, "maximum damage");

    let bound_options = family_wise(config).0;
    let key = (&base, &data.images, &bound_options);
    let (bounds, _) = stage(&ctx.lineage, &work.join("bounds.json"), &key, || {
        Ok(margin_bounds(model, &x, &bound_options, &noise("bounds"))?)
    })?;
    let key = (
        &base,
        &data.images,
        &config.margins,
        config.margins.attack(),
    );
    let (margins, reused) = stage(&ctx.lineage, &work.join("margins.json"), &key, || {
        Ok(margins(
            model,
            &x,
            &config.margins,
            &noise("margins"),
            |_, _| (),
        )?)
    })?;
    let (at_bound, _) = stage(
        &ctx.lineage,
        &work.join("at-bound.json"),
        &(&key, &bound_options),
        || {
            // Bounds beyond the cap (or infinite ones) are tested at the cap.
            let radius = |b: &InputBounds| b.confident.frobenius.min(config.margins.cap);
            let radii: Vec<f64> = bounds.iter().map(radius).collect();
            let test = |variant, label: &str| {
                let options = MarginOptions {
                    variant,
                    ..family_wise(config).1
                };
                shares_at(model, &x, &radii, &options, &noise(label))
            };
            Ok(AtBound {
                mean_only: test(Variant::MeanOnly, "at-bound-mean")?,
                both: test(Variant::Both, "at-bound-both")?,
            })
        },
    )?;
    count(MARGIN_UNITS, reused, "margins");
    Ok(ModelResult {
        beta,
        seed,
        key: cached.key,
        quality,
        sweeps,
        damage,
        bounds,
        margins,
        at_bound,
    })
}

/// Options of the bounds and of the attacks at their radius, with the allowed
/// errors shared out over all images of all models (Bonferroni), so that "no
/// image refutes the bound" is a statement at the level α.
fn family_wise(config: &TourConfig) -> (BoundOptions, MarginOptions) {
    let images = (config.betas.len() * config.num_seeds * config.images) as f64;
    let bounds = BoundOptions {
        alpha: config.bounds.alpha / images,
        ..config.bounds
    };
    let at_bound = MarginOptions {
        r: config.bounds.r,
        m: config.bounds.m,
        num_samples: config.bounds.num_samples,
        alpha: config.margins.alpha / (images * config.margins.restarts as f64),
        ..config.margins
    };
    (bounds, at_bound)
}

/// The maximum-damage attack and its baseline, a random direction.
fn damage_attacks(config: &TourConfig) -> [Attack; 2] {
    let pgd = Pgd {
        steps: config.damage_steps,
        ..Pgd::default()
    };
    let attack = Attack {
        search: Search::Pgd(pgd),
        ..Attack::max_damage(Variant::Both)
    };
    let random = Attack {
        search: Search::Random(RandomSearch { trials: 1 }),
        restarts: 1,
        noise_mode: NoiseMode::Common,
        ..attack
    };
    [attack, random]
}

/// All images at all radii: each attack as one batch.
fn both_damage_curves(
    model: &dyn LatentModel,
    x: &vaegis_tensor::Tensor,
    config: &TourConfig,
    [attack, random]: &[Attack; 2],
    noise: &Noise,
) -> Result<Vec<DamagePoint>> {
    let attacked = damage_curve(model, x, &config.radii, attack, noise)?;
    let random = NormSweep::run(model, x, &config.radii, random, noise)?;
    let each = attacked.into_iter().enumerate();
    Ok(each
        .map(|(i, point)| DamagePoint {
            radius: point.norm,
            attack: point.rows.iter().map(|row| row.distance).collect(),
            random: random.distances(i).to_vec(),
            degradation: point.rows.iter().map(|row| row.degradation).collect(),
        })
        .collect())
}

/// Arithmetic mean; NaN for no values. Unlike `stats::mean` it lets infinite bounds through.
pub(super) fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
