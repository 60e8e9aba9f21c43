//! Learnt variances, which the argument for stability leaves out: how low the entropy falls, and
//! how much further the logits move than those of unit variances can.
//!
//! Not for trained codebooks: log-variances are drawn uniformly on (−s, s).

use super::NUM_CODES;
use crate::averages::mean;
use crate::claims::over_seeds;
use anyhow::Result;
use ndarray::{Array2, ArrayView1};
use vaegis_core::SeedTree;
use vaegis_report::{Cell, Table};
use vaegis_theory::entropy::{entropy_from_logits, logit_range};
use vaegis_theory::sphere::{Shape, codebook, diameter};

/// Dimension of the codes, and the radius of the sphere they lie on, as in figure B.5.
pub(super) const DIM: usize = 32;
const RADIUS: f64 = 0.5;
/// Norms of the network output.
const NORMS: [f64; 3] = [10.0, 20.0, 50.0];
/// Half widths s of the log-variances; 0 is unit variance.
const HALF_WIDTHS: [f64; 4] = [0.0, 0.05, 0.2, 0.7];
/// By how much the norm grows where the change of the logits is looked at.
const SHIFT: f64 = 1.0;
/// Rounding of the differences of logits of a few thousand.
const ROUNDING: f64 = 1e-9;

/// One norm and one width, for one seed.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    mean: f64,
    smallest: f64,
    /// Mean of the range of the change of the logits over δ‖Δe‖.
    range: f64,
    num_above: usize,
}

/// What was measured for one norm and one width.
#[derive(Clone, Debug)]
pub(super) struct LearntPoint {
    norm: f64,
    half_width: f64,
    seeds: Vec<Point>,
    num_codebooks: usize,
}

impl LearntPoint {
    fn mean(&self) -> f64 {
        mean(self.seeds.iter().map(|p| p.mean))
    }

    fn range(&self) -> f64 {
        mean(self.seeds.iter().map(|p| p.range))
    }

    fn num_above(&self) -> usize {
        self.seeds.iter().map(|p| p.num_above).sum()
    }

    fn num_draws(&self) -> usize {
        self.num_codebooks * self.seeds.len()
    }
}

/// Entropies of responsibilities, and changes of their logits, with log-variances uniform on (−s, s).
pub(super) fn measure(num_codebooks: usize, seeds: &[u64]) -> Result<Vec<LearntPoint>> {
    let mut points = Vec::new();
    for norm in NORMS {
        for half_width in HALF_WIDTHS {
            points.push(LearntPoint {
                norm,
                half_width,
                seeds: Vec::new(),
                num_codebooks,
            });
        }
    }
    for &seed in seeds {
        // Every norm and width sees the same codebooks, so that they can be compared.
        let node = SeedTree::new(seed).child("learnt-variances");
        let draws = (0..num_codebooks)
            .map(|i| Draw::new(&node.index(i as u64)))
            .collect::<Result<Vec<_>>>()?;
        for point in &mut points {
            let found = summarize(&draws, point.norm, point.half_width)?;
            point.seeds.push(found);
        }
    }
    Ok(points)
}

/// A codebook and a direction of the network output.
struct Draw {
    means: Array2<f64>,
    /// Uniform on (−1, 1) `[K, d_e]`.
    spread: Array2<f64>,
    output: Array2<f64>,
    delta: f64,
}

impl Draw {
    fn new(seed: &SeedTree) -> Result<Self> {
        let on_sphere = |count, dim, radius, label: &str| {
            codebook(count, dim, radius, Shape::Surface, &seed.child(label))
        };
        let means = on_sphere(NUM_CODES, DIM, RADIUS, "means")?;
        // A coordinate of a point on a sphere in three dimensions is uniform (Archimedes).
        let points = on_sphere(NUM_CODES * DIM, 3, 1.0, "variances")?;
        let spread = Array2::from_shape_fn((NUM_CODES, DIM), |(k, i)| points[[k * DIM + i, 0]]);
        Ok(Self {
            delta: diameter(&means),
            output: on_sphere(1, DIM, 1.0, "output")?,
            means,
            spread,
        })
    }

    /// −½ Σ (e − μ_k)² e^{−s_k} − ½ Σ s_k for every code.
    fn logits(&self, output: ArrayView1<'_, f64>, half_width: f64) -> Vec<f64> {
        let codes = self.means.rows().into_iter().zip(self.spread.rows());
        codes
            .map(|(mean, spread)| {
                let terms = output.iter().zip(mean).zip(spread).map(|((e, m), u)| {
                    let log_variance = half_width * u;
                    (e - m).powi(2) * (-log_variance).exp() + log_variance
                });
                -0.5 * terms.sum::<f64>()
            })
            .collect()
    }
}

