//! Developer and reproduction commands: `cargo xtask <command>`.
//!
//! This program sets up libtorch, starts cargo and the `vaegis` program as
//! child processes, and checks the house rules that clippy cannot express.
//! It links neither libtorch nor any crate of the workspace, so it builds in
//! seconds even when they do not compile. Keep it so: add no dependency.

#![expect(
    clippy::print_stdout,
    reason = "a command-line program talks on its standard output"
)]

mod bench;
mod bench_summary;
mod cargo;
mod check;
mod cli;
mod date;
mod docs;
mod doctor;
mod files;
mod golden;
mod libtorch;
mod process;
mod room;
mod tidy;
mod workspace;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
