//! One enum of all model configurations, and the model that belongs to one.

use crate::beta_tcvae::{BetaTcvae, BetaTcvaeConfig};
use crate::factor_vae::{FactorVae, FactorVaeConfig};
use crate::lipschitz_vae::{self, LipschitzVae, LipschitzVaeConfig};
use crate::pixels::Profile;
use crate::seatbelt::{Seatbelt, SeatbeltConfig};
use crate::vae::{Vae, VaeConfig};
use crate::{ZooError, beta_tcvae, factor_vae, seatbelt, vae};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use vaegis_core::config::Validate;
use vaegis_core::error::{Violation, Violations};
use vaegis_core::seed::SeedTree;
use vaegis_nn::{LatentModel, Objective, Replica};
use vaegis_tensor::{Noise, ParamStore};

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
    /// Lipschitz constants chosen before training.
    LipschitzVae(LipschitzVaeConfig),
    /// The β-TCVAE: one layer, its total correlation weighted by β.
    BetaTcvae(BetaTcvaeConfig),
    /// The Seatbelt-VAE: several layers, the total correlation of the top one weighted by β.
    Seatbelt(SeatbeltConfig),
    /// The FactorVAE: total correlation by a discriminator.
    FactorVae(FactorVaeConfig),
}

impl ModelConfig {
    /// Name of the family, as in files.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Vae(_) => vae::FAMILY,
            Self::LipschitzVae(_) => lipschitz_vae::FAMILY,
            Self::BetaTcvae(_) => beta_tcvae::FAMILY,
            Self::Seatbelt(_) => seatbelt::FAMILY,
            Self::FactorVae(_) => factor_vae::FAMILY,
        }
    }
}

impl ModelConfig {
    /// Which reading of the sources' preprocessing the model follows, where its family knows one.
    pub fn profile(&self) -> Option<Profile> {
        match self {
            Self::Vae(_) | Self::LipschitzVae(_) => None,
            Self::BetaTcvae(config) => Some(config.pixels.profile),
            Self::Seatbelt(config) => Some(config.pixels.profile),
            Self::FactorVae(config) => Some(config.pixels.profile),
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
            Self::LipschitzVae(config) => config.violations(),
            Self::BetaTcvae(config) => config.violations(),
            Self::Seatbelt(config) => config.violations(),
            Self::FactorVae(config) => config.violations(),
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
        ModelConfig::LipschitzVae(config) => Ok(Box::new(LipschitzVae::new(config, store)?)),
        ModelConfig::BetaTcvae(config) => Ok(Box::new(BetaTcvae::new(config, store)?)),
        ModelConfig::Seatbelt(config) => Ok(Box::new(Seatbelt::new(config, store)?)),
        ModelConfig::FactorVae(config) => Ok(Box::new(FactorVae::new(config, store)?)),
    }
}

/// What [`LatentModel::replica`] answers for every model of this crate.
pub(crate) fn replica(model: &dyn Model) -> Replica {
    let (config, store) = (model.config(), model.store());
    let (kind, device) = (store.kind(), store.device());
    let copy = |(name, tensor): (String, vaegis_tensor::Tensor)| (name, tensor.detach().copy());
    let tensors: Vec<_> = store.named_tensors().into_iter().map(copy).collect();
    Box::new(move || {
        // The initial values are replaced at once, so their seed does not matter; the portable
        // source leaves libtorch's generator to the threads that draw from it.
        let store = ParamStore::new(kind, device, Noise::portable(SeedTree::new(0)));
        let model = build(&config, &store).expect("invariant: this configuration was built before");
        let copied = store.copy_from(&tensors);
        copied.expect("invariant: equal configurations have equal parameters");
        model
    })
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
