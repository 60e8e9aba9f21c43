//! The layer table: which crate may depend on which, and which need libtorch.
//!
//! This is the rule; docs/architecture.md shows it and says why.

use anyhow::{Context, Result};
use serde_json::Value;

/// One crate of the workspace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    /// Package name.
    pub(crate) name: &'static str,
    /// Height: dependencies point to lower layers only.
    pub(crate) layer: u8,
    /// Internal crates that it may depend on, without the common prefix.
    pub(crate) may: &'static [&'static str],
    /// Whether it may need libtorch.
    pub(crate) torch: bool,
}

/// All crates, lowest layer first.
#[rustfmt::skip]
pub(crate) const LAYERS: [Layer; 15] = [
    Layer { name: "vaegis-core",        layer: 0, torch: false, may: &[] },
    Layer { name: "vaegis-lbfgsb",      layer: 0, torch: false, may: &[] },
    Layer { name: "vaegis-theory",      layer: 1, torch: false, may: &["core"] },
    Layer { name: "vaegis-data",        layer: 1, torch: false, may: &["core"] },
    Layer { name: "vaegis-report",      layer: 1, torch: false, may: &["core"] },
    Layer { name: "vaegis-tensor",      layer: 1, torch: true,  may: &["core"] },
    Layer { name: "vaegis-dist",        layer: 2, torch: true,  may: &["core", "tensor"] },
    Layer { name: "vaegis-nn",          layer: 3, torch: true,  may: &["core", "tensor", "dist"] },
    Layer { name: "vaegis-zoo",         layer: 4, torch: true,  may: &["core", "tensor", "dist", "nn"] },
    Layer { name: "vaegis-train",       layer: 4, torch: true,  may: &["core", "tensor", "nn", "data"] },
    Layer { name: "vaegis-attacks",     layer: 4, torch: true,  may: &["core", "lbfgsb", "tensor", "dist", "nn"] },
    Layer { name: "vaegis-eval",        layer: 5, torch: true,  may: &["core", "theory", "data", "tensor", "dist", "nn", "attacks"] },
    Layer { name: "vaegis-experiments", layer: 6, torch: true,  may: &["core", "lbfgsb", "theory", "data", "report", "tensor", "dist", "nn", "zoo", "train", "attacks", "eval"] },
    Layer { name: "vaegis-benches",     layer: 7, torch: true,  may: &["core", "lbfgsb", "theory", "data", "report", "tensor", "dist", "nn", "zoo", "train", "attacks", "eval", "experiments"] },
    Layer { name: "xtask",              layer: 7, torch: false, may: &[] },
];

/// The page that shows the table.
pub(crate) const PAGE: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- layer table: begin, written by `cargo xtask docs` -->\n";
const END: &str = "<!-- layer table: end -->";

impl Layer {
    /// The name without the common prefix.
    fn short(&self) -> &'static str {
        self.name.strip_prefix("vaegis-").unwrap_or(self.name)
    }

    /// A path inside the crate's folder, from the root.
    pub(crate) fn path(&self, relative: &str) -> String {
        match self.name {
            "xtask" => format!("xtask/{relative}"),
            "vaegis-benches" => format!("benches/{relative}"),
            _ => format!("crates/{}/{relative}", self.short()),
        }
    }
}

fn find(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}

/// Names of the crates that build, test and are usable without libtorch.
pub(crate) fn torch_free() -> impl Iterator<Item = &'static str> {
    LAYERS
        .iter()
        .filter(|layer| !layer.torch)
        .map(|layer| layer.name)
}

/// The table as Markdown.
pub(crate) fn markdown() -> String {
    let mut text =
        "| layer | crate | may depend on | libtorch |\n| --- | --- | --- | --- |\n".to_owned();
    for layer in &LAYERS {
        let may = if layer.may.is_empty() {
            "nothing".to_owned()
        } else {
            layer.may.join(", ")
        };
        let torch = if layer.torch { "yes" } else { "no" };
        text += &format!("| {} | {} | {may} | {torch} |\n", layer.layer, layer.name);
    }
    text
}

/// The page with the table of today between its marks.
pub(crate) fn insert_table(page: &str) -> Result<String> {
    let missing = || {
        format!(
            "{PAGE} has no mark of the layer table: {} .. {END}",
            BEGIN.trim()
        )
    };
    let (head, rest) = page.split_once(BEGIN).with_context(missing)?;
    let (_, tail) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{head}{BEGIN}{}{END}{tail}", markdown()))
}

