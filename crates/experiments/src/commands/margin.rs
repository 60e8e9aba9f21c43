//! `vaegis margin`: empirical r-robustness margins and first-order bounds of test images.

use super::machine::MachineArgs;
use super::margin_legacy::{self, LegacyArgs};
use super::margin_table::{lines, table};
use super::model_folder::{ModelArgs, load};
use super::radius_args::RadiusArgs;
use super::run_config::DatasetConfig;
use crate::progress::Progress;
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;
use vaegis_attacks::Variant;
use vaegis_core::SeedTree;
use vaegis_core::codec::{read_json, write_atomic, write_json};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::{Violation, Violations};
use vaegis_data::Batch;
use vaegis_eval::bounds::{BoundOptions, InputBounds, margin_bounds};
use vaegis_eval::cell::cells;
use vaegis_eval::margin::{InputMargin, MarginDirection, MarginOptions, margins};
use vaegis_eval::margin_legacy::{LegacyInput, LegacyOptions};
use vaegis_eval::margin_summary::{BoundRelation, MarginSummary};
use vaegis_nn::LatentModel;
use vaegis_tensor::convert::to_tensor;
use vaegis_tensor::{Noise, Tensor};

/// Name of the results in their folder.
pub const MARGINS_FILE: &str = "margins.json";

const HELP: &str = "\
Examples:
  vaegis margin models/vae                           25 images at r = 4
  vaegis margin models/vae --images 100 --r 6        more images, a larger radius
  vaegis margin models/vae --variant mean-only       attack the mean alone, as the bounds assume
  vaegis margin models/vae --scan 0.5                also where robustness comes and goes
  vaegis margin models/vae --direction random        what noise of that length does, not an attack
  vaegis margin models/vae --legacy thesis           the algorithms as printed, beside ours

The r-robustness margin of an image is the largest norm of a distortion under which the
reconstruction stays within r of the clean one with probability above m. It is bracketed by
bisection over attacks, which are incomplete, so it is an estimate from above. Bisection takes it
that an image that is robust at a radius is robust at smaller ones; --scan finds the first radius
that fails without that assumption, at more tests. B_F, B_2 and B_M are first-order lower bounds.
The output folder gets margins.json, margins.csv (one row per image, each number with its evidence)
and provenance.json. A second run with --legacy keeps the margins that are there.

The printed algorithms of --legacy are for comparison with published numbers. Their defects:";

/// The text below the options: examples, and what the printed algorithms suffer from.
fn help() -> String {
    let defects = margin_legacy::DEFECTS.map(|defect| format!("  - {defect}"));
    let end = "Exit code 0: done; 1: an error, said on stderr; 2: a wrong command line.";
    format!("{HELP}\n{}\n\n{end}", defects.join("\n"))
}

/// Options of `vaegis margin`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help())]
pub struct MarginArgs {
    /// The model
    #[command(flatten)]
    pub model: ModelArgs,
    /// Images, ball and effort
    #[command(flatten)]
    pub radius: RadiusArgs,
    /// Largest norm of a distortion tried
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "NORM",
        default_value_t = 12.0
    )]
    pub cap: f64,
    /// Width of the bracket at which bisection stops
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "NORM",
        default_value_t = 0.05
    )]
    pub tolerance: f64,
    /// Which distortions of a length are tried
    #[arg(long, value_enum, default_value_t)]
    pub direction: DirectionName,
    /// Scan upwards in steps of this width for the first radius that fails, then bisect within the
    /// step; without it, bisection alone
    #[arg(long, allow_negative_numbers = true, value_name = "NORM")]
    pub scan: Option<f64>,
    /// Which channel of the encoder is attacked
    #[arg(long, value_enum, default_value_t)]
    pub variant: VariantName,
    /// The printed algorithms
    #[command(flatten)]
    pub legacy: LegacyArgs,
    /// Folder for results; without it MODEL/margins
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where it computes
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// The directions by the names of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DirectionName {
    /// Those that the strongest attack finds: the margin of the definition
    #[default]
    Attack,
    /// Fresh random ones per radius: an average-case radius, not a margin
    Random,
    /// One random one per start, the same at every radius: the radius along a ray
    Fixed,
}

impl From<DirectionName> for MarginDirection {
    fn from(name: DirectionName) -> Self {
        match name {
            DirectionName::Attack => Self::Attack,
            DirectionName::Random => Self::Random,
            DirectionName::Fixed => Self::Fixed,
        }
    }
}

