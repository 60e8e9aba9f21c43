//! The estimate without the tensor of all pairs: the kernel of the CPU, or the same steps by
//! tensor operations in tiles on other devices. Gradients are computed along with the value.

use super::LogDensities;
use std::f64::consts::TAU;
use vaegis_tensor::pairwise::{self, LogWeights, Objective};
use vaegis_tensor::{Kind, Tensor, no_grad, parts};

/// Elements of the largest temporary tensor of the tiled operations: 64 MiB of f32.
const ELEMENTS_PER_TILE: i64 = 1 << 24;
/// Pairs of a tile, so that at least this many coordinates fit into it at once.
const COORDINATES_PER_TILE: i64 = 4;

/// One scalar per objective, differentiable once in z, mu and log_sigma.
///
/// The value is computed outside the graph. What the graph sees is Σ input · gradient, less its
/// own value: the first derivative is exact, a second one would be zero, so that none must be
/// taken ([`super::dense_log_densities`] has them).
pub(super) fn objectives(
    [z, mu, log_sigma]: [&Tensor; 3],
    log_weights: &LogWeights,
    objectives: &[Objective],
) -> Vec<Tensor> {
    let inputs = [z, mu, log_sigma];
    let needs_gradient = inputs.iter().any(|x| x.requires_grad());
    let asked = if needs_gradient { objectives } else { &[] };
    let (joint, marginal, gradients) = if pairwise::supports(z) {
        let means = pairwise::means(z, mu, log_sigma, log_weights, asked);
        (means.joint, means.marginal, means.gradients)
    } else {
        no_grad(|| means_by_operations(inputs, log_weights, asked))
    };
    let values = objectives
        .iter()
        .map(|objective| objective.joint * joint + objective.marginal * marginal);
    let constant = |value: f64| Tensor::from(value).to_kind(z.kind()).to_device(z.device());
    if !needs_gradient {
        return values.map(constant).collect();
    }
    values
        .zip(&gradients)
        .map(|(value, gradients)| {
            let linear = inputs
                .iter()
                .zip(gradients)
                .filter(|(x, _)| x.requires_grad())
                .map(|(&x, gradient)| (x * gradient).sum(None))
                .reduce(|a, b| a + b)
                .expect("invariant: one input needs its gradient");
            &linear - linear.detach() + constant(value)
        })
        .collect()
}

/// Log densities without gradient, on any device.
pub(super) fn log_densities(
    [z, mu, log_sigma]: [&Tensor; 3],
    log_weights: &LogWeights,
) -> LogDensities {
    if pairwise::supports(z) {
        let (joint, marginals) = pairwise::log_densities(z, mu, log_sigma, log_weights);
        return LogDensities { joint, marginals };
    }
    no_grad(|| {
        let tiles = tiles([z, mu, log_sigma], log_weights);
        let scored = tiles.iter().map(Tile::score).collect::<Vec<_>>();
        let joint = scored.iter().map(|s| &s.joint).collect::<Vec<_>>();
        let marginals = scored.iter().map(|s| &s.marginals).collect::<Vec<_>>();
        LogDensities {
            joint: Tensor::cat(&joint, 0).to_kind(Kind::Double),
            marginals: Tensor::cat(&marginals, 0).to_kind(Kind::Double),
        }
    })
}

/// Some samples against all components, by tensor operations.
struct Tile {
    z: Tensor,
    mu: Tensor,
    log_sigma: Tensor,
    inverse_sigma: Tensor,
    /// `[rows, M]` or `[1, 1]`
    log_weights: Tensor,
    first_row: i64,
    chunk: i64,
}

/// Log densities of a tile, and its joint responsibilities `[rows, M]`.
struct Scored {
    joint: Tensor,
    marginals: Tensor,
    responsibilities: Tensor,
}

fn tiles([z, mu, log_sigma]: [&Tensor; 3], log_weights: &LogWeights) -> Vec<Tile> {
    let (z, mu, log_sigma) = (z.detach(), mu.detach(), log_sigma.detach());
    let (num_samples, num_components) = (z.size()[0], mu.size()[0]);
    let pairs = ELEMENTS_PER_TILE / COORDINATES_PER_TILE;
    let rows = (pairs / num_components).clamp(1, num_samples);
    let count = usize::try_from(num_components).expect("invariant: not negative");
    let log_w = log_weights.to_tensor(count, z.kind(), z.device());
    let inverse_sigma = (-&log_sigma).exp();
    parts(num_samples, rows)
        .map(|(first_row, rows)| {
            let log_weights = match log_w.size()[0] {
                1 => log_w.shallow_clone(),
                _ => log_w.narrow(0, first_row, rows),
            };
            Tile {
                z: z.narrow(0, first_row, rows),
                mu: mu.shallow_clone(),
                log_sigma: log_sigma.shallow_clone(),
                inverse_sigma: inverse_sigma.shallow_clone(),
                log_weights,
                first_row,
                chunk: (ELEMENTS_PER_TILE / (rows * num_components)).max(1),
            }
        })
        .collect()
}

impl Tile {
    /// (first coordinate, number of coordinates) of every chunk.
    fn chunks(&self) -> impl Iterator<Item = (i64, i64)> {
        parts(self.z.size()[1], self.chunk)
    }

