//! Worst-case entropy: reference values, the false statements in print, the true minimum.

use crate::common::{normal_matrix, normals, uniforms};
use proptest::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::entropy::{
    crossover, entropy_bounds, entropy_derivative, entropy_exact, entropy_first_order,
    entropy_from_logits, figure_b3, figure_b4, floor_rvq, gap_rvq, kl_bound,
    kl_bound_unit_variance, kl_from_logits, leading_log_ratio, log_entropy_exact,
    log_entropy_first_order, logit_range, min_entropy, min_entropy_threshold, paper_distances,
    relative_error, remainder, remainder_leading, vertex_entropy,
};

/// Eleven digits are quoted.
const TABLE: f64 = 1e-9;
/// Rounding of sums over a few hundred codes.
const EXACT: f64 = 1e-12;

fn gap(distance: f64) -> f64 {
    gap_rvq(1.0, distance).expect("valid")
}

fn exact(num_codes: usize, gap: f64) -> f64 {
    entropy_exact(num_codes, gap).expect("valid")
}

fn near(got: f64, want: f64, tolerance: f64) -> bool {
    (got - want).abs() <= tolerance * want.abs()
}

#[test]
fn f9_reference_values_of_both_theorems() {
    // d, rVQ at δ = 1: exact, first order; softmax at ℓ = d, c = 0: exact, first order; K = 256.
    let table = [
        (1.0, 5.5327785925, 142.24547709, 5.5413195642, 187.618515),
        (5.0, 3.5207210986, 6.7738236593, 4.1604927533, 10.309058909),
        (
            8.0,
            0.46984764877,
            0.49290212393,
            0.71249639079,
            0.76988673104,
        ),
        (
            10.0,
            8.0212000824e-2,
            8.0750637718e-2,
            1.2595537599e-1,
            1.2734680298e-1,
        ),
        (
            15.0,
            7.8062010197e-4,
            7.8065591582e-4,
            1.2479871606e-3,
            1.2480814676e-3,
        ),
        (
            20.0,
            6.8539609558e-6,
            6.8539630900e-6,
            1.1037471985e-5,
            1.1037477648e-5,
        ),
        (
            25.0,
            5.6921556201e-8,
            5.6921556321e-8,
            9.2077067505e-8,
            9.2077067825e-8,
        ),
        (
            30.0,
            4.5589941630e-10,
            4.5589941631e-10,
            7.3972009567e-10,
            7.3972009569e-10,
        ),
    ];
    let distances: Vec<f64> = table.iter().map(|row| row.0).collect();
    let rvq = figure_b3(256, 1.0, &distances).expect("valid").points;
    let softmax = figure_b4(256, &distances).expect("valid").points;
    for ((row, b3), b4) in table.iter().zip(&rvq).zip(&softmax) {
        assert!(near(b3.exact, row.1, TABLE), "d = {}: {}", row.0, b3.exact);
        assert!(
            near(b3.first_order, row.2, TABLE),
            "d = {}: {}",
            row.0,
            b3.first_order
        );
        assert!(near(b4.exact, row.3, TABLE), "ℓ = {}: {}", row.0, b4.exact);
        assert!(
            near(b4.first_order, row.4, TABLE),
            "ℓ = {}: {}",
            row.0,
            b4.first_order
        );
        // At δ = 1 and c = 0 rVQ has less entropy, whatever the figures suggest.
        assert!(b3.exact < b4.exact);
    }
    for (d, want) in [
        (1.0, 0.47505156369),
        (10.0, 3.1666082693e-4),
        (20.0, 2.6878286594e-8),
    ] {
        assert!(near(exact(2, gap(d)), want, TABLE), "K = 2, d = {d}");
    }
    assert!(near(
        relative_error(2, gap(10.0)).expect("valid"),
        2.63e-5,
        2e-3
    ));
    assert_eq!(exact(1, 3.0), 0.0);
    for k in [2, 16, 256, 1024] {
        assert!(near(exact(k, 0.0), (k as f64).ln(), EXACT), "h(0) = ln K");
    }
    // ratio rVQ/softmax at δ = 1, c = 0.
    for (d, want) in [
        (1.0, 0.998),
        (5.0, 0.846),
        (10.0, 0.637),
        (20.0, 0.621),
        (50.0, 0.612),
    ] {
        assert!(
            (exact(256, gap(d)) / exact(256, d) - want).abs() < 0.00051,
            "d = {d}"
        );
    }
}

