//! The convolutional encoder and decoder of Chen et al. (2018) for 64 × 64
//! images, and their shorter forms for 32 × 32 and 28 × 28.
//!
//! Filter counts follow the number of colors; a multiplier makes narrower or
//! wider nets. The heads and the likelihood are the model's business.

use crate::{BatchNorm, Conv, ConvTranspose, Mode, WeightInit, Window};
use serde::{Deserialize, Serialize};
use vaegis_tensor::{ParamPath, Tensor, TensorError};

/// Sides of the square images that the convolutional nets exist for.
pub const CONV_SIDES: [i64; 3] = [28, 32, 64];

/// Which column of the table of filter counts is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filters {
    /// Grey for one input channel, else color.
    #[default]
    Auto,
    /// 32, 32, 64, 64, 512.
    Grey,
    /// 64, 64, 128, 128, 512.
    Color,
}

/// What fixes a pair of convolutional nets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvSpec {
    /// Channels of the image.
    pub channels: i64,
    /// Side of the image, one of [`CONV_SIDES`].
    pub side: i64,
    /// Column of the filter table.
    pub filters: Filters,
    /// Factor on every hidden filter count; rounded, at least one filter.
    pub width: f64,
}

/// Halves the side of an image.
const HALVE: Window = Window::new(4, 2, 1);
/// From 7 to 4 pixels, and back when transposed.
const SEVEN_TO_FOUR: Window = Window::new(3, 2, 1);
/// From 4 pixels to one, and back when transposed.
const COLLAPSE: Window = Window::new(4, 1, 0);
/// Mixes channels.
const POINT: Window = Window::new(1, 1, 0);

impl ConvSpec {
    /// Number of filters and window of each layer of the encoder.
    ///
    /// # Formula
    /// ```text
    /// 64: 64 →(4,2,1)→ 32 → 16 → 8 → 4 →(4,1,0)→ 1
    /// 32: the same without its first layer
    /// 28: 28 →(4,2,1)→ 14 → 7 →(3,2,1)→ 4 →(4,1,0)→ 1
    /// ```
    /// The only change for 28 is the window of the third layer: 3 instead of 4
    /// takes 7 pixels to exactly 4, and 4 pixels back to exactly 7.
    ///
    /// # Panics
    /// If the side is none of [`CONV_SIDES`].
    pub fn encoder_layers(&self) -> Vec<(i64, Window)> {
        let [low, high, top] = self.hidden();
        let third = if self.side == 28 {
            SEVEN_TO_FOUR
        } else {
            HALVE
        };
        let mut layers = vec![(low, HALVE), (high, HALVE), (high, third), (top, COLLAPSE)];
        match self.side {
            64 => layers.insert(0, (low, HALVE)),
            side => assert!(
                CONV_SIDES.contains(&side),
                "no convolutional net for side {side}"
            ),
        }
        layers
    }

    /// Number of filters and window of each layer of the decoder: the encoder's
    /// windows backwards after a 1 × 1 layer, the image's channels at the end.
    ///
    /// # Panics
    /// If the side is none of [`CONV_SIDES`].
    pub fn decoder_layers(&self) -> Vec<(i64, Window)> {
        let encoder = self.encoder_layers();
        let [_, _, top] = self.hidden();
        let outputs = encoder
            .iter()
            .rev()
            .skip(1)
            .map(|layer| layer.0)
            .chain([self.channels]);
        let windows = encoder.iter().rev().map(|layer| layer.1);
        [(top, POINT)]
            .into_iter()
            .chain(outputs.zip(windows))
            .collect()
    }

    /// Number of features that the encoder ends in.
    pub fn num_features(&self) -> i64 {
        let [_, _, top] = self.hidden();
        top
    }

    /// Filters of the large maps, of the small maps and of the last layer.
    fn hidden(&self) -> [i64; 3] {
        let color = match self.filters {
            Filters::Auto => self.channels > 1,
            Filters::Grey => false,
            Filters::Color => true,
        };
        let base: [f64; 3] = if color {
            [64.0, 128.0, 512.0]
        } else {
            [32.0, 64.0, 512.0]
        };
        base.map(|count| ((count * self.width).round() as i64).max(1))
    }
}

