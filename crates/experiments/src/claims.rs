//! Verdicts over seeds.
//!
//! A claim is judged on one number per seed. With three seeds the 95 % interval
//! is wide (Student's t with two degrees of freedom), so "inconclusive" is a
//! common and honest verdict.

use vaegis_report::{Claim, ClaimResult, Verdict};
use vaegis_theory::stats::{Estimate, t_interval};

/// Level of all intervals.
pub const LEVEL: f64 = 0.95;

/// The mean over seeds with its t interval. A single value has no interval.
pub fn over_seeds(values: &[f64]) -> Estimate {
    t_interval(values, LEVEL).unwrap_or_else(|_| {
        let value = values.iter().sum::<f64>() / values.len().max(1) as f64;
        Estimate {
            value,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
            level: LEVEL,
        }
    })
}

/// Judges "the quantity is above `threshold`": it holds when the interval over
/// seeds lies above, fails when it lies below.
///
pub fn above(claim: Claim, per_seed: &[(u64, f64)], threshold: f64, what: &str) -> ClaimResult {
    let values: Vec<f64> = per_seed.iter().map(|(_, v)| *v).collect();
    let estimate = over_seeds(&values);
    let verdict = if !values.iter().all(|v| v.is_finite()) {
        Verdict::Inconclusive
    } else if estimate.lower > threshold {
        Verdict::Holds
    } else if estimate.upper < threshold {
        Verdict::Fails
    } else {
        Verdict::Inconclusive
    };
    let observed = format!(
        "{what}: mean {:.4} over {} seeds",
        estimate.value,
        values.len()
    );
    let result = ClaimResult::new(claim, verdict, &observed).with_seeds(per_seed.to_vec());
    if estimate.lower.is_finite() {
        result.with_interval(estimate.lower, estimate.upper, LEVEL)
    } else {
        result
    }
}

/// Judges "there is no exception": it fails with the first one.
pub fn never(claim: Claim, exceptions: usize, cases: usize, what: &str) -> ClaimResult {
    let verdict = match (exceptions, cases) {
        (_, 0) => Verdict::NotRun,
        (0, _) => Verdict::Holds,
        _ => Verdict::Fails,
    };
    ClaimResult::new(claim, verdict, &format!("{exceptions} of {cases} {what}"))
}

/// Judges "there is a case": it holds with the first one, and a search that finds none decides
/// nothing.
pub fn ever(claim: Claim, found: usize, cases: usize, what: &str) -> ClaimResult {
    let verdict = match (found, cases) {
        (_, 0) => Verdict::NotRun,
        (0, _) => Verdict::Inconclusive,
        _ => Verdict::Holds,
    };
    ClaimResult::new(claim, verdict, &format!("{found} of {cases} {what}"))
}

/// The smallest of some numbers; NaN if one is.
pub(crate) fn smallest(values: impl IntoIterator<Item = f64>) -> f64 {
    let values = values.into_iter();
    values.fold(f64::INFINITY, |a, b| {
        if a.is_nan() || b.is_nan() {
            f64::NAN
        } else {
            a.min(b)
        }
    })
}

/// How many claims hold, fail and stay open, in words for the top of a report.
pub(crate) fn tally(claims: &[ClaimResult]) -> String {
    let count = |verdict: Verdict| claims.iter().filter(|c| c.verdict == verdict).count();
    format!(
        "Of {} claims, {} hold here, {} fail, {} cannot be decided with these seeds. Intervals are \
         95 % Student t intervals over seeds, of each claim alone: about one verdict in forty is \
         expected to be wrong by chance. Seeds differ in training and noise and share the test \
         images, so the intervals say nothing of other images.",
        claims.len(),
        count(Verdict::Holds),
        count(Verdict::Fails),
        count(Verdict::Inconclusive),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim::new("c", "statement", "source", "predicate")
    }

    #[test]
    fn verdicts_need_the_whole_interval() {
        let judge = |values: &[f64]| {
            let seeds: Vec<(u64, f64)> = values.iter().map(|v| (0, *v)).collect();
            above(claim(), &seeds, 0.0, "x").verdict
        };
        assert_eq!(judge(&[1.0, 1.1, 0.9]), Verdict::Holds);
        assert_eq!(judge(&[-1.0, -1.1, -0.9]), Verdict::Fails);
        // Positive mean, but three seeds do not rule out zero.
        assert_eq!(judge(&[0.1, 2.0, 0.2]), Verdict::Inconclusive);
        assert_eq!(judge(&[5.0]), Verdict::Inconclusive);
        assert_eq!(judge(&[1.0, f64::NAN, 1.0]), Verdict::Inconclusive);
    }

    #[test]
    fn one_exception_is_enough() {
        assert_eq!(never(claim(), 0, 75, "pairs").verdict, Verdict::Holds);
        assert_eq!(never(claim(), 1, 75, "pairs").verdict, Verdict::Fails);
        assert_eq!(never(claim(), 0, 0, "pairs").verdict, Verdict::NotRun);
        assert_eq!(ever(claim(), 1, 75, "pairs").verdict, Verdict::Holds);
        assert_eq!(ever(claim(), 0, 75, "pairs").verdict, Verdict::Inconclusive);
        assert_eq!(ever(claim(), 0, 0, "pairs").verdict, Verdict::NotRun);
    }
}
