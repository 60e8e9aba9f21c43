//! The configuration file of `vaegis train`: data set, model, optimization.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_data::{Dataset, Mapped, OpenOptions, Split, Step, Subset, registry};
use vaegis_nn::LatentModel;
use vaegis_train::TrainConfig;
use vaegis_zoo::ModelConfig;

/// Share of a model's bounds that values must span before nothing is said: floats rarely reach both
/// ends of their range, but half of it means that it is another one.
const SPANNED_SHARE: f64 = 0.75;

/// Prefixes of data sets that are a user's own files.
const OWN: [&str; 3] = ["folder:", "npz:", "npy:"];

/// Everything that a training run depends on besides its machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunConfig {
    /// Root seed of initialization, shuffling and noise.
    pub seed: u64,
    /// What the model is trained on.
    pub dataset: DatasetConfig,
    /// Architecture and loss.
    pub model: ModelConfig,
    /// Optimization.
    pub train: TrainConfig,
}

/// A data set by name, with the choices that it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DatasetConfig {
    /// Registry name, or `folder:PATH`, `npz:PATH`, `npy:PATH`, of which a tenth is for testing.
    pub name: String,
    /// Side of square images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Only the first items of the training split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_items: Option<usize>,
    /// Only the first items of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_items: Option<usize>,
    /// Number of items of a generated set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Seed of a generated set.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// Number of classes of `blobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Number of values of an item of `blobs` and `linear-gaussian`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// Distance of the centers of `blobs` from the origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separation: Option<f32>,
    /// Lowest and highest value after scaling; the set's own range where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(f32, f32)>,
}

fn is_zero(seed: &u64) -> bool {
    *seed == 0
}

impl Default for DatasetConfig {
    fn default() -> Self {
        Self {
            size: Some(28),
            ..Self::named("sprites")
        }
    }
}

impl DatasetConfig {
    /// The whole set of this name at its own size.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            size: None,
            train_items: None,
            test_items: None,
            samples: None,
            seed: 0,
            classes: None,
            dimension: None,
            separation: None,
            range: None,
        }
    }

    /// Opens one split, cut to the configured number of items.
    ///
    /// # Errors
    /// An unknown set, missing or damaged files, impossible options.
    pub fn open(&self, split: Split, root: Option<&Path>) -> Result<Arc<dyn Dataset>> {
        let options = OpenOptions {
            size: self.size,
            samples: self.samples,
            seed: self.seed,
            classes: self.classes,
            dimension: self.dimension,
            separation: self.separation,
            cache: vaegis_data::decoded_cache(),
            ..OpenOptions::default()
        };
        let set = vaegis_data::open(&self.name, root, split, &options)
            .with_context(|| format!("opening the data set {:?}", self.name))?;
        let mut set: Arc<dyn Dataset> = Arc::from(set);
        if let Some((low, high)) = self.range {
            set = Arc::new(Mapped::new(set, vec![Step::Range { low, high }])?);
        }
        let limit = match split {
            Split::Train => self.train_items,
            Split::Test => self.test_items,
        };
        match limit {
            Some(len) if len < set.len() => Ok(Arc::new(Subset::new(set, (0..len).collect())?)),
            _ => Ok(set),
        }
    }
}

/// What to say where values leave much of the model's bounds empty, as [0, 1] does in [−1, 1].
///
/// They can be trained on, but the likelihood and the attackers' box are then for other data.
pub(super) fn range_warning(
    name: &str,
    (least, most): (f32, f32),
    (low, high): (f64, f64),
) -> Option<String> {
    let (spanned, whole) = (f64::from(most) - f64::from(least), high - low);
    if !whole.is_finite() || spanned >= SPANNED_SHARE * whole {
        return None;
    }
    Some(format!(
        "values of {name:?} lie in [{least}, {most}], but the model's pixels in [{low}, {high}]: \
         set dataset.range = [{low:?}, {high:?}], or the model's bounds (model.bounds, or \
         model.pixels) to the data's"
    ))
}

