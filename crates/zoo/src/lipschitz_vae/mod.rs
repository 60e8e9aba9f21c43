//! A VAE whose encoder mean, encoder scale and decoder have Lipschitz constants
//! chosen before training, so that margins can be certified.
//!
//! Not for the certificates themselves: they are computed from
//! `LatentModel::network_paths`, as for any fully connected model.

mod config;

pub use config::{LipschitzVaeConfig, SIGMA_MARGIN, SigmaConfig};

use crate::config::{Model, ModelConfig, replica, require_valid};
use crate::error::ZooError;
use vaegis_dist::{DiagNormal, Reparameterize};
use vaegis_nn::lipschitz::{
    Excess, LayerCheck, LipschitzMlp, LipschitzMlpSpec, Unconverged, mean_lipschitz,
    project_log_scale,
};
use vaegis_nn::{
    LatentModel, LatentPath, Likelihood, LossTerms, Mode, NetworkPaths, Objective, Posterior,
    Replica, ScalePath, StepContext,
};
use vaegis_tensor::{ParamStore, Tensor};

/// Name of this family in configuration files.
pub(crate) const FAMILY: &str = "lipschitz-vae";

/// Slope of the sigmoid at the end of the σ network, at most.
const SIGMOID_LIPSCHITZ: f64 = 0.25;

/// A VAE on orthonormal layers with GroupSort.
///
/// # Formula
/// ```text
/// loss = mean over the batch of  −log p(x|z) + β KL(q(z|x) ‖ N(0, I)),  z = μ + σ ε
/// σ = γ   or   σ = projection of sigmoid(s(x)) onto ‖σ‖ ≤ r/(√8 a) − 10⁻⁴
/// ```
///
/// # References
/// Barrett, Camuto, Willetts and Rainforth, "Certifiably robust variational autoencoders"
/// (2022); layers: Anil, Lucas and Grosse (2019).
#[derive(Debug)]
pub struct LipschitzVae {
    config: LipschitzVaeConfig,
    store: ParamStore,
    mean: LipschitzMlp,
    log_sigma: Option<LipschitzMlp>,
    decoder: LipschitzMlp,
}

/// Lipschitz constants in L2 that hold for the frozen networks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LipschitzConstants {
    /// a: of z ↦ E[x | z], the mean function of the likelihood included.
    pub decoder: f64,
    /// b: of μ.
    pub mean: f64,
    /// c: of σ; 0 where σ is constant.
    pub sigma: f64,
}

impl LipschitzVae {
    /// Creates the parameters in `store`.
    ///
    /// # Errors
    /// The configuration is impossible, or the store already holds parameters
    /// of these names.
    pub fn new(config: &LipschitzVaeConfig, store: &ParamStore) -> Result<Self, ZooError> {
        require_valid(FAMILY, config)?;
        let root = store.root();
        let net = |name: &str, sizes: Vec<i64>, lipschitz: f64| {
            let spec = LipschitzMlpSpec {
                sizes,
                lipschitz,
                group: config.group,
                bjorck: config.bjorck,
            };
            LipschitzMlp::new(&root.sub(name), spec)
        };
        let sizes = [&[config.num_pixels()], &config.hidden[..], &[config.latent]].concat();
        let backwards = sizes.iter().rev().copied().collect();
        let log_sigma = match config.sigma {
            SigmaConfig::Constant { .. } => None,
            SigmaConfig::Network { lipschitz, .. } => Some(net("sigma", sizes.clone(), lipschitz)?),
        };
        Ok(Self {
            mean: net("mu", sizes, config.encoder_lipschitz)?,
            log_sigma,
            decoder: net("decoder", backwards, config.decoder_lipschitz)?,
            config: config.clone(),
            store: store.clone(),
        })
    }

    /// q(z|x).
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → batch `[B]`, event `[d_z]`
    pub fn encode(&self, x: &Tensor, mode: Mode) -> DiagNormal {
        let x = x.flatten(1, -1);
        let mu = self.mean.forward(&x, mode);
        let log_sigma = match (&self.log_sigma, self.config.sigma) {
            (Some(net), _) => {
                let radius = self
                    .config
                    .sigma_radius()
                    .expect("invariant: a σ network comes with its ball");
                // log sigmoid(s) = −softplus(−s)
                project_log_scale(&-(-net.forward(&x, mode)).softplus(), radius)
            }
            (None, SigmaConfig::Constant { gamma }) => mu.full_like(gamma.ln()),
            (None, SigmaConfig::Network { .. }) => {
                unreachable!("invariant: a σ network is built when it is configured")
            }
        };
        DiagNormal::new(mu, log_sigma)
    }

    /// The constants of the frozen networks, verified by singular values in f64.
    ///
    /// # Errors
    /// [`Excess::Refuse`] and a layer that is not orthonormal.
    pub fn constants(&self, excess: Excess) -> Result<LipschitzConstants, Unconverged> {
        let sigma = match &self.log_sigma {
            Some(net) => net.lipschitz(excess)? * SIGMOID_LIPSCHITZ,
            None => 0.0,
        };
        Ok(LipschitzConstants {
            decoder: self.decoder.lipschitz(excess)? * mean_lipschitz(self.config.likelihood),
            mean: self.mean.lipschitz(excess)?,
            sigma,
        })
    }

    /// Singular values of every frozen layer: of μ, of σ where it is a network,
    /// of the decoder.
    pub fn check(&self) -> Vec<(&'static str, Vec<LayerCheck>)> {
        let mut checks = vec![("mu", self.mean.check())];
        if let Some(net) = &self.log_sigma {
            checks.push(("sigma", net.check()));
        }
        checks.push(("decoder", self.decoder.check()));
        checks
    }
}

impl LatentModel for LipschitzVae {
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
        let z = match path {
            LatentPath::Mean => layer.mean().shallow_clone(),
            LatentPath::Noise(eps) => layer.from_noise(&eps[0]),
        };
        Posterior {
            layers: vec![layer],
            z: vec![z],
        }
    }

    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        let parameter = self.decoder.forward(&z[0], mode);
        Likelihood {
            kind: self.config.likelihood,
            parameter: parameter.unflatten(1, self.config.input),
        }
    }

    fn kl_terms(&self, posterior: &Posterior, _mode: Mode) -> Vec<Tensor> {
        vec![posterior.layers[0].kl_to_standard()]
    }

    fn replica(&self) -> Option<Replica> {
        Some(replica(self))
    }

    fn network_paths(&self) -> Option<NetworkPaths> {
        let scale = match &self.log_sigma {
            // The projection onto a ball is 1-Lipschitz.
            Some(net) => ScalePath::Lipschitz(net.path(SIGMOID_LIPSCHITZ).lipschitz()),
            None => ScalePath::Constant,
        };
        Some(NetworkPaths {
            mean: self.mean.path(1.0),
            scale,
            decoder: self.decoder.path(mean_lipschitz(self.config.likelihood)),
        })
    }

    fn check_layers(&self) -> Result<(), Unconverged> {
        self.constants(Excess::Refuse).map(|_| ())
    }
}

impl Objective for LipschitzVae {
    fn loss(&self, x: &Tensor, _labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
        let posterior = self.encode(x, Mode::Train);
        let z = posterior.from_noise(&ctx.latent_noise(0, posterior.mean()));
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

impl Model for LipschitzVae {
    fn config(&self) -> ModelConfig {
        ModelConfig::LipschitzVae(self.config.clone())
    }
}
