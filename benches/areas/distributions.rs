//! Log densities and divergences with their gradients, at the sizes of a training step.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_benches::fixtures;
use vaegis_dist::{
    Bernoulli, ContinuousBernoulli, DiagNormal, Distribution, KlTo as _, Reparameterize as _,
    W2To as _,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

const BATCH: i64 = 128;
const PIXELS: i64 = 784;
const LATENT: i64 = 20;

fn normal(label: &str, shape: &[i64]) -> Tensor {
    let noise = Noise::portable(fixtures::seed().child(label));
    noise.standard_normal(shape, Kind::Float, Device::Cpu)
}

fn leaf(label: &str, shape: &[i64]) -> Tensor {
    normal(label, shape).set_requires_grad(true)
}

/// The value's gradient with respect to `leaf`.
fn gradient(value: &Tensor, leaf: &Tensor) -> Tensor {
    Tensor::run_backward(&[value.sum(None)], &[leaf], false, false).remove(0)
}

fn distributions(criterion: &mut Criterion) {
    for threads in [1, 2] {
        vaegis_tensor::device::set_num_threads(threads);
        let mut group = criterion.benchmark_group("distributions");
        let id = |what: &str, size: i64| format!("{what}/{BATCH}x{size}/threads-{threads}");

        let (mu, log_sigma) = (
            leaf("mu", &[BATCH, LATENT]),
            normal("s", &[BATCH, LATENT]) * 0.1,
        );
        let law = || DiagNormal::new(mu.shallow_clone(), log_sigma.shallow_clone());
        let other = DiagNormal::new(
            normal("mu-other", &[BATCH, LATENT]),
            log_sigma.shallow_clone(),
        );
        let eps = normal("eps", &[BATCH, LATENT]);
        group.bench_function(id("diag-normal-sample-and-gradient", LATENT), |b| {
            b.iter(|| black_box(gradient(&law().from_noise(&eps), &mu)));
        });
        group.bench_function(id("diag-normal-kl-and-gradient", LATENT), |b| {
            b.iter(|| black_box(gradient(&law().kl_to(&other), &mu)));
        });
        group.bench_function(id("diag-normal-w2-and-gradient", LATENT), |b| {
            b.iter(|| black_box(gradient(&law().w2_squared_to(&other), &mu)));
        });

        let logits = leaf("logits", &[BATCH, PIXELS]);
        let x = fixtures::noise_images(&fixtures::mlp(), BATCH, "x").flatten(1, -1);
        group.bench_function(id("bernoulli-log-prob-and-gradient", PIXELS), |b| {
            b.iter(|| {
                let law = Bernoulli::new(&logits).expect("finite logits");
                black_box(gradient(&law.log_prob(&x), &logits))
            });
        });
        group.bench_function(
            id("continuous-bernoulli-log-prob-and-gradient", PIXELS),
            |b| {
                b.iter(|| {
                    let law = ContinuousBernoulli::new(&logits).expect("finite logits");
                    black_box(gradient(&law.log_prob(&x), &logits))
                });
            },
        );
        let noise = Noise::portable(fixtures::seed().child("draw"));
        group.bench_function(id("noise-portable", PIXELS), |b| {
            b.iter(|| black_box(noise.standard_normal(&[BATCH, PIXELS], Kind::Float, Device::Cpu)));
        });
        let noise = Noise::native(fixtures::seed().child("draw"));
        group.bench_function(id("noise-native", PIXELS), |b| {
            b.iter(|| black_box(noise.standard_normal(&[BATCH, PIXELS], Kind::Float, Device::Cpu)));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = distributions
}
criterion_main!(benches);
