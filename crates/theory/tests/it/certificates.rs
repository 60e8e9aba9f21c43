//! Sound radii: the latent lemma, Lipschitz margins, and a case that the mean-only bound does not cover.

use crate::common::{
    distances_from, norm, normal_matrix, normals, random_layers, relu_network, uniforms, unit,
};
use ndarray::{Array1, Array2, s};
use rayon::prelude::*;
use std::ops::Range;
use vaegis_core::seed::SeedTree;
use vaegis_theory::lipschitz::{
    LipschitzConstants, LipschitzMargins, NoiseScale, NoiseVariant, chi_square_tail_bound,
    isotropic_margin, markov_margin, quantile_margin, tail_margin, tight_markov_margin,
};
use vaegis_theory::margin::{AcceptanceProbability, lipschitz_certificate};
use vaegis_theory::neyman_pearson::{HalfSpace, shifted_mass, smallest_mass, whitened_distance};
use vaegis_theory::special::{chi2_quantile, chi2_sf, normal_cdf, normal_pdf};

/// Equalities of the theory, up to rounding.
const EXACT: f64 = 1e-12;
/// Standard errors that a Monte Carlo share may lie on the wrong side by.
const STANDARD_ERRORS: f64 = 4.5;

/// Rows made orthonormal by Gram-Schmidt (columns, when there are more rows than columns).
fn orthonormal(seed: &SeedTree, rows: usize, cols: usize) -> Array2<f64> {
    let (short, long) = (rows.min(cols), rows.max(cols));
    let mut matrix = normal_matrix(seed, short, long);
    for i in 0..short {
        for j in 0..i {
            let dot = matrix.row(i).dot(&matrix.row(j));
            let other = matrix.row(j).to_owned();
            matrix.row_mut(i).scaled_add(-dot, &other);
        }
        let norm = matrix.row(i).dot(&matrix.row(i)).sqrt();
        matrix.row_mut(i).mapv_inplace(|v| v / norm);
    }
    if rows <= cols {
        matrix
    } else {
        matrix.t().to_owned()
    }
}

/// Orthonormal layers with MaxMin between them: 1-Lipschitz, times `gain` at the end.
fn group_sort_network(weights: &[Array2<f64>], gain: f64, x: &Array1<f64>) -> Array1<f64> {
    let mut value = x.clone();
    for (i, weight) in weights.iter().enumerate() {
        value = weight.dot(&value);
        if i + 1 < weights.len() {
            for k in (0..value.len()).step_by(2) {
                let (a, b) = (value[k], value[k + 1]);
                (value[k], value[k + 1]) = (a.max(b), a.min(b));
            }
        }
    }
    value * gain
}

fn group_sort_weights(seed: &SeedTree, widths: &[usize]) -> Vec<Array2<f64>> {
    widths
        .windows(2)
        .enumerate()
        .map(|(i, pair)| orthonormal(&seed.index(i as u64), pair[1], pair[0]))
        .collect()
}

