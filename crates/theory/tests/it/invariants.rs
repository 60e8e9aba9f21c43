//! Laws that hold for every model, as property tests.

use crate::common::{normal_matrix, normals, uniforms};
use ndarray::{Array1, Array2, Axis};
use proptest::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::linear::LinearModel;
use vaegis_theory::margin::{AcceptanceProbability, EncoderGeometry, bounds, bounds_at_fixed_p0};
use vaegis_theory::r_min::{empirical, linearized};
use vaegis_theory::special::{normal_cdf, probit, probit_from_failures};
use vaegis_theory::stats::{Proportion, clopper_pearson_lower, clopper_pearson_upper};

/// Rounding of sums over a handful of latents.
const EXACT: f64 = 1e-10;
/// Quantities that pass through the contour rule.
const CONTOUR: f64 = 1e-8;

/// A random linear VAE: encoder Jacobian [d_z, d_x], decoder [d_out, d_z], σ [d_z].
#[derive(Clone, Debug)]
struct Model {
    jacobian: Array2<f64>,
    decoder: Array2<f64>,
    sigma: Vec<f64>,
    seed: SeedTree,
}

impl Model {
    fn geometry(&self) -> EncoderGeometry {
        EncoderGeometry::diagonal(&self.sigma, self.jacobian.view())
            .expect("valid")
            .affine()
    }

    fn linear(&self) -> LinearModel {
        LinearModel::new(self.jacobian.view(), self.decoder.view(), &self.sigma).expect("valid")
    }

    fn direction(&self) -> Vec<f64> {
        let v = normals(&self.seed.child("direction"), self.jacobian.ncols());
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter().map(|x| x / norm).collect()
    }

    fn p0(&self, r: f64) -> f64 {
        self.linear()
            .probability(&vec![0.0; self.jacobian.ncols()], r)
            .expect("valid")
    }
}

fn model() -> impl Strategy<Value = Model> {
    (any::<u64>(), 1..5_usize, 1..7_usize, 1..8_usize).prop_map(|(root, d_z, d_x, d_out)| {
        let seed = SeedTree::new(root);
        Model {
            jacobian: normal_matrix(&seed.child("encoder"), d_z, d_x),
            decoder: normal_matrix(&seed.child("decoder"), d_out, d_z),
            sigma: uniforms(&seed.child("sigma"), d_z, 0.1, 1.5),
            seed,
        }
    })
}

/// A random reflection I − 2vvᵀ, an orthogonal change of basis.
fn reflection(seed: &SeedTree, dim: usize) -> Array2<f64> {
    let v = Array1::from(normals(seed, dim));
    let column = v.view().insert_axis(Axis(1));
    Array2::eye(dim) - column.dot(&column.t()) * (2.0 / v.dot(&v))
}

fn assert_near(a: f64, b: f64, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert!(
        (a - b).abs() <= tolerance * a.abs().max(b.abs()),
        "{a} against {b}"
    );
    Ok(())
}

