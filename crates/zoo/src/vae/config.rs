//! The choices that make a VAE, and which of them are impossible.

use serde::{Deserialize, Serialize};
use std::fmt::Display;
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_nn::{Activation, CONV_SIDES, ConvSpec, Filters, LikelihoodKind, WeightInit};

/// Largest accepted size of a layer, side or latent space: beyond it a typing
/// error is likelier than a wish, and products of two still fit.
const MAX_SIZE: i64 = 1 << 20;
/// Largest accepted number of hidden layers in one network.
const MAX_DEPTH: usize = 64;

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

/// Encoder and decoder nets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum NetworkConfig {
    /// Fully connected.
    Mlp {
        /// Units of the encoder's hidden layers.
        #[serde(default = "default_hidden")]
        hidden: Vec<i64>,
        /// Units of the decoder's hidden layers, nearest the latents first;
        /// the encoder's backwards where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decoder_hidden: Option<Vec<i64>>,
        /// Non-linearity of the encoder.
        #[serde(default)]
        activation: Activation,
        /// Non-linearity of the decoder; the encoder's where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decoder_activation: Option<Activation>,
        /// How much of the encoder mean and scale share.
        #[serde(default)]
        heads: Heads,
    },
    /// Convolutional, for square images of side 28, 32 or 64.
    Conv {
        /// Column of the table of filter counts.
        #[serde(default)]
        filters: Filters,
        /// Factor on all hidden filter counts.
        #[serde(default = "one")]
        width: f64,
    },
}

/// How much of a fully connected encoder μ and log σ share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heads {
    /// All hidden layers; each head is one linear layer.
    #[default]
    Shared,
    /// All but the last hidden layer, of which each head has its own.
    SeparateLast,
}

fn default_hidden() -> Vec<i64> {
    vec![400, 400]
}

fn one() -> f64 {
    1.0
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::mlp(&default_hidden())
    }
}

impl NetworkConfig {
    /// Fully connected with rectifiers and these hidden layers in the encoder,
    /// backwards in the decoder.
    pub fn mlp(hidden: &[i64]) -> Self {
        Self::Mlp {
            hidden: hidden.to_vec(),
            decoder_hidden: None,
            activation: Activation::Relu,
            decoder_activation: None,
            heads: Heads::Shared,
        }
    }

    /// Convolutional with this factor on the filter counts.
    pub fn conv(width: f64) -> Self {
        Self::Conv {
            filters: Filters::Auto,
            width,
        }
    }
}

impl VaeConfig {
    /// Pixels times channels of one image.
    pub fn num_pixels(&self) -> i64 {
        self.input.iter().product()
    }

    /// The convolutional nets' specification for these filters and this width.
    pub(super) fn conv_spec(&self, filters: Filters, width: f64) -> ConvSpec {
        ConvSpec {
            channels: self.input[0],
            side: self.input[1],
            filters,
            width,
        }
    }
}

impl Validate for VaeConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        let [_, height, width] = self.input;
        for (name, size) in ["channels", "height", "width"].into_iter().zip(self.input) {
            require_size(&mut checks, &format!("input ({name})"), size);
        }
        let pixels = self
            .input
            .iter()
            .try_fold(1_i64, |product, &side| product.checked_mul(side));
        checks.require(
            "input",
            pixels.is_some_and(|pixels| pixels <= MAX_SIZE),
            format!("at most {MAX_SIZE} values per image"),
            Listed(&self.input),
        );
        let (low, high) = self.bounds;
        checks.require(
            "bounds",
            low.is_finite() && high.is_finite() && low < high,
            "two finite numbers, the lower one first",
            Listed(&[low, high]),
        );
        require_size(&mut checks, "latent", self.latent);
        checks
            .non_negative("beta", self.beta)
            .non_negative("tau", self.tau);
        self.check_likelihood(&mut checks);
        match &self.network {
            NetworkConfig::Mlp {
                hidden,
                decoder_hidden,
                heads,
                ..
            } => {
                check_hidden(&mut checks, "network.hidden", hidden);
                if let Some(hidden) = decoder_hidden {
                    check_hidden(&mut checks, "network.decoder-hidden", hidden);
                }
                checks.require(
                    "network.hidden",
                    *heads != Heads::SeparateLast || !hidden.is_empty(),
                    "at least one hidden layer where heads = \"separate-last\"",
                    "none",
                );
            }
            NetworkConfig::Conv { width: factor, .. } => {
                checks.require(
                    "input",
                    height == width && CONV_SIDES.contains(&height),
                    format!(
                        "square images of side {} for a convolutional net",
                        Listed(&CONV_SIDES)
                    ),
                    format!("{height} × {width}"),
                );
                checks.require(
                    "network.width",
                    *factor > 0.0 && *factor <= 64.0,
                    "a factor above 0 and at most 64",
                    factor,
                );
            }
        }
        checks.into_violations()
    }
}

impl VaeConfig {
    fn check_likelihood(&self, checks: &mut Checks) {
        match self.likelihood {
            LikelihoodKind::Bernoulli | LikelihoodKind::ContinuousBernoulli => {
                let (low, high) = self.bounds;
                checks.require(
                    "bounds",
                    (0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high),
                    "numbers from 0 to 1 for this likelihood (use gaussian for other ranges)",
                    Listed(&[low, high]),
                );
            }
            LikelihoodKind::Gaussian { sigma } => {
                checks.positive("likelihood.sigma", sigma);
            }
        }
    }
}

fn check_hidden(checks: &mut Checks, key: &str, hidden: &[i64]) {
    checks.require(
        key,
        hidden.len() <= MAX_DEPTH,
        format!("at most {MAX_DEPTH} layers"),
        hidden.len(),
    );
    for (k, &units) in hidden.iter().enumerate() {
        require_size(checks, &format!("{key}[{k}]"), units);
    }
}

fn require_size(checks: &mut Checks, key: &str, size: i64) {
    let ok = (1..=MAX_SIZE).contains(&size);
    checks.require(
        key,
        ok,
        format!("a whole number from 1 to {MAX_SIZE}"),
        size,
    );
}

/// Shows a list as it stands in a file.
struct Listed<'a, T>(&'a [T]);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (k, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if k == 0 { "[" } else { ", " })?;
        }
        f.write_str("]")
    }
}
