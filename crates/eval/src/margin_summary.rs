//! Margins of many inputs in a few numbers, and how they relate to a bound.
//!
//! For: dataset-level r-robustness. Not for single inputs ([`crate::margin`]) nor for intervals
//! over seeds.

use crate::EvalError;
use serde::{Deserialize, Serialize};
use vaegis_theory::bisection::{MarginEstimate, MarginStatus};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::stats::{linear_fit, mean, median, pearson, quantile, spearman};

/// Margins over a data set.
///
/// The numbers are those of the brackets' lower ends, where an input at the cap counts with the
/// cap: its margin may be infinite, and a mean of infinities says nothing. The shares say how many
/// inputs that concerns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MarginSummary {
    /// Inputs.
    pub num_inputs: usize,
    /// Dataset-level R: the mean.
    pub mean: f64,
    /// The smallest.
    pub minimum: f64,
    /// First quartile.
    pub lower_quartile: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub upper_quartile: f64,
    /// Share that withstood the cap: their margin is only known to exceed it.
    pub share_at_cap: f64,
    /// Share that is not robust without any perturbation: margin 0 by definition.
    pub share_not_robust: f64,
    /// Share that is robust unperturbed and at no radius tested: a bracket that begins at 0.
    pub share_bracketed_at_zero: f64,
    /// Share whose search did not end.
    pub share_unresolved: f64,
    /// What the numbers are worth: they come from attacks.
    pub evidence: Evidence,
}

impl MarginSummary {
    /// Summary over margins.
    ///
    /// # Formula
    /// ```text
    /// R = E_x[ R(x) ],  R(x) at the cap counted as the cap
    /// ```
    ///
    /// # Errors
    /// No margins.
    ///
    /// # References
    /// Overall robustness R of the thesis, below its equation 6.3.
    pub fn of<'a>(
        margins: impl IntoIterator<Item = &'a MarginEstimate>,
    ) -> Result<Self, EvalError> {
        let margins: Vec<&MarginEstimate> = margins.into_iter().collect();
        let values: Vec<f64> = margins.iter().map(|m| m.value).collect();
        let share = |is: fn(MarginStatus) -> bool| {
            margins.iter().filter(|m| is(m.status)).count() as f64 / margins.len() as f64
        };
        Ok(Self {
            num_inputs: margins.len(),
            mean: mean(&values)?,
            minimum: quantile(&values, 0.0)?,
            lower_quartile: quantile(&values, 0.25)?,
            median: median(&values)?,
            upper_quartile: quantile(&values, 0.75)?,
            share_at_cap: share(|s| s == MarginStatus::AtCap),
            share_not_robust: share(|s| s == MarginStatus::NotRobustUnperturbed),
            share_bracketed_at_zero: share(
                |s| matches!(s, MarginStatus::Bracketed { lower, .. } if lower == 0.0),
            ),
            share_unresolved: share(|s| s == MarginStatus::Unresolved),
            evidence: Evidence::Empirical,
        })
    }
}

/// A first-order bound beside the margins of the same inputs of one network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BoundRelation {
    /// Inputs with a positive and finite bound; only they are compared.
    pub num_pairs: usize,
    /// Inputs whose whole bracket lies below the bound: refutations of it where both are of the
    /// same definition (bounds are of V1).
    pub num_below: usize,
    /// Pearson's correlation; none where a column is constant or there is one pair.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation; none as above.
    pub spearman: Option<f64>,
    /// Slope of the least squares line of the margin on the bound; none for a constant bound.
    pub slope: Option<f64>,
    /// Its intercept.
    pub intercept: Option<f64>,
}

