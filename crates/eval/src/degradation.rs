//! What an attack costs in likelihood.

use serde::{Deserialize, Serialize};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Tensor, no_grad};

/// log p(x|z) with z the mean encoding of the clean and of the attacked input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Degradation {
    /// log p(x | μ(x)).
    pub clean: f64,
    /// log p(x | μ(x + δ)).
    pub attacked: f64,
}

impl Degradation {
    /// (attacked − clean) / |clean|: negative where the attack does damage. The
    /// published plots show this signed quantity.
    pub fn signed(&self) -> f64 {
        (self.attacked - self.clean) / self.clean.abs()
    }

    /// |attacked − clean| / clean, as printed in the text.
    pub fn printed(&self) -> f64 {
        (self.attacked - self.clean).abs() / self.clean
    }
}

/// Likelihood degradation of every input under its attack.
///
/// # Shapes
/// x, attacked: `[N, C, H, W]` → `N` rows
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
