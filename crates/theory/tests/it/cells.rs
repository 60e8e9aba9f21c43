//! Activation cells: where the first-order bound is exact, and what lies beyond.

use crate::common::{norm, normals, random_layers, relu_network, unit};
use ndarray::{Array1, array};
use rayon::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::margin::{
    AcceptanceProbability, AffineLayer, EncoderGeometry, bounds, cell_certificate, cell_radius,
    relu_cell,
};
use vaegis_theory::special::normal_cdf;

/// Equalities of the theory, up to rounding.
const EXACT: f64 = 1e-12;

#[test]
fn activation_cell_keeps_its_pattern_inside_and_loses_it_outside() {
    // Ten thousand probes just inside the cell; one just outside along the nearest normal.
    let seed = SeedTree::new(10).child("cells");
    let failures: usize = (0..100_u64)
        .into_par_iter()
        .map(|i| {
            let node = seed.index(i);
            let layers = random_layers(&node.child("layers"), &[10, 32, 32, 4]);
            let x = normals(&node.child("x"), 10);
            let cell = relu_cell(&layers, &x).expect("valid");
            assert!(cell.radius > 0.0 && cell.radius.is_finite());
            let at = |direction: &Array1<f64>, length: f64| {
                let y = Array1::from(x.clone()) + direction * length;
                relu_cell(&layers, &y.to_vec()).expect("valid").pattern
            };
            let nearest = cell.nearest.clone().expect("there is a kink");
            let normal = Array1::from(nearest.direction);
            let beyond = at(&normal, cell.radius * 1.001);
            let (layer, unit) = (nearest.layer, nearest.unit);
            assert_ne!(
                beyond[layer][unit], cell.pattern[layer][unit],
                "network {i}"
            );
            (0..100)
                .filter(|&j| {
                    at(
                        &crate::common::unit(&node.child("probe").index(j), 10),
                        cell.radius * 0.999,
                    ) != cell.pattern
                })
                .count()
        })
        .sum();
    assert_eq!(failures, 0);
}

#[test]
fn cell_gives_the_affine_map_of_the_network() {
    let seed = SeedTree::new(11);
    let layers = random_layers(&seed, &[6, 12, 12, 3]);
    let x = normals(&seed.child("x"), 6);
    let cell = relu_cell(&layers, &x).expect("valid");
    assert!(norm(&(&cell.output - &relu_network(&layers, &x))) < EXACT);
    // Inside the cell the network equals its affine map, so B_M needs no O(ε) term.
    let delta = unit(&seed.child("delta"), 6) * (0.99 * cell.radius);
    let y = (Array1::from(x.clone()) + &delta).to_vec();
    let moved = relu_network(&layers, &y) - &cell.output;
    assert!(norm(&(moved - cell.jacobian.dot(&delta))) < EXACT);
    assert_eq!(cell_radius(&layers, &x).expect("valid"), cell.radius);
}

#[test]
fn cell_edge_cases() {
    let affine = [AffineLayer {
        weight: array![[2.0]],
        bias: array![1.0],
    }];
    assert_eq!(cell_radius(&affine, &[3.0]).expect("valid"), f64::INFINITY);
    // μ = 5 max(x − 0.4, 0) at 0: the bound is +∞, the kink is 0.4 away and the margin 0.6.
    let kinked = [
        AffineLayer {
            weight: array![[1.0]],
            bias: array![-0.4],
        },
        AffineLayer {
            weight: array![[5.0]],
            bias: array![0.0],
        },
    ];
    let cell = relu_cell(&kinked, &[0.0]).expect("valid");
    assert!((cell.radius - 0.4).abs() < EXACT);
    let p0 = AcceptanceProbability::exact(normal_cdf(2.5) - normal_cdf(-2.5)).expect("valid");
    let geometry = EncoderGeometry::diagonal(&[0.4], cell.jacobian.view()).expect("valid");
    let b = bounds(&geometry, &p0, 0.5).expect("valid");
    assert_eq!(b.frobenius, f64::INFINITY);
    let inside = |x: f64| {
        let mu = 5.0 * (x - 0.4).max(0.0);
        normal_cdf((1.0 - mu) / 0.4) - normal_cdf((-1.0 - mu) / 0.4)
    };
    assert!(
        inside(0.599) > 0.5 && inside(0.601) < 0.5,
        "the true margin is 0.600"
    );
    let sound = cell_certificate(&b, cell.radius).expect("valid");
    assert!(sound.evidence.is_certificate() && sound.value < 0.6);
    // A unit that never moves has no kink to reach.
    let dead = [
        AffineLayer {
            weight: array![[0.0], [1.0]],
            bias: array![-1.0, 5.0],
        },
        AffineLayer {
            weight: array![[1.0, 1.0]],
            bias: array![0.0],
        },
    ];
    assert!((cell_radius(&dead, &[0.0]).expect("valid") - 5.0).abs() < EXACT);
    assert!(
        cell_radius(&dead, &[0.0, 1.0]).is_err(),
        "shapes must chain"
    );
    assert!(cell_radius(&[], &[0.0]).is_err());
}

#[test]
fn margins_with_perturbed_sigma_are_not_covered() {
    // μ = 0.2x, σ = 0.25 exp(1.5|x|), g = identity, r = 0.8: bound 3.743, mean-only margin 4.000.
    let inside = |x: f64, sigma: f64| {
        normal_cdf((0.8 - 0.2 * x) / sigma) - normal_cdf((-0.8 - 0.2 * x) / sigma)
    };
    let both = |x: f64| inside(x, 0.25 * (1.5 * x).exp());
    assert!(inside(3.74, 0.25) > 0.5, "the bound holds for the frozen σ");
    assert!(
        both(1.027) > 0.5 && both(1.029) < 0.5,
        "the margin with σ(x+δ) is 1.028"
    );
}
