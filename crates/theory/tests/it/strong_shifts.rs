//! Weighted chi-squares whose shifts are strong: the non-central sum, and the line through the
//! saddle point, against closed forms and a convolution.

use vaegis_theory::chi_square_mixture::{cdf, imhof};
use vaegis_theory::special::{noncentral_chi2_cdf, normal_cdf, normal_pdf};

#[test]
fn the_noncentral_sum_agrees_with_the_closed_form_of_three_degrees() {
    // P(χ²₃(ν²) ≤ x) = Φ(√x − ν) − Φ(−√x − ν) − (φ(√x − ν) − φ(√x + ν)) / ν; the largest shift
    // takes 2·10⁵ terms of the sum, which must stay cheap and exact.
    for shift in [0.3_f64, 1.0, 7.0, 100.0, 1e4] {
        for offset in [-4.0, -1.0, 0.0, 0.5, 3.0] {
            let root = (shift + offset).max(0.2);
            let (low, high) = (root - shift, root + shift);
            let density = normal_pdf(low) - normal_pdf(high);
            let want = normal_cdf(low) - normal_cdf(-high) - density / shift;
            let got = noncentral_chi2_cdf(root * root, 3.0, shift * shift);
            // x carries a rounding of ν² eps, which moves the probability by ν eps.
            let tolerance = 1e-12 + 4.0 * shift * f64::EPSILON;
            assert!(
                (got - want).abs() <= tolerance,
                "ν = {shift}, √x = {root}: {got} against {want}"
            );
        }
    }
}

#[test]
fn strong_shifts_agree_with_the_convolution() {
    // P(λ₁(Z₁ + ν₁)² + λ₂(Z₂ + ν₂)² ≤ x) = E Φ-differences of the second given the first, by the
    // midpoint rule in z₁ over ± 8 (beyond lie 1e-15), where the kink at the end of the support is
    // far out. The first is the one with the smaller λν: the difference then goes from 0 to 1 over
    // a width of at least about 1 in z₁, so that steps of 0.2 leave far less than e^{-2π²/0.2²}.
    let by_convolution = |x: f64, [l1, l2]: [f64; 2], [n1, n2]: [f64; 2]| {
        const STEP: f64 = 0.2;
        let each = (0..80).map(|k| {
            let z = -8.0 + (f64::from(k) + 0.5) * STEP;
            let rest = x - l1 * (z + n1).powi(2);
            if rest <= 0.0 {
                return 0.0;
            }
            let root = (rest / l2).sqrt();
            normal_pdf(z) * (normal_cdf(root - n2) - normal_cdf(-root - n2))
        });
        STEP * each.sum::<f64>()
    };
    for (lambdas, shifts) in [
        ([1.0, 0.3], [30.0, 50.0]),
        ([1.0, 1e-3], [64.0, 10.0]),
        ([0.02, 1.0], [900.0, 120.0]),
        ([1.0, 0.5], [1e4, 2e4]),
    ] {
        let pairs = || lambdas.iter().zip(&shifts);
        let mean: f64 = pairs().map(|(l, n)| l * (1.0 + n * n)).sum();
        let variance: f64 = pairs().map(|(l, n)| l * l * (2.0 + 4.0 * n * n)).sum();
        for offset in [-6.0, -1.5, -1e-3, 0.0, 0.7, 5.0] {
            let x = mean + offset * variance.sqrt();
            let got = cdf(x, &lambdas, &shifts).expect("valid");
            let first = usize::from(lambdas[1] * shifts[1] < lambdas[0] * shifts[0]);
            let pair = |of: [f64; 2]| [of[first], of[1 - first]];
            let want = by_convolution(x, pair(lambdas), pair(shifts));
            assert!(
                (got.value - want).abs() <= 1e-9 + got.error,
                "{lambdas:?} {shifts:?} at {offset}: {got:?} against {want}"
            );
            assert!(got.error <= 1e-9, "{lambdas:?} {shifts:?}: {got:?}");
        }
        // Imhof's phases are of the order of the noncentralities here, and rounded.
        let line = imhof(mean, &lambdas, &shifts).expect("valid");
        let got = cdf(mean, &lambdas, &shifts).expect("valid");
        assert!(
            (line.value - got.value).abs() <= line.error + got.error && line.error <= 1e-9,
            "{lambdas:?} {shifts:?}: {line:?} against {got:?}"
        );
    }
}

#[test]
fn strong_shifts_agree_with_the_noncentral_chi_square() {
    // Weights that differ by 1e-9 force the general method; the closed form is 1e-8 away at most.
    for shift in [0.5_f64, 3.0, 8.0, 20.0, 40.0] {
        for offset in [-2.0, 0.0, 2.0] {
            let noncentrality = 2.0 * shift * shift;
            let x = (2.0 + noncentrality + offset * (4.0 + 4.0 * noncentrality).sqrt()).max(0.1);
            let got = cdf(x, &[1.0, 1.0 - 1e-9], &[shift, shift]).expect("valid");
            let want = noncentral_chi2_cdf(x, 2.0, noncentrality);
            let gap = (got.value - want).abs();
            assert!(
                gap <= 3e-8 + got.error,
                "shift {shift}, x {x}: off by {gap:e}, {got:?}"
            );
            assert!(
                got.error <= 1e-7,
                "shift {shift}, x {x}: claims only {:e}",
                got.error
            );
        }
    }
}
