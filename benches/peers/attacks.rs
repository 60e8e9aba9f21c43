//! The grid of 10 pairs × 50 penalties of the latent KL attack: all rows at once, against SciPy's
//! L-BFGS-B around PyTorch, one attack after the other.

use crate::Setting;
use crate::parity::{self, Judge, TOLERANCE, excess};
use crate::python::{Python, hand_over, number, numbers, take_over};
use crate::record::{Part, Ratio, Table};
use crate::victim::{SEED, Victim};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;
use vaegis_attacks::grid::{NUM_LAMBDAS, lambda_grid};
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::{Attack, AttackOutcome, AttackRows, Objective, Search};
use vaegis_benches::flops;
use vaegis_core::seed::SeedTree;
use vaegis_tensor::{Kind, Noise, Tensor};

const NUM_PAIRS: usize = 10;
/// The grid in strata of 5 neighboring penalties; the peer attacks the middle of each.
pub(crate) const STRATUM: usize = 5;
pub(crate) const NUM_STRATA: usize = NUM_LAMBDAS / STRATUM;
/// Evaluations of one attack, the same on both sides, and the only cap.
const MAX_EVALUATIONS: usize = 1500;
/// Pairs that the peer keeps, as the sources' attack codes do; ours keeps its default.
const PEER_MEMORY: usize = 25;
/// Pairs kept by ours in a full run, beside its default, to show what that choice does.
const MEMORIES: [usize; 5] = [8, 10, 15, 20, 25];
/// Goal for the speed of the whole grid.
const TARGET: f64 = 15.0;
/// Largest relative difference of both sides' objective at one point: f32 through three layers.
const SAME_OBJECTIVE: f64 = 1e-4;

/// One attack of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) pair: usize,
    pub(crate) penalty: usize,
}

impl Cell {
    /// Row of the grid; neighbors differ in the penalty.
    pub(crate) fn row(self) -> usize {
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
pub(crate) struct PeerRound {
    seconds: Vec<f64>,
    pub(crate) evaluations: Vec<f64>,
    pub(crate) messages: Vec<String>,
    pub(crate) distortion: Tensor,
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
            max_iterations: MAX_EVALUATIONS,
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
            "memory": PEER_MEMORY, "factr": search.factr, "pgtol": search.pgtol,
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
    let (mut parity, mut control, mut peers) = (Vec::new(), Vec::new(), Vec::new());
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
        parity.extend(judge.compare(&bench.lambdas, cells, &outcome, &peer)?);
        let values = |peer: &PeerRound| judge.of_cells(&bench.lambdas, cells, &peer.distortion);
        control.extend(values(&again).into_iter().zip(values(&peer)));
        peers.push((cells, peer));
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
            "The peer runs fastest with {} thread(s), {:.0} µs per evaluation of short attacks, \
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
    let mut tables = parity::tables(&mut parity, &mut notes);
    if !setting.quick {
        tables.push(memories(&mut bench, &judge, &peers)?);
    }
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
            "Latent KL with λ‖d‖₂ in the pixel box by L-BFGS-B (factr 10, pgtol 1e-5, at most \
             {MAX_EVALUATIONS} evaluations; ours keeps m = {}, the peer m = {PEER_MEMORY}), f32 \
             network, f64 distortion.",
            Lbfgs::default().memory
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

/// Relative difference of both sides' objective at one point.
fn check_objective(python: &mut Python, judge: &Judge) -> Result<f64> {
    let request = json!({"op": "value", "pair": 0, "penalty": 3.0});
    let theirs = number(&python.ask(&request)?, "value")?;
    let d = Tensor::full([1, 784], 1e-2, (Kind::Double, vaegis_tensor::Device::Cpu));
    let ours = judge.objective(&[0], &[3.0], &d)[0];
    let difference = (ours - theirs).abs() / ours.abs();
    ensure!(
        difference < SAME_OBJECTIVE,
        "the two sides do not compute the same objective: {ours} and {theirs}"
    );
    Ok(difference)
}

/// What the number of stored pairs does to time and results, against the same peer's rows.
fn memories(bench: &mut Bench, judge: &Judge, peers: &[(&Vec<Cell>, PeerRound)]) -> Result<Table> {
    let default = Lbfgs::default().memory;
    let mut all = MEMORIES.to_vec();
    all.push(default);
    all.sort_unstable();
    let mut rows = Vec::new();
    for memory in all {
        let Search::Lbfgs(search) = &mut bench.attack.search else {
            unreachable!("the search was chosen above");
        };
        search.memory = memory;
        let (seconds, outcome) = bench.ours()?;
        let mut comparisons = Vec::new();
        for (cells, peer) in peers {
            comparisons.extend(judge.compare(&bench.lambdas, cells, &outcome, peer)?);
        }
        let (no_worse, mean) = parity::tally(&comparisons);
        rows.push(vec![
            format!(
                "{memory}{}",
                if memory == default { " (default)" } else { "" }
            ),
            format!("{seconds:.2} s"),
            outcome.evaluations.iter().sum::<usize>().to_string(),
            format!("{no_worse}/{}", comparisons.len()),
            format!("{mean:.3}"),
        ]);
    }
    Ok(Table {
        title: "Pairs that ours keeps".to_owned(),
        columns: ["m", "our grid", "evaluations", "no worse", "geometric mean"]
            .map(str::to_owned)
            .to_vec(),
        rows,
    })
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
}