impl BoundRelation {
    /// Compares each bound with its margin's bracket.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (f64, &'a MarginEstimate)>) -> Self {
        let pairs: Vec<(f64, &MarginEstimate)> = pairs
            .into_iter()
            .filter(|(bound, _)| bound.is_finite() && *bound > 0.0)
            .collect();
        let (bounds, values): (Vec<f64>, Vec<f64>) =
            pairs.iter().map(|(b, m)| (*b, m.value)).unzip();
        let line = linear_fit(&bounds, &values).ok();
        Self {
            num_pairs: pairs.len(),
            num_below: pairs.iter().filter(|(b, m)| m.upper < *b).count(),
            pearson: pearson(&bounds, &values).ok(),
            spearman: spearman(&bounds, &values).ok(),
            slope: line.map(|line| line.slope),
            intercept: line.map(|line| line.intercept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(status: MarginStatus) -> MarginEstimate {
        let (value, upper) = match status {
            MarginStatus::NotRobustUnperturbed => (0.0, 0.0),
            MarginStatus::AtCap => (12.0, f64::INFINITY),
            MarginStatus::Bracketed { lower, upper } => (lower, upper),
            MarginStatus::Unresolved => (3.0, 6.0),
        };
        MarginEstimate {
            status,
            value,
            upper,
            num_tests: 5,
        }
    }

    fn bracket(lower: f64) -> MarginEstimate {
        estimate(MarginStatus::Bracketed {
            lower,
            upper: lower + 0.5,
        })
    }

    #[test]
    fn every_status_has_its_share_and_zeros_are_told_apart() {
        let margins = [
            estimate(MarginStatus::AtCap),
            estimate(MarginStatus::NotRobustUnperturbed),
            estimate(MarginStatus::NotRobustUnperturbed),
            estimate(MarginStatus::NotRobustUnperturbed),
            bracket(0.0),
            bracket(0.0),
            bracket(1.0),
            bracket(4.0),
            estimate(MarginStatus::Unresolved),
            bracket(2.0),
        ];
        let summary = MarginSummary::of(&margins).expect("margins");
        // Sorted: 0 0 0 0 0 1 2 3 4 12.
        let expected = MarginSummary {
            num_inputs: 10,
            mean: 2.2,
            minimum: 0.0,
            lower_quartile: 0.0,
            median: 0.5,
            upper_quartile: 2.75,
            share_at_cap: 0.1,
            share_not_robust: 0.3,
            share_bracketed_at_zero: 0.2,
            share_unresolved: 0.1,
            evidence: Evidence::Empirical,
        };
        assert_eq!(summary, expected);
        let text = serde_json::to_string(&summary).expect("JSON");
        let back: MarginSummary = serde_json::from_str(&text).expect("comes back");
        assert_eq!(back, summary);
        assert!(
            text.contains(r#""evidence":{"kind":"empirical"}"#),
            "{text}"
        );
        assert!(MarginSummary::of(&[]).is_err());
    }

    #[test]
    fn the_smallest_margin_is_found_without_zeros() {
        let summary = MarginSummary::of(&[bracket(2.0), bracket(1.5)]).expect("margins");
        assert_eq!(summary.minimum, 1.5);
        assert_eq!(
            summary.share_bracketed_at_zero + summary.share_not_robust,
            0.0
        );
    }

    #[test]
    fn bounds_are_compared_with_whole_brackets() {
        let margins = [bracket(1.0), bracket(3.0), bracket(5.0), bracket(9.0)];
        let bounds = [0.5, 1.5, 2.5, f64::INFINITY];
        let relation = BoundRelation::of(bounds.into_iter().zip(&margins));
        // Margin = 2 · bound on the three pairs with a finite bound.
        assert_eq!((relation.num_pairs, relation.num_below), (3, 0));
        let close =
            |found: Option<f64>, expected: f64| (found.expect("a value") - expected).abs() < 1e-12;
        assert!(close(relation.slope, 2.0) && close(relation.intercept, 0.0));
        assert!(close(relation.pearson, 1.0) && close(relation.spearman, 1.0));
        // A bound inside the bracket refutes nothing, one above it does.
        let [inside, above] = [1.25, 1.75].map(|b| BoundRelation::of([(b, &margins[0])]));
        assert_eq!((inside.num_below, above.num_below), (0, 1));
        assert_eq!((inside.pearson, inside.slope), (None, None));
    }
}
