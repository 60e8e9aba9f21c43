//! The `check` command: everything a change has to pass, cheapest first, so
//! that a typing mistake shows in seconds and not after the tests.

use crate::cargo::package_arguments;
use crate::cli::CheckArgs;
use crate::libtorch::{self, Libtorch};
use crate::room::{self, Build};
use crate::workspace::Workspace;
use crate::{docs, doctor, golden, process, tidy};
use anyhow::{Context, Result};
use std::process::Command;
use std::time::Instant;

/// Runs the checks and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, args: &CheckArgs) -> Result<()> {
    let mut notes = Vec::new();
    step("format", || {
        process::run(process::cargo(workspace).args(["fmt", "--all", "--check"]))
    })?;
    step("house rules", || tidy::run(workspace))?;
    step("golden files", || golden::check(workspace))?;
    if process::which("cargo-deny").is_some() {
        step("licences, advisories, duplicates", || {
            process::run(process::cargo(workspace).args(["deny", "--workspace", "check"]))
        })?;
    } else {
        notes.push(
            "cargo-deny is not installed: licences and advisories were not checked \
             (cargo install cargo-deny)",
        );
    }

    let libtorch = if args.torch_free {
        None
    } else {
        Some(libtorch::ensure_ready(workspace)?)
    };
    let cargo = |words: &[&str]| -> Command {
        let mut command = process::cargo(workspace);
        command.args(words).args(package_arguments(args.torch_free));
        if let Some(libtorch) = &libtorch {
            Libtorch::configure(libtorch, &mut command);
        }
        command
    };
    step("clippy", || {
        process::run(cargo(&["clippy", "--all-targets"]).args(["--", "-D", "warnings"]))
    })?;
    step("documentation", || {
        process::run(cargo(&["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    if args.fast {
        notes.push("--fast: the tests were not run");
    } else {
        step("tests", || {
            room::for_build(workspace, Build::Tests)?;
            room::explain(
                workspace,
                process::run(&mut cargo(&["test", "--no-fail-fast"])),
            )
        })?;
        if !args.torch_free && docs::has_generated_pages(workspace) {
            step("generated pages", || docs::pages(workspace, true))?;
        }
        if doctor::browser().is_none() {
            notes.push(
                "no browser is installed: the report was not opened in one \
                 (chromium, google-chrome)",
            );
        }
    }
    println!();
    for note in notes {
        println!("note: {note}");
    }
    println!("all checks passed");
    Ok(())
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let start = Instant::now();
    run().with_context(|| format!("check `{name}`"))?;
    println!(
        "== {name}: passed in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
