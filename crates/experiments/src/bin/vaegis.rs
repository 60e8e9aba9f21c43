//! The program `vaegis`: lists and runs experiments, and looks after data.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::io::Write as _;
use vaegis_experiments::commands::{data, run};
use vaegis_experiments::registry;

/// Train deep generative models, attack them, certify them, reproduce the papers
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "\
Examples:
  vaegis run --tier smoke                    the tour, small, on MNIST or on sprites
  vaegis run tour --data ~/data --seed 7     the tour at desk tier on real images
  vaegis data check                          are the files in VAEGIS_DATA intact?"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run experiments and write their reports
    Run(run::RunArgs),
    /// List the experiments
    List {
        /// As the page docs/reproduction.md
        #[arg(long)]
        markdown: bool,
    },
    /// Data sets: list, check, fetch
    Data(data::DataArgs),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("VAEGIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .init();
    let mut print = |line: &str| {
        // A closed pipe (`vaegis list | head`) is no reason to fail.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    match cli.command {
        Command::Run(args) => run::run(&args, &mut print),
        Command::List { markdown: true } => {
            print(registry::list_markdown().trim_end());
            Ok(())
        }
        Command::List { markdown: false } => {
            print(registry::list_text().trim_end());
            Ok(())
        }
        Command::Data(args) => data::run(&args, &mut print),
    }
}
