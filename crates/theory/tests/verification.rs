//! Numbers and facts about the theorems that were established independently: false or loose
//! printed statements, tightness, coverage.

mod common;

use common::{normal_matrix, normals, uniforms};
use ndarray::{Array2, array};
use rand::RngExt;
use rayon::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::evidence::Evidence;
use vaegis_theory::linear::{LinearModel, half_space_margin, margin_1d, p_linear};
use vaegis_theory::linear_beta_vae::LinearBetaVae;
use vaegis_theory::margin::{
    AcceptanceProbability, BoundStatus, EncoderGeometry, bounds, bounds_at_fixed_p0,
    cell_certificate, lipschitz_certificate, second_order_certificate,
};
use vaegis_theory::r_min::{
    empirical, linearized, markov_sufficient, median_band, printed_proposition, spectrum, trace,
};
use vaegis_theory::special::{binomial_sf, normal_cdf, probit};
use vaegis_theory::stats::{
    bootstrap_mean_ci, clopper_pearson_lower, clopper_pearson_upper, mean, median, t_interval,
};

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
fn clopper_pearson_rejects_false_certificates_and_plug_in_does_not() {
    // p = ½ is not robust. Count how often N = 1000 samples certify p > ½ at α = 0.001, exactly.
    let (n, alpha) = (1000, 0.001);
    let first = (0..=n)
        .find(|&k| clopper_pearson_lower(k, n, alpha).expect("valid") > 0.5)
        .expect("n of n certifies");
    let false_rate = binomial_sf(first - 1, n, 0.5);
    assert!(false_rate <= alpha);
    assert!((false_rate - 0.0008).abs() < 1e-4, "rate {false_rate}");
    let plug_in = binomial_sf(500, n, 0.5);
    assert!((plug_in - 0.49).abs() < half_unit(2), "rate {plug_in}");
}

#[test]
fn clopper_pearson_and_order_statistics_cover() {
    const NUM_SIMULATIONS: u64 = 2000;
    /// Allowance for the simulation's own error, three standard errors at α = 0.01.
    const SLACK: f64 = 0.01;
    let alpha = 0.05;
    let seed = SeedTree::new(5).child("coverage");
    for (label, p) in [("low", 0.55), ("high", 0.97)] {
        let hits: Vec<[bool; 2]> = (0..NUM_SIMULATIONS)
            .into_par_iter()
            .map(|i| {
                let mut rng = seed.child(label).index(i).rng();
                let k = (0..400).filter(|_| rng.random::<f64>() < p).count() as u64;
                let lower = clopper_pearson_lower(k, 400, alpha).expect("valid");
                let upper = clopper_pearson_upper(k, 400, alpha).expect("valid");
                [lower <= p, p <= upper]
            })
            .collect();
        for side in 0..2 {
            let share = hits.iter().filter(|h| h[side]).count() as f64 / NUM_SIMULATIONS as f64;
            assert!(
                share >= 1.0 - alpha - SLACK,
                "{label} side {side}: coverage {share}"
            );
            assert!(
                share < 1.0,
                "{label} side {side}: a limit that never fails is trivial"
            );
        }
    }
    for m in [0.5, 0.9] {
        // |Z| has the m-quantile Φ⁻¹((1+m)/2).
        let truth = probit(0.5 + 0.5 * m);
        let node = seed.child("distances");
        let covered = (0..NUM_SIMULATIONS)
            .into_par_iter()
            .filter(|&i| {
                let distances: Vec<f64> = normals(&node.index(i), 200)
                    .iter()
                    .map(|z| z.abs())
                    .collect();
                let r = empirical(&distances, m, alpha).expect("valid");
                assert!(r.lower <= r.value && r.value <= r.upper);
                r.interval().contains(truth)
            })
            .count() as f64
            / NUM_SIMULATIONS as f64;
        assert!(
            covered >= 1.0 - alpha - SLACK && covered < 1.0,
            "m = {m}: coverage {covered}"
        );
    }
}

#[test]
fn t_and_bootstrap_intervals_cover_a_mean() {
    const NUM_SIMULATIONS: u64 = 2000;
    let seed = SeedTree::new(8);
    let covered: Vec<(bool, bool)> = (0..NUM_SIMULATIONS)
        .into_par_iter()
        .map(|i| {
            let xs = normals(&seed.index(i), 30);
            let t = t_interval(&xs, 0.9).expect("valid");
            let b = bootstrap_mean_ci(&xs, 0.9, 300, &seed.index(i).child("b")).expect("valid");
            (t.interval().contains(0.0), b.interval().contains(0.0))
        })
        .collect();
    let share = |f: fn(&(bool, bool)) -> bool| {
        covered.iter().filter(|c| f(c)).count() as f64 / NUM_SIMULATIONS as f64
    };
    // Four standard errors for the exact interval; the bootstrap is a few points short at n = 30.
    assert!(
        (share(|c| c.0) - 0.9).abs() < 0.027,
        "t: {}",
        share(|c| c.0)
    );
    assert!(
        (share(|c| c.1) - 0.9).abs() < 0.05,
        "bootstrap: {}",
        share(|c| c.1)
    );
}

