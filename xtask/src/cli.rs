//! The command line: every command, option and help text in one place.
//!
//! The commands themselves live in their own modules; this one only maps.

use crate::workspace::Workspace;
use crate::{bench, cargo, check, docs, doctor, golden, libtorch, tidy};
use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Sets up, builds, checks and reproduces vaegis.
///
/// Two commands do everything on a fresh machine with Rust, a C++ compiler
/// and Python 3 with pip: `cargo xtask reproduce` runs the main job and
/// `cargo xtask test` runs every test. Both install libtorch first if needed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install libtorch into the per-user cache, or check the one you point at
    #[command(after_help = "\
Examples:
  cargo xtask setup                           install libtorch, once per machine and version
  cargo xtask setup --cuda                    also install the CUDA backend (about 2.5 GB to download)
  cargo xtask setup --cuda --dry-run          show what that would download and where it would go
  LIBTORCH=/opt/libtorch cargo xtask setup    use a libtorch of your own
  LIBTORCH_USE_PYTORCH=1 cargo xtask setup    use the PyTorch that python3 imports")]
    Setup(SetupArgs),
    /// Look at everything the other commands need and say what to do about gaps
    #[command(after_help = "Example:\n  cargo xtask doctor")]
    Doctor,
    /// Run all checks, cheapest first: format, house rules, clippy, docs, tests
    #[command(after_help = "\
Examples:
  cargo xtask check                 everything
  cargo xtask check --fast          everything but the tests
  cargo xtask check --torch-free    only the crates that need no libtorch; installs nothing")]
    Check(CheckArgs),
    /// Check the house rules: layers, module docs, file sizes, fixtures, decisions
    #[command(after_help = "\
Examples:
  cargo xtask tidy
  cargo xtask tidy --layers    print the table of crates and what each may depend on")]
    Tidy {
        /// Print the layer table and stop
        #[arg(long)]
        layers: bool,
    },
    /// Run all tests of the workspace
    #[command(after_help = "\
Examples:
  cargo xtask test                   every test of every crate
  cargo xtask test --torch-free      only the crates that need no libtorch; installs nothing
  cargo xtask test codec seed        only tests whose name contains one of these words

Tests on real images read the folder named by VAEGIS_DATA and say so when it is not set.")]
    Test(TestArgs),
    /// Reproduce results: train, attack, certify, and write the report
    #[command(after_help = "\
Examples:
  cargo xtask reproduce                            the tour, at desk tier
  cargo xtask reproduce --tier smoke               the tour in under a minute, to see that it works
  cargo xtask reproduce --list                     all experiments with their data and sources
  cargo xtask reproduce tour --seeds 5 --threads 2
  cargo xtask reproduce tour --tier paper --device cuda:0
  VAEGIS_DATA=/data cargo xtask reproduce          on MNIST, if /data has it

A second run continues where an interrupted one stopped.
Exit code 0: carried out, whatever its claims came to (a claim that fails is a result, not an error);
not 0: it could not be carried out.")]
    Reproduce(ReproduceArgs),
    /// Render the report again from stored records, without libtorch
    #[command(after_help = "\
Examples:
  cargo xtask report                                render target/reproduce
  cargo xtask report target/reproduce/tour-desk-0   one run: experiment, tier, seed
  cargo xtask report --accept                       also copy summaries to docs/results/")]
    Report {
        /// Folder that `reproduce` wrote [default: target/reproduce]
        dir: Option<PathBuf>,
        /// Copy the summaries to docs/results/, to be committed
        #[arg(long)]
        accept: bool,
    },
    /// Run the benchmarks and store a dated summary under docs/benchmarks/
    #[command(after_help = "\
Examples:
  cargo xtask bench                all criterion groups
  cargo xtask bench jacobian       only benchmarks whose name contains this word
  cargo xtask bench --peers        against PyTorch and SciPy, in a Python environment of its own
                                   (made once, about 2.5 GB to download)
  cargo xtask bench --peers --quick    the same with fewer rounds, in a third of the time")]
    Bench {
        /// Run only benchmarks whose name contains this word
        filter: Option<String>,
        /// Compare with PyTorch and SciPy on the same weights and inputs
        #[arg(long)]
        peers: bool,
        /// With --peers: fewer rounds, for a first impression
        #[arg(long, requires = "peers")]
        quick: bool,
    },
    /// Write the generated pages and the API documentation
    #[command(after_help = "\
Examples:
  cargo xtask docs
  cargo xtask docs --check    fail if a generated page is stale; write nothing")]
    Docs {
        /// Compare only, write nothing
        #[arg(long)]
        check: bool,
    },
    /// Check the golden files of the tests against their recorded checksums
    #[command(after_help = "\
