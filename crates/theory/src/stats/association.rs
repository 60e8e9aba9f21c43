//! Correlation of two columns and the least squares line through them.
//!
//! Not for multiple regression.

use serde::{Deserialize, Serialize};

use super::location::raw_mean;
use crate::error::{Result, TheoryError, check_same_len, check_sample};

/// Least squares line y = intercept + slope · x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearFit {
    /// Slope.
    pub slope: f64,
    /// Value at x = 0.
    pub intercept: f64,
    /// Share of the variance of y that the line explains; 1 when y is constant.
    pub r_squared: f64,
    /// Standard error of the slope, with n − 2 degrees of freedom; 0 for two points.
    pub slope_standard_error: f64,
    /// √(residual sum of squares / (n − 2)); 0 for two points.
    pub residual_standard_error: f64,
}

/// Pearson's correlation coefficient.
///
/// # Errors
/// When the columns differ in length, hold fewer than two values, are not finite, or one is
/// constant ([`TheoryError::ZeroVariance`]).
pub fn pearson(xs: &[f64], ys: &[f64]) -> Result<f64> {
    const OP: &str = "pearson";
    check_pair(OP, xs, ys)?;
    let moments = Moments::of(xs, ys);
    moments.check_spread(OP, true)?;
    Ok((moments.xy / (moments.xx.sqrt() * moments.yy.sqrt())).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation, ties at their mean rank.
///
/// # Errors
/// As for [`pearson`].
pub fn spearman(xs: &[f64], ys: &[f64]) -> Result<f64> {
    const OP: &str = "spearman";
    check_pair(OP, xs, ys)?;
    let moments = Moments::of(&ranks(xs), &ranks(ys));
    moments.check_spread(OP, true)?;
    Ok((moments.xy / (moments.xx.sqrt() * moments.yy.sqrt())).clamp(-1.0, 1.0))
}

/// Ordinary least squares line.
///
/// # Errors
/// When the columns differ in length, hold fewer than two values, are not finite, or x is
/// constant.
pub fn linear_fit(xs: &[f64], ys: &[f64]) -> Result<LinearFit> {
    const OP: &str = "linear_fit";
    check_pair(OP, xs, ys)?;
    let moments = Moments::of(xs, ys);
    moments.check_spread(OP, false)?;
    let slope = moments.xy / moments.xx;
    let intercept = moments.mean_y - slope * moments.mean_x;
    let residual: f64 = xs
        .iter()
        .zip(ys)
        .map(|(x, y)| (y - moments.mean_y - slope * (x - moments.mean_x)).powi(2))
        .sum();
    let r_squared = if moments.yy > 0.0 {
        1.0 - residual / moments.yy
    } else {
        1.0
    };
    // Two points leave no degree of freedom and no residual.
    let variance = if xs.len() > 2 {
        residual / (xs.len() - 2) as f64
    } else {
        0.0
    };
    Ok(LinearFit {
        slope,
        intercept,
        r_squared,
        slope_standard_error: (variance / moments.xx).sqrt(),
        residual_standard_error: variance.sqrt(),
    })
}

/// Centered second moments of a pair of columns.
struct Moments {
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Moments {
    fn of(xs: &[f64], ys: &[f64]) -> Self {
        let (mean_x, mean_y) = (raw_mean(xs), raw_mean(ys));
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for (x, y) in xs.iter().zip(ys) {
            let (dx, dy) = (x - mean_x, y - mean_y);
            xx += dx * dx;
            yy += dy * dy;
            xy += dx * dy;
        }
        // A constant column may leave rounding noise behind the mean; call it what it is.
        let constant = |zs: &[f64]| zs.iter().all(|z| z == &zs[0]);
        Self {
            mean_x,
            mean_y,
            xx: if constant(xs) { 0.0 } else { xx },
            yy: if constant(ys) { 0.0 } else { yy },
            xy,
        }
    }

    fn check_spread(&self, op: &'static str, both: bool) -> Result<()> {
        if self.xx == 0.0 {
            return Err(TheoryError::ZeroVariance { op, name: "xs" });
        }
        if both && self.yy == 0.0 {
            return Err(TheoryError::ZeroVariance { op, name: "ys" });
        }
        Ok(())
    }
}

fn check_pair(op: &'static str, xs: &[f64], ys: &[f64]) -> Result<()> {
    check_sample(op, "xs", xs, 2)?;
    check_sample(op, "ys", ys, 2)?;
    check_same_len(op, "ys", xs.len(), ys.len())
}

/// Ranks from 1, ties at their mean.
fn ranks(xs: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..xs.len()).collect();
    order.sort_by(|&i, &j| xs[i].total_cmp(&xs[j]));
    let mut ranks = vec![0.0; xs.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && xs[order[end]] == xs[order[start]] {
            end += 1;
        }
        let shared = 0.5 * (start + 1 + end) as f64;
        for &i in &order[start..end] {
            ranks[i] = shared;
        }
        start = end;
    }
    ranks
}
