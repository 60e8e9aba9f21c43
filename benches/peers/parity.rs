//! Final objectives of both sides on the same rows, judged by one network in f64.

use crate::attacks::{Cell, NUM_STRATA, PeerRound, STRATUM};
use crate::record::Table;
use crate::victim::Victim;
use anyhow::{Result, ensure};
use vaegis_attacks::AttackOutcome;
use vaegis_benches::fixtures;
use vaegis_benches::summary::Summary;
use vaegis_dist::KlTo as _;
use vaegis_nn::{LatentPath, Mode};
use vaegis_tensor::{Kind, Tensor, convert, no_grad};

/// Ours counts as no worse up to this share of the peer's objective.
pub(crate) const TOLERANCE: f64 = 0.005;
/// Goal for the share of rows that are no worse.
const PARITY: f64 = 0.95;
/// How many of the worst rows are listed.
const NUM_WORST: usize = 10;

/// Both solutions of one cell under the same f64 network.
pub(crate) struct Comparison {
    pub(crate) cell: Cell,
    lambda: f64,
    ours: f64,
    theirs: f64,
    evaluations: (usize, f64),
    ends: (String, String),
}

impl Comparison {
    /// How much worse ours is, relatively.
    pub(crate) fn excess(&self) -> f64 {
        excess(self.ours, self.theirs)
    }
}

/// How much larger a value is than another, relatively.
pub(crate) fn excess(value: f64, other: f64) -> f64 {
    (value - other) / other.abs().max(f64::MIN_POSITIVE)
}

/// The attacked network in f64, which judges both sides.
pub(crate) struct Judge {
    model: Box<dyn vaegis_zoo::Model>,
    x: Tensor,
    target: Tensor,
}

impl Judge {
    pub(crate) fn new(victim: &Victim) -> Result<Self> {
        let model = fixtures::fresh(&fixtures::mlp(), Kind::Double)?;
        model
            .store()
            .copy_from(&victim.model.store().named_tensors())?;
        Ok(Self {
            model,
            x: victim.x.to_kind(Kind::Double),
            target: victim.target.to_kind(Kind::Double),
        })
    }

    /// KL + λ‖d‖ for each row of `d`, `[n, 784]`.
    pub(crate) fn objective(&self, pairs: &[usize], lambdas: &[f64], d: &Tensor) -> Vec<f64> {
        let index: Vec<i64> = pairs.iter().map(|&pair| pair as i64).collect();
        let index = Tensor::from_slice(&index);
        no_grad(|| {
            let posterior = |x: &Tensor| {
                let mut posterior = self.model.posterior(x, LatentPath::Mean, Mode::Eval);
                posterior.layers.remove(0)
            };
            let attacked = self.x.index_select(0, &index) + d.reshape([-1, 1, 28, 28]);
            let target = posterior(&self.target.index_select(0, &index));
            let kl = posterior(&attacked).kl_to(&target);
            let norm = d.square().sum_dim_intlist(1, false, None).sqrt();
            convert::to_f64_vec(&(kl + norm * Tensor::from_slice(lambdas)))
        })
    }

    /// [`Judge::objective`] of these cells, one row of `d` each.
    pub(crate) fn of_cells(&self, lambdas: &[f64], cells: &[Cell], d: &Tensor) -> Vec<f64> {
        let pairs: Vec<usize> = cells.iter().map(|cell| cell.pair).collect();
        let prices: Vec<f64> = cells.iter().map(|c| lambdas[c.penalty]).collect();
        self.objective(&pairs, &prices, d)
    }

    pub(crate) fn compare(
        &self,
        lambdas: &[f64],
        cells: &[Cell],
        outcome: &AttackOutcome,
        peer: &PeerRound,
    ) -> Result<Vec<Comparison>> {
        let rows: Vec<i64> = cells.iter().map(|cell| cell.row() as i64).collect();
        let ours = outcome
            .distortion
            .index_select(0, &Tensor::from_slice(&rows));
        let ours = self.of_cells(lambdas, cells, &ours);
        let theirs = self.of_cells(lambdas, cells, &peer.distortion);
        ensure!(
            peer.messages.len() == cells.len(),
            "a message for each cell"
        );
        let each = cells.iter().enumerate();
        Ok(each
            .map(|(i, &cell)| Comparison {
                cell,
                lambda: lambdas[cell.penalty],
                ours: ours[i],
                theirs: theirs[i],
                evaluations: (outcome.evaluations[cell.row()], peer.evaluations[i]),
                ends: (
                    format!("{:?}", outcome.status[cell.row()]),
                    peer.messages[i].clone(),
                ),
            })
            .collect())
    }
}

