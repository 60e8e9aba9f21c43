//! What the first-order searches share: projection and the best point of each row.

use super::Found;
use crate::RowStatus;
use crate::constraint::project;
use crate::oracle::Oracle;
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Tensor};

/// State of a first-order search over all rows.
pub(super) struct Descent {
    pub(super) rows: Tensor,
    /// Radius of each row, `[N, 1]`.
    pub(super) radius: Tensor,
    best: Tensor,
    best_value: Tensor,
    evaluations: usize,
    /// Whether every evaluation has noise of its own.
    fresh: bool,
}

impl Descent {
    pub(super) fn new(oracle: &Oracle<'_>) -> Self {
        let num_rows = oracle.num_rows();
        let (kind, device) = oracle.options();
        let radius = Tensor::from_slice(oracle.radius())
            .to_kind(kind)
            .to_device(device);
        Self {
            rows: oracle.row_index(&(0..num_rows).collect::<Vec<_>>()),
            radius: radius.unsqueeze(1),
            best: oracle.x().zeros_like(),
            best_value: Tensor::full([num_rows as i64], f64::INFINITY, (kind, device)),
            evaluations: 0,
            fresh: oracle.is_fresh(),
        }
    }

    /// `d` inside the box and the ball.
    pub(super) fn project(&self, oracle: &Oracle<'_>, d: &Tensor) -> Tensor {
        project(
            oracle.constraint().ball,
            oracle.pixel_range(),
            d,
            oracle.x(),
            &self.radius,
        )
    }

    /// The start in the network's kind and device, projected.
    pub(super) fn start(&self, oracle: &Oracle<'_>, start: &Tensor) -> Tensor {
        let (kind, device) = oracle.options();
        self.project(oracle, &start.to_kind(kind).to_device(device))
    }

    /// Value and gradient at `d`, remembering rows that improved. Gradients of
    /// rows that are not finite are zeroed, which leaves the row where it is.
    pub(super) fn evaluate(&mut self, oracle: &mut Oracle<'_>, d: &Tensor) -> (Tensor, Tensor) {
        let evaluation = oracle.evaluate(&self.rows, d);
        self.evaluations += 1;
        self.remember(d, &evaluation.value);
        (
            evaluation.value,
            evaluation.gradient.nan_to_num(0.0, 0.0, 0.0),
        )
    }

    /// Value alone at `d`, remembering rows that improved.
    pub(super) fn try_point(&mut self, oracle: &mut Oracle<'_>, d: &Tensor) {
        let value = oracle.divergence_value(&self.rows, d);
        self.evaluations += 1;
        self.remember(d, &value);
    }

    /// Keeps `d` where `value` is the lowest so far. NaN never is. Under fresh
    /// noise the lowest value is the luckiest draw, so the last finite point is
    /// kept instead.
    fn remember(&mut self, d: &Tensor, value: &Tensor) {
        let better = if self.fresh {
            value.isfinite()
        } else {
            value.lt_tensor(&self.best_value)
        };
        self.best_value = value.where_self(&better, &self.best_value);
        self.best = d.where_self(&better.unsqueeze(1), &self.best);
    }

    /// Best point of each row, `[N, D]`.
    pub(super) fn best(&self) -> &Tensor {
        &self.best
    }

    pub(super) fn best_value(&self) -> &Tensor {
        &self.best_value
    }

    pub(super) fn finish(self, iterations: usize) -> Found {
        let finite: Vec<bool> = to_f64_vec(&self.best_value)
            .iter()
            .map(|v| v.is_finite())
            .collect();
        let status = |ok: &bool| {
            if *ok {
                RowStatus::BudgetUsed
            } else {
                RowStatus::NonFinite
            }
        };
        Found {
            d: self.best.to_kind(Kind::Double).to_device(Device::Cpu),
            iterations: vec![iterations; finite.len()],
            evaluations: vec![self.evaluations; finite.len()],
            status: finite.iter().map(status).collect(),
        }
    }
}

/// Each row divided by its norm; rows of zeros stay zero.
pub(super) fn normalized(gradient: &Tensor) -> Tensor {
    let norm = gradient.square().sum_dim_intlist(1, true, None).sqrt();
    gradient / norm.clamp_min(1e-12)
}

/// A direction of steepest descent for the ball: the unit gradient for L2 (and
/// no ball), the sign for L∞.
pub(super) fn steepest(ball: crate::Ball, gradient: &Tensor) -> Tensor {
    match ball {
        crate::Ball::LInf => gradient.sign(),
        _ => normalized(gradient),
    }
}
