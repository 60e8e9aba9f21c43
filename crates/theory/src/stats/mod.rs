//! Estimates with their uncertainty: proportions, quantiles, means, correlations, a line.
//!
//! For: everything that turns samples into a number and an interval. Distribution-free limits
//! (Clopper-Pearson, order statistics) carry certificates; the bootstrap and t intervals are for
//! figures and tables. Not for hypothesis tests beyond what an interval says.

mod association;
mod location;
mod order;
mod proportion;

use serde::{Deserialize, Serialize};

pub use association::{LinearFit, linear_fit, pearson, spearman};
pub use location::{bootstrap_mean_ci, geometric_mean, mean, standard_deviation, t_interval};
pub(crate) use order::quantile_rank;
pub use order::{OrderRanks, median, order_statistic_interval, quantile};
pub use proportion::{Proportion, clopper_pearson, clopper_pearson_lower, clopper_pearson_upper};

/// Closed interval with the coverage it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end; may be −∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub lower: f64,
    /// Upper end; may be +∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub upper: f64,
    /// Nominal coverage 1 − α.
    pub level: f64,
}

impl Interval {
    /// Whether `x` lies in the closed interval.
    #[must_use]
    pub fn contains(&self, x: f64) -> bool {
        self.lower <= x && x <= self.upper
    }

    /// Length of the interval.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.upper - self.lower
    }
}

/// Point estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    #[serde(with = "vaegis_core::codec::float")]
    pub value: f64,
    /// Lower end of the interval; may be −∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub lower: f64,
    /// Upper end of the interval; may be +∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub upper: f64,
    /// Nominal coverage 1 − α.
    pub level: f64,
}

impl Estimate {
    /// The interval without the point.
    #[must_use]
    pub fn interval(&self) -> Interval {
        Interval {
            lower: self.lower,
            upper: self.upper,
            level: self.level,
        }
    }
}
