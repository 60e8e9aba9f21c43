//! House rules that clippy cannot express.
//!
//! All problems are listed, not only the first. The same checks run as an
//! ordinary test of this crate, so `cargo test` covers them.

pub(crate) mod layers;
mod lockfile;
mod sources;

use crate::files;
use crate::workspace::Workspace;
use anyhow::{Result, bail};

/// A tracked file above this is data, not source.
const LARGEST_FILE: u64 = 400_000;

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Breaks a rule.
    pub(crate) errors: Vec<String>,
    /// Worth a look.
    pub(crate) notes: Vec<String>,
}

/// Checks everything and prints what it found.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let findings = findings(workspace)?;
    for note in &findings.notes {
        println!("note: {note}");
    }
    if findings.errors.is_empty() {
        println!("tidy");
        return Ok(());
    }
    bail!(
        "{} problems:\n- {}",
        findings.errors.len(),
        findings.errors.join("\n- ")
    )
}

fn findings(workspace: &Workspace) -> Result<Findings> {
    let mut found = Findings::default();
    found
        .errors
        .extend(layers::check_edges(&workspace.metadata()?)?);
    found
        .errors
        .extend(layers::check_sole_owner(&workspace.metadata()?)?);
    let lock = files::read(&workspace.path("Cargo.lock"))?;
    found.errors.extend(lockfile::check_torch_free(&lock)?);
    let page = files::read(&workspace.path(layers::PAGE))?;
    if layers::insert_table(&page)? != page {
        found.errors.push(format!(
            "{}: the layer table is stale; run `cargo xtask docs`",
            layers::PAGE
        ));
    }
    let paths = files::of_checkout(workspace)?;
    for path in &paths {
        let full = workspace.path(path);
        let bytes = full.metadata().map_or(0, |m| m.len());
        if bytes > LARGEST_FILE && path != "Cargo.lock" {
            found.errors.push(format!(
                "{path}: {bytes} bytes; at most {LARGEST_FILE} are tracked"
            ));
        }
        // Files that are not text have no lines to check.
        if let Ok(text) = std::fs::read_to_string(&full) {
            sources::check(path, &text, &mut found);
        }
    }
    found.errors.extend(decisions(&paths));
    found.errors.extend(crate::golden::all_orphans(workspace)?);
    Ok(found)
}

/// Decision records are numbered from 0001 without gaps or repeats.
fn decisions(paths: &[String]) -> Vec<String> {
    let folder = "docs/decisions/";
    let names: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(folder))
        .collect();
    let mut problems = Vec::new();
    let mut expected = 1;
    for name in names.into_iter().filter(|name| *name != "README.md") {
        let number = name.split('-').next().and_then(|digits| {
            (digits.len() == 4 && name.ends_with(".md")).then(|| digits.parse::<u32>().ok())?
        });
        match number {
            None => problems.push(format!("{folder}{name}: not named NNNN-title.md")),
            Some(number) => {
                if number != expected {
                    problems.push(format!(
                        "{folder}{name}: number {number}, expected {expected:04}"
                    ));
                }
                expected = number + 1;
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_tidy() {
        let workspace = Workspace::find().expect("the tests run inside the checkout");
        let found = findings(&workspace).expect("the checkout can be read");
        assert!(found.errors.is_empty(), "\n- {}", found.errors.join("\n- "));
    }

    #[test]
    fn decisions_are_numbered_without_gaps() {
        let paths = |names: &[&str]| -> Vec<String> {
            names
                .iter()
                .map(|name| format!("docs/decisions/{name}"))
                .collect()
        };
        assert!(decisions(&paths(&["0001-a.md", "0002-b.md", "README.md"])).is_empty());
        assert_eq!(decisions(&paths(&["0001-a.md", "0003-b.md"])).len(), 1);
        assert_eq!(decisions(&paths(&["0001-a.md", "0001-b.md"])).len(), 1);
        assert_eq!(decisions(&paths(&["1-a.md"])).len(), 1);
    }
}
