//! The β-TCVAE: one latent layer whose total correlation is weighted by β.

use crate::checks::{check_input, check_network, require_size};
use crate::config::{Model, ModelConfig, require_valid};
use crate::error::ZooError;
use crate::flat::{Flat, FlatSpec, latent_model_by_flat};
use crate::network::NetworkConfig;
use crate::penalty::TcPenalty;
use crate::pixels::Pixels;
use serde::{Deserialize, Serialize};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_dist::{DiagNormal, Reparameterize};
use vaegis_nn::{LatentModel as _, LossTerms, Mode, Objective, StepContext, WeightInit};
use vaegis_tensor::{ParamStore, Tensor};

/// Name of this family in configuration files.
pub(crate) const FAMILY: &str = "beta-tcvae";

/// How the objective is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveForm {
    /// Closed-form KL plus (β − 1) TC.
    #[default]
    Compact,
    /// MI + β TC + DW, all estimated from the same draws; the same objective with a Monte Carlo
    /// KL.
    Split,
}

/// Configuration of a [`BetaTcvae`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct BetaTcvaeConfig {
    /// Channels, height and width of an image.
    pub input: [i64; 3],
    /// Number of latents.
    pub latent: i64,
    /// Weight of the total correlation; 1 is the VAE.
    pub beta: f64,
    /// How the objective is written down.
    pub objective: ObjectiveForm,
    /// How the total correlation is estimated.
    pub penalty: TcPenalty,
    /// How the weights start.
    pub init: WeightInit,
    /// Pixel range and likelihood.
    pub pixels: Pixels,
    /// Encoder and decoder.
    pub network: NetworkConfig,
}

impl Default for BetaTcvaeConfig {
    fn default() -> Self {
        Self {
            input: [1, 64, 64],
            latent: 16,
            beta: 1.0,
            objective: ObjectiveForm::default(),
            penalty: TcPenalty::default(),
            init: WeightInit::TorchDefault,
            pixels: Pixels::default(),
            network: NetworkConfig::conv(1.0),
        }
    }
}

impl Validate for BetaTcvaeConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        check_input(&mut checks, self.input);
        require_size(&mut checks, "latent", self.latent);
        checks.non_negative("beta", self.beta).require(
            "penalty",
            self.penalty != TcPenalty::None || self.objective == ObjectiveForm::Compact,
            "an estimator for the objective \"split\"",
            "none",
        );
        self.pixels.check(&mut checks, self.input[0]);
        check_network(&mut checks, &self.network, self.input);
        checks.into_violations()
    }
}

/// A VAE with a penalty on the total correlation of its aggregate posterior q(z).
///
/// # Formula
/// ```text
/// compact: mean of  −log p(x|z) + KL(q(z|x) ‖ N(0, I))  +  (β − 1) TC
/// split:   mean of  −log p(x|z)  +  MI + β TC + DW
/// ```
/// The last three are minibatch estimates from the same draws, so that split is compact with
/// log q(z|x) − log p(z) at those draws in place of the closed-form KL.
///
/// # References
/// Chen, Li, Grosse and Duvenaud (2018), equations 2 and 4.
#[derive(Debug)]
pub struct BetaTcvae {
    config: BetaTcvaeConfig,
    flat: Flat,
}

impl BetaTcvae {
    /// Creates the parameters in `store`.
    ///
    /// # Errors
    /// The configuration is impossible, or the store already holds parameters of these names.
    pub fn new(config: &BetaTcvaeConfig, store: &ParamStore) -> Result<Self, ZooError> {
        require_valid(FAMILY, config)?;
        let spec = FlatSpec {
            input: config.input,
            bounds: config.pixels.bounds(config.input[0]),
            latent: config.latent,
            tau: 0.0,
            likelihood: config.pixels.likelihood(config.input[0]),
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

latent_model_by_flat!(BetaTcvae);

impl Objective for BetaTcvae {
    fn loss(&self, x: &Tensor, _labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
        let BetaTcvaeConfig {
            beta,
            penalty,
            objective,
            ..
        } = self.config;
        let posterior = self.encode(x, Mode::Train);
        let eps = ctx.latent_noise(0, posterior.mean());
        let z = [posterior.from_noise(&eps)];
        let recon = -self.decode(&z, Mode::Train).log_prob(x);
        let terms = LossTerms::default().with("recon", 1.0, recon);
        match objective {
            ObjectiveForm::Compact => {
                let terms = terms.with("kl", 1.0, posterior.kl_to_standard());
                with_penalty(terms, beta, penalty, &posterior, &z[0], ctx.dataset_size)
            }
            ObjectiveForm::Split => {
                let parts = penalty
                    .decomposition(&posterior, &z[0], ctx.dataset_size)
                    .expect("invariant: the split objective has an estimator");
                terms
                    .with("mi", 1.0, parts.mutual_information)
                    .with("tc", beta, parts.total_correlation)
                    .with("dw", 1.0, parts.dimension_wise)
            }
        }
    }

    fn params(&self) -> &ParamStore {
        &self.flat.store
    }
}

/// Appends (β − 1) TC. At β = 1 nothing is estimated, so that the loss does not depend on the
/// size of the data set.
pub(crate) fn with_penalty(
    terms: LossTerms,
    beta: f64,
    penalty: TcPenalty,
    posterior: &DiagNormal,
    z: &Tensor,
    dataset_size: usize,
) -> LossTerms {
    let weight = beta - 1.0;
    if weight == 0.0 {
        return terms;
    }
    match penalty.total_correlation(posterior, z, dataset_size) {
        Some(tc) => terms.with("tc", weight, tc),
        None => terms,
    }
}

impl Model for BetaTcvae {
    fn config(&self) -> ModelConfig {
        ModelConfig::BetaTcvae(self.config.clone())
    }
}
