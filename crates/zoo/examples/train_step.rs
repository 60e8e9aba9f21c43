//! Time of one training step (loss, gradient, Adam) for a peer to compare with:
//! `train_step MODEL BATCH STEPS [THREADS]`, MODEL one of mlp, conv32, conv28. Prints the
//! median seconds of loss + gradient, and of the whole step.
#![expect(clippy::print_stdout, reason = "a program")]

use std::time::Instant;
use vaegis_core::seed::SeedTree;
use vaegis_nn::{LikelihoodKind, StepContext};
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer};
use vaegis_tensor::{Device, Kind, Noise, ParamStore};
use vaegis_zoo::{ModelConfig, NetworkConfig, VaeConfig, build};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let batch: i64 = arguments[2].parse()?;
    let num_steps: usize = arguments[3].parse()?;
    vaegis_tensor::device::set_num_threads(arguments.get(4).map_or(Ok(2), |text| text.parse())?);
    let config = match arguments[1].as_str() {
        "mlp" => VaeConfig::default(),
        "conv28" => VaeConfig {
            network: NetworkConfig::conv(1.0),
            ..VaeConfig::default()
        },
        _ => VaeConfig {
            input: [3, 32, 32],
            latent: 64,
            likelihood: LikelihoodKind::Gaussian { sigma: 0.1 },
            network: NetworkConfig::conv(1.0),
            ..VaeConfig::default()
        },
    };
    let seed = SeedTree::new(1);
    let store = ParamStore::new(
        Kind::Float,
        Device::Cpu,
        Noise::portable(seed.child("init")),
    );
    let model = build(&ModelConfig::Vae(config.clone()), &store)?;
    let mut optimizer = Adam::new(store.trainable(), AdamConfig::default());
    let [c, h, w] = config.input;
    let x = Noise::portable(seed.child("x")).uniform(&[batch, c, h, w], Kind::Float, Device::Cpu);
    let noise = Noise::native(seed.child("noise"));
    let (mut pass, mut whole, mut last) = (Vec::new(), Vec::new(), 0.0);
    for step in 0..num_steps {
        let noise = noise.index(step as u64);
        let start = Instant::now();
        optimizer.zero_grad();
        let context = StepContext {
            step: step as u64,
            noise: &noise,
            dataset_size: 60_000,
        };
        let loss = model.loss(&x, None, &context).total();
        loss.backward();
        pass.push(start.elapsed().as_secs_f64());
        optimizer.step();
        whole.push(start.elapsed().as_secs_f64());
        last = loss.double_value(&[]);
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    println!("{:.6} {:.6} {last:.3}", median(pass), median(whole));
    Ok(())
}
