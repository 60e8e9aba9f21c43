//! The order of work: tiles of samples, scored in groups, then differentiated by coordinate.

use super::components::{Components, elements, transposed};
use super::kernel::{Build, Column, Gradient, Group, ScoreScratch, accumulate, finish_mu, score};
use super::real::Real;
use super::weights::LogWeights;
use crate::{Kind, Tensor, device};
use rayon::prelude::*;
use std::f64::consts::{LN_2, LOG2_E};

/// Samples whose responsibilities are held at once: at 1024 components 256 KiB of f32, which a
/// second-level cache holds while every coordinate goes through them.
const ROWS_PER_TILE: usize = 64;
/// Samples of one task: they share the loads of the components, and a tile has enough tasks for
/// many threads.
const ROWS_PER_GROUP: usize = 4;

/// A weighted sum of the two mean log densities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Factor of 1/K Σ_k log q̂(z_k).
    pub joint: f64,
    /// Factor of 1/K Σ_k Σ_j log q̂_j(z_kj).
    pub marginal: f64,
}

/// Mean log densities, and gradients of objectives made of them.
#[derive(Debug)]
pub struct Means {
    /// 1/K Σ_k log q̂(z_k)
    pub joint: f64,
    /// 1/K Σ_k Σ_j log q̂_j(z_kj)
    pub marginal: f64,
    /// Per objective: gradients with respect to z, mu and log_sigma.
    pub gradients: Vec<[Tensor; 3]>,
}

/// Log densities of every sample under the weighted mixture of all components, in nats.
///
/// # Formula
/// ```text
/// joint_k      = LSE_m [log w_km + Σ_j log N(z_kj; μ_mj, σ_mj)]
/// marginals_kj = LSE_m [log w_km + log N(z_kj; μ_mj, σ_mj)]
/// ```
///
/// # Shapes
/// z: `[K, d]`; mu, log_sigma: `[M, d]` → f64 `[K]` and `[K, d]`, without gradient
///
/// # Panics
/// If [`super::supports`] is false for a tensor, or the shapes or kinds differ.
pub fn log_densities(
    z: &Tensor,
    mu: &Tensor,
    log_sigma: &Tensor,
    log_weights: &LogWeights,
) -> (Tensor, Tensor) {
    let found = match kind_of(z, mu, log_sigma) {
        Kind::Float => run::<f32>(z, mu, log_sigma, log_weights, &[], true),
        _ => run::<f64>(z, mu, log_sigma, log_weights, &[], true),
    };
    (
        Tensor::from_slice(&found.joint),
        Tensor::from_slice(&found.marginals).view([-1, z.size()[1]]),
    )
}

/// The means of the log densities over the samples, and the gradient of every objective.
///
/// # Shapes
/// z: `[K, d]`; mu, log_sigma: `[M, d]` → gradients of the same shapes and kind
///
/// # Panics
/// If [`super::supports`] is false for a tensor, or the shapes or kinds differ.
pub fn means(
    z: &Tensor,
    mu: &Tensor,
    log_sigma: &Tensor,
    log_weights: &LogWeights,
    objectives: &[Objective],
) -> Means {
    let found = match kind_of(z, mu, log_sigma) {
        Kind::Float => run::<f32>(z, mu, log_sigma, log_weights, objectives, false),
        _ => run::<f64>(z, mu, log_sigma, log_weights, objectives, false),
    };
    let num_samples = found.joint.len() as f64;
    Means {
        joint: found.joint.iter().sum::<f64>() / num_samples,
        marginal: found.marginal_sum / num_samples,
        gradients: found.gradients,
    }
}

fn kind_of(z: &Tensor, mu: &Tensor, log_sigma: &Tensor) -> Kind {
    let kind = z.kind();
    for tensor in [z, mu, log_sigma] {
        assert!(
            super::supports(tensor) && tensor.kind() == kind,
            "the kernel takes CPU tensors of one kind, f32 or f64, not {:?} on {:?}",
            tensor.kind(),
            tensor.device()
        );
    }
    assert!(
        z.dim() == 2 && mu.dim() == 2 && z.size()[1] == mu.size()[1],
        "z and mu must be [samples, d] and [components, d], not {:?} and {:?}",
        z.size(),
        mu.size()
    );
    assert_eq!(mu.size(), log_sigma.size(), "mu and log_sigma must match");
    kind
}

/// What a run over all tiles leaves.
struct Found {
    joint: Vec<f64>,
    marginal_sum: f64,
    /// Empty unless asked for.
    marginals: Vec<f64>,
    gradients: Vec<[Tensor; 3]>,
}

/// Sums of one objective, `[d, K]` and twice `[d, padded]`.
struct Sums<T> {
    objective: Objective,
    z: Vec<T>,
    mu: Vec<T>,
    log_sigma: Vec<T>,
}