fn summarize(draws: &[Draw], norm: f64, half_width: f64) -> Result<Point> {
    let mut found = Point {
        smallest: f64::INFINITY,
        ..Point::default()
    };
    for draw in draws {
        let output = &draw.output.row(0) * norm;
        let further = &draw.output.row(0) * (norm + SHIFT);
        let logits = draw.logits(output.view(), half_width);
        let entropy = entropy_from_logits(&logits)?;
        found.mean += entropy / draws.len() as f64;
        found.smallest = found.smallest.min(entropy);
        let moved = logit_range(&logits, &draw.logits(further.view(), half_width))?;
        let ratio = moved / (draw.delta * SHIFT);
        found.range += ratio / draws.len() as f64;
        found.num_above += usize::from(ratio > 1.0 + ROUNDING);
    }
    Ok(found)
}

/// Whether unit variances stay within their range, and learnt ones are as calm: the counts.
pub(super) struct Extension {
    /// Draws of unit variances whose logits move by more than δ‖Δe‖, and all of them.
    pub unit: (usize, usize),
    /// The same of learnt variances.
    pub learnt: (usize, usize),
    /// Norms and widths with a lower mean entropy than unit variances, and all of them.
    pub lower: (usize, usize),
}

/// Counts the exceptions.
pub(super) fn extension(points: &[LearntPoint]) -> Extension {
    let is_unit = |p: &&LearntPoint| p.half_width == 0.0;
    let count = |unit: bool| {
        let chosen = || points.iter().filter(|p| is_unit(p) == unit);
        let above = chosen().map(LearntPoint::num_above).sum();
        (above, chosen().map(LearntPoint::num_draws).sum())
    };
    let learnt = || points.iter().filter(|p| !is_unit(p));
    let lower = learnt().filter(|p| {
        let mut units = points.iter().filter(is_unit);
        units.any(|u| u.norm == p.norm && p.mean() < u.mean())
    });
    Extension {
        unit: count(true),
        learnt: count(false),
        lower: (lower.count(), learnt().count()),
    }
}

/// The table of what was measured.
pub(super) fn table(points: &[LearntPoint]) -> Result<Table> {
    let names = [
        "norm of the output",
        "log-variances within ±",
        "mean entropy",
        "smallest",
        "change over δ‖Δe‖",
    ];
    let mut table = Table::new("learnt", "Entropy with learnt variances", &names).with_caption(
        "Means on the sphere of radius 0.5, log-variances uniform, the output in a random \
         direction. Last column: by how much the differences of the logits change when the norm \
         grows by 1, as a multiple of δ‖Δe‖, which unit variances cannot exceed and on which the \
         bound of the divergence rests. Means over seeds with 95 % intervals.",
    );
    for point in points {
        let means: Vec<f64> = point.seeds.iter().map(|p| p.mean).collect();
        let mean = over_seeds(&means);
        let smallest = point.seeds.iter().map(|p| p.smallest);
        table.push_row(vec![
            point.norm.into(),
            point.half_width.into(),
            Cell::from((mean.value, mean.lower, mean.upper)),
            smallest.fold(f64::INFINITY, f64::min).into(),
            point.range().into(),
        ])?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// V8: unit variances keep their range; learnt ones leave it, the further the larger the norm.
    #[test]
    fn learnt_variances_are_sharper_and_break_the_bound_of_unit_ones() {
        let points = measure(10, &[0]).expect("measured");
        let counts = extension(&points);
        assert_eq!((counts.unit, counts.lower), ((0, 30), (9, 9)));
        assert_eq!(counts.learnt.1, 90);
        let widest = |norm: f64| {
            let found = points.iter().rfind(|p| p.norm == norm);
            found.expect("measured").range()
        };
        // The variances put ½‖e‖² into the logits, so their change grows like the norm.
        assert!(widest(10.0) > 4.0 && widest(20.0) > 1.7 * widest(10.0));
        assert!(widest(50.0) > 2.2 * widest(20.0), "{}", widest(50.0));
    }

    /// With s = 0 the logits are those of unit variances: differences e·(μ_k − μ_j) on a sphere.
    #[test]
    fn zero_width_is_unit_variance() {
        let draw = Draw::new(&SeedTree::new(4)).expect("drawn");
        let output = &draw.output.row(0) * 20.0;
        let logits = draw.logits(output.view(), 0.0);
        let project = |k: usize| output.dot(&draw.means.row(k));
        for k in 1..NUM_CODES {
            let want = project(k) - project(0);
            // The logits are near 200, so their differences lose three digits.
            assert!((logits[k] - logits[0] - want).abs() < 1e-11, "code {k}");
        }
        assert!(draw.spread.iter().all(|u| u.abs() <= 1.0));
        let squares = draw.spread.iter().map(|u| u * u).sum::<f64>() / draw.spread.len() as f64;
        // A third, with a standard error of √(4/45/8192) = 0.0033.
        assert!((squares - 1.0 / 3.0).abs() < 0.015, "{squares}");
    }
}
