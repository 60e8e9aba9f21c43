//! p-values of two goodness-of-fit tests.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Fewest expected counts in a cell of a chi-square test; the usual rule.
const MIN_EXPECTED: f64 = 5.0;

/// Probability that the empirical distribution of `count` draws differs from a continuous one by
/// more than `distance` somewhere.
///
/// # Formula
/// ```text
/// 2 Σⱼ (−1)^(j−1) exp(−2 j² n d²)
/// ```
///
/// # References
/// Kolmogorov's limit law, an upper bound on the tail for finite n up to rounding of the first
/// term (Massart 1990).
pub fn kolmogorov_p_value(distance: f64, count: f64) -> f64 {
    let exponent = -2.0 * count * distance * distance;
    // The alternating sum converges slowly near zero distance, where the answer is one.
    if exponent > -0.1 {
        return 1.0;
    }
    let terms = (1..=100).map(|j: i32| {
        let sign = if j % 2 == 1 { 1.0 } else { -1.0 };
        sign * (exponent * f64::from(j * j)).exp()
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}

/// p-value of Pearson's chi-square test of counts against probabilities. Cells that expect fewer
/// than five draws are merged, together with the mass that no cell has.
///
/// # Panics
/// If the lengths differ or fewer than two cells are left.
pub fn chi_square_p_value(counts: &[f64], probabilities: &[f64]) -> f64 {
    assert_eq!(
        counts.len(),
        probabilities.len(),
        "one probability per cell"
    );
    let total: f64 = counts.iter().sum();
    let mut statistic = 0.0;
    let mut cells = 0;
    let (mut rest_count, mut rest_expected) = (0.0, 0.0);
    for (&count, &probability) in counts.iter().zip(probabilities) {
        let expected = probability * total;
        if expected < MIN_EXPECTED {
            rest_count += count;
            rest_expected += expected;
        } else {
            statistic += (count - expected).powi(2) / expected;
            cells += 1;
        }
    }
    if rest_expected >= MIN_EXPECTED {
        statistic += (rest_count - rest_expected).powi(2) / rest_expected;
        cells += 1;
    }
    assert!(
        cells >= 2,
        "a chi-square test needs two cells with enough expected draws"
    );
    let freedom = f64::from(cells - 1);
    ChiSquared::new(freedom)
        .expect("invariant: at least one degree of freedom")
        .sf(statistic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables print three to four digits.
    const TABLE_DIGITS: f64 = 2e-3;

    #[test]
    fn kolmogorov_matches_the_table() {
        // 1.358/√n is the usual 5 % point and 1.628/√n the 1 % point.
        let n = 10_000.0_f64;
        assert!((kolmogorov_p_value(1.358 / n.sqrt(), n) - 0.05).abs() < TABLE_DIGITS);
        assert!((kolmogorov_p_value(1.628 / n.sqrt(), n) - 0.01).abs() < TABLE_DIGITS);
        assert!((kolmogorov_p_value(0.0, n) - 1.0).abs() < TABLE_DIGITS);
    }

    #[test]
    fn chi_square_merges_small_cells() {
        // Statistic (10² + 10²)/50 = 4 with one degree of freedom: p = 0.0455.
        let p = chi_square_p_value(&[60.0, 40.0, 0.0], &[0.5, 0.5, 0.0]);
        assert!((p - 0.0455).abs() < TABLE_DIGITS);
        assert!(chi_square_p_value(&[90.0, 10.0], &[0.5, 0.5]) < 1e-10);
    }
}