#[test]
fn f9_first_order_exceeds_the_largest_entropy_and_its_error_is_not_a_millionth() {
    for (k, edge) in [
        (2, 1.116),
        (16, 3.099),
        (64, 4.405),
        (256, 5.736),
        (1024, 7.084),
    ] {
        let value = |g: f64| entropy_first_order(k, g).expect("valid");
        let most = (k as f64).ln();
        assert!(
            value(edge - 0.001) > most && value(edge + 0.001) < most,
            "K = {k}"
        );
    }
    for (k, gaps) in [
        (2, [4.509, 9.160, 13.781]),
        (16, [7.250, 11.879, 16.495]),
        (64, [8.695, 13.318, 17.932]),
        (256, [10.100, 14.719, 19.332]),
        (1024, [11.495, 16.111, 20.723]),
    ] {
        for (g, level) in gaps.into_iter().zip([1e-2, 1e-4, 1e-6]) {
            assert!(
                near(relative_error(k, g).expect("valid"), level, 1e-3),
                "K = {k}, g = {g}"
            );
        }
    }
    assert!(near(
        relative_error(256, gap(10.0)).expect("valid"),
        6.72e-3,
        1e-3
    ));
    assert!(near(
        relative_error(256, 10.0).expect("valid"),
        1.10e-2,
        1e-2
    ));
}

#[test]
fn f9_log_space_has_no_nan_and_no_underflow() {
    for k in [1, 2, 256, 1_000_000] {
        for g in [
            0.0, 1e-300, 1e-9, 0.5, 30.0, 340.0, 699.0, 701.0, 745.2, 1e4, 1e6,
        ] {
            let (h, log) = (exact(k, g), log_entropy_exact(k, g).expect("valid"));
            assert!(h >= 0.0 && !log.is_nan(), "K = {k}, g = {g}");
            if k > 1 {
                assert!(log.is_finite());
                if h > 1e-280 {
                    assert!((log - h.ln()).abs() < 1e-9, "K = {k}, g = {g}");
                }
                let printed = log_entropy_first_order(k, g).expect("valid");
                assert!(log <= printed + EXACT * printed.abs());
            }
            for value in [
                relative_error(k, g).expect("valid"),
                remainder(k, g).expect("valid").abs(),
                min_entropy(k, g).expect("valid").entropy,
                entropy_derivative(k, g).expect("valid").abs(),
            ] {
                assert!(
                    value >= 0.0 && value.is_finite(),
                    "K = {k}, g = {g}: {value}"
                );
            }
        }
    }
    // The two branches of the logarithm meet.
    let (a, b) = (log_entropy_exact(256, 345.0), log_entropy_exact(256, 360.0));
    let slope = (b.expect("valid") - a.expect("valid")) / 15.0;
    assert!((slope + 1.0 - 1.0 / 353.5).abs() < 1e-5);
    assert!(entropy_exact(0, 1.0).is_err() && entropy_exact(2, -1.0).is_err());
    assert!(entropy_exact(2, f64::INFINITY).is_err() && gap_rvq(-1.0, 1.0).is_err());
}

#[test]
fn f10_remainder_carries_a_factor_of_the_gap() {
    for (k, g, ratio) in [(2, 10.0, -0.99995), (256, 10.0, -0.98874)] {
        let got = remainder(k, g).expect("valid") / -remainder_leading(k, g).expect("valid");
        // The quoted digits are cut, not rounded: the first is −0.999955….
        assert!((got - ratio).abs() < 1e-5, "K = {k}: {got}");
    }
    for k in [2, 16, 256] {
        for g in [10.0, 15.0, 20.0, 30.0, 60.0] {
            let got = remainder(k, g).expect("valid") / remainder_leading(k, g).expect("valid");
            assert!((got - 1.0).abs() < 0.02, "K = {k}, g = {g}: {got}");
            if g >= 30.0 {
                assert!((got - 1.0).abs() < 1e-6);
            }
        }
    }
    // (h − h¹)e^{2g} grows linearly, so the remainder is not O(e^{−2g}).
    for (g, want) in [(10.0, -10.5), (20.0, -20.5), (30.0, -30.5)] {
        let got = remainder(2, g).expect("valid") * (2.0 * g).exp();
        assert!((got - want).abs() < 0.01, "g = {g}: {got}");
    }
}

