//! Empirical margins of a few images by bisection over attacks, on a small VAE.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_benches::fixtures;
use vaegis_eval::margin::{MarginOptions, margins};
use vaegis_tensor::{Kind, Noise};

const NUM_IMAGES: i64 = 4;
const THREADS: usize = 2;

fn margin(criterion: &mut Criterion) {
    fixtures::set_threads(THREADS);
    let config = fixtures::small();
    let model = fixtures::fresh(&config, Kind::Float).expect("a valid model");
    let x = fixtures::noise_images(&config, NUM_IMAGES, "x");
    let options = MarginOptions {
        r: 1.0,
        tolerance: 0.25,
        num_samples: 100,
        num_samples_unperturbed: 400,
        steps: 20,
        ..MarginOptions::default()
    };
    let noise = Noise::portable(fixtures::seed().child("margin"));
    let mut group = criterion.benchmark_group("margin");
    group.throughput(Throughput::Elements(NUM_IMAGES as u64));
    group.bench_function(
        format!("bisection/{NUM_IMAGES}x64/threads-{THREADS}"),
        |b| {
            b.iter(|| black_box(margins(&*model, &x, &options, &noise, |_, _| ()).expect("runs")));
        },
    );
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(3));
    targets = margin
}
criterion_main!(benches);
