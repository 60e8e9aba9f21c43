//! Numbers and facts about the theorems that were established independently: false or loose
//! printed statements, tightness, labels.

use crate::common::{normal_matrix, normals, uniforms};
use ndarray::{Array2, array};
use rand::RngExt;
use rayon::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::evidence::Evidence;
use vaegis_theory::linear::{LinearModel, half_space_margin, margin_1d, p_linear};
use vaegis_theory::margin::{
    AcceptanceProbability, BoundStatus, EncoderGeometry, bounds, bounds_at_fixed_p0,
    cell_certificate, lipschitz_certificate, second_order_certificate,
};
use vaegis_theory::r_min::{
    empirical, linearized, markov_sufficient, median_band, printed_proposition, spectrum, trace,
};
use vaegis_theory::special::normal_cdf;
use vaegis_theory::stats::median;

/// Equalities of the theory, up to rounding.
const EXACT: f64 = 1e-12;
/// Quantities that pass through the contour rule.
const CONTOUR: f64 = 1e-9;
/// Half a unit of the last printed digit, for numbers quoted with three to five decimals.
const fn half_unit(decimals: i32) -> f64 {
    let mut unit = 0.5;
    let mut i = 0;
    while i < decimals {
        unit /= 10.0;
        i += 1;
    }
    unit * (1.0 + 1e-9)
}

fn exact(p0: f64) -> AcceptanceProbability {
    AcceptanceProbability::exact(p0).expect("probability")
}

#[test]
fn r_min_lies_in_the_band_and_never_near_the_printed_radius() {
    // 300 random spectra of up to 20 eigenvalues spread over orders of magnitude.
    let seed = SeedTree::new(1).child("spectra");
    let ratios: Vec<f64> = (0..300_u64)
        .into_par_iter()
        .map(|i| {
            let count = seed.index(i).child("count").rng().random_range(1..=20);
            let lambdas: Vec<f64> = normals(&seed.index(i), count)
                .iter()
                .map(|x| (1.5 * x).exp())
                .collect();
            let trace: f64 = lambdas.iter().sum();
            let r = linearized(&lambdas, 0.5).expect("valid");
            let (low, high) = median_band(trace);
            assert!(
                low * (1.0 - CONTOUR) <= r && r < high,
                "{low} {r} {high} for {lambdas:?}"
            );
            assert!(r < printed_proposition(trace) / 2.0_f64.sqrt());
            r / trace.sqrt()
        })
        .collect();
    let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = ratios.iter().copied().fold(0.0, f64::max);
    assert!(
        smallest < 0.70 && largest > 0.90,
        "the sample spans the band: {smallest} {largest}"
    );
}

#[test]
fn printed_proposition_is_not_necessary() {
    // One unit eigenvalue and r = 1 is r-robust although 1 < √2.
    let inside = p_linear(array![[1.0]].view(), &[1.0], &[0.0], 1.0).expect("valid");
    assert!((inside - 0.6827).abs() < half_unit(4));
    assert!(1.0 < printed_proposition(1.0));
}

#[test]
fn equal_eigenvalues_have_the_closed_form() {
    let table = [
        (1, 0.6745),
        (2, 0.8326),
        (3, 0.8881),
        (5, 0.9329),
        (10, 0.9665),
    ];
    for (k, ratio) in table.into_iter().chain([(20, 0.9833), (64, 0.9948)]) {
        let r = linearized(&vec![2.5; k], 0.5).expect("valid");
        assert!(
            (r / (2.5 * k as f64).sqrt() - ratio).abs() < half_unit(4),
            "k = {k}"
        );
        // The general method must join the closed form continuously.
        let mut almost = vec![2.5; k];
        almost.push(1e-9);
        let near = linearized(&almost, 0.5).expect("valid");
        assert!(
            (near - r).abs() < 1e-6 && near >= r - CONTOUR,
            "k = {k}: {near} against {r}"
        );
    }
}

#[test]
fn markov_is_loose_at_high_levels() {
    for (m, markov, one, twenty) in [(0.9, 3.162, 1.645, 1.192), (0.99, 10.0, 2.576, 1.371)] {
        assert!((markov_sufficient(1.0, m) - markov).abs() < half_unit(3));
        assert!((linearized(&[1.0], m).expect("valid") - one).abs() < half_unit(3));
        let r = linearized(&[0.05; 20], m).expect("valid");
        assert!((r - twenty).abs() < half_unit(3));
    }
}

