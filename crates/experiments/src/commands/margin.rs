//! `vaegis margin`: empirical r-robustness margins and first-order bounds of test images.

use super::machine::MachineArgs;
use super::model_folder::{ModelArgs, load};
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
use vaegis_eval::margin::{InputMargin, MarginOptions, margins};
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

The r-robustness margin of an image is the largest norm of a distortion under which the
reconstruction stays within r of the clean one with probability above m. It is bracketed by
bisection over attacks, which are incomplete, so it is an estimate from above. B_F, B_2 and B_M are
first-order lower bounds. The output folder gets margins.json, margins.csv and provenance.json.
Exit code 0: done; 1: an error, said on stderr; 2: a wrong command line.")]
pub struct MarginArgs {
    /// The model
    #[command(flatten)]
    pub model: ModelArgs,
    /// Test images, drawn by --seed
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub images: usize,
    /// Radius in reconstruction space
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "R",
        default_value_t = 4.0
    )]
    pub r: f64,
    /// Required probability
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "M",
        default_value_t = 0.5
    )]
    pub m: f64,
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
    /// Attack starts per radius
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub restarts: usize,
    /// Steps of projected gradient per start
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub steps: usize,
    /// Noise draws per start and radius; ten times as many for the clean image
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub samples: usize,
    /// Which channel of the encoder is attacked
    #[arg(long, value_enum, default_value_t)]
    pub variant: VariantName,
    /// Folder for results; without it MODEL/margins
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of images, starts and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where it computes
    #[command(flatten)]
    pub machine: MachineArgs,
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
        checks
            .at_least("--images", self.images, 1)
            .positive("--r", self.r)
            .between("--m", self.m, 0.0, 1.0)
            .positive("--cap", self.cap)
            .positive("--tolerance", self.tolerance)
            .at_least("--restarts", self.restarts, 1)
            .at_least("--steps", self.steps, 1)
            .at_least("--samples", self.samples, 1);
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
    let tree = SeedTree::new(args.seed).child("margin");
    let mut images = vaegis_data::permutation(test.len(), &tree.child("images"));
    images.truncate(args.images);
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
            let progress = if args.machine.quiet {
                Progress::hidden()
            } else {
                Progress::new("margins", 1.0)
            };
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
    let mut provenance = machine.provenance(args.seed, &[&*test]);
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
    let unperturbed = args.samples.saturating_mul(10);
    let variant = match args.variant {
        VariantName::MeanOnly => Variant::MeanOnly,
        VariantName::SigmaOnly => Variant::SigmaOnly,
        VariantName::Both => Variant::Both,
        VariantName::TwoSample => Variant::TwoSample,
    };
    MarginSettings {
        margin: MarginOptions {
            r: args.r,
            m: args.m,
            variant,
            cap: args.cap,
            tolerance: args.tolerance,
            num_samples: args.samples,
            num_samples_unperturbed: unperturbed,
            restarts: args.restarts,
            steps: args.steps,
            ..MarginOptions::default()
        },
        bound: BoundOptions {
            r: args.r,
            m: args.m,
            num_samples: unperturbed,
            ..BoundOptions::default()
        },
        seed: args.seed,
        threads: machine.threads,
        device: format!("{:?}", machine.device).to_lowercase(),
        libtorch: vaegis_tensor::device::libtorch_version(),
        dataset,
        dataset_checksum: test.spec().checksum.clone(),
        model_sha256: model_sha256.to_owned(),
        images,
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
        format!("margins at r = {}, m = {}", options.r, options.m),
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
