//! Element-wise non-linearities by name. No parameters live here.

use serde::{Deserialize, Serialize};
use vaegis_tensor::Tensor;
use vaegis_tensor::autograd::gradient;

/// An element-wise non-linearity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    #[default]
    Relu,
    /// max(x, 0) + 0.01 min(x, 0)
    LeakyRelu,
    /// tanh x
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// log(1 + eˣ)
    Softplus,
    /// x for x > 0, else eˣ − 1
    Elu,
    /// x / (1 + e⁻ˣ)
    Silu,
    /// x Φ(x)
    Gelu,
}

impl Activation {
    /// Every activation, for tests and listings.
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::Relu,
        Self::LeakyRelu,
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Elu,
        Self::Silu,
        Self::Gelu,
    ];

    /// The activation of every element.
    ///
    /// # Shapes
    /// x: any → the same
    pub fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Self::Identity => x.shallow_clone(),
            Self::Relu => x.relu(),
            Self::LeakyRelu => x.leaky_relu(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Softplus => x.softplus(),
            Self::Elu => x.elu(),
            Self::Silu => x.silu(),
            Self::Gelu => x.gelu("none"),
        }
    }

    /// The derivative at every element; at a kink the value that libtorch's
    /// backward pass takes.
    ///
    /// # Shapes
    /// x: any → the same
    pub fn derivative(self, x: &Tensor) -> Tensor {
        match self {
            Self::Identity => x.ones_like(),
            Self::Relu => x.gt(0.0).to_kind(x.kind()),
            _ => {
                let x = x.detach().set_requires_grad(true);
                gradient(&self.forward(&x).sum(x.kind()), &[&x]).swap_remove(0)
            }
        }
    }

    /// Applies the activation to a fresh tensor that nothing else needs,
    /// in place where its derivative can be had from its value.
    ///
    /// # Shapes
    /// x: any → the same
    pub fn apply_owned(self, mut x: Tensor) -> Tensor {
        match self {
            Self::Identity => x,
            // The derivatives of these two need only the result, so the
            // pre-activation need not be kept; one buffer fewer per layer.
            Self::Relu => x.relu_(),
            Self::Tanh => x.tanh_(),
            _ => self.forward(&x),
        }
    }
}
