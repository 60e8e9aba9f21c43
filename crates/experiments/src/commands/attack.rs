//! `vaegis attack`: targeted attacks on a trained model, pairs × penalties or radii, resumable.

use super::attack_options::{AttackOptions, BallName};
use super::attack_report::{csv, panels, report, short_table};
use super::machine::{Machine, MachineArgs, command_line};
use super::model_folder::{ModelArgs, load};
use super::run_config::DatasetConfig;
use crate::progress::Progress;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;
use vaegis_attacks::grid::{NUM_LAMBDAS, draw_pairs, lambda_grid, with_zero};
use vaegis_attacks::record::AttackRecord;
use vaegis_attacks::reference::describe_random;
use vaegis_attacks::select::auddc;
use vaegis_attacks::sweep::{Sweep, SweepRows};
use vaegis_core::SeedTree;
use vaegis_core::codec::{float, write_atomic, write_json};
use vaegis_data::Dataset;
use vaegis_nn::LatentModel;
use vaegis_report::RunManifest;
use vaegis_tensor::convert::to_tensor;
use vaegis_tensor::{Noise, Tensor};
use vaegis_zoo::Profile;

/// Options of `vaegis attack`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  vaegis attack models/vae --objective kl                        10 pairs x 50 penalties
  vaegis attack models/vae --objective w2 --pairs 3 --lambdas 9  a quick look
  vaegis attack models/vae --objective output --out results/output --restarts 3
  vaegis attack models/seatbelt --objective kl --layers top --chains 8
                                                                 the top layer alone, expected over
                                                                 draws of the layers below it
  vaegis attack models/vae --objective kl --ball linf --radii 0.02,0.05,0.1 --optimizer apgd
                                                                 in balls, without a price

Pairs of test images are drawn by --seed; penalties are a geometric grid from 2^-20 to 2^20. Every
likelihood stands beside its references: no attack, random noise of equal norm, a perfect attack.
The output folder gets records.jsonl (one attack per line, written while it runs), records.csv,
summary.json and report.html with six-panel pictures. After a kill, the same command goes on and
ends with the same files; a folder of another job is refused.
Exit code 0: done; 1: an error, said on stderr; 2: a wrong command line.")]
pub struct AttackArgs {
    /// The victim
    #[command(flatten)]
    pub model: ModelArgs,
    /// The attack
    #[command(flatten)]
    pub attack: AttackOptions,
    /// Pairs of an original and a target
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub pairs: usize,
    /// Penalties on the grid [default: 50]
    #[arg(long, value_name = "K", conflicts_with = "radii")]
    pub lambdas: Option<usize>,
    /// Attack at λ = 0 too, before the grid
    #[arg(long, conflicts_with = "radii")]
    pub with_zero: bool,
    /// Radii of the balls, in units of the pixels [default: six from 0.25 to 8 for l2, from 1/128
    /// to 1/4 for linf]
    #[arg(long, value_name = "R,...", value_delimiter = ',')]
    pub radii: Vec<f64>,
    /// Folder for results; without it MODEL/attack-OBJECTIVE
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Noise draws for the recorded likelihoods
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub samples: usize,
    /// Attacks worked off together; also what a kill can cost
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub chunk_rows: usize,
    /// Pairs shown as pictures
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub pictures: usize,
    /// Seed of pairs, starts and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Where it computes
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// What was asked for, stored as `attack.json` and in the report.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttackSettings {
    /// Attack, rows per chunk, draws.
    pub sweep: Sweep,
    /// Reading of the sources' preprocessing that the victim follows, where its family knows one;
    /// the default of the attack's box.
    pub profile: Option<Profile>,
    /// Test positions of original and target of every pair.
    pub pairs: Vec<(usize, usize)>,
    /// Factors of the penalty; none in balls.
    pub lambdas: Vec<f64>,
    /// Radii of the balls; none without them.
    #[serde(default)]
    pub radii: Vec<f64>,
    /// Root seed.
    pub seed: u64,
    /// Threads within one tensor operation.
    pub threads: usize,
    /// The data set of the pairs.
    pub dataset: DatasetConfig,
    /// Its checksum.
    pub dataset_checksum: String,
    /// SHA-256 of the victim's weights.
    pub model_sha256: String,
}

impl AttackSettings {
    /// What differs between the attacks on one pair.
    pub(super) fn levels(&self) -> &[f64] {
        if self.radii.is_empty() {
            &self.lambdas
        } else {
            &self.radii
        }
    }
}

/// Means over the pairs at one penalty or in balls of one radius.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AtLevel {
    /// Factor of the penalty, or radius of the ball.
    pub level: f64,
    /// Share of the way from no attack (0) to a perfect one (1).
    #[serde(with = "float")]
    pub success: f64,
    /// ‖d‖₂.
    #[serde(with = "float")]
    pub norm_l2: f64,
    /// The attacker's loss.
    #[serde(with = "float")]
    pub delta: f64,
    /// −log p(xᵗ|z*).
    #[serde(with = "float")]
    pub nll_target: f64,
    /// The same without attack.
    #[serde(with = "float")]
    pub nll_target_no_attack: f64,
    /// The same after random noise of the attack's norm.
    #[serde(with = "float")]
    pub nll_target_random: f64,
    /// The same for the target itself: a perfect attack.
    #[serde(with = "float")]
    pub nll_target_perfect: f64,
}

