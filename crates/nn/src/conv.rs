//! Convolutions and their transposes on images.

use crate::WeightInit;
use vaegis_tensor::{ParamPath, Tensor, TensorError};

/// Size of a convolution's window and how it moves, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the kernel.
    pub kernel: i64,
    /// Step in pixels.
    pub stride: i64,
    /// Zeros added on each side.
    pub padding: i64,
}

impl Window {
    /// A window from its three numbers.
    pub const fn new(kernel: i64, stride: i64, padding: i64) -> Self {
        Self {
            kernel,
            stride,
            padding,
        }
    }

    /// Side of a convolution's output.
    ///
    /// # Formula
    /// ```text
    /// ⌊(n + 2p − k)/s⌋ + 1
    /// ```
    pub fn conv_side(self, side: i64) -> i64 {
        (side + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Side of a transposed convolution's output.
    ///
    /// # Formula
    /// ```text
    /// (n − 1)s − 2p + k
    /// ```
    pub fn conv_transpose_side(self, side: i64) -> i64 {
        (side - 1) * self.stride - 2 * self.padding + self.kernel
    }
}

/// A convolution with PyTorch's names and layout: `weight` `[out, in, k, k]`,
/// `bias` `[out]`.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Tensor,
    window: Window,
}

impl Conv {
    /// Creates the parameters under `path`.
    ///
    /// # Errors
    /// A name below `path` is taken.
    pub fn new(
        path: &ParamPath,
        num_inputs: i64,
        num_outputs: i64,
        window: Window,
        init: WeightInit,
    ) -> Result<Self, TensorError> {
        let k = window.kernel;
        let (fan_in, fan_out) = (num_inputs * k * k, num_outputs * k * k);
        let shape = [num_outputs, num_inputs, k, k];
        Ok(Self {
            weight: path.param("weight", &shape, init.weight(fan_in, fan_out))?,
            bias: path.param("bias", &[num_outputs], init.bias(fan_in))?,
            window,
        })
    }

    /// The convolution of every image.
    ///
    /// # Shapes
    /// x: `[B, in, H, W]` → `[B, out, H', W']`, see [`Window::conv_side`]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let Window {
            kernel,
            stride,
            padding,
        } = self.window;
        if padding == 0 && x.size()[2..] == [kernel; 2] {
            // The window covers the image: one matrix product, which libtorch
            // runs faster than a convolution.
            let y = x
                .flatten(1, -1)
                .linear(&self.weight.flatten(1, -1), Some(&self.bias));
            return y.unsqueeze(-1).unsqueeze(-1); // [B, out, 1, 1]
        }
        x.conv2d(
            &self.weight,
            Some(&self.bias),
            [stride; 2],
            [padding; 2],
            [1; 2],
            1,
        )
    }
}

/// A transposed convolution with PyTorch's names and layout: `weight`
/// `[in, out, k, k]`, `bias` `[out]`.
#[derive(Debug)]
pub struct ConvTranspose {
    weight: Tensor,
    bias: Tensor,
    window: Window,
}

impl ConvTranspose {
    /// Creates the parameters under `path`.
    ///
    /// # Errors
    /// A name below `path` is taken.
    pub fn new(
        path: &ParamPath,
        num_inputs: i64,
        num_outputs: i64,
        window: Window,
        init: WeightInit,
    ) -> Result<Self, TensorError> {
        let k = window.kernel;
        // PyTorch reads the fan-in off the second axis of the weight, which is
        // the number of outputs here; we start where it starts.
        let (fan_in, fan_out) = (num_outputs * k * k, num_inputs * k * k);
        let shape = [num_inputs, num_outputs, k, k];
        Ok(Self {
            weight: path.param("weight", &shape, init.weight(fan_in, fan_out))?,
            bias: path.param("bias", &[num_outputs], init.bias(fan_in))?,
            window,
        })
    }

    /// The transposed convolution of every image.
    ///
    /// # Shapes
    /// x: `[B, in, H, W]` → `[B, out, H', W']`, see [`Window::conv_transpose_side`]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let Window {
            kernel,
            stride,
            padding,
        } = self.window;
        if padding == 0 && x.size()[2..] == [1, 1] {
            // One pixel spreads over the window: again one matrix product.
            let y = x.flatten(1, -1).matmul(&self.weight.flatten(1, -1)); // [B, out k k]
            return y.unflatten(1, [-1, kernel, kernel]) + self.bias.reshape([-1, 1, 1]);
        }
        let (stride, padding) = ([stride; 2], [padding; 2]);
        x.conv_transpose2d(
            &self.weight,
            Some(&self.bias),
            stride,
            padding,
            [0; 2],
            1,
            [1; 2],
        )
    }
}