#[test]
fn theorem_6_1_holds_on_random_linear_models() {
    let seed = SeedTree::new(4).child("models");
    let ratios: Vec<(f64, f64)> = (0..12_u64)
        .into_par_iter()
        .map(|i| {
            let node = seed.index(i);
            let jacobian = normal_matrix(&node.child("encoder"), 3, 6);
            let decoder = normal_matrix(&node.child("decoder"), 8, 3);
            let sigma = uniforms(&node.child("sigma"), 3, 0.1, 1.0);
            let p0 = uniforms(&node.child("p0"), 1, 0.6, 0.999)[0];
            let r = linearized(&spectrum(decoder.view(), &sigma).expect("valid"), p0);
            let r = r.expect("valid");
            let geometry = EncoderGeometry::diagonal(&sigma, jacobian.view()).expect("valid");
            let b = bounds(&geometry.affine(), &exact(p0), 0.5).expect("valid");
            assert_eq!(b.evidence, Evidence::Sound);
            let margin = search_margin(&jacobian, &decoder, &sigma, r, &node.child("search"));
            assert!(b.frobenius <= b.spectral && b.spectral <= b.mahalanobis);
            assert!(
                b.mahalanobis <= margin * (1.0 + CONTOUR),
                "{b:?} against {margin}"
            );
            (margin / b.frobenius, margin / b.mahalanobis)
        })
        .collect();
    let frobenius: Vec<f64> = ratios.iter().map(|r| r.0).collect();
    let middle = median(&frobenius).expect("twelve values");
    assert!(
        (2.0..12.0).contains(&middle),
        "median margin/B_F {middle}, expected about five"
    );
}

/// Smallest ray margin over random directions of the encoder's row space, then over shrinking
/// neighborhoods of the best one.
fn search_margin(
    jacobian: &Array2<f64>,
    decoder: &Array2<f64>,
    sigma: &[f64],
    r: f64,
    seed: &SeedTree,
) -> f64 {
    let model = LinearModel::new(jacobian.view(), decoder.view(), sigma).expect("valid");
    let ray = |latent: &[f64]| {
        let direction = jacobian.t().dot(&ndarray::ArrayView1::from(latent));
        let unit = &direction / direction.dot(&direction).sqrt();
        model.ray_margin(&unit.to_vec(), r, 0.5).expect("valid")
    };
    let mut best = (f64::INFINITY, vec![0.0; sigma.len()]);
    for i in 0..160 {
        let noise = normals(&seed.index(i), sigma.len());
        let width = if i < 80 {
            f64::INFINITY
        } else {
            0.5_f64.powf((i - 80) as f64 / 10.0)
        };
        let candidate = if width.is_infinite() {
            noise
        } else {
            best.1
                .iter()
                .zip(&noise)
                .map(|(b, e)| b + width * e)
                .collect()
        };
        let margin = ray(&candidate);
        if margin < best.0 {
            best = (margin, candidate);
        }
    }
    best.0
}

#[test]
fn bound_is_attained_by_a_half_space() {
    let jacobian = array![[3.0, 4.0], [0.0, 0.0]];
    let sigma = [0.2, 0.9];
    let geometry = EncoderGeometry::diagonal(&sigma, jacobian.view())
        .expect("valid")
        .affine();
    let b = bounds(&geometry, &exact(0.93), 0.5).expect("valid");
    let margin = half_space_margin(jacobian.view(), &sigma, &[1.0, 0.0], 0.93, 0.5);
    assert!((b.frobenius - margin.expect("valid")).abs() < EXACT);
    assert!((b.frobenius - 0.0590316).abs() < half_unit(7));
}

#[test]
fn level_and_full_covariance_forms_are_tight_for_half_spaces() {
    let jacobian = array![[3.0, 4.0]];
    let margin = half_space_margin(jacobian.view(), &[0.2], &[1.0], 0.95, 0.7).expect("valid");
    let covariance = array![[0.04]];
    for geometry in [
        EncoderGeometry::diagonal(&[0.2], jacobian.view()),
        EncoderGeometry::full_covariance(covariance.view(), jacobian.view()),
    ] {
        let b = bounds(&geometry.expect("valid"), &exact(0.95), 0.7).expect("valid");
        assert!((b.mahalanobis - margin).abs() < EXACT);
        assert!((b.frobenius - 0.0448181).abs() < half_unit(7));
    }
}

#[test]
fn full_covariance_bound_holds_for_random_half_spaces() {
    // Lemma A with any covariance: no half-space of probability p₀ is left before B_M.
    let seed = SeedTree::new(6);
    for i in 0..40 {
        let node = seed.index(i);
        let jacobian = normal_matrix(&node.child("j"), 3, 5);
        let root = normal_matrix(&node.child("root"), 3, 3);
        let covariance = root.dot(&root.t()) + Array2::<f64>::eye(3) * 0.05;
        let geometry = EncoderGeometry::full_covariance(covariance.view(), jacobian.view());
        let b = bounds(&geometry.expect("valid"), &exact(0.9), 0.6).expect("valid");
        for direction in 0..10 {
            let w = ndarray::Array1::from(normals(&node.index(direction), 3));
            let spread = w.dot(&covariance.dot(&w)).sqrt();
            let pull = jacobian.t().dot(&w);
            let margin = b.kappa * spread / pull.dot(&pull).sqrt();
            assert!(
                b.mahalanobis <= margin * (1.0 + EXACT),
                "{} {margin}",
                b.mahalanobis
            );
        }
    }
}

