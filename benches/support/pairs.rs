//! The total correlation of a batch and its gradients, two ways, and the memory that a call takes.

use crate::fixtures;
use std::path::Path;
use vaegis_dist::total_correlation::{Estimator, dense_log_densities, total_correlation};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// How to compute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Without the tensor of all pairs.
    Streamed,
    /// By libtorch's graph of the composition.
    Dense,
}

/// Samples, means and log scales of overlapping posteriors, `[batch, latent]` each.
pub fn inputs(batch: i64, latent: i64, kind: Kind) -> [Tensor; 3] {
    let noise = Noise::portable(fixtures::seed().child("pairs"));
    let draw = |label: &str| {
        noise
            .child(label)
            .standard_normal(&[batch, latent], Kind::Double, Device::Cpu)
    };
    let mu = draw("mu");
    let log_sigma: Tensor = 0.3 * draw("log-sigma") - 0.5;
    let z = &mu + log_sigma.exp() * draw("eps");
    [z, mu, log_sigma].map(|x| x.to_kind(kind))
}

/// The value and its gradients with respect to the three inputs.
pub fn value_and_gradients(
    side: Side,
    inputs: &[Tensor; 3],
    dataset_size: f64,
    estimator: Estimator,
) -> (f64, Vec<Tensor>) {
    let leaves: [Tensor; 3] = std::array::from_fn(|i| inputs[i].detach().set_requires_grad(true));
    let [z, mu, log_sigma] = &leaves;
    let value = match side {
        Side::Streamed => total_correlation(z, mu, log_sigma, dataset_size, estimator),
        Side::Dense => {
            let weights = estimator.log_weights(z.size()[0], mu.size()[0], dataset_size);
            let densities = dense_log_densities(z, mu, log_sigma, &weights);
            (densities.joint - densities.marginals.sum_dim_intlist(-1, false, None)).mean(None)
        }
    };
    let gradients = Tensor::run_backward(&[&value], &leaves, false, false);
    (value.double_value(&[]), gradients)
}

/// Bytes of resident memory that `work` needs at its peak beyond what is resident before it;
/// none where the system does not tell.
pub fn extra_memory<T>(work: impl FnOnce() -> T) -> Option<f64> {
    // On Linux this sets the peak back to what is resident now.
    std::fs::write(Path::new("/proc/self/clear_refs"), "5").ok()?;
    let before = resident("VmRSS:")?;
    let result = work();
    let peak = resident("VmHWM:")?;
    drop(result);
    Some((peak - before).max(0.0))
}

fn resident(key: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024.0 * kibibytes)
}
