//! How many floating-point operations a network's matrix products take: the floor below which
//! no implementation can go at the machine's rate for such products.
//!
//! One multiplication and one addition count as two. Element-wise work is left out, which is what
//! makes it a floor.

use vaegis_nn::ConvSpec;

/// Operations for one row of a stack of affine maps of these sizes, forward.
pub fn mlp_forward(sizes: &[i64]) -> f64 {
    sizes
        .windows(2)
        .map(|pair| 2.0 * (pair[0] * pair[1]) as f64)
        .sum()
}

/// Operations for one row, forward and back to the input, with frozen weights.
pub fn mlp_input_gradient(sizes: &[i64]) -> f64 {
    2.0 * mlp_forward(sizes)
}

/// Operations for one row of a training step: forward, and back to the weights of every layer and
/// to the input of every layer but the first, whose input needs no gradient.
pub fn mlp_training(sizes: &[i64], first_is_data: bool) -> f64 {
    let first = mlp_forward(&sizes[..2]);
    3.0 * mlp_forward(sizes) - if first_is_data { first } else { 0.0 }
}

/// Operations for one image through the convolutional encoder's layers, layer by layer.
fn conv_encoder_layers(spec: &ConvSpec) -> Vec<f64> {
    let (mut inputs, mut side) = (spec.channels, spec.side);
    let mut layers = Vec::new();
    for (outputs, window) in spec.encoder_layers() {
        side = window.conv_side(side);
        layers.push(2.0 * (inputs * outputs * window.kernel.pow(2) * side.pow(2)) as f64);
        inputs = outputs;
    }
    layers
}

/// Operations for one latent vector through the decoder's layers.
///
/// A transposed convolution spends what the convolution in the other direction spends: each input
/// pixel meets the whole window.
fn conv_decoder(spec: &ConvSpec, latent: i64) -> f64 {
    let (mut inputs, mut side, mut sum) = (latent, 1_i64, 0.0);
    for (outputs, window) in spec.decoder_layers() {
        let products = inputs * outputs * window.kernel.pow(2) * side.pow(2);
        sum += 2.0 * products as f64;
        side = window.conv_transpose_side(side);
        inputs = outputs;
    }
    sum
}

/// Operations for one image of a training step of the convolutional VAE with two linear heads.
pub fn conv_vae_training(spec: &ConvSpec, latent: i64) -> f64 {
    let encoder = conv_encoder_layers(spec);
    let heads = 2.0 * mlp_forward(&[spec.num_features(), latent]);
    let forward: f64 = encoder.iter().sum::<f64>() + heads + conv_decoder(spec, latent);
    // The images need no gradient.
    3.0 * forward - encoder[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_nn::Filters;

    #[test]
    fn affine_maps_by_hand() {
        assert_eq!(mlp_forward(&[3, 5, 2]), 2.0 * (15.0 + 10.0));
        assert_eq!(mlp_input_gradient(&[3, 5, 2]), 100.0);
        assert_eq!(mlp_training(&[3, 5, 2], false), 150.0);
        assert_eq!(mlp_training(&[3, 5, 2], true), 120.0);
    }

    #[test]
    fn convolutions_by_hand() {
        let spec = ConvSpec {
            channels: 3,
            side: 32,
            filters: Filters::Color,
            width: 1.0,
        };
        // 3→64 on 16², 64→128 on 8², 128→128 on 4², 128→512 on one pixel, windows of 4².
        let macs = [3 * 64 * 256, 64 * 128 * 64, 128 * 128 * 16, 128 * 512];
        let expected: Vec<f64> = macs.iter().map(|m| 2.0 * 16.0 * f64::from(*m)).collect();
        assert_eq!(conv_encoder_layers(&spec), expected);
        // 10→512 by 1², then 512→128 from one pixel, 128→128 from 4², 128→64 from 8², 64→3 from 16².
        let products = 10 * 512 + 16 * (512 * 128 + 128 * 128 * 16 + 128 * 64 * 64 + 64 * 3 * 256);
        assert_eq!(conv_decoder(&spec, 10), 2.0 * f64::from(products));
        let forward = expected.iter().sum::<f64>() + 4.0 * 5120.0 + 2.0 * f64::from(products);
        assert_eq!(conv_vae_training(&spec, 10), 3.0 * forward - expected[0]);
    }
}
