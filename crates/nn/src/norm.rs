//! Batch normalization with the mode as an argument.

use crate::Mode;
use vaegis_tensor::{Init, ParamPath, Tensor, TensorError};

/// Added to the variance under the root, as in PyTorch.
const EPS: f64 = 1e-5;
/// Share of the batch statistics in the running ones, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// Normalization over the batch (and the pixels) of each channel, with PyTorch's
/// names: parameters `weight`, `bias`; buffers `running_mean`, `running_var`.
///
/// PyTorch's `num_batches_tracked` is left out: nothing reads it while the
/// momentum is fixed, and PyTorch fills it in on loading.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    /// Creates parameters and buffers under `path`.
    ///
    /// # Errors
    /// A name below `path` is taken.
    pub fn new(path: &ParamPath, num_channels: i64) -> Result<Self, TensorError> {
        Ok(Self {
            weight: path.param("weight", &[num_channels], Init::Constant(1.0))?,
            bias: path.param("bias", &[num_channels], Init::Constant(0.0))?,
            running_mean: path.buffer("running_mean", &[num_channels], 0.0)?,
            running_var: path.buffer("running_var", &[num_channels], 1.0)?,
        })
    }

    /// Normalizes with the batch's statistics and updates the running ones
    /// ([`Mode::Train`]), or with the running ones, which stay as they are
    /// ([`Mode::Eval`]).
    ///
    /// # Formula
    /// ```text
    /// γ (x − m) / √(v + 1e-5) + b
    /// ```
    ///
    /// # Shapes
    /// x: `[B, C]` or `[B, C, H, W]` → the same
    ///
    /// # Panics
    /// In [`Mode::Train`] if there is only one value per channel.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        Tensor::batch_norm(
            x,
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            mode == Mode::Train,
            MOMENTUM,
            EPS,
            false,
        )
    }
}
