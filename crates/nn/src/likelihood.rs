//! p(x | z): the decoder's output as a distribution over images.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use vaegis_tensor::Tensor;

/// Which likelihood a decoder parameterises.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LikelihoodKind {
    /// Bernoulli on values in [0, 1] (grey levels count as probabilities); the
    /// decoder gives logits.
    Bernoulli,
    /// The normalised density of the same form.
    ContinuousBernoulli,
    /// Gaussian with fixed standard deviation; the decoder gives the mean.
    Gaussian {
        /// Standard deviation.
        sigma: f64,
    },
}

/// p(x | z) of a batch.
#[derive(Debug)]
pub struct Likelihood {
    /// Which family.
    pub kind: LikelihoodKind,
    /// Logits or mean, `[B, C, H, W]`.
    pub parameter: Tensor,
}

impl Likelihood {
    /// E[x | z], `[B, C, H, W]`.
    pub fn mean(&self) -> Tensor {
        match self.kind {
            LikelihoodKind::Bernoulli => self.parameter.sigmoid(),
            LikelihoodKind::ContinuousBernoulli => continuous_bernoulli_mean(&self.parameter),
            LikelihoodKind::Gaussian { .. } => self.parameter.shallow_clone(),
        }
    }

    /// log p(x | z) summed over the pixels, in nats.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → `[B]`
    pub fn log_prob(&self, x: &Tensor) -> Tensor {
        let per_pixel = match self.kind {
            LikelihoodKind::Bernoulli => x * &self.parameter - self.parameter.softplus(),
            LikelihoodKind::ContinuousBernoulli => {
                x * &self.parameter - self.parameter.softplus()
                    + continuous_bernoulli_log_norm(&self.parameter)
            }
            LikelihoodKind::Gaussian { sigma } => {
                let standardized = (x - &self.parameter) / sigma;
                standardized.square() * -0.5 - (sigma.ln() + 0.5 * (2.0 * PI).ln())
            }
        };
        per_pixel.flatten(1, -1).sum_dim_intlist(-1, false, None)
    }
}

/// log of the normaliser of the continuous Bernoulli with logit ℓ.
///
/// # Formula
/// ```text
/// log C(ℓ) = log( ℓ / (2 tanh(ℓ/2)) ) + ... see `vaegis_dist::continuous_bernoulli`
/// ```
fn continuous_bernoulli_log_norm(logits: &Tensor) -> Tensor {
    // C = 2 artanh(1−2λ)/(1−2λ) = ℓ / tanh(ℓ/2); the limit at ℓ = 0 is 2.
    let half = logits * 0.5;
    let small = half.abs().lt(1e-2);
    let safe = half.where_self(&small.logical_not(), &half.ones_like());
    let large = (&safe * 2.0 / safe.tanh()).log();
    let series = (half.square() / 3.0 - half.square().square() / 45.0).log1p() + 2f64.ln();
    series.where_self(&small, &large)
}

fn continuous_bernoulli_mean(logits: &Tensor) -> Tensor {
    // λ/(2λ−1) + 1/(2 artanh(1−2λ)) = ½ + ½ coth(ℓ/2) − 1/ℓ; limit ½ + ℓ/12.
    let half = logits * 0.5;
    let small = half.abs().lt(1e-2);
    let safe = half.where_self(&small.logical_not(), &half.ones_like());
    let large = safe.tanh().reciprocal() * 0.5 - (&safe * 2.0).reciprocal() + 0.5;
    let series = half.shallow_clone() / 6.0 - half.pow_tensor_scalar(3) / 90.0 + 0.5;
    series.where_self(&small, &large)
}
