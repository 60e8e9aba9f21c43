//! Grids of attacks on a small VAE: 4 pairs × 10 penalties by latent KL, and maximum damage.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use vaegis_attacks::grid::lambda_grid;
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::{Attack, AttackRows, Objective, Search, Variant};
use vaegis_benches::fixtures;
use vaegis_tensor::{Kind, Noise};

const NUM_PAIRS: usize = 4;
const NUM_LAMBDAS: usize = 10;
const THREADS: usize = 2;

fn attacks(criterion: &mut Criterion) {
    fixtures::set_threads(THREADS);
    let config = fixtures::small();
    let model = fixtures::fresh(&config, Kind::Float).expect("a valid model");
    let images = |label: &str| {
        fixtures::noise_images(&config, NUM_PAIRS as i64, label).repeat_interleave_self_int(
            NUM_LAMBDAS as i64,
            0,
            None,
        )
    };
    let lambdas = lambda_grid(NUM_LAMBDAS).repeat(NUM_PAIRS);
    let rows = AttackRows::targeted(images("x"), images("target"), lambdas);
    let noise = Noise::portable(fixtures::seed().child("attack"));
    let mut group = criterion.benchmark_group("attacks");
    group.throughput(Throughput::Elements(rows.len() as u64));

    let mut attack = Attack::penalized(Objective::LATENT_KL);
    attack.search = Search::Lbfgs(Lbfgs {
        max_evaluations: 50,
        ..Lbfgs::default()
    });
    group.bench_function(format!("latent-kl-lbfgs/40x64/threads-{THREADS}"), |b| {
        b.iter(|| black_box(attack.run(&*model, &rows, &noise).expect("runs")));
    });
    let damage = Attack::max_damage(Variant::Both);
    let x = fixtures::noise_images(&config, 8, "x");
    let rows = AttackRows::untargeted(x, vec![1.0; 8]);
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function(format!("max-damage-pgd/8x64/threads-{THREADS}"), |b| {
        b.iter(|| black_box(damage.run(&*model, &rows, &noise).expect("runs")));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = attacks
}
criterion_main!(benches);
