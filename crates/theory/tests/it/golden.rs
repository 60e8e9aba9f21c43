//! Values of SciPy, NumPy and mpmath; the generating scripts lie in `tests/golden`.

use ndarray::{Array1, Array2};
use serde_json::Value;
use vaegis_theory::chi_square_mixture::{cdf, imhof};
use vaegis_theory::linalg::{
    frobenius_norm, gram_columns, gram_rows, spectral_norm, symmetric_eigen,
};
use vaegis_theory::linear::margin_1d;
use vaegis_theory::margin::{AcceptanceProbability, EncoderGeometry, bounds, kappa};
use vaegis_theory::special::{
    beta_inc, beta_inc_upper, chi2_cdf, chi2_quantile, chi2_sf, noncentral_chi2_cdf, normal_cdf,
    normal_sf, probit, student_t_quantile,
};
use vaegis_theory::stats::{
    OrderRanks, clopper_pearson, clopper_pearson_lower, clopper_pearson_upper, geometric_mean,
    linear_fit, mean, order_statistic_interval, pearson, quantile, spearman, standard_deviation,
    t_interval,
};

/// Special functions agree with SciPy's to about 40 units in the last place.
const SPECIAL: f64 = 1e-14;
/// The exponent of Φ(−37) is 685, and its rounding is the relative error of the result.
const NORMAL_TAIL: f64 = 1e-12;
/// Tails of large parameters: SciPy and we both lose digits of a·ln x at a = 5·10⁴.
const TAIL: f64 = 1e-11;
/// SciPy's beta quantile, not ours, limits the agreement of the limits.
const LIMIT: f64 = 1e-10;
/// Sums of a few dozen products.
const SUM: f64 = 1e-12;
/// The contour rule's accuracy, set by rounding.
const CONTOUR: f64 = 1e-11;

fn golden(text: &str) -> Value {
    serde_json::from_str(text).expect("golden file is JSON")
}

fn special() -> Value {
    golden(include_str!("../golden/special_and_stats.json"))
}

fn geometry() -> Value {
    golden(include_str!("../golden/geometry.json"))
}

fn rows(file: &Value, key: &str) -> Vec<Vec<f64>> {
    serde_json::from_value(file[key].clone()).expect("rows of numbers")
}

fn vector(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).expect("numbers")
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).expect("rows of numbers");
    let shape = (rows.len(), rows[0].len());
    Array2::from_shape_vec(shape, rows.concat()).expect("rectangular")
}

/// Relative agreement, with an absolute floor below which values are underflow.
fn assert_close(got: f64, want: f64, tolerance: f64, what: &str) {
    let close = (got - want).abs() <= tolerance * want.abs() || (got - want).abs() < 1e-290;
    assert!(
        close,
        "{what}: got {got:e}, want {want:e}, relative {:e}",
        (got - want) / want
    );
}

#[test]
fn normal_distribution_matches_scipy_in_both_tails() {
    for row in rows(&special(), "normal_cdf") {
        assert_close(normal_cdf(row[0]), row[1], NORMAL_TAIL, "normal_cdf");
        assert_close(normal_sf(row[0]), row[2], NORMAL_TAIL, "normal_sf");
    }
    for row in rows(&special(), "probit") {
        assert_close(probit(row[0]), row[1], SPECIAL, "probit");
    }
    assert!(probit(-0.1).is_nan() && probit(1.1).is_nan() && probit(f64::NAN).is_nan());
    assert_eq!(
        (probit(0.0), probit(1.0)),
        (f64::NEG_INFINITY, f64::INFINITY)
    );
}

#[test]
fn chi_square_matches_scipy() {
    for row in rows(&special(), "chi2") {
        assert_close(chi2_cdf(row[0], row[1]), row[2], TAIL, "chi2_cdf");
        assert_close(chi2_sf(row[0], row[1]), row[3], TAIL, "chi2_sf");
    }
    for row in rows(&special(), "chi2_quantile") {
        assert_close(chi2_quantile(row[0], row[1]), row[2], SUM, "chi2_quantile");
    }
    for row in rows(&special(), "ncx2") {
        assert_close(
            noncentral_chi2_cdf(row[0], row[1], row[2]),
            row[3],
            LIMIT,
            "ncx2",
        );
    }
}