Examples:
  cargo xtask golden --check     fail if a golden file differs from its recorded checksum
  cargo xtask golden --update    record the checksums after a generator script was run again")]
    Golden(GoldenArgs),
    /// Feed the file decoders with broken input, in release mode
    #[command(after_help = "\
Examples:
  cargo xtask fuzz
  cargo xtask fuzz --cases 5000000

Runs the test `fuzz` of every crate that has one, with VAEGIS_FUZZ_CASES set.")]
    Fuzz {
        /// Number of broken inputs for each decoder
        #[arg(long, default_value_t = 1_000_000)]
        cases: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Also install the CUDA backend, which the program opens when asked for cuda:N
    #[arg(long)]
    pub(crate) cuda: bool,
    /// Install again even if a complete copy is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be downloaded and written, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only the crates that need no libtorch
    #[arg(long)]
    pub(crate) torch_free: bool,
    /// Skip the tests
    #[arg(long)]
    pub(crate) fast: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Only the crates that need no libtorch
    #[arg(long)]
    pub(crate) torch_free: bool,
    /// Build with optimizations
    #[arg(long)]
    pub(crate) release: bool,
    /// Only tests whose name contains one of these words
    pub(crate) filter: Vec<String>,
}

/// How much work a reproduction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// Tiny sizes, to see that everything runs
    Smoke,
    /// Minutes on two processor cores
    Desk,
    /// The sizes of the papers
    Paper,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smoke => "smoke",
            Self::Desk => "desk",
            Self::Paper => "paper",
        })
    }
}

#[derive(Debug, Default, Args)]
pub(crate) struct ReproduceArgs {
    /// Experiments to run [default: tour]
    pub(crate) ids: Vec<String>,
    /// How much work to do [default: desk]
    #[arg(long, value_enum)]
    pub(crate) tier: Option<Tier>,
    /// Root seed of all randomness
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Number of seeds that the claims are judged over
    #[arg(long)]
    pub(crate) seeds: Option<usize>,
    /// cpu, cuda:N or auto
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Folder of data sets [default: VAEGIS_DATA, else generated images]
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Number of runs at the same time
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
    /// Output folder [default: target/reproduce]
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// libtorch threads within one run [default: 1]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// List the experiments and stop
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct GoldenArgs {
    /// Compare with the recorded checksums and list the generators
    #[arg(long)]
    pub(crate) check: bool,
    /// Record the checksums of the files as they are
    #[arg(long)]
    pub(crate) update: bool,
}

impl Cli {
    /// Runs the command that was asked for.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let workspace = Workspace::find()?;
        match self.command {
            Command::Setup(args) => libtorch::setup(&workspace, &args)?,
            Command::Doctor => return doctor::run(&workspace),
            Command::Check(args) => check::run(&workspace, &args)?,
            Command::Tidy { layers: true } => print!("{}", tidy::layers::markdown()),
            Command::Tidy { layers: false } => tidy::run(&workspace)?,
            Command::Test(args) => cargo::test(&workspace, &args)?,
            Command::Reproduce(args) => return cargo::reproduce(&workspace, &args),
            Command::Report { dir, accept } => {
                return cargo::report(&workspace, dir.as_deref(), accept);
            }
            Command::Bench {
                filter,
                peers: false,
                ..
            } => {
                bench::criterion(&workspace, filter.as_deref())?;
            }
            Command::Bench {
                filter,
                peers: true,
                quick,
            } => bench::peers(&workspace, filter.as_deref(), quick)?,
            Command::Docs { check } => docs::run(&workspace, check)?,
            Command::Golden(args) if args.update => golden::update(&workspace)?,
            Command::Golden(_) => golden::check(&workspace)?,
            Command::Fuzz { cases } => cargo::fuzz(&workspace, cases)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The help says what the program does: a failed claim ends with 0, and results lie in one
    /// folder per experiment, tier and seed.
    #[test]
    fn the_help_of_reproduce_and_report_is_true() {
        let cli = Cli::command();
        let help = |name: &str| {
            let command = cli.find_subcommand(name).expect("a command");
            command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        let reproduce = help("reproduce");
        assert!(reproduce.contains("a claim that fails is a result"));
        assert!(!reproduce.contains("not 0 when a claim fails"));
        assert!(help("report").contains("target/reproduce/tour-desk-0"));
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("cargo xtask"),
                "no example for {}",
                command.get_name()
            );
        }
    }
}
