//! L-BFGS-B on all rows at once: the optimizer's rows live on the host in f64,
//! one network pass serves all rows that are still active.

use super::{Found, positive};
use crate::constraint::add_penalty;
use crate::oracle::Oracle;
use crate::{AttackError, Ball, RowStatus};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vaegis_lbfgsb::{Batch, Options, Precision, Status};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Tensor};

/// How an L2 ball enters the objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BallMode {
    /// The distortion is shrunk to the ball where it is longer.
    #[default]
    Clip,
    /// The distortion always has exactly the radius' length.
    Scale,
}

/// Options of the L-BFGS-B search; the tolerances are those of the attack codes
/// that the sources follow, with their cap on evaluations made finite and the only
/// one, and half their stored pairs (decision 0009).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lbfgs {
    /// Pairs kept per row.
    pub memory: usize,
    /// Stop when an iteration gains less than `factr` · 2.2e−16, relatively.
    pub factr: f64,
    /// Stop when the projected gradient's largest entry is below this, in nats
    /// (of the objective as it is, not as it is scaled for the optimizer).
    pub pgtol: f64,
    /// Iteration cap.
    pub max_iterations: usize,
    /// Evaluation cap.
    pub max_evaluations: usize,
    /// How often a row whose objective stopped falling forgets its history and goes on: values of
    /// an f32 network have plateaus.
    pub stall_restarts: usize,
    /// How an L2 ball is handled.
    pub ball_mode: BallMode,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self {
            memory: 12,
            factr: 10.0,
            pgtol: 1e-5,
            max_iterations: 1500,
            max_evaluations: 1500,
            stall_restarts: 5,
            ball_mode: BallMode::Clip,
        }
    }
}

impl Lbfgs {
    pub(super) fn check(&self) -> Result<(), AttackError> {
        positive("search.memory", self.memory as f64)?;
        positive("search.max-iterations", self.max_iterations as f64)?;
        positive("search.max-evaluations", self.max_evaluations as f64)
    }

    pub(super) fn run(
        &self,
        oracle: &mut Oracle<'_>,
        start: &Tensor,
    ) -> Result<Found, AttackError> {
        let (num_rows, n) = (oracle.num_rows(), oracle.num_pixels());
        let problem = Problem::new(self, oracle, start);
        let options = Options {
            memory: self.memory,
            factr: self.factr,
            pgtol: self.pgtol,
            max_iterations: self.max_iterations,
            max_evaluations: self.max_evaluations,
            stall_restarts: self.stall_restarts,
            // Gradients of an f32 network carry f32 information; half the
            // history's bytes are worth more than their last digits.
            history: match oracle.options().0 {
                Kind::Double => Precision::F64,
                _ => Precision::F32,
            },
            ..Options::default()
        };
        let batch = Batch::new(&problem.start, &problem.lower, &problem.upper, n, &options)?;
        let mut batch = batch.with_units(&problem.scale)?;
        let mut found = Found {
            d: Tensor::zeros([num_rows as i64, n as i64], (Kind::Double, Device::Cpu)),
            iterations: vec![0; num_rows],
            evaluations: vec![0; num_rows],
            status: vec![RowStatus::NonFinite; num_rows],
        };
        let mut best = vec![0.0; num_rows * n];
        let (mut points, mut values, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
        while batch.num_active() > 0 {
            let rows = batch.active_rows().to_vec();
            batch.points_into(&mut points);
            problem.evaluate(oracle, &rows, &mut points, &mut values, &mut gradients);
            for finished in batch.advance(&values, &gradients)? {
                let row = finished.row;
                best[row * n..(row + 1) * n].copy_from_slice(&finished.solution.x);
                found.iterations[row] = finished.solution.iterations;
                found.evaluations[row] = finished.solution.evaluations;
                found.status[row] = row_status(finished.solution.status);
            }
        }
        for (row, d) in best.chunks_exact_mut(n).enumerate() {
            problem.move_into_ball(oracle.radius()[row], d);
        }
        found.d = Tensor::from_slice(&best).reshape([num_rows as i64, n as i64]);
        Ok(found)
    }
}

fn row_status(status: Status) -> RowStatus {
    match status {
        Status::ConvergedGradient => RowStatus::ConvergedGradient,
        Status::ConvergedObjective => RowStatus::ConvergedObjective,
        Status::MaxIterations => RowStatus::MaxIterations,
        Status::MaxEvaluations => RowStatus::MaxEvaluations,
        Status::NonFinite => RowStatus::NonFinite,
        _ => RowStatus::LineSearchFailed,
    }
}

/// The bounded problem that the optimizer sees.
struct Problem {
    ball: Ball,
    ball_mode: BallMode,
    start: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Divergences reach 10⁹; each row is handed over in units of its value
    /// without attack, so that the first step is of a sensible length. The
    /// optimizer knows the units and stops where it would stop without them.
    scale: Vec<f64>,
}

impl Problem {
    fn new(search: &Lbfgs, oracle: &mut Oracle<'_>, start: &Tensor) -> Self {
        let n = oracle.num_pixels();
        let ball = oracle.constraint().ball;
        let (low, high) = oracle.pixel_range();
        let x = to_f64_vec(oracle.x());
        let mut lower: Vec<f64> = x.iter().map(|v| low - v).collect();
        let mut upper: Vec<f64> = x.iter().map(|v| high - v).collect();
        if ball == Ball::LInf {
            for (row, radius) in oracle.radius().iter().enumerate() {
                let entries = row * n..(row + 1) * n;
                lower[entries.clone()]
                    .iter_mut()
                    .for_each(|v| *v = v.max(-radius));
                upper[entries].iter_mut().for_each(|v| *v = v.min(*radius));
            }
        }
        let rows = oracle.row_index(&(0..oracle.num_rows()).collect::<Vec<_>>());
        let clean = to_f64_vec(&oracle.divergence_value(&rows, &oracle.x().zeros_like()));
        // A row whose clean value is not finite keeps its own units and ends
        // with its own status.
        let unit = |v: &f64| {
            if v.is_finite() {
                1.0 / v.abs().max(1.0)
            } else {
                1.0
            }
        };
        let scale = clean.iter().map(unit).collect();
        let start = to_f64_vec(start);
        Self {
            ball,
            ball_mode: search.ball_mode,
            start,
            lower,
            upper,
            scale,
        }
    }

