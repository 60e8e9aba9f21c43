//! Which encoder and decoder nets a model has.

use serde::{Deserialize, Serialize};
use vaegis_nn::{Activation, Filters};

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

    /// Hidden layers that μ and log σ share, and those that each has of its own.
    pub(crate) fn split_hidden(&self) -> (&[i64], &[i64]) {
        match self {
            Self::Mlp { hidden, heads, .. } => {
                let own = match heads {
                    Heads::Shared => 0,
                    Heads::SeparateLast => 1,
                };
                hidden.split_at(hidden.len() - own)
            }
            Self::Conv { .. } => (&[], &[]),
        }
    }
}
