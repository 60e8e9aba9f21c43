//! Stochastic gradient descent, with or without momentum.

use super::{Core, Optimizer, forward_to_core};
use crate::Tensor;
use serde::{Deserialize, Serialize};

/// Constants of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SgdConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the velocity; 0 switches it off.
    pub momentum: f64,
    /// Whether the velocity is looked ahead along (Nesterov).
    pub nesterov: bool,
    /// Factor of the L2 term added to the gradients.
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        }
    }
}

/// Gradient descent with savable state.
///
/// # Formula
/// ```text
/// u ← μ u + g        θ ← θ − η u        (Nesterov: θ ← θ − η (g + μ u))
/// ```
///
/// # References
/// Sutskever et al. (2013), with PyTorch's velocity, which does not contain η.
#[derive(Debug)]
pub struct Sgd {
    core: Core,
    config: SgdConfig,
}

impl Sgd {
    /// Gradient descent over `parameters`, at rest.
    pub fn new(parameters: Vec<(String, Tensor)>, config: SgdConfig) -> Self {
        let moments: &[&str] = if config.momentum == 0.0 {
            &[]
        } else {
            &["velocity"]
        };
        Self {
            core: Core::new(parameters, moments, config.lr),
            config,
        }
    }
}

impl Optimizer for Sgd {
    fn apply(&mut self, gradients: &[Tensor], scale: Option<&Tensor>) {
        let config = self.config;
        self.core
            .each_gradient(gradients, scale, |core, i, gradient, scale| {
                let mut gradient = scale.times(gradient);
                let lr = core.lr;
                let parameter = &mut core.parameters[i].1;
                if config.weight_decay != 0.0 {
                    // A new tensor: the caller's gradient stays as it is.
                    gradient = &*parameter * config.weight_decay + gradient;
                }
                // The velocity starts at zero, so the first update is the gradient itself.
                if let Some(velocity) = core.moments.first_mut() {
                    let velocity = &mut velocity[i];
                    let _ = velocity.g_mul_scalar_(config.momentum);
                    let _ = velocity.g_add_(&gradient);
                    gradient = if config.nesterov {
                        gradient + &*velocity * config.momentum
                    } else {
                        velocity.shallow_clone()
                    };
                }
                let _ = parameter.g_sub_(&(gradient * lr));
            });
    }

    forward_to_core!();
}
