//! Proportions and their exact (Clopper-Pearson) limits.
//!
//! The limits hold for every n and p, which is why certificates use them; they are conservative,
//! never anti-conservative. Not for sequential testing: n must be fixed before sampling.

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::error::{Result, check_open_unit, invalid};
use crate::special::{beta_inc, beta_inc_upper, last_false_first_true};

/// Count of successes in a fixed number of independent trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proportion {
    num_successes: u64,
    num_trials: u64,
}

impl Proportion {
    /// Proportion of `num_successes` in `num_trials`.
    ///
    /// # Errors
    /// When there is no trial, or more successes than trials.
    pub fn new(num_successes: u64, num_trials: u64) -> Result<Self> {
        check_counts("Proportion::new", num_successes, num_trials)?;
        Ok(Self {
            num_successes,
            num_trials,
        })
    }

    /// Share of distances that are at most `r`, the estimate p̂ of P(‖Δ‖ ≤ r).
    ///
    /// # Errors
    /// When there is no distance, or one is NaN.
    ///
    /// # References
    /// Definition (6.2); the closed inequality matters where the decoder is locally constant.
    pub fn of(distances: &[f64], r: f64) -> Result<Self> {
        if r.is_nan() || distances.iter().any(|d| d.is_nan()) {
            return Err(invalid("Proportion::of", "distances", "free of NaN", "NaN"));
        }
        let num_inside = distances.iter().filter(|&&d| d <= r).count();
        Self::new(num_inside as u64, distances.len() as u64)
    }

    /// Successes.
    #[must_use]
    pub fn num_successes(&self) -> u64 {
        self.num_successes
    }

    /// Trials.
    #[must_use]
    pub fn num_trials(&self) -> u64 {
        self.num_trials
    }

    /// Maximum-likelihood estimate p̂.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.num_successes as f64 / self.num_trials as f64
    }

    /// Standard error √(p̂(1−p̂)/N) of the estimate.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        let p = self.value();
        (p * (1.0 - p) / self.num_trials as f64).sqrt()
    }

    /// One-sided lower Clopper-Pearson limit at confidence 1 − α.
    ///
    /// # Errors
    /// When `alpha` is not in (0, 1).
    pub fn lower(&self, alpha: f64) -> Result<f64> {
        clopper_pearson_lower(self.num_successes, self.num_trials, alpha)
    }

    /// One-sided upper Clopper-Pearson limit at confidence 1 − α.
    ///
    /// # Errors
    /// When `alpha` is not in (0, 1).
    pub fn upper(&self, alpha: f64) -> Result<f64> {
        clopper_pearson_upper(self.num_successes, self.num_trials, alpha)
    }

    /// Two-sided Clopper-Pearson interval at confidence 1 − α.
    ///
    /// # Errors
    /// When `alpha` is not in (0, 1).
    pub fn interval(&self, alpha: f64) -> Result<Interval> {
        clopper_pearson(self.num_successes, self.num_trials, alpha)
    }
}

/// One-sided lower limit: p is at least this with confidence 1 − α.
///
/// # Formula
/// ```text
/// k = 0: 0      k = n: α^(1/n)      else: the p with P(Bin(n, p) ≥ k) = α
/// ```
///
/// # Errors
/// When n = 0, k > n, or α is not in (0, 1).
///
/// # References
/// Clopper and Pearson (1934); Cohen et al. (2019) for the use in certificates.
pub fn clopper_pearson_lower(k: u64, n: u64, alpha: f64) -> Result<f64> {
    const OP: &str = "clopper_pearson_lower";
    check_counts(OP, k, n)?;
    check_open_unit(OP, "alpha", alpha)?;
    if k == 0 {
        return Ok(0.0);
    }
    if k == n {
        return Ok((alpha.ln() / n as f64).exp());
    }
    let (a, b) = (k as f64, (n - k) as f64 + 1.0);
    // The end that still satisfies the inequality, so rounding never raises the limit.
    Ok(last_false_first_true(0.0, 1.0, |p| beta_inc(a, b, p) > alpha).0)
}

/// One-sided upper limit: p is at most this with confidence 1 − α.
///
/// # Formula
/// ```text
/// k = n: 1      k = 0: 1 − α^(1/n)      else: the p with P(Bin(n, p) ≤ k) = α
/// ```
///
/// # Errors
/// When n = 0, k > n, or α is not in (0, 1).
pub fn clopper_pearson_upper(k: u64, n: u64, alpha: f64) -> Result<f64> {
    const OP: &str = "clopper_pearson_upper";
    check_counts(OP, k, n)?;
    check_open_unit(OP, "alpha", alpha)?;
    if k == n {
        return Ok(1.0);
    }
    if k == 0 {
        return Ok(-(alpha.ln() / n as f64).exp_m1());
    }
    let (a, b) = (k as f64 + 1.0, (n - k) as f64);
    Ok(last_false_first_true(0.0, 1.0, |p| beta_inc_upper(a, b, p) < alpha).1)
}

/// Two-sided interval with α/2 on each side.
///
/// # Errors
/// When n = 0, k > n, or α is not in (0, 1).
pub fn clopper_pearson(k: u64, n: u64, alpha: f64) -> Result<Interval> {
    check_open_unit("clopper_pearson", "alpha", alpha)?;
    let lower = clopper_pearson_lower(k, n, 0.5 * alpha)?;
    let upper = clopper_pearson_upper(k, n, 0.5 * alpha)?;
    Ok(Interval {
        lower,
        upper,
        level: 1.0 - alpha,
    })
}

fn check_counts(op: &'static str, k: u64, n: u64) -> Result<()> {
    if n == 0 {
        return Err(invalid(op, "num_trials", "at least 1", n));
    }
    if k > n {
        return Err(invalid(
            op,
            "num_successes",
            "at most num_trials",
            format!("{k} of {n}"),
        ));
    }
    Ok(())
}
