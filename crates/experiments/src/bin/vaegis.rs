//! The program `vaegis`: trains, attacks and measures models, runs experiments, and looks after
//! data.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;
use vaegis_experiments::commands::{attack, audit, data, margin, run, show, train};
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
  vaegis train --print-default > vae.toml    one model of your own: a configuration,
  vaegis train vae.toml --out models/vae       its training,
  vaegis attack models/vae --objective kl      attacks on it,
  vaegis margin models/vae --r 4               its margins,
  vaegis audit models/vae                      both and more in one report,
  vaegis show models/vae                       and what came of it
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
    /// Train one model from a configuration file; goes on after a kill
    Train(train::TrainArgs),
    /// Attack a trained model: pairs of images x penalties; goes on after a kill
    Attack(attack::AttackArgs),
    /// Measure r-robustness margins and bounds of a trained model
    Margin(margin::MarginArgs),
    /// One report on how robust a trained model is, also for weights from PyTorch
    Audit(audit::AuditArgs),
    /// Show what a folder or file of vaegis holds, and check it
    Show(show::ShowArgs),
    /// Data sets: list, check, fetch
    Data(data::DataArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("VAEGIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .init();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let mut print = |line: &str| {
        // A closed pipe (`vaegis list | head`) is no reason to fail.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    match command {
        Command::Run(args) => run::run(&args, &mut print),
        Command::List { markdown: true } => {
            print(registry::list_markdown().trim_end());
            Ok(())
        }
        Command::List { markdown: false } => {
            print(registry::list_text().trim_end());
            Ok(())
        }
        Command::Train(args) => train::run(&args, &mut print),
        Command::Attack(args) => attack::run(&args, &mut print),
        Command::Margin(args) => margin::run(&args, &mut print),
        Command::Audit(args) => audit::run(&args, &mut print),
        Command::Show(args) => show::run(&args, &mut print),
        Command::Data(args) => data::run(&args, &mut print),
    }
}

/// An error and its causes in one line; a cause that an outer message repeats is left out.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
