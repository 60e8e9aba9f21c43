//! Projected gradient descent with a normalized step that decays linearly.

use super::descent::{Descent, steepest};
use super::{Found, positive, within};
use crate::oracle::Oracle;
use crate::{AttackError, Ball};
use serde::{Deserialize, Serialize};
use vaegis_tensor::Tensor;

/// Options of projected gradient descent.
///
/// # Formula
/// ```text
/// d ← Π( d − radius · (decay · (1 − t/steps) + floor) · g/‖g‖ ),  t = 0 … steps−1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pgd {
    /// Number of steps.
    pub steps: usize,
    /// Part of the step that decays, as a fraction of the radius.
    pub decay: f64,
    /// Part of the step that stays, as a fraction of the radius.
    pub floor: f64,
    /// Stretch every step to exactly the radius (L2 ball only).
    pub scale: bool,
}

impl Default for Pgd {
    fn default() -> Self {
        Self {
            steps: 60,
            decay: 0.3,
            floor: 0.02,
            scale: false,
        }
    }
}

impl Pgd {
    pub(super) fn check(&self) -> Result<(), AttackError> {
        positive("search.steps", self.steps as f64)?;
        // A negative part turns the steps uphill, early or late.
        let part = "a fraction of the radius that is not negative";
        within("search.decay", self.decay, part, |v| v >= 0.0)?;
        within("search.floor", self.floor, part, |v| v >= 0.0)?;
        positive("search.decay + search.floor", self.decay + self.floor)
    }

    pub(super) fn run(&self, oracle: &mut Oracle<'_>, start: &Tensor) -> Found {
        let mut descent = Descent::new(oracle);
        let ball = oracle.constraint().ball;
        let mut d = descent.start(oracle, start);
        for step in 0..self.steps {
            let (_, gradient) = descent.evaluate(oracle, &d);
            let progress = step as f64 / self.steps as f64;
            let size = &descent.radius * (self.decay * (1.0 - progress) + self.floor);
            d = &d - size * steepest(ball, &gradient);
            if self.scale && ball == Ball::L2 {
                let norm = d.square().sum_dim_intlist(1, true, None).sqrt();
                d = &d * (&descent.radius / norm.clamp_min(1e-12));
            }
            d = descent.project(oracle, &d);
        }
        let _ = descent.evaluate(oracle, &d);
        descent.finish(self.steps)
    }
}
