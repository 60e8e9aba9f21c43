//! Jacobians of every example of a batch.
//!
//! They rest on the independence of rows: output row b depends on input row b only. Then one
//! backward pass gives one Jacobian row (or column) of *all* examples, and a Jacobian costs as
//! many passes as its smaller side has elements, whatever the batch.

use super::{backward, dual, leaf};
use crate::{Kind, Tensor};

/// The Jacobian of every example by one backward pass per output element: best where outputs
/// are fewer than inputs, as for an encoder.
///
/// # Formula
/// ```text
/// J[b, o, i] = ∂f(x)[b, o] / ∂x[b, i]
/// ```
///
/// # Shapes
/// x: `[B, ..]`, f(x): `[B, ..]` → `[B, out, in]` with both sides flattened
///
/// # Panics
/// If `f` changes the size of the batch.
pub fn per_example_jacobian(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    let (batch, num_in) = batch_and_size(x);
    let mut jacobian: Option<Tensor> = None;
    for_each_row(f, x, |o, num_out, row| {
        let all = jacobian.get_or_insert_with(|| {
            Tensor::empty([batch, num_out, num_in], (row.kind(), row.device()))
        });
        all.select(1, o).copy_(row);
    });
    jacobian.unwrap_or_else(|| Tensor::zeros([batch, 0, num_in], (x.kind(), x.device())))
}

/// Calls `visit(o, out, row)` with the o-th Jacobian row of every example, in order, so that a
/// Jacobian with many outputs never exists as a whole.
///
/// # Shapes
/// x: `[B, ..]`, f(x): `[B, ..]`; row: `[B, in]`
///
/// # Panics
/// If `f` changes the size of the batch.
pub fn for_each_row(
    f: impl Fn(&Tensor) -> Tensor,
    x: &Tensor,
    mut visit: impl FnMut(i64, i64, &Tensor),
) {
    let (batch, num_in) = batch_and_size(x);
    let x = leaf(x);
    let y = flat_output(&f(&x), batch);
    let num_out = y.size()[1];
    for o in 0..num_out {
        let gradient = if y.requires_grad() {
            // A root that is not a scalar starts from ones: the sum over the batch is implied.
            backward(&y.select(1, o), &x, o + 1 < num_out, false)
        } else {
            Tensor::new()
        };
        if gradient.defined() {
            visit(o, num_out, &gradient.reshape([batch, num_in]));
        } else {
            visit(
                o,
                num_out,
                &Tensor::zeros([batch, num_in], (x.kind(), x.device())),
            );
        }
    }
}

/// The Jacobian of every example by one Jacobian-vector product per input element: best where
/// inputs are fewer than outputs, as for a decoder.
///
/// # Shapes
/// x: `[B, ..]`, f(x): `[B, ..]` → `[B, out, in]` with both sides flattened
///
/// # Panics
/// If `f` changes the size of the batch.
pub fn per_example_jacobian_forward(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    let (batch, num_in) = batch_and_size(x);
    let x = leaf(x);
    let y = flat_output(&f(&x), batch);
    let num_out = y.size()[1];
    let options = (y.kind(), y.device());
    let Some((u, g)) = dual(&y, &x) else {
        return Tensor::zeros([batch, num_out, num_in], options);
    };
    let g = g.reshape([batch, num_in]);
    // Columns are written as rows of the transpose, where they are contiguous.
    let transposed = Tensor::zeros([num_in, batch, num_out], options);
    for i in 0..num_in {
        let column = backward(&g.select(1, i), &u, i + 1 < num_in, false);
        if column.defined() {
            transposed.select(0, i).copy_(&column);
        }
    }
    transposed.permute([1, 2, 0]) // [B, out, in]
}

/// B and the number of elements of one example.
pub(super) fn batch_and_size(x: &Tensor) -> (i64, i64) {
    let size = x.size();
    assert!(
        !size.is_empty(),
        "a batch has at least one dimension, found a scalar"
    );
    (size[0], size[1..].iter().product())
}

/// `[B, ..]` → `[B, out]`.
pub(super) fn flat_output(y: &Tensor, batch: i64) -> Tensor {
    let (found, num_out) = batch_and_size(y);
    assert_eq!(
        found,
        batch,
        "the function must keep the batch, output {:?}",
        y.size()
    );
    debug_assert!(
        matches!(y.kind(), Kind::Float | Kind::Double),
        "derivatives need real kinds"
    );
    y.reshape([batch, num_out])
}
