//! The grid of 10 pairs × 50 penalties of the latent KL attack: all rows at once, against SciPy's
//! L-BFGS-B around PyTorch, one attack after the other.

use crate::Setting;
use crate::python::{Python, hand_over, number, numbers, take_over};
use crate::record::{Part, Ratio, Table};
use crate::victim::{SEED, Victim};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;
use vaegis_attacks::grid::{NUM_LAMBDAS, lambda_grid};
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::{Attack, AttackOutcome, AttackRows, Objective, Search};
use vaegis_benches::summary::Summary;
use vaegis_benches::{fixtures, flops};
use vaegis_core::seed::SeedTree;
use vaegis_dist::KlTo as _;
use vaegis_nn::{LatentPath, Mode};
use vaegis_tensor::{Kind, Noise, Tensor, convert, no_grad};

const NUM_PAIRS: usize = 10;
/// The grid in strata of 5 neighboring penalties; the peer attacks the middle of each.
const STRATUM: usize = 5;
const NUM_STRATA: usize = NUM_LAMBDAS / STRATUM;
/// Evaluations of one attack, the same on both sides.
const MAX_EVALUATIONS: usize = 1500;
const MAX_ITERATIONS: usize = 1000;
/// Ours counts as no worse up to this share of the peer's objective.
const TOLERANCE: f64 = 0.005;
/// Goal for the speed of the whole grid.
const TARGET: f64 = 15.0;
/// Goal for the share of rows that are no worse.
const PARITY: f64 = 0.95;
/// How many of the worst rows are listed.
const NUM_WORST: usize = 10;
/// Largest relative difference of both sides' objective at one point: f32 through three layers.
const SAME_OBJECTIVE: f64 = 1e-4;

/// One attack of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    pair: usize,
    penalty: usize,
}

impl Cell {
    /// Row of the grid; neighbors differ in the penalty.
    fn row(self) -> usize {
        self.pair * NUM_LAMBDAS + self.penalty
    }
}

/// The cells that the peer attacks in each round: every stratum of the penalties equally often in
/// every round, each pair and stratum once over all rounds of a full run.
fn rounds(count: usize) -> Vec<Vec<Cell>> {
    const FULL: usize = 5;
    let cells = |round: usize| {
        (0..NUM_PAIRS).flat_map(move |pair| {
            (0..NUM_STRATA)
                .filter(move |stratum| (pair + stratum) % FULL == round)
                .map(move |stratum| Cell {
                    pair,
                    penalty: stratum * STRATUM + STRATUM / 2,
                })
        })
    };
    (0..count.min(FULL))
        .map(|round| cells(round).collect())
        .collect()
}

/// Seconds and evaluations of the peer's cells of one round, and what it found.
struct PeerRound {
    seconds: Vec<f64>,
    evaluations: Vec<f64>,
    messages: Vec<String>,
    distortion: Tensor,
}

struct Bench {
    victim: Victim,
    rows: AttackRows,
    attack: Attack,
    python: Python,
    lambdas: Vec<f64>,
    out: String,
}

impl Bench {
    fn new(setting: &Setting) -> Result<Self> {
        let victim = Victim::prepare(setting, NUM_PAIRS)?;
        let lambdas = lambda_grid(NUM_LAMBDAS);
        let grid = |images: &Tensor| images.repeat_interleave_self_int(NUM_LAMBDAS as i64, 0, None);
        let rows = AttackRows::targeted(
            grid(&victim.x),
            grid(&victim.target),
            lambdas.repeat(NUM_PAIRS),
        );
        let mut attack = Attack::penalized(Objective::LATENT_KL);
        attack.search = Search::Lbfgs(Lbfgs {
            max_evaluations: MAX_EVALUATIONS,
            max_iterations: MAX_ITERATIONS,
            ..Lbfgs::default()
        });
        let python = Python::start(setting, "attacks.py")?;
        let out = setting.exchange.path().join("attacks-out.safetensors");
        Ok(Self {
            victim,
            rows,
            attack,
            python,
            lambdas,
            out: out.display().to_string(),
        })
    }

    /// The whole grid, ours: seconds and outcome.
    fn ours(&self) -> Result<(f64, AttackOutcome)> {
        let noise = Noise::portable(SeedTree::new(SEED).child("attack"));
        let start = Instant::now();
        let outcome = self.attack.run(&*self.victim.model, &self.rows, &noise)?;
        Ok((start.elapsed().as_secs_f64(), outcome))
    }

