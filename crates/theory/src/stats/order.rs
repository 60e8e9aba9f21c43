//! Sample quantiles and distribution-free intervals for population quantiles.
//!
//! Not for smoothed or parametric quantile estimates.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check_open_unit, check_sample, invalid};
use crate::special::{binomial_cdf, binomial_sf};

/// Ranks (1-based) of the order statistics that enclose a population quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRanks {
    /// Rank of the lower limit; 0 when the sample is too small to have one.
    pub lower: usize,
    /// Rank of the upper limit; n + 1 when the sample is too small to have one.
    pub upper: usize,
}

/// Sample quantile with linear interpolation between order statistics (NumPy's default).
///
/// # Formula
/// ```text
/// h = q (n − 1);   x₍⌊h⌋₎ + (h − ⌊h⌋)(x₍⌊h⌋+1₎ − x₍⌊h⌋₎),  zero-based
/// ```
///
/// # Errors
/// When the sample is empty or not finite, or `q` is outside [0, 1].
pub fn quantile(xs: &[f64], q: f64) -> Result<f64> {
    check_sample("quantile", "xs", xs, 1)?;
    if !(0.0..=1.0).contains(&q) {
        return Err(invalid("quantile", "q", "in [0, 1]", q));
    }
    let mut sorted = xs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(interpolate(&sorted, q))
}

/// Sample median, the mean of the two middle values for an even count.
///
/// # Errors
/// When the sample is empty or not finite.
pub fn median(xs: &[f64]) -> Result<f64> {
    quantile(xs, 0.5)
}

/// Ranks l < u with P(X₍ₗ₎ ≤ Q_m ≤ X₍ᵤ₎) ≥ 1 − α, whatever the distribution.
///
/// # Formula
/// ```text
/// B ~ Bin(n, m);  l = max{l : P(B ≤ l−1) ≤ α/2},  u = min{u : P(B ≥ u) ≤ α/2}
/// ```
///
/// # Errors
/// When n = 0, or `m` or `alpha` is not in (0, 1).
pub fn order_statistic_interval(n: usize, m: f64, alpha: f64) -> Result<OrderRanks> {
    const OP: &str = "order_statistic_interval";
    if n == 0 {
        return Err(invalid(OP, "n", "at least 1", n));
    }
    check_open_unit(OP, "m", m)?;
    check_open_unit(OP, "alpha", alpha)?;
    let trials = n as u64;
    // P(B ≤ l−1) grows with l and holds at l = 0 where it is zero.
    let first_bad = first_true(1, n + 1, |l| {
        binomial_cdf(l as u64 - 1, trials, m) > 0.5 * alpha
    });
    // P(B ≥ u) falls with u and holds at u = n + 1 where it is zero.
    let upper = first_true(1, n + 1, |u| {
        binomial_sf(u as u64 - 1, trials, m) <= 0.5 * alpha
    });
    Ok(OrderRanks {
        lower: first_bad - 1,
        upper,
    })
}

/// Rank (1-based) ⌈m n⌉ of the order statistic that estimates the m-quantile.
pub(crate) fn quantile_rank(n: usize, m: f64) -> usize {
    // m is a decimal such as 0.55, whose product with n may land just above an integer.
    let exact = m * n as f64;
    ((exact * (1.0 - 4.0 * f64::EPSILON)).ceil() as usize).clamp(1, n)
}

/// Quantile of an ascending, non-empty sample.
pub(crate) fn interpolate(sorted: &[f64], q: f64) -> f64 {
    let h = q * (sorted.len() - 1) as f64;
    let below = h.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (h - below as f64) * (sorted[above] - sorted[below])
}

/// First integer in `lo..hi` where a monotone predicate is true, or `hi`.
fn first_true(lo: usize, hi: usize, predicate: impl Fn(usize) -> bool) -> usize {
    let (mut lo, mut hi) = (lo, hi);
    while lo < hi {
        let middle = lo + (hi - lo) / 2;
        if predicate(middle) {
            hi = middle;
        } else {
            lo = middle + 1;
        }
    }
    lo
}
