//! The exact aggregate posterior of a data set, whose posteriors arrive in chunks.

use super::{Decomposition, LogDensities, streamed};
use crate::{DiagNormal, Distribution};
use vaegis_tensor::pairwise::LogWeights;
use vaegis_tensor::{Kind, Tensor};

/// Log densities of fixed samples under the mixture of all posteriors pushed so far, without
/// gradient. Memory grows with samples × coordinates, not with the data set.
#[derive(Debug)]
pub struct FullData {
    z: Tensor,
    /// log Σ_n, before the division by their number.
    sums: Option<LogDensities>,
    num_posteriors: i64,
}

impl FullData {
    /// Nothing pushed yet.
    ///
    /// # Shapes
    /// z: `[K, d]`
    ///
    /// # Panics
    /// If z is not a matrix.
    pub fn new(z: &Tensor) -> Self {
        assert_eq!(z.dim(), 2, "FullData: samples must be [K, d]");
        Self {
            z: z.detach(),
            sums: None,
            num_posteriors: 0,
        }
    }

    /// Adds the posteriors of some data points; every data point must be pushed once.
    ///
    /// # Shapes
    /// mu, log_sigma: `[n, d]`, any n > 0
    ///
    /// # Panics
    /// If the shapes do not fit the samples.
    pub fn push(&mut self, mu: &Tensor, log_sigma: &Tensor) {
        let (_, n, _) = super::check_shapes("FullData::push", &self.z, mu, log_sigma);
        let weights = LogWeights::uniform(0.0);
        let new = streamed::log_densities([&self.z, mu, log_sigma], &weights);
        self.sums = Some(match self.sums.take() {
            None => new,
            Some(old) => LogDensities {
                joint: old.joint.logaddexp(&new.joint),
                marginals: old.marginals.logaddexp(&new.marginals),
            },
        });
        self.num_posteriors += n;
    }

    /// log q(z_k) and log q_j(z_kj) under the posteriors pushed so far, f64.
    ///
    /// # Formula
    /// ```text
    /// LSE_n log q(z|x_n) − log N
    /// ```
    ///
    /// # Panics
    /// If nothing was pushed.
    pub fn log_densities(&self) -> LogDensities {
        let sums = self.sums.as_ref().expect("FullData: push posteriors first");
        let log_size = (self.num_posteriors as f64).ln();
        LogDensities {
            joint: &sums.joint - log_size,
            marginals: &sums.marginals - log_size,
        }
    }

    /// Mutual information, total correlation and dimension-wise KL over the samples, f64.
    ///
    /// # Shapes
    /// log_posterior: log q(z_k|x_k) of the data point that each sample was drawn from, `[K]`
    ///
    /// # Panics
    /// If nothing was pushed or the shape is another.
    pub fn decomposition(&self, log_posterior: &Tensor) -> Decomposition {
        let shape = self.z.size();
        assert_eq!(
            log_posterior.size(),
            shape[..1],
            "one log density per sample"
        );
        let LogDensities { joint, marginals } = self.log_densities();
        let marginals = marginals.sum_dim_intlist(-1, false, None);
        let z = self.z.to_kind(Kind::Double);
        let log_prior = DiagNormal::standard(&shape[1..], Kind::Double, z.device()).log_prob(&z);
        let own = log_posterior.detach().to_kind(Kind::Double);
        Decomposition {
            mutual_information: (own - &joint).mean(None),
            total_correlation: (joint - &marginals).mean(None),
            dimension_wise: (marginals - log_prior).mean(None),
        }
    }
}
