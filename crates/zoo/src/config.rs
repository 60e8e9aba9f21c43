//! One enum of all model configurations, and the model that belongs to one.

use crate::vae::{Vae, VaeConfig};
use crate::{ZooError, vae};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use vaegis_core::config::Validate;
use vaegis_core::error::{Violation, Violations};
use vaegis_nn::{LatentModel, Objective};
use vaegis_tensor::ParamStore;

/// A model that can be trained, attacked and evaluated.
pub trait Model: LatentModel + Objective + Debug {
    /// The configuration that builds this model again.
    fn config(&self) -> ModelConfig;

    /// Name of the family, as in the configuration.
    fn family(&self) -> &'static str {
        self.config().family()
    }

    /// Parameters and buffers; the same store as `LatentModel::params`, under a
    /// name that needs no choice between the two supertraits.
    fn store(&self) -> &ParamStore {
        LatentModel::params(self)
    }
}

/// Which model, with all its choices. In files: a table with the key `family`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelConfig {
    /// The variational autoencoder; β ≠ 1 makes it a β-VAE.
    Vae(VaeConfig),
}

impl ModelConfig {
    /// Name of the family, as in files.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Vae(_) => vae::FAMILY,
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self::Vae(VaeConfig::default())
    }
}

impl Validate for ModelConfig {
    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Vae(config) => config.violations(),
        }
    }
}

/// Builds the model of a configuration with its parameters in `store`.
///
/// # Errors
/// The configuration is impossible (all reasons are listed), or the store
/// already holds parameters of these names.
pub fn build(config: &ModelConfig, store: &ParamStore) -> Result<Box<dyn Model>, ZooError> {
    match config {
        ModelConfig::Vae(config) => Ok(Box::new(Vae::new(config, store)?)),
    }
}

/// Ok for a valid configuration.
pub(crate) fn require_valid(family: &'static str, config: &impl Validate) -> Result<(), ZooError> {
    let violations = config.violations();
    if violations.is_empty() {
        return Ok(());
    }
    Err(ZooError::Config {
        family,
        violations: Violations(violations),
    })
}
