//! What L-BFGS-B costs by itself, per row and iteration, with the function's time taken out.

use crate::Setting;
use crate::python::{Python, number};
use crate::record::{Part, Ratio};
use anyhow::Result;
use serde_json::json;
use std::time::{Duration, Instant};
use vaegis_benches::optimizer_problem::{HALF_WIDTH, evaluate, start};
use vaegis_benches::summary::Summary;
use vaegis_lbfgsb::{Batch, Options, Precision};

const NUM_VARIABLES: usize = 784;
const NUM_ROWS: usize = 500;
const MEMORY: usize = 25;
/// Iterations of a row: the history is full for nearly all of them.
const MAX_ITERATIONS: usize = 150;
/// Rows that SciPy minimizes in its turn.
const PEER_ROWS: usize = 4;

/// Seconds per row and iteration of a batch, without the function, and the mean final value.
fn ours(history: Precision) -> Result<(f64, f64)> {
    let options = Options {
        memory: MEMORY,
        factr: 0.0,
        pgtol: 0.0,
        max_iterations: MAX_ITERATIONS,
        max_evaluations: usize::MAX,
        history,
        ..Options::default()
    };
    let x0: Vec<f64> = (0..NUM_ROWS * NUM_VARIABLES)
        .map(|k| start(k / NUM_VARIABLES, k % NUM_VARIABLES))
        .collect();
    let bounds = [HALF_WIDTH; NUM_VARIABLES];
    let begin = Instant::now();
    let mut inside = Duration::ZERO;
    let lower = bounds.map(|b| -b);
    let batch = Batch::new(&x0, &lower, &bounds, NUM_VARIABLES, &options)?;
    let solutions = batch.run(|_, points, values, gradients| {
        let begin = Instant::now();
        let rows = points
            .chunks_exact(NUM_VARIABLES)
            .zip(gradients.chunks_exact_mut(NUM_VARIABLES));
        for ((x, gradient), value) in rows.zip(values) {
            *value = evaluate(x, gradient);
        }
        inside += begin.elapsed();
    });
    let seconds = (begin.elapsed() - inside).as_secs_f64();
    let iterations: usize = solutions.iter().map(|s| s.iterations).sum();
    let value = solutions.iter().map(|s| s.value).sum::<f64>() / NUM_ROWS as f64;
    Ok((seconds / iterations as f64, value))
}

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let mut python = Python::start(setting, "optimizer.py")?;
    let mut ask = |round: usize| {
        python.ask(&json!({
            "first": round * PEER_ROWS, "rows": PEER_ROWS, "n": NUM_VARIABLES,
            "memory": MEMORY, "max_iterations": MAX_ITERATIONS,
        }))
    };
    ask(0)?;
    let (mut wide, mut narrow, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut value, mut values) = (0.0, Vec::new());
    for round in 0..if setting.quick { 3 } else { 7 } {
        let (seconds, mean) = ours(Precision::F64)?;
        wide.push(seconds);
        value = mean;
        let reply = ask(round)?;
        theirs.push(number(&reply, "seconds")? / number(&reply, "iterations")?);
        values.extend(crate::python::numbers(&reply, "values")?);
        narrow.push(ours(Precision::F32)?.0);
    }
    let what = "seconds per row and iteration";
    let peer = "SciPy L-BFGS-B";
    Ok(Part {
        name: "optimizer",
        what: format!(
            "Chained Rosenbrock in {NUM_VARIABLES} variables in a box, memory {MEMORY}, \
             {MAX_ITERATIONS} iterations; ours {NUM_ROWS} rows at once, SciPy row by row; the \
             function's own time is subtracted on both sides."
        ),
        ratios: vec![
            Ratio::new(
                format!("{what}, history in f64"),
                peer,
                &wide,
                &theirs,
                None,
            ),
            Ratio::new(
                format!("{what}, history in f32"),
                peer,
                &narrow,
                &theirs,
                None,
            ),
        ],
        notes: vec![format!(
            "Mean final value: ours {value:.3} over all rows, SciPy's {:.3} over {} of them.",
            values.iter().sum::<f64>() / values.len() as f64,
            values.len()
        )],
        tables: vec![crate::record::Table {
            title: "Microseconds per row and iteration".to_owned(),
            columns: ["history f64", "history f32", "SciPy"]
                .map(str::to_owned)
                .to_vec(),
            rows: vec![
                [&wide, &narrow, &theirs]
                    .map(|s| format!("{:.1}", 1e6 * Summary::of(s).median))
                    .to_vec(),
            ],
        }],
    })
}