#[test]
fn f11_minimum_equals_brute_force_and_its_thresholds() {
    for k in (1..=300).step_by(7).chain([2, 3, 4, 256, 300]) {
        for g in [
            0.0, 1e-4, 0.009, 0.011, 0.3, 0.8, 1.0, 2.2, 3.0, 4.4, 5.0, 6.0, 7.0, 7.1, 9.0, 20.0,
        ] {
            let got = min_entropy(k, g).expect("valid");
            let brute = (1..k.max(2))
                .map(|n| vertex_entropy(k, n.min(k), g).expect("valid"))
                .fold(f64::INFINITY, f64::min);
            assert!(
                (got.entropy - brute).abs() <= EXACT * (1.0 + brute),
                "K = {k}, g = {g}"
            );
            let at = vertex_entropy(k, got.num_top, g).expect("valid");
            assert!((at - got.entropy).abs() < EXACT);
        }
    }
    let table = [
        (4, 0.82213, 1.308445),
        (8, 2.24602, 1.510061),
        (16, 3.37041, 1.562483),
        (32, 4.36333, 1.567837),
        (64, 5.28326, 1.557585),
        (128, 6.15755, 1.543096),
        (256, 7.00105, 1.528568),
        (512, 7.82258, 1.515421),
        (1024, 8.62776, 1.503979),
    ];
    for (k, threshold, entropy) in table {
        let got = min_entropy_threshold(k)
            .expect("valid")
            .expect("above three codes");
        assert!((got - threshold).abs() < 1e-5, "K = {k}: {got}");
        assert!((exact(k, got) - entropy).abs() < 1e-6);
        assert_eq!(min_entropy(k, got + 1e-6).expect("valid").num_top, 1);
        assert_eq!(min_entropy(k, got - 1e-6).expect("valid").num_top, 2);
    }
    for k in 1..=3 {
        assert_eq!(min_entropy_threshold(k).expect("valid"), None);
        for g in [0.1, 1.0, 5.0] {
            assert_eq!(min_entropy(k, g).expect("valid").num_top, 1, "K = {k}");
        }
    }
    for (g, num_top, least, printed) in [
        (1.0, 87, 5.421877, 5.541320),
        (1.5, 68, 5.272304, 5.532779),
        (3.0, 29, 4.537673, 5.398035),
        (5.0, 7, 3.127458, 4.160493),
        (6.0, 3, 2.325831, 2.813570),
        (7.0, 2, 1.529252, 1.529694),
    ] {
        let got = min_entropy(256, g).expect("valid");
        assert_eq!(got.num_top, num_top, "g = {g}");
        assert!((got.entropy - least).abs() < 1e-6 && (exact(256, g) - printed).abs() < 1e-6);
    }
    assert!((floor_rvq(256, 1.0, 1.0).expect("valid") - 5.272304).abs() < 1e-6);
}

#[test]
fn f12_crossover_is_exact() {
    for delta in [0.1, 0.5, 0.9, 0.99] {
        for c in [-1.0, 0.0, 1.0, 5.0] {
            let edge = crossover(delta, c).expect("valid").expect("delta < 1");
            let lead = |d: f64| {
                let (rvq, softmax) = (gap_rvq(delta, d), d - c);
                log_entropy_exact(64, rvq.expect("valid")).expect("valid")
                    - log_entropy_exact(64, softmax).expect("valid")
            };
            let (below, above) = (edge - 0.01 * edge.abs(), edge + 0.01 * edge.abs());
            if below > 0.0 && below >= c {
                assert!(lead(below) < 0.0, "δ = {delta}, c = {c}");
            }
            if above > 0.0 && above >= c {
                assert!(lead(above) > 0.0, "δ = {delta}, c = {c}");
            }
        }
    }
    assert_eq!(crossover(1.0, 0.0).expect("valid"), None);
    // At δ = 1 the ratio tends to e^{−c−½}.
    for c in [-2.0, 0.0, 1.0] {
        let limit = leading_log_ratio(1.0, c, 1e6).expect("valid");
        assert!((limit - (-c - 0.5)).abs() < 1e-5, "c = {c}");
        let exact = log_entropy_exact(256, gap(500.0)).expect("valid")
            - log_entropy_exact(256, 500.0 - c).expect("valid");
        assert!((exact - leading_log_ratio(1.0, c, 500.0).expect("valid")).abs() < 1e-9);
    }
}