/// The share of rows that are no worse, by penalty, and the worst ones.
pub(crate) fn tables(parity: &mut [Comparison], notes: &mut Vec<String>) -> Vec<Table> {
    let no_worse = |c: &&Comparison| c.excess() <= TOLERANCE;
    let (count, mean) = tally(parity);
    let share = count as f64 / parity.len() as f64;
    let better = parity.iter().filter(|c| c.excess() < -TOLERANCE).count();
    notes.push(format!(
        "Results: ours is at or below the peer's objective within {} % on {count} of {} rows \
         (goal {} %: {}), and more than that below on {better}; in the geometric mean it is \
         {mean:.3} times the peer's.",
        100.0 * TOLERANCE,
        parity.len(),
        100.0 * PARITY,
        if share >= PARITY { "reached" } else { "missed" }
    ));
    let mut by_penalty = Vec::new();
    for stratum in 0..NUM_STRATA {
        let penalty = stratum * STRATUM + STRATUM / 2;
        let rows: Vec<&Comparison> = parity
            .iter()
            .filter(|c| c.cell.penalty == penalty)
            .collect();
        let Some(first) = rows.first() else { continue };
        let excess: Vec<f64> = rows.iter().map(|c| c.excess()).collect();
        let mean = |f: &dyn Fn(&Comparison) -> f64| {
            rows.iter().map(|c| f(c)).sum::<f64>() / rows.len() as f64
        };
        by_penalty.push(vec![
            format!("{:.3e}", first.lambda),
            format!(
                "{}/{}",
                rows.iter().copied().filter(|c| no_worse(c)).count(),
                rows.len()
            ),
            format!("{:+.3} %", 100.0 * Summary::of(&excess).median),
            format!("{:+.3} %", 100.0 * Summary::of(&excess).max),
            format!("{:.0}", mean(&|c| c.evaluations.0 as f64)),
            format!("{:.0}", mean(&|c| c.evaluations.1)),
        ]);
    }
    parity.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
    let worst = parity.iter().take(NUM_WORST).map(|c| {
        vec![
            c.cell.pair.to_string(),
            format!("{:.3e}", c.lambda),
            format!("{:.6}", c.ours),
            format!("{:.6}", c.theirs),
            format!("{:+.3} %", 100.0 * c.excess()),
            format!("{} / {}", c.evaluations.0, c.evaluations.1),
            format!("{} / {}", c.ends.0, c.ends.1),
        ]
    });
    let columns = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    vec![
        Table {
            title: "Final objective by penalty".to_owned(),
            columns: columns(&[
                "λ",
                "no worse",
                "median excess",
                "largest excess",
                "our evaluations",
                "theirs",
            ]),
            rows: by_penalty,
        },
        Table {
            title: "Rows in which ours is worst".to_owned(),
            columns: columns(&[
                "pair",
                "λ",
                "ours",
                "theirs",
                "excess",
                "evaluations",
                "ends",
            ]),
            rows: worst.collect(),
        },
    ]
}

/// Rows of ours that are no worse than the peer's, and the geometric mean of the ratios.
pub(crate) fn tally(comparisons: &[Comparison]) -> (usize, f64) {
    let no_worse = comparisons.iter().filter(|c| c.excess() <= TOLERANCE);
    let log_ratio: f64 = comparisons.iter().map(|c| (c.ours / c.theirs).ln()).sum();
    (
        no_worse.count(),
        (log_ratio / comparisons.len() as f64).exp(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excess_is_relative_to_the_peer() {
        let comparison = Comparison {
            cell: Cell {
                pair: 0,
                penalty: 2,
            },
            lambda: 1.0,
            ours: 2.2,
            theirs: 2.0,
            evaluations: (1, 1.0),
            ends: (String::new(), String::new()),
        };
        assert!((comparison.excess() - 0.1).abs() < 1e-12);
    }
}
