//! Certificates of ordinary and Lipschitz VAEs, and the hunt for violations of
//! every kind of bound.

mod config;
mod constants;
mod counterexamples;
mod job;
mod judge;
mod tables;

pub use config::{CertificatesConfig, CertifiedSet, Family};

use crate::images::{ImageRequest, Images};
use crate::page::about;
use crate::progress::Progress;
use crate::registry::Experiment;
use crate::{RunCtx, Tier};
use anyhow::Result;
use job::Bench;
use std::time::Instant;
use vaegis_core::SeedTree;
use vaegis_report::{Report, RunManifest};
use vaegis_tensor::workers;

/// Test images that the certified ones are drawn from.
const TEST_POOL: usize = 10_000;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Certificates;

impl Experiment for Certificates {
    fn id(&self) -> &'static str {
        "certificates"
    }

    fn title(&self) -> &'static str {
        "certify ordinary and Lipschitz VAEs, attack every certificate at its radius, count violations"
    }

    fn sources(&self) -> &'static str {
        "r-robustness theorem 6.1 and its sound forms; certifiably robust VAEs (Barrett et al. 2022)"
    }

    fn datasets(&self) -> &'static str {
        "MNIST, Fashion-MNIST, CIFAR-10; procedural sprites for each that is not at hand"
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Smoke => "under a minute",
            Tier::Desk => about(40),
            Tier::Paper => "several hours",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        let start = Instant::now();
        let config = CertificatesConfig::at(ctx.tier);
        let benches = (0..config.sets.len())
            .map(|set| open(ctx, &config, set))
            .collect::<Result<Vec<_>>>()?;
        let seeds = ctx.seeds(config.num_seeds);
        let mut provenance = ctx.provenance(&seeds);
        for dataset in benches.iter().flat_map(|b| b.images.provenance()) {
            if !provenance.datasets.contains(&dataset) {
                provenance.datasets.push(dataset);
            }
        }
        let models: Vec<_> = benches.iter().map(Bench::models).collect();
        let jobs: Vec<_> = benches
            .iter()
            .zip(&models)
            .flat_map(|(bench, models)| models.iter().map(move |model| (bench, model)))
            .flat_map(|job| seeds.iter().map(move |&seed| (job, seed)))
            .collect();
        let progress = Progress::unless(ctx.quiet, "certificates", job::UNITS * jobs.len() as f64);
        let results = workers::run(
            &jobs,
            ctx.jobs,
            ctx.threads,
            |_, &((bench, model), seed)| bench.run(model, seed, &progress),
        )?;
        progress.finish();
        let examples = counterexamples::all()?;
        let claims = judge::claims(&config, &results, &examples)?;
        let sections = tables::sections(&benches, &results, &examples)?;
        ctx.finish(&mut provenance, start);
        let manifest = RunManifest::new(self.id(), ctx.tier.name())
            .with_command(&ctx.command)
            .with_seeds(&seeds)
            .with_config(&config)?
            .with_provenance(&provenance)?;
        let mut report = Report::new("Certificates", manifest);
        report.summary = vec![
            "Every certificate is attacked at its own radius by projected gradient, Auto-PGD and \
             L-BFGS with restarts. A sound one survives; a hunt that finds nothing is no proof, the \
             argument behind the certificate is."
                .to_owned(),
            "First-order bounds are shown beside them: they are indicators, and bent encoders \
             violate them."
                .to_owned(),
        ];
        report.claims = claims;
        report.sections = sections;
        Ok(report)
    }
}

/// One data set with the test images that are certified.
fn open<'a>(ctx: &'a RunCtx, config: &'a CertificatesConfig, set: usize) -> Result<Bench<'a>> {
    let of = &config.sets[set];
    let request = ImageRequest {
        name: &of.name,
        side: of.side,
        train: of.train_images,
        test: TEST_POOL,
    };
    let images = Images::open(ctx, &request)?;
    let seed = SeedTree::new(ctx.seed).child("certificates");
    let mut positions = vaegis_data::permutation(images.test.len(), &seed.child("images"));
    positions.truncate(of.images);
    Ok(Bench {
        ctx,
        config,
        set,
        images,
        positions,
    })
}