    /// (z − μ)/σ and the log densities of some coordinates, `[rows, M, n]` each.
    fn pairs(&self, first: i64, n: i64) -> (Tensor, Tensor) {
        let part = |x: &Tensor| x.narrow(1, first, n);
        let standardized =
            (part(&self.z).unsqueeze(1) - part(&self.mu)) * part(&self.inverse_sigma);
        let log_density: Tensor =
            -0.5 * standardized.square() - part(&self.log_sigma) - 0.5 * TAU.ln();
        (standardized, log_density)
    }

    fn score(&self) -> Scored {
        let shape = [self.z.size()[0], self.mu.size()[0]];
        // f64: the softmax of a sum of many terms needs their digits.
        let mut joint = Tensor::zeros(shape, (Kind::Double, self.z.device()));
        let mut marginals = Vec::new();
        for (first, n) in self.chunks() {
            let (_, log_density) = self.pairs(first, n);
            joint += log_density.sum_dim_intlist(-1, false, Kind::Double);
            marginals.push((log_density + self.log_weights.unsqueeze(-1)).logsumexp(1, false));
        }
        let joint = joint + &self.log_weights;
        Scored {
            joint: joint.logsumexp(1, false),
            marginals: Tensor::cat(&marginals, 1),
            responsibilities: joint.softmax(1, Kind::Double).to_kind(self.z.kind()),
        }
    }

    /// Adds the tile's part of Σ_k to the gradients of one objective.
    fn add_gradients(
        &self,
        scored: &Scored,
        objective: Objective,
        [d_z, d_mu, d_log_sigma]: &mut [Tensor; 3],
    ) {
        for (first, n) in self.chunks() {
            let (u, log_density) = self.pairs(first, n);
            let marginal = scored.marginals.narrow(1, first, n).unsqueeze(1);
            let own = (log_density + self.log_weights.unsqueeze(-1) - marginal).exp();
            let r =
                objective.joint * scored.responsibilities.unsqueeze(-1) + objective.marginal * own;
            let towards = &r * &u * self.inverse_sigma.narrow(1, first, n); // [rows, M, n]
            let mut rows = d_z
                .narrow(0, self.first_row, self.z.size()[0])
                .narrow(1, first, n);
            rows -= towards.sum_dim_intlist(1, false, None);
            let mut column = d_mu.narrow(1, first, n);
            column += towards.sum_dim_intlist(0, false, None);
            let mut column = d_log_sigma.narrow(1, first, n);
            column += (r * (u.square() - 1.0)).sum_dim_intlist(0, false, None);
        }
    }
}

/// Mean log densities, jointly and summed over coordinates, and the objectives' gradients.
fn means_by_operations(
    inputs: [&Tensor; 3],
    log_weights: &LogWeights,
    objectives: &[Objective],
) -> (f64, f64, Vec<[Tensor; 3]>) {
    let num_samples = inputs[0].size()[0] as f64;
    let mut gradients = objectives
        .iter()
        .map(|_| inputs.map(Tensor::zeros_like))
        .collect::<Vec<_>>();
    let (mut joint, mut marginal) = (0.0, 0.0);
    for tile in tiles(inputs, log_weights) {
        let scored = tile.score();
        joint += scored.joint.sum(Kind::Double).double_value(&[]);
        marginal += scored.marginals.sum(Kind::Double).double_value(&[]);
        for (&objective, gradients) in objectives.iter().zip(&mut gradients) {
            let per_sample = Objective {
                joint: objective.joint / num_samples,
                marginal: objective.marginal / num_samples,
            };
            tile.add_gradients(&scored, per_sample, gradients);
        }
    }
    (joint / num_samples, marginal / num_samples, gradients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_core::SeedTree;
    use vaegis_tensor::{Device, Noise};

    /// f64 sums of a few hundred terms of order one in another order.
    const ROUNDING: f64 = 1e-11;

    /// What runs on other devices is checked here on the CPU, where the kernel would run.
    #[test]
    fn tiled_operations_and_kernel_agree() {
        let noise = Noise::portable(SeedTree::new(3));
        let draw = |label: &str, n: i64| {
            noise
                .child(label)
                .standard_normal(&[n, 5], Kind::Double, Device::Cpu)
        };
        let (z, mu) = (draw("z", 7), draw("mu", 7));
        let log_sigma: Tensor = 0.3 * draw("log sigma", 7);
        let exceptions = (0..7).map(|k| [((k + 1) % 7, -0.5), (k, -4.0)]).collect();
        for log_weights in [
            LogWeights::uniform(-3.0),
            LogWeights::with_exceptions(-1.5, exceptions),
        ] {
            let asked = [
                Objective {
                    joint: 1.0,
                    marginal: -1.0,
                },
                Objective {
                    joint: 0.7,
                    marginal: 0.0,
                },
            ];
            let inputs = [&z, &mu, &log_sigma];
            let (joint, marginal, gradients) = means_by_operations(inputs, &log_weights, &asked);
            let kernel = pairwise::means(&z, &mu, &log_sigma, &log_weights, &asked);
            assert!((joint - kernel.joint).abs() < ROUNDING);
            assert!((marginal - kernel.marginal).abs() < ROUNDING);
            for (a, b) in gradients
                .iter()
                .flatten()
                .zip(kernel.gradients.iter().flatten())
            {
                let gap = (a - b).abs().max().double_value(&[]);
                assert!(gap < ROUNDING, "gradients differ by {gap}");
            }
        }
    }
}
