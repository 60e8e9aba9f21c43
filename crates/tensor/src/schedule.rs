//! Learning rates over time. A schedule is a pure function of the step, so it needs no saved
//! state; [`Plateau`] reacts to a metric and carries its own.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The learning rate as a function of the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Always the base rate.
    #[default]
    Constant,
    /// Half a cosine from the base rate down to `floor` times it.
    Cosine {
        /// Number of steps after which the floor is reached.
        total: u64,
        /// Final rate as a share of the base rate.
        #[serde(default)]
        floor: f64,
    },
    /// Linear growth to the base rate, which it then keeps.
    Warmup {
        /// Number of steps of growth.
        steps: u64,
    },
}

impl Schedule {
    /// The learning rate of step `step`, counted from 0.
    ///
    /// # Formula
    /// ```text
    /// cosine: η_t = η₀ (f + (1 − f) (1 + cos(π t / T)) / 2),  t ≤ T
    /// ```
    ///
    /// # References
    /// Loshchilov and Hutter (2017), equation 5, without restarts.
    pub fn lr(&self, base: f64, step: u64) -> f64 {
        match *self {
            Self::Constant => base,
            Self::Cosine { total, floor } => {
                let progress = step.min(total) as f64 / total.max(1) as f64;
                base * (floor + (1.0 - floor) * 0.5 * (1.0 + (PI * progress).cos()))
            }
            Self::Warmup { steps } => base * ((step + 1) as f64 / steps.max(1) as f64).min(1.0),
        }
    }
}

/// Constants of [`Plateau`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PlateauConfig {
    /// Factor of the rate at a plateau.
    pub factor: f64,
    /// Number of observations without improvement that are waited for.
    pub patience: u64,
    /// Relative improvement that counts.
    pub threshold: f64,
    /// The rate never falls below this.
    pub min_lr: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            min_lr: 0.0,
        }
    }
}

/// Lowers the learning rate when a metric stops falling.
///
/// The whole value is the state: save it and continue with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    config: PlateauConfig,
    lr: f64,
    /// None before the first observation.
    best: Option<f64>,
    bad: u64,
}

impl Plateau {
    /// Starts at the rate `lr`.
    pub fn new(lr: f64, config: PlateauConfig) -> Self {
        Self {
            config,
            lr,
            best: None,
            bad: 0,
        }
    }

    /// Takes one value of the metric (lower is better) and returns the rate from now on.
    ///
    /// A NaN never counts as an improvement.
    pub fn observe(&mut self, metric: f64) -> f64 {
        let improved = self.best.is_none_or(|best| {
            // The margin is relative to the size of the best value, also below zero.
            metric < best - self.config.threshold * best.abs()
        });
        if improved && !metric.is_nan() {
            (self.best, self.bad) = (Some(metric), 0);
        } else {
            self.bad += 1;
        }
        if self.bad > self.config.patience {
            self.lr = (self.lr * self.config.factor).max(self.config.min_lr);
            self.bad = 0;
        }
        self.lr
    }

    /// The current rate.
    pub fn lr(&self) -> f64 {
        self.lr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of one cosine and two products.
    const ROUNDING: f64 = 1e-15;

    #[test]
    fn cosine_runs_from_the_base_through_half_to_zero() {
        let schedule = Schedule::Cosine {
            total: 1000,
            floor: 0.0,
        };
        assert!((schedule.lr(1e-3, 0) - 1e-3).abs() < ROUNDING);
        assert!((schedule.lr(1e-3, 500) - 5e-4).abs() < ROUNDING);
        assert!(schedule.lr(1e-3, 1000).abs() < ROUNDING);
        assert!(
            schedule.lr(1e-3, 5000).abs() < ROUNDING,
            "it stays at the floor"
        );
        let rates: Vec<f64> = (0..=1000).map(|t| schedule.lr(1e-3, t)).collect();
        assert!(
            rates.windows(2).all(|w| w[1] < w[0]),
            "it falls at every step"
        );
    }

    #[test]
    fn floor_and_warmup_reach_their_ends() {
        let cosine = Schedule::Cosine {
            total: 10,
            floor: 0.25,
        };
        assert!((cosine.lr(2.0, 10) - 0.5).abs() < ROUNDING);
        let warmup = Schedule::Warmup { steps: 4 };
        let rates: Vec<f64> = (0..6).map(|t| warmup.lr(1.0, t)).collect();
        assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert!((Schedule::Constant.lr(0.3, 99) - 0.3).abs() < ROUNDING);
    }

    #[test]
    fn plateau_waits_then_lowers_then_waits_again() {
        let config = PlateauConfig {
            factor: 0.5,
            patience: 2,
            ..PlateauConfig::default()
        };
        let mut plateau = Plateau::new(1.0, config);
        let rates: Vec<f64> = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
            .iter()
            .map(|&m| plateau.observe(m))
            .collect();
        assert_eq!(rates, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn plateau_state_survives_json_and_nan_is_no_improvement() {
        let config = PlateauConfig {
            factor: 0.5,
            patience: 0,
            ..PlateauConfig::default()
        };
        let mut plateau = Plateau::new(1.0, config);
        plateau.observe(-5.0);
        let text = serde_json::to_string(&plateau).expect("serializes");
        let mut copy: Plateau = serde_json::from_str(&text).expect("round trip");
        assert_eq!(copy, plateau);
        assert_eq!(copy.observe(f64::NAN).to_bits(), 0.5_f64.to_bits());
        assert_eq!(
            plateau.observe(-5.1).to_bits(),
            1.0_f64.to_bits(),
            "an improvement below 0"
        );
    }
}
