//! Generated pages, and the API documentation.
//!
//! Lists that people read come from the registries in the code: the program
//! prints them, this module compares them or writes them down.

use crate::tidy::layers;
use crate::workspace::Workspace;
use crate::{cargo, files, libtorch, process};
use anyhow::{Result, bail};
use std::fs;

/// Each generated page and the words that make the program print it.
const PAGES: [(&str, &[&str]); 2] = [
    ("docs/reproduction.md", &["list", "--markdown"]),
    ("docs/datasets.md", &["data", "list", "--markdown"]),
];

/// Writes or compares everything that is generated.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    layer_table(workspace, check)?;
    pages(workspace, check)?;
    if !check {
        let mut command = process::cargo(workspace);
        command
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        libtorch::ensure_ready(workspace)?.configure(&mut command);
        process::run(&mut command)?;
    }
    Ok(())
}

/// Whether the pages that the program prints are in the checkout.
pub(crate) fn has_generated_pages(workspace: &Workspace) -> bool {
    PAGES.iter().all(|(page, _)| workspace.path(page).is_file())
}

/// The pages that the program prints.
pub(crate) fn pages(workspace: &Workspace, check: bool) -> Result<()> {
    let libtorch = libtorch::ensure_ready(workspace)?;
    for (page, words) in PAGES {
        let mut command = cargo::program(workspace);
        command.args(words);
        libtorch.configure(&mut command);
        println!("$ {}", process::show(&command));
        let text = process::output(&mut command)?;
        store(workspace, page, &text, check)?;
    }
    Ok(())
}

/// The table of crates in the architecture document.
fn layer_table(workspace: &Workspace, check: bool) -> Result<()> {
    let old = files::read(&workspace.path(layers::PAGE))?;
    store(workspace, layers::PAGE, &layers::insert_table(&old)?, check)
}

fn store(workspace: &Workspace, page: &str, text: &str, check: bool) -> Result<()> {
    let path = workspace.path(page);
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        println!("{page}: up to date");
        return Ok(());
    }
    if check {
        bail!("{page} is stale; run `cargo xtask docs` and commit it");
    }
    fs::write(&path, text)?;
    println!("{page}: written");
    Ok(())
}
