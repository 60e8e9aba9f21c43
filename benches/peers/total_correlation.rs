//! The total correlation of a batch of 1024 with 128 latents, forward and backward, against the
//! dense composition in PyTorch and in our own libtorch.

use crate::Setting;
use crate::python::{Python, hand_over, number, numbers, take_over};
use crate::record::{Part, Ratio};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;
use vaegis_benches::pairs::{self, Side};
use vaegis_benches::summary::Summary;
use vaegis_dist::total_correlation::Estimator;
use vaegis_tensor::{Kind, Tensor};

const BATCH: i64 = 1024;
const LATENT: i64 = 128;
const DATASET_SIZE: f64 = 60_000.0;
const TARGET: f64 = 3.0;
/// Largest part of the dense composition's extra memory.
const MEMORY_TARGET: f64 = 0.1;
/// Calls of ours before a peer takes its turn.
const REPEATS: usize = 5;
/// Largest differences, relative to the largest entry.
const SAME_F32: f64 = 1e-5;
const SAME_F64: f64 = 1e-10;
const MIB: f64 = 1_048_576.0;

fn evaluate(side: Side, inputs: &[Tensor; 3]) -> (f64, Vec<Tensor>) {
    pairs::value_and_gradients(side, inputs, DATASET_SIZE, Estimator::MinibatchWeighted)
}

fn seconds(side: Side, inputs: &[Tensor; 3], repeats: usize) -> f64 {
    let times = (0..repeats).map(|_| {
        let start = Instant::now();
        drop(std::hint::black_box(evaluate(side, inputs)));
        start.elapsed().as_secs_f64()
    });
    Summary::of(&times.collect::<Vec<_>>()).median
}

/// Largest difference of value and gradients, relative to the largest entry of each.
fn difference(found: &(f64, Vec<Tensor>), expected: &(f64, Vec<Tensor>)) -> f64 {
    let value = (found.0 - expected.0).abs() / expected.0.abs();
    let pairs = found.1.iter().zip(&expected.1);
    let gaps = pairs.map(|(a, b)| {
        let b = b.to_kind(Kind::Double);
        let gap = (a.to_kind(Kind::Double) - &b).abs().max() / b.abs().max();
        gap.double_value(&[])
    });
    gaps.fold(value, f64::max)
}

/// The sides whose memory is measured, each in a process of its own.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Dissected {
    /// Our kernel.
    Streamed,
    /// The composition in our libtorch.
    Dense,
}

/// Prints the bytes that one side takes at its peak, as this process's only large work.
pub(crate) fn print_memory(side: Dissected) -> Result<()> {
    let side = match side {
        Dissected::Streamed => Side::Streamed,
        Dissected::Dense => Side::Dense,
    };
    let inputs = pairs::inputs(BATCH, LATENT, Kind::Float);
    // Threads and kernels set themselves up on a small call.
    drop(evaluate(side, &pairs::inputs(16, LATENT, Kind::Float)));
    let bytes = pairs::extra_memory(|| evaluate(side, &inputs));
    let bytes = bytes.context("the system does not tell the peak of memory")?;
    let mut out = std::io::stdout();
    writeln!(out, "{bytes}").context("telling the number of bytes")
}

