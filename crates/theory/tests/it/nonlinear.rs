//! The smallest radius where the decoder is no line: neither direction of the printed proposition
//! survives, and the order statistic is nearly unbiased.

use crate::common::normals;
use vaegis_core::seed::SeedTree;
use vaegis_theory::linear::p_linear;
use vaegis_theory::r_min::{
    empirical, linearized, median_band, printed_proposition, spectrum, trace,
};
use vaegis_theory::special::{binomial_sf, chi2_cdf, probit};
use vaegis_theory::stats::{Proportion, mean, standard_deviation};

/// Half a unit of the third decimal, in which the counter-examples are quoted.
const THIRD_DECIMAL: f64 = 5e-4;
const NUM_DRAWS: usize = 200_000;

/// Distances of an increasing, odd decoder of one latent with σ = 1, and the radius that its
/// quartile gives: half of all |η| are below Φ⁻¹(¾).
fn distances(decoder: impl Fn(f64) -> f64, label: &str) -> (Vec<f64>, f64) {
    let noise = normals(&SeedTree::new(31).child(label), NUM_DRAWS);
    let exact = decoder(probit(0.75));
    (noise.iter().map(|eta| decoder(*eta).abs()).collect(), exact)
}

fn share(distances: &[f64], r: f64) -> f64 {
    Proportion::of(distances, r).expect("finite").value()
}

/// g = tanh 3z: saturation makes every radius of the linearization far too large, so that not even
/// its lower end is necessary.
#[test]
fn a_saturated_decoder_needs_less_than_the_linearized_band() {
    let (found, exact) = distances(|z| (3.0 * z).tanh(), "tanh");
    let slope = ndarray::array![[3.0]];
    let sum = trace(slope.view(), &[1.0]).expect("valid");
    assert!((exact - 0.966).abs() < THIRD_DECIMAL, "{exact}");
    assert!((printed_proposition(sum) - 4.243).abs() < THIRD_DECIMAL);
    let estimate = empirical(&found, 0.5, 1e-6).expect("many");
    assert!(
        estimate.interval().contains(exact),
        "{estimate:?} for {exact}"
    );
    // All distances are below 1, half of the radius that is necessary for a line.
    let (low, _) = median_band(sum);
    assert!(low > 2.0 && share(&found, 1.0) == 1.0);
}

/// g = z³ + z/10: a flat middle makes every radius of the linearization too small, so that the
/// printed one, at least √2 too large for a line, does not suffice.
#[test]
fn a_decoder_flat_in_the_middle_needs_more_than_the_printed_radius() {
    let (found, exact) = distances(|z| z.powi(3) + 0.1 * z, "cubic");
    let slope = ndarray::array![[0.1]];
    let sum = trace(slope.view(), &[1.0]).expect("valid");
    let printed = printed_proposition(sum);
    // Quoted as 0.376 in the specification; the quartile's image is 0.3743.
    assert!((exact - 0.3743).abs() < 0.1 * THIRD_DECIMAL, "{exact}");
    assert!((printed - 0.141).abs() < THIRD_DECIMAL, "{printed}");
    let estimate = empirical(&found, 0.5, 1e-6).expect("many");
    assert!(
        estimate.interval().contains(exact),
        "{estimate:?} for {exact}"
    );
    let inside = share(&found, printed);
    assert!(inside < 0.4, "{inside} of all draws are within {printed}");
    // For the line of the same slope that radius has Φ(√2) − Φ(−√2) of the mass.
    let line = p_linear(slope.view(), &[1.0], &[0.0], printed).expect("valid");
    assert!(line > 0.84);
    let lambdas = spectrum(slope.view(), &[1.0]).expect("valid");
    assert!(linearized(&lambdas, 0.5).expect("valid") < 0.2 * exact);
}

/// Expectation of the order statistic ⌈n/2⌉ of ‖N(0, I₅)‖.
///
/// ∫ P(fewer than k of n are within r) dr by the trapezoidal rule, on which a smooth integrand
/// that is flat at both ends is exact to rounding.
fn expected_order_statistic(n: u64) -> f64 {
    const STEP: f64 = 1e-3;
    let below = |r: f64| 1.0 - binomial_sf(n.div_ceil(2) - 1, n, chi2_cdf(r * r, 5.0));
    let inner: f64 = (1..6000).map(|i| below(f64::from(i) * STEP)).sum();
    (inner + 0.5) * STEP
}

/// V19: means of the order statistic, which neither the grid nor first passage biases.
#[test]
fn the_order_statistic_has_the_bias_of_the_median_alone() {
    // Independent simulations gave these means to three decimals.
    for (n, quoted) in [(40, 2.066), (100, 2.077), (1000, 2.085)] {
        let expected = expected_order_statistic(n);
        assert!(
            (expected - quoted).abs() < 2.0 * THIRD_DECIMAL,
            "N = {n}: {expected} for {quoted}"
        );
        let seed = SeedTree::new(32).child("order").index(n);
        let values: Vec<f64> = (0..400)
            .map(|run| {
                let draws = normals(&seed.index(run), 5 * n as usize);
                let norms = draws
                    .chunks(5)
                    .map(|z| z.iter().map(|z| z * z).sum::<f64>());
                let distances: Vec<f64> = norms.map(f64::sqrt).collect();
                empirical(&distances, 0.5, 1e-3).expect("many").value
            })
            .collect();
        let error = standard_deviation(&values).expect("several") / (values.len() as f64).sqrt();
        let found = mean(&values).expect("several");
        assert!(
            (found - expected).abs() < 3.0 * error,
            "N = {n}: {found} for {expected} ± {error}"
        );
    }
}
