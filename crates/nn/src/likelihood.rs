//! p(x | z): the decoder's output as a distribution over images.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use vaegis_dist::continuous_bernoulli;
use vaegis_tensor::{Reduction, Tensor};

/// Which likelihood a decoder parameterizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", try_from = "LikelihoodTable")]
pub enum LikelihoodKind {
    /// Bernoulli on values in [0, 1] (grey levels count as probabilities); the
    /// decoder gives logits.
    Bernoulli,
    /// The normalized density of the same form.
    ContinuousBernoulli,
    /// Gaussian with fixed standard deviation; the decoder gives the mean.
    Gaussian {
        /// Standard deviation.
        sigma: f64,
    },
}

/// [`LikelihoodKind`] as it stands in files. An internally tagged enum would
/// accept any additional key beside a variant without fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LikelihoodTable {
    kind: LikelihoodName,
    sigma: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LikelihoodName {
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
}

impl TryFrom<LikelihoodTable> for LikelihoodKind {
    type Error = String;

    fn try_from(table: LikelihoodTable) -> Result<Self, String> {
        let LikelihoodTable { kind, sigma } = table;
        match (kind, sigma) {
            (LikelihoodName::Bernoulli, None) => Ok(Self::Bernoulli),
            (LikelihoodName::ContinuousBernoulli, None) => Ok(Self::ContinuousBernoulli),
            (LikelihoodName::Gaussian, Some(sigma)) => Ok(Self::Gaussian { sigma }),
            (LikelihoodName::Gaussian, None) => Err("a gaussian likelihood needs sigma".to_owned()),
            (_, Some(_)) => Err("sigma belongs to the gaussian likelihood only".to_owned()),
        }
    }
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
            LikelihoodKind::ContinuousBernoulli => continuous_bernoulli::mean(&self.parameter),
            LikelihoodKind::Gaussian { .. } => self.parameter.shallow_clone(),
        }
    }

    /// log p(x | z) summed over the pixels, in nats.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → `[B]`
    pub fn log_prob(&self, x: &Tensor) -> Tensor {
        let per_pixel = match self.kind {
            LikelihoodKind::Bernoulli => self.cross_entropy(x).neg(),
            LikelihoodKind::ContinuousBernoulli => {
                continuous_bernoulli::log_normalizer(&self.parameter) - self.cross_entropy(x)
            }
            LikelihoodKind::Gaussian { sigma } => {
                let standardized = (x - &self.parameter) / sigma;
                standardized.square() * -0.5 - (sigma.ln() + 0.5 * (2.0 * PI).ln())
            }
        };
        per_pixel.flatten(1, -1).sum_dim_intlist(-1, false, None)
    }

    /// −x log σ(ℓ) − (1−x) log σ(−ℓ) per pixel: libtorch's own loop over the logits ℓ, which is
    /// exact where its softplus is cut off (ℓ > 20).
    fn cross_entropy(&self, x: &Tensor) -> Tensor {
        let (weight, positive_weight) = (None::<Tensor>, None::<Tensor>);
        self.parameter
            .binary_cross_entropy_with_logits(x, weight, positive_weight, Reduction::None)
    }
}
