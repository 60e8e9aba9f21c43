//! Elementary functions that keep their accuracy where the textbook formula
//! loses it. Everything is smooth under autograd to any order.

use vaegis_tensor::{Kind, Tensor};

/// Below this magnitude the series replace the closed forms. The closed forms
/// lose about ε/t² of their derivative here, the series need few terms.
pub(crate) const SERIES_RADIUS: f64 = 0.5;

/// Coefficients of eᵗ−1 over t: enough for 0.5ⁿ/(n+1)! below f64 rounding.
const EXPM1_TERMS: i32 = 14;
/// Terms of artanh(s)/s at s² ≤ 0.0603, the image of the series radius.
const ARTANH_TERMS: i32 = 13;

/// log σ(x), exact to rounding in both tails. libtorch's softplus is not: it
/// returns x itself above 20, which is wrong by 2·10⁻⁹.
pub(crate) fn log_sigmoid(x: &Tensor) -> Tensor {
    x.log_sigmoid()
}

/// Horner evaluation of Σ coefficients[n] tⁿ.
pub(crate) fn polynomial(t: &Tensor, coefficients: &[f64]) -> Tensor {
    let (last, rest) = coefficients
        .split_last()
        .expect("invariant: a polynomial has a coefficient");
    rest.iter()
        .rev()
        .fold(t.zeros_like() + *last, |sum, &c| sum * t + c)
}

/// How many leading terms of a series of `all` terms this precision needs.
pub(crate) fn num_terms(kind: Kind, all: usize) -> usize {
    // A single carries a bit less than half of the digits of a double.
    if kind == Kind::Double {
        all
    } else {
        all.div_ceil(2) + 1
    }
}

/// `inside` where |t| is below the series radius, `outside` elsewhere. Each gets
/// an argument that is harmless where it is not used, so no NaN enters a gradient.
pub(crate) fn by_magnitude(
    t: &Tensor,
    inside: impl Fn(&Tensor) -> Tensor,
    outside: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let small = t.abs().lt(SERIES_RADIUS);
    let near = t.where_self(&small, &t.zeros_like());
    let far = t.where_self(&small.logical_not(), &t.ones_like());
    inside(&near).where_self(&small, &outside(&far))
}

/// (eᵗ − 1)/t for |t| ≤ 0.5.
pub(crate) fn expm1_over(t: &Tensor) -> Tensor {
    let mut factorial = 1.0;
    let all: Vec<f64> = (1..=EXPM1_TERMS)
        .map(|n| {
            factorial *= f64::from(n);
            1.0 / factorial
        })
        .collect();
    polynomial(t, &all[..num_terms(t.kind(), all.len())])
}

/// log(1 + t)/t for −0.4 ≤ t ≤ 0.65, through 2 artanh(t/(2+t)).
pub(crate) fn log1p_over(t: &Tensor) -> Tensor {
    let denominator = t + 2.0;
    let s = t / &denominator;
    let all: Vec<f64> = (0..ARTANH_TERMS)
        .map(|n| 1.0 / f64::from(2 * n + 1))
        .collect();
    let series = polynomial(&s.square(), &all[..num_terms(t.kind(), all.len())]);
    series * 2.0 / denominator
}

/// Distance from one to the next number of this kind, at the low end.
pub(crate) fn epsilon(kind: Kind) -> f64 {
    match kind {
        Kind::Double => f64::EPSILON,
        Kind::Half => 9.765_625e-4,   // 2⁻¹⁰
        Kind::BFloat16 => 7.812_5e-3, // 2⁻⁷
        _ => f64::from(f32::EPSILON),
    }
}

/// Moves uniform noise off the two ends, where quantile functions are infinite:
/// rounding to single precision may have taken it there.
pub(crate) fn open_unit(u: &Tensor) -> Tensor {
    u.clamp(f64::from(f32::MIN_POSITIVE), 1.0 - epsilon(u.kind()) / 2.0)
}

/// Sum over the last `count` axes; no axis at all leaves the tensor as it is.
pub(crate) fn sum_last(tensor: &Tensor, count: usize) -> Tensor {
    if count == 0 {
        // libtorch reads an empty list of axes as all axes.
        return tensor.shallow_clone();
    }
    let count = i64::try_from(count).expect("invariant: a rank fits");
    let axes: Vec<i64> = (-count..0).collect();
    tensor.sum_dim_intlist(axes.as_slice(), false, None)
}