/// What came out, stored as `summary.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttackSummary {
    /// Name of the objective.
    pub objective: String,
    /// Number of attacks.
    pub attacks: usize,
    /// Attacks without a finite share of success (no attack and a perfect one are equally good),
    /// which means leave out.
    pub not_finite: usize,
    /// What the level below is: `lambda` or `radius`.
    pub level: String,
    /// Means by penalty or radius, in the order of the grid.
    pub by_level: Vec<AtLevel>,
    /// Mean area under the distortion-distance curve over the pairs (large = robust).
    #[serde(with = "float")]
    pub auddc: f64,
}

/// Attacks, or goes on attacking, and writes records, summary and report.
///
/// # Errors
/// No such model, a damaged one, impossible numbers, a folder of another job, disk errors.
pub fn run(args: &AttackArgs, print: &mut dyn FnMut(&str)) -> Result<()> {
    let start = Instant::now();
    check(args)?;
    let machine = args.machine.resolve()?;
    let victim = load(&args.model.model, machine.device)?;
    let root = machine.data_root.as_deref();
    let (dataset, test) = victim.test_set(args.model.dataset.as_deref(), root)?;
    let tree = SeedTree::new(args.seed).child("attack");
    let pairs = pairs(&*test, args.pairs, &tree)?;
    let profile = victim.model.config().profile();
    let (lambdas, radii) = args.levels();
    let settings = AttackSettings {
        sweep: Sweep {
            attack: args.attack.attack(profile, args.samples)?,
            chunk_rows: args.chunk_rows,
            samples: args.samples,
        },
        profile,
        lambdas,
        radii,
        seed: args.seed,
        threads: machine.threads,
        dataset_checksum: test.spec().checksum.clone(),
        model_sha256: victim.sha256.clone(),
        dataset,
        pairs,
    };
    let images = |positions: Vec<usize>| -> Result<Tensor> {
        Ok(to_tensor(&test.batch(&positions)?.x).to_device(machine.device))
    };
    let (originals, targets): (Vec<usize>, Vec<usize>) = settings.pairs.iter().copied().unzip();
    let (originals, targets) = (images(originals)?, images(targets)?); // [P, C, H, W]
    let context = context(&settings, &machine)?;
    let rows = if settings.radii.is_empty() {
        SweepRows::grid(&originals, &targets, &settings.lambdas, context)
    } else {
        SweepRows::balls(&originals, &targets, &settings.radii, context)
    };
    let model: &dyn LatentModel = &*victim.model;
    rows.rows.check(model, &settings.sweep.attack.objective)?;

    let default_out = || {
        victim
            .folder
            .join(format!("attack-{}", args.attack.objective.name()))
    };
    let out = args.out.clone().unwrap_or_else(default_out);
    std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
    let noise = Noise::portable(tree.child("targeted"));
    let (records, distortions) = attack(args, &settings, model, &rows, &noise, &out)?;
    let attacked = (&records[..], &distortions);
    let random = describe_random(model, &settings.sweep, &rows, attacked, &noise);
    write_json(&out.join("attack.json"), &settings)?;
    write_atomic(&out.join("records.csv"), csv(&records, &random)?.as_bytes())?;
    let summary = summarize(&args.attack, &settings, &records, &random);
    write_json(&out.join("summary.json"), &summary)?;
    let mut provenance = machine.provenance(args.seed, &[&*test]);
    provenance.finish(start);
    let manifest = RunManifest::new("attack", "")
        .with_command(&command_line())
        .with_seeds(&[args.seed])
        .with_config(&settings)?
        .with_provenance(&provenance)?;
    let images = (&originals, &targets, &distortions);
    let pictures = panels(args, model, images, &records, settings.levels().len())?;
    let attack = &settings.sweep.attack;
    let report = report(
        args,
        attack,
        (&victim, &*test),
        manifest,
        &summary,
        pictures,
    )?;
    let written = vaegis_report::write_folder(&out, &report)?;
    print(&victim.describe());
    for line in short_table(&summary) {
        print(&line);
    }
    print(&format!("report: {}", written.html.display()));
    Ok(())
}

impl AttackArgs {
    /// Factors of the penalty and radii of the balls, one of them empty.
    fn levels(&self) -> (Vec<f64>, Vec<f64>) {
        let default = match self.attack.ball {
            BallName::None => {
                let grid = lambda_grid(self.lambdas.unwrap_or(NUM_LAMBDAS));
                let zero = self.with_zero;
                return (if zero { with_zero(grid) } else { grid }, Vec::new());
            }
            BallName::L2 => -2..=3,
            BallName::Linf => -7..=-2,
        };
        let radii = if self.radii.is_empty() {
            default.map(|k| 2_f64.powi(k)).collect()
        } else {
            self.radii.clone()
        };
        (Vec::new(), radii)
    }
}

