//! Adam, and AdamW by decoupled weight decay.

use super::{Core, GradientScale, Optimizer, bias_correction, forward_to_core, kernel};
use crate::Tensor;
use serde::{Deserialize, Serialize};

/// Constants of [`Adam`]; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the root in the denominator.
    pub eps: f64,
    /// Factor of the weight decay.
    pub weight_decay: f64,
    /// Whether the decay acts on the parameters (AdamW) instead of on the gradients (L2).
    pub decoupled: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
        }
    }
}

/// Adam with savable state.
///
/// # Formula
/// ```text
/// m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
/// θ ← θ − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
/// ```
///
/// # References
/// Kingma and Ba (2015), algorithm 1; Loshchilov and Hutter (2019), algorithm 2, for `decoupled`.
#[derive(Debug)]
pub struct Adam {
    core: Core,
    config: AdamConfig,
}

impl Adam {
    /// Adam over `parameters`, with zero moments.
    pub fn new(parameters: Vec<(String, Tensor)>, config: AdamConfig) -> Self {
        Self {
            core: Core::new(parameters, &["m", "v"], config.lr),
            config,
        }
    }

    /// The constants, with the learning rate that was given at the start.
    pub fn config(&self) -> AdamConfig {
        self.config
    }
}

impl Optimizer for Adam {
    fn apply(&mut self, gradients: &[Tensor], scale: Option<&Tensor>) {
        let config = self.config;
        self.core
            .each_gradient(gradients, scale, |core, i, gradient, scale| {
                let correction1 = bias_correction(config.beta1, core.steps);
                let correction2_sqrt = bias_correction(config.beta2, core.steps).sqrt();
                let constants = kernel::AdamStep {
                    beta1: config.beta1,
                    beta2: config.beta2,
                    step_size: core.lr / correction1,
                    correction2_sqrt,
                    eps: config.eps,
                    l2: if config.decoupled {
                        0.0
                    } else {
                        config.weight_decay
                    },
                    shrink: if config.decoupled {
                        1.0 - core.lr * config.weight_decay
                    } else {
                        1.0
                    },
                };
                let [m, v] = &mut core.moments[..] else {
                    unreachable!("Adam has two moments");
                };
                let parameter = &mut core.parameters[i].1;
                if let GradientScale::Host(scale) = scale
                    && kernel::adam(parameter, gradient, &mut m[i], &mut v[i], &constants, scale)
                {
                    return;
                }
                by_tensor_ops(
                    parameter,
                    &scale.times(gradient),
                    &mut m[i],
                    &mut v[i],
                    &constants,
                );
            });
    }

    forward_to_core!();
}

/// The same update by libtorch operations, for devices and kinds without a kernel.
fn by_tensor_ops(
    parameter: &mut Tensor,
    gradient: &Tensor,
    m: &mut Tensor,
    v: &mut Tensor,
    step: &kernel::AdamStep,
) {
    if step.shrink != 1.0 {
        let _ = parameter.g_mul_scalar_(step.shrink);
    }
    let decayed = (step.l2 != 0.0).then(|| gradient + &*parameter * step.l2);
    let gradient = decayed.as_ref().unwrap_or(gradient);
    let _ = m.lerp_(gradient, 1.0 - step.beta1);
    let _ = v.g_mul_scalar_(step.beta2);
    let _ = v.addcmul_(&(gradient * (1.0 - step.beta2)), gradient);
    let denominator = v
        .sqrt()
        .g_div_scalar_(step.correction2_sqrt)
        .g_add_scalar_(step.eps);
    let _ = parameter.addcdiv_(&(&*m * -step.step_size), &denominator);
}
