//! Integrals of a density over its support: composite Gauss-Legendre rules.

use super::{Case, Support};
use crate::Distribution;
use std::f64::consts::PI;
use vaegis_tensor::{Device, Kind, Tensor};

/// Nodes per panel and coordinate on the line.
const NODES_ON_LINE: usize = 12;
/// Nodes per panel and coordinate in the plane, where their number is squared.
const NODES_IN_PLANE: usize = 6;

/// Nodes and weights of the Gauss-Legendre rule on \[−1, 1\].
pub fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    (0..count)
        .map(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (count as f64 + 0.5)).cos();
            let mut slope = 1.0;
            // Newton's method converges to rounding in a handful of steps from this start.
            for _ in 0..20 {
                let (mut before, mut value) = (1.0, x);
                for degree in 2..=count {
                    let k = degree as f64;
                    let next = ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k;
                    (before, value) = (value, next);
                }
                slope = count as f64 * (x * value - before) / (x * x - 1.0);
                x -= value / slope;
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

/// The probability measure of a batch of laws, as masses at points.
#[derive(Debug)]
pub struct Measure {
    /// Points of the support, `[N, B] + event_shape`.
    pub points: Tensor,
    /// Mass at each point, `[N, B]`.
    pub masses: Tensor,
    /// Mass of each cell (panel or atom), `[cells, B]`.
    pub cells: Tensor,
}

impl Measure {
    /// The measure of the case's law.
    pub fn of<D: Distribution>(case: &Case<D>) -> Self {
        let law = case.law();
        let num_laws = law.batch_shape()[0];
        let (events, log_weights, per_cell) = match &case.support {
            Support::Atoms(atoms) => {
                let zeros = Tensor::zeros([atoms.size()[0]], (Kind::Double, Device::Cpu));
                (atoms.shallow_clone(), zeros, 1)
            }
            Support::Chart(chart) => {
                let (nodes, weights, per_cell) = rule(&chart.edges);
                let (events, log_det) = (chart.embed)(&nodes);
                (events, log_det + weights.log(), per_cell)
            }
        };
        let mut shape = events.size();
        shape.insert(1, num_laws);
        let points = events.unsqueeze(1).expand(shape, false); // [N, B] + event
        let masses = (law.log_prob(&points) + log_weights.unsqueeze(-1)).exp(); // [N, B]
        let cells = masses
            .reshape([-1, per_cell, num_laws])
            .sum_dim_intlist(1, false, None);
        Self {
            points,
            masses,
            cells,
        }
    }

    /// ∫ f dP for values of f at the points, `[N, B] + shape` → `[B] + shape`.
    pub fn expect(&self, values: &Tensor) -> Tensor {
        let mut masses = self.masses.shallow_clone();
        while masses.dim() < values.dim() {
            masses = masses.unsqueeze(-1);
        }
        // Zero mass times an infinite value is no contribution.
        let terms = (masses * values).nan_to_num(0.0, None, None);
        terms.sum_dim_intlist(0, false, None)
    }
}

/// Nodes `[N, d]` and weights `[N]`, cell by cell, and the number of nodes in a cell.
fn rule(edges: &[Vec<f64>]) -> (Tensor, Tensor, i64) {
    let count = if edges.len() == 1 {
        NODES_ON_LINE
    } else {
        NODES_IN_PLANE
    };
    let base = gauss_legendre(count);
    let panel = |a: f64, b: f64| -> Vec<(f64, f64)> {
        base.iter()
            .map(|(x, w)| (0.5 * ((b - a) * x + a + b), 0.5 * (b - a) * w))
            .collect()
    };
    let (mut nodes, mut weights) = (Vec::new(), Vec::new());
    for first in edges[0].windows(2) {
        let rows = panel(first[0], first[1]);
        let columns: Vec<Vec<(f64, f64)>> = match edges.get(1) {
            Some(second) => second.windows(2).map(|e| panel(e[0], e[1])).collect(),
            None => vec![Vec::new()],
        };
        for column in &columns {
            for &(x, wx) in &rows {
                if edges.len() == 1 {
                    nodes.push(x);
                    weights.push(wx);
                }
                for &(y, wy) in column {
                    nodes.extend([x, y]);
                    weights.push(wx * wy);
                }
            }
        }
    }
    let axes = edges.len();
    let nodes = Tensor::from_slice(&nodes).reshape([-1, i64::from(axes == 2) + 1]);
    let per_cell = i64::try_from(count.pow(if axes == 2 { 2 } else { 1 }));
    (
        nodes,
        Tensor::from_slice(&weights),
        per_cell.expect("invariant: a small number"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_legendre_integrates_polynomials() {
        // The rule with n nodes is exact up to degree 2n−1: here 11.
        let integral: f64 = gauss_legendre(6).iter().map(|(x, w)| w * x.powi(10)).sum();
        assert!((integral - 2.0 / 11.0).abs() < 1e-14);
    }
}
