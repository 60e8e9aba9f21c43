//! The main job: train VAE and β-VAEs, attack them, estimate margins and
//! bounds, and judge the claims, on MNIST where it is at hand and on procedural
//! sprites elsewhere.

mod claims;
mod config;
mod data;
mod figures;
mod job;
mod pictures;

pub use config::TourConfig;
pub use job::{DamagePoint, ModelResult, Quality};

use crate::progress::Progress;
use crate::registry::Experiment;
use crate::{RunCtx, Tier};
use anyhow::Result;
use std::time::Instant;
use vaegis_report::{Report, RunManifest};
use vaegis_tensor::workers;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Tour;

impl Experiment for Tour {
    fn id(&self) -> &'static str {
        "tour"
    }

    fn title(&self) -> &'static str {
        "train VAE and β-VAEs, attack them, measure margins and bounds, judge the claims"
    }

    fn sources(&self) -> &'static str {
        "Seatbelt paper figures 3, 5, 6; r-robustness paper figures 5 to 7 (thesis chapters 5 and 6)"
    }

    fn datasets(&self) -> &'static str {
        "MNIST if VAEGIS_DATA or --data has it, else procedural sprites"
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Smoke => "under a minute",
            Tier::Desk => "under 15 minutes",
            Tier::Paper => "about 4 hours",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        let start = Instant::now();
        let config = TourConfig::at(ctx.tier);
        let data = data::load(ctx, &config)?;
        let seeds = ctx.seeds(config.num_seeds);
        let mut provenance = ctx.provenance(&seeds);
        provenance.datasets = data.set.provenance();
        let jobs: Vec<(f64, u64)> = config
            .betas
            .iter()
            .flat_map(|&beta| seeds.iter().map(move |&seed| (beta, seed)))
            .collect();
        let progress = Progress::unless(ctx.quiet, "tour", job::UNITS * jobs.len() as f64);
        let results = workers::run(&jobs, ctx.jobs, ctx.threads, |_, &(beta, seed)| {
            job::run(ctx, &config, &data, beta, seed, &progress)
        })?;
        progress.finish();

        let judged = claims::judge(ctx, &config, &data, &results);
        let pictures = pictures::make(ctx, &config, &data, &results)?;
        ctx.finish(&mut provenance, start);
        let manifest = RunManifest::new("tour", ctx.tier.name())
            .with_command(&ctx.command)
            .with_seeds(&seeds)
            .with_config(&config)?
            .with_provenance(&provenance)?;
        figures::report(ctx, &config, &data, manifest, judged, &results, pictures)
    }
}
