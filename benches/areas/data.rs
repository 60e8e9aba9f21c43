//! Batches out of memory, drawing of sprites, and conversion to tensors.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_benches::fixtures;
use vaegis_data::{Batch, BatchPlan, Dataset as _, OpenOptions, Split, sprites};
use vaegis_tensor::convert;

const SIDE: usize = 28;
const BATCH: usize = 128;

fn data(criterion: &mut Criterion) {
    let options = OpenOptions {
        size: Some(SIDE),
        ..OpenOptions::default()
    };
    let mut group = criterion.benchmark_group("data");
    for threads in [1, 2] {
        let pool = fixtures::pool(threads);
        let draw = || sprites::sprites(Split::Test, &options).expect("a valid side");
        let set = draw();
        group.throughput(Throughput::Elements(set.len() as u64));
        group.bench_function(
            format!("draw-sprites/{}x{SIDE}x{SIDE}/threads-{threads}", set.len()),
            |b| {
                b.iter(|| pool.install(|| black_box(draw())));
            },
        );
    }
    let set = sprites::sprites(Split::Train, &options).expect("a valid side");
    let plan = BatchPlan::new(set.len(), BATCH, true, fixtures::seed());
    let batches = plan.epoch(0);
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut batch = Batch::empty();
    let mut next = 0;
    group.bench_function(format!("batch/{BATCH}x{SIDE}x{SIDE}"), |b| {
        b.iter(|| {
            set.batch_into(&batches[next % batches.len()], &mut batch)
                .expect("valid indices");
            next += 1;
        });
    });
    group.bench_function(format!("batch-to-tensor/{BATCH}x{SIDE}x{SIDE}"), |b| {
        b.iter(|| black_box(convert::to_tensor(&batch.x)));
    });
    group.throughput(Throughput::Elements(set.len() as u64));
    let mut epoch = 0;
    group.bench_function(format!("plan-epoch/{}", set.len()), |b| {
        b.iter(|| {
            epoch += 1;
            black_box(plan.epoch(epoch))
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = data
}
criterion_main!(benches);
