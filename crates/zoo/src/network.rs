//! Encoder and decoder nets, fully connected or convolutional, which all
//! families share. What their outputs mean is the families' business.

mod config;

pub use config::{Heads, NetworkConfig};

use vaegis_dist::DiagNormal;
use vaegis_nn::{
    Activation, ConvDecoder, ConvEncoder, ConvSpec, Filters, Linear, Mlp, MlpSpec, Mode,
    NetworkPath, WeightInit,
};
use vaegis_tensor::{ParamPath, Tensor, TensorError};

/// Range of log σ wherever a net gives it. Divergences of attacked posteriors reach 10⁹,
/// so σ may get small, but e⁻¹² is still far from where f32 loses its square.
pub const LOG_SIGMA_RANGE: (f64, f64) = (-12.0, 6.0);

/// N(μ, diag e^{2s}) with s clamped to [`LOG_SIGMA_RANGE`].
pub(crate) fn gaussian((mu, s): (Tensor, Tensor)) -> DiagNormal {
    let (low, high) = LOG_SIGMA_RANGE;
    DiagNormal::new(mu, s.clamp(low, high))
}

/// What fixes the nets of a model besides the sizes of its latents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetShape<'a> {
    /// Channels, height and width of an image.
    pub(crate) input: [i64; 3],
    /// Kind and sizes.
    pub(crate) network: &'a NetworkConfig,
    /// How the weights start.
    pub(crate) init: WeightInit,
}

impl NetShape<'_> {
    fn num_pixels(&self) -> i64 {
        self.input.iter().product()
    }

    fn conv_spec(&self, filters: Filters, width: f64) -> ConvSpec {
        ConvSpec {
            channels: self.input[0],
            side: self.input[1],
            filters,
            width,
        }
    }
}

/// From an image to μ and s, the logarithm of σ before clamp and offset.
#[derive(Debug)]
pub(crate) struct Encoder {
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

/// From an image to a vector of features.
#[derive(Debug)]
pub(crate) struct Trunk {
    net: TrunkNet,
    num_features: i64,
}

#[derive(Debug)]
enum TrunkNet {
    Mlp(Mlp),
    Conv(ConvEncoder),
}

impl Trunk {
    /// The layers that the heads of an encoder share.
    pub(crate) fn new(path: &ParamPath, shape: &NetShape<'_>) -> Result<Self, TensorError> {
        match shape.network {
            NetworkConfig::Mlp { activation, .. } => {
                let (shared, _) = shape.network.split_hidden();
                let spec = MlpSpec {
                    sizes: [&[shape.num_pixels()], shared].concat(),
                    activation: *activation,
                    output_activation: *activation,
                };
                // Without hidden layers the trunk is the identity, not an
                // activation of the pixels; `Mlp` with one size is just that.
                let net = Mlp::new(path, spec, shape.init)?;
                Ok(Self {
                    num_features: net.num_outputs(),
                    net: TrunkNet::Mlp(net),
                })
            }
            NetworkConfig::Conv { filters, width } => {
                let spec = shape.conv_spec(*filters, *width);
                Ok(Self {
                    num_features: spec.num_features(),
                    net: TrunkNet::Conv(ConvEncoder::new(path, &spec, shape.init)?),
                })
            }
        }
    }

    /// Number of features.
    pub(crate) fn num_features(&self) -> i64 {
        self.num_features
    }

    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, F]`
    pub(crate) fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        match &self.net {
            TrunkNet::Mlp(net) => net.forward(&x.flatten(1, -1)),
            TrunkNet::Conv(net) => net.forward(x, mode),
        }
    }
}

impl Encoder {
    pub(crate) fn new(
        root: &ParamPath,
        shape: &NetShape<'_>,
        latent: i64,
    ) -> Result<Self, TensorError> {
        let trunk = Trunk::new(&root.sub("encoder"), shape)?;
        let (own, activation) = match shape.network {
            NetworkConfig::Mlp { activation, .. } => (shape.network.split_hidden().1, *activation),
            NetworkConfig::Conv { .. } => (&[][..], Activation::Identity),
        };
        let sizes = [&[trunk.num_features()], own, &[latent]].concat();
        let mu = Head::new(&root.sub("mu"), &sizes, activation, shape.init)?;
        let log_sigma = Head::new(&root.sub("log_sigma"), &sizes, activation, shape.init)?;
        Ok(Self {
            trunk,
            mu,
            log_sigma,
        })
    }

    /// x ↦ μ as affine maps with this activation between; none where a part is
    /// convolutional.
    pub(crate) fn mean_path(&self, activation: Activation) -> Option<NetworkPath> {
        let TrunkNet::Mlp(trunk) = &self.trunk.net else {
            return None;
        };
        let head = match &self.mu {
            Head::Linear(layer) => std::slice::from_ref(layer),
            Head::Mlp(net) => net.layers(),
        };
        let layers = trunk.layers().iter().chain(head);
        Some(NetworkPath::of_linear(layers, activation, 1.0))
    }

    /// Number of features that the heads get.
    pub(crate) fn num_features(&self) -> i64 {
        self.trunk.num_features()
    }

    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, F]`
    pub(crate) fn features(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.trunk.forward(x, mode)
    }

    /// μ and s of the features.
    ///
    /// # Shapes
    /// features: `[B, F]` → `[B, d_z]` twice
    pub(crate) fn heads(&self, features: &Tensor) -> (Tensor, Tensor) {
        (self.mu.forward(features), self.log_sigma.forward(features))
    }

    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, d_z]` twice
    pub(crate) fn forward(&self, x: &Tensor, mode: Mode) -> (Tensor, Tensor) {
        self.heads(&self.features(x, mode))
    }
}

/// From latents to the parameter of the likelihood.
#[derive(Debug)]
pub(crate) enum Decoder {
    Mlp { net: Mlp, output: [i64; 3] },
    Conv(ConvDecoder),
}

impl Decoder {
    pub(crate) fn new(
        root: &ParamPath,
        shape: &NetShape<'_>,
        num_inputs: i64,
    ) -> Result<Self, TensorError> {
        let path = root.sub("decoder");
        match shape.network {
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
                    sizes: [&[num_inputs], &hidden[..], &[shape.num_pixels()]].concat(),
                    activation: decoder_activation.unwrap_or(*activation),
                    output_activation: Activation::Identity,
                };
                let net = Mlp::new(&path, spec, shape.init)?;
                Ok(Self::Mlp {
                    net,
                    output: shape.input,
                })
            }
            NetworkConfig::Conv { filters, width } => {
                let spec = shape.conv_spec(*filters, *width);
                ConvDecoder::new(&path, num_inputs, &spec, shape.init).map(Self::Conv)
            }
        }
    }

    /// z ↦ the likelihood's parameter as affine maps, with this constant of what
    /// follows; none for a convolutional net.
    pub(crate) fn path(
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
    pub(crate) fn forward(&self, z: &Tensor, mode: Mode) -> Tensor {
        match self {
            Self::Mlp { net, output } => net.forward(z).unflatten(1, output),
            Self::Conv(net) => net.forward(z, mode),
        }
    }
}