#[test]
fn curvature_violates_the_first_order_bound_and_not_the_second_order_one() {
    // μ(x) = x + 5x², σ = 0.4, r = 1, g = identity at x = 0: J = 1, μ'' = 10.
    let p0 = exact(normal_cdf(2.5) - normal_cdf(-2.5));
    let geometry = EncoderGeometry::diagonal(&[0.4], array![[1.0]].view()).expect("valid");
    let b = bounds(&geometry, &p0, 0.5).expect("valid");
    assert!((b.frobenius - 0.898).abs() < half_unit(3));
    assert!(!b.evidence.is_certificate());
    // Half the mass has left once the mean has moved to the edge of the ball.
    let inside = |x: f64| {
        let mu: f64 = x + 5.0 * x * x;
        normal_cdf((1.0 - mu) / 0.4) - normal_cdf((-1.0 - mu) / 0.4)
    };
    assert!(
        inside(0.357) > 0.5 && inside(0.359) < 0.5,
        "the true margin is 0.358"
    );
    let sound = second_order_certificate(&geometry, 10.0, &p0, 0.5).expect("valid");
    assert!((sound.value - 0.335).abs() < half_unit(3) && sound.evidence.is_certificate());
    let flat = second_order_certificate(&geometry, 0.0, &p0, 0.5).expect("valid");
    assert!(
        (flat.value - b.spectral).abs() < EXACT,
        "no curvature gives B_2 back"
    );
}

#[test]
fn frozen_sigma_margin_exceeds_its_bound() {
    // μ = 0.2x, σ(0) = 0.25, r = 0.8, g = identity.
    let p0 = exact(normal_cdf(3.2) - normal_cdf(-3.2));
    let geometry = EncoderGeometry::diagonal(&[0.25], array![[0.2]].view()).expect("valid");
    let b = bounds(&geometry, &p0, 0.5).expect("valid");
    let margin = margin_1d(0.2, 0.25, 0.8, 0.5).expect("valid");
    assert!(
        (b.frobenius - 3.743).abs() < half_unit(3),
        "{}",
        b.frobenius
    );
    assert!((margin - 4.0).abs() < half_unit(3));
}

#[test]
fn random_linear_decoders_respect_the_band() {
    let seed = SeedTree::new(7);
    (0..60_u64).into_par_iter().for_each(|i| {
        let node = seed.index(i);
        let mut rng = node.child("shape").rng();
        let (d_x, d_z) = (rng.random_range(1..40), rng.random_range(1..12));
        let decoder = normal_matrix(&node.child("decoder"), d_x, d_z);
        let sigma = uniforms(&node.child("sigma"), d_z, 0.05, 2.0);
        let eigenvalues = spectrum(decoder.view(), &sigma).expect("singular Σ is accepted");
        let total = trace(decoder.view(), &sigma).expect("valid");
        assert!((eigenvalues.iter().sum::<f64>() - total).abs() <= EXACT * total);
        let r = linearized(&eigenvalues, 0.5).expect("valid");
        let (low, high) = median_band(total);
        assert!(low * (1.0 - CONTOUR) <= r && r <= high, "{low} {r} {high}");
        // The same through single precision, as networks deliver it.
        let single = spectrum(decoder.mapv(|x| x as f32).view(), &sigma).expect("valid");
        let r_single = linearized(&single, 0.5).expect("valid");
        assert!(
            (r_single - r).abs() < 1e-5 * r,
            "f32 Jacobian: {r_single} against {r}"
        );
    });
}

#[test]
fn r_min_matches_monte_carlo() {
    let lambdas = [2.0, 1.0, 0.3, 0.01];
    let seed = SeedTree::new(10);
    let distances: Vec<f64> = (0..400_u64)
        .into_par_iter()
        .flat_map_iter(|chunk| {
            let z = normals(&seed.index(chunk), 1000 * lambdas.len());
            let square = |z: &[f64]| lambdas.iter().zip(z).map(|(l, z)| l * z * z).sum::<f64>();
            let rows = z.chunks(lambdas.len());
            rows.map(|z| square(z).sqrt()).collect::<Vec<_>>()
        })
        .collect();
    for m in [0.1, 0.5, 0.95] {
        let sampled = empirical(&distances, m, 1e-6).expect("valid");
        let r = linearized(&lambdas, m).expect("valid");
        assert!(
            sampled.interval().contains(r),
            "m = {m}: {r} outside {sampled:?}"
        );
        assert!((sampled.value / r - 1.0).abs() < 0.01, "m = {m}");
    }
}

