//! Derivatives against closed forms, finite differences and each other.

use vaegis_core::seed::SeedTree;
use vaegis_tensor::autograd::{
    GradCheck, for_each_row, frobenius_norm, frobenius_norm_hutchinson, frobenius_norms, gradcheck,
    gradient, jvp, per_example_jacobian, per_example_jacobian_forward, spectral_norms, vjp,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor, convert};

/// Sums of some hundred products in f64.
const ROUNDING: f64 = 1e-12;

fn noise(label: &str) -> Noise {
    Noise::portable(SeedTree::new(1).child(label))
}

fn normal(label: &str, shape: &[i64]) -> Tensor {
    noise(label).standard_normal(shape, Kind::Double, Device::Cpu)
}

/// A network with rows that do not influence each other: [B, 2, 3] → [B, 5].
fn network(x: &Tensor) -> Tensor {
    let (w1, w2) = (normal("w1", &[6, 8]), normal("w2", &[8, 5]));
    x.flatten(1, -1).matmul(&w1).tanh().matmul(&w2).sin()
}

fn gap(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

/// An output without a graph has gradient zero; libtorch itself would crash on it.
#[test]
fn gradient_of_a_constant_is_zero() {
    let x = Tensor::from_slice(&[1.0, 2.0]).set_requires_grad(true);
    let constant = Tensor::from_slice(&[3.0]);
    let found = gradient(&constant, &[&x]).remove(0);
    assert_eq!(found.size(), [2]);
    assert_eq!(found.abs().sum(Kind::Double).double_value(&[]), 0.0);
    // An output with a graph that this input is not part of.
    let other = Tensor::from_slice(&[5.0]).set_requires_grad(true);
    let found = gradient(&(&other * 2.0), &[&x, &other]);
    assert_eq!(found[0].abs().sum(Kind::Double).double_value(&[]), 0.0);
    assert_eq!(found[1].double_value(&[0]), 2.0);
}

#[test]
fn gradient_is_the_closed_form_and_leaves_grad_alone() {
    let x = normal("x", &[4]).set_requires_grad(true);
    let y = normal("y", &[4]).set_requires_grad(true);
    let unused = normal("z", &[2]).set_requires_grad(true);
    let output = x.square() * &y;
    let found = gradient(&output, &[&x, &y, &unused]);
    assert!(gap(&found[0], &(&x * &y * 2.0)) < ROUNDING);
    assert!(gap(&found[1], &x.square()) < ROUNDING);
    assert_eq!(convert::to_f64_vec(&found[2]), [0.0, 0.0]);
    assert!(!x.grad().defined());
}

#[test]
fn products_agree_with_the_linear_closed_form() {
    let a = normal("a", &[3, 4]);
    let (x, v, u) = (normal("x", &[4]), normal("v", &[4]), normal("u", &[3]));
    let (y, forward) = jvp(|x| a.matmul(x), &x, &v);
    assert!(gap(&y, &a.matmul(&x)) < ROUNDING);
    assert!(gap(&forward, &a.matmul(&v)) < ROUNDING);
    let (y, reverse) = vjp(|x| a.matmul(x), &x, &u);
    assert!(gap(&y, &a.matmul(&x)) < ROUNDING);
    assert!(gap(&reverse, &a.tr().matmul(&u)) < ROUNDING);
    assert!(!y.requires_grad() && !forward.requires_grad());
}

#[test]
fn products_are_adjoint_on_a_nonlinear_function() {
    let (x, v, u) = (
        normal("x", &[3, 2, 3]),
        normal("v", &[3, 2, 3]),
        normal("u", &[3, 5]),
    );
    let left = (jvp(network, &x, &v).1 * &u).sum(None).double_value(&[]);
    let right = (vjp(network, &x, &u).1 * &v).sum(None).double_value(&[]);
    assert!(
        (left - right).abs() < ROUNDING * (1.0 + left.abs()),
        "{left} {right}"
    );
}

#[test]
fn constants_have_zero_derivatives() {
    let x = normal("x", &[3, 2]);
    let constant = |_: &Tensor| Tensor::ones([3, 4], (Kind::Double, Device::Cpu));
    let v = normal("v", &[3, 2]);
    assert_eq!(
        jvp(constant, &x, &v)
            .1
            .abs()
            .sum(None)
            .double_value(&[])
            .to_bits(),
        0
    );
    let u = normal("u", &[3, 4]);
    assert_eq!(vjp(constant, &x, &u).1.size(), [3, 2]);
    for jacobian in [
        per_example_jacobian(constant, &x),
        per_example_jacobian_forward(constant, &x),
    ] {
        assert_eq!(jacobian.size(), [3, 4, 2]);
        assert_eq!(jacobian.abs().max().double_value(&[]).to_bits(), 0);
    }
}

#[test]
fn jacobians_by_rows_and_by_columns_agree_with_finite_differences() {
    const STEP: f64 = 1e-6;
    /// Truncation STEP² and rounding 1e-16 / STEP.
    const DIFFERENCE: f64 = 1e-8;
    let x = normal("x", &[3, 2, 3]);
    let by_rows = per_example_jacobian(network, &x);
    let by_columns = per_example_jacobian_forward(network, &x);
    assert_eq!(by_rows.size(), [3, 5, 6]);
    assert!(gap(&by_rows, &by_columns) < ROUNDING);
    for i in 0..6 {
        let moved = |step: f64| {
            let point = x.copy();
            let _ = point.view([3, 6]).select(1, i).g_add_scalar_(step);
            network(&point)
        };
        let column = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        assert!(
            gap(&by_rows.select(2, i), &column) < DIFFERENCE,
            "input {i}"
        );
    }
}

#[test]
fn rows_of_a_batch_are_those_of_single_examples() {
    let x = normal("x", &[4, 2, 3]);
    let batch = per_example_jacobian(network, &x);
    for b in 0..4 {
        let single = per_example_jacobian(network, &x.narrow(0, b, 1));
        assert!(gap(&batch.narrow(0, b, 1), &single) < ROUNDING);
    }
    let mut seen = 0;
    for_each_row(network, &x, |o, num_out, row| {
        assert_eq!((o, num_out), (seen, 5));
        assert!(gap(row, &batch.select(1, o)) < ROUNDING);
        seen += 1;
    });
    assert_eq!(seen, 5);
}

#[test]
fn an_input_that_records_gradients_is_not_changed() {
    let x = normal("x", &[2, 2, 3]).set_requires_grad(true);
    let jacobian = per_example_jacobian(network, &x);
    assert!(!jacobian.requires_grad() && !x.grad().defined());
}

#[test]
fn frobenius_norms_agree_with_the_jacobian() {
    let x = normal("x", &[3, 2, 3]);
    let exact = frobenius_norms(&per_example_jacobian(network, &x));
    assert!(gap(&frobenius_norm(network, &x), &exact) < ROUNDING);
    const PROBES: usize = 4000;
    /// The relative deviation of one probe's square is at most √2; 5 deviations of the mean,
    /// halved by the root.
    const ESTIMATE: f64 = 5.0 * std::f64::consts::SQRT_2 / 2.0 / 63.2;
    let estimate = frobenius_norm_hutchinson(network, &x, PROBES, &noise("probes"));
    let relative = ((&estimate - &exact) / &exact)
        .abs()
        .max()
        .double_value(&[]);
    assert!(relative < ESTIMATE, "{relative}");
    let again = frobenius_norm_hutchinson(network, &x, PROBES, &noise("probes"));
    assert!(estimate.equal(&again), "keyed noise repeats");
}

#[test]
fn spectral_norms_are_singular_values_on_either_side() {
    // U diag(s) Vᵀ with known s: rotations by QR.
    for (rows, columns) in [(3, 7), (7, 3), (4, 4)] {
        let k = rows.min(columns);
        let (q, _) = Tensor::linalg_qr(&normal("q", &[5, rows, rows]), "complete");
        let (p, _) = Tensor::linalg_qr(&normal("p", &[5, columns, columns]), "complete");
        let s = normal("s", &[5, k]).abs();
        let jacobians = q
            .narrow(2, 0, k)
            .matmul(&s.diag_embed(0, -2, -1))
            .matmul(&p.narrow(2, 0, k).transpose(1, 2));
        let expected = s.amax([1_i64].as_slice(), false);
        assert!(gap(&spectral_norms(&jacobians), &expected) < ROUNDING);
        /// Rounding of the entries to f32.
        const SINGLE: f64 = 1e-6;
        let single = spectral_norms(&jacobians.to_kind(Kind::Float));
        assert_eq!(single.kind(), Kind::Double);
        assert!(gap(&single, &expected) < SINGLE);
    }
    let zero = spectral_norms(&Tensor::zeros([2, 3, 4], (Kind::Float, Device::Cpu)));
    assert_eq!(convert::to_f64_vec(&zero), [0.0, 0.0]);
    assert_eq!(
        spectral_norms(&Tensor::zeros([0, 3, 4], (Kind::Float, Device::Cpu))).size(),
        [0]
    );
}

#[test]
fn gradcheck_passes_good_gradients_and_names_bad_ones() {
    let x = normal("x", &[2, 2, 3]);
    let worst = gradcheck(network, &x, GradCheck::default()).expect("autograd is right");
    assert!(worst < GradCheck::default().atol);
    // A detached factor gives a wrong gradient on purpose.
    let wrong = |x: &Tensor| x * x.detach();
    let error = gradcheck(wrong, &x, GradCheck::default()).expect_err("half the gradient");
    assert!(error.to_string().contains("element 0"), "{error}");
    let not_a_number = |x: &Tensor| (x * 0.0).sqrt() * (x - 1e9).log();
    assert!(gradcheck(not_a_number, &x, GradCheck::default()).is_err());
}
