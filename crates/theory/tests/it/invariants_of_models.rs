//! What scaling, turning and padding a model does to its margins, and which orders there are not.

use crate::bisection::{drive, options};
use crate::common::{normal_matrix, normals, uniforms};
use ndarray::{Array2, Axis, array, concatenate};
use proptest::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::bisection::{MarginSearch, SearchMode};
use vaegis_theory::linear::{LinearModel, margin_1d};
use vaegis_theory::linear_beta_vae::LinearBetaVae;
use vaegis_theory::margin::{EncoderGeometry, MarginBounds, bounds_at_fixed_p0};
use vaegis_theory::special::{chi2_quantile, chi2_sf, normal_cdf, probit_from_failures};
use vaegis_theory::stats::median;

/// Quantities that pass through the contour rule and a root search.
const CONTOUR: f64 = 1e-7;
/// Rounding of sums over a handful of latents.
const EXACT: f64 = 1e-10;

/// A random linear VAE: encoder [d_z, d_x], decoder [d_out, d_z], σ [d_z].
#[derive(Clone, Debug)]
struct Model {
    jacobian: Array2<f64>,
    decoder: Array2<f64>,
    sigma: Vec<f64>,
    direction: Vec<f64>,
}

impl Model {
    fn linear(&self) -> LinearModel {
        LinearModel::new(self.jacobian.view(), self.decoder.view(), &self.sigma).expect("valid")
    }

    fn p0(&self, r: f64) -> f64 {
        let still = vec![0.0; self.jacobian.ncols()];
        self.linear().probability(&still, r).expect("valid")
    }

    fn margin(&self, r: f64) -> f64 {
        self.linear()
            .ray_margin(&self.direction, r, 0.5)
            .expect("valid")
    }

    fn bounds(&self) -> MarginBounds {
        let geometry = EncoderGeometry::diagonal(&self.sigma, self.jacobian.view());
        bounds_at_fixed_p0(&geometry.expect("valid"), 0.8).expect("valid")
    }
}

fn unit(seed: &SeedTree, dim: usize) -> Vec<f64> {
    let v = normals(seed, dim);
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.iter().map(|x| x / norm).collect()
}

fn model() -> impl Strategy<Value = Model> {
    (any::<u64>(), 1..4_usize, 1..6_usize, 1..6_usize).prop_map(|(root, d_z, d_x, d_out)| {
        let seed = SeedTree::new(root);
        Model {
            jacobian: normal_matrix(&seed.child("encoder"), d_z, d_x),
            decoder: normal_matrix(&seed.child("decoder"), d_out, d_z),
            sigma: uniforms(&seed.child("sigma"), d_z, 0.1, 1.5),
            direction: unit(&seed.child("direction"), d_x),
        }
    })
}

fn same(a: f64, b: f64, tolerance: f64) -> Result<(), TestCaseError> {
    let equal = a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs());
    prop_assert!(equal, "{a} against {b}");
    Ok(())
}

