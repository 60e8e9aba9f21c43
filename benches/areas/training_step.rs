//! One training step at batch 128: loss, backward, Adam.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use vaegis_benches::fixtures;
use vaegis_nn::StepContext;
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer as _};
use vaegis_tensor::{Kind, Noise};

const BATCH: i64 = 128;

fn training_step(criterion: &mut Criterion) {
    for (name, config) in [
        ("mlp-784", fixtures::mlp()),
        ("conv-3x32x32", fixtures::conv()),
    ] {
        let model = fixtures::fresh(&config, Kind::Float).expect("a valid model");
        let mut optimizer = Adam::new(model.store().trainable(), AdamConfig::default());
        let x = fixtures::noise_images(&config, BATCH, "x");
        let noise = Noise::native(fixtures::seed().child("noise"));
        let mut group = criterion.benchmark_group("training-step");
        group.throughput(Throughput::Elements(BATCH as u64));
        for threads in [1, 2] {
            vaegis_tensor::device::set_num_threads(threads);
            let mut step = 0;
            group.bench_function(format!("{name}/batch-{BATCH}/threads-{threads}"), |b| {
                b.iter(|| {
                    let noise = noise.index(step);
                    let context = StepContext {
                        step,
                        noise: &noise,
                        dataset_size: 60_000,
                    };
                    optimizer.zero_grad();
                    model.loss(&x, None, &context).total().backward();
                    optimizer.step();
                    step += 1;
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = training_step
}
criterion_main!(benches);
