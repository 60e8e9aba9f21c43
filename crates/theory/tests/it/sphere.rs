//! Random codebooks: published curves, the exact law of projections, independence of threads.

use crate::common::{uniforms, unit};
use ndarray::ArrayView1;
use rayon::prelude::*;
use serde_json::Value;
use vaegis_core::seed::SeedTree;
use vaegis_theory::entropy::{entropy_from_logits, figure_b5, floor_sphere};
use vaegis_theory::sphere::{
    EntropySummary, Method, Placement, Shape, SphereOptions, codebook, diameter, simulate_entropy,
};

fn simulate(options: SphereOptions, distance: f64) -> EntropySummary {
    simulate_entropy(&options, distance, &SeedTree::new(35).child("b5")).expect("valid")
}

/// Independent simulations of 20 000 codebooks: mean, standard deviation, minimum where stable.
fn check(options: SphereOptions, distance: f64, mean: f64, sd: Option<f64>) {
    let got = simulate(options, distance);
    // Both means have this standard error, and the reference is rounded.
    let reference = sd.unwrap_or(got.standard_deviation) / 20_000.0_f64.sqrt();
    let allowance = 4.0 * got.standard_error().hypot(reference) + 1e-4;
    assert!(
        (got.mean - mean).abs() < allowance,
        "d = {distance}: {got:?} for {mean}"
    );
    if let Some(sd) = sd {
        // The standard deviation of a standard deviation is about 1/√(2n) for light tails.
        let slack = 0.05 * sd + 6e-5;
        assert!(
            (got.standard_deviation - sd).abs() < slack,
            "d = {distance}: {got:?} for {sd}"
        );
    }
    assert!(got.min <= got.mean && got.mean <= got.max && got.max <= 256.0_f64.ln() + 1e-6);
}

#[test]
fn f13_simulated_means_and_spreads_from_the_center() {
    let options = SphereOptions {
        num_codebooks: 4000,
        ..Default::default()
    };
    for (d, mean, sd) in [
        (1.0, 5.5413, 0.0003),
        (2.0, 5.5296, 0.0013),
        (5.0, 5.4489, 0.0089),
        (10.0, 5.1709, 0.0428),
        (15.0, 4.7436, 0.120),
        (20.0, 4.2208, 0.248),
        (30.0, 3.1576, 0.520),
        (50.0, 1.7930, 0.682),
        (100.0, 0.7545, 0.548),
    ] {
        check(options, d, mean, Some(sd));
        let got = simulate(options, d);
        // A floor is a floor; the sphere has diameter 1.
        assert!(
            got.min > floor_sphere(256, 0.5, d).expect("valid"),
            "d = {d}"
        );
    }
    // Small distances: the logits are nearly normal with variance (d/2)²/32.
    for d in [1.0, 2.0, 5.0] {
        let variance = (0.5_f64 * d).powi(2) / 32.0;
        assert!((simulate(options, d).mean - (256.0_f64.ln() - 0.5 * variance)).abs() < 0.02);
    }
}

#[test]
fn f13_full_size_at_distance_ten() {
    let got = simulate(SphereOptions::default(), 10.0);
    assert!((got.mean - 5.171).abs() < 0.003, "{got:?}");
    assert_eq!(got.count, 20_000);
    assert!(
        (got.min - 4.889).abs() < 0.1,
        "the minimum of 20 000 is near 4.889: {got:?}"
    );
}

#[test]
fn f13_other_placements_and_the_ball() {
    let nearest = SphereOptions {
        num_codebooks: 4000,
        placement: Placement::FromNearest,
        ..Default::default()
    };
    for (d, mean) in [
        (1.0, 5.5401),
        (2.0, 5.5265),
        (5.0, 5.4403),
        (10.0, 5.1540),
        (20.0, 4.1942),
        (50.0, 1.7826),
    ] {
        check(nearest, d, mean, None);
    }
    let beyond = SphereOptions {
        placement: Placement::BeyondCode,
        ..nearest
    };
    for (d, mean) in [
        (1.0, 5.5347),
        (2.0, 5.5145),
        (5.0, 5.3478),
        (10.0, 4.0753),
        (15.0, 1.5225),
        (20.0, 0.3425),
        (30.0, 0.0170),
    ] {
        check(beyond, d, mean, None);
    }
    // At d = 1 placement C goes below the printed worst case 5.5328, not below the true floor.
    let low = simulate(beyond, 1.0).min;
    assert!(low < 5.5328 && low > 5.2723, "{low}");
    let ball = SphereOptions {
        num_codebooks: 4000,
        shape: Shape::Ball,
        ..Default::default()
    };
    for (d, mean) in [
        (10.0, 5.1920),
        (20.0, 4.2820),
        (30.0, 3.2346),
        (100.0, 0.7801),
    ] {
        check(ball, d, mean, None);
    }
    assert!(simulate_entropy(&nearest, 0.3, &SeedTree::new(1)).is_err());
    assert!(
        simulate_entropy(&SphereOptions { dim: 2, ..nearest }, 1.0, &SeedTree::new(1)).is_err()
    );
}

