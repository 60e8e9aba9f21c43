//! Norms of per-example Jacobians.

use super::jacobian::{batch_and_size, flat_output};
use super::{backward, for_each_row, leaf};
use crate::{Kind, Noise, Tensor};

/// ‖J_b‖_F of the Jacobian of every example, exactly, without storing the Jacobians.
///
/// # Shapes
/// x: `[B, ..]` → `[B]`
///
/// # Panics
/// If `f` changes the size of the batch.
pub fn frobenius_norm(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    let mut squares: Option<Tensor> = None;
    for_each_row(f, x, |_, _, row| {
        let square = row.square().sum_dim_intlist(1, false, None); // [B, in] → [B]
        squares = Some(match squares.take() {
            Some(total) => total + square,
            None => square,
        });
    });
    let zeros = || Tensor::zeros(x.size()[0], (x.kind(), x.device()));
    squares.map_or_else(zeros, |s| s.sqrt())
}

/// An estimate of ‖J_b‖_F of every example from `num_probes` backward passes.
///
/// The square is unbiased; its root is not.
///
/// # Formula
/// ```text
/// ‖J‖²_F = E ‖vᵀJ‖²,  v ~ N(0, 1)
/// ```
///
/// # Shapes
/// x: `[B, ..]` → `[B]`
///
/// # Panics
/// If `f` changes the size of the batch or `num_probes` is 0.
///
/// # References
/// Hutchinson (1990), with normal probes.
pub fn frobenius_norm_hutchinson(
    f: impl Fn(&Tensor) -> Tensor,
    x: &Tensor,
    num_probes: usize,
    noise: &Noise,
) -> Tensor {
    assert!(num_probes > 0, "at least one probe is needed");
    let x = leaf(x);
    let (batch, _) = batch_and_size(&x);
    let y = flat_output(&f(&x), batch);
    let mut total = Tensor::zeros(batch, (x.kind(), x.device()));
    if !y.requires_grad() {
        return total;
    }
    for probe in 0..num_probes {
        let v = noise
            .index(probe as u64)
            .standard_normal(&y.size(), y.kind(), y.device());
        let gradient = backward(&(&y * v), &x, probe + 1 < num_probes, false);
        if gradient.defined() {
            let square = gradient.reshape([batch, -1]).square();
            total += square.sum_dim_intlist(1, false, None); // [B, in] → [B]
        }
    }
    (total / num_probes as f64).sqrt()
}

/// ‖J_b‖_F of stored Jacobians.
///
/// # Shapes
/// jacobians: `[B, out, in]` → `[B]`
pub fn frobenius_norms(jacobians: &Tensor) -> Tensor {
    jacobians
        .square()
        .flatten(1, -1)
        .sum_dim_intlist(1, false, None)
        .sqrt()
}

/// ‖J_b‖₂, the largest singular value of every Jacobian, from the Gram matrix of its smaller side
/// in double precision.
///
/// # Formula
/// ```text
/// ‖J‖₂ = √ λ_max(J Jᵀ)      (JᵀJ where that is smaller)
/// ```
/// Squaring halves the digits, which is why the Gram matrix is formed in f64: an f32 Jacobian
/// then loses nothing.
///
/// # Shapes
/// jacobians: `[B, out, in]` → `[B]` of kind Double
///
/// # Panics
/// If the tensor has not three dimensions or holds a value that is not finite.
pub fn spectral_norms(jacobians: &Tensor) -> Tensor {
    let (batch, num_out, num_in) = jacobians.size3().expect("jacobians: [B, out, in]");
    let options = (Kind::Double, jacobians.device());
    if batch == 0 || num_out == 0 || num_in == 0 {
        return Tensor::zeros(batch, options);
    }
    let j = jacobians.detach().to_kind(Kind::Double);
    let t = j.transpose(1, 2);
    let gram = if num_out <= num_in {
        j.matmul(&t)
    } else {
        t.matmul(&j)
    }; // [B, k, k]
    let largest = gram.linalg_eigvalsh("L").select(1, -1); // ascending: [B, k] → [B]
    // Rounding can leave a tiny negative eigenvalue of a zero matrix.
    largest.clamp_min(0.0).sqrt()
}
