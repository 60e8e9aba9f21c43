//! Total correlation of a batch and its gradients: streamed against libtorch's dense graph.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_benches::pairs::{Side, value_and_gradients};
use vaegis_benches::{fixtures, pairs};
use vaegis_dist::total_correlation::Estimator;
use vaegis_tensor::Kind;

const LATENT: i64 = 128;
const DATASET_SIZE: f64 = 60_000.0;

fn total_correlation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("total-correlation");
    fixtures::set_threads(2);
    for threads in [1, 2] {
        // One thread of libtorch means one of ours.
        vaegis_tensor::device::set_num_threads(threads);
        for (side, kind, sizes) in [
            (Side::Streamed, Kind::Float, &[256, 1024, 2048][..]),
            (Side::Streamed, Kind::Double, &[1024][..]),
            (Side::Dense, Kind::Float, &[256, 1024][..]),
        ] {
            for &batch in sizes {
                let inputs = pairs::inputs(batch, LATENT, kind);
                let name = format!("{side:?}-{kind:?}/threads-{threads}").to_lowercase();
                group.bench_function(BenchmarkId::new(name, format!("{batch}x{LATENT}")), |b| {
                    b.iter(|| {
                        black_box(value_and_gradients(
                            side,
                            &inputs,
                            DATASET_SIZE,
                            Estimator::MinibatchWeighted,
                        ))
                    });
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
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = total_correlation
}
criterion_main!(benches);
