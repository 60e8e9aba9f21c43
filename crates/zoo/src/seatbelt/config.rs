//! The choices that make a Seatbelt-VAE.

use crate::checks::{check_hidden, check_input, check_network};
use crate::network::NetworkConfig;
use crate::penalty::TcPenalty;
use crate::pixels::Pixels;
use serde::{Deserialize, Serialize};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_nn::WeightInit;

/// Names of the divergences of the layers in logs; also the largest number of layers.
pub(super) const KL_NAMES: [&str; 8] = ["kl1", "kl2", "kl3", "kl4", "kl5", "kl6", "kl7", "kl8"];

/// Latent sizes of the sources for dSprites, Chairs and 3D Faces, layer 1 (nearest the data) first.
pub const GREY_SIZES: [i64; 5] = [96, 48, 24, 12, 6];
/// Latent sizes of the sources for CelebA.
pub const CELEBA_SIZES: [i64; 4] = [256, 128, 64, 32];
/// Hidden sizes of the sources between layers, counted from the data.
pub const HIDDEN_SIZES: [i64; 5] = [1024, 512, 256, 128, 64];
/// Free bits of hierarchical models, in nats per coordinate.
const FREE_BITS: f64 = 0.125;

/// Which layers the likelihood reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LikelihoodInputs {
    /// All of them.
    #[default]
    All,
    /// The one nearest the data alone: a deep latent Gaussian model, in which the penalty of the
    /// top layer protects little.
    Bottom,
}

/// How the inference model goes through the layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PosteriorKind {
    /// q(z¹|x) Π q(zⁱ⁺¹|zⁱ, x)
    #[default]
    BottomUp,
    /// q(zᴸ|x) Π q(zⁱ|z^{>i}, x)
    TopDown,
}

/// How the divergence of the layers below the top enters the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KlLower {
    /// The log-ratio at the sampled points: the ELBO without bias.
    #[default]
    Mc,
    /// The closed form at the sampled layer above, as the sources print it. With bottom-up
    /// inference that is not the ELBO, and can lie above the evidence; with top-down inference it
    /// is exact.
    Analytic,
}

/// Configuration of a [`Seatbelt`](super::Seatbelt). The default is the sources' four-layer model
/// for 64 × 64 grey images at β = 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct SeatbeltConfig {
    /// Channels, height and width of an image.
    pub input: [i64; 3],
    /// Number L of latent layers; 1 is the β-TCVAE.
    pub layers: usize,
    /// Latent sizes, of which a model takes the last L in their order: the top layer is always
    /// the last of the list.
    pub z_sizes: Vec<i64>,
    /// Hidden units between layers i and i + 1, counted from the data whatever L is.
    pub h_sizes: Vec<i64>,
    /// Weight of the total correlation of the top layer.
    pub beta: f64,
    /// How that total correlation is estimated.
    pub penalty: TcPenalty,
    /// Which layers the likelihood reads.
    pub likelihood_inputs: LikelihoodInputs,
    /// How the inference model goes through the layers.
    pub posterior: PosteriorKind,
    /// Divergence of the layers below the top in the training loss.
    pub kl_lower: KlLower,
    /// Whether each conditional of the inference model has an image trunk of its own.
    pub separate_trunks: bool,
    /// Smallest divergence per coordinate (batch mean, nats) that training still lowers; 0.125
    /// for several layers and 0 for one where absent. Never in evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bits: Option<f64>,
    /// How the weights start.
    pub init: WeightInit,
    /// Pixel range and likelihood.
    pub pixels: Pixels,
    /// Image trunk and decoder.
    pub network: NetworkConfig,
}

impl Default for SeatbeltConfig {
    fn default() -> Self {
        Self {
            input: [1, 64, 64],
            layers: 4,
            z_sizes: GREY_SIZES.to_vec(),
            h_sizes: HIDDEN_SIZES.to_vec(),
            beta: 1.0,
            penalty: TcPenalty::default(),
            likelihood_inputs: LikelihoodInputs::default(),
            posterior: PosteriorKind::default(),
            kl_lower: KlLower::default(),
            separate_trunks: false,
            free_bits: None,
            init: WeightInit::TorchDefault,
            pixels: Pixels::default(),
            network: NetworkConfig::conv(1.0),
        }
    }
}

impl SeatbeltConfig {
    /// The same as a deep latent Gaussian model: the likelihood reads the bottom layer alone.
    #[must_use]
    pub fn into_dlgm(self) -> Self {
        Self {
            likelihood_inputs: LikelihoodInputs::Bottom,
            ..self
        }
    }

    /// Sizes of the model's own layers, layer 1 nearest the data.
    pub fn latent_sizes(&self) -> &[i64] {
        &self.z_sizes[self.z_sizes.len().saturating_sub(self.layers)..]
    }

    /// Values that the decoder gets.
    pub fn decoder_inputs(&self) -> i64 {
        match self.likelihood_inputs {
            LikelihoodInputs::All => self.latent_sizes().iter().sum(),
            LikelihoodInputs::Bottom => self.latent_sizes()[0],
        }
    }

    /// Free bits in force, in nats per coordinate.
    pub fn free_bits(&self) -> f64 {
        self.free_bits
            .unwrap_or(if self.layers > 1 { FREE_BITS } else { 0.0 })
    }
}

impl Validate for SeatbeltConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        check_input(&mut checks, self.input);
        checks.require(
            "layers",
            (1..=KL_NAMES.len()).contains(&self.layers),
            format!("a whole number from 1 to {}", KL_NAMES.len()),
            self.layers,
        );
        checks.require(
            "z-sizes",
            self.z_sizes.len() >= self.layers.max(1),
            format!("a size for each of {} layers", self.layers),
            self.z_sizes.len(),
        );
        checks.require(
            "h-sizes",
            self.h_sizes.len() + 1 >= self.layers,
            format!("a size between each two of {} layers", self.layers),
            self.h_sizes.len(),
        );
        check_hidden(&mut checks, "z-sizes", &self.z_sizes);
        check_hidden(&mut checks, "h-sizes", &self.h_sizes);
        checks.non_negative("beta", self.beta);
        if let Some(free_bits) = self.free_bits {
            checks.non_negative("free-bits", free_bits);
        }
        self.pixels.check(&mut checks, self.input[0]);
        check_network(&mut checks, &self.network, self.input);
        checks.into_violations()
    }
}
