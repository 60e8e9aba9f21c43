//! Our speed and results beside those of PyTorch and SciPy, in one run on one machine.
//!
//! Both sides get the same weights and inputs and the same number of threads, and take turns, so
//! that whatever else the machine does falls on both; the ratios of neighboring measurements are
//! what is reported. `cargo xtask bench --peers` makes the Python environment and starts this.

mod attacks;
mod jacobians;
mod machine;
mod margins;
mod optimizer;
mod page;
mod parity;
mod python;
mod record;
mod seatbelt;
mod theory;
mod total_correlation;
mod training;
mod victim;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use record::{Part, Record};
use std::path::PathBuf;
use std::time::Instant;
use vaegis_benches::fixtures;

/// Compares vaegis with PyTorch and SciPy and writes `peers.md` and `peers.json`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Python with the packages of benches/peers/requirements.txt.
    #[arg(long)]
    python: PathBuf,
    /// Folder that the results are written to.
    #[arg(long, default_value = "docs/benchmarks")]
    out: PathBuf,
    /// Fewer rounds, for a first impression.
    #[arg(long)]
    quick: bool,
    /// Only the parts whose name contains this: attacks, training, jacobians, optimizer, margins,
    /// total-correlation, seatbelt, theory. Then nothing is stored.
    #[arg(long, visible_alias = "filter", value_name = "NAME")]
    only: Option<String>,
    /// Threads of both sides.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Folder of the data sets; without one, sprites take the place of MNIST.
    #[arg(long, env = "VAEGIS_DATA")]
    data: Option<PathBuf>,
    /// Only say how many bytes one side of the total correlation takes: this program starts
    /// itself with it, because a process knows only the highest peak of its life.
    #[arg(long, value_enum, hide = true)]
    memory_of: Option<total_correlation::Dissected>,
}

/// What every part needs.
#[derive(Debug)]
struct Setting {
    python: PathBuf,
    threads: usize,
    quick: bool,
    data: Option<PathBuf>,
    /// Weights, inputs and results that the two sides hand each other.
    exchange: tempfile::TempDir,
}

type Measure = fn(&Setting) -> Result<Part>;

/// Every part with its name.
const PARTS: [(&str, Measure); 8] = [
    ("attacks", attacks::measure),
    ("training", training::measure),
    ("jacobians", jacobians::measure),
    ("optimizer", optimizer::measure),
    ("margins", margins::measure),
    ("total-correlation", total_correlation::measure),
    ("seatbelt", seatbelt::measure),
    ("theory", theory::measure),
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.threads > 0, "--threads: at least 1, found 0");
    if let Some(side) = arguments.memory_of {
        fixtures::set_threads(arguments.threads);
        return total_correlation::print_memory(side);
    }
    let chosen: Vec<_> = PARTS
        .iter()
        .filter(|(name, _)| {
            arguments
                .only
                .as_ref()
                .is_none_or(|only| name.contains(only))
        })
        .collect();
    ensure!(
        !chosen.is_empty(),
        "--only {}: expected a part of one of {}",
        arguments.only.unwrap_or_default(),
        PARTS.map(|(name, _)| name).join(", ")
    );
    fixtures::set_threads(arguments.threads);
    let setting = Setting {
        python: arguments.python,
        threads: arguments.threads,
        quick: arguments.quick,
        data: arguments.data,
        exchange: tempfile::tempdir().context("making a folder for exchange with Python")?,
    };
    let start = Instant::now();
    let mut record = Record::start(&setting)?;
    for (name, measure) in chosen {
        eprintln!("{name} ...");
        let part = measure(&setting).with_context(|| format!("measuring {name}"))?;
        eprintln!("{}", page::part(&part));
        record.parts.push(part);
    }
    record.finish(start);
    if arguments.only.is_none() {
        record.write(&arguments.out)?;
        eprintln!("stored in {}", arguments.out.display());
    }
    Ok(())
}
