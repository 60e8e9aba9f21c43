//! One training step of the Seatbelt-VAE against PyTorch eager, and against the sum of its parts.

use crate::Setting;
use crate::python::{Python, hand_over, number, numbers};
use crate::record::{Part, Ratio, Table};
use crate::training::{NUM_DATA, Ours, WARM_UP};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Instant;
use vaegis_benches::fixtures;
use vaegis_benches::summary::Summary;
use vaegis_dist::total_correlation::{Estimator, total_correlation};
use vaegis_nn::{
    Activation, BatchNorm, ConvDecoder, ConvEncoder, ConvSpec, Filters, Likelihood, LikelihoodKind,
    Linear, Mode, WeightInit,
};
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer as _};
use vaegis_tensor::{Device, Kind, Noise, ParamPath, ParamStore, Tensor, TensorError, no_grad};
use vaegis_zoo::{Model as _, NetworkConfig, Seatbelt, SeatbeltConfig};

const BATCH: i64 = 128;
/// Goal against eager PyTorch.
const TARGET_EAGER: f64 = 1.0;
/// Goal of the whole step against the sum of its parts, as parts over step.
const TARGET_PARTS: f64 = 1.0 / 1.3;
/// Largest relative difference of both sides' loss on the same noise: sums of 10⁵ f32 terms.
const SAME_LOSS: f64 = 1e-4;
/// Steps of one side before the other takes its turn.
const STEPS: usize = 3;

fn config() -> SeatbeltConfig {
    SeatbeltConfig {
        input: [3, 32, 32],
        layers: 3,
        beta: 4.0,
        network: NetworkConfig::conv(1.0),
        ..SeatbeltConfig::default()
    }
}

fn store(label: &str) -> ParamStore {
    let noise = Noise::portable(fixtures::seed().child(label));
    ParamStore::new(Kind::Float, Device::Cpu, noise)
}

fn normal(label: &str, size: &[i64]) -> Tensor {
    Noise::portable(fixtures::seed().child(label)).standard_normal(size, Kind::Float, Device::Cpu)
}

