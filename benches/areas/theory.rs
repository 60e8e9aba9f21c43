//! Weighted chi-squares and the simulated codebooks of figure B.5; no tensors.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_benches::fixtures;
use vaegis_theory::chi_square_mixture::{cdf, imhof, quantile};
use vaegis_theory::sphere::{Method, SphereOptions, simulate_entropy};

const NUM_WEIGHTS: i32 = 20;

fn mixture(criterion: &mut Criterion) {
    let weights: Vec<f64> = (0..NUM_WEIGHTS).map(|i| 0.8_f64.powi(i)).collect();
    let middle = quantile(0.5, &weights).expect("valid weights");
    let mut group = criterion.benchmark_group("theory");
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("cdf/{NUM_WEIGHTS}/contour"), |b| {
        b.iter(|| cdf(black_box(middle), &weights, &[]));
    });
    group.bench_function(format!("cdf/{NUM_WEIGHTS}/imhof"), |b| {
        b.iter(|| imhof(black_box(middle), &weights, &[]));
    });
    group.bench_function(format!("quantile/{NUM_WEIGHTS}"), |b| {
        b.iter(|| quantile(black_box(0.5), &weights));
    });
    group.finish();
}

fn codebooks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("theory");
    for (name, method) in [
        ("projections", Method::Projection),
        ("codebooks", Method::Codebook),
    ] {
        let options = SphereOptions {
            method,
            num_codebooks: 2000,
            ..SphereOptions::default()
        };
        group.throughput(Throughput::Elements(options.num_codebooks as u64));
        for threads in [1, 2] {
            let pool = fixtures::pool(threads);
            let id = format!(
                "sphere/{name}/{}x{}x{}/threads-{threads}",
                options.num_codebooks, options.num_codes, options.dim
            );
            group.bench_function(id, |b| {
                b.iter(|| {
                    pool.install(|| simulate_entropy(&options, black_box(10.0), &fixtures::seed()))
                });
            });
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
    targets = mixture, codebooks
}
criterion_main!(benches);