#[test]
fn whole_codebooks_and_projections_have_one_law() {
    for shape in [Shape::Surface, Shape::Ball] {
        for placement in [
            Placement::FromCenter,
            Placement::FromNearest,
            Placement::BeyondCode,
        ] {
            // An odd dimension as well, where the last pair is used in half.
            for dim in [7, 32] {
                let options = SphereOptions {
                    num_codes: 64,
                    dim,
                    shape,
                    placement,
                    num_codebooks: 1500,
                    ..Default::default()
                };
                let fast = simulate(options, 12.0);
                let full = simulate(
                    SphereOptions {
                        method: Method::Codebook,
                        ..options
                    },
                    12.0,
                );
                let error = fast.standard_error().hypot(full.standard_error());
                assert!(
                    (fast.mean - full.mean).abs() < 4.5 * error,
                    "{options:?}: {fast:?} {full:?}"
                );
                let ratio = fast.standard_deviation / full.standard_deviation;
                assert!((ratio - 1.0).abs() < 0.2, "{options:?}: {ratio}");
            }
        }
    }
}

#[test]
fn entropies_depend_on_the_seed_alone() {
    for method in [Method::Projection, Method::Codebook] {
        let options = SphereOptions {
            num_codebooks: 300,
            num_codes: 100,
            method,
            ..Default::default()
        };
        let run = |root| simulate_entropy(&options, 7.0, &SeedTree::new(root)).expect("valid");
        let pool = |n| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .expect("pool")
        };
        assert_eq!(
            pool(1).install(|| run(1)),
            pool(3).install(|| run(1)),
            "threads must not matter"
        );
        assert_ne!(run(1), run(2));
    }
}

#[test]
fn codebooks_lie_on_the_sphere_with_the_usual_diameter() {
    let codes = codebook(256, 32, 0.5, Shape::Surface, &SeedTree::new(5)).expect("valid");
    for code in codes.rows() {
        assert!((code.dot(&code).sqrt() - 0.5).abs() < 1e-12);
    }
    let delta = diameter(&codes);
    assert!((0.88..0.95).contains(&delta), "{delta}");
    let ball = codebook(256, 32, 0.5, Shape::Ball, &SeedTree::new(5)).expect("valid");
    assert!(diameter(&ball) < delta && diameter(&ball) > 0.7);
}

#[test]
fn f14_figure_b5_puts_the_worst_case_beside_the_simulation() {
    let options = SphereOptions {
        num_codebooks: 500,
        ..Default::default()
    };
    let points = figure_b5(&options, 1.0, &[1.0, 10.0, 30.0], &SeedTree::new(2)).expect("valid");
    for point in &points {
        assert!(point.simulated.min > point.worst_case.floor);
        assert_eq!(point.simulated.count, 500);
    }
    // Simulation follows another trend than the worst case: nine orders apart at d = 30.
    assert!(points[2].simulated.mean > 1e9 * points[2].worst_case.exact);
}

/// Learnt variances have no closed form: the means are those of an independent program, and near
/// ln K the second order, ln K − V/2 with V the variance of a logit over codes, says the same.
#[test]
fn learnt_variances_have_the_entropies_of_numpy() {
    const NUM_CODEBOOKS: u64 = 40;
    const STANDARD_ERRORS: f64 = 4.5;
    let (num_codes, dim, radius) = (256, 32, 0.5);
    let text = include_str!("../golden/learnt_variances.json");
    let file: Value = serde_json::from_str(text).expect("golden file is JSON");
    let rows: Vec<[f64; 4]> =
        serde_json::from_value(file["learnt_variances"].clone()).expect("rows of numbers");
    let num_reference = file["num_codebooks"].as_f64().expect("number");
    let seed = SeedTree::new(38).child("learnt");
    let nodes: Vec<SeedTree> = (0..NUM_CODEBOOKS).map(|i| seed.index(i)).collect();
    let entropies: Vec<Vec<f64>> = nodes
        .par_iter()
        .map(|node| {
            let draw = codebook(num_codes, dim, radius, Shape::Surface, &node.child("means"));
            let means = draw.expect("valid");
            let spread = uniforms(&node.child("spread"), num_codes * dim, -1.0, 1.0);
            let direction = unit(&node.child("direction"), dim);
            let entropy = |norm: f64, half_width: f64| {
                let codes = means.rows().into_iter().zip(spread.chunks(dim));
                let logit = |mean: ArrayView1<'_, f64>, spread: &[f64]| {
                    let terms = direction.iter().zip(mean).zip(spread).map(|((d, m), u)| {
                        let log_variance = half_width * u;
                        (norm * d - m).powi(2) * (-log_variance).exp() + log_variance
                    });
                    -0.5 * terms.sum::<f64>()
                };
                let logits: Vec<f64> = codes.map(|(m, u)| logit(m, u)).collect();
                entropy_from_logits(&logits).expect("finite")
            };
            rows.iter().map(|row| entropy(row[0], row[1])).collect()
        })
        .collect();
    for (k, [norm, half_width, want, sd]) in rows.iter().copied().enumerate() {
        let mean = entropies.iter().map(|e| e[k]).sum::<f64>() / NUM_CODEBOOKS as f64;
        let error = sd * ((NUM_CODEBOOKS as f64).recip() + num_reference.recip()).sqrt();
        assert!(
            (mean - want).abs() < STANDARD_ERRORS * error,
            "R = {norm}, s = {half_width}: {mean} for {want}"
        );
        // Var(e·μ_k) + s²/12 E Σ(eᵢ² − 1)², the eᵢ being uniform on the sphere of radius R.
        let (d, square) = (dim as f64, norm * norm);
        let curvature = 3.0 * square * square / (d + 2.0) - 2.0 * square + d;
        let variance = square * radius * radius / d + half_width * half_width / 12.0 * curvature;
        if variance < 1.0 {
            let second_order = (num_codes as f64).ln() - 0.5 * variance;
            assert!((want - second_order).abs() < 0.03, "{want}, {second_order}");
        }
    }
}