#[test]
fn bound_special_cases_have_their_flags() {
    let sigma = [0.5, 1.0];
    let jacobian = array![[1.0, 2.0], [0.5, 0.0]];
    let geometry = EncoderGeometry::diagonal(&sigma, jacobian.view()).expect("valid");
    for p0 in [0.0, 0.3, 0.5] {
        let b = bounds(&geometry, &exact(p0), 0.5).expect("valid");
        assert_eq!((b.frobenius, b.mahalanobis, b.kappa), (0.0, 0.0, 0.0));
        assert_eq!(b.status, BoundStatus::NotRobustUnperturbed);
    }
    let still = EncoderGeometry::diagonal(&sigma, Array2::<f64>::zeros((2, 3)).view());
    let still = still.expect("valid");
    let b = bounds(&still, &exact(0.9), 0.5).expect("valid");
    assert!(b.frobenius.is_infinite() && b.spectral.is_infinite() && b.mahalanobis.is_infinite());
    assert_eq!(b.status, BoundStatus::DegenerateJacobian);
    let b = bounds(&still, &exact(0.4), 0.5).expect("valid");
    assert_eq!(
        (b.frobenius, b.status),
        (0.0, BoundStatus::NotRobustUnperturbed)
    );
    let s1 = lipschitz_certificate(0.5, 0.0, &exact(0.4), 0.5).expect("valid");
    assert_eq!(
        s1.value, 0.0,
        "a constant encoder does not make p0 <= m robust"
    );
    // The fixed-p₀ form is the probit of 0.9 times the geometry.
    let b = bounds_at_fixed_p0(&geometry, 0.9).expect("valid");
    let want = 1.2815516 * 0.5 / 5.25_f64.sqrt();
    assert!((b.frobenius - want).abs() < 1e-7);
    let wrong = EncoderGeometry::diagonal(&[0.0, 1.0], jacobian.view());
    assert!(wrong.is_err(), "a sigma of zero is refused");
    let nan = EncoderGeometry::diagonal(&sigma, array![[f32::NAN, 1.0], [0.0, 1.0]].view());
    assert!(nan.is_err(), "a Jacobian with NaN is refused");
}

#[test]
fn labels_follow_from_geometry_and_probability() {
    let sigma = [0.5];
    let first_order = EncoderGeometry::diagonal(&sigma, array![[2.0]].view()).expect("valid");
    let limit = AcceptanceProbability::clopper_pearson(990, 1000, 0.001).expect("valid");
    let plug_in = AcceptanceProbability::plug_in(990, 1000).expect("valid");
    assert!(limit.value() < plug_in.value());
    let sure = Evidence::SoundWithConfidence {
        confidence: 1.0 - 0.001,
    };
    for (p0, on_affine) in [
        (exact(0.99), Evidence::Sound),
        (limit, sure),
        (plug_in, Evidence::Empirical),
    ] {
        let b = bounds(&first_order, &p0, 0.5).expect("valid");
        assert_eq!(
            b.evidence,
            Evidence::FirstOrder,
            "no probability repairs a Taylor step"
        );
        assert_eq!(
            bounds(&first_order.affine(), &p0, 0.5)
                .expect("valid")
                .evidence,
            on_affine
        );
        let cell = cell_certificate(&b, 0.01).expect("valid");
        assert_eq!((cell.value, cell.evidence), (0.01, on_affine));
        let s1 = lipschitz_certificate(0.5, 4.0, &p0, 0.5).expect("valid");
        assert!((s1.value - 0.5 * b.kappa / 4.0).abs() < EXACT);
        assert_eq!(s1.evidence, on_affine);
    }
    // A sample without failures: finite for both constructors, smaller for the limit.
    let all = AcceptanceProbability::plug_in(1000, 1000).expect("valid");
    assert!((all.value() - 0.9995).abs() < EXACT);
    assert!(all.kappa(0.5).expect("valid").is_finite());
}

#[test]
fn bounds_survive_json_even_when_infinite() {
    let geometry = EncoderGeometry::diagonal(&[1.0], array![[0.0]].view()).expect("valid");
    let b = bounds(&geometry, &exact(0.9), 0.5).expect("valid");
    let text = serde_json::to_string(&b).expect("serializes");
    assert!(text.contains("\"frobenius\":\"inf\""), "{text}");
    assert_eq!(b, serde_json::from_str(&text).expect("reads back"));
}
