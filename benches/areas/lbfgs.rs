//! The optimizer alone: chained Rosenbrock for many rows, time per row and iteration.
//!
//! The function's own time is part of it; it is some percent of the whole.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_benches::fixtures;
use vaegis_benches::optimizer_problem::{HALF_WIDTH, evaluate, start};
use vaegis_lbfgsb::{Batch, Options, Precision};

const NUM_VARIABLES: usize = 784;
/// Iterations before and within the measurement: the first ones fill the history.
const WARM_UP: usize = 30;
const ITERATIONS: usize = 10;

/// A batch whose rows have their history full.
fn warm(rows: usize, history: Precision) -> Batch {
    let x0: Vec<f64> = (0..rows * NUM_VARIABLES)
        .map(|k| start(k / NUM_VARIABLES, k % NUM_VARIABLES))
        .collect();
    let options = Options {
        factr: 0.0,
        pgtol: 0.0,
        max_iterations: usize::MAX,
        max_evaluations: usize::MAX,
        history,
        ..Options::default()
    };
    let upper = [HALF_WIDTH; NUM_VARIABLES];
    let lower = upper.map(|b| -b);
    let mut batch =
        Batch::new(&x0, &lower, &upper, NUM_VARIABLES, &options).expect("a valid problem");
    turns(&mut batch, WARM_UP);
    batch
}

/// Evaluates and advances all rows `count` times.
fn turns(batch: &mut Batch, count: usize) {
    let (mut points, mut values, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        batch.points_into(&mut points);
        values.resize(batch.num_active(), 0.0);
        gradients.resize(points.len(), 0.0);
        let rows = points
            .chunks_exact(NUM_VARIABLES)
            .zip(gradients.chunks_exact_mut(NUM_VARIABLES));
        for ((x, gradient), value) in rows.zip(&mut values) {
            *value = evaluate(x, gradient);
        }
        batch
            .advance(&values, &gradients)
            .expect("matching lengths");
    }
}

fn lbfgs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lbfgs");
    for rows in [1, 100] {
        for (name, history) in [("f64", Precision::F64), ("f32", Precision::F32)] {
            let batch = warm(rows, history);
            group.throughput(Throughput::Elements((rows * ITERATIONS) as u64));
            for threads in [1, 2] {
                let pool = fixtures::pool(threads);
                let id =
                    format!("rosenbrock/{rows}x{NUM_VARIABLES}/history-{name}/threads-{threads}");
                group.bench_function(id, |b| {
                    b.iter_batched_ref(
                        || batch.clone(),
                        |batch| pool.install(|| turns(black_box(batch), ITERATIONS)),
                        BatchSize::LargeInput,
                    );
                });
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = lbfgs
}
criterion_main!(benches);