fn run<T: Real>(
    z: &Tensor,
    mu: &Tensor,
    log_sigma: &Tensor,
    log_weights: &LogWeights,
    objectives: &[Objective],
    keeps_marginals: bool,
) -> Found {
    let build = Build::detect();
    // One thread for libtorch means one thread here.
    let is_parallel = device::num_threads() > 1;
    let components = Components::<T>::new(mu, log_sigma);
    let (d, padded) = (components.num_coordinates, components.padded);
    let rows = elements::<T>(z);
    let num_samples = rows.len() / d;
    let columns = transposed::<T>(z);
    let common = log_weights.common();
    let exceptions = (0..num_samples)
        .map(|k| patches::<T>(log_weights, k, components.num_components))
        .collect::<Vec<_>>();

    let mut found = Found {
        joint: Vec::with_capacity(num_samples),
        marginal_sum: 0.0,
        marginals: Vec::new(),
        gradients: Vec::new(),
    };
    let mut sums = objectives
        .iter()
        .map(|&objective| Sums {
            objective,
            z: vec![T::ZERO; d * num_samples],
            mu: vec![T::ZERO; d * padded],
            log_sigma: vec![T::ZERO; d * padded],
        })
        .collect::<Vec<_>>();
    let tile_rows = ROWS_PER_TILE.min(num_samples);
    let mut responsibilities = vec![T::ZERO; tile_rows * padded];
    let mut joint = vec![0.0; tile_rows];
    let mut marginals = vec![0.0; tile_rows * d];
    for first in (0..num_samples).step_by(ROWS_PER_TILE) {
        let n = ROWS_PER_TILE.min(num_samples - first);
        let exceptions = &exceptions[first..first + n];
        let mut groups = responsibilities[..n * padded]
            .chunks_mut(ROWS_PER_GROUP * padded)
            .zip(joint[..n].chunks_mut(ROWS_PER_GROUP))
            .zip(marginals[..n * d].chunks_mut(ROWS_PER_GROUP * d))
            .zip(rows[first * d..(first + n) * d].chunks(ROWS_PER_GROUP * d))
            .zip(exceptions.chunks(ROWS_PER_GROUP))
            .map(
                |((((responsibilities, joint), marginals), z), exceptions)| Group {
                    z,
                    exceptions,
                    responsibilities,
                    joint,
                    marginals,
                },
            )
            .collect::<Vec<_>>();
        let scratch = || ScoreScratch::new(ROWS_PER_GROUP, padded);
        if is_parallel {
            groups
                .par_iter_mut()
                .for_each_init(scratch, |scratch, group| {
                    score(build, &components, group, scratch);
                });
        } else {
            let mut scratch = scratch();
            for group in &mut groups {
                score(build, &components, group, &mut scratch);
            }
        }
        drop(groups);
        found
            .joint
            .extend(joint[..n].iter().map(|l| l * LN_2 + common));
        for l in &marginals[..n * d] {
            let nats = l * LN_2 + common;
            found.marginal_sum += nats;
            if keeps_marginals {
                found.marginals.push(nats);
            }
        }
        for Sums {
            objective,
            z: d_z,
            mu: d_mu,
            log_sigma: d_log_sigma,
        } in &mut sums
        {
            let step = |scratch: &mut Vec<T>, j: usize, gradient: &mut Gradient<'_, T>| {
                let (mu, inv, c) = components.column(j);
                let column = Column {
                    mu,
                    inv,
                    c,
                    z: &columns[j * num_samples + first..][..n],
                    exceptions,
                    responsibilities: &responsibilities,
                    marginals: &marginals,
                    d,
                    coordinate: j,
                    alpha: T::from_f64(objective.joint / num_samples as f64),
                    gamma: T::from_f64(objective.marginal / num_samples as f64),
                };
                accumulate(build, &column, gradient, scratch);
            };
            let scratch = || vec![T::ZERO; padded];
            let mut tasks = d_z
                .chunks_exact_mut(num_samples)
                .zip(d_mu.chunks_exact_mut(padded))
                .zip(d_log_sigma.chunks_exact_mut(padded))
                .map(|((z, mu), log_sigma)| Gradient {
                    z: &mut z[first..first + n],
                    mu,
                    log_sigma,
                })
                .enumerate()
                .collect::<Vec<_>>();
            if is_parallel {
                tasks
                    .par_iter_mut()
                    .for_each_init(scratch, |scratch, (j, gradient)| {
                        step(scratch, *j, gradient)
                    });
            } else {
                let mut scratch = scratch();
                for (j, gradient) in &mut tasks {
                    step(&mut scratch, *j, gradient);
                }
            }
        }
    }
    found.gradients = sums
        .into_iter()
        .map(|sums| finish(sums, &components))
        .collect();
    found
}

/// What the exceptions of sample k add to the common log₂ weight.
fn patches<T: Real>(log_weights: &LogWeights, k: usize, num_components: usize) -> Vec<(usize, T)> {
    let given = log_weights.exceptions(k);
    let mut patches = Vec::with_capacity(given.len());
    for (i, &(m, log_weight)) in given.iter().enumerate() {
        assert!(m < num_components, "component {m} of {num_components}");
        // A later exception of the same component overrides.
        if given[i + 1..].iter().all(|&(later, _)| later != m) {
            let extra = (log_weight - log_weights.common()) * LOG2_E;
            patches.push((m, T::from_f64(extra)));
        }
    }
    patches
}

/// The gradients as tensors of the inputs' shapes.
fn finish<T: Real>(mut sums: Sums<T>, components: &Components<T>) -> [Tensor; 3] {
    let (d, padded) = (components.num_coordinates, components.padded);
    for (j, mu) in sums.mu.chunks_exact_mut(padded).enumerate() {
        finish_mu(mu, components.column(j).1);
    }
    let rows = |values: &[T], width: usize, used: usize| {
        let size = |n: usize| i64::try_from(n).expect("invariant: fits memory");
        Tensor::from_slice(values)
            .view([size(d), size(width)])
            .narrow(1, 0, size(used))
            .transpose(0, 1)
            .contiguous()
    };
    let num_samples = sums.z.len() / d;
    let used = components.num_components;
    [
        rows(&sums.z, num_samples, num_samples),
        rows(&sums.mu, padded, used),
        rows(&sums.log_sigma, padded, used),
    ]
}
