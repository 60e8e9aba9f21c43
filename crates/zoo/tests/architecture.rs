//! Parameter counts and names against the published tables.

use vaegis_core::seed::SeedTree;
use vaegis_nn::{Activation, LikelihoodKind};
use vaegis_tensor::{Device, Kind, Noise, ParamStore};
use vaegis_zoo::{Heads, NetworkConfig, Vae, VaeConfig};

/// Trainable scalars and names of a model.
fn parameters(config: &VaeConfig) -> Vec<(String, usize)> {
    let noise = Noise::portable(SeedTree::new(0));
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise);
    Vae::new(config, &store).expect("valid");
    store
        .trainable()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.numel()))
        .collect()
}

fn count(config: &VaeConfig, prefix: &str) -> usize {
    let all = parameters(config);
    all.iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(_, size)| size)
        .sum()
}

fn conv(channels: i64, side: i64, latent: i64) -> VaeConfig {
    VaeConfig {
        input: [channels, side, side],
        latent,
        network: NetworkConfig::conv(1.0),
        ..VaeConfig::default()
    }
}

#[test]
fn grey_64_has_the_published_counts() {
    let config = conv(1, 64, 64);
    assert_eq!(count(&config, "encoder"), 641_600);
    assert_eq!(count(&config, "decoder"), 674_369);
    assert_eq!(count(&config, "mu"), 512 * 64 + 64);
    assert_eq!(count(&config, "log_sigma"), 512 * 64 + 64);
}

/// Weights, bias and the two numbers of the normalization of one layer.
fn layer(num_inputs: usize, num_outputs: usize, kernel: usize, normalized: bool) -> usize {
    let norm = if normalized { 2 * num_outputs } else { 0 };
    num_inputs * num_outputs * kernel * kernel + num_outputs + norm
}

/// The sources' trunk and decoder for three channels and 64 × 64 pixels, counted by hand: weights
/// with their biases, and two numbers of the normalization for each output channel.
#[test]
fn color_64_has_the_counts_of_the_table() {
    let config = conv(3, 64, 64);
    // 3→64:    3·64·16    + 3·64  =     3_264
    // 64→64:   64·64·16   + 3·64  =    65_728
    // 64→128:  64·128·16  + 3·128 =   131_456
    // 128→128: 128·128·16 + 3·128 =   262_528
    // 128→512: 128·512·16 + 3·512 = 1_050_112
    assert_eq!(count(&config, "encoder"), 1_513_088);
    // 64→512, one pixel: 64·512   + 3·512 =    34_304
    // 512→128: 512·128·16         + 3·128 = 1_048_960
    // 128→128: 128·128·16         + 3·128 =   262_528
    // 128→64:  128·64·16          + 3·64  =   131_264
    // 64→64:   64·64·16           + 3·64  =    65_728
    // 64→3, not normalized: 64·3·16 + 3   =     3_075
    assert_eq!(count(&config, "decoder"), 1_545_859);
    assert_eq!(count(&config, "mu"), 512 * 64 + 64);
}

#[test]
fn color_32_drops_the_first_layer_of_each_stack() {
    let config = conv(3, 32, 64);
    let encoder = layer(3, 64, 4, true)
        + layer(64, 128, 4, true)
        + layer(128, 128, 4, true)
        + layer(128, 512, 4, true);
    assert_eq!(count(&config, "encoder"), encoder);
    let decoder = layer(64, 512, 1, true)
        + layer(512, 128, 4, true)
        + layer(128, 128, 4, true)
        + layer(128, 64, 4, true)
        + layer(64, 3, 4, false);
    assert_eq!(count(&config, "decoder"), decoder);
}

#[test]
fn grey_28_changes_one_window() {
    let encoder = layer(1, 32, 4, true)
        + layer(32, 64, 4, true)
        + layer(64, 64, 3, true)
        + layer(64, 512, 4, true);
    assert_eq!(count(&conv(1, 28, 20), "encoder"), encoder);
}

#[test]
fn half_width_halves_every_filter_count() {
    let config = VaeConfig {
        network: NetworkConfig::conv(0.5),
        ..conv(1, 64, 8)
    };
    let encoder = layer(1, 16, 4, true)
        + layer(16, 16, 4, true)
        + layer(16, 32, 4, true)
        + layer(32, 32, 4, true)
        + layer(32, 256, 4, true);
    assert_eq!(count(&config, "encoder"), encoder);
}

#[test]
fn default_is_the_fully_connected_net_of_784_400_400_20() {
    let names_and_sizes = parameters(&VaeConfig::default());
    let expected = [
        ("encoder.0.weight", 784 * 400),
        ("encoder.0.bias", 400),
        ("encoder.2.weight", 400 * 400),
        ("encoder.2.bias", 400),
        ("mu.weight", 400 * 20),
        ("mu.bias", 20),
        ("log_sigma.weight", 400 * 20),
        ("log_sigma.bias", 20),
        ("decoder.0.weight", 20 * 400),
        ("decoder.0.bias", 400),
        ("decoder.2.weight", 400 * 400),
        ("decoder.2.bias", 400),
        ("decoder.4.weight", 400 * 784),
        ("decoder.4.bias", 784),
    ];
    let expected: Vec<(String, usize)> = expected
        .into_iter()
        .map(|(name, size)| (name.to_owned(), size))
        .collect();
    assert_eq!(names_and_sizes, expected);
}

#[test]
fn separate_heads_have_their_own_second_layer() {
    let NetworkConfig::Mlp {
        hidden,
        decoder_hidden,
        activation,
        decoder_activation,
        ..
    } = NetworkConfig::default()
    else {
        panic!("the default is fully connected");
    };
    let heads = Heads::SeparateLast;
    let network = NetworkConfig::Mlp {
        hidden,
        decoder_hidden,
        activation,
        decoder_activation,
        heads,
    };
    let config = VaeConfig {
        network,
        ..VaeConfig::default()
    };
    assert_eq!(count(&config, "encoder"), 784 * 400 + 400);
    for head in ["mu", "log_sigma"] {
        assert_eq!(count(&config, head), 400 * 400 + 400 + 400 * 20 + 20);
    }
    let names: Vec<String> = parameters(&config)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(names.contains(&"mu.0.weight".to_owned()) && names.contains(&"mu.2.bias".to_owned()));
}

#[test]
fn sprite_net_has_a_decoder_of_its_own() {
    let network = NetworkConfig::Mlp {
        hidden: vec![1200, 1200],
        decoder_hidden: Some(vec![1200; 3]),
        activation: Activation::Relu,
        decoder_activation: Some(Activation::Tanh),
        heads: Heads::Shared,
    };
    let config = VaeConfig {
        input: [1, 64, 64],
        latent: 10,
        network,
        likelihood: LikelihoodKind::Bernoulli,
        ..VaeConfig::default()
    };
    let decoder = 10 * 1200 + 1200 + 2 * (1200 * 1200 + 1200) + 1200 * 4096 + 4096;
    assert_eq!(count(&config, "decoder"), decoder);
}