/// Starts this program again for one side's memory.
fn memory_in_child(setting: &Setting, side: Dissected) -> Result<f64> {
    let name = match side {
        Dissected::Streamed => "streamed",
        Dissected::Dense => "dense",
    };
    let program = std::env::current_exe().context("finding this program")?;
    let output = Command::new(program)
        .arg("--python")
        .arg(&setting.python)
        .args(["--threads", &setting.threads.to_string()])
        .args(["--memory-of", name])
        .stderr(Stdio::inherit())
        .output()
        .context("starting this program again")?;
    ensure!(
        output.status.success(),
        "measuring {name}: {}",
        output.status
    );
    let text = String::from_utf8(output.stdout)?;
    let bytes: f64 = text
        .trim()
        .parse()
        .with_context(|| format!("reading {text:?}"))?;
    ensure!(bytes > 0.0, "the extra memory of {name} cannot be zero");
    Ok(bytes)
}

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let single = pairs::inputs(BATCH, LATENT, Kind::Float);
    let ours_bytes = memory_in_child(setting, Dissected::Streamed)?;
    let dense_bytes = memory_in_child(setting, Dissected::Dense)?;

    // The f64 composition on the same rounded inputs is the truth for both kinds.
    let double: [Tensor; 3] = std::array::from_fn(|i| single[i].to_kind(Kind::Double));
    let truth = evaluate(Side::Dense, &double);
    let f32_error = difference(&evaluate(Side::Streamed, &single), &truth);
    let f64_error = difference(&evaluate(Side::Streamed, &double), &truth);
    let dense_error = difference(&evaluate(Side::Dense, &single), &truth);
    ensure!(f32_error < SAME_F32, "f32 differs by {f32_error:.1e}");
    ensure!(f64_error < SAME_F64, "f64 differs by {f64_error:.1e}");

    let names = ["z", "mu", "log_sigma"].map(str::to_owned);
    let named: Vec<_> = names
        .into_iter()
        .zip(single.iter().map(Tensor::shallow_clone))
        .collect();
    let inputs = hand_over(setting, "total-correlation-inputs.safetensors", &named)?;
    let out = setting
        .exchange
        .path()
        .join("total-correlation-out.safetensors");
    let out = out.display().to_string();
    let mut python = Python::start(setting, "total_correlation.py")?;
    let reply = python.ask(&json!({
        "op": "load", "inputs": inputs, "out": out, "dataset_size": DATASET_SIZE
    }))?;
    let gradients = ["z", "mu", "log_sigma"].map(|name| take_over(&out, name));
    let gradients = gradients.into_iter().collect::<Result<Vec<_>>>()?;
    let peer_error = difference(&(number(&reply, "value")?, gradients), &truth);
    ensure!(
        peer_error < 1e-3,
        "the peer computes something else: {peer_error:.1e}"
    );
    // A process of its own, in which nothing has run before.
    let peer_bytes = {
        let mut python = Python::start(setting, "total_correlation.py")?;
        let request = json!({"op": "memory", "inputs": inputs, "dataset_size": DATASET_SIZE});
        number(&python.ask(&request)?, "extra_bytes")?
    };
    ensure!(peer_bytes > 0.0, "PyTorch's extra memory cannot be zero");

    let (mut ours, mut dense, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..if setting.quick { 3 } else { 7 } {
        ours.push(seconds(Side::Streamed, &single, REPEATS));
        dense.push(seconds(Side::Dense, &single, 1));
        let reply = python.ask(&json!({"op": "time", "repeats": 1}))?;
        theirs.push(Summary::of(&numbers(&reply, "seconds")?).median);
    }
    let what = format!("TC [{BATCH}, {LATENT}], value and gradients, f32");
    let part = ours_bytes / dense_bytes.min(peer_bytes);
    let verdict = if part <= MEMORY_TARGET {
        "reached"
    } else {
        "missed"
    };
    let notes = vec![
        format!(
            "Peak extra memory: ours {:.1} MiB, the dense composition {:.0} MiB in our libtorch \
             and {:.0} MiB in PyTorch: {:.2} % of the smaller (goal: at most 10 %, {verdict}).",
            ours_bytes / MIB,
            dense_bytes / MIB,
            peer_bytes / MIB,
            100.0 * part
        ),
        format!(
            "Largest error of value and gradients against the dense composition in f64, relative \
             to the largest entry: ours {f32_error:.1e} in f32 and {f64_error:.1e} in f64; the \
             dense composition in f32 {dense_error:.1e} in our libtorch, {peer_error:.1e} in \
             PyTorch."
        ),
    ];
    Ok(Part {
        name: "total-correlation",
        what: "Total correlation by minibatch weighted sampling, N = 60000, with the gradients \
               in samples, means and scales."
            .to_owned(),
        ratios: vec![
            Ratio::new(what.clone(), "PyTorch, dense", &ours, &theirs, Some(TARGET)),
            Ratio::new(what, "our libtorch, dense", &ours, &dense, Some(TARGET)),
        ],
        notes,
        tables: Vec::new(),
    })
}