#[test]
fn latent_lemma_holds_for_non_convex_decoders() {
    // Sixty random ReLU decoders, five shifts each: the shifted mass never falls below the lemma's.
    const NUM_DRAWS: usize = 2000;
    let seed = SeedTree::new(3).child("lemma");
    let slack: Vec<f64> = (0..60_u64)
        .into_par_iter()
        .flat_map_iter(|i| {
            let node = seed.index(i);
            let decoder = random_layers(&node.child("decoder"), &[4, 24, 6]);
            let sigma = uniforms(&node.child("sigma"), 4, 0.2, 1.2);
            let center = relu_network(&decoder, &[0.0; 4]);
            let scaled =
                normal_matrix(&node.child("noise"), NUM_DRAWS, 4) * &Array1::from(sigma.clone());
            let distances = |shift: &[f64]| {
                let z = &scaled + &Array1::from(shift.to_vec());
                distances_from(&center, &decoder, &z)
            };
            let mut still = distances(&[0.0; 4]);
            still.sort_unstable_by(f64::total_cmp);
            let p0 = 0.6 + 0.006 * i as f64;
            let r = still[(p0 * NUM_DRAWS as f64) as usize];
            (0..5_u64)
                .map(|j| {
                    let shift = normals(&node.child("shift").index(j), 4);
                    let size = uniforms(&node.child("size").index(j), 1, 0.1, 1.0)[0];
                    let shift: Vec<f64> = shift.iter().map(|s| size * s).collect();
                    let inside = distances(&shift).iter().filter(|d| **d <= r).count();
                    let moved = whitened_distance(&sigma, &shift).expect("valid");
                    let floor = shifted_mass(p0, moved).expect("valid").0;
                    inside as f64 / NUM_DRAWS as f64 - floor
                })
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(slack.len(), 300);
    // Both shares come from the same draws; 2 s.e. each at worst.
    let allowance = STANDARD_ERRORS * (0.25 / NUM_DRAWS as f64).sqrt();
    let smallest = slack.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(smallest > -allowance, "the lemma is violated by {smallest}");
}

#[test]
fn half_spaces_attain_the_lemma() {
    let sigma = [0.3, 1.4, 0.8];
    let shift = [0.2, -0.5, 0.4];
    let moved = whitened_distance(&sigma, &shift).expect("valid");
    for p0 in [0.05, 0.5, 0.93, 0.9999] {
        let worst = HalfSpace::worst(p0, &sigma, &shift).expect("valid");
        assert!((worst.mass(&sigma, &[0.0; 3]).expect("valid") - p0).abs() < EXACT);
        let (low, high) = shifted_mass(p0, moved).expect("valid");
        assert!((worst.mass(&sigma, &shift).expect("valid") - low).abs() < EXACT);
        let back: Vec<f64> = shift.iter().map(|s| -s).collect();
        assert!((worst.mass(&sigma, &back).expect("valid") - high).abs() < EXACT);
    }
    assert_eq!(
        shifted_mass(0.7, 0.0).expect("valid").0,
        normal_cdf(vaegis_theory::special::probit(0.7))
    );
}

#[test]
fn discrete_lemma_converges_to_the_gaussian_one_and_no_event_beats_it() {
    // Two unit Gaussians a distance 0.8 apart on a grid.
    let width = 1e-3;
    let grid: Vec<f64> = (-8000..=8800).map(|i| f64::from(i) * width).collect();
    let p: Vec<f64> = grid.iter().map(|z| width * normal_pdf(*z)).collect();
    let q: Vec<f64> = grid.iter().map(|z| width * normal_pdf(z - 0.8)).collect();
    for p0 in [0.3, 0.9] {
        let floor = smallest_mass(&p, &q, p0).expect("valid");
        assert!(
            (floor - shifted_mass(p0, 0.8).expect("valid").0).abs() < 1e-6,
            "p0 = {p0}"
        );
    }
    let seed = SeedTree::new(31);
    for i in 0..200 {
        let mask = uniforms(&seed.index(i), 40, 0.0, 1.0);
        let member = |k: usize| mask[k * 40 / grid.len()] > 0.4;
        let mass = |d: &[f64]| {
            (0..grid.len())
                .filter(|&k| member(k))
                .map(|k| d[k])
                .sum::<f64>()
        };
        let floor = smallest_mass(&p, &q, mass(&p)).expect("valid");
        assert!(
            mass(&q) >= floor - EXACT,
            "event {i} has less than the smallest mass"
        );
    }
    assert!(smallest_mass(&[0.5, 0.5], &[1.0, 0.0], 1.1).is_err());
}

#[test]
fn published_table_of_lipschitz_margins() {
    // γ = 0.1, d_z = 10, r = 8, a = b = L: m₁, tighter Markov, tail, exact V3, exact V1.
    let table = [
        (6.0, [0.1165, 0.1383, 0.1426, 0.1502, 0.1713]),
        (8.0, [0.0395, 0.0685, 0.0653, 0.0710, 0.0868]),
        (10.0, [0.0, 0.0346, 0.0322, 0.0368, 0.0494]),
    ];
    for (lipschitz, want) in table {
        let constants = LipschitzConstants {
            decoder: lipschitz,
            mean: lipschitz,
            sigma: 0.0,
        };
        let got = LipschitzMargins::constant_sigma(&constants, 0.1, 10, 8.0, 0.5).expect("valid");
        let row = [
            got.markov,
            got.tight_markov,
            got.tail,
            got.two_sample,
            got.mean_only,
        ];
        for (got, want) in row.iter().zip(want) {
            assert!(
                (got - want).abs() < 0.5001e-4,
                "L = {lipschitz}: {row:?} against {want}"
            );
        }
        assert_eq!(got.best_two_sample(), got.two_sample);
        // The closed form of the exact column.
        let noise = 0.1 * (2.0 * chi2_quantile(0.5, 10.0)).sqrt();
        let closed = (8.0 / lipschitz - noise).max(0.0) / lipschitz;
        assert!((got.two_sample - closed).abs() < EXACT);
        // Adding the mean's shift inside the distribution beats adding lengths.
        let isotropic = isotropic_margin(&constants, 0.1, 10, NoiseVariant::TwoSample, 8.0, 0.5)
            .expect("valid");
        assert!(
            isotropic >= got.two_sample && isotropic >= got.tight_markov,
            "{isotropic}"
        );
    }
}

#[test]
fn lipschitz_margins_are_ordered_and_have_their_limits() {
    let seed = SeedTree::new(74);
    for i in 0..200 {
        let u = uniforms(&seed.index(i), 6, 0.05, 3.0);
        let constants = LipschitzConstants {
            decoder: u[0],
            mean: u[1],
            sigma: 0.2 * u[2],
        };
        let sigma: Vec<f64> = normals(&seed.index(i).child("s"), 5)
            .iter()
            .map(|s| 0.3 * s.abs())
            .collect();
        let r = 2.0 * u[3];
        let at =
            |r: f64, m: f64| LipschitzMargins::at_input(&constants, &sigma, r, m).expect("valid");
        let base = at(r, 0.5);
        assert!(base.markov <= base.tight_markov * (1.0 + EXACT));
        // The tail bounds the same quantile. Markov's inequality is no match for it in general:
        // it adds squares of mean and noise, where the quantile form adds their lengths.
        assert!(base.tail <= base.two_sample * (1.0 + 1e-9), "{base:?}");
        assert!(base.two_sample <= base.mean_only * (1.0 + 1e-9));
        let (wide, strict) = (at(1.1 * r, 0.5), at(r, 0.6));
        for (b, w, s) in [
            (base.markov, wide.markov, strict.markov),
            (base.tail, wide.tail, strict.tail),
            (base.two_sample, wide.two_sample, strict.two_sample),
        ] {
            assert!(b <= w * (1.0 + 1e-9) && s <= b * (1.0 + 1e-9));
        }
    }
    // Non-trivial exactly below ‖σ‖ = r/(√8 a).
    let constants = LipschitzConstants {
        decoder: 2.0,
        mean: 1.0,
        sigma: 0.5,
    };
    let edge = 3.0 / (8.0_f64.sqrt() * 2.0);
    assert!(markov_margin(&constants, edge * 0.999, 3.0, 0.5).expect("valid") > 0.0);
    assert_eq!(
        markov_margin(&constants, edge * 1.001, 3.0, 0.5).expect("valid"),
        0.0
    );
    assert!(tight_markov_margin(&constants, edge * 1.001, 3.0, 0.5).expect("valid") > 0.0);
    let still = LipschitzConstants {
        decoder: 2.0,
        mean: 0.0,
        sigma: 0.0,
    };
    assert_eq!(
        markov_margin(&still, 0.1, 3.0, 0.5).expect("valid"),
        f64::INFINITY
    );
    let frozen = quantile_margin(&still, &[0.1], NoiseVariant::MeanOnly, 3.0, 0.5);
    assert_eq!(frozen.expect("valid"), f64::INFINITY);
    let scale = NoiseScale::Constant { gamma: 0.1 };
    assert!(
        tail_margin(&constants, 4, scale, 3.0, 0.5).is_err(),
        "σ is not constant here"
    );
    assert!(
        tail_margin(&still, 1, scale, 3.0, 0.5).is_err(),
        "the tail needs two latents"
    );
}

#[test]
fn tail_bound_is_above_the_tail() {
    let mut smallest = f64::INFINITY;
    for d in 2..200 {
        let start = d as f64 - 2.0;
        for step in 1..=60 {
            let u = start + f64::from(step) * (3.0 * d as f64 + 52.0) / 60.0;
            let bound = chi_square_tail_bound(d, u).expect("inside the domain");
            smallest = smallest.min(bound / chi2_sf(u, d as f64));
        }
        assert_eq!(chi_square_tail_bound(d, start), None);
    }
    assert!(
        (1.0017..1.01).contains(&smallest),
        "smallest ratio {smallest}"
    );
}

/// Shares inside the ball at the certified radius, one-sample and two-sample.
struct Hunt {
    mean_only: usize,
    two_sample: usize,
}

#[test]
fn sound_certificates_are_not_violated_on_lipschitz_networks() {
    // Orthonormal MaxMin networks, worst of ten directions each, at exactly the certified radius.
    const NUM_DRAWS: usize = 400;
    let seed = SeedTree::new(22).child("networks");
    let lowest: Vec<[f64; 3]> = (0..40_u64)
        .into_par_iter()
        .map(|i| {
            let node = seed.index(i);
            let gain = uniforms(&node.child("gain"), 3, 1.0, 6.0);
            let encoder = group_sort_weights(&node.child("encoder"), &[8, 12, 4]);
            let decoder = group_sort_weights(&node.child("decoder"), &[4, 12, 10]);
            let free = random_layers(&node.child("free"), &[4, 24, 6]);
            let (b, a, gamma) = (gain[0], gain[1], 0.05 * gain[2]);
            let noise = normal_matrix(&node.child("noise"), 2 * NUM_DRAWS, 4) * gamma;
            let x = Array1::from(normals(&node.child("x"), 8));
            let mean = group_sort_network(&encoder, b, &x);
            let constants = LipschitzConstants {
                decoder: a,
                mean: b,
                sigma: 0.0,
            };
            let r = 4.0 * a * gamma;
            let margins = LipschitzMargins::constant_sigma(&constants, gamma, 4, r, 0.5);
            let margins = margins.expect("valid");
            let isotropic =
                |variant| isotropic_margin(&constants, gamma, 4, variant, r, 0.5).expect("valid");
            let sharpest = [
                isotropic(NoiseVariant::MeanOnly),
                isotropic(NoiseVariant::TwoSample),
            ];
            assert!(sharpest[0] >= margins.mean_only && sharpest[1] >= margins.best_two_sample());
            // The decoder-free certificate, on a decoder without any constraint.
            let center = relu_network(&free, &mean.to_vec());
            let free_distances = |mean: &Array1<f64>, draws: Range<usize>| {
                distances_from(&center, &free, &(mean + &noise.slice(s![draws, ..])))
            };
            let mut still = free_distances(&mean, 0..NUM_DRAWS);
            still.sort_unstable_by(f64::total_cmp);
            let r_free = still[NUM_DRAWS * 95 / 100];
            let inside = still.iter().filter(|d| **d <= r_free).count() as u64;
            let p0 = AcceptanceProbability::clopper_pearson(inside, NUM_DRAWS as u64, 1e-3);
            let s1 = lipschitz_certificate(gamma, b, &p0.expect("valid"), 0.5).expect("valid");
            assert!(s1.evidence.is_certificate() && s1.value > 0.0);
            let mut worst = [1.0_f64; 3];
            for j in 0..10 {
                let direction = unit(&node.child("direction").index(j), 8);
                let moved = |t: f64| group_sort_network(&encoder, b, &(&x + &(&direction * t)));
                let reference = group_sort_network(&decoder, a, &mean);
                let hunt = |t: f64| {
                    let shifted = moved(t);
                    let mut found = Hunt {
                        mean_only: 0,
                        two_sample: 0,
                    };
                    for k in 0..NUM_DRAWS {
                        let one = group_sort_network(&decoder, a, &(&shifted + &noise.row(k)));
                        let other = &mean + &noise.row(NUM_DRAWS + k);
                        let other = group_sort_network(&decoder, a, &other);
                        found.mean_only += usize::from(norm(&(&one - &reference)) <= r);
                        found.two_sample += usize::from(norm(&(&one - &other)) <= r);
                    }
                    found
                };
                let share = |count: usize| count as f64 / NUM_DRAWS as f64;
                worst[0] = worst[0].min(share(hunt(sharpest[0]).mean_only));
                worst[1] = worst[1].min(share(hunt(sharpest[1]).two_sample));
                let shifted = moved(s1.value);
                let found = free_distances(&shifted, NUM_DRAWS..2 * NUM_DRAWS);
                let kept = found.iter().filter(|d| **d <= r_free).count();
                worst[2] = worst[2].min(share(kept));
            }
            worst
        })
        .collect();
    let allowance = STANDARD_ERRORS * (0.25 / NUM_DRAWS as f64).sqrt();
    for (kind, label) in ["V1 quantile", "two-sample", "S1"].iter().enumerate() {
        let smallest = lowest.iter().map(|w| w[kind]).fold(f64::INFINITY, f64::min);
        assert!(
            smallest > 0.5 - allowance,
            "{label}: only {smallest} inside at its radius"
        );
    }
}

/// In one dimension the ball and the half-space that contains it differ by less than rounding as
/// soon as the reach is some standard deviations: the margin is then the half-space's.
#[test]
fn margins_in_one_dimension_reach_far() {
    use statrs::distribution::{ContinuousCDF, Normal};
    use vaegis_theory::linear::margin_1d;
    let constants = LipschitzConstants {
        decoder: 1.0,
        mean: 1.0,
        sigma: 0.0,
    };
    let normal = Normal::standard();
    for step in 0..400 {
        let reach = 5.0 + 0.5 * f64::from(step);
        for m in [0.1, 0.5, 0.9] {
            let half_space = reach - normal.inverse_cdf(m);
            let variant = NoiseVariant::MeanOnly;
            let isotropic = isotropic_margin(&constants, 1.0, 1, variant, reach, m).expect("valid");
            let line = margin_1d(1.0, 1.0, reach, m).expect("valid");
            // Φ(−2·5) is below rounding; a root is known up to rounding over the density at m.
            assert!(
                (isotropic - half_space).abs() < 1e-9,
                "{reach} {m}: {isotropic}"
            );
            assert!((line - half_space).abs() < 1e-9, "{reach} {m}: {line}");
        }
    }
}

/// Without a shift every half-space of mass p₀ keeps it.
#[test]
fn a_half_space_for_no_shift_has_its_mass() {
    let (sigma, rest) = ([0.5, 2.0], [0.0, 0.0]);
    let set = HalfSpace::worst(0.7, &sigma, &rest).expect("valid");
    let mass = set.mass(&sigma, &rest).expect("valid");
    assert!((mass - 0.7).abs() < 1e-12, "{mass}");
}

/// An input that is robust with certainty at rest has no finite second-order radius.
#[test]
fn certainty_has_an_infinite_second_order_radius() {
    use vaegis_theory::margin::{EncoderGeometry, second_order_certificate};
    let jacobian = ndarray::array![[1.0, 0.5]];
    let geometry = EncoderGeometry::diagonal(&[0.3], jacobian.view()).expect("valid");
    let certain = AcceptanceProbability::exact(1.0).expect("valid");
    for hessian in [0.0, 2.0] {
        let radius = second_order_certificate(&geometry, hessian, &certain, 0.5).expect("valid");
        assert_eq!(radius.value, f64::INFINITY);
    }
}