/// Measures this part.
pub(crate) fn measure(setting: &Setting) -> Result<Part> {
    let config = config();
    let sizes = config.latent_sizes().to_vec();
    let [c, h, w] = config.input;
    let noise = Noise::portable(fixtures::seed().child("images").child("seatbelt"));
    let x = noise.uniform(&[BATCH, c, h, w], Kind::Float, Device::Cpu) * 2.0 - 1.0;
    let eps: Vec<Tensor> = sizes
        .iter()
        .enumerate()
        .map(|(l, &size)| normal(&format!("eps {l}"), &[BATCH, size]))
        .collect();
    let model = Seatbelt::new(&config, &store("init"))?;
    let weights = hand_over(
        setting,
        "seatbelt-weights.safetensors",
        &model.store().named_tensors(),
    )?;
    let mut tensors = vec![("x".to_owned(), x.shallow_clone())];
    let named = eps.iter().enumerate();
    tensors.extend(named.map(|(l, e)| (format!("eps.{l}"), e.shallow_clone())));
    let inputs = hand_over(setting, "seatbelt-inputs.safetensors", &tensors)?;
    let mut python = Python::start(setting, "seatbelt.py")?;
    let loaded = python.ask(&json!({
        "op": "load", "weights": weights, "inputs": inputs, "num_data": NUM_DATA,
        "sizes": sizes, "hidden": config.h_sizes[..sizes.len() - 1], "beta": config.beta,
        "free_bits": config.free_bits(),
    }))?;
    let loss = no_grad(|| {
        model
            .loss_along(&x, &eps, NUM_DATA)
            .total()
            .double_value(&[])
    });
    let theirs = number(&loaded, "loss")?;
    let difference = (loss - theirs).abs() / loss.abs();
    ensure!(
        difference < SAME_LOSS,
        "the two sides do not compute the same loss: {loss} and {theirs}"
    );

    let variants: Vec<String> = serde_json::from_value(loaded["variants"].clone())?;
    let mut parts = parts(&config, &sizes, &x)?;
    let mut ours = Ours::new(Box::new(model), x);
    ours.steps(WARM_UP);
    for part in &mut parts {
        part.run(WARM_UP);
    }
    let num_rounds = if setting.quick { 5 } else { 15 };
    let mut seconds = vec![(Vec::new(), Vec::new()); variants.len()];
    let (mut whole, mut sums) = (Vec::new(), Vec::new());
    let mut each = vec![Vec::new(); parts.len()];
    for _ in 0..num_rounds {
        // Ours goes before each variant, so that every ratio has a neighbor.
        for (variant, (mine, theirs)) in variants.iter().zip(&mut seconds) {
            mine.push(ours.steps(STEPS));
            let request = json!({"op": "steps", "variant": variant, "steps": STEPS});
            theirs.push(Summary::of(&numbers(&python.ask(&request)?, "seconds")?).median);
        }
        whole.push(ours.steps(STEPS));
        let round: Vec<f64> = parts.iter_mut().map(|part| part.run(STEPS)).collect();
        sums.push(round.iter().sum());
        for (all, seconds) in each.iter_mut().zip(round) {
            all.push(seconds);
        }
    }
    let what = format!("Seatbelt training step, conv 32 × 32, L = 3, batch {BATCH}");
    let mut ratios: Vec<Ratio> = variants
        .iter()
        .zip(&seconds)
        .map(|(variant, (mine, theirs))| {
            let target = (!variant.contains("fused")).then_some(TARGET_EAGER);
            Ratio::new(&what, variant, mine, theirs, target)
        })
        .collect();
    ratios.push(Ratio::new(
        what,
        "sum of its parts",
        &whole,
        &sums,
        Some(TARGET_PARTS),
    ));
    let rows = parts.iter().zip(&each).map(|(part, seconds)| {
        let milliseconds = 1e3 * Summary::of(seconds).median;
        vec![part.name.to_owned(), format!("{milliseconds:.2}")]
    });
    let table = Table {
        title: "Parts of a Seatbelt step, each forward, backward and alone".to_owned(),
        columns: vec!["part".to_owned(), "median, ms".to_owned()],
        rows: rows.collect(),
    };
    Ok(Part {
        name: "seatbelt",
        what: format!(
            "One step at batch {BATCH}: three latent layers of {sizes:?} on the convolutional net \
             for 3 × 32 × 32, total correlation by weighted sampling, free bits, Adam."
        ),
        ratios,
        notes: vec![
            format!("Both sides' loss on the same noise agrees to {difference:.1e}."),
            format!(
                "The row \"sum of its parts\" compares our step with our own parts, each alone: the \
                 step may take at most {:.1} times as long as they do together.",
                1.0 / TARGET_PARTS
            ),
        ],
        tables: vec![table],
    })
}

/// A piece of the step's work on inputs of its own.
struct Piece {
    name: &'static str,
    work: Box<dyn FnMut()>,
}

impl Piece {
    /// The median of the seconds of some runs.
    fn run(&mut self, count: usize) -> f64 {
        let seconds: Vec<f64> = (0..count)
            .map(|_| {
                let start = Instant::now();
                (self.work)();
                start.elapsed().as_secs_f64()
            })
            .collect();
        Summary::of(&seconds).median
    }
}

/// Forward and backward to the parameters and to the inputs, which are leaves here.
fn differentiate(output: &Tensor, store: &ParamStore, inputs: &[Tensor]) {
    let parameters: Vec<Tensor> = store.trainable().into_iter().map(|(_, t)| t).collect();
    let all: Vec<&Tensor> = parameters.iter().chain(inputs).collect();
    let _ = Tensor::run_backward(&[output], &all, false, false);
}

fn leaf(label: &str, size: &[i64]) -> Tensor {
    normal(label, size).set_requires_grad(true)
}

/// A conditional between layers, from the same operations as the model's.
struct Conditional {
    hidden: Vec<(Linear, BatchNorm)>,
    heads: [Linear; 2],
    inputs: Tensor,
}

impl Conditional {
    fn new(path: &ParamPath, sizes: [i64; 3]) -> Result<Self, TensorError> {
        let [inputs, hidden, outputs] = sizes;
        let init = WeightInit::TorchDefault;
        let linear = |name: &str, a, b| Linear::new(&path.sub(name), a, b, init);
        let norm = |name: &str| BatchNorm::new(&path.sub(name), hidden);
        Ok(Self {
            hidden: vec![
                (linear("0", inputs, hidden)?, norm("1")?),
                (linear("3", hidden, hidden)?, norm("4")?),
            ],
            heads: [
                linear("mu", hidden, outputs)?,
                linear("s", hidden, outputs)?,
            ],
            inputs: leaf("conditional", &[BATCH, inputs]),
        })
    }

