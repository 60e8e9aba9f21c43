//! `vaegis margin`: empirical r-robustness margins and first-order bounds of test images.

use super::machine::MachineArgs;
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
use vaegis_eval::bounds::{BoundOptions, InputBounds, margin_bounds};
use vaegis_eval::margin::{InputMargin, MarginDirection, MarginOptions, margins};
use vaegis_nn::LatentModel;
use vaegis_report::{Cell, Table};
use vaegis_tensor::Noise;
use vaegis_tensor::convert::to_tensor;
use vaegis_theory::bisection::RowStatus;

/// Name of the results in their folder.
pub const MARGINS_FILE: &str = "margins.json";

/// Options of `vaegis margin`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  vaegis margin models/vae                           25 images at r = 4
  vaegis margin models/vae --images 100 --r 6        more images, a larger radius
  vaegis margin models/vae --variant mean-only       attack the mean alone, as the bounds assume
  vaegis margin models/vae --scan 0.5                also where robustness comes and goes
  vaegis margin models/vae --direction random        what noise of that length does, not an attack

The r-robustness margin of an image is the largest norm of a distortion under which the
reconstruction stays within r of the clean one with probability above m. It is bracketed by
bisection over attacks, which are incomplete, so it is an estimate from above. Bisection takes it
that an image that is robust at a radius is robust at smaller ones; --scan finds the first radius
that fails without that assumption, at more tests. B_F, B_2 and B_M are first-order lower bounds. The output folder gets margins.json, margins.csv and provenance.json.
Exit code 0: done; 1: an error, said on stderr; 2: a wrong command line.")]
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
}

/// What is stored as `margins.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Margins {
    /// What was asked for.
    pub settings: MarginSettings,
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
    let stored = stored(&out.join(MARGINS_FILE), &settings)?;
    let margins = match stored {
        Some(margins) => margins,
        None => {
            let bounds = margin_bounds(model, &x, &settings.bound, &noise("bounds"))?;
            let progress = Progress::unless(args.machine.quiet, "margins", 1.0);
            let mut before = 0;
            let report = |done: usize, all: usize| {
                let units = (done - before) as f64 / all.max(1) as f64;
                before = done;
                progress.advance(units, &format!("round {done} of at most {all}"));
            };
            let measured = margins(model, &x, &settings.margin, &noise("margins"), report)?;
            progress.finish();
            let all = settings.images.iter().zip(measured).zip(bounds);
            let rows = all
                .enumerate()
                .map(|(i, ((&image, margin), bounds))| ImageMargin {
                    image,
                    label: batch.labels.as_ref().map(|labels| labels[i]),
                    margin,
                    bounds,
                });
            Margins {
                rows: rows.collect(),
                settings,
            }
        }
    };
    std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
    write_json(&out.join(MARGINS_FILE), &margins)?;
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

/// Margins measured before with the same settings.
fn stored(path: &Path, settings: &MarginSettings) -> Result<Option<Margins>> {
    if !path.exists() {
        return Ok(None);
    }
    let margins: Margins = read_json(path)?;
    if margins.settings != *settings {
        bail!(
            "{} was measured with other settings (another model, data set, seed, number of \
             threads or option): choose another --out or remove it",
            path.display()
        );
    }
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
    }
}

/// What the radii are.
fn what(direction: MarginDirection) -> &'static str {
    match direction {
        MarginDirection::Attack => "margins",
        MarginDirection::Random => "radii over random directions, which are no margins,",
        MarginDirection::Fixed => "radii along fixed random directions, which are no margins,",
    }
}

/// The word for a status.
fn word(status: RowStatus) -> &'static str {
    match status {
        RowStatus::Bracketed { .. } => "bracketed",
        RowStatus::AtCap => "at cap",
        RowStatus::NotRobustUnperturbed => "not robust at 0",
        RowStatus::Unresolved => "unresolved",
    }
}

fn table(margins: &Margins) -> Result<Table> {
    let names = [
        "image",
        "label",
        "status",
        "margin_lower",
        "margin_upper",
        "bound_frobenius",
        "bound_spectral",
        "bound_mahalanobis",
        "bound_frobenius_confident",
        "bound_frobenius_at_p0_90",
        "p0",
        "r_min",
        "jacobian_frobenius",
        "jacobian_spectral",
        "sigma_min",
    ];
    let mut table = Table::new("margins", "Margins and bounds", &names);
    for row in &margins.rows {
        let (margin, bounds) = (&row.margin.margin, &row.bounds);
        let mut cells: Vec<Cell> = vec![
            row.image.into(),
            row.label.map_or(Cell::Missing, Cell::from),
            word(margin.status).into(),
        ];
        cells.extend(
            [
                margin.value,
                margin.upper,
                bounds.plug_in.frobenius,
                bounds.plug_in.spectral,
                bounds.plug_in.mahalanobis,
                bounds.confident.frobenius,
                bounds.at_p0_90.frobenius,
                bounds.p0.value(),
                bounds.r_min.value,
                bounds.jacobian_frobenius,
                bounds.jacobian_spectral,
                bounds.sigma_min,
            ]
            .map(Cell::from),
        );
        table.push_row(cells)?;
    }
    Ok(table)
}

/// The first images and the means over all.
fn lines(margins: &Margins) -> Vec<String> {
    const SHOWN: usize = 10;
    let options = &margins.settings.margin;
    let mut lines = vec![
        format!(
            "{} at r = {}, m = {}",
            what(options.direction),
            options.r,
            options.m
        ),
        format!(
            "{:>8} {:>16} {:>16} {:>8} {:>8} {:>8} {:>8}",
            "image", "status", "margin", "B_F", "B_2", "B_M", "p0"
        ),
    ];
    for row in margins.rows.iter().take(SHOWN) {
        let (margin, bounds) = (&row.margin.margin, &row.bounds);
        let bracket = format!("[{:.2}, {:.2}]", margin.value, margin.upper);
        lines.push(format!(
            "{:>8} {:>16} {:>16} {:>8.3} {:>8.3} {:>8.3} {:>8.3}",
            row.image,
            word(margin.status),
            bracket,
            bounds.plug_in.frobenius,
            bounds.plug_in.spectral,
            bounds.plug_in.mahalanobis,
            bounds.p0.value(),
        ));
    }
    if margins.rows.len() > SHOWN {
        lines.push(format!("     ... and {} more", margins.rows.len() - SHOWN));
    }
    let mean = |value: &dyn Fn(&ImageMargin) -> f64| {
        margins.rows.iter().map(value).sum::<f64>() / margins.rows.len() as f64
    };
    lines.push(format!(
        "mean margin (lower ends) {:.3}, mean B_F {:.3} over {} images",
        mean(&|r| r.margin.margin.value),
        mean(&|r| r.bounds.plug_in.frobenius),
        margins.rows.len()
    ));
    lines
}
