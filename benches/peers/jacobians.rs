//! The Jacobian of the encoder's mean for each of 256 images, against `torch.func`.

use crate::Setting;
use crate::python::{Python, hand_over, numbers, take_over};
use crate::record::{Part, Ratio};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Instant;
use vaegis_benches::summary::Summary;
use vaegis_benches::{fixtures, flops};
use vaegis_tensor::Kind;

const NUM_IMAGES: i64 = 256;
const TARGET: f64 = 1.0;
/// Calls of one side before the other takes its turn.
const REPEATS: usize = 5;
/// Largest difference of an entry, relative to the largest entry: f32 sums of 400 terms.
const SAME_JACOBIAN: f64 = 1e-4;

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let config = fixtures::mlp();
    let model = fixtures::fresh(&config, Kind::Float)?;
    model.store().set_trainable(false);
    let x = fixtures::noise_images(&config, NUM_IMAGES, "jacobians");
    let tensors = model.store().named_tensors();
    let weights = hand_over(setting, "jacobians-weights.safetensors", &tensors)?;
    let images = [("x".to_owned(), x.shallow_clone())];
    let inputs = hand_over(setting, "jacobians-inputs.safetensors", &images)?;
    let out = setting.exchange.path().join("jacobians-out.safetensors");
    let out = out.display().to_string();
    let mut python = Python::start(setting, "jacobians.py")?;
    python.ask(&json!({"op": "load", "weights": weights, "inputs": inputs, "out": out}))?;

    let theirs = take_over(&out, "jacobian")?.to_kind(Kind::Double);
    let mine = model
        .mean_jacobian(&x)
        .to_kind(Kind::Double)
        .reshape(theirs.size());
    let largest = theirs.abs().max().double_value(&[]);
    let difference = (mine - theirs).abs().max().double_value(&[]) / largest;
    ensure!(
        difference < SAME_JACOBIAN,
        "the two sides' Jacobians differ by {difference:.1e} of the largest entry"
    );

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..if setting.quick { 5 } else { 15 } {
        let seconds: Vec<f64> = (0..REPEATS)
            .map(|_| {
                let start = Instant::now();
                drop(std::hint::black_box(model.mean_jacobian(&x)));
                start.elapsed().as_secs_f64()
            })
            .collect();
        ours.push(Summary::of(&seconds).median);
        let reply = python.ask(&json!({"op": "time", "repeats": REPEATS}))?;
        theirs.push(Summary::of(&numbers(&reply, "seconds")?).median);
    }
    let sizes = [784, 400, 400, config.latent];
    // Forward once; back once per output, from which the last layer's product falls away.
    let per_image = flops::mlp_forward(&sizes[..3])
        + flops::mlp_forward(&sizes[2..])
        + config.latent as f64 * flops::mlp_forward(&sizes[..3]);
    let floor = per_image * NUM_IMAGES as f64 / crate::machine::gemm_rate();
    let ratio = Ratio::new(
        format!("Jacobians [{NUM_IMAGES}, 20, 784]"),
        "torch.func.vmap(jacrev)",
        &ours,
        &theirs,
        Some(TARGET),
    );
    let notes = vec![
        format!(
            "Matrix products alone need {:.1} ms; ours takes {:.1} ms: {:.0} % of the floor is \
             reached.",
            1e3 * floor,
            1e3 * ratio.ours.median,
            100.0 * floor / ratio.ours.median
        ),
        format!("Entries agree to {difference:.1e} of the largest."),
    ];
    Ok(Part {
        name: "jacobians",
        what: "Per-example Jacobians of the encoder's mean, MLP 784-400-400-20, f32.".to_owned(),
        ratios: vec![ratio],
        notes,
        tables: Vec::new(),
    })
}
