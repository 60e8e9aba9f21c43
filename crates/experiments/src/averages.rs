//! Averages that tables and claims show: NaN, which no claim accepts, where there is none.

use vaegis_theory::stats;

/// Arithmetic mean; NaN of no values and where one is not finite.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    stats::mean(&values).unwrap_or(f64::NAN)
}

/// Median; NaN of no values and where one is not finite.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    stats::median(&values).unwrap_or(f64::NAN)
}
