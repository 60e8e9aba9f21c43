//! One training step: loss, backward, Adam; against PyTorch eager and compiled.

use crate::Setting;
use crate::python::{Python, hand_over, number, numbers};
use crate::record::{Part, Ratio};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;
use vaegis_benches::summary::Summary;
use vaegis_benches::{fixtures, flops};
use vaegis_nn::{ConvSpec, Filters, LatentPath, Mode, StepContext};
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer as _};
use vaegis_tensor::{Device, Kind, Noise, Tensor, no_grad};
use vaegis_zoo::{Model, VaeConfig};

const BATCH: i64 = 128;
/// Goal against eager PyTorch.
const TARGET_EAGER: f64 = 1.1;
/// Goal against compiled PyTorch.
const TARGET_COMPILED: f64 = 1.0;
/// Largest relative difference of both sides' loss on the same noise: sums of 10⁵ f32 terms.
const SAME_LOSS: f64 = 1e-4;
/// Steps before anything is measured.
pub(crate) const WARM_UP: usize = 10;
/// Size of the data set that estimators of the aggregate posterior are told.
pub(crate) const NUM_DATA: usize = 60_000;

/// One of the two networks.
struct Net {
    name: &'static str,
    config: VaeConfig,
    /// Operations of one step.
    flops: f64,
    /// Steps of one side before the other takes its turn.
    steps: usize,
}

fn nets() -> [Net; 2] {
    let (mlp, conv) = (fixtures::mlp(), fixtures::conv());
    let spec = ConvSpec {
        channels: conv.input[0],
        side: conv.input[1],
        filters: Filters::Auto,
        width: 1.0,
    };
    let mlp_flops = flops::mlp_training(&[784, 400, 400, 40], true)
        + flops::mlp_training(&[20, 400, 400, 784], false);
    [
        Net {
            name: "mlp",
            flops: mlp_flops * BATCH as f64,
            config: mlp,
            steps: 40,
        },
        Net {
            name: "conv",
            flops: flops::conv_vae_training(&spec, conv.latent) * BATCH as f64,
            config: conv,
            steps: 3,
        },
    ]
}

/// Our side: a model, its optimizer and the batch.
pub(crate) struct Ours {
    model: Box<dyn Model>,
    optimizer: Adam,
    parameters: Vec<Tensor>,
    x: Tensor,
    noise: Noise,
    step: u64,
}

impl Ours {
    /// A model with a fresh optimizer.
    pub(crate) fn new(model: Box<dyn Model>, x: Tensor) -> Self {
        let trainable = model.store().trainable();
        Self {
            parameters: trainable.iter().map(|(_, p)| p.shallow_clone()).collect(),
            optimizer: Adam::new(trainable, AdamConfig::default()),
            model,
            x,
            noise: Noise::native(fixtures::seed().child("noise")),
            step: 0,
        }
    }

    /// The median of the seconds of some steps.
    pub(crate) fn steps(&mut self, count: usize) -> f64 {
        let mut seconds = Vec::with_capacity(count);
        for _ in 0..count {
            let noise = self.noise.index(self.step);
            let start = Instant::now();
            let context = StepContext {
                step: self.step,
                noise: &noise,
                dataset_size: NUM_DATA,
            };
            let loss = self.model.loss(&self.x, None, &context).total();
            // As the trainer does: gradients are handed on, not accumulated.
            let gradients = Tensor::run_backward(&[&loss], &self.parameters, false, false);
            self.optimizer.apply(&gradients, None);
            seconds.push(start.elapsed().as_secs_f64());
            self.step += 1;
        }
        Summary::of(&seconds).median
    }
}

