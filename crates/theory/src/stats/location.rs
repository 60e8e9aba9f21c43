//! Means, spreads and intervals for a mean.
//!
//! Not for medians and other quantiles (see `order`).

use rand::RngExt;
use rayon::prelude::*;
use vaegis_core::seed::SeedTree;

use super::Estimate;
use super::order::interpolate;
use crate::error::{Result, check_open_unit, check_sample, invalid};
use crate::special::student_t_quantile;

/// Resamples that share one random stream; fixed, so that results do not depend on threads.
const RESAMPLES_PER_STREAM: usize = 256;

/// Arithmetic mean.
///
/// # Errors
/// When the sample is empty or not finite.
pub fn mean(xs: &[f64]) -> Result<f64> {
    check_sample("mean", "xs", xs, 1)?;
    Ok(raw_mean(xs))
}

/// Sample standard deviation with divisor n − 1.
///
/// # Errors
/// When there are fewer than two values or one is not finite.
pub fn standard_deviation(xs: &[f64]) -> Result<f64> {
    check_sample("standard_deviation", "xs", xs, 2)?;
    let center = raw_mean(xs);
    let squares: f64 = xs.iter().map(|x| (x - center).powi(2)).sum();
    Ok((squares / (xs.len() - 1) as f64).sqrt())
}

/// Geometric mean, by the mean of logarithms.
///
/// # Errors
/// When the sample is empty or an entry is not finite and positive.
pub fn geometric_mean(xs: &[f64]) -> Result<f64> {
    check_sample("geometric_mean", "xs", xs, 1)?;
    if let Some(x) = xs.iter().find(|&&x| x <= 0.0) {
        return Err(invalid("geometric_mean", "xs", "positive everywhere", x));
    }
    let logs: f64 = xs.iter().map(|x| x.ln()).sum();
    Ok((logs / xs.len() as f64).exp())
}

/// Mean with Student's t interval, for a handful of seeds.
///
/// # Formula
/// ```text
/// x̄ ± t(n−1; (1+level)/2) s/√n
/// ```
///
/// # Errors
/// When there are fewer than two values, one is not finite, or `level` is not in (0, 1).
pub fn t_interval(xs: &[f64], level: f64) -> Result<Estimate> {
    check_sample("t_interval", "xs", xs, 2)?;
    check_open_unit("t_interval", "level", level)?;
    let value = raw_mean(xs);
    let n = xs.len() as f64;
    let half = student_t_quantile(0.5 + 0.5 * level, n - 1.0) * standard_deviation(xs)? / n.sqrt();
    Ok(Estimate {
        value,
        lower: value - half,
        upper: value + half,
        level,
    })
}

/// Mean with the percentile bootstrap interval, reproducible from the seed alone.
///
/// The interval is approximate: with fewer than about 20 values it is too short.
///
/// # Errors
/// When the sample is empty or not finite, `level` is not in (0, 1), or no resample is asked for.
pub fn bootstrap_mean_ci(
    xs: &[f64],
    level: f64,
    num_resamples: usize,
    seed: &SeedTree,
) -> Result<Estimate> {
    const OP: &str = "bootstrap_mean_ci";
    check_sample(OP, "xs", xs, 1)?;
    check_open_unit(OP, "level", level)?;
    if num_resamples == 0 {
        return Err(invalid(OP, "num_resamples", "at least 1", num_resamples));
    }
    let mut means = vec![0.0; num_resamples];
    means
        .par_chunks_mut(RESAMPLES_PER_STREAM)
        .enumerate()
        .for_each(|(stream, chunk)| {
            let mut rng = seed.index(stream as u64).rng();
            for slot in chunk {
                let sum: f64 = (0..xs.len())
                    .map(|_| xs[rng.random_range(0..xs.len())])
                    .sum();
                *slot = sum / xs.len() as f64;
            }
        });
    means.sort_unstable_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - level);
    let (lower, upper) = (interpolate(&means, tail), interpolate(&means, 1.0 - tail));
    Ok(Estimate {
        value: raw_mean(xs),
        lower,
        upper,
        level,
    })
}

pub(super) fn raw_mean(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}
