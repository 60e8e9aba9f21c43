//! What an attack costs in likelihood.

use serde::{Deserialize, Serialize};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Tensor, no_grad};

/// log p(x|z) with z the mean encoding of the clean and of the attacked input.
///
/// # References
/// r-robustness specification §4.7; thesis figure 6.7.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Degradation {
    /// log p(x | μ(x)).
    #[serde(with = "vaegis_core::codec::float")]
    pub clean: f64,
    /// log p(x | μ(x + δ)).
    #[serde(with = "vaegis_core::codec::float")]
    pub attacked: f64,
}

impl Degradation {
    /// (attacked − clean) / |clean|: negative where the attack does damage. The
    /// published plots show this signed quantity. Infinite or NaN at clean = 0.
    ///
    /// # Formula
    /// ```text
    /// (log p(x|μ(x+δ)) − log p(x|μ(x))) / |log p(x|μ(x))|
    /// ```
    pub fn signed(&self) -> f64 {
        (self.attacked - self.clean) / self.clean.abs()
    }

    /// |attacked − clean| / clean, as printed in the text; its sign is that of
    /// the clean likelihood and says nothing of the attack.
    ///
    /// # Formula
    /// ```text
    /// |log p(x|μ(x+δ)) − log p(x|μ(x))| / log p(x|μ(x))
    /// ```
    pub fn printed(&self) -> f64 {
        (self.attacked - self.clean).abs() / self.clean
    }
}

/// Likelihood degradation of every input under its attack.
///
/// # Shapes
/// x, attacked: `[N, C, H, W]` → `N` rows
///
/// # Panics
/// If the shapes do not fit the model or each other.
///
/// # References
/// r-robustness specification §4.7.
pub fn degradation(model: &dyn LatentModel, x: &Tensor, attacked: &Tensor) -> Vec<Degradation> {
    no_grad(|| {
        let log_prob = |input: &Tensor| {
            let posterior = model.posterior(input, LatentPath::Mean, Mode::Eval);
            to_f64_vec(&model.decode(&posterior.z, Mode::Eval).log_prob(x))
        };
        let rows = log_prob(x).into_iter().zip(log_prob(attacked));
        rows.map(|(clean, attacked)| Degradation { clean, attacked })
            .collect()
    })
}