proptest! {
    // Invariant 1: everything grows with r and falls with m.
    #[test]
    fn larger_r_helps_and_larger_m_hurts(
        model in model(), r in 0.05..4.0_f64, growth in 1.0..3.0_f64,
        m in 0.05..0.9_f64, rise in 0.0..0.09_f64,
    ) {
        let distances: Vec<f64> =
            normals(&model.seed.child("d"), 50).iter().map(|z| 2.0 * z.abs()).collect();
        let near = Proportion::of(&distances, r).expect("valid");
        let far = Proportion::of(&distances, growth * r).expect("valid");
        prop_assert!(near.value() <= far.value());
        let (p_near, p_far) = (model.p0(r), model.p0(growth * r));
        prop_assert!(p_near <= p_far + CONTOUR);
        let at = |p0: f64, m: f64| {
            bounds(&model.geometry(), &AcceptanceProbability::exact(p0).expect("in [0, 1]"), m)
                .expect("valid")
        };
        let (base, wide, strict) =
            (at(p_near, m), at(p_far.max(p_near), m), at(p_near, m + rise));
        for (b, w, s) in [
            (base.kappa, wide.kappa, strict.kappa),
            (base.frobenius, wide.frobenius, strict.frobenius),
            (base.spectral, wide.spectral, strict.spectral),
            (base.mahalanobis, wide.mahalanobis, strict.mahalanobis),
        ] {
            prop_assert!(b <= w && s <= b);
        }
        let (linear, v) = (model.linear(), model.direction());
        let margin = |r: f64, m: f64| linear.ray_margin(&v, r, m).expect("valid");
        let base = margin(r, m);
        prop_assert!(base <= margin(growth * r, m) * (1.0 + CONTOUR));
        prop_assert!(margin(r, m + rise) <= base * (1.0 + CONTOUR));
    }

    // Invariant 3: homogeneity at fixed p₀.
    #[test]
    fn fixed_p0_bound_is_homogeneous(model in model(), k in 0.1..10.0_f64) {
        let base = bounds_at_fixed_p0(&model.geometry(), 0.9).expect("valid");
        let wider: Vec<f64> = model.sigma.iter().map(|s| k * s).collect();
        let wider = Model { sigma: wider, ..model.clone() };
        let steeper = Model { jacobian: &model.jacobian * k, ..model.clone() };
        let wider = bounds_at_fixed_p0(&wider.geometry(), 0.9).expect("valid");
        let steeper = bounds_at_fixed_p0(&steeper.geometry(), 0.9).expect("valid");
        for (b, w, s) in [
            (base.frobenius, wider.frobenius, steeper.frobenius),
            (base.spectral, wider.spectral, steeper.spectral),
            (base.mahalanobis, wider.mahalanobis, steeper.mahalanobis),
        ] {
            assert_near(w, k * b, EXACT)?;
            assert_near(s, b / k, EXACT)?;
        }
        let direct = 1.281_551_565_544_600_4 * model.geometry().sigma_min()
            / model.geometry().jacobian_frobenius();
        assert_near(base.frobenius, direct, EXACT)?;
    }

    // Invariant 6: input and output bases and the order of the latents are conventions.
    #[test]
    fn change_of_basis_and_latent_order_do_not_matter(
        model in model(), r in 0.2..4.0_f64, offset in 0..4_usize,
    ) {
        let (d_z, d_x) = model.jacobian.dim();
        let turn_in = reflection(&model.seed.child("in"), d_x);
        let turn_out = reflection(&model.seed.child("out"), model.decoder.nrows());
        let order: Vec<usize> = (0..d_z).map(|i| (i + offset) % d_z).collect();
        let turned = Model {
            jacobian: model.jacobian.dot(&turn_in).select(Axis(0), &order),
            decoder: turn_out.dot(&model.decoder).select(Axis(1), &order),
            sigma: order.iter().map(|&i| model.sigma[i]).collect(),
            seed: model.seed.clone(),
        };
        prop_assert!((model.p0(r) - turned.p0(r)).abs() < CONTOUR);
        let before = bounds_at_fixed_p0(&model.geometry(), 0.8).expect("valid");
        let after = bounds_at_fixed_p0(&turned.geometry(), 0.8).expect("valid");
        assert_near(before.frobenius, after.frobenius, EXACT)?;
        assert_near(before.spectral, after.spectral, EXACT)?;
        assert_near(before.mahalanobis, after.mahalanobis, EXACT)?;
        let v = model.direction();
        let image = turn_in.t().dot(&Array1::from(v.clone())).to_vec();
        let (a, b) = (
            model.linear().ray_margin(&v, r, 0.5).expect("valid"),
            turned.linear().ray_margin(&image, r, 0.5).expect("valid"),
        );
        prop_assert!((a - b).abs() <= 1e-6 * a.max(b) || (a.is_infinite() && b.is_infinite()));
    }

    // Invariant 8: order of the bounds, below every ray margin of a linear model.
    #[test]
    fn bounds_are_ordered_and_below_every_ray(model in model(), r in 0.2..5.0_f64) {
        let p0 = model.p0(r);
        let exact = AcceptanceProbability::exact(p0).expect("in [0, 1]");
        let b = bounds(&model.geometry(), &exact, 0.5).expect("valid");
        prop_assert!(b.frobenius <= b.spectral && b.spectral <= b.mahalanobis);
        if b.kappa > 0.0 && b.kappa.is_finite() {
            let rank = model.jacobian.nrows().min(model.jacobian.ncols()) as f64;
            prop_assert!(b.frobenius / b.spectral >= (1.0 - EXACT) / rank.sqrt());
        }
        // Probabilities within rounding of one have no usable probit.
        prop_assume!(p0 < 1.0 - 1e-6);
        let margin = model.linear().ray_margin(&model.direction(), r, 0.5).expect("valid");
        prop_assert!(b.mahalanobis <= margin * (1.0 + 1e-6), "{} {}", b.mahalanobis, margin);
    }

    // Invariant 10: r_min rises with m, scales like √Σ, and a shift only lowers p (Anderson).
    #[test]
    fn r_min_is_monotone_and_homogeneous(
        model in model(), m in 0.05..0.9_f64, rise in 0.001..0.09_f64, k in 0.01..100.0_f64,
    ) {
        let spectrum = model.linear().spectrum().to_vec();
        let r = linearized(&spectrum, m).expect("valid");
        prop_assert!(r < linearized(&spectrum, m + rise).expect("valid"));
        let scaled: Vec<f64> = spectrum.iter().map(|l| k * l).collect();
        assert_near(linearized(&scaled, m).expect("valid"), k.sqrt() * r, CONTOUR)?;
        prop_assert!((model.p0(r) - m).abs() < CONTOUR, "the quantile inverts the probability");
        let v = model.direction();
        let mut last = m;
        for t in [0.1, 0.5, 1.0, 2.0] {
            let delta: Vec<f64> = v.iter().map(|x| t * x).collect();
            let p = model.linear().probability(&delta, r).expect("valid");
            prop_assert!(p <= last + CONTOUR, "{p} after {last}");
            last = p;
        }
    }

    #[test]
    fn empirical_r_min_is_an_order_statistic(root in any::<u64>(), n in 1..200_usize, m in 0.05..0.95_f64) {
        let distances: Vec<f64> =
            normals(&SeedTree::new(root), n).iter().map(|z| z.abs()).collect();
        let r = empirical(&distances, m, 0.05).expect("valid");
        prop_assert!(r.lower <= r.value && r.value <= r.upper);
        prop_assert!(Proportion::of(&distances, r.value).expect("valid").value() >= m - EXACT);
        let below = distances.iter().filter(|d| **d < r.value).count() as f64;
        prop_assert!(below / (n as f64) < m, "a smaller sample value reaches m as well");
        let doubled: Vec<f64> = distances.iter().map(|d| 2.0 * d).collect();
        prop_assert_eq!(empirical(&doubled, m, 0.05).expect("valid").value, 2.0 * r.value);
    }

    // Invariant 11: limits enclose the estimate, rise with k, and a smaller α costs.
    #[test]
    fn clopper_pearson_limits_are_ordered(n in 1..3000_u64, share in 0.0..1.0_f64, alpha in 1e-6..0.4_f64) {
        let k = (share * n as f64) as u64;
        let p = k as f64 / n as f64;
        let lower = clopper_pearson_lower(k, n, alpha).expect("valid");
        let upper = clopper_pearson_upper(k, n, alpha).expect("valid");
        prop_assert!(lower <= p && p <= upper);
        prop_assert!(lower < clopper_pearson_lower(k + 1, n.max(k + 1), alpha).expect("valid"));
        prop_assert!(clopper_pearson_lower(k, n, 0.5 * alpha).expect("valid") <= lower);
        // The upper limit of the failures is the complement of the lower limit of successes.
        let failures = clopper_pearson_upper(n - k, n, alpha).expect("valid");
        prop_assert!((failures + lower - 1.0).abs() < EXACT);
        let geometry = EncoderGeometry::diagonal(&[0.3], ndarray::array![[2.0]].view()).expect("valid");
        let radius = |alpha: f64| {
            let p0 = AcceptanceProbability::clopper_pearson(k, n, alpha).expect("valid");
            bounds(&geometry, &p0, 0.5).expect("valid").frobenius
        };
        prop_assert!(radius(0.5 * alpha) <= radius(alpha));
        let plug_in = AcceptanceProbability::plug_in(k, n).expect("valid");
        let plug_in = bounds(&geometry, &plug_in, 0.5).expect("valid").frobenius;
        // α^(1/n) stays below the clipped 1 − 1/(2n) for every α up to e^(−½).
        prop_assert!(radius(alpha) <= plug_in);
    }

    #[test]
    fn probit_inverts_phi_in_both_tails(x in -37.0..37.0_f64) {
        if x < 0.0 {
            assert_near(probit(normal_cdf(x)), x, EXACT)?;
        } else {
            assert_near(probit_from_failures(normal_cdf(-x)), x, EXACT)?;
        }
    }
}
