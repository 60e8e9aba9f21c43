//! The variational autoencoder and the β-VAE, on fully connected or
//! convolutional nets, with the offset τ on the encoder's standard deviation.

mod config;

pub use config::VaeConfig;

use crate::config::{Model, ModelConfig, require_valid};
use crate::error::ZooError;
use crate::flat::{Flat, FlatSpec, latent_model_by_flat};
pub use crate::network::LOG_SIGMA_RANGE;
use vaegis_dist::{DiagNormal, Reparameterize};
use vaegis_nn::{LatentModel as _, LossTerms, Mode, Objective, StepContext};
use vaegis_tensor::{ParamStore, Tensor};

/// Name of this family in configuration files.
pub(crate) const FAMILY: &str = "vae";

/// A VAE with prior N(0, I), posterior N(μ(x), diag σ(x)²) and one of the
/// likelihoods of [`vaegis_nn::LikelihoodKind`].
///
/// # Formula
/// ```text
/// loss = mean over the batch of  −log p(x|z) + β KL(q(z|x) ‖ N(0, I)),  z = μ + σ ε
/// σ = τ + exp(clamp(s(x), −12, 6)),  s the second head of the encoder
/// ```
///
/// # References
/// Kingma and Welling (2014); β: Higgins et al. (2017), eq. 4; τ: Camuto et al. (2021), section 5.
#[derive(Debug)]
pub struct Vae {
    config: VaeConfig,
    flat: Flat,
}

impl Vae {
    /// Creates the parameters in `store`.
    ///
    /// # Errors
    /// The configuration is impossible, or the store already holds parameters
    /// of these names.
    pub fn new(config: &VaeConfig, store: &ParamStore) -> Result<Self, ZooError> {
        require_valid(FAMILY, config)?;
        let spec = FlatSpec {
            input: config.input,
            bounds: config.bounds,
            latent: config.latent,
            tau: config.tau,
            likelihood: config.likelihood,
            network: &config.network,
            init: config.init,
        };
        Ok(Self {
            flat: Flat::new(&spec, store)?,
            config: config.clone(),
        })
    }

    /// q(z|x).
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → batch `[B]`, event `[d_z]`
    pub fn encode(&self, x: &Tensor, mode: Mode) -> DiagNormal {
        self.flat.encode(x, mode)
    }
}

latent_model_by_flat!(Vae);

impl Objective for Vae {
    fn loss(&self, x: &Tensor, _labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
        let posterior = self.encode(x, Mode::Train);
        let eps = ctx.latent_noise(0, posterior.mean());
        let z = posterior.from_noise(&eps);
        let recon = -self.decode(&[z], Mode::Train).log_prob(x);
        LossTerms::default().with("recon", 1.0, recon).with(
            "kl",
            self.config.beta,
            posterior.kl_to_standard(),
        )
    }

    fn params(&self) -> &ParamStore {
        &self.flat.store
    }
}

impl Model for Vae {
    fn config(&self) -> ModelConfig {
        ModelConfig::Vae(self.config.clone())
    }
}
