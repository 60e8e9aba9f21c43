//! Numbers of groups of models that several figures show or judge.
//!
//! The sources average arithmetically over pairs, penalties and latents. Penalties reach 2²⁰,
//! where the attacker does nothing, so medians, geometric means and curves per penalty stand
//! beside.

use super::config::Group;
use super::measure::{AttackKind, Node};
use super::study::Set;
use crate::averages::mean;
use crate::claims::smallest;
use vaegis_attacks::record::AttackRecord;
use vaegis_theory::stats;

/// Penalties at which the norm costs so little that the attack is as good as free.
pub(crate) const FREE_LAMBDA: f64 = 1.0 / 1024.0;

/// How values over pairs, penalties and latents become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Average {
    /// The sources' choice.
    Mean,
    /// Half of the attacks are below.
    Median,
    /// Of positive values; values that are not count as the smallest positive one.
    Geometric,
}

impl Average {
    /// Of values; NaN of none.
    pub(crate) fn of(self, values: &[f64]) -> f64 {
        match self {
            Self::Mean => stats::mean(values),
            Self::Median => stats::median(values),
            Self::Geometric => {
                let floored: Vec<f64> = values.iter().map(|v| v.max(f64::MIN_POSITIVE)).collect();
                stats::geometric_mean(&floored)
            }
        }
        .unwrap_or(f64::NAN)
    }
}

/// What one model contributes to an average.
pub(crate) type Values<'a> = &'a dyn Fn(&Node) -> Vec<f64>;

/// A number of every attack of one kind on one model.
pub(crate) fn attacked(
    kind: AttackKind,
    pick: impl Fn(&AttackRecord) -> f64,
) -> impl Fn(&Node) -> Vec<f64> {
    attacked_where(kind, |_| true, pick)
}

/// A number of those attacks of one kind that pass a test.
pub(crate) fn attacked_where(
    kind: AttackKind,
    passes: impl Fn(&AttackRecord) -> bool,
    pick: impl Fn(&AttackRecord) -> f64,
) -> impl Fn(&Node) -> Vec<f64> {
    move |node| {
        let records = node.records(kind).iter();
        records.filter(|r| passes(r)).map(&pick).collect()
    }
}

impl Set {
    /// The values of all models of a group at one β; of one seed where it is given.
    pub(crate) fn pool(
        &self,
        group: Group,
        beta: f64,
        seed: Option<u64>,
        values: Values<'_>,
    ) -> Vec<f64> {
        let members = self.members(group, beta, seed);
        members.into_iter().flat_map(values).collect()
    }

    /// Their arithmetic mean, for one seed.
    pub(crate) fn average(&self, group: Group, beta: f64, seed: u64, values: Values<'_>) -> f64 {
        mean(self.pool(group, beta, Some(seed), values))
    }

    /// Share of the way from "no attack" to "perfect attack" in the mean likelihood of the target,
    /// over the attacks of one kind that pass a test. A quotient of means: single attacks between
    /// images that the model hardly tells apart divide by almost nothing.
    pub(crate) fn success(
        &self,
        (group, beta, seed): (Group, f64, u64),
        kind: AttackKind,
        passes: impl Fn(&AttackRecord) -> bool,
    ) -> f64 {
        let of = |pick: fn(&AttackRecord) -> f64| {
            self.average(group, beta, seed, &attacked_where(kind, &passes, pick))
        };
        let none = of(|r| r.nll_target_no_attack);
        (none - of(|r| r.nll_target)) / (none - of(|r| r.nll_target_perfect))
    }

    /// log₁₀ of how many times larger the mean is at one place than at another.
    pub(crate) fn decades(
        &self,
        (over, beta): (Group, f64),
        (under, below): (Group, f64),
        seed: u64,
        values: Values<'_>,
    ) -> f64 {
        let at = |group, beta| self.average(group, beta, seed, values);
        (at(over, beta) / at(under, below)).log10()
    }
}

/// Largest minus smallest; NaN if one is.
pub(crate) fn range(values: &[f64]) -> f64 {
    -smallest(values.iter().map(|v| -v)) - smallest(values.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_of_a_grid_with_one_failed_attack() {
        let values = [1.0, 10.0, 1e6];
        assert!(Average::Mean.of(&values) > 3e5);
        assert!((Average::Median.of(&values) - 10.0).abs() < 1e-12);
        assert!((Average::Geometric.of(&values) - 10f64.powf(7.0 / 3.0)).abs() < 1e-9);
        assert!(Average::Mean.of(&[]).is_nan());
    }

    #[test]
    fn a_missing_number_does_not_vanish() {
        assert!(smallest([1.0, f64::NAN, 0.5]).is_nan());
        assert!((range(&[1.0, -2.0, 3.0]) - 5.0).abs() < 1e-12);
    }
}
