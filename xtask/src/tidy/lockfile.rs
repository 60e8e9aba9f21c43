//! Reachability in Cargo.lock: the torch-free crates must not reach torch-sys
//! by any path, whatever features are on.
//!
//! The lock file lists dev-dependencies and optional ones too, so this is
//! stricter than one build, and it needs no network.

use super::layers;
use anyhow::{Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Edges of the lock file. Versions are dropped: two releases of a package
/// count as one, which can only report too much.
fn edges(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut package = String::new();
    let mut in_dependencies = false;
    for line in lock.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("name = ") {
            package = name.trim_matches('"').to_owned();
            edges.entry(package.clone()).or_default();
        } else if line == "dependencies = [" {
            in_dependencies = true;
        } else if line == "]" {
            in_dependencies = false;
        } else if in_dependencies {
            let entry = line.trim_matches([',', '"']);
            let name = entry.split_whitespace().next().unwrap_or(entry);
            edges
                .entry(package.clone())
                .or_default()
                .insert(name.to_owned());
        }
    }
    edges
}

/// A path from one package to another, if there is one.
fn path(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = vec![from];
    while let Some(package) = queue.pop() {
        if package == to {
            let mut path = vec![to.to_owned()];
            let mut step = to;
            while let Some(previous) = came_from.get(step) {
                path.push((*previous).to_owned());
                step = previous;
            }
            path.reverse();
            return Some(path);
        }
        for next in edges.get(package).into_iter().flatten() {
            if next != from && !came_from.contains_key(next.as_str()) {
                came_from.insert(next, package);
                queue.push(next);
            }
        }
    }
    None
}

/// One problem for each torch-free crate that reaches torch-sys.
pub(crate) fn check_torch_free(lock: &str) -> Result<Vec<String>> {
    let edges = edges(lock);
    // If the parser met another format, everything would seem free.
    ensure!(
        edges.contains_key("torch-sys"),
        "Cargo.lock has no torch-sys; cannot be read?"
    );
    let mut problems = Vec::new();
    for name in layers::torch_free() {
        ensure!(
            edges.contains_key(name),
            "Cargo.lock has no {name}; run a cargo command to update it"
        );
        if let Some(path) = path(&edges, name, "torch-sys") {
            problems.push(format!(
                "{name} must not need libtorch, but: {}",
                path.join(" -> ")
            ));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn lock(packages: &[(&str, &[&str])]) -> String {
        let mut text = "version = 4\n".to_owned();
        for (name, dependencies) in packages {
            text += &format!("\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
            if !dependencies.is_empty() {
                text += "dependencies = [\n";
                for dependency in *dependencies {
                    text += &format!(" \"{dependency}\",\n");
                }
                text += "]\n";
            }
        }
        text
    }

    fn torch_free_packages() -> Vec<(&'static str, &'static [&'static str])> {
        let mut packages: Vec<(&str, &[&str])> =
            layers::torch_free().map(|n| (n, &[][..])).collect();
        packages.push(("tch", &["torch-sys 0.24.0"]));
        packages.push(("torch-sys", &[]));
        packages
    }

    #[test]
    fn free_crates_pass() {
        assert!(
            check_torch_free(&lock(&torch_free_packages()))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn the_way_to_libtorch_is_shown() {
        let mut packages = torch_free_packages();
        packages.retain(|(name, _)| *name != "vaegis-theory");
        packages.push(("vaegis-theory", &["ndarray", "between"]));
        packages.push(("between", &["tch", "between"]));
        packages.push(("ndarray", &[]));
        let problems = check_torch_free(&lock(&packages)).unwrap();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("vaegis-theory -> between -> tch -> torch-sys"),
            "{problems:?}"
        );
    }

    #[test]
    fn an_unreadable_lock_file_is_no_pass() {
        assert!(check_torch_free("").is_err());
        assert!(check_torch_free(&lock(&[("torch-sys", &[])])).is_err());
    }
}
