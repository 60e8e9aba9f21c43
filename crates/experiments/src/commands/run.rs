//! `vaegis run`: experiments by id.

use super::machine::set_num_threads;
use crate::lineage::Lineage;
use crate::{RunCtx, Tier, registry};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use vaegis_report::Verdict;
use vaegis_tensor::device::DeviceSpec;

/// The variable that names the folder of the data sets.
const DATA_VARIABLE: &str = "VAEGIS_DATA";

/// Options of `vaegis run`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  vaegis run                                       the tour, at desk tier
  vaegis run --tier smoke                          the same path in under a minute
  vaegis run chapter-5 --data ~/data               an experiment of `vaegis list` on real images
  vaegis run tour --seeds 5 --threads 2            claims judged over five replicates
  vaegis run tour --tier paper --device cuda:0     the sources' sizes on a GPU

The same command again goes on where a killed one stopped: trained models are kept in OUT/models
and shared by all experiments, attacks and measurements in OUT/ID-TIER-SEED.
Exit code 0: carried out, whatever its claims came to (a claim that fails is a result);
1: an error, said on stderr; 2: a wrong command line.")]
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
    #[arg(long, env = DATA_VARIABLE, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Models worked on at once; without it one per core
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// libtorch threads within one job; bit-equal results need the same number. rayon gets as many
    /// as all jobs together, at most one per core
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
    let counts = [
        ("--seeds", args.seeds),
        ("--jobs", args.jobs),
        ("--threads", Some(args.threads)),
    ];
    for (name, count) in counts {
        if count == Some(0) {
            bail!("{name}: expected at least 1, found 0");
        }
    }
    let device_spec: DeviceSpec = args.device.parse()?;
    let device = device_spec.resolve()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let default_jobs = if device.is_cuda() {
        1
    } else {
        (cores / args.threads).max(1)
    };
    let jobs = args.jobs.unwrap_or(default_jobs);
    set_num_threads(args.threads, jobs.saturating_mul(args.threads).min(cores));
    for experiment in experiments {
        let name = format!("{}-{}-{}", experiment.id(), args.tier.name(), args.seed);
        let out = args.out.join(name);
        std::fs::create_dir_all(&out)
            .with_context(|| format!("creating the result folder {}", out.display()))?;
        let here = crate::context::provenance(device, args.threads, &[], args.tier.name());
        let ctx = RunCtx {
            lineage: Arc::new(Lineage::of(&here)),
            tier: args.tier,
            seed: args.seed,
            num_seeds: args.seeds,
            device_spec,
            device,
            data_root: vaegis_data::default_root(args.data.as_deref()),
            cache: args.out.join("models"),
            jobs,
            threads: args.threads,
            quiet: args.quiet,
            command: repeating_command(
                args,
                experiment.id(),
                std::env::var_os(DATA_VARIABLE).as_deref(),
            ),
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
///
/// A data folder that `surroundings` name is left to them: it is a place on one machine, and the
/// command is printed in reports that others read.
fn repeating_command(args: &RunArgs, id: &str, surroundings: Option<&OsStr>) -> String {
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
    if let Some(data) = args
        .data
        .as_ref()
        .filter(|d| surroundings != Some(d.as_os_str()))
    {
        command += &format!(" --data {}", quoted(&data.display().to_string()));
    }
    command
}

/// One word of a shell's command line.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    fn args(words: &str) -> RunArgs {
        Line::parse_from(["run"].into_iter().chain(words.split(' '))).args
    }

    #[test]
    fn a_count_of_zero_is_named_with_its_option() {
        for name in ["--seeds", "--jobs", "--threads"] {
            let error = run(&args(&format!("tour {name} 0")), &mut |_| ()).expect_err(name);
            let expected = format!("{name}: expected at least 1, found 0");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn the_repeating_command_keeps_what_numbers_depend_on() {
        let asked = args("tour --seed 3 --seeds 2 --threads 4 --data my/data --jobs 2 --quiet");
        let expected = "cargo xtask reproduce tour --tier desk --seed 3 --seeds 2 --threads 4";
        assert_eq!(
            repeating_command(&asked, "tour", None),
            format!("{expected} --data my/data")
        );
        assert_eq!(
            repeating_command(&asked, "tour", Some("my/data".as_ref())),
            expected
        );
        let other = repeating_command(&asked, "tour", Some("/else".as_ref()));
        assert!(other.ends_with("--data my/data"), "{other}");
    }

    #[test]
    fn a_folder_with_blanks_stays_one_word() {
        assert_eq!(quoted("/d/mnist-2.0"), "/d/mnist-2.0");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
