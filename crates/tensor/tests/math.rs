//! Stable functions in f32 where the obvious forms fail, and their gradients in f64.

use vaegis_core::seed::SeedTree;
use vaegis_tensor::autograd::{GradCheck, gradcheck, gradient};
use vaegis_tensor::math::{
    log_mean_exp, log_sum_exp, log1m_exp, safe_norm, safe_sqrt, softplus_inverse,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor, convert};

/// A few roundings of f32, relative.
const SINGLE: f64 = 1e-6;

fn float(values: &[f32]) -> Tensor {
    Tensor::from_slice(values)
}

fn assert_relative(found: &Tensor, expected: &[f64]) {
    let found = convert::to_f64_vec(found);
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!(
            (f - e).abs() <= SINGLE * e.abs().max(f64::from(f32::MIN_POSITIVE)),
            "{f} not {e}"
        );
    }
}

#[test]
fn log_sum_exp_neither_overflows_nor_vanishes() {
    for center in [0.0_f32, 500.0, -500.0] {
        let x = float(&[center, center + 1.0, center - 2.0]);
        let expected = f64::from(center) + (1.0 + 1f64.exp() + (-2f64).exp()).ln();
        assert_relative(&log_sum_exp(&x, 0).reshape(1), &[expected]);
        assert_relative(&log_mean_exp(&x, -1).reshape(1), &[expected - 3f64.ln()]);
        let naive = x.exp().sum(None).log().double_value(&[]);
        assert_eq!(
            naive.is_finite(),
            center == 0.0,
            "the case is hard: {naive}"
        );
    }
    let empty = float(&[f32::NEG_INFINITY, f32::NEG_INFINITY]);
    assert!(log_sum_exp(&empty, 0).double_value(&[]) == f64::NEG_INFINITY);
}

#[test]
fn log1m_exp_keeps_its_digits_at_both_ends() {
    let points = [1e-20_f32, 1e-7, 0.3, 0.69, 0.7, 2.0, 30.0, 80.0];
    let expected: Vec<f64> = points
        .iter()
        .map(|&a| {
            let a = f64::from(a);
            if a < 0.5 {
                (-(-a).exp_m1()).ln()
            } else {
                (-(-a).exp()).ln_1p()
            }
        })
        .collect();
    assert_relative(&log1m_exp(&float(&points)), &expected);
    let naive = (-float(&[1e-20]).neg().exp() + 1.0).log().double_value(&[]);
    assert!(naive.is_infinite(), "the case is hard: {naive}");
    let naive = (-float(&[30.0]).neg().exp() + 1.0).log().double_value(&[]);
    assert!(naive.to_bits() << 1 == 0, "the case is hard: {naive}");
}

#[test]
fn softplus_inverse_undoes_softplus() {
    let points = [1e-6_f32, 1e-3, 0.5, 1.0, 10.0, 200.0];
    // log(expm1(y)) = y + log(-expm1(-y)) in f64 is exact enough as the reference.
    let reference = |y: f64| y + (-(-y).exp_m1()).ln();
    let expected: Vec<f64> = points.iter().map(|&y| reference(f64::from(y))).collect();
    assert_relative(&softplus_inverse(&float(&points)), &expected);
    let round_trip = softplus_inverse(&float(&points)).softplus();
    assert_relative(&round_trip, &points.map(f64::from));
    let naive = (float(&[200.0]).exp() - 1.0).log().double_value(&[]);
    assert!(naive.is_infinite(), "the case is hard: {naive}");
}

#[test]
fn roots_and_norms_have_a_zero_gradient_at_zero() {
    let x = float(&[0.0, 4.0]).set_requires_grad(true);
    let root = safe_sqrt(&x);
    assert_relative(&root, &[0.0, 2.0]);
    assert_relative(&gradient(&root, &[&x])[0], &[0.0, 0.25]);
    assert!(
        gradient(&x.sqrt(), &[&x])[0]
            .double_value(&[0])
            .is_infinite(),
        "the case is hard"
    );

    let rows = float(&[0.0, 0.0, 3.0, 4.0])
        .reshape([2, 2])
        .set_requires_grad(true);
    let norms = safe_norm(&rows);
    assert_relative(&norms, &[0.0, 5.0]);
    assert_relative(
        &gradient(&norms, &[&rows])[0].reshape(-1_i64),
        &[0.0, 0.0, 0.6, 0.8],
    );
    let naive = rows.square().sum_dim_intlist(1, false, None).sqrt();
    assert!(
        gradient(&naive, &[&rows])[0].double_value(&[0, 0]).is_nan(),
        "the case is hard"
    );
}

#[test]
fn norms_of_huge_and_tiny_rows_are_right() {
    let rows = float(&[3e30, 4e30, 3e-30, 4e-30]).reshape([2, 2]);
    assert_relative(&safe_norm(&rows), &[5e30_f32, 5e-30].map(f64::from));
    let naive = rows.square().sum_dim_intlist(1, false, None).sqrt();
    let naive = convert::to_f64_vec(&naive);
    assert!(
        naive[0].is_infinite() && naive[1].to_bits() == 0,
        "the case is hard: {naive:?}"
    );
}

#[test]
fn gradients_agree_with_differences() {
    let noise = Noise::portable(SeedTree::new(2));
    let x = noise.standard_normal(&[3, 4], Kind::Double, Device::Cpu);
    let positive = x.abs() + 0.1;
    let check = |f: fn(&Tensor) -> Tensor, at: &Tensor| {
        gradcheck(f, at, GradCheck::default()).expect("gradient is right");
    };
    check(|x| log_sum_exp(x, 1), &x);
    check(|x| log_mean_exp(x, 0), &x);
    check(log1m_exp, &positive);
    check(softplus_inverse, &positive);
    check(safe_sqrt, &positive);
    check(safe_norm, &x);
}