/// Lower and upper end that a search reports for one input.
fn search(mode: SearchMode, robust: impl Fn(usize, f64) -> bool) -> (f64, f64) {
    let mut search = MarginSearch::new(&[true], &options(0.25, mode)).expect("valid");
    drive(&mut search, robust);
    let found = search.margins().remove(0);
    (found.value, found.upper)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Invariant 2: an attack that breaks more radii never raises the estimate, whatever it breaks.
    #[test]
    fn more_attack_effort_never_raises_the_margin(
        waves in prop::array::uniform3((0.1..6.0_f64, 0.0..6.3_f64)), level in -0.9..0.9_f64,
    ) {
        let wave = |i: usize, radius: f64| (waves[i].0 * radius + waves[i].1).sin();
        let weak = |_: usize, radius: f64| wave(0, radius) > -level;
        let strong = |row: usize, radius: f64| weak(row, radius) && wave(1, radius) > -0.8;
        let strongest = |row: usize, radius: f64| strong(row, radius) && wave(2, radius) > -0.8;
        for mode in [SearchMode::Bisection, SearchMode::UpwardScan { step: 0.7 }] {
            let found = [search(mode, weak), search(mode, strong), search(mode, strongest)];
            prop_assert!(found[0].0 >= found[1].0 && found[1].0 >= found[2].0, "{found:?}");
            prop_assert!(found[0].1 >= found[1].1 && found[1].1 >= found[2].1, "{found:?}");
        }
    }

    // Invariant 4: with a linear decoder more noise only hurts.
    #[test]
    fn noise_never_helps_a_linear_decoder(model in model(), r in 0.2..4.0_f64, k in 1.0..4.0_f64) {
        let noisier = Model {
            sigma: model.sigma.iter().map(|s| k * s).collect(),
            ..model.clone()
        };
        prop_assert!(noisier.p0(r) <= model.p0(r) + CONTOUR);
        prop_assert!(noisier.margin(r) <= model.margin(r) * (1.0 + CONTOUR));
    }

    // Invariant 5: units of the output and of the input.
    #[test]
    fn units_of_output_and_input_are_conventions(
        model in model(), r in 0.2..4.0_f64, k in 0.05..20.0_f64,
    ) {
        let louder = Model { decoder: &model.decoder * k, ..model.clone() };
        prop_assert!((louder.p0(k * r) - model.p0(r)).abs() < CONTOUR);
        same(louder.margin(k * r), model.margin(r), 1e-5)?;
        same(louder.bounds().mahalanobis, model.bounds().mahalanobis, EXACT)?;
        // An input measured in units k times smaller.
        let finer = Model { jacobian: &model.jacobian / k, ..model.clone() };
        same(finer.margin(r), k * model.margin(r), 1e-5)?;
        let (before, after) = (model.bounds(), finer.bounds());
        same(after.frobenius, k * before.frobenius, EXACT)?;
        same(after.spectral, k * before.spectral, EXACT)?;
        same(after.mahalanobis, k * before.mahalanobis, EXACT)?;
    }

    // Invariant 7: isotropic noise looks the same from everywhere.
    #[test]
    fn turning_the_latents_of_isotropic_noise_changes_nothing(
        model in model(), root in any::<u64>(), sigma in 0.1..1.5_f64, r in 0.2..4.0_f64,
    ) {
        let d_z = model.sigma.len();
        let v = Array2::from_shape_vec((d_z, 1), unit(&SeedTree::new(root), d_z)).expect("one column");
        let turn = Array2::eye(d_z) - 2.0 * v.dot(&v.t());
        let model = Model { sigma: vec![sigma; d_z], ..model };
        let turned = Model {
            jacobian: turn.dot(&model.jacobian),
            decoder: model.decoder.dot(&turn.t()),
            ..model.clone()
        };
        prop_assert!((turned.p0(r) - model.p0(r)).abs() < CONTOUR);
        same(turned.margin(r), model.margin(r), 1e-5)?;
        same(turned.bounds().frobenius, model.bounds().frobenius, EXACT)?;
        same(turned.bounds().mahalanobis, model.bounds().mahalanobis, EXACT)?;
    }

    // Invariant 9, first half: what the encoder does not see does not matter to an adversary.
    #[test]
    fn ignored_inputs_change_no_worst_case(model in model(), extra in 1..6_usize, r in 0.2..4.0_f64) {
        let blind = Array2::zeros((model.sigma.len(), extra));
        let mut direction = model.direction.clone();
        direction.extend(vec![0.0; extra]);
        let padded = Model {
            jacobian: concatenate(Axis(1), &[model.jacobian.view(), blind.view()]).expect("rows agree"),
            direction,
            ..model.clone()
        };
        same(padded.margin(r), model.margin(r), EXACT)?;
        same(padded.bounds().frobenius, model.bounds().frobenius, EXACT)?;
        same(padded.bounds().spectral, model.bounds().spectral, EXACT)?;
        same(padded.bounds().mahalanobis, model.bounds().mahalanobis, EXACT)?;
    }

    // Invariant 13: the closed-form linear β-VAE.
    #[test]
    fn linear_beta_vaes_are_monotone_in_beta(
        root in any::<u64>(), count in 1..6_usize, beta in 0.05..5.0_f64, growth in 1.0..4.0_f64,
    ) {
        let lambdas = uniforms(&SeedTree::new(root), count, 0.1, 8.0);
        let at = |beta| LinearBetaVae::new(&lambdas, count, beta, 1.0).expect("valid");
        let (low, high) = (at(beta), at(growth * beta));
        for (a, b) in low.sigma().iter().zip(high.sigma()) {
            prop_assert!(*a <= b * (1.0 + EXACT));
        }
        prop_assert!(high.jacobian_frobenius() <= low.jacobian_frobenius() + EXACT);
        prop_assert!(high.residual() >= low.residual() * (1.0 - EXACT));
    }
}

#[test]
fn turning_the_latents_of_other_noise_changes_the_margin() {
    let model = Model {
        jacobian: array![[1.0, 0.0], [0.0, 1.0]],
        decoder: array![[1.0, 0.0]],
        sigma: vec![0.2, 1.0],
        direction: vec![1.0, 0.0],
    };
    let half = 0.5_f64.sqrt();
    let turn = array![[half, -half], [half, half]];
    let turned = Model {
        jacobian: turn.dot(&model.jacobian),
        decoder: model.decoder.dot(&turn.t()),
        ..model.clone()
    };
    assert!(model.p0(0.55) > 0.99 && turned.p0(0.55) < 0.6);
    assert!(turned.margin(0.55) < 0.8 * model.margin(0.55));
}