fn check(args: &AttackArgs) -> Result<()> {
    let in_balls = args.attack.ball != BallName::None;
    if !in_balls && !args.radii.is_empty() {
        bail!("--radii: expected with --ball l2 or linf; found it without a ball");
    }
    if in_balls && (args.lambdas.is_some() || args.with_zero) {
        bail!(
            "--lambdas, --with-zero: expected without --ball, in which the distortion has no price"
        );
    }
    if let Some(bad) = args.radii.iter().find(|r| !(r.is_finite() && **r > 0.0)) {
        bail!("--radii: expected positive numbers, found {bad}");
    }
    for (name, found, least) in [
        ("--pairs", args.pairs, 1),
        ("--lambdas", args.lambdas.unwrap_or(NUM_LAMBDAS), 2),
        ("--restarts", args.attack.restarts, 1),
        (
            "--max-iterations",
            args.attack.max_iterations.unwrap_or(1),
            1,
        ),
        ("--max-evaluations", args.attack.max_evaluations, 1),
        ("--samples", args.samples, 1),
        ("--chunk-rows", args.chunk_rows, 1),
    ] {
        if found < least {
            bail!("{name}: expected at least {least}, found {found}");
        }
    }
    Ok(())
}

/// Pairs of different test images, of different classes where there are classes.
fn pairs(test: &dyn Dataset, count: usize, tree: &SeedTree) -> Result<Vec<(usize, usize)>> {
    let labels = test.labels()?;
    let one_class = labels
        .as_ref()
        .is_some_and(|l| l.iter().all(|label| *label == l[0]));
    if test.len() < 2 || one_class {
        bail!(
            "the test split has {} images{}: at least two of different classes are needed for a \
             pair",
            test.len(),
            if one_class { " of one class" } else { "" }
        );
    }
    Ok(draw_pairs(test.len(), labels.as_deref(), count, tree))
}

/// What the numbers depend on besides the rows; a sweep is resumed only where it agrees.
fn context(settings: &AttackSettings, machine: &Machine) -> Result<String> {
    let identity = (
        &settings.model_sha256,
        &settings.dataset_checksum,
        &settings.pairs,
        settings.threads,
        format!("{:?}", machine.device),
        vaegis_tensor::device::libtorch_version(),
    );
    Ok(vaegis_core::hash::content_hash(&identity)?)
}

fn attack(
    args: &AttackArgs,
    settings: &AttackSettings,
    model: &dyn LatentModel,
    rows: &SweepRows,
    noise: &Noise,
    out: &Path,
) -> Result<(Vec<AttackRecord>, Tensor)> {
    let progress = Progress::unless(args.machine.quiet, "attacks", rows.rows.len() as f64);
    let (mut before, mut first) = (0, true);
    let report = |done: usize, all: usize| {
        let units = (done - before) as f64;
        let message = format!("{done} of {all} attacks");
        // The first call tells what an earlier process had done.
        if first {
            progress.skip(units, &message);
        } else {
            progress.advance(units, &message);
        }
        (before, first) = (done, false);
    };
    let done = settings
        .sweep
        .run_resumable(model, rows, noise, out, report);
    progress.finish();
    Ok(done?)
}

fn summarize(
    options: &AttackOptions,
    settings: &AttackSettings,
    records: &[AttackRecord],
    random: &[AttackRecord],
) -> AttackSummary {
    let levels = settings.levels();
    let at = |k: usize| {
        let mean = |all: &[AttackRecord], value: &dyn Fn(&AttackRecord) -> f64| {
            mean_of_finite(all.iter().skip(k).step_by(levels.len()).map(value))
        };
        AtLevel {
            level: levels[k],
            success: mean(records, &AttackRecord::success),
            norm_l2: mean(records, &|r| r.norm_l2),
            delta: mean(records, &|r| r.delta),
            nll_target: mean(records, &|r| r.nll_target),
            nll_target_no_attack: mean(records, &|r| r.nll_target_no_attack),
            nll_target_random: mean(random, &|r| r.nll_target),
            nll_target_perfect: mean(records, &|r| r.nll_target_perfect),
        }
    };
    let areas = records.chunks(levels.len()).filter_map(auddc);
    AttackSummary {
        objective: options.objective.name().to_owned(),
        attacks: records.len(),
        not_finite: records.iter().filter(|r| !r.success().is_finite()).count(),
        level: if settings.radii.is_empty() {
            "lambda".to_owned()
        } else {
            "radius".to_owned()
        },
        by_level: (0..levels.len()).map(at).collect(),
        auddc: mean_of_finite(areas),
    }
}

/// A pair whose two references agree has no share of the way between them; it must not take the
/// mean of the others with it.
fn mean_of_finite(values: impl Iterator<Item = f64>) -> f64 {
    let finite: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    finite.iter().sum::<f64>() / finite.len() as f64
}