/// The variants by the names of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VariantName {
    /// The mean only (V1), for which the bounds hold
    MeanOnly,
    /// The scale only
    SigmaOnly,
    /// Mean and scale (V2)
    #[default]
    Both,
    /// Mean and scale, against a noisy reference (V3)
    TwoSample,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MarginSettings {
    /// How margins are estimated.
    pub margin: MarginOptions,
    /// How bounds are computed.
    pub bound: BoundOptions,
    /// Root seed.
    pub seed: u64,
    /// Threads within one tensor operation.
    pub threads: usize,
    /// Device of the tensors.
    pub device: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// The data set of the images.
    pub dataset: DatasetConfig,
    /// Its checksum.
    pub dataset_checksum: String,
    /// SHA-256 of the model's weights.
    pub model_sha256: String,
    /// Test positions of the images.
    pub images: Vec<usize>,
    /// The printed algorithms that were run too, in the order of the results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legacy: Vec<LegacyOptions>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageMargin {
    /// Position in the test split.
    pub image: usize,
    /// Its class, where there are classes.
    pub label: Option<i64>,
    /// The empirical margin.
    pub margin: InputMargin,
    /// The bounds.
    pub bounds: InputBounds,
    /// The linear region of a piecewise-linear fully connected encoder.
    #[serde(default)]
    pub cell: Option<CellRadius>,
    /// What the printed algorithms say, for comparison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legacy: Vec<LegacyInput>,
}

/// How far an encoder is affine around an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CellRadius {
    /// ρ_cell, the distance to the nearest kink; may be +∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub radius: f64,
}

/// All images together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MarginsSummary {
    /// The margins.
    pub margins: MarginSummary,
    /// The margins beside B_F with the counted p₀.
    pub bound: BoundRelation,
}

/// What is stored as `margins.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Margins {
    /// What was asked for.
    pub settings: MarginSettings,
    /// All images together; none in files of earlier versions.
    #[serde(default)]
    pub summary: Option<MarginsSummary>,
    /// One entry per image.
    pub rows: Vec<ImageMargin>,
}

impl Validate for MarginArgs {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        self.radius.check(&mut checks);
        checks
            .positive("--cap", self.cap)
            .positive("--tolerance", self.tolerance);
        if let Some(step) = self.scan {
            checks.positive("--scan", step);
        }
        self.legacy.check(&mut checks);
        checks.into_violations()
    }
}

/// Measures margins and bounds, or reads them back where the same were measured before.
///
/// # Errors
/// No such model, a damaged one, impossible numbers, disk errors.
pub fn run(args: &MarginArgs, print: &mut dyn FnMut(&str)) -> Result<()> {
    let start = Instant::now();
    let violations = args.violations();
    if !violations.is_empty() {
        bail!("command line: {}", Violations(violations));
    }
    let machine = args.machine.resolve()?;
    let loaded = load(&args.model.model, machine.device)?;
    let root = machine.data_root.as_deref();
    let (dataset, test) = loaded.test_set(args.model.dataset.as_deref(), root)?;
    let tree = SeedTree::new(args.radius.seed).child("margin");
    let images = args.radius.positions(test.len(), &tree);
    let settings = settings(args, &machine, dataset, &loaded.sha256, &test, images);
    let batch = test.batch(&settings.images)?;
    let x = to_tensor(&batch.x).to_device(machine.device); // [N, C, H, W]
    let model: &dyn LatentModel = &*loaded.model;

    let default_out = || loaded.folder.join("margins");
    let out = args.out.clone().unwrap_or_else(default_out);
    let noise = |label: &str| Noise::portable(tree.child(label));
    let (radius, path) = (&args.radius, out.join(MARGINS_FILE));
    let legacy = args.legacy.options(radius.r, radius.m, radius.steps);
    let mut margins = match stored(&path, &settings, &legacy)? {
        Some(margins) => margins,
        None => measure(model, &x, &batch, settings, &noise, args.machine.quiet)?,
    };
    let quiet = args.machine.quiet;
    margin_legacy::add(&mut margins, &legacy, model, &x, &noise("legacy"), quiet)?;
    margins.complete(model, &x)?;
    std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
    write_json(&path, &margins)?;
    let table = table(&margins)?;
    write_atomic(&out.join("margins.csv"), table.to_csv()?.as_bytes())?;
    let mut provenance = machine.provenance(args.radius.seed, &[&*test]);
    provenance.finish(start);
    write_json(&out.join("provenance.json"), &provenance)?;
    print(&loaded.describe());
    for line in lines(&margins) {
        print(&line);
    }
    print(&format!("written to {}", out.display()));
    Ok(())
}