    /// Some cells, theirs; the seed is that of the random starts.
    fn theirs(&mut self, cells: &[Cell], seed: u64) -> Result<PeerRound> {
        let Search::Lbfgs(search) = self.attack.search else {
            unreachable!("the search was chosen above");
        };
        let pairs: Vec<(usize, f64)> = cells
            .iter()
            .map(|cell| (cell.pair, self.lambdas[cell.penalty]))
            .collect();
        let reply = self.python.ask(&json!({
            "op": "attack", "cells": pairs, "out": self.out, "seed": seed,
            "memory": search.memory, "factr": search.factr, "pgtol": search.pgtol,
            "max_evaluations": search.max_evaluations, "max_iterations": search.max_iterations,
        }))?;
        let messages = reply["messages"].as_array().into_iter().flatten();
        Ok(PeerRound {
            seconds: numbers(&reply, "seconds")?,
            evaluations: numbers(&reply, "evaluations")?,
            messages: messages
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            distortion: take_over(&self.out, "d")?,
        })
    }
}

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let mut bench = Bench::new(setting)?;
    let victim = &bench.victim;
    let weights = victim.model.store().named_tensors();
    let weights = hand_over(setting, "attacks-weights.safetensors", &weights)?;
    let images = [
        ("x".to_owned(), victim.x.shallow_clone()),
        ("target".to_owned(), victim.target.shallow_clone()),
    ];
    let inputs = hand_over(setting, "attacks-inputs.safetensors", &images)?;
    let load = json!({"op": "load", "weights": weights, "inputs": inputs});
    let loaded = bench.python.ask(&load)?;
    let judge = Judge::new(victim)?;
    let agreement = check_objective(&mut bench.python, &judge)?;

    let schedule = rounds(if setting.quick { 2 } else { 5 });
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut ours_each, mut theirs_each) = (Vec::new(), Vec::new());
    let (mut parity, mut control) = (Vec::new(), Vec::new());
    // Threads start and memory is touched first.
    let small = bench.rows.select(&[2, 27]);
    let noise = Noise::portable(SeedTree::new(SEED));
    bench.attack.run(&*bench.victim.model, &small, &noise)?;
    let mut last = None;
    for cells in &schedule {
        let (seconds, outcome) = bench.ours()?;
        let peer = bench.theirs(cells, 0)?;
        let again = bench.theirs(cells, 1)?;
        let total: f64 = peer.seconds.iter().sum();
        let evaluations: usize = outcome.evaluations.iter().sum();
        let num_rows = bench.rows.len() as f64;
        eprintln!(
            "  grid: ours {seconds:.2} s, {evaluations} evaluations; peer {total:.2} s for {} cells, {} evaluations",
            cells.len(),
            peer.evaluations.iter().sum::<f64>()
        );
        ours.push(seconds / num_rows);
        theirs.push(total / cells.len() as f64);
        ours_each.push(seconds / evaluations as f64);
        theirs_each.push(total / peer.evaluations.iter().sum::<f64>());
        parity.extend(judge.compare(&bench, cells, &outcome, &peer)?);
        let values = |peer: &PeerRound| judge.of_cells(&bench, cells, &peer.distortion);
        control.extend(values(&again).into_iter().zip(values(&peer)));
        last = Some((seconds, evaluations, outcome));
    }
    let (seconds, evaluations, outcome) = last.expect("invariant: there is at least one round");

    let whole = Ratio::new(
        "grid of 10 pairs × 50 penalties, seconds per attack",
        "SciPy + PyTorch, one attack at a time",
        &ours,
        &theirs,
        Some(TARGET),
    );
    let each = Ratio::new(
        "the same, seconds per evaluation",
        "SciPy + PyTorch, one attack at a time",
        &ours_each,
        &theirs_each,
        None,
    );
    let floor = evaluations as f64 * flops::mlp_input_gradient(&[784, 400, 400, 40])
        / crate::machine::gemm_rate();
    let attacked: usize = schedule.iter().map(Vec::len).sum();
    let mut notes = vec![
        format!("Victim: {}.", bench.victim.about),
        format!(
            "The peer attacked {attacked} of the 500 cells (all pairs, the middle of each five \
             neighboring penalties); its time for the grid is 500 times the mean of these. \
             It took {:.1} s per grid so extrapolated, ours {:.2} s as measured.",
            500.0 * whole.theirs.median,
            500.0 * whole.ours.median
        ),
        format!(
            "An evaluation of the peer runs fastest with {} thread(s), {:.0} µs of network alone, \
             and gets them.",
            number(&loaded, "threads")?,
            1e6 * number(&loaded, "seconds_per_evaluation")?
        ),
        format!("Both sides' objective at one point agrees to {agreement:.1e} relatively."),
        format!(
            "Matrix products alone need {floor:.2} s for our {evaluations} evaluations; the last \
             grid took {seconds:.2} s: {:.0} % of the floor is reached.",
            100.0 * floor / seconds
        ),
        format!("Ends of our rows: {}.", count_ends(&outcome)),
    ];
    let tables = parity_tables(&mut parity, &mut notes);
    let matched = control
        .iter()
        .filter(|(again, first)| excess(*again, *first) <= TOLERANCE);
    notes.push(format!(
        "The peer against itself, from another random start below 1e-8: at or below its own \
         objective within {} % on {} of {} rows; that is how much of the above is chance.",
        100.0 * TOLERANCE,
        matched.count(),
        control.len()
    ));
    Ok(Part {
        name: "attacks",
        what: format!(
            "Latent KL with λ‖d‖₂ in the pixel box by L-BFGS-B (m = 25, factr 10, pgtol 1e-5, at \
             most {MAX_EVALUATIONS} evaluations), f32 network, f64 distortion."
        ),
        ratios: vec![whole, each],
        notes,
        tables,
    })
}

