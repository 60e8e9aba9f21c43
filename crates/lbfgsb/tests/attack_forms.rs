//! Penalized attacks on linear-Gaussian encoders, whose optima are known.

mod common;

use common::Arbitrary;
use vaegis_lbfgsb::{Options, Solution, minimize};

/// The projected gradient stops at 1e-9, on curvatures of order one.
const CLOSED_FORM_TOLERANCE: f64 = 1e-7;

/// A linear-Gaussian encoder `2x`, σ = ½, one unit from its target: divergence
/// `½ ((2d − 1) / ½)²`, as a penalized problem in one variable.
fn scalar_attack(weight: f64, squared: bool) -> Solution {
    let options = Options {
        pgtol: 1e-9,
        ..Options::default()
    };
    minimize(
        |d, g| {
            let r = 2.0 * d[0] - 1.0;
            let norm = d[0].abs();
            let (penalty, slope) = if squared {
                (d[0] * d[0], 2.0 * d[0])
            } else {
                (norm, d[0] / norm.max(1e-12))
            };
            g[0] = 8.0 * r + weight * slope;
            2.0 * r * r + weight * penalty
        },
        &[1e-8],
        &[-1.0],
        &[1.0],
        &options,
    )
    .expect("valid")
}

#[test]
fn scalar_attacks_have_their_closed_forms() {
    let s = scalar_attack(1.0, true);
    assert!(
        (s.x[0] - 4.0 / 9.0).abs() < CLOSED_FORM_TOLERANCE,
        "{}",
        s.x[0]
    );
    assert!(
        (s.value - 2.0 / 9.0).abs() < CLOSED_FORM_TOLERANCE,
        "{}",
        s.value
    );
    let s = scalar_attack(1.0, false);
    assert!(
        (s.x[0] - 0.4375).abs() < CLOSED_FORM_TOLERANCE,
        "{}",
        s.x[0]
    );
    assert!(
        (s.value - 0.46875).abs() < CLOSED_FORM_TOLERANCE,
        "{}",
        s.value
    );
    for weight in [8.0, 20.0, 1e6] {
        let s = scalar_attack(weight, false);
        // Within the smoothing of the norm, whatever the kink does to the line search.
        assert!(s.x[0].abs() <= 1e-8, "weight {weight}: {}", s.x[0]);
        assert!(
            (s.value - 2.0).abs() <= weight * 1e-8,
            "weight {weight}: {}",
            s.value
        );
    }
}

#[test]
fn stronger_penalties_trade_norm_for_divergence() {
    // `½ ‖W d − b‖² + λ ‖d‖` with a well-conditioned W.
    let n = 6;
    let mut source = Arbitrary::new(11);
    let w = source.vector(n * n, -1.0, 1.0);
    let b = source.vector(n, -2.0, 2.0);
    let divergence = |d: &[f64], g: &mut [f64]| {
        g.fill(0.0);
        let mut f = 0.0;
        for (i, row) in w.chunks_exact(n).enumerate() {
            let r = row.iter().zip(d).map(|(w, d)| w * d).sum::<f64>() + 2.0 * d[i] - b[i];
            f += 0.5 * r * r;
            for (g, w) in g.iter_mut().zip(row) {
                *g += w * r;
            }
            g[i] += 2.0 * r;
        }
        f
    };
    let start = divergence(&vec![0.0; n], &mut vec![0.0; n]);
    let weights: Vec<f64> = (-20..=8).map(|k| f64::from(k).exp2()).collect();
    let mut cells = Vec::new();
    for &weight in &weights {
        let s = minimize(
            |d, g| {
                let f = divergence(d, g);
                let norm = d.iter().map(|d| d * d).sum::<f64>().sqrt();
                for (g, d) in g.iter_mut().zip(d) {
                    *g += weight * d / norm.max(1e-12);
                }
                f + weight * norm
            },
            &vec![1e-8; n],
            &vec![-3.0; n],
            &vec![3.0; n],
            &Options {
                pgtol: 1e-9,
                ..Options::default()
            },
        )
        .expect("valid");
        let norm = s.x.iter().map(|d| d * d).sum::<f64>().sqrt();
        assert!(s.value <= start + 1e-6, "weight {weight}");
        cells.push((norm, divergence(&s.x, &mut vec![0.0; n]), s.value));
    }
    // Slack for the optimizer's accuracy and for the start's norm of 2.4e-8 where nothing is gained.
    let slack = 1e-6;
    for pair in cells.windows(2) {
        assert!(pair[1].0 <= pair[0].0 + slack, "norm {pair:?}");
        assert!(pair[1].1 >= pair[0].1 - slack, "divergence {pair:?}");
        assert!(pair[1].2 >= pair[0].2 - slack, "objective {pair:?}");
    }
    for (k, triple) in cells.windows(3).enumerate() {
        let rise =
            |i: usize| (triple[i + 1].2 - triple[i].2) / (weights[k + i + 1] - weights[k + i]);
        // Differences of values at steps down to 1e-6 magnify their error.
        if weights[k] > 1e-3 {
            assert!(rise(1) <= rise(0) + 1e-4, "not concave at {}", weights[k]);
        }
    }
}
