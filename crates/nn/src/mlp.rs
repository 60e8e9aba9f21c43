//! Fully connected networks, named like a PyTorch `Sequential` of
//! (Linear, activation) pairs so that its checkpoints fit.

use crate::{Activation, Linear, WeightInit};
use vaegis_tensor::{ParamPath, Tensor, TensorError};

/// Sizes and non-linearities of an [`Mlp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpSpec {
    /// Units per layer, from the input to the output: at least one entry; one
    /// entry is the identity.
    pub sizes: Vec<i64>,
    /// Non-linearity between layers.
    pub activation: Activation,
    /// Non-linearity after the last layer.
    pub output_activation: Activation,
}

/// A stack of affine maps with an activation after each but the last, and an
/// output activation after the last. Layer k is named `2k`, as in
/// `Sequential(Linear, Activation, Linear, …)`.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    spec: MlpSpec,
}

impl Mlp {
    /// Creates the parameters under `path`.
    ///
    /// # Errors
    /// A name below `path` is taken.
    ///
    /// # Panics
    /// If `spec.sizes` is empty or a size is not positive.
    pub fn new(path: &ParamPath, spec: MlpSpec, init: WeightInit) -> Result<Self, TensorError> {
        assert!(!spec.sizes.is_empty(), "Mlp: no sizes");
        let pairs = spec.sizes.windows(2).enumerate();
        let layers = pairs
            .map(|(k, pair)| Linear::new(&path.sub(&(2 * k).to_string()), pair[0], pair[1], init))
            .collect::<Result<_, _>>()?;
        Ok(Self { layers, spec })
    }

    /// The affine maps, nearest the input first.
    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// Number of outputs.
    pub fn num_outputs(&self) -> i64 {
        *self
            .spec
            .sizes
            .last()
            .expect("invariant: sizes are not empty")
    }

    /// The network's answer to every row.
    ///
    /// # Shapes
    /// x: `[B, sizes[0]]` → `[B, sizes[last]]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let last = self.layers.len().saturating_sub(1);
        let mut h = x.shallow_clone();
        for (k, layer) in self.layers.iter().enumerate() {
            let activation = if k == last {
                self.spec.output_activation
            } else {
                self.spec.activation
            };
            h = activation.apply_owned(layer.forward(&h));
        }
        h
    }
}