    fn sum(&self) -> Tensor {
        let mut h = self.inputs.shallow_clone();
        for (linear, norm) in &self.hidden {
            h = Activation::LeakyRelu.apply_owned(norm.forward(&linear.forward(&h), Mode::Train));
        }
        let [mu, log_sigma] = self.heads.each_ref().map(|head| head.forward(&h).sum(None));
        mu + log_sigma
    }
}

/// Everything that costs products or memory traffic in one step, piece by piece.
fn parts(config: &SeatbeltConfig, sizes: &[i64], x: &Tensor) -> Result<Vec<Piece>> {
    let spec = ConvSpec {
        channels: config.input[0],
        side: config.input[1],
        filters: Filters::Auto,
        width: 1.0,
    };
    let init = WeightInit::TorchDefault;
    let encoder_store = store("encoder");
    let encoder = ConvEncoder::new(&encoder_store.root(), &spec, init)?;
    let images = x.shallow_clone();
    let encode = move || {
        let features = encoder.forward(&images, Mode::Train).sum(None);
        differentiate(&features, &encoder_store, &[]);
    };

    let decoder_store = store("decoder");
    let num_latents = sizes.iter().sum();
    let decoder = ConvDecoder::new(&decoder_store.root(), num_latents, &spec, init)?;
    let latents = leaf("latents", &[BATCH, num_latents]);
    let images = x.shallow_clone();
    let decode = move || {
        let likelihood = Likelihood {
            kind: LikelihoodKind::Gaussian { sigma: 0.1 },
            parameter: decoder.forward(&latents, Mode::Train),
        };
        let loss = likelihood.log_prob(&images).mean(None);
        differentiate(&loss, &decoder_store, &[latents.shallow_clone()]);
    };

    let net_store = store("conditionals");
    let features = spec.num_features();
    let mut nets = Vec::new();
    for i in 0..sizes.len() - 1 {
        let (below, above, hidden) = (sizes[i], sizes[i + 1], config.h_sizes[i]);
        let up = net_store.root().sub(&format!("up{i}"));
        nets.push(Conditional::new(&up, [below + features, hidden, above])?);
        let down = net_store.root().sub(&format!("down{i}"));
        nets.push(Conditional::new(&down, [above, hidden, below])?);
    }
    let conditionals = move || {
        let sums = nets.iter().map(Conditional::sum);
        let total = sums.reduce(|a, b| a + b);
        let total = total.expect("invariant: three layers have conditionals");
        let inputs: Vec<Tensor> = nets.iter().map(|n| n.inputs.shallow_clone()).collect();
        differentiate(&total, &net_store, &inputs);
    };

    let top = [BATCH, sizes[sizes.len() - 1]];
    let inputs = ["z", "mu", "log sigma"].map(|label| leaf(label, &top));
    let penalty = move || {
        let [z, mu, log_sigma] = &inputs;
        let estimator = Estimator::MinibatchWeighted;
        let tc = total_correlation(z, mu, log_sigma, NUM_DATA as f64, estimator);
        let all: Vec<&Tensor> = inputs.iter().collect();
        let _ = Tensor::run_backward(&[&tc], &all, false, false);
    };

    let model = Seatbelt::new(config, &store("adam"))?;
    let parameters = model.store().trainable();
    let gradients: Vec<Tensor> = parameters.iter().map(|(_, t)| t.zeros_like()).collect();
    let mut adam = Adam::new(parameters, AdamConfig::default());
    let update = move || adam.apply(&gradients, None);
    let piece = |name, work| Piece { name, work };
    Ok(vec![
        piece("convolutional trunk", Box::new(encode)),
        piece("decoder and likelihood", Box::new(decode)),
        piece("conditionals between layers", Box::new(conditionals)),
        piece("total correlation of the top layer", Box::new(penalty)),
        piece("Adam over all parameters", Box::new(update)),
    ])
}