/// Checks that a model can read the items of a data set; warns where its range is another one.
///
/// # Errors
/// Another shape, or values outside the model's bounds.
pub fn check_fit(model: &dyn LatentModel, data: &dyn Dataset) -> Result<()> {
    let spec = data.spec();
    let shape = spec.item_shape.map(|n| n as i64);
    if shape != model.input_shape() {
        bail!(
            "the model and the data set do not fit: items of {:?} are {shape:?} (channels, \
             height, width), the model expects {:?}; set model.input to {shape:?}, or \
             dataset.size to the model's side",
            spec.name,
            model.input_shape(),
        );
    }
    let ((low, high), (least, most)) = (model.bounds(), spec.value_range);
    if f64::from(least) < low || f64::from(most) > high {
        bail!(
            "the model and the data set do not fit: values of {:?} lie in [{least}, {most}], \
             the model expects [{low}, {high}]; set model.bounds (and, outside of 0 to 1, a \
             gaussian likelihood)",
            spec.name,
        );
    }
    // Every command checks its test split, so this is said once.
    if spec.split == Split::Test
        && let Some(warning) = range_warning(&spec.name, spec.value_range, model.bounds())
    {
        tracing::warn!("{warning}");
    }
    Ok(())
}

impl Validate for DatasetConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        let own = OWN.iter().any(|prefix| self.name.starts_with(prefix));
        let known = registry::REGISTRY.iter().map(|e| e.name);
        let names: Vec<&str> = known
            .chain(["folder:PATH", "npz:PATH", "npy:PATH"])
            .collect();
        checks.require(
            "name",
            own || names.contains(&self.name.as_str()),
            format!("one of {}", names.join(", ")),
            format!("{:?}", self.name),
        );
        for (key, count) in [
            ("size", self.size),
            ("train-items", self.train_items),
            ("test-items", self.test_items),
            ("samples", self.samples),
            ("classes", self.classes),
            ("dimension", self.dimension),
        ] {
            if let Some(count) = count {
                checks.at_least(key, count, 1);
            }
        }
        if let Some(separation) = self.separation {
            checks.non_negative("separation", f64::from(separation));
        }
        if let Some((low, high)) = self.range {
            checks.require(
                "range",
                low.is_finite() && high.is_finite() && low < high,
                "two finite numbers, the lower one first",
                format!("[{low}, {high}]"),
            );
        }
        checks.into_violations()
    }
}

impl Validate for RunConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        checks
            .nested("dataset", &self.dataset)
            .nested("model", &self.model)
            .nested("train", &self.train);
        checks.into_violations()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_core::codec::{from_toml, to_toml};

    fn parse(text: &str) -> RunConfig {
        from_toml(Path::new("default.toml"), text).expect("parses")
    }

    /// A range within the bounds trains without an error, so it has to be said.
    #[test]
    fn values_that_span_half_of_the_bounds_are_worth_a_word() {
        let unit = (0.0, 1.0);
        let text = range_warning("pets", unit, (-1.0, 1.0)).expect("half of it");
        for needle in ["pets", "[0, 1]", "[-1, 1]", "dataset.range", "bounds"] {
            assert!(text.contains(needle), "{needle}: {text}");
        }
        assert_eq!(range_warning("pets", (-1.0, 1.0), (-1.0, 1.0)), None);
        assert_eq!(range_warning("pets", unit, (0.0, 1.0)), None);
        assert_eq!(range_warning("floats", (0.02, 0.9), (0.0, 1.0)), None);
        // A Gaussian on the whole line has no range to span.
        let line = (f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(range_warning("roll", (-3.0, 4.0), line), None);
    }

    #[test]
    fn a_configuration_survives_toml() {
        let mut config = RunConfig {
            seed: 7,
            ..RunConfig::default()
        };
        config.dataset.test_items = Some(3);
        assert_eq!(parse(&to_toml(&config).expect("serializes")), config);
    }

    #[test]
    fn violations_of_all_tables_come_together() {
        let mut config = RunConfig::default();
        config.dataset.name = "mnits".to_owned();
        config.dataset.test_items = Some(0);
        config.train.lr = -1.0;
        let vaegis_zoo::ModelConfig::Vae(vae) = &mut config.model else {
            panic!("the default is a VAE")
        };
        vae.beta = f64::NAN;
        let keys: Vec<String> = config.violations().into_iter().map(|v| v.key).collect();
        assert_eq!(
            keys,
            [
                "dataset.name",
                "dataset.test-items",
                "model.beta",
                "train.lr"
            ]
        );
    }
}
