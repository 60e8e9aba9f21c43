//! The estimate by libtorch's own graph: the reference for the fused routine, and the way to
//! second derivatives. Its memory grows with samples × posteriors × coordinates.

use std::f64::consts::TAU;
use vaegis_tensor::Tensor;
use vaegis_tensor::pairwise::LogWeights;

/// Log densities of every sample under the weighted mixture of all posteriors, in nats.
#[derive(Debug)]
pub struct LogDensities {
    /// log q̂(z_k), `[K]`.
    pub joint: Tensor,
    /// log q̂_j(z_kj), `[K, d]`.
    pub marginals: Tensor,
}

/// The densities from the tensor of all pairs, differentiable any number of times.
///
/// # Formula
/// ```text
/// joint_k      = LSE_m [log w_km + Σ_j log N(z_kj; μ_mj, σ_mj)]
/// marginals_kj = LSE_m [log w_km + log N(z_kj; μ_mj, σ_mj)]
/// ```
///
/// # Shapes
/// z: `[K, d]`; mu, log_sigma: `[M, d]`
///
/// # Panics
/// If the shapes do not fit.
pub fn dense_log_densities(
    z: &Tensor,
    mu: &Tensor,
    log_sigma: &Tensor,
    log_weights: &LogWeights,
) -> LogDensities {
    let num_posteriors = usize::try_from(mu.size()[0]).expect("invariant: not negative");
    let log_w = log_weights.to_tensor(num_posteriors, z.kind(), z.device()); // [K, M] or [1, 1]
    let standardized = (z.unsqueeze(1) - mu.unsqueeze(0)) * (-log_sigma).exp().unsqueeze(0);
    // [K, M, d]
    let log_density: Tensor =
        -0.5 * standardized.square() - log_sigma.unsqueeze(0) - 0.5 * TAU.ln();
    let joint = (log_density.sum_dim_intlist(-1, false, None) + &log_w).logsumexp(1, false);
    let marginals = (log_density + log_w.unsqueeze(-1)).logsumexp(1, false);
    LogDensities { joint, marginals }
}
