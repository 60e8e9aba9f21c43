//! The four definitions of r-robustness on linear models: against draws, against one dimension,
//! and against each other.

use crate::common::{normal_matrix, normals, uniforms};
use ndarray::{Array1, Array2, array};
use rayon::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::linear::LinearModel;
use vaegis_theory::lipschitz::{LipschitzConstants, NoiseVariant, isotropic_margin};
use vaegis_theory::special::normal_cdf;

/// Equalities of the theory, up to rounding.
const EXACT: f64 = 1e-12;
/// Quantities that pass through the contour rule.
const CONTOUR: f64 = 1e-9;
const VARIANTS: [NoiseVariant; 3] = [
    NoiseVariant::MeanOnly,
    NoiseVariant::MeanAndSigma,
    NoiseVariant::TwoSample,
];

/// A random linear VAE, and its standard deviations at an input and at a perturbed one.
struct Model {
    jacobian: Array2<f64>,
    decoder: Array2<f64>,
    sigma: Vec<f64>,
    moved: Vec<f64>,
}

impl Model {
    fn new(seed: &SeedTree, [d_x, d_z, d_out]: [usize; 3]) -> Self {
        Self {
            jacobian: normal_matrix(&seed.child("encoder"), d_z, d_x),
            decoder: normal_matrix(&seed.child("decoder"), d_out, d_z),
            sigma: uniforms(&seed.child("sigma"), d_z, 0.2, 1.0),
            moved: uniforms(&seed.child("moved"), d_z, 0.1, 1.5),
        }
    }

    fn law(&self, moved: &[f64], variant: NoiseVariant) -> LinearModel {
        let (jacobian, decoder) = (self.jacobian.view(), self.decoder.view());
        LinearModel::of_variant(jacobian, decoder, &self.sigma, moved, variant).expect("valid")
    }

    /// ‖g(z') − g(z)‖ for codes drawn as a variant draws them.
    fn distances(&self, delta: &[f64], variant: NoiseVariant, noise: &[Array2<f64>]) -> Vec<f64> {
        let mean = Array1::linspace(-1.0, 2.0, self.sigma.len());
        let moved_mean = &mean + &self.jacobian.dot(&Array1::from(delta.to_vec()));
        let spread = match variant {
            NoiseVariant::MeanOnly => &self.sigma,
            _ => &self.moved,
        };
        let attacked = &noise[0] * &Array1::from(spread.clone()) + &moved_mean;
        let reference = match variant {
            NoiseVariant::TwoSample => &noise[1] * &Array1::from(self.sigma.clone()) + &mean,
            _ => Array2::zeros(attacked.dim()) + &mean,
        };
        let difference = attacked.dot(&self.decoder.t()) - reference.dot(&self.decoder.t());
        let rows = difference.rows().into_iter();
        rows.map(|row| row.dot(&row).sqrt()).collect()
    }
}

#[test]
fn every_definition_has_the_probability_of_its_draws() {
    const NUM_DRAWS: usize = 20_000;
    const STANDARD_ERRORS: f64 = 4.0;
    let seed = SeedTree::new(60).child("draws");
    (0..8_u64).into_par_iter().for_each(|i| {
        let node = seed.index(i);
        let d_z = 1 + (i % 4) as usize;
        let model = Model::new(&node, [5, d_z, 6]);
        let delta: Vec<f64> = normals(&node.child("delta"), 5)
            .iter()
            .map(|v| 0.3 * v)
            .collect();
        let noise = [0, 1].map(|k| normal_matrix(&node.child("noise").index(k), NUM_DRAWS, d_z));
        let check = |label: &str, distances: &[f64], law: &dyn Fn(f64) -> f64| {
            let mut sorted = distances.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            // Radii that do not come from these draws' own law, so that the share is binomial.
            for share in [0.25, 0.5, 0.9] {
                let r = (10.0 * sorted[(share * NUM_DRAWS as f64) as usize]).round() / 10.0;
                let p = law(r);
                let inside = distances.iter().filter(|d| **d <= r).count();
                let error = (p * (1.0 - p) / NUM_DRAWS as f64).sqrt();
                let found = inside as f64 / NUM_DRAWS as f64;
                assert!(
                    (found - p).abs() <= STANDARD_ERRORS * error,
                    "model {i}, {label}, r = {r}: {found} drawn, {p} computed"
                );
            }
        };
        let still = model.distances(&[0.0; 5], NoiseVariant::MeanOnly, &noise);
        let frozen = model.law(&model.moved, NoiseVariant::MeanOnly);
        check("V0", &still, &|r| frozen.p0(r).expect("valid"));
        for variant in VARIANTS {
            let law = model.law(&model.moved, variant);
            let drawn = model.distances(&delta, variant, &noise);
            check(&format!("{variant:?}"), &drawn, &|r| {
                law.probability(&delta, r).expect("valid")
            });
        }
    });
}

