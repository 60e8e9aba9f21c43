//! `vaegis run`: experiments by id.

use crate::{RunCtx, Tier, registry};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::path::PathBuf;
use vaegis_report::Verdict;
use vaegis_tensor::device::DeviceSpec;

/// Options of `vaegis run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Experiments to run; see `vaegis list`. Without one, the tour
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// How much: smoke (seconds), desk (minutes on two cores), paper (the sources' sizes)
    #[arg(long, value_enum, default_value_t)]
    pub tier: Tier,
    /// Root seed; replicate k uses SEED + k
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Number of replicates over which claims are judged; without it the experiment's own
    #[arg(long, value_name = "N")]
    pub seeds: Option<usize>,
    /// cpu, cuda:N, or auto
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Folder of the real data sets
    #[arg(long, env = "VAEGIS_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Models worked on at once; without it one per core
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// libtorch threads within one job; bit-equal results need the same number
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Folder for results; each run goes to OUT/ID-TIER-SEED
    #[arg(long, value_name = "DIR", default_value = "target/reproduce")]
    pub out: PathBuf,
    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

/// Runs every requested experiment and prints where its report is.
///
/// # Errors
/// An unknown id, an unusable device, an experiment that cannot be carried out.
/// A claim that fails is a result and not an error.
pub fn run(args: &RunArgs, print: &mut dyn FnMut(&str)) -> Result<()> {
    let ids = if args.ids.is_empty() {
        vec!["tour".to_owned()]
    } else {
        args.ids.clone()
    };
    let experiments = ids
        .iter()
        .map(|id| registry::find(id))
        .collect::<Result<Vec<_>>>()?;
    if args.seeds == Some(0) || args.jobs == Some(0) || args.threads == 0 {
        bail!("--seeds, --jobs and --threads must be at least 1");
    }
    let device_spec: DeviceSpec = args.device.parse()?;
    let device = device_spec.resolve()?;
    vaegis_tensor::device::set_num_threads(args.threads);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let default_jobs = if device.is_cuda() {
        1
    } else {
        (cores / args.threads).max(1)
    };
    for experiment in experiments {
        let name = format!("{}-{}-{}", experiment.id(), args.tier.name(), args.seed);
        let out = args.out.join(name);
        std::fs::create_dir_all(&out)
            .with_context(|| format!("creating the result folder {}", out.display()))?;
        let ctx = RunCtx {
            tier: args.tier,
            seed: args.seed,
            num_seeds: args.seeds,
            device_spec,
            device,
            data_root: vaegis_data::default_root(args.data.as_deref()),
            cache: args.out.join("models"),
            jobs: args.jobs.unwrap_or(default_jobs),
            threads: args.threads,
            quiet: args.quiet,
            command: repeating_command(args, experiment.id()),
            out: out.clone(),
        };
        print(&format!(
            "{} at tier {} ({}), {} jobs × {} threads on {:?}",
            experiment.id(),
            args.tier.name(),
            experiment.duration(args.tier),
            ctx.jobs,
            ctx.threads,
            ctx.device,
        ));
        let started = std::time::Instant::now();
        let report = experiment
            .run(&ctx)
            .with_context(|| format!("running {}", experiment.id()))?;
        let written = vaegis_report::write_folder(&out, &report)?;
        for result in &report.claims {
            let mark = match result.verdict {
                Verdict::Holds => "holds       ",
                Verdict::Fails => "fails       ",
                Verdict::Inconclusive => "inconclusive",
                _ => "not run     ",
            };
            print(&format!(
                "  {mark}  {:<24} {}",
                result.claim.id, result.observed
            ));
        }
        for note in &written.notes {
            tracing::debug!("{note}");
        }
        print(&format!(
            "{:.0} s; report: {}",
            started.elapsed().as_secs_f64(),
            written.html.display()
        ));
    }
    Ok(())
}

/// The command that repeats one experiment of a run with its settings.
fn repeating_command(args: &RunArgs, id: &str) -> String {
    let mut command = format!(
        "cargo xtask reproduce {id} --tier {} --seed {}",
        args.tier.name(),
        args.seed
    );
    if let Some(seeds) = args.seeds {
        command += &format!(" --seeds {seeds}");
    }
    if args.device != "cpu" {
        command += &format!(" --device {}", args.device);
    }
    if args.threads != 1 {
        command += &format!(" --threads {}", args.threads);
    }
    command
}
