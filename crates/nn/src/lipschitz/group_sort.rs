//! GroupSort: an activation that only permutes, so it neither grows nor shrinks
//! any gradient.

use vaegis_tensor::{Kind, Tensor};

/// Sorts every group of `group` neighbors in descending order; with groups of 2
/// this is MaxMin.
///
/// 1-Lipschitz in the L2 norm, and the norm of a gradient passes unchanged.
///
/// # Shapes
/// x: `[.., n]` with n divisible by `group` → the same
///
/// # Panics
/// If `group` is below 1 or does not divide the last size.
///
/// # References
/// Anil, Lucas and Grosse, "Sorting out Lipschitz function approximation" (2019), section 4.1.
pub fn group_sort(x: &Tensor, group: i64) -> Tensor {
    let size = x.size();
    let units = *size.last().expect("invariant: at least one axis");
    assert!(
        group >= 1 && units % group == 0,
        "group_sort: {units} units in groups of {group}"
    );
    let groups = x.unflatten(-1, [units / group, group]);
    let sorted = if group == 2 {
        // Two element-wise passes are several times faster than a sort.
        let (a, b) = (groups.select(-1, 0), groups.select(-1, 1));
        Tensor::stack(&[a.maximum(&b), a.minimum(&b)], -1)
    } else {
        groups.sort(-1, true).0
    };
    sorted.flatten(-2, -1)
}

/// Where [`group_sort`] takes its numbers from: positions in descending order within every group,
/// as indices into the layer.
///
/// # Shapes
/// a: `[B, units]` → the same, of kind Int64
///
/// # Panics
/// If `a` has another number of axes, or the groups do not divide the units.
pub fn group_order(a: &Tensor, group: i64) -> Tensor {
    let (batch, units) = a.size2().expect("invariant: rows of units");
    let (_, within) = a.unflatten(-1, [units / group, group]).sort(-1, true);
    let offset = Tensor::arange_start_step(0, units, group, (Kind::Int64, a.device()));
    (within + offset.reshape([1, -1, 1])).reshape([batch, units])
}
