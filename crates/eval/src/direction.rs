//! Random directions in input space, one per row. Not for attacks: these know nothing of the model.

use vaegis_attacks::AttackRows;
use vaegis_tensor::{Noise, Tensor};

/// One direction of length 1 per row, uniform on the sphere, by the row's key.
///
/// # Shapes
/// result: that of `rows.x`
pub(crate) fn random_directions(rows: &AttackRows, noise: &Noise) -> Tensor {
    let shape = &rows.x.size()[1..];
    let each: Vec<Tensor> = rows
        .keys
        .iter()
        .map(|&key| {
            let node = noise.index(key);
            let v = node.standard_normal(shape, rows.x.kind(), rows.x.device());
            let length = v.norm();
            v / length
        })
        .collect();
    Tensor::stack(&each, 0)
}
