//! The affine map of vectors, and how weights of affine maps are initialized.

use serde::{Deserialize, Serialize};
use vaegis_tensor::{Init, ParamPath, Tensor, TensorError};

/// How the weights of an affine map start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightInit {
    /// Weights and bias uniform on ±1/√fan_in: PyTorch's default.
    #[default]
    TorchDefault,
    /// Weights normal with variance 2/fan_in, bias zero: for rectifiers.
    HeNormal,
    /// Weights uniform on ±√(6/(fan_in + fan_out)), bias zero: for tanh.
    XavierUniform,
    /// Everything zero: a map that starts constant.
    Zero,
}

impl WeightInit {
    /// Every scheme, for tests and listings.
    pub const ALL: [Self; 4] = [
        Self::TorchDefault,
        Self::HeNormal,
        Self::XavierUniform,
        Self::Zero,
    ];

    /// How the weights are filled.
    pub fn weight(self, fan_in: i64, fan_out: i64) -> Init {
        let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
        match self {
            Self::TorchDefault => Init::Uniform {
                bound: fan_in.sqrt().recip(),
            },
            Self::HeNormal => Init::Normal {
                std: (2.0 / fan_in).sqrt(),
            },
            Self::XavierUniform => Init::Uniform {
                bound: (6.0 / (fan_in + fan_out)).sqrt(),
            },
            Self::Zero => Init::Constant(0.0),
        }
    }

    /// How the bias is filled.
    pub fn bias(self, fan_in: i64) -> Init {
        match self {
            Self::TorchDefault => Init::Uniform {
                bound: (fan_in as f64).sqrt().recip(),
            },
            Self::HeNormal | Self::XavierUniform | Self::Zero => Init::Constant(0.0),
        }
    }
}

/// x ↦ x Wᵀ + b, with PyTorch's names and layout (`weight` `[out, in]`, `bias` `[out]`).
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Creates the parameters under `path`.
    ///
    /// # Errors
    /// A name below `path` is taken.
    ///
    /// # Panics
    /// If a size is not positive.
    pub fn new(
        path: &ParamPath,
        num_inputs: i64,
        num_outputs: i64,
        init: WeightInit,
    ) -> Result<Self, TensorError> {
        assert!(
            num_inputs > 0 && num_outputs > 0,
            "Linear: {num_inputs} to {num_outputs} units"
        );
        let weight_init = init.weight(num_inputs, num_outputs);
        Ok(Self {
            weight: path.param("weight", &[num_outputs, num_inputs], weight_init)?,
            bias: path.param("bias", &[num_outputs], init.bias(num_inputs))?,
        })
    }

    /// W, `[out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// b, `[out]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// The affine map of every row.
    ///
    /// # Shapes
    /// x: `[B, in]` → `[B, out]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }
}
