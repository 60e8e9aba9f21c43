//! The estimators on a mixture of 2000 Gaussians whose aggregate posterior is enumerated, and the
//! widely copied weights against the code that they come from.
//!
//! The table that the first test makes is the one in docs/theory/total-correlation.md.

use serde_json::Value;
use std::fmt::Write as _;
use vaegis_core::SeedTree;
use vaegis_dist::total_correlation::{Decomposition, Estimator, FullData, decomposition};
use vaegis_dist::{DiagNormal, Distribution as _};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

const NUM_DATA: i64 = 2000;
const LATENT: i64 = 10;
const BATCH: i64 = 128;
const NUM_BATCHES: u64 = 150;
/// Samples of each posterior for the exact values.
const SAMPLES_PER_POSTERIOR: i64 = 4;
const PAGE: &str = include_str!("../../../docs/theory/total-correlation.md");

/// Largest error of the right weights, relative to the exact total correlation.
const STRATIFIED_ERROR: f64 = 0.05;
/// What the wrong ones overestimate it by at least.
const COMPAT_ERROR: f64 = 0.15;
/// Two f64 programs for the same sum.
const SAME: f64 = 1e-11;

fn draw(label: &str, shape: &[i64]) -> Tensor {
    let noise = Noise::portable(SeedTree::new(2000).child(label));
    noise.standard_normal(shape, Kind::Double, Device::Cpu)
}

fn numbers(parts: &Decomposition) -> [f64; 3] {
    [
        &parts.mutual_information,
        &parts.total_correlation,
        &parts.dimension_wise,
    ]
    .map(|x| x.double_value(&[]))
}

/// Mean and standard error of each part over the batches.
fn summary(rows: &[[f64; 3]]) -> [(f64, f64); 3] {
    let count = rows.len() as f64;
    std::array::from_fn(|i| {
        let mean = rows.iter().map(|row| row[i]).sum::<f64>() / count;
        let square = |row: &[f64; 3]| (row[i] - mean).powi(2);
        let variance = rows.iter().map(square).sum::<f64>() / (count - 1.0);
        (mean, (variance / count).sqrt())
    })
}

#[test]
fn stratified_weights_meet_the_exact_mixture_and_the_widely_copied_ones_do_not() {
    let mu = draw("means", &[NUM_DATA, LATENT]);
    let log_sigma: Tensor = 0.2 * draw("scales", &[NUM_DATA, LATENT]) - 1.6;
    let posteriors = DiagNormal::new(mu.shallow_clone(), log_sigma.shallow_clone());

    let eps = draw("exact", &[SAMPLES_PER_POSTERIOR, NUM_DATA, LATENT]);
    let z = &mu + log_sigma.exp() * eps;
    let own = posteriors.log_prob(&z).flatten(0, -1);
    let mut full = FullData::new(&z.flatten(0, 1));
    full.push(&mu, &log_sigma);
    let exact = numbers(&full.decomposition(&own));

    let estimators = [
        ("stratified", Estimator::Stratified),
        ("as widely copied", Estimator::StratifiedCompat),
        ("minibatch weighted", Estimator::MinibatchWeighted),
    ];
    let mut found = estimators.map(|_| Vec::new());
    let noise = Noise::portable(SeedTree::new(2000).child("batches"));
    for i in 0..NUM_BATCHES {
        let noise = noise.index(i);
        let order = noise
            .child("order")
            .uniform(&[NUM_DATA], Kind::Double, Device::Cpu)
            .argsort(0, false);
        let batch = order.narrow(0, 0, BATCH);
        let (mu, log_sigma) = (
            mu.index_select(0, &batch),
            log_sigma.index_select(0, &batch),
        );
        let eps = noise
            .child("eps")
            .standard_normal(&[BATCH, LATENT], Kind::Double, Device::Cpu);
        let z = &mu + log_sigma.exp() * eps;
        for ((_, estimator), rows) in estimators.iter().zip(&mut found) {
            let parts = decomposition(&z, &mu, &log_sigma, NUM_DATA as f64, *estimator);
            rows.push(numbers(&parts));
        }
    }

    let mut table = String::from("| estimator | MI | TC | DW |\n|---|---|---|---|\n");
    let [mi, tc, dw] = exact;
    let _ = writeln!(table, "| exact, all N | {mi:.2} | {tc:.2} | {dw:.2} |");
    let summaries = found.map(|rows| summary(&rows));
    for ((name, _), parts) in estimators.iter().zip(&summaries) {
        let cells = parts.map(|(mean, error)| format!("{mean:.2} ± {error:.2}"));
        let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
    }
    let [stratified, compat, weighted] = summaries;
    let relative = |(found, _): (f64, f64)| (found - tc) / tc;
    assert!(relative(stratified[1]).abs() < STRATIFIED_ERROR, "{table}");
    assert!(relative(compat[1]) > COMPAT_ERROR, "{table}");
    // The own posterior dominates here. Its weight is 1/M in place of 1/N for all but two samples
    // of the batch, M = 127 by the code's own count.
    let expected = -(NUM_DATA as f64 / (BATCH - 1) as f64).ln();
    let error = compat[0].0 - mi;
    assert!(
        (error - expected).abs() < 0.02 * expected.abs(),
        "{error}, {expected}\n{table}"
    );
    // Minibatch weights carry their offsets.
    let offset = Estimator::MinibatchWeighted.offsets(NUM_DATA as f64, LATENT);
    assert!(weighted[1].0 - offset.total_correlation > 0.0, "{table}");
    assert!(
        PAGE.contains(&table),
        "docs/theory/total-correlation.md must hold\n{table}"
    );
}

#[test]
fn the_compatible_weights_give_what_the_widely_copied_code_gives() {
    let golden: Value = serde_json::from_str(include_str!("golden/total_correlation.json"))
        .expect("the golden file is JSON");
    let matrix = |name: &str| {
        let rows = golden[name].as_array().expect("rows");
        let cells = rows
            .iter()
            .flat_map(|row| row.as_array().expect("cells"))
            .map(|cell| cell.as_f64().expect("a number"))
            .collect::<Vec<_>>();
        let height = i64::try_from(rows.len()).expect("few");
        Tensor::from_slice(&cells).view([height, -1])
    };
    let number = |name: &str| golden[name].as_f64().expect("a number");
    let found = numbers(&decomposition(
        &matrix("z"),
        &matrix("mu"),
        &matrix("log_sigma"),
        number("dataset_size"),
        Estimator::StratifiedCompat,
    ));
    let names = ["mutual_information", "total_correlation", "dimension_wise"];
    for (found, name) in found.into_iter().zip(names) {
        let expected = number(name);
        assert!(
            (found - expected).abs() < SAME,
            "{name}: {found}, {expected}"
        );
    }
}
