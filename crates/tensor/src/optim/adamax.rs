//! AdaMax: Adam with the infinity norm in place of the second moment.

use super::{Core, Optimizer, bias_correction, forward_to_core};
use crate::Tensor;
use serde::{Deserialize, Serialize};

/// Constants of [`AdaMax`]; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaMaxConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the running maximum.
    pub beta2: f64,
    /// Added to the size of every gradient.
    pub eps: f64,
    /// Factor of the L2 term added to the gradients.
    pub weight_decay: f64,
}

impl Default for AdaMaxConfig {
    fn default() -> Self {
        Self {
            lr: 2e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// AdaMax with savable state.
///
/// # Formula
/// ```text
/// m ← β₁ m + (1 − β₁) g        u ← max(β₂ u, |g| + ε)
/// θ ← θ − η / (1 − β₁ᵗ) · m / u
/// ```
///
/// # References
/// Kingma and Ba (2015), algorithm 2; the place of ε is PyTorch's.
#[derive(Debug)]
pub struct AdaMax {
    core: Core,
    config: AdaMaxConfig,
}

impl AdaMax {
    /// AdaMax over `parameters`, with zero moments.
    pub fn new(parameters: Vec<(String, Tensor)>, config: AdaMaxConfig) -> Self {
        Self {
            core: Core::new(parameters, &["m", "u"], config.lr),
            config,
        }
    }
}

impl Optimizer for AdaMax {
    fn apply(&mut self, gradients: &[Tensor], scale: Option<&Tensor>) {
        let config = self.config;
        self.core
            .each_gradient(gradients, scale, |core, i, gradient, scale| {
                let mut gradient = scale.times(gradient);
                let [m, u] = &mut core.moments[..] else {
                    unreachable!("AdaMax has two moments");
                };
                let parameter = &mut core.parameters[i].1;
                if config.weight_decay != 0.0 {
                    // A new tensor: the caller's gradient stays as it is.
                    gradient = &*parameter * config.weight_decay + gradient;
                }
                let _ = m[i].lerp_(&gradient, 1.0 - config.beta1);
                let _ = u[i].g_mul_scalar_(config.beta2);
                let larger = u[i].maximum(&gradient.abs().g_add_scalar_(config.eps));
                u[i].copy_(&larger);
                let step_size = core.lr / bias_correction(config.beta1, core.steps);
                let _ = parameter.addcdiv_(&(&m[i] * -step_size), &u[i]);
            });
    }

    forward_to_core!();
}
