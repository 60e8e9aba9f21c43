//! Golden files: numbers that other programs computed, with the script that
//! computed them beside them.
//!
//! Each folder `crates/X/tests/golden/` has its checksums in
//! `crates/X/tests/golden.sha256`, so that a file cannot change unnoticed
//! and a changed script cannot leave its output behind.

use crate::files;
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::fs;

const FOLDER: &str = "tests/golden/";

/// Files of each golden folder, by the folder's parent (`crates/X/tests`).
fn folders(workspace: &Workspace) -> Result<BTreeMap<String, Vec<String>>> {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files::of_checkout(workspace)? {
        if let Some((parent, name)) = path.split_once(FOLDER)
            && !name.contains("__pycache__")
        {
            folders
                .entry(format!("{parent}tests"))
                .or_default()
                .push(name.to_owned());
        }
    }
    Ok(folders)
}

fn checksums(workspace: &Workspace, parent: &str, names: &[String]) -> Result<String> {
    let mut text = String::new();
    for name in names {
        let sha256 = files::sha256(&workspace.path(&format!("{parent}/golden/{name}")))?;
        text += &format!("{sha256}  golden/{name}\n");
    }
    Ok(text)
}

/// Compares every golden file with its checksum and lists the generators.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut problems = Vec::new();
    for (parent, names) in folders(workspace)? {
        let recorded = fs::read_to_string(workspace.path(&format!("{parent}/golden.sha256")))
            .unwrap_or_default();
        let found = checksums(workspace, &parent, &names)?;
        problems.extend(differences(&parent, &recorded, &found));
        let scripts: Vec<_> = names
            .iter()
            .filter(|n| n.ends_with(".py"))
            .map(String::as_str)
            .collect();
        println!(
            "{parent}/golden: {} files, made by {}",
            names.len(),
            scripts.join(", ")
        );
    }
    problems.extend(all_orphans(workspace)?);
    if problems.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nRun the scripts again if a file changed by mistake; if it was meant, record it with \
         `cargo xtask golden --update`",
        problems.join("\n")
    )
}

/// Records the checksums of the files as they are.
pub(crate) fn update(workspace: &Workspace) -> Result<()> {
    for (parent, names) in folders(workspace)? {
        let path = format!("{parent}/golden.sha256");
        fs::write(
            workspace.path(&path),
            checksums(workspace, &parent, &names)?,
        )?;
        println!("{path}: {} files", names.len());
    }
    Ok(())
}

fn differences(parent: &str, recorded: &str, found: &str) -> Vec<String> {
    let parse = |text: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter_map(|line| line.split_once("  "));
        lines
            .map(|(sha256, name)| (name.to_owned(), sha256.to_owned()))
            .collect()
    };
    let (recorded, found) = (parse(recorded), parse(found));
    let mut problems = Vec::new();
    for (name, sha256) in &found {
        match recorded.get(name) {
            None => problems.push(format!("{parent}/{name}: no checksum is recorded")),
            Some(old) if old != sha256 => {
                problems.push(format!(
                    "{parent}/{name}: differs from its recorded checksum"
                ));
            }
            Some(_) => {}
        }
    }
    let gone = recorded.keys().filter(|name| !found.contains_key(*name));
    problems.extend(gone.map(|name| format!("{parent}/{name}: recorded, but missing")));
    problems
}

/// Scripts without output and files without a script, in one folder.
///
/// `scripts` are names with their texts. A file belongs to a script whose
/// name begins its own, or whose text names it: `flow.py` makes `flow.json`,
/// `flow_inverse.npy`, and whatever else it writes by name.
pub(crate) fn orphans(names: &[String], scripts: &BTreeMap<String, String>) -> Vec<String> {
    let stem = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let belongs = |file: &str, script: &str, text: &str| {
        file.starts_with(&stem(script)) || text.contains(&stem(file))
    };
    let data: Vec<&String> = names.iter().filter(|name| !name.ends_with(".py")).collect();
    let mut problems = Vec::new();
    for (script, text) in scripts {
        if !data.iter().any(|file| belongs(file, script, text)) {
            problems.push(format!("{script}: no output beside it"));
        }
    }
    for file in data {
        if !scripts
            .iter()
            .any(|(script, text)| belongs(file, script, text))
        {
            problems.push(format!("{file}: no script beside it that names it"));
        }
    }
    problems
}

/// Orphans of every golden folder of the checkout.
pub(crate) fn all_orphans(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (parent, names) in folders(workspace)? {
        let mut scripts = BTreeMap::new();
        for name in names.iter().filter(|name| name.ends_with(".py")) {
            let text = files::read(&workspace.path(&format!("{parent}/golden/{name}")))?;
            scripts.insert(name.clone(), text);
        }
        let found = orphans(&names, &scripts);
        problems.extend(
            found
                .into_iter()
                .map(|problem| format!("{parent}/golden/{problem}")),
        );
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_scripts_are_matched_by_name() {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let scripts = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
            list.iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect()
        };
        let flow = scripts(&[("flow.py", "save('values.npy')")]);
        assert!(orphans(&names(&["flow.py", "flow.json", "values.npy"]), &flow).is_empty());
        let problems = orphans(&names(&["flow.py", "seed.json"]), &flow);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn new_changed_and_missing_files_are_reported() {
        let recorded = "aa  golden/x\nbb  golden/y\n";
        assert!(differences("p", recorded, recorded).is_empty());
        let problems = differences("p", recorded, "ab  golden/x\ncc  golden/z\n");
        assert_eq!(
            problems,
            [
                "p/golden/x: differs from its recorded checksum",
                "p/golden/z: no checksum is recorded",
                "p/golden/y: recorded, but missing"
            ]
        );
    }
}