/// Compares every edge between members with the table.
///
/// A dev-dependency may also name any crate of a lower layer: tests may look
/// down further than the code does. It may name the crate itself, which turns
/// on features that only tests use.
pub(crate) fn check_edges(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"]
            .as_str()
            .context("a package without a name")?;
        let Some(layer) = find(name) else {
            problems.push(format!(
                "{name} is not in the layer table (xtask/src/tidy/layers.rs)"
            ));
            continue;
        };
        let dependencies = package["dependencies"]
            .as_array()
            .context("no dependencies")?;
        for dependency in dependencies {
            let target = dependency["name"]
                .as_str()
                .context("a dependency without a name")?;
            let Some(target) = find(target) else { continue };
            let dev = dependency["kind"].as_str() == Some("dev");
            let listed = layer.may.contains(&target.short());
            let below = dev
                && (target.name == name
                    || (target.layer < layer.layer && (layer.torch || !target.torch)));
            if !listed && !below {
                let kind = if dev { "dev-depend" } else { "depend" };
                problems.push(format!(
                    "{name} must not {kind} on {}: the layer table does not allow it",
                    target.name
                ));
            }
        }
    }
    Ok(problems)
}

/// Only one crate may name tch, so that everything else can be moved to
/// another release, or another library, in one place.
pub(crate) fn check_sole_owner(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let names_tch = |package: &&Value| {
        let dependencies = package["dependencies"].as_array();
        dependencies.is_some_and(|all| {
            all.iter()
                .any(|d| matches!(d["name"].as_str(), Some("tch" | "torch-sys")))
        })
    };
    let others = packages
        .iter()
        .filter(names_tch)
        .filter_map(|package| package["name"].as_str());
    let others = others.filter(|name| *name != "vaegis-tensor");
    Ok(others
        .map(|name| format!("{name} names tch; only vaegis-tensor may"))
        .collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use serde_json::json;

    fn metadata(name: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let list: Vec<Value> = dependencies
            .iter()
            .map(|(name, kind)| json!({ "name": name, "kind": kind }))
            .collect();
        json!({ "packages": [{ "name": name, "dependencies": list }] })
    }

    #[test]
    fn the_table_itself_points_down() {
        for layer in &LAYERS {
            for target in layer.may {
                let target = find(&format!("vaegis-{target}")).unwrap();
                assert!(
                    target.layer < layer.layer,
                    "{} -> {}",
                    layer.name,
                    target.name
                );
                assert!(
                    layer.torch || !target.torch,
                    "{} would need libtorch",
                    layer.name
                );
            }
        }
    }

    #[test]
    fn allowed_edges_pass() {
        let good = metadata(
            "vaegis-attacks",
            &[("vaegis-lbfgsb", None), ("serde", None)],
        );
        assert!(check_edges(&good).unwrap().is_empty());
        let dev = metadata("vaegis-train", &[("vaegis-dist", Some("dev"))]);
        assert!(check_edges(&dev).unwrap().is_empty());
        let itself = metadata("vaegis-dist", &[("vaegis-dist", Some("dev"))]);
        assert!(check_edges(&itself).unwrap().is_empty());
    }

    #[test]
    fn forbidden_edges_are_named() {
        for (from, to, kind) in [
            ("vaegis-attacks", "vaegis-zoo", None),
            ("vaegis-attacks", "vaegis-zoo", Some("dev")),
            ("vaegis-zoo", "vaegis-data", None),
            ("vaegis-theory", "vaegis-tensor", None),
            ("vaegis-report", "vaegis-tensor", Some("dev")),
            ("vaegis-eval", "vaegis-experiments", None),
            ("xtask", "vaegis-core", None),
        ] {
            let problems = check_edges(&metadata(from, &[(to, kind)])).unwrap();
            assert_eq!(problems.len(), 1, "{from} -> {to}");
            assert!(
                problems[0].contains(from) && problems[0].contains(to),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn an_unknown_crate_is_named() {
        let problems = check_edges(&metadata("vaegis-new", &[])).unwrap();
        assert!(problems[0].contains("vaegis-new"), "{problems:?}");
    }

    #[test]
    fn tch_has_one_owner() {
        assert!(
            check_sole_owner(&metadata("vaegis-tensor", &[("tch", None)]))
                .unwrap()
                .is_empty()
        );
        for name in ["tch", "torch-sys"] {
            let problems = check_sole_owner(&metadata("vaegis-nn", &[(name, None)])).unwrap();
            assert!(problems[0].contains("vaegis-nn"), "{problems:?}");
        }
    }

    #[test]
    fn the_table_is_put_between_its_marks() {
        let page = format!("before\n{BEGIN}old\n{END}\nafter\n");
        let new = insert_table(&page).unwrap();
        assert!(new.starts_with("before\n") && new.ends_with("\nafter\n") && !new.contains("old"));
        assert!(new.contains("| 4 | vaegis-attacks | core, lbfgsb, tensor, dist, nn | yes |"));
        assert_eq!(insert_table(&new).unwrap(), new);
        assert!(
            insert_table("no marks")
                .unwrap_err()
                .to_string()
                .contains("no mark")
        );
    }
}
