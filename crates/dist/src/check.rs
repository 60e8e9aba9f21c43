//! Checks of parameters (errors) and of values (panics), shared by all
//! distributions. Not for anything that depends on one family.

use crate::DistError;
use vaegis_tensor::Tensor;

/// Requires a floating-point tensor without NaN or infinity.
pub(crate) fn finite(
    op: &'static str,
    name: &'static str,
    tensor: &Tensor,
) -> Result<(), DistError> {
    if !tensor.is_floating_point() {
        let found = format!("{:?}", tensor.kind());
        let expected = "a floating-point tensor".to_owned();
        return Err(DistError::Options {
            op,
            name,
            expected,
            found,
        });
    }
    match first(tensor, &tensor.isfinite().logical_not()) {
        Some(found) => Err(DistError::NonFinite { op, name, found }),
        None => Ok(()),
    }
}

/// Requires a finite tensor with all elements above zero.
pub(crate) fn positive(
    op: &'static str,
    name: &'static str,
    tensor: &Tensor,
) -> Result<(), DistError> {
    finite(op, name, tensor)?;
    match first(tensor, &tensor.le(0.0)) {
        Some(found) => Err(DistError::OutOfDomain {
            op,
            name,
            expected: "greater than zero",
            found,
        }),
        None => Ok(()),
    }
}

/// Requires a finite positive number.
pub(crate) fn positive_number(
    op: &'static str,
    name: &'static str,
    value: f64,
) -> Result<(), DistError> {
    if !value.is_finite() {
        return Err(DistError::NonFinite {
            op,
            name,
            found: value,
        });
    }
    if value <= 0.0 {
        return Err(DistError::OutOfDomain {
            op,
            name,
            expected: "greater than zero",
            found: value,
        });
    }
    Ok(())
}

/// The value of the first element where `bad` is true.
fn first(tensor: &Tensor, bad: &Tensor) -> Option<f64> {
    if bad.any().int64_value(&[]) == 0 {
        return None;
    }
    Some(tensor.detach().masked_select(bad).double_value(&[0]))
}

/// Expands two parameters to their common shape.
pub(crate) fn broadcast(
    op: &'static str,
    first: &Tensor,
    name: &'static str,
    second: &Tensor,
) -> Result<(Tensor, Tensor), DistError> {
    let options = |t: &Tensor| format!("{:?} on {:?}", t.kind(), t.device());
    if options(first) != options(second) {
        let (expected, found) = (options(first), options(second));
        return Err(DistError::Options {
            op,
            name,
            expected,
            found,
        });
    }
    let (a, b) = (first.size(), second.size());
    match broadcast_shape(&a, &b) {
        Some(shape) => Ok((first.expand(&shape, false), second.expand(&shape, false))),
        None => Err(DistError::Shape {
            op,
            name,
            expected: format!("one that broadcasts with {a:?}"),
            found: b,
        }),
    }
}

/// The shape to which both shapes expand, if there is one.
fn broadcast_shape(a: &[i64], b: &[i64]) -> Option<Vec<i64>> {
    let rank = a.len().max(b.len());
    let size = |shape: &[i64], i: usize| (i + shape.len()).checked_sub(rank).map(|j| shape[j]);
    (0..rank)
        .map(
            |i| match (size(a, i).unwrap_or(1), size(b, i).unwrap_or(1)) {
                (x, y) if x == y || y == 1 => Some(x),
                (1, y) => Some(y),
                _ => None,
            },
        )
        .collect()
}

/// Requires at least one axis, whose length is the number of categories.
pub(crate) fn last_axis(
    op: &'static str,
    name: &'static str,
    tensor: &Tensor,
) -> Result<i64, DistError> {
    match tensor.size().last() {
        Some(&len) if len > 0 => Ok(len),
        _ => Err(DistError::Shape {
            op,
            name,
            expected: "at least one axis, the last one not empty".to_owned(),
            found: tensor.size(),
        }),
    }
}

/// Panics unless `value` has shape `… + batch_shape + event_shape`.
pub(crate) fn assert_value(law: &str, value: &Tensor, batch_shape: &[i64], event_shape: &[i64]) {
    let size = value.size();
    let expected = [batch_shape, event_shape].concat();
    assert!(
        size.ends_with(&expected),
        "{law}: the value has shape {size:?}, which does not end in batch {batch_shape:?} + event \
         {event_shape:?}: expand it first",
    );
}

/// Panics unless two laws have the same shape of batch.
pub(crate) fn assert_same_batch(what: &str, ours: &[i64], theirs: &[i64]) {
    assert_eq!(
        ours, theirs,
        "{what}: the batch shapes of the two laws differ: expand one first"
    );
}
