//! Where things are in this checkout, and what its manifests say.
//!
//! Knows paths and cargo's metadata, not what the commands do with them.

use crate::process;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::env;
use std::path::{Path, PathBuf};

/// The checkout that xtask works on.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the checkout from the manifest folder that cargo passes.
    pub(crate) fn find() -> Result<Self> {
        // The run-time variable wins, so that a moved checkout with an old
        // target folder does not lead to the place where it was built.
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("the xtask folder has a parent")?
            .to_path_buf();
        ensure!(
            root.join("Cargo.toml").is_file(),
            "no Cargo.toml in {}; run this inside the checkout, as `cargo xtask`",
            root.display()
        );
        Ok(Self { root })
    }

    /// A workspace at a given folder, for tests.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    /// The top folder of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the checkout.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// `cargo metadata` of the members, without resolving dependencies:
    /// that needs neither network nor a filled registry cache.
    pub(crate) fn metadata(&self) -> Result<Value> {
        let mut command = process::cargo(self);
        command.args(["metadata", "--format-version", "1", "--no-deps"]);
        let text = process::output(&mut command)?;
        serde_json::from_str(&text).context("cargo metadata printed something that is not JSON")
    }

    /// The folder that cargo builds into.
    pub(crate) fn target_dir(&self) -> Result<PathBuf> {
        let metadata = self.metadata()?;
        let path = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target")?;
        Ok(PathBuf::from(path))
    }
}