#[test]
fn random_directions_miss_what_the_encoder_sees() {
    // Invariant 9, second half: the random-direction margin grows like √d_x.
    let typical = |num_inputs: usize| {
        let mut jacobian = Array2::zeros((2, num_inputs));
        jacobian[[0, 0]] = 1.0;
        jacobian[[1, 1]] = 1.0;
        let decoder = Array2::eye(2);
        let linear = LinearModel::new(jacobian.view(), decoder.view(), &[0.3, 0.3]).expect("valid");
        let margins: Vec<f64> = (0..400)
            .map(|i| {
                let seed = SeedTree::new(9).child("directions").index(i);
                linear
                    .ray_margin(&unit(&seed, num_inputs), 1.0, 0.5)
                    .expect("valid")
            })
            .collect();
        median(&margins).expect("several")
    };
    // A median of 400 has a standard error of some four percent here.
    let ratio = typical(256) / typical(16);
    assert!((ratio / 4.0 - 1.0).abs() < 0.2, "√16 = 4, found {ratio}");
}

#[test]
fn neither_noise_mode_is_always_the_safer_one() {
    // Invariant 2: μ = 0.2x, r = 0.2, g = identity. A σ that shrinks with |x| outlives the frozen
    // one; one that grows falls before it.
    let r = 0.2;
    let frozen = margin_1d(0.2, 0.25, r, 0.5).expect("valid");
    let with_sigma = |rate: f64| {
        let inside = |x: f64| {
            let sigma = 0.25 * (rate * x).exp();
            normal_cdf((r - 0.2 * x) / sigma) - normal_cdf((-r - 0.2 * x) / sigma)
        };
        (1..40_000)
            .map(|i| f64::from(i) * 1e-4)
            .find(|&x| inside(x) <= 0.5)
            .expect("it leaves")
    };
    let (shrinking, growing) = (with_sigma(-1.5), with_sigma(1.5));
    assert!(
        growing < 0.9 * frozen && frozen < 0.9 * shrinking,
        "{growing} {frozen} {shrinking}"
    );
}

#[test]
fn bound_and_margin_fall_with_the_noise_of_a_fixed_convex_decoder() {
    // d_z = 5, W = I, r = 1; σ as a share of the one at which p₀ = ½.
    let table = [
        (0.1, 0.973, 0.995),
        (0.3, 0.836, 0.958),
        (0.5, 0.640, 0.876),
        (0.7, 0.405, 0.733),
        (0.9, 0.141, 0.459),
        (0.99, 0.014, 0.151),
    ];
    let largest = chi2_quantile(0.5, 5.0).sqrt().recip();
    let identity = Array2::<f64>::eye(5);
    for (share, bound, exact) in table {
        let sigma = share * largest;
        let got = sigma * probit_from_failures(chi2_sf((sigma * sigma).recip(), 5.0));
        assert!((got - bound).abs() < 0.000_501, "σ = {sigma}: bound {got}");
        let linear =
            LinearModel::new(identity.view(), identity.view(), &[sigma; 5]).expect("valid");
        let margin = linear
            .ray_margin(&[1.0, 0.0, 0.0, 0.0, 0.0], 1.0, 0.5)
            .expect("valid");
        assert!(
            (margin - exact).abs() < 0.000_501,
            "σ = {sigma}: margin {margin}"
        );
        assert!(got <= margin);
    }
}

#[test]
fn noise_can_help_where_the_accepted_set_has_a_hole() {
    // A = (−3, 3) without (0.10, 0.30), μ = x at 0.
    let margin = |sigma: f64| {
        let mass = |low: f64, high: f64, t: f64| {
            normal_cdf((high - t) / sigma) - normal_cdf((low - t) / sigma)
        };
        let inside = |t: f64| mass(-3.0, 3.0, t) - mass(0.1, 0.3, t);
        (1..40_000)
            .map(|i| f64::from(i) * 1e-4)
            .find(|&t| inside(t) <= 0.5 || inside(-t) <= 0.5)
            .expect("it leaves")
    };
    let table = [
        (0.05, 0.100),
        (0.1, 0.107),
        (0.15, 3.0),
        (0.5, 3.0),
        (1.0, 2.996),
    ];
    for (sigma, want) in table {
        // Half a printed unit and the grid.
        assert!(
            (margin(sigma) - want).abs() < 0.000_6 + 1e-4,
            "σ = {sigma}: {}",
            margin(sigma)
        );
    }
    for (sigma, want) in [(2.0, 2.91), (4.0, 1.42)] {
        assert!(
            (margin(sigma) - want).abs() < 0.005 + 1e-4,
            "σ = {sigma}: {}",
            margin(sigma)
        );
    }
}
