//! Medians of measurements that alternated between two sides.

use serde::{Deserialize, Serialize};

/// The middle and the ends of some measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Smallest.
    pub min: f64,
    /// Middle; the mean of the two middle ones for an even count.
    pub median: f64,
    /// Largest.
    pub max: f64,
    /// How many.
    pub count: usize,
}

impl Summary {
    /// Of at least one value.
    ///
    /// # Panics
    /// If there is no value.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        assert!(count > 0, "a summary of nothing");
        let median = 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]);
        Self {
            min: sorted[0],
            median,
            max: sorted[count - 1],
            count,
        }
    }

    /// Of the quotients `theirs / ours`, round by round: how many times faster ours is.
    ///
    /// Each round's two measurements lie next to each other in time, so that whatever else the
    /// machine does falls on both.
    ///
    /// # Panics
    /// If the lengths differ or there is no round.
    pub fn of_ratios(theirs: &[f64], ours: &[f64]) -> Self {
        assert_eq!(theirs.len(), ours.len(), "rounds have two sides");
        let ratios: Vec<f64> = theirs.iter().zip(ours).map(|(t, o)| t / o).collect();
        Self::of(&ratios)
    }

    /// All three numbers times `factor`, which is positive.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            min: self.min * factor,
            median: self.median * factor,
            max: self.max * factor,
            count: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_in_any_order() {
        let odd = Summary::of(&[3.0, 1.0, 2.0]);
        assert_eq!(
            (odd.min, odd.median, odd.max, odd.count),
            (1.0, 2.0, 3.0, 3)
        );
        let even = Summary::of(&[4.0, 1.0, 2.0, 8.0]);
        assert_eq!((even.min, even.median, even.max), (1.0, 3.0, 8.0));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The second round ran on a machine ten times slower: the ratio does not care.
        let ratios = Summary::of_ratios(&[6.0, 60.0, 9.0], &[2.0, 20.0, 3.0]);
        assert_eq!((ratios.min, ratios.median, ratios.max), (3.0, 3.0, 3.0));
        assert_eq!(ratios.scaled(2.0).median, 6.0);
    }

    #[test]
    #[should_panic(expected = "a summary of nothing")]
    fn nothing_has_no_median() {
        let _ = Summary::of(&[]);
    }
}