#[test]
fn incomplete_beta_and_student_match_scipy() {
    for row in rows(&special(), "beta_inc") {
        assert_close(beta_inc(row[0], row[1], row[2]), row[3], TAIL, "beta_inc");
        assert_close(
            beta_inc_upper(row[0], row[1], row[2]),
            row[4],
            TAIL,
            "beta_inc_upper",
        );
    }
    for row in rows(&special(), "student_t") {
        assert_close(
            student_t_quantile(row[0], row[1]),
            row[2],
            SUM,
            "student_t_quantile",
        );
    }
}

#[test]
fn clopper_pearson_matches_scipy_with_its_limits() {
    for row in rows(&special(), "clopper_pearson") {
        let (k, n, alpha) = (row[0] as u64, row[1] as u64, row[2]);
        let lower = clopper_pearson_lower(k, n, alpha).expect("valid");
        let upper = clopper_pearson_upper(k, n, alpha).expect("valid");
        let both = clopper_pearson(k, n, alpha).expect("valid");
        assert_close(lower, row[3], LIMIT, "lower");
        assert_close(upper, row[4], LIMIT, "upper");
        assert_close(both.lower, row[5], LIMIT, "two-sided lower");
        assert_close(both.upper, row[6], LIMIT, "two-sided upper");
    }
}

#[test]
fn all_success_limits_are_the_power_formula() {
    for row in rows(&special(), "all_success") {
        let n = row[0] as u64;
        let p0 = AcceptanceProbability::clopper_pearson(n, n, 0.001).expect("valid");
        assert_close(p0.value(), row[1], SUM, "limit");
        // At n = 1 the limit is below one half and the clamp shows.
        assert_close(
            p0.kappa(0.5).expect("valid"),
            row[2].max(0.0),
            SUM,
            "probit of the limit",
        );
        assert!((p0.value() + p0.failure() - 1.0).abs() < SPECIAL);
    }
}

#[test]
fn order_statistic_ranks_match_the_binomial_definition() {
    for row in rows(&special(), "order_ranks") {
        let ranks = order_statistic_interval(row[0] as usize, row[1], row[2]).expect("valid");
        let want = OrderRanks {
            lower: row[3] as usize,
            upper: row[4] as usize,
        };
        assert_eq!(ranks, want, "n, m, alpha = {row:?}");
    }
}

#[test]
fn sample_statistics_match_scipy() {
    let sample = &special()["sample"];
    let (x, y) = (vector(&sample["x"]), vector(&sample["y"]));
    let number = |key: &str| sample[key].as_f64().expect("number");
    let check = |got: f64, key: &str| assert_close(got, number(key), SUM, key);
    check(pearson(&x, &y).expect("valid"), "pearson");
    check(spearman(&x, &y).expect("valid"), "spearman");
    check(mean(&x).expect("valid"), "mean");
    check(standard_deviation(&x).expect("valid"), "standard_deviation");
    let fit = linear_fit(&x, &y).expect("valid");
    check(fit.slope, "slope");
    check(fit.intercept, "intercept");
    check(fit.r_squared, "r_squared");
    check(fit.slope_standard_error, "slope_standard_error");
    check(fit.residual_standard_error, "residual_standard_error");
    let exps: Vec<f64> = x.iter().map(|v| v.exp()).collect();
    check(
        geometric_mean(&exps).expect("valid"),
        "geometric_mean_of_exp",
    );
    for row in rows(sample, "quantiles") {
        assert_close(
            quantile(&x, row[0]).expect("valid"),
            row[1],
            SUM,
            "quantile",
        );
    }
    let (interval, want) = (
        t_interval(&x, 0.95).expect("valid"),
        vector(&sample["t_interval"]),
    );
    assert_close(interval.lower, want[0], SUM, "t lower");
    assert_close(interval.upper, want[1], SUM, "t upper");
}