/// Convolutions, each with batch normalization and a rectifier, down to one
/// vector. Layer k is named `3k` (convolution) and `3k+1` (normalization).
#[derive(Debug)]
pub struct ConvEncoder {
    layers: Vec<(Conv, BatchNorm)>,
}

impl ConvEncoder {
    /// Creates the parameters under `path`.
    ///
    /// # Errors
    /// A name below `path` is taken.
    ///
    /// # Panics
    /// If the side is none of [`CONV_SIDES`].
    pub fn new(path: &ParamPath, spec: &ConvSpec, init: WeightInit) -> Result<Self, TensorError> {
        let mut num_inputs = spec.channels;
        let mut layers = Vec::new();
        for (k, (num_outputs, window)) in spec.encoder_layers().into_iter().enumerate() {
            let (conv, norm) = names(path, k);
            let conv = Conv::new(&conv, num_inputs, num_outputs, window, init)?;
            layers.push((conv, BatchNorm::new(&norm, num_outputs)?));
            num_inputs = num_outputs;
        }
        Ok(Self { layers })
    }

    /// The features of every image.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, F]`
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let mut h = x.shallow_clone();
        for (conv, norm) in &self.layers {
            h = norm.forward(&conv.forward(&h), mode).relu_();
        }
        h.flatten(1, -1) // [B, F]
    }
}

/// Transposed convolutions from one vector up to an image; batch normalization
/// and a rectifier after each but the last, whose output is the parameter of
/// the likelihood. Names as in [`ConvEncoder`].
#[derive(Debug)]
pub struct ConvDecoder {
    hidden: Vec<(ConvTranspose, BatchNorm)>,
    last: ConvTranspose,
}

impl ConvDecoder {
    /// Creates the parameters under `path`; `num_inputs` is the size of the
    /// latent vector (of all layers together where there are several).
    ///
    /// # Errors
    /// A name below `path` is taken.
    ///
    /// # Panics
    /// If the side is none of [`CONV_SIDES`].
    pub fn new(
        path: &ParamPath,
        num_inputs: i64,
        spec: &ConvSpec,
        init: WeightInit,
    ) -> Result<Self, TensorError> {
        let mut layers = spec.decoder_layers();
        let (last_outputs, last_window) = layers
            .pop()
            .expect("invariant: a decoder has at least two layers");
        let mut num_inputs = num_inputs;
        let mut hidden = Vec::new();
        for (k, (num_outputs, window)) in layers.into_iter().enumerate() {
            let (conv, norm) = names(path, k);
            let conv = ConvTranspose::new(&conv, num_inputs, num_outputs, window, init)?;
            hidden.push((conv, BatchNorm::new(&norm, num_outputs)?));
            num_inputs = num_outputs;
        }
        let (conv, _) = names(path, hidden.len());
        let last = ConvTranspose::new(&conv, num_inputs, last_outputs, last_window, init)?;
        Ok(Self { hidden, last })
    }

    /// The image of every vector.
    ///
    /// # Shapes
    /// z: `[B, D]` → `[B, C, H, W]`
    pub fn forward(&self, z: &Tensor, mode: Mode) -> Tensor {
        let mut h = z.unsqueeze(-1).unsqueeze(-1); // [B, D, 1, 1]
        for (conv, norm) in &self.hidden {
            h = norm.forward(&conv.forward(&h), mode).relu_();
        }
        self.last.forward(&h)
    }
}

/// Where the convolution and the normalization of layer `k` live in a PyTorch
/// `Sequential(conv, norm, relu, conv, …)`.
fn names(path: &ParamPath, k: usize) -> (ParamPath, ParamPath) {
    (
        path.sub(&(3 * k).to_string()),
        path.sub(&(3 * k + 1).to_string()),
    )
}