    /// Fills values and gradients of the scaled objective at `points`, which
    /// are moved into the ball on the way.
    fn evaluate(
        &self,
        oracle: &mut Oracle<'_>,
        rows: &[usize],
        points: &mut [f64],
        values: &mut Vec<f64>,
        gradients: &mut Vec<f64>,
    ) {
        let n = oracle.num_pixels();
        let radius = oracle.radius();
        let original_norms: Vec<Option<f64>> = rows
            .par_iter()
            .zip(points.par_chunks_exact_mut(n))
            .map(|(&row, d)| self.move_into_ball(radius[row], d))
            .collect();
        let d = to_device(points, oracle.options()).reshape([rows.len() as i64, n as i64]);
        let (divergence, gradient) = oracle.divergence(&oracle.row_index(rows), &d);
        *values = to_f64_vec(&divergence);
        let network = Gradient::new(&gradient);
        gradients.resize(points.len(), 0.0);
        let (penalty, lambda) = (oracle.constraint().penalty, oracle.lambda());
        let each = values.par_iter_mut().zip(rows).zip(original_norms);
        each.zip(points.par_chunks_exact(n))
            .zip(gradients.par_chunks_exact_mut(n))
            .enumerate()
            .for_each(|(i, ((((value, &row), original), d), g))| {
                network.widen(i * n, g);
                *value += add_penalty(penalty, lambda[row], d, g);
                if let Some(original) = original {
                    through_ball(d, original, g);
                }
                *value *= self.scale[row];
                g.iter_mut().for_each(|v| *v *= self.scale[row]);
            });
    }

    /// Moves `d` into the L2 ball and returns its norm before, if it moved.
    fn move_into_ball(&self, radius: f64, d: &mut [f64]) -> Option<f64> {
        if self.ball != Ball::L2 {
            return None;
        }
        let norm = d.iter().map(|v| v * v).sum::<f64>().sqrt();
        let inside = norm <= radius && self.ball_mode == BallMode::Clip;
        if inside || norm == 0.0 {
            return None;
        }
        d.iter_mut().for_each(|v| *v *= radius / norm);
        Some(norm)
    }
}

/// Chain rule through d ↦ radius · d/‖d‖: the radial part of the gradient
/// vanishes and the rest shrinks by radius/‖d‖.
///
/// `d` is the moved point, `original` the norm before the move.
fn through_ball(d: &[f64], original: f64, gradient: &mut [f64]) {
    let squared: f64 = d.iter().map(|v| v * v).sum();
    if squared == 0.0 {
        // A ball of radius zero: the value does not depend on the point.
        gradient.fill(0.0);
        return;
    }
    let radial = d
        .iter()
        .zip(gradient.iter())
        .map(|(a, b)| a * b)
        .sum::<f64>()
        / squared;
    let shrink = squared.sqrt() / original;
    for (g, v) in gradient.iter_mut().zip(d) {
        *g = (*g - radial * v) * shrink;
    }
}

/// A gradient of the network on the host, in the network's own kind: widening
/// it is part of the pass that adds the penalty.
enum Gradient {
    Float(Vec<f32>),
    Double(Vec<f64>),
}

impl Gradient {
    fn new(tensor: &Tensor) -> Self {
        if tensor.kind() != Kind::Float {
            return Self::Double(to_f64_vec(tensor));
        }
        let flat = tensor.detach().to_device(Device::Cpu).reshape(-1_i64);
        let values = Vec::try_from(flat);
        Self::Float(values.expect("invariant: a flat f32 tensor on the host"))
    }

    /// The entries from `start` on, as many as `out` takes.
    fn widen(&self, start: usize, out: &mut [f64]) {
        let range = start..start + out.len();
        match self {
            Self::Float(values) => out
                .iter_mut()
                .zip(&values[range])
                .for_each(|(out, &value)| *out = f64::from(value)),
            Self::Double(values) => out.copy_from_slice(&values[range]),
        }
    }
}

/// The points in the network's kind on its device. Narrowing happens before the
/// copy, by all threads.
fn to_device(points: &[f64], (kind, device): (Kind, Device)) -> Tensor {
    if kind != Kind::Float {
        return Tensor::from_slice(points).to_kind(kind).to_device(device);
    }
    let narrow: Vec<f32> = points.par_iter().map(|&v| v as f32).collect();
    Tensor::from_slice(&narrow).to_device(device)
}