/// Margins and bounds of every image.
fn measure(
    model: &dyn LatentModel,
    x: &Tensor,
    batch: &Batch,
    settings: MarginSettings,
    noise: &dyn Fn(&str) -> Noise,
    quiet: bool,
) -> Result<Margins> {
    let bounds = margin_bounds(model, x, &settings.bound, &noise("bounds"))?;
    let progress = Progress::unless(quiet, "margins", 1.0);
    let mut before = 0;
    let report = |done: usize, all: usize| {
        let units = (done - before) as f64 / all.max(1) as f64;
        before = done;
        progress.advance(units, &format!("round {done} of at most {all}"));
    };
    let measured = margins(model, x, &settings.margin, &noise("margins"), report)?;
    progress.finish();
    let all = settings.images.iter().zip(measured).zip(bounds);
    let rows = all
        .enumerate()
        .map(|(i, ((&image, margin), bounds))| ImageMargin {
            image,
            label: batch.labels.as_ref().map(|labels| labels[i]),
            margin,
            bounds,
            cell: None,
            legacy: Vec::new(),
        });
    Ok(Margins {
        rows: rows.collect(),
        summary: None,
        settings,
    })
}

impl Margins {
    /// Adds what follows from the model and the rows, also to files of earlier versions.
    fn complete(&mut self, model: &dyn LatentModel, x: &Tensor) -> Result<()> {
        // A smooth or convolutional encoder has no linear regions that are known here.
        let paths = model.network_paths();
        let radii = paths.and_then(|paths| cells(&paths.mean, x).ok());
        for (at, row) in self.rows.iter_mut().enumerate() {
            row.cell = radii.as_ref().map(|cells| CellRadius {
                radius: cells[at].radius,
            });
        }
        let found = || self.rows.iter().map(|row| &row.margin.margin);
        let bounds = self.rows.iter().map(|row| row.bounds.plug_in.frobenius);
        let summary = MarginsSummary {
            margins: MarginSummary::of(found())?,
            bound: BoundRelation::of(bounds.zip(found())),
        };
        self.summary = Some(summary);
        Ok(())
    }
}

/// Margins measured before with the same settings, with or without the printed algorithms.
fn stored(
    path: &Path,
    settings: &MarginSettings,
    legacy: &[LegacyOptions],
) -> Result<Option<Margins>> {
    if !path.exists() {
        return Ok(None);
    }
    let margins: Margins = read_json(path)?;
    let same = MarginSettings {
        legacy: settings.legacy.clone(),
        ..margins.settings.clone()
    };
    if same != *settings {
        bail!(
            "{} was measured with other settings (another model, data set, seed, number of \
             threads or option): choose another --out or remove it",
            path.display()
        );
    }
    margin_legacy::refuse_others(path, &margins, legacy)?;
    Ok(Some(margins))
}

fn settings(
    args: &MarginArgs,
    machine: &super::machine::Machine,
    dataset: DatasetConfig,
    model_sha256: &str,
    test: &std::sync::Arc<dyn vaegis_data::Dataset>,
    images: Vec<usize>,
) -> MarginSettings {
    let variant = match args.variant {
        VariantName::MeanOnly => Variant::MeanOnly,
        VariantName::SigmaOnly => Variant::SigmaOnly,
        VariantName::Both => Variant::Both,
        VariantName::TwoSample => Variant::TwoSample,
    };
    MarginSettings {
        margin: args.radius.margins(MarginOptions {
            variant,
            cap: args.cap,
            tolerance: args.tolerance,
            direction: args.direction.into(),
            scan_step: args.scan,
            ..MarginOptions::default()
        }),
        bound: BoundOptions {
            r: args.radius.r,
            m: args.radius.m,
            num_samples: args.radius.clean_samples(),
            ..BoundOptions::default()
        },
        seed: args.radius.seed,
        threads: machine.threads,
        device: format!("{:?}", machine.device).to_lowercase(),
        libtorch: vaegis_tensor::device::libtorch_version(),
        dataset,
        dataset_checksum: test.spec().checksum.clone(),
        model_sha256: model_sha256.to_owned(),
        images,
        legacy: Vec::new(),
    }
}