/// Our loss on given noise, with the batch's statistics as in training.
fn loss_on(model: &dyn Model, beta: f64, x: &Tensor, eps: &Tensor) -> f64 {
    no_grad(|| {
        let path = [eps.shallow_clone()];
        let posterior = model.posterior(x, LatentPath::Noise(&path), Mode::Train);
        let recon = -model.decode(&posterior.z, Mode::Train).log_prob(x);
        let kl = model.kl_terms(&posterior, Mode::Train).remove(0);
        (recon + kl * beta).mean(None).double_value(&[])
    })
}

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let (mut ratios, mut notes) = (Vec::new(), Vec::new());
    for net in nets() {
        measure_net(setting, &net, &mut ratios, &mut notes)?;
    }
    Ok(Part {
        name: "training",
        what: format!(
            "One step at batch {BATCH}: loss with fresh noise, backward, Adam. MLP 784-400-400-20 \
             (Bernoulli), and the convolutional net for 3 × 32 × 32 (Gaussian, batch \
             normalization)."
        ),
        ratios,
        notes,
        tables: Vec::new(),
    })
}

fn measure_net(
    setting: &Setting,
    net: &Net,
    ratios: &mut Vec<Ratio>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let x = fixtures::noise_images(&net.config, BATCH, "training");
    let eps = Noise::portable(fixtures::seed().child("eps")).standard_normal(
        &[BATCH, net.config.latent],
        Kind::Float,
        Device::Cpu,
    );
    let model = fixtures::fresh(&net.config, Kind::Float)?;
    let file = |what: &str| format!("training-{}-{what}.safetensors", net.name);
    let weights = hand_over(setting, &file("weights"), &model.store().named_tensors())?;
    let tensors = [
        ("x".to_owned(), x.shallow_clone()),
        ("eps".to_owned(), eps.shallow_clone()),
    ];
    let inputs = hand_over(setting, &file("inputs"), &tensors)?;
    let mut python = Python::start(setting, "training.py")?;
    let loaded = python
        .ask(&json!({"op": "load", "model": net.name, "weights": weights, "inputs": inputs}))?;
    let loss = loss_on(&*model, net.config.beta, &x, &eps);
    let theirs = number(&loaded, "loss")?;
    let difference = (loss - theirs).abs() / loss.abs();
    ensure!(
        difference < SAME_LOSS,
        "the two sides do not compute the same loss: {loss} and {theirs}"
    );

    let variants: Vec<String> = serde_json::from_value(loaded["variants"].clone())?;
    let mut ours = Ours::new(model, x);
    ours.steps(WARM_UP);
    let num_rounds = if setting.quick { 5 } else { 15 };
    let mut seconds = vec![(Vec::new(), Vec::new()); variants.len()];
    for _ in 0..num_rounds {
        // Ours goes before each variant, so that every ratio has a neighbor.
        for (variant, (mine, theirs)) in variants.iter().zip(&mut seconds) {
            mine.push(ours.steps(net.steps));
            let request = json!({"op": "steps", "variant": variant, "steps": net.steps});
            theirs.push(Summary::of(&numbers(&python.ask(&request)?, "seconds")?).median);
        }
    }
    let mut fastest = f64::INFINITY;
    for (variant, (mine, theirs)) in variants.iter().zip(&seconds) {
        let target = if variant.contains("compile") {
            TARGET_COMPILED
        } else {
            TARGET_EAGER
        };
        let what = format!("training step, {}, batch {BATCH}", net.name);
        let ratio = Ratio::new(what, variant, mine, theirs, Some(target));
        fastest = fastest.min(ratio.ours.median);
        ratios.push(ratio);
    }
    for (variant, reason) in loaded["skipped"].as_object().into_iter().flatten() {
        let reason = reason
            .as_str()
            .map_or_else(|| Value::to_string(reason), str::to_owned);
        notes.push(format!("{}: {variant} was skipped: {reason}", net.name));
    }
    let floor = net.flops / crate::machine::gemm_rate();
    notes.push(format!(
        "{}: {:.2} GFLOP in products per step, {:.2} ms at the rate of large products; our step \
         takes {:.2} ms: {:.0} % of the floor is reached. Both sides' loss on the same noise \
         agrees to {difference:.1e}.",
        net.name,
        net.flops / 1e9,
        1e3 * floor,
        1e3 * fastest,
        100.0 * floor / fastest
    ));
    Ok(())
}
