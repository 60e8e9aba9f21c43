//! Results of finished stages on disk, so that a killed run goes on after the
//! last one.

use crate::lineage::Lineage;
use anyhow::Result;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::Path;
use vaegis_core::codec::{read_json, write_json};

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    /// Hash of everything that the value depends on.
    key: String,
    /// Where it was computed; absent in files of earlier versions.
    #[serde(default)]
    revision: Option<String>,
    value: T,
}

/// The value stored at `path` for `key`, or the value of `compute`, which is
/// stored then. A file for another key, or a damaged one, is replaced. The run's lineage learns
/// which revision the value is of.
///
/// # Errors
/// As `compute`; disk errors.
pub fn stage<T: Serialize + DeserializeOwned>(
    lineage: &Lineage,
    path: &Path,
    key: &impl Serialize,
    compute: impl FnOnce() -> Result<T>,
) -> Result<(T, Reused)> {
    let key = vaegis_core::hash::content_hash(key)?;
    if path.exists() {
        match read_json::<Stored<T>>(path) {
            Ok(stored) if stored.key == key => {
                lineage.read(stored.revision.as_deref());
                return Ok((stored.value, Reused(true)));
            }
            Ok(_) => tracing::debug!(path = %path.display(), "stored for other settings"),
            Err(error) => {
                tracing::warn!(%error, "a stored stage is unreadable and is computed again")
            }
        }
    }
    let stored = Stored {
        key,
        value: compute()?,
        revision: Some(lineage.made()),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_json(path, &stored)?;
    Ok((stored.value, Reused(false)))
}

/// Whether a stage's value came from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reused(pub bool);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::{DamagePoint, Quality};
    use vaegis_tensor::Device;

    fn lineage(revision: &str) -> Lineage {
        let mut here = crate::context::provenance(Device::Cpu, 1, &[], "smoke");
        revision.clone_into(&mut here.git_revision);
        here.git_dirty = Some(false);
        Lineage::of(&here)
    }

    /// A later run shows results of an earlier one under the earlier one's revision.
    #[test]
    fn a_stored_value_keeps_its_revision() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |revision: &str, name: &str| {
            let at = lineage(revision);
            for name in ["kept", name] {
                stage(&at, &folder.path().join(name), &1, || Ok(2)).expect("works");
            }
            at.met()
        };
        assert_eq!(run("first", "kept"), ["first"]);
        assert_eq!(run("second", "new"), ["first", "second"]);
        // As earlier versions wrote it.
        let key = vaegis_core::hash::content_hash(&1).expect("a hash");
        let text = format!(r#"{{"key": "{key}", "value": 2}}"#);
        std::fs::write(folder.path().join("kept"), text).expect("written");
        assert_eq!(run("third", "new"), ["not recorded", "second"]);
    }

    #[test]
    fn a_stage_is_computed_once_per_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/value.json");
        let at = lineage("first");
        let run = |key: u32, value: u32| stage(&at, &path, &key, || Ok(value)).expect("works");
        assert_eq!(run(1, 10), (10, Reused(false)));
        assert_eq!(run(1, 11), (10, Reused(true)));
        assert_eq!(run(2, 12), (12, Reused(false)));
        std::fs::write(&path, b"{ damaged").expect("written");
        assert_eq!(run(2, 13), (13, Reused(false)));
    }

    /// A model whose likelihood overflowed is a result like any other: it is read back, not
    /// computed again.
    #[test]
    fn values_that_are_not_finite_are_reused() {
        use vaegis_eval::degradation::Degradation;
        use vaegis_eval::elbo::ElboRow;
        use vaegis_eval::latent::LatentUsage;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("value.json");
        let usage = LatentUsage {
            mean_variance: vec![0.5, f64::NAN, f64::INFINITY],
            active_units: 1,
            mean_sigma: f64::INFINITY,
            mean_min_sigma: f64::NAN,
            mean_sigma_norm: 1.0,
        };
        let elbo = ElboRow {
            log_likelihood: f64::NEG_INFINITY,
            kl: f64::NAN,
        };
        let degradation = Degradation {
            clean: f64::NAN,
            attacked: -2.0,
        };
        let quality = Quality {
            elbo,
            iwae: f64::NAN,
            usage,
            distortion: f64::INFINITY,
        };
        let damage = DamagePoint {
            radius: 1.0,
            attack: vec![f64::NAN, 2.0],
            random: vec![f64::INFINITY],
            degradation: vec![degradation],
        };
        let value = (quality, damage);
        let at = lineage("first");
        let run = || stage(&at, &path, &1, || Ok(value.clone())).expect("works");
        let (_, Reused(first)) = run();
        let (back, Reused(second)) = run();
        assert!(!first && second);
        // NaN is unequal to itself, so the words are compared.
        assert_eq!(format!("{back:?}"), format!("{value:?}"));
    }
}
