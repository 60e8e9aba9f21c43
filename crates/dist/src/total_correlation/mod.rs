//! Total correlation of the aggregate posterior, and the decomposition of the mean KL divergence
//! that it belongs to.
//!
//! q(z) is a mixture of one Gaussian per data point, and a batch holds only some of them: an
//! [`Estimator`] says how they are weighted. All share one routine, which also scores the single
//! coordinates. Minibatch estimates carry constants (see [`Estimator::offsets`]) that do not
//! matter to a gradient but must be removed before a number is reported.
//! It knows nothing of models: it gets samples and posterior parameters.

mod dense;
mod full;
mod streamed;
mod weights;

pub use dense::{LogDensities, dense_log_densities};
pub use full::FullData;
pub use weights::{Estimator, Offsets};

use crate::{DiagNormal, Distribution};
use vaegis_tensor::Tensor;
use vaegis_tensor::pairwise::Objective;

/// The mean KL divergence from posterior to prior in three parts, scalars in nats.
///
/// # Formula
/// ```text
/// MI = 1/K Σ_k [log q(z_k|x_k) − log q̂(z_k)]
/// TC = 1/K Σ_k [log q̂(z_k) − Σ_j log q̂_j(z_kj)]
/// DW = 1/K Σ_k [Σ_j log q̂_j(z_kj) − log p(z_k)]
/// ```
/// For every estimator MI + TC + DW = 1/K Σ_k [log q(z_k|x_k) − log p(z_k)].
///
/// # References
/// Chen, Li, Grosse, Duvenaud (2018), "Isolating Sources of Disentanglement in VAEs", equation 2.
#[derive(Debug)]
pub struct Decomposition {
    /// Mutual information of data and latent under q.
    pub mutual_information: Tensor,
    /// Total correlation of q(z).
    pub total_correlation: Tensor,
    /// Σ_j KL(q(z_j) ‖ p(z_j)) with a standard normal prior.
    pub dimension_wise: Tensor,
}

/// The shapes that every function here asks for; returns (K, M, d).
fn check_shapes(what: &str, z: &Tensor, mu: &Tensor, log_sigma: &Tensor) -> (i64, i64, i64) {
    let (samples, posteriors) = (z.size(), mu.size());
    assert!(
        samples.len() == 2 && posteriors.len() == 2 && samples[1] == posteriors[1],
        "{what}: z and mu must be [samples, d] and [posteriors, d], not {samples:?}, {posteriors:?}"
    );
    assert_eq!(
        posteriors,
        log_sigma.size(),
        "{what}: mu and log_sigma must have one shape"
    );
    assert!(
        samples[0] > 0 && posteriors[0] > 0 && samples[1] > 0,
        "{what}: needs samples, posteriors and coordinates, not {samples:?}, {posteriors:?}"
    );
    (samples[0], posteriors[0], samples[1])
}

/// Estimate of KL(q(z) ‖ Π_j q(z_j)) from one batch, in nats, differentiable once in all three
/// tensors.
///
/// # Formula
/// ```text
/// 1/M Σ_k [log q̂(z_k) − Σ_j log q̂_j(z_kj)]
/// log q̂(z_k)    = LSE_m [log w_km + Σ_j log N(z_kj; μ_mj, σ_mj)]
/// log q̂_j(z_kj) = LSE_m [log w_km + log N(z_kj; μ_mj, σ_mj)]
/// ```
/// with the weights w of the [`Estimator`].
///
/// # Shapes
/// z, mu, log_sigma: `[M, d]`, row k of z drawn from posterior k; result: scalar
///
/// # Panics
/// If the shapes differ, or as [`Estimator::log_weights`] does.
pub fn total_correlation(
    z: &Tensor,
    mu: &Tensor,
    log_sigma: &Tensor,
    dataset_size: f64,
    estimator: Estimator,
) -> Tensor {
    let (num_samples, num_posteriors, _) = check_shapes("total_correlation", z, mu, log_sigma);
    let weights = estimator.log_weights(num_samples, num_posteriors, dataset_size);
    let objective = Objective {
        joint: 1.0,
        marginal: -1.0,
    };
    streamed::objectives([z, mu, log_sigma], &weights, &[objective]).remove(0)
}

/// Estimates of mutual information, total correlation and dimension-wise KL from one batch,
/// differentiable once in all three tensors. The three add up to the Monte Carlo KL divergence.
///
/// # Shapes
/// z, mu, log_sigma: `[M, d]`, row k of z drawn from posterior k; results: scalars
///
/// # Panics
/// If the shapes differ, or as [`Estimator::log_weights`] does.
pub fn decomposition(
    z: &Tensor,
    mu: &Tensor,
    log_sigma: &Tensor,
    dataset_size: f64,
    estimator: Estimator,
) -> Decomposition {
    let (num_samples, num_posteriors, _) = check_shapes("decomposition", z, mu, log_sigma);
    assert_eq!(
        num_samples, num_posteriors,
        "decomposition: row k of z must come from posterior k"
    );
    let weights = estimator.log_weights(num_samples, num_posteriors, dataset_size);
    let means = [(1.0, 0.0), (0.0, 1.0)].map(|(joint, marginal)| Objective { joint, marginal });
    let means = streamed::objectives([z, mu, log_sigma], &weights, &means);
    let [joint, marginals] = [&means[0], &means[1]];
    let own = DiagNormal::new(mu.shallow_clone(), log_sigma.shallow_clone())
        .log_prob(z)
        .mean(None);
    let shape = [z.size()[1]];
    let prior = DiagNormal::standard(&shape, z.kind(), z.device())
        .log_prob(z)
        .mean(None);
    Decomposition {
        mutual_information: own - joint,
        total_correlation: joint - marginals,
        dimension_wise: marginals - prior,
    }
}