#[test]
fn eigenvalues_and_norms_match_numpy() {
    for case in geometry()["matrices"].as_array().expect("array") {
        let a = matrix(&case["matrix"]);
        let spectral = case["spectral"].as_f64().expect("number");
        assert_close(
            spectral_norm(a.view()).expect("finite"),
            spectral,
            SUM,
            "spectral",
        );
        assert_close(
            spectral_norm(a.t()).expect("finite"),
            spectral,
            SUM,
            "transposed",
        );
        let frobenius = case["frobenius"].as_f64().expect("number");
        assert_close(frobenius_norm(a.view()), frobenius, SUM, "frobenius");
        let gram = gram_rows(a.view());
        let eigen = symmetric_eigen(gram.view()).expect("symmetric");
        for (got, want) in eigen.values.iter().zip(vector(&case["gram_eigenvalues"])) {
            // Zero eigenvalues of a rank-deficient Gram matrix are rounding on both sides.
            assert!(
                (got - want).abs() <= SUM * spectral * spectral,
                "{got} {want}"
            );
        }
        let rebuilt = eigen
            .vectors
            .dot(&Array2::from_diag(&Array1::from(eigen.values)))
            .dot(&eigen.vectors.t());
        let worst = (&rebuilt - &gram)
            .iter()
            .fold(0.0_f64, |acc, d| acc.max(d.abs()));
        assert!(
            worst <= SUM * spectral * spectral,
            "V Λ Vᵀ differs from A Aᵀ by {worst}"
        );
        let identity = gram_columns(eigen.vectors.view()) - Array2::<f64>::eye(gram.nrows());
        assert!(
            identity.iter().all(|d| d.abs() < SUM),
            "eigenvectors are orthonormal"
        );
    }
}

#[test]
fn mixture_matches_mpmath_by_both_methods() {
    for case in geometry()["mixture_cdf"].as_array().expect("array") {
        let (lambdas, shifts) = (vector(&case["lambdas"]), vector(&case["shifts"]));
        let x = case["x"].as_f64().expect("number");
        let want = case["value"].as_f64().expect("number");
        let contour = cdf(x, &lambdas, &shifts).expect("valid");
        let gap = (contour.value - want).abs();
        assert!(gap <= CONTOUR, "contour off by {gap:e} for {case}");
        assert!(
            contour.error <= CONTOUR,
            "claimed error {:e}",
            contour.error
        );
        if lambdas.len() >= 3 {
            let line = imhof(x, &lambdas, &shifts).expect("valid");
            assert!(
                (line.value - want).abs() <= line.error,
                "Imhof's error bound fails: {case}"
            );
            assert!(
                line.error < 1e-6,
                "Imhof's integral claims {:e} for {case}",
                line.error
            );
        }
    }
}

#[test]
fn margin_bounds_match_numpy_for_diagonal_and_full_covariance() {
    for case in geometry()["bounds"].as_array().expect("array") {
        let (j, cov) = (matrix(&case["jacobian"]), matrix(&case["covariance"]));
        let number = |key: &str| case[key].as_f64().expect("number");
        let p0 = AcceptanceProbability::exact(number("p0")).expect("probability");
        let m = number("m");
        assert_close(kappa(p0.value(), m), number("kappa"), SUM, "kappa");
        let diagonal = EncoderGeometry::diagonal(&vector(&case["sigma"]), j.view());
        let full = EncoderGeometry::full_covariance(cov.view(), j.view());
        for (geometry, key) in [(diagonal, "diagonal"), (full, "full")] {
            let got = bounds(&geometry.expect("valid"), &p0, m).expect("valid");
            let want = vector(&case[key]);
            // The smallest eigenvalue of a covariance is known to ε times its condition.
            assert_close(got.frobenius, want[0], LIMIT, key);
            assert_close(got.spectral, want[1], LIMIT, key);
            assert_close(got.mahalanobis, want[2], LIMIT, key);
        }
    }
}

#[test]
fn one_dimensional_margin_matches_brentq() {
    for row in rows(&geometry(), "margin_1d") {
        let got = margin_1d(row[0], row[1], row[2], 0.5).expect("valid");
        assert_close(got, row[3], LIMIT, "margin_1d");
    }
}
