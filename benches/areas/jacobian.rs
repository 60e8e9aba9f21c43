//! Jacobians of every example of a batch, and their norms.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_benches::fixtures;
use vaegis_nn::{LatentPath, Mode};
use vaegis_tensor::{Device, Kind, Noise, Tensor, autograd};

fn jacobian(criterion: &mut Criterion) {
    let config = fixtures::mlp();
    let model = fixtures::fresh(&config, Kind::Float).expect("a valid model");
    model.store().set_trainable(false);
    let encode = |x: &Tensor| {
        let posterior = model.posterior(x, LatentPath::Mean, Mode::Eval);
        posterior.layers[0].mean().shallow_clone()
    };
    let decode = |z: &Tensor| model.decode(&[z.shallow_clone()], Mode::Eval).mean();
    let x = fixtures::noise_images(&config, 256, "x");
    let z = Noise::portable(fixtures::seed().child("z")).standard_normal(
        &[64, 20],
        Kind::Float,
        Device::Cpu,
    );
    for threads in [1, 2] {
        vaegis_tensor::device::set_num_threads(threads);
        let mut group = criterion.benchmark_group("jacobian");
        group.bench_function(format!("encoder/256x20x784/threads-{threads}"), |b| {
            b.iter(|| black_box(autograd::per_example_jacobian(encode, &x)));
        });
        group.bench_function(
            format!("encoder-by-layers/256x20x784/threads-{threads}"),
            |b| {
                b.iter(|| black_box(model.mean_jacobian(&x)));
            },
        );
        group.bench_function(
            format!("encoder-frobenius/256x20x784/threads-{threads}"),
            |b| {
                b.iter(|| black_box(autograd::frobenius_norm(encode, &x)));
            },
        );
        let jacobians = autograd::per_example_jacobian(encode, &x);
        group.bench_function(
            format!("spectral-norms/256x20x784/threads-{threads}"),
            |b| {
                b.iter(|| black_box(autograd::spectral_norms(&jacobians)));
            },
        );
        group.bench_function(format!("decoder/64x784x20/threads-{threads}"), |b| {
            b.iter(|| black_box(autograd::per_example_jacobian_forward(decode, &z)));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = jacobian
}
criterion_main!(benches);
