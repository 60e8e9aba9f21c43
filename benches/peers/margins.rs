//! Empirical margins of 25 images on 20 candidate radii with 5 starts, against published code's
//! way: SciPy's L-BFGS-B around PyTorch, one start after the other.

use crate::Setting;
use crate::python::{Python, hand_over, number, numbers};
use crate::record::{Part, Ratio};
use crate::victim::{SEED, Victim};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Instant;
use vaegis_attacks::Variant;
use vaegis_core::seed::SeedTree;
use vaegis_eval::margin::{MarginOptions, margins};
use vaegis_tensor::Noise;

const NUM_IMAGES: usize = 25;
const NUM_RADII: usize = 20;
/// Spacing of the candidate radii, and largest width of our bracket.
const STEP: f64 = 0.5;
const STARTS: usize = 5;
/// Samples that judge a start, on both sides.
const SAMPLES: usize = 40;
const R: f64 = 4.0;
/// Caps of one start of the peer; published code has none.
const MAX_ITERATIONS: usize = 100;
const MAX_EVALUATIONS: usize = 150;
/// Goal for the ratio.
const TARGET: f64 = 30.0;

fn options() -> MarginOptions {
    MarginOptions {
        r: R,
        m: 0.5,
        variant: Variant::Both,
        cap: STEP * NUM_RADII as f64,
        // Halving the cap, the bracket ends at 0.31: finer than the peer's grid.
        tolerance: STEP,
        num_samples: SAMPLES,
        num_samples_unperturbed: 10 * SAMPLES,
        restarts: STARTS,
        ..MarginOptions::default()
    }
}

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let victim = Victim::prepare(setting, NUM_IMAGES)?;
    let weights = victim.model.store().named_tensors();
    let weights = hand_over(setting, "margins-weights.safetensors", &weights)?;
    let inputs = [("x".to_owned(), victim.x.shallow_clone())];
    let inputs = hand_over(setting, "margins-inputs.safetensors", &inputs)?;
    let mut python = Python::start(setting, "margins.py")?;
    let reply = python.ask(&json!({"op": "load", "weights": weights, "inputs": inputs}))?;
    let peer_threads = number(&reply, "threads")?;
    // One image per round for the peer, all of ours; the peer's time is multiplied.
    let rounds = if setting.quick { 2 } else { 6 };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_margins, mut their_margins) = (Vec::new(), Vec::new());
    let mut evaluations = 0.0;
    for round in 0..rounds {
        let noise = Noise::portable(SeedTree::new(SEED).child("margins").index(round));
        let start = Instant::now();
        let found = margins(&*victim.model, &victim.x, &options(), &noise, |_, _| ())?;
        ours.push(start.elapsed().as_secs_f64());
        let image = round as usize;
        let reply = python.ask(&json!({
            "op": "margins", "images": [image], "starts": STARTS, "samples": SAMPLES,
            "samples_attack": 4, "r": R, "step": STEP, "num_radii": NUM_RADII,
            "max_iterations": MAX_ITERATIONS, "max_evaluations": MAX_EVALUATIONS,
        }))?;
        theirs.push(number(&reply, "seconds")? * NUM_IMAGES as f64);
        evaluations += number(&reply, "evaluations")?;
        our_margins.push(found[image].margin.value);
        their_margins.extend(numbers(&reply, "margins")?);
    }
    ensure!(
        our_margins.len() == their_margins.len(),
        "the two sides answered for different images"
    );
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let excess: Vec<f64> = our_margins
        .iter()
        .zip(&their_margins)
        .map(|(ours, theirs)| ours - theirs)
        .collect();
    let worst = excess.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let notes = vec![
        format!(
            "Estimates from above, so smaller is better: ours {:.2}, theirs {:.2} on average over \
             the {rounds} images of both; the largest excess of ours is {worst:.2}, on a grid of \
             {STEP}.",
            mean(&our_margins),
            mean(&their_margins)
        ),
        format!(
            "Scaled down: the peer does one image per round ({:.0} evaluations on average, on \
             {peer_threads} threads, which suit it best), and its time is multiplied by \
             {NUM_IMAGES}. Its starts are capped at {MAX_EVALUATIONS} evaluations, a radius is \
             given up at the first start that breaks it; published code does neither.",
            evaluations / rounds as f64
        ),
    ];
    Ok(Part {
        name: "margins",
        what: format!(
            "r-robustness margins of {NUM_IMAGES} images, r = {R}, {NUM_RADII} candidate radii, \
             {STARTS} starts, {SAMPLES} judging samples, on the trained MLP."
        ),
        ratios: vec![Ratio::new(
            format!("margins of {NUM_IMAGES} images"),
            "SciPy L-BFGS-B per start on PyTorch",
            &ours,
            &theirs,
            Some(TARGET),
        )],
        notes,
        tables: Vec::new(),
    })
}
