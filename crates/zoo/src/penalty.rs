//! The total-correlation penalty that several families share.

use serde::{Deserialize, Serialize};
use vaegis_dist::DiagNormal;
use vaegis_dist::total_correlation::{Decomposition, Estimator, decomposition, total_correlation};
use vaegis_tensor::Tensor;

/// How the total correlation of the aggregate posterior is estimated from a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcPenalty {
    /// No penalty, whatever β is.
    None,
    /// Minibatch weighted sampling, as in the sources.
    #[default]
    Mws,
    /// Minibatch stratified sampling.
    Mss,
    /// Stratified sampling with the mistake of a widely copied implementation; for comparison with
    /// numbers that were made with it.
    Compat,
}

impl TcPenalty {
    /// The estimator, none without a penalty.
    pub fn estimator(self) -> Option<Estimator> {
        match self {
            Self::None => None,
            Self::Mws => Some(Estimator::MinibatchWeighted),
            Self::Mss => Some(Estimator::Stratified),
            Self::Compat => Some(Estimator::StratifiedCompat),
        }
    }

    /// TC(q(z)), none without a penalty.
    ///
    /// # Shapes
    /// z: `[M, d]`, one draw of each of the M posteriors → scalar
    pub(crate) fn total_correlation(
        self,
        posterior: &DiagNormal,
        z: &Tensor,
        dataset_size: usize,
    ) -> Option<Tensor> {
        let (mean, log_scale) = (posterior.mean(), posterior.log_scale());
        let estimator = self.estimator_for(z)?;
        let size = dataset_size as f64;
        Some(total_correlation(z, mean, log_scale, size, estimator))
    }

    /// Mutual information, total correlation and dimension-wise KL; none without a penalty.
    ///
    /// # Shapes
    /// z: `[M, d]`, one draw of each of the M posteriors → scalars
    pub(crate) fn decomposition(
        self,
        posterior: &DiagNormal,
        z: &Tensor,
        dataset_size: usize,
    ) -> Option<Decomposition> {
        let (mean, log_scale) = (posterior.mean(), posterior.log_scale());
        let estimator = self.estimator_for(z)?;
        let size = dataset_size as f64;
        Some(decomposition(z, mean, log_scale, size, estimator))
    }

    /// The estimator for this batch: a batch of one posterior has no strata, and weighted sampling
    /// gives the same zero gradient for it.
    fn estimator_for(self, z: &Tensor) -> Option<Estimator> {
        let estimator = self.estimator()?;
        Some(if z.size()[0] == 1 {
            Estimator::MinibatchWeighted
        } else {
            estimator
        })
    }
}
