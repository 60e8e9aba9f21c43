//! The choices that make a VAE, and which of them are impossible.

use crate::checks::{check_bounds, check_input, check_likelihood, check_network, require_size};
use crate::network::NetworkConfig;
use serde::{Deserialize, Serialize};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_nn::{LikelihoodKind, WeightInit};

/// Configuration of a [`Vae`](super::Vae). The default is the fully connected
/// net for 28 × 28 grey images: 784-400-400, 20 latents, Bernoulli.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct VaeConfig {
    /// Channels, height and width of an image.
    pub input: [i64; 3],
    /// Lowest and highest valid pixel value. Bernoulli likelihoods need 0 and 1.
    pub bounds: (f64, f64),
    /// Number of latents.
    pub latent: i64,
    /// Weight of the KL term; 1 is the VAE.
    pub beta: f64,
    /// Added to the encoder's standard deviation, in training and after.
    pub tau: f64,
    /// How the weights start.
    pub init: WeightInit,
    /// p(x | z).
    pub likelihood: LikelihoodKind,
    /// Encoder and decoder.
    pub network: NetworkConfig,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            input: [1, 28, 28],
            bounds: (0.0, 1.0),
            latent: 20,
            beta: 1.0,
            tau: 0.0,
            init: WeightInit::TorchDefault,
            likelihood: LikelihoodKind::Bernoulli,
            network: NetworkConfig::default(),
        }
    }
}

impl VaeConfig {
    /// Pixels times channels of one image.
    pub fn num_pixels(&self) -> i64 {
        self.input.iter().product()
    }
}

impl Validate for VaeConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        check_input(&mut checks, self.input);
        check_bounds(&mut checks, "bounds", self.bounds);
        require_size(&mut checks, "latent", self.latent);
        checks
            .non_negative("beta", self.beta)
            .non_negative("tau", self.tau);
        check_likelihood(&mut checks, "", self.likelihood, self.bounds);
        check_network(&mut checks, &self.network, self.input);
        checks.into_violations()
    }
}
