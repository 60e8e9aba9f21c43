//! Functions whose obvious form overflows, cancels or has a NaN gradient.

use crate::Tensor;

/// log Σ exp along one dimension, without overflow.
///
/// # Shapes
/// x: `[.., n, ..]` → the shape without dimension `dim`
pub fn log_sum_exp(x: &Tensor, dim: i64) -> Tensor {
    x.logsumexp(dim, false)
}

/// log of the mean of exp along one dimension, as importance-weighted bounds need it.
///
/// # Shapes
/// x: `[.., n, ..]` → the shape without dimension `dim`
pub fn log_mean_exp(x: &Tensor, dim: i64) -> Tensor {
    let axis = if dim < 0 {
        dim + i64::try_from(x.dim()).expect("invariant: few")
    } else {
        dim
    };
    let count = x.size()[usize::try_from(axis).expect("dim lies within the shape")];
    log_sum_exp(x, dim) - (count as f64).ln()
}

/// The x with softplus(x) = y, for y > 0.
///
/// # Formula
/// ```text
/// x = y + log(1 − e^{−y})
/// ```
/// Unlike log(eʸ − 1) this neither overflows for large y nor cancels for small y.
///
/// # Shapes
/// y: any → the same
pub fn softplus_inverse(y: &Tensor) -> Tensor {
    y + log1m_exp(y)
}

/// log(1 − e^{−a}) for a > 0.
///
/// # Formula
/// ```text
/// log(−expm1(−a))  for a ≤ log 2,      log1p(−e^{−a})  above
/// ```
///
/// # Shapes
/// a: any → the same
///
/// # References
/// Mächler (2012), "Accurately computing log(1 − exp(−|a|))", equation 7.
pub fn log1m_exp(a: &Tensor) -> Tensor {
    let small = a.le(std::f64::consts::LN_2);
    // Each branch sees only arguments that it is good for: `where` passes the gradients of both,
    // and an infinite one times zero would be NaN.
    let half = a.full_like(std::f64::consts::LN_2);
    let near = (-(-a.where_self(&small, &half)).expm1()).log();
    let far = (-(-half.where_self(&small, a)).exp()).log1p();
    near.where_self(&small, &far)
}

/// √x for x ≥ 0, whose gradient at 0 is 0 instead of infinite.
///
/// # Shapes
/// x: any → the same
pub fn safe_sqrt(x: &Tensor) -> Tensor {
    let zero = x.le(0.0);
    let root = x.where_self(&zero.logical_not(), &x.ones_like()).sqrt();
    root.masked_fill(&zero, 0.0)
}

/// The L2 norm of every row, whose gradient at a zero row is 0 instead of NaN.
///
/// The largest element is factored out, so that squares neither overflow nor vanish.
///
/// # Shapes
/// x: `[B, ..]` → `[B]`
pub fn safe_norm(x: &Tensor) -> Tensor {
    let flat = x.flatten(1, -1); // [B, n]
    let largest = flat.detach().abs().amax([1_i64].as_slice(), true); // [B, 1]
    let scale = largest.masked_fill(&largest.eq(0.0), 1.0);
    let squares = (flat / &scale).square().sum_dim_intlist(1, false, None); // [B]
    safe_sqrt(&squares) * scale.squeeze_dim(1)
}
