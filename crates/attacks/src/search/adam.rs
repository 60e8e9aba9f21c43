//! Adam on the (penalized) objective with projection after every step: the
//! fallback of the attack codes that the sources follow.

use super::descent::Descent;
use super::{Found, positive, within};
use crate::AttackError;
use crate::oracle::Oracle;
use serde::{Deserialize, Serialize};
use vaegis_tensor::Tensor;

/// Options of the Adam search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdamSearch {
    /// Number of steps.
    pub steps: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
}

impl Default for AdamSearch {
    fn default() -> Self {
        Self {
            steps: 3000,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
        }
    }
}

impl AdamSearch {
    pub(super) fn check(&self) -> Result<(), AttackError> {
        positive("search.steps", self.steps as f64)?;
        positive("search.learning-rate", self.learning_rate)?;
        // At 1 a moment stays at zero and its correction divides by zero.
        let decay = "a decay from 0 to below 1";
        within("search.beta1", self.beta1, decay, |b| {
            (0.0..1.0).contains(&b)
        })?;
        within("search.beta2", self.beta2, decay, |b| {
            (0.0..1.0).contains(&b)
        })
    }

    pub(super) fn run(&self, oracle: &mut Oracle<'_>, start: &Tensor) -> Found {
        let mut descent = Descent::new(oracle);
        let mut d = descent.start(oracle, start);
        let (mut first, mut second) = (d.zeros_like(), d.zeros_like());
        for step in 1..=self.steps {
            let (_, gradient) = descent.evaluate(oracle, &d);
            first = first * self.beta1 + &gradient * (1.0 - self.beta1);
            second = second * self.beta2 + gradient.square() * (1.0 - self.beta2);
            let exponent = i32::try_from(step).unwrap_or(i32::MAX);
            let first_hat = &first / (1.0 - self.beta1.powi(exponent));
            let second_hat = &second / (1.0 - self.beta2.powi(exponent));
            let moved = &d - first_hat / (second_hat.sqrt() + 1e-8) * self.learning_rate;
            d = descent.project(oracle, &moved);
        }
        let _ = descent.evaluate(oracle, &d);
        descent.finish(self.steps)
    }
}