#[test]
fn bootstrap_depends_on_the_seed_alone() {
    let xs = normals(&SeedTree::new(9), 50);
    let run = |root| bootstrap_mean_ci(&xs, 0.95, 1000, &SeedTree::new(root)).expect("valid");
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("pool");
    assert_eq!(run(1), single.install(|| run(1)), "threads must not matter");
    assert_ne!(run(1), run(2));
    assert_eq!(run(1).value, mean(&xs).expect("valid"));
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
    let distances: Vec<f64> = (0..40_000)
        .map(|i| {
            let z = normals(&seed.index(i), lambdas.len());
            lambdas
                .iter()
                .zip(&z)
                .map(|(l, z)| l * z * z)
                .sum::<f64>()
                .sqrt()
        })
        .collect();
    for m in [0.1, 0.5, 0.95] {
        let sampled = empirical(&distances, m, 1e-6).expect("valid");
        let r = linearized(&lambdas, m).expect("valid");
        assert!(
            sampled.interval().contains(r),
            "m = {m}: {r} outside {sampled:?}"
        );
        assert!((sampled.value / r - 1.0).abs() < 0.02, "m = {m}");
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

#[test]
#[expect(
    clippy::approx_constant,
    reason = "0.7071 is a printed entry that happens to be 1/√2"
)]
fn linear_beta_vae_reproduces_its_table() {
    // β, ‖J‖_F, σ_min, mean σ, r_min, √(2 Tr Σ), B_F at p₀ = 0.9, residual.
    let table = [
        (0.1, 1.4839, 0.1291, 0.2309, 0.5615, 0.8670, 0.1115, 0.024),
        (0.3, 1.3315, 0.2236, 0.3999, 0.9057, 1.4018, 0.2152, 0.217),
        (0.5, 1.1592, 0.2887, 0.5162, 1.0716, 1.6708, 0.3191, 0.604),
        (1.0, 0.7638, 0.4082, 0.7005, 1.1832, 1.9149, 0.6850, 1.967),
        (2.0, 0.4714, 0.5774, 0.8485, 1.1554, 2.0000, 1.5696, 4.300),
        (3.0, 0.2887, 0.7071, 0.9268, 0.8261, 1.7321, 3.1391, 6.800),
        (5.0, 0.1667, 0.9129, 0.9782, 0.6157, 1.2910, 7.0193, 9.467),
        (5.9, 0.0527, 0.9916, 0.9979, 0.2115, 0.4435, 24.112, 11.102),
    ];
    for (beta, jacobian, sigma_min, sigma_mean, r, printed, bound, residual) in table {
        let vae = LinearBetaVae::new(&[6.0, 3.0, 1.5, 0.8], 4, beta, 1.0).expect("valid");
        let sigma = vae.sigma();
        let close = |got: f64, want: f64, decimals: i32, what: &str| {
            assert!(
                (got - want).abs() < half_unit(decimals),
                "β {beta} {what}: {got} {want}"
            );
        };
        close(vae.jacobian_frobenius(), jacobian, 4, "‖J‖_F");
        close(
            sigma.iter().copied().fold(f64::INFINITY, f64::min),
            sigma_min,
            4,
            "σ_min",
        );
        close(mean(&sigma).expect("four"), sigma_mean, 4, "mean σ");
        close(vae.r_min(0.5).expect("valid"), r, 4, "r_min");
        close(vae.printed_r_min(), printed, 4, "printed");
        let b = vae.bounds(0.9).expect("valid");
        close(b.frobenius, bound, if bound > 20.0 { 3 } else { 4 }, "B_F");
        assert_eq!(b.evidence, Evidence::Sound);
        close(vae.residual(), residual, 3, "residual");
    }
    let collapsed = LinearBetaVae::new(&[0.8, 6.0, 1.5, 3.0], 4, 6.5, 1.0).expect("valid");
    assert_eq!(collapsed.r_min(0.5).expect("valid"), 0.0);
    assert!(
        collapsed
            .bounds(0.9)
            .expect("valid")
            .frobenius
            .is_infinite()
    );
    assert!(
        (collapsed.residual() - 11.3).abs() < EXACT,
        "it reconstructs nothing"
    );
}

#[test]
fn linear_beta_vae_objective_is_its_own_definition_and_a_minimum() {
    // Objective of a diagonal linear VAE with gains b, w and variances v, per latent:
    // [λ(1−wb)² + w²v]/2s² + β/2 (v + λb² − ln v − 1).
    let (lambdas, beta, s2): ([f64; 3], f64, f64) = ([4.0, 1.7, 0.6], 0.8, 1.3);
    let vae = LinearBetaVae::new(&lambdas, 3, beta, s2).expect("valid");
    let value = |b: &[f64], w: &[f64], sigma: &[f64]| -> f64 {
        (0..3)
            .map(|i| {
                let v = sigma[i] * sigma[i];
                let miss = lambdas[i] * (1.0 - w[i] * b[i]).powi(2) + w[i] * w[i] * v;
                0.5 * miss / s2 + 0.5 * beta * (v + lambdas[i] * b[i] * b[i] - v.ln() - 1.0)
            })
            .sum()
    };
    let (b, w, sigma) = (vae.encoder_gains(), vae.decoder_gains(), vae.sigma());
    let optimum = value(&b, &w, &sigma);
    assert!(
        (optimum - vae.objective()).abs() < EXACT,
        "{optimum} {}",
        vae.objective()
    );
    let seed = SeedTree::new(11);
    for i in 0..200 {
        let noise = normals(&seed.index(i), 9);
        let shift = |xs: &[f64], from: usize| -> Vec<f64> {
            xs.iter()
                .zip(&noise[from..])
                .map(|(x, e)| (x + 0.1 * e).abs().max(1e-3))
                .collect()
        };
        assert!(value(&shift(&b, 0), &shift(&w, 3), &shift(&sigma, 6)) >= optimum);
    }
}
