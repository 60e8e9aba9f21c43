//! Projected gradient descent with momentum whose step is halved, row by row,
//! where progress stalls (the rule of Auto-PGD, Croce and Hein 2020, section 3).

use super::descent::{Descent, steepest};
use super::{Found, positive, within};
use crate::AttackError;
use crate::oracle::Oracle;
use serde::{Deserialize, Serialize};
use vaegis_tensor::Tensor;

/// Options of the Auto-PGD rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Apgd {
    /// Number of steps.
    pub steps: usize,
    /// Share of steps in a period that must improve the objective.
    pub rho: f64,
    /// First step as a multiple of the radius.
    pub first_step: f64,
    /// Weight of the new direction against the previous move.
    pub momentum: f64,
}

impl Default for Apgd {
    fn default() -> Self {
        Self {
            steps: 100,
            rho: 0.75,
            first_step: 2.0,
            momentum: 0.75,
        }
    }
}

impl Apgd {
    pub(super) fn check(&self) -> Result<(), AttackError> {
        positive("search.steps", self.steps as f64)?;
        // No step improves less than none or more than all of a period.
        let share = "a share between 0 and 1";
        within("search.rho", self.rho, share, |rho| rho > 0.0 && rho < 1.0)?;
        positive("search.first-step", self.first_step)?;
        positive("search.momentum", self.momentum)
    }

    /// Steps after which the step size is reconsidered: periods shrink from
    /// 22 % of the budget by 3 % each, to no less than 6 %.
    fn checkpoints(&self) -> Vec<usize> {
        let fraction = |f: f64| ((f * self.steps as f64).ceil() as usize).max(1);
        let (mut at, mut period, mut points) = (0, 0.22_f64, Vec::new());
        while at < self.steps {
            at += fraction(period);
            points.push(at);
            period = (period - 0.03).max(0.06);
        }
        points
    }

    pub(super) fn run(&self, oracle: &mut Oracle<'_>, start: &Tensor) -> Found {
        let mut descent = Descent::new(oracle);
        let ball = oracle.constraint().ball;
        let mut size = &descent.radius * self.first_step;
        let mut d = descent.start(oracle, start);
        let (mut value, mut gradient) = descent.evaluate(oracle, &d);
        let mut previous = d.shallow_clone();
        let mut improved = value.zeros_like();
        let mut best_before = descent.best_value().shallow_clone();
        let mut halved_before = value.zeros_like();
        let (mut checkpoints, mut last) = (self.checkpoints().into_iter().peekable(), 0);
        for step in 1..=self.steps {
            let target = descent.project(oracle, &(&d - &size * steepest(ball, &gradient)));
            // The first move has no predecessor.
            let weight = if step == 1 { 1.0 } else { self.momentum };
            let moved = &d + (target - &d) * weight + (&d - &previous) * (1.0 - weight);
            previous = d;
            d = descent.project(oracle, &moved);
            let (next_value, next_gradient) = descent.evaluate(oracle, &d);
            improved += next_value.lt_tensor(&value).to_kind(improved.kind());
            (value, gradient) = (next_value, next_gradient);
            if checkpoints.peek() == Some(&step) {
                let period = (step - last) as f64;
                (last, _) = (step, checkpoints.next());
                let stalled = improved.lt(self.rho * period);
                let no_gain = descent.best_value().ge_tensor(&best_before);
                let kept_step = halved_before.eq(0.0);
                let halve = stalled
                    .logical_or(&kept_step.logical_and(&no_gain))
                    .unsqueeze(1);
                size = (&size * 0.5).where_self(&halve, &size);
                // A row that halves its step goes on from its best point.
                d = descent.best().where_self(&halve, &d);
                previous = d.where_self(&halve, &previous);
                (value, gradient) = descent.evaluate(oracle, &d);
                halved_before = halve.squeeze_dim(1).to_kind(improved.kind());
                best_before = descent.best_value().shallow_clone();
                improved = improved.zeros_like();
            }
        }
        descent.finish(self.steps)
    }
}
