//! The variational autoencoder and the β-VAE, on fully connected or
//! convolutional nets, with the offset τ on the encoder's standard deviation.

mod config;

pub use config::VaeConfig;

use crate::config::{Model, ModelConfig, replica, require_valid};
use crate::error::ZooError;
pub use crate::network::LOG_SIGMA_RANGE;
use crate::network::{Decoder, Encoder, NetShape, NetworkConfig, gaussian};
use vaegis_dist::{DiagNormal, Reparameterize};
use vaegis_nn::lipschitz::mean_lipschitz;
use vaegis_nn::{
    LatentModel, LatentPath, Likelihood, LossTerms, Mode, NetworkPaths, Objective, Posterior,
    Replica, ScalePath, StepContext,
};
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
    store: ParamStore,
    encoder: Encoder,
    decoder: Decoder,
}

impl Vae {
    /// Creates the parameters in `store`.
    ///
    /// # Errors
    /// The configuration is impossible, or the store already holds parameters
    /// of these names.
    pub fn new(config: &VaeConfig, store: &ParamStore) -> Result<Self, ZooError> {
        require_valid(FAMILY, config)?;
        let root = store.root();
        let shape = NetShape {
            input: config.input,
            network: &config.network,
            init: config.init,
        };
        Ok(Self {
            encoder: Encoder::new(&root, &shape, config.latent)?,
            decoder: Decoder::new(&root, &shape, config.latent)?,
            config: config.clone(),
            store: store.clone(),
        })
    }

    /// The configuration of this model, typed.
    pub fn vae_config(&self) -> &VaeConfig {
        &self.config
    }

    /// q(z|x).
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → batch `[B]`, event `[d_z]`
    pub fn encode(&self, x: &Tensor, mode: Mode) -> DiagNormal {
        let posterior = gaussian(self.encoder.forward(x, mode));
        if self.config.tau == 0.0 {
            return posterior;
        }
        // log(τ + eˢ) without leaving log space.
        let log_sigma = posterior.log_scale();
        let log_tau = log_sigma.full_like(self.config.tau.ln());
        let log_sigma = log_sigma.logaddexp(&log_tau);
        DiagNormal::new(posterior.mean().shallow_clone(), log_sigma)
    }
}

impl LatentModel for Vae {
    fn replica(&self) -> Option<Replica> {
        Some(replica(self))
    }

    fn input_shape(&self) -> [i64; 3] {
        self.config.input
    }

    fn bounds(&self) -> (f64, f64) {
        self.config.bounds
    }

    fn latent_sizes(&self) -> Vec<i64> {
        vec![self.config.latent]
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior {
        let layer = self.encode(x, mode);
        let z = path.point(0, &layer);
        Posterior {
            layers: vec![layer],
            z: vec![z],
        }
    }

    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        let parameter = self.decoder.forward(&z[0], mode);
        Likelihood {
            kind: self.config.likelihood,
            parameter,
        }
    }

    fn kl_terms(&self, posterior: &Posterior, _mode: Mode) -> Vec<Tensor> {
        vec![posterior.layers[0].kl_to_standard()]
    }

    fn network_paths(&self) -> Option<NetworkPaths> {
        let NetworkConfig::Mlp {
            activation,
            decoder_activation,
            ..
        } = self.config.network
        else {
            return None;
        };
        let output = mean_lipschitz(self.config.likelihood);
        Some(NetworkPaths {
            mean: self.encoder.mean_path(activation)?,
            // σ is an exponential: no useful constant holds everywhere.
            scale: ScalePath::Unknown,
            decoder: self
                .decoder
                .path(decoder_activation.unwrap_or(activation), output)?,
        })
    }
}

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
        &self.store
    }
}

impl Model for Vae {
    fn config(&self) -> ModelConfig {
        ModelConfig::Vae(self.config.clone())
    }
}
