//! Whether frozen layers are as orthonormal as their constant claims.

use super::{LipschitzMlp, ORTHONORMAL_TOLERANCE, singular_values};
use serde::{Deserialize, Serialize};

/// What to do about a layer whose singular values are not all 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Excess {
    /// Give no constant.
    #[default]
    Refuse,
    /// Multiply the excess over 1 into the constant, which keeps it true.
    Multiply,
}

/// Singular values of one frozen layer, divided by its gain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerCheck {
    /// Nominal constant of the layer.
    pub gain: f64,
    /// Smallest singular value; 1 where the iteration converged.
    pub smallest: f64,
    /// Largest singular value; 1 where the iteration converged.
    pub largest: f64,
}

impl LayerCheck {
    /// Whether all singular values are 1 up to [`ORTHONORMAL_TOLERANCE`].
    pub fn is_converged(&self) -> bool {
        self.smallest >= 1.0 - ORTHONORMAL_TOLERANCE && self.largest <= 1.0 + ORTHONORMAL_TOLERANCE
    }
}

/// A constant that cannot be vouched for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "layer {layer}: singular values from {smallest} to {largest} where all should be 1: \
     raise the number of Björck steps, or let the excess enter the constant"
)]
pub struct Unconverged {
    /// Number of the layer, from the input.
    pub layer: usize,
    /// Smallest singular value over the gain.
    pub smallest: f64,
    /// Largest singular value over the gain.
    pub largest: f64,
}

impl LipschitzMlp {
    /// Checks every frozen layer by singular values in f64.
    pub fn check(&self) -> Vec<LayerCheck> {
        let check = |layer: &super::BjorckLinear| {
            let values = singular_values(&layer.affine().weight);
            let relative = |value: Option<&f64>| value.copied().unwrap_or(0.0) / layer.gain();
            LayerCheck {
                gain: layer.gain(),
                smallest: relative(values.last()),
                largest: relative(values.first()),
            }
        };
        self.layers().iter().map(check).collect()
    }

    /// A Lipschitz constant of the frozen network that holds.
    ///
    /// # Formula
    /// ```text
    /// Π_l gain_l · max(1, s_l),   s_l the largest singular value over the gain
    /// ```
    ///
    /// # Errors
    /// [`Excess::Refuse`] and a layer that is not orthonormal.
    pub fn lipschitz(&self, excess: Excess) -> Result<f64, Unconverged> {
        let checks = self.check();
        let bad = checks.iter().position(|check| !check.is_converged());
        match (excess, bad) {
            (Excess::Refuse, Some(layer)) => Err(Unconverged {
                layer,
                smallest: checks[layer].smallest,
                largest: checks[layer].largest,
            }),
            _ => Ok(checks.iter().map(|c| c.gain * c.largest.max(1.0)).product()),
        }
    }
}
