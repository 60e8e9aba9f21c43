//! Formulas of sound radii: the latent lemma, the Lipschitz margins, and their limits. Whether they
//! hold on networks is in `soundness`.

use crate::common::{normals, uniforms};
use vaegis_core::seed::SeedTree;
use vaegis_theory::lipschitz::{
    LipschitzConstants, LipschitzMargins, NoiseScale, NoiseVariant, chi_square_tail_bound,
    isotropic_margin, markov_margin, quantile_margin, tail_margin, tight_markov_margin,
};
use vaegis_theory::margin::AcceptanceProbability;
use vaegis_theory::neyman_pearson::{HalfSpace, shifted_mass, smallest_mass, whitened_distance};
use vaegis_theory::special::{chi2_quantile, chi2_sf, normal_cdf, normal_pdf};

/// Equalities of the theory, up to rounding.
const EXACT: f64 = 1e-12;

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