#[test]
fn stability_bound_holds_and_fails_for_learnt_variances() {
    let seed = SeedTree::new(38);
    let mut tightest = 0.0_f64;
    for i in 0..20_000 {
        let node = seed.index(i);
        let size = uniforms(&node.child("size"), 1, 0.01, 4.0)[0];
        let draws = normals(&node, 12);
        let (a, b): (Vec<f64>, Vec<f64>) = (0..6)
            .map(|k| (draws[k] * 2.0, draws[k] * 2.0 + size * draws[6 + k]))
            .unzip();
        let kl = kl_from_logits(&a, &b).expect("valid");
        let bound = kl_bound(logit_range(&a, &b).expect("valid")).expect("valid");
        assert!(kl <= bound, "{kl} above {bound}");
        tightest = tightest.max(kl / bound);
    }
    assert!(tightest > 0.5, "the bound is not idle: {tightest}");
    // Shared unit-variance codebook: logits e·E_k − ½‖E_k‖².
    for i in 0..2000 {
        let node = seed.child("codes").index(i);
        let codes = normal_matrix(&node, 8, 3) * 0.3;
        let delta = vaegis_theory::sphere::diameter(&codes);
        let (e, f) = (normals(&node.child("e"), 3), normals(&node.child("f"), 3));
        let logits = |e: &[f64]| -> Vec<f64> {
            codes
                .rows()
                .into_iter()
                .map(|c| (0..3).map(|j| c[j] * (e[j] - 0.5 * c[j])).sum())
                .collect()
        };
        let shift = e
            .iter()
            .zip(&f)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt();
        let kl = kl_from_logits(&logits(&e), &logits(&f)).expect("valid");
        assert!(kl <= kl_bound_unit_variance(delta, shift).expect("valid"));
    }
    // One dimension, two codes, a small step at the middle: the bound is attained.
    let kl = kl_from_logits(&[0.0, 0.0], &[0.001, -0.001]).expect("valid");
    assert!(kl / kl_bound(0.002).expect("valid") > 0.99999);
    // With variances the same outputs and code means give far more than the codebook bound.
    let (low, high) = (0.5_f64, 1.5_f64);
    let learnt = |e: f64| [-0.5 * e * e / low, -0.5 * e * e / high];
    let kl = kl_from_logits(&learnt(20.0), &learnt(21.0)).expect("valid");
    assert!(
        kl < kl_bound(logit_range(&learnt(20.0), &learnt(21.0)).expect("valid")).expect("valid")
    );
    let swapped = kl_from_logits(&learnt(0.5), &learnt(20.0)).expect("valid");
    assert!(swapped > kl_bound_unit_variance(0.0, 19.5).expect("valid") + 10.0);
}

#[test]
fn figure_grids_and_their_floors() {
    let grid = paper_distances();
    assert_eq!((grid.len(), grid[0], grid[500]), (501, 0.0, 50.0));
    let curve = figure_b3(256, 1.0, &grid).expect("valid");
    let mut below = 0;
    for point in &curve.points {
        assert!(
            point.lower <= point.exact * (1.0 + EXACT)
                && point.floor <= point.exact * (1.0 + EXACT)
        );
        assert!(point.exact <= point.first_order * (1.0 + EXACT));
        below += usize::from(point.floor < point.exact * (1.0 - 1e-9));
    }
    // d* = 6.501 for δ = 1: up to there the printed arrangement is no worst case.
    assert_eq!(below, 66);
}

proptest! {
    // F9: the closed form is the sum over the logits; F9: the sandwich; monotone; derivative.
    #[test]
    fn closed_form_equals_the_direct_sum(k in 1..2000_usize, g in 0.0..40.0_f64, base in -50.0..50.0_f64) {
        let mut logits = vec![base; k];
        logits[0] += g;
        let direct = entropy_from_logits(&logits).expect("valid");
        let h = exact(k, g);
        // The gap is rounded when it is added to the base.
        prop_assert!((direct - h).abs() <= 1e-12 * (1.0 + base.abs()) * h.max(1e-12));
        let (low, high) = entropy_bounds(k, g).expect("valid");
        prop_assert!(low <= h * (1.0 + EXACT) && h <= high * (1.0 + EXACT));
        let error = relative_error(k, g).expect("valid");
        prop_assert!(error >= 0.0 && error <= (k as f64 - 1.0) * (-g).exp() * (1.0 + EXACT) + EXACT);
        prop_assert!(exact(k, g + 0.1) <= h);
        if k > 1 && g > 0.01 {
            let step = 1e-5;
            let slope = (exact(k, g + step) - exact(k, g - step)) / (2.0 * step);
            let want = entropy_derivative(k, g).expect("valid");
            prop_assert!((slope - want).abs() < 1e-8 + 1e-6 * want.abs());
        }
    }

    // F11: no logits within the interval have less entropy.
    #[test]
    fn no_logits_are_below_the_minimum(k in 2..60_usize, g in 0.0..15.0_f64, root in any::<u64>(), edge in 0.0..1.0_f64) {
        let draws = uniforms(&SeedTree::new(root), k, 0.0, 1.0);
        // Some at the ends, where the minimum is.
        let logits: Vec<f64> = draws
            .iter()
            .map(|&u| if u < 0.5 * edge { 0.0 } else if u > 1.0 - 0.5 * edge { g } else { g * u })
            .collect();
        let floor = min_entropy(k, g).expect("valid").entropy;
        let h = entropy_from_logits(&logits).expect("valid");
        prop_assert!(h >= floor * (1.0 - EXACT), "{h} below {floor}");
        prop_assert!(h <= (k as f64).ln() + EXACT);
    }
}
