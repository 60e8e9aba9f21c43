//! Certificates of ordinary and Lipschitz VAEs, and the hunt for violations of
//! every kind of bound.

mod config;
mod counterexamples;
mod job;
mod judge;

pub use config::CertificatesConfig;

use crate::images::at_hand;
use crate::progress::Progress;
use crate::registry::Experiment;
use crate::{RunCtx, Tier};
use anyhow::{Context as _, Result};
use job::Images;
use std::sync::Arc;
use std::time::Instant;
use vaegis_core::SeedTree;
use vaegis_core::provenance::DatasetUse;
use vaegis_data::{Dataset, OpenOptions, Split, Subset};
use vaegis_report::{Report, RunManifest};
use vaegis_tensor::workers;

/// Side of the images.
const SIDE: usize = 28;
/// Sprites drawn where MNIST is not at hand.
const NUM_SPRITES: usize = 10_000;

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
        "MNIST if VAEGIS_DATA or --data has it, else procedural sprites"
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Smoke => "under a minute",
            Tier::Desk => "under 10 minutes",
            Tier::Paper => "several hours",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        let start = Instant::now();
        let config = CertificatesConfig::at(ctx.tier);
        let (images, datasets) = load(ctx, &config)?;
        let seeds = ctx.seeds(config.num_seeds);
        let mut provenance = ctx.provenance(&seeds);
        provenance.datasets = datasets;
        let shape = images.train.spec().item_shape.map(|n| n as i64);
        let models = config.models(shape);
        let jobs: Vec<_> = models
            .iter()
            .flat_map(|model| seeds.iter().map(move |&seed| (model, seed)))
            .collect();
        let progress = Progress::unless(ctx.quiet, "certificates", job::UNITS * jobs.len() as f64);
        let results = workers::run(&jobs, ctx.jobs, ctx.threads, |_, &(model, seed)| {
            job::run(ctx, &config, &images, model, seed, &progress)
        })?;
        progress.finish();
        let examples = counterexamples::all()?;
        let claims = judge::claims(&config, &results, &examples)?;
        let sections = judge::sections(&config, &results, &examples)?;
        provenance.finish(start);
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

/// Training and test images, MNIST where a data folder has it.
fn load(ctx: &RunCtx, config: &CertificatesConfig) -> Result<(Images, Vec<DatasetUse>)> {
    let usable = at_hand(ctx, "mnist")?;
    let name = if usable { "mnist" } else { "sprites" };
    let options = OpenOptions {
        size: (!usable).then_some(SIDE),
        samples: (!usable).then_some(NUM_SPRITES),
        seed: ctx.seed,
        ..OpenOptions::default()
    };
    let open = |split| {
        vaegis_data::open(name, ctx.data_root.as_deref(), split, &options)
            .with_context(|| format!("opening {name}"))
    };
    let train: Arc<dyn Dataset> = Arc::from(open(Split::Train)?);
    let train: Arc<dyn Dataset> = match config.train_images {
        Some(len) if len < train.len() => Arc::new(Subset::new(train, (0..len).collect())?),
        _ => train,
    };
    let test = open(Split::Test)?;
    let seed = SeedTree::new(ctx.seed).child("certificates");
    let mut positions = vaegis_data::permutation(test.len(), &seed.child("images"));
    positions.truncate(config.images);
    let uses = [&*train, &*test].map(|set| {
        let spec = set.spec();
        DatasetUse {
            name: format!("{} ({} {})", spec.name, set.len(), spec.split.name()),
            origin: spec.origin.clone(),
            checksum: spec.checksum.clone(),
        }
    });
    let images = Images {
        test: test.batch(&positions)?.x,
        checksum: test.spec().checksum.clone(),
        train,
    };
    Ok((images, uses.to_vec()))
}