fn count_ends(outcome: &AttackOutcome) -> String {
    let mut ends = std::collections::BTreeMap::new();
    for status in &outcome.status {
        *ends.entry(format!("{status:?}")).or_insert(0) += 1;
    }
    let ends: Vec<String> = ends.iter().map(|(end, n)| format!("{n} {end}")).collect();
    ends.join(", ")
}

/// Both solutions of one cell under the same f64 network.
struct Comparison {
    cell: Cell,
    lambda: f64,
    ours: f64,
    theirs: f64,
    evaluations: (usize, f64),
    ends: (String, String),
}

impl Comparison {
    /// How much worse ours is, relatively.
    fn excess(&self) -> f64 {
        excess(self.ours, self.theirs)
    }
}

/// How much larger a value is than another, relatively.
fn excess(value: f64, other: f64) -> f64 {
    (value - other) / other.abs().max(f64::MIN_POSITIVE)
}

/// The attacked network in f64, which judges both sides.
struct Judge {
    model: Box<dyn vaegis_zoo::Model>,
    x: Tensor,
    target: Tensor,
}

impl Judge {
    fn new(victim: &Victim) -> Result<Self> {
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
    fn objective(&self, pairs: &[usize], lambdas: &[f64], d: &Tensor) -> Vec<f64> {
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
    fn of_cells(&self, bench: &Bench, cells: &[Cell], d: &Tensor) -> Vec<f64> {
        let pairs: Vec<usize> = cells.iter().map(|cell| cell.pair).collect();
        let lambdas: Vec<f64> = cells.iter().map(|c| bench.lambdas[c.penalty]).collect();
        self.objective(&pairs, &lambdas, d)
    }

    fn compare(
        &self,
        bench: &Bench,
        cells: &[Cell],
        outcome: &AttackOutcome,
        peer: &PeerRound,
    ) -> Result<Vec<Comparison>> {
        let rows: Vec<i64> = cells.iter().map(|cell| cell.row() as i64).collect();
        let ours = outcome
            .distortion
            .index_select(0, &Tensor::from_slice(&rows));
        let ours = self.of_cells(bench, cells, &ours);
        let theirs = self.of_cells(bench, cells, &peer.distortion);
        ensure!(
            peer.messages.len() == cells.len(),
            "a message for each cell"
        );
        let each = cells.iter().enumerate();
        Ok(each
            .map(|(i, &cell)| Comparison {
                cell,
                lambda: bench.lambdas[cell.penalty],
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

/// Relative difference of both sides' objective at one point.
fn check_objective(python: &mut Python, judge: &Judge) -> Result<f64> {
    let request = json!({"op": "value", "pair": 0, "penalty": 3.0});
    let theirs = number(&python.ask(&request)?, "value")?;
    let d = Tensor::full([1, 784], 1e-2, (Kind::Double, judge.x.device()));
    let ours = judge.objective(&[0], &[3.0], &d)[0];
    let difference = (ours - theirs).abs() / ours.abs();
    ensure!(
        difference < SAME_OBJECTIVE,
        "the two sides do not compute the same objective: {ours} and {theirs}"
    );
    Ok(difference)
}

/// The share of rows that are no worse, by penalty, and the worst ones.
fn parity_tables(parity: &mut [Comparison], notes: &mut Vec<String>) -> Vec<Table> {
    let no_worse = |c: &&Comparison| c.excess() <= TOLERANCE;
    let count = parity.iter().filter(no_worse).count();
    let share = count as f64 / parity.len() as f64;
    let better = parity.iter().filter(|c| c.excess() < -TOLERANCE).count();
    let log_ratio: f64 = parity.iter().map(|c| (c.ours / c.theirs).ln()).sum();
    let mean = (log_ratio / parity.len() as f64).exp();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_rounds_cover_every_pair_and_stratum_once() {
        let all: Vec<Cell> = rounds(5).concat();
        let distinct: BTreeSet<usize> = all.iter().map(|cell| cell.row()).collect();
        assert_eq!((all.len(), distinct.len()), (100, 100));
        for round in rounds(5) {
            for stratum in 0..NUM_STRATA {
                let count = round
                    .iter()
                    .filter(|c| c.penalty / STRATUM == stratum)
                    .count();
                assert_eq!(count, 2, "strata weigh the same in a round");
            }
        }
    }

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