#[test]
fn one_dimension_has_its_closed_form() {
    // P(|w(kδ + vη)| ≤ r) = Φ((r/w − kδ)/v) − Φ((−r/w − kδ)/v).
    let (k, w, sigma, moved, r) = (1.5, 0.8, 0.4, 0.7, 1.1);
    let (jacobian, decoder) = (array![[k]], array![[w]]);
    let spreads = [sigma, moved, f64::hypot(sigma, moved)];
    for (variant, v) in VARIANTS.into_iter().zip(spreads) {
        let model =
            LinearModel::of_variant(jacobian.view(), decoder.view(), &[sigma], &[moved], variant)
                .expect("valid");
        let line =
            |shift: f64| normal_cdf((r / w - k * shift) / v) - normal_cdf((-r / w - k * shift) / v);
        for delta in [0.0, 0.3, -0.9, 2.0] {
            let got = model.probability(&[delta], r).expect("valid");
            assert!((got - line(delta)).abs() < EXACT, "{variant:?} at {delta}");
        }
        assert!((model.p0(r).expect("valid") - line(0.0)).abs() < EXACT);
        for m in [0.1, 0.5, 0.9] {
            let r_min = model.r_min(m).expect("valid");
            let inside = 2.0 * normal_cdf(r_min / (w * v)) - 1.0;
            assert!((inside - m).abs() < EXACT, "{variant:?}, m = {m}: {inside}");
        }
    }
}

/// Two samples of one σ are one sample of √2 σ: every length grows by √2, at every level.
#[test]
fn two_samples_need_a_radius_larger_by_the_root_of_two() {
    let root = 2.0_f64.sqrt();
    let seed = SeedTree::new(61);
    for i in 0..20_u64 {
        let d_z = 1 + (i % 6) as usize;
        let model = Model::new(&seed.index(i), [4, d_z, 5]);
        let one = model.law(&model.sigma, NoiseVariant::MeanOnly);
        let two = model.law(&model.sigma, NoiseVariant::TwoSample);
        for m in [0.05, 0.5, 0.99] {
            let (one, two) = (one.r_min(m).expect("valid"), two.r_min(m).expect("valid"));
            assert!(
                (two / one - root).abs() < CONTOUR,
                "model {i}, m = {m}: {two} is not √2 {one}"
            );
        }
        let direction = normals(&seed.index(i).child("direction"), 4);
        let r = 1.5 * one.r_min(0.5).expect("valid");
        let margin = |law: &LinearModel, r: f64| law.ray_margin(&direction, r, 0.5).expect("valid");
        let (short, long) = (margin(&one, r), margin(&two, root * r));
        assert!((long / short - root).abs() < CONTOUR, "{long} for {short}");
        // A σ that does not move makes V2 of V1.
        let both = model.law(&model.sigma, NoiseVariant::MeanAndSigma);
        assert!((margin(&both, r) / short - 1.0).abs() < CONTOUR);
    }
}

/// With isometries for networks the margin that needs only their constants is attained.
#[test]
fn isotropic_margins_are_those_of_linear_isometries() {
    let identity = Array2::<f64>::eye(4);
    let (b, a, gamma, r) = (1.7, 2.5, 0.3, 3.0);
    let constants = LipschitzConstants {
        decoder: a,
        mean: b,
        sigma: 0.0,
    };
    let (jacobian, decoder) = (&identity * b, &identity * a);
    for variant in VARIANTS {
        let sigma = [gamma; 4];
        let model =
            LinearModel::of_variant(jacobian.view(), decoder.view(), &sigma, &sigma, variant)
                .expect("valid");
        for m in [0.2, 0.5, 0.7] {
            let exact = model.ray_margin(&[0.6, 0.0, -0.8, 0.0], r, m);
            let constant = isotropic_margin(&constants, gamma, 4, variant, r, m).expect("valid");
            let gap = (exact.expect("valid") - constant).abs();
            assert!(
                constant > 0.0 && gap < CONTOUR,
                "{variant:?}, m = {m}: {gap}"
            );
        }
    }
}

/// No definition is the stricter one at every input: noise takes a code out of the ball whose mean
/// is inside, and brings one back whose mean is outside.
#[test]
fn definitions_have_no_order() {
    let unit = array![[1.0]];
    let inside = |variant, moved: f64, shift: f64| {
        let model = LinearModel::of_variant(unit.view(), unit.view(), &[0.5], &[moved], variant);
        model
            .expect("valid")
            .probability(&[shift], 1.0)
            .expect("valid")
    };
    let [v1, v2, v3] = VARIANTS;
    for (moved, shift, is_above) in [
        (0.25, 0.5, true),
        (1.0, 0.5, false),
        (0.25, 2.0, false),
        (1.0, 2.0, true),
    ] {
        let (frozen, both) = (inside(v1, moved, shift), inside(v2, moved, shift));
        assert_eq!(both > frozen, is_above, "σ' = {moved} at {shift}");
    }
    for (shift, is_above) in [(0.5, false), (2.0, true)] {
        let (one, two) = (inside(v1, 0.5, shift), inside(v3, 0.5, shift));
        assert_eq!(two > one, is_above, "two samples at {shift}");
    }
}

#[test]
fn wrong_standard_deviations_are_refused() {
    let unit = array![[1.0]];
    for (sigma, moved) in [
        (vec![0.5], vec![0.5, 0.5]),
        (vec![0.5], vec![0.0]),
        (vec![f64::NAN], vec![0.5]),
        (vec![-0.5], vec![0.5]),
    ] {
        for variant in VARIANTS {
            let model = LinearModel::of_variant(unit.view(), unit.view(), &sigma, &moved, variant);
            assert!(model.is_err(), "{sigma:?} {moved:?}");
        }
    }
}
