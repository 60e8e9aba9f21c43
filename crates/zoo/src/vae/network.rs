//! Encoder and decoder of a VAE, fully connected or convolutional.

use super::config::{Heads, NetworkConfig, VaeConfig};
use vaegis_nn::{
    Activation, ConvDecoder, ConvEncoder, Linear, Mlp, MlpSpec, Mode, NetworkPath, WeightInit,
};
use vaegis_tensor::{ParamPath, Tensor, TensorError};

/// From an image to μ and s, the logarithm of σ before clamp and offset.
#[derive(Debug)]
pub(super) struct Encoder {
    trunk: Trunk,
    mu: Head,
    log_sigma: Head,
}

/// One of the two ends of the encoder.
#[derive(Debug)]
enum Head {
    Linear(Linear),
    Mlp(Mlp),
}

impl Head {
    /// `sizes` from the trunk's features to the latents. A single layer is named
    /// like a plain linear layer, more like a sequence.
    fn new(
        path: &ParamPath,
        sizes: &[i64],
        activation: Activation,
        init: WeightInit,
    ) -> Result<Self, TensorError> {
        if let [num_inputs, num_outputs] = *sizes {
            return Linear::new(path, num_inputs, num_outputs, init).map(Self::Linear);
        }
        let output_activation = Activation::Identity;
        let spec = MlpSpec {
            sizes: sizes.to_vec(),
            activation,
            output_activation,
        };
        Mlp::new(path, spec, init).map(Self::Mlp)
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Linear(layer) => layer.forward(x),
            Self::Mlp(net) => net.forward(x),
        }
    }
}

#[derive(Debug)]
enum Trunk {
    Mlp(Mlp),
    Conv(ConvEncoder),
}

impl Encoder {
    pub(super) fn new(root: &ParamPath, config: &VaeConfig) -> Result<Self, TensorError> {
        let path = root.sub("encoder");
        let (trunk, sizes, activation) = match &config.network {
            NetworkConfig::Mlp {
                hidden,
                activation,
                heads,
                ..
            } => {
                let own = match heads {
                    Heads::Shared => 0,
                    Heads::SeparateLast => 1,
                };
                let shared = hidden.len() - own;
                let trunk = MlpSpec {
                    sizes: [&[config.num_pixels()], &hidden[..shared]].concat(),
                    activation: *activation,
                    output_activation: *activation,
                };
                // Without hidden layers the trunk is the identity, not an
                // activation of the pixels; `Mlp` with one size is just that.
                let trunk = Mlp::new(&path, trunk, config.init)?;
                let sizes = [&[trunk.num_outputs()], &hidden[shared..], &[config.latent]].concat();
                (Trunk::Mlp(trunk), sizes, *activation)
            }
            NetworkConfig::Conv { filters, width } => {
                let spec = config.conv_spec(*filters, *width);
                let sizes = vec![spec.num_features(), config.latent];
                let trunk = ConvEncoder::new(&path, &spec, config.init)?;
                (Trunk::Conv(trunk), sizes, Activation::Identity)
            }
        };
        Ok(Self {
            trunk,
            mu: Head::new(&root.sub("mu"), &sizes, activation, config.init)?,
            log_sigma: Head::new(&root.sub("log_sigma"), &sizes, activation, config.init)?,
        })
    }

    /// x ↦ μ as affine maps with this activation between; none where a part is
    /// convolutional.
    pub(super) fn mean_path(&self, activation: Activation) -> Option<NetworkPath> {
        let Trunk::Mlp(trunk) = &self.trunk else {
            return None;
        };
        let head = match &self.mu {
            Head::Linear(layer) => std::slice::from_ref(layer),
            Head::Mlp(net) => net.layers(),
        };
        let layers = trunk.layers().iter().chain(head);
        Some(NetworkPath::of_linear(layers, activation, 1.0))
    }

    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, d_z]` twice
    pub(super) fn forward(&self, x: &Tensor, mode: Mode) -> (Tensor, Tensor) {
        let features = match &self.trunk {
            Trunk::Mlp(net) => net.forward(&x.flatten(1, -1)),
            Trunk::Conv(net) => net.forward(x, mode),
        };
        (
            self.mu.forward(&features),
            self.log_sigma.forward(&features),
        )
    }
}

/// From latents to the parameter of the likelihood.
#[derive(Debug)]
pub(super) enum Decoder {
    Mlp { net: Mlp, output: [i64; 3] },
    Conv(ConvDecoder),
}

impl Decoder {
    pub(super) fn new(root: &ParamPath, config: &VaeConfig) -> Result<Self, TensorError> {
        let path = root.sub("decoder");
        match &config.network {
            NetworkConfig::Mlp {
                hidden,
                decoder_hidden,
                activation,
                decoder_activation,
                ..
            } => {
                let backwards = || hidden.iter().rev().copied().collect();
                let hidden: Vec<i64> = decoder_hidden.clone().unwrap_or_else(backwards);
                let spec = MlpSpec {
                    sizes: [&[config.latent], &hidden[..], &[config.num_pixels()]].concat(),
                    activation: decoder_activation.unwrap_or(*activation),
                    output_activation: Activation::Identity,
                };
                let net = Mlp::new(&path, spec, config.init)?;
                Ok(Self::Mlp {
                    net,
                    output: config.input,
                })
            }
            NetworkConfig::Conv { filters, width } => {
                let spec = config.conv_spec(*filters, *width);
                ConvDecoder::new(&path, config.latent, &spec, config.init).map(Self::Conv)
            }
        }
    }

    /// z ↦ the likelihood's parameter as affine maps, with this constant of what
    /// follows; none for a convolutional net.
    pub(super) fn path(
        &self,
        activation: Activation,
        output_lipschitz: f64,
    ) -> Option<NetworkPath> {
        match self {
            Self::Mlp { net, .. } => Some(NetworkPath::of_linear(
                net.layers(),
                activation,
                output_lipschitz,
            )),
            Self::Conv(_) => None,
        }
    }

    /// # Shapes
    /// z: `[B, d_z]` → `[B, C, H, W]`
    pub(super) fn forward(&self, z: &Tensor, mode: Mode) -> Tensor {
        match self {
            Self::Mlp { net, output } => net.forward(z).unflatten(1, output),
            Self::Conv(net) => net.forward(z, mode),
        }
    }
}
