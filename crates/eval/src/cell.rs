//! The linear region of a piecewise-linear encoder around an input: how far the
//! first-order bound is exact.
//!
//! Batched and in f64, by products of explicit layers. Not for smooth activations,
//! and not for convolutional encoders.

use crate::EvalError;
use vaegis_nn::Activation;
use vaegis_nn::lipschitz::{NetworkPath, PathActivation, group_order};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Kind, Tensor, no_grad, parts};

/// Images whose hidden gradients are in memory at once.
const ROWS_PER_PASS: i64 = 32;

/// Distance to the nearest kink of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// L2 distance to the boundary of the linear region; +∞ where no hidden unit
    /// moves with the input.
    pub radius: f64,
    /// What lies there; none for an infinite radius.
    pub nearest: Option<Kink>,
}

/// The kink that bounds the region.
#[derive(Clone, Debug, PartialEq)]
pub struct Kink {
    /// Hidden layer, from 0.
    pub layer: usize,
    /// Unit of that layer; for a sorting activation the place in the sorted
    /// order whose number meets its successor's.
    pub unit: usize,
    /// Unit vector `[d_x]` of the shortest way there.
    pub direction: Vec<f64>,
}

/// Linear regions of every input.
///
/// With a rectifier the kinks are the zeros of the pre-activations a_k; with
/// GroupSort they are the ties between neighbors in the sorted order. Within the
/// region each is affine, so the quotient is the exact distance.
///
/// # Formula
/// ```text
/// ρ_cell(x) = min_k |a_k(x)| / ‖∇a_k(x)‖₂   over the hidden units of all layers
/// ```
///
/// # Shapes
/// x: `[B, d_x]` or `[B, C, H, W]` → `B` results
///
/// # Errors
/// An activation that is not piecewise linear.
///
/// # References
/// The premise of the remark on local exactness after Theorem 6.1.
pub fn cells(path: &NetworkPath, x: &Tensor) -> Result<Vec<Cell>, EvalError> {
    check(path.activation)?;
    let (batch, hidden) = (x.size()[0], path.layers.len().saturating_sub(1));
    if hidden == 0 || path.activation == PathActivation::Elementwise(Activation::Identity) {
        let affine = Cell {
            radius: f64::INFINITY,
            nearest: None,
        };
        return Ok(vec![affine; batch as usize]);
    }
    no_grad(|| {
        let x = x.flatten(1, -1).to_kind(Kind::Double);
        // All gradients lie in the row space of the first matrix: W₁ = C Qᵀ with
        // orthonormal columns in Q, so lengths can be taken in its coordinates.
        let first = &path.layers[0].weight;
        let (q, r) = Tensor::linalg_qr(&first.transpose(0, 1), "reduced"); // [n, k], [k, h₁]
        let coordinates = r.transpose(0, 1).unsqueeze(0); // [1, h₁, k]
        let mut all = Vec::with_capacity(batch as usize);
        for (start, len) in parts(batch, ROWS_PER_PASS) {
            let part = x.narrow(0, start, len);
            all.extend(part_cells(path, &part, &coordinates, &q));
        }
        Ok(all)
    })
}

/// The sign or order pattern of all hidden units, one row of numbers per input:
/// equal rows mean the same linear region.
///
/// # Shapes
/// x: `[B, d_x]` → `[B, all hidden units]`
///
/// # Errors
/// As [`cells`].
pub fn patterns(path: &NetworkPath, x: &Tensor) -> Result<Tensor, EvalError> {
    check(path.activation)?;
    no_grad(|| {
        let mut h = x.flatten(1, -1).to_kind(Kind::Double);
        let hidden = path.layers.len().saturating_sub(1);
        let mut rows = vec![Tensor::zeros([h.size()[0], 0], (Kind::Int64, h.device()))];
        for layer in &path.layers[..hidden] {
            h = h.linear(&layer.weight, Some(&layer.bias));
            rows.push(match path.activation {
                PathActivation::Elementwise(_) => h.gt(0.0).to_kind(Kind::Int64),
                PathActivation::GroupSort(group) => group_order(&h, group),
            });
            h = path.activation.forward(&h);
        }
        Ok(Tensor::cat(&rows, 1))
    })
}

/// Whether the network has linear regions that [`cells`] can find.
pub fn is_piecewise_linear(path: &NetworkPath) -> bool {
    check(path.activation).is_ok()
}

fn check(activation: PathActivation) -> Result<(), EvalError> {
    match activation {
        PathActivation::GroupSort(_)
        | PathActivation::Elementwise(
            Activation::Relu | Activation::LeakyRelu | Activation::Identity,
        ) => Ok(()),
        PathActivation::Elementwise(other) => Err(EvalError::BadInput {
            name: "encoder",
            expected: "a piecewise-linear activation (relu, leaky-relu or sorting)".into(),
            found: format!("{other:?}"),
        }),
    }
}

fn part_cells(path: &NetworkPath, x: &Tensor, coordinates: &Tensor, q: &Tensor) -> Vec<Cell> {
    let batch = x.size()[0];
    let hidden = path.layers.len() - 1;
    let mut h = x.shallow_clone();
    let mut gradients = coordinates.shallow_clone();
    let mut best = Nearest::none(batch, coordinates);
    for (number, layer) in path.layers[..hidden].iter().enumerate() {
        let a = h.linear(&layer.weight, Some(&layer.bias)); // [b, units]
        if number > 0 {
            gradients = layer.weight.matmul(&gradients); // [b, units, k]
        }
        let (kinks, kink_gradients, next) = match path.activation {
            PathActivation::Elementwise(activation) => {
                let next = &gradients * slopes(activation, &a).unsqueeze(-1);
                (a.shallow_clone(), gradients.shallow_clone(), next)
            }
            PathActivation::GroupSort(group) => {
                let order = group_order(&a, group);
                let units = a.size()[1];
                let sorted = a.gather(1, &order, false);
                let full = gradients.expand([batch, units, gradients.size()[2]], false);
                let index = order.unsqueeze(-1).expand_as(&full);
                let moved = full.gather(1, &index, false);
                let apart = |t: &Tensor| {
                    let t = t.unflatten(1, [units / group, group]);
                    let gap = t.narrow(2, 0, group - 1) - t.narrow(2, 1, group - 1);
                    gap.flatten(1, 2)
                };
                (apart(&sorted), apart(&moved), moved)
            }
        };
        best.update(number, &kinks, &kink_gradients);
        h = path.activation.forward(&a);
        gradients = next;
    }
    best.cells(q)
}

/// The derivative of a piecewise-linear activation at every pre-activation; at the kink that of
/// the negative side, as in [`Activation::derivative`], which needs gradients and so cannot be
/// taken here. The activation itself says its slopes: it is linear on either side of its zero.
///
/// # Shapes
/// a: any → the same
fn slopes(activation: Activation, a: &Tensor) -> Tensor {
    let one = Tensor::ones([], (a.kind(), a.device()));
    let above = activation.forward(&one);
    let below = -activation.forward(&-one);
    above.where_self(&a.gt(0.0), &below)
}

/// The nearest kinks so far, where the network is: nothing is read before the last layer.
struct Nearest {
    /// Distance, `[b]`; +∞ where there is none yet.
    radius: Tensor,
    /// Hidden layer and unit, `[b]` each.
    layer: Tensor,
    unit: Tensor,
    /// Way towards the kink in coordinates of the first matrix's row space, `[b, k]`.
    way: Tensor,
}

impl Nearest {
    fn none(batch: i64, coordinates: &Tensor) -> Self {
        let options = (coordinates.kind(), coordinates.device());
        let index = Tensor::zeros([batch], (Kind::Int64, coordinates.device()));
        Self {
            radius: Tensor::full([batch], f64::INFINITY, options),
            unit: index.copy(),
            layer: index,
            way: Tensor::zeros([batch, coordinates.size()[2]], options),
        }
    }

    /// Replaces the best of every input where this layer has a nearer kink.
    ///
    /// # Shapes
    /// kinks: `[b, units]`, gradients: `[b or 1, units, k]`
    fn update(&mut self, layer: usize, kinks: &Tensor, gradients: &Tensor) {
        let (batch, units) = kinks.size2().expect("invariant: rows of units");
        if units == 0 {
            return;
        }
        let norms = gradients.square().sum_dim_intlist(-1, false, None).sqrt(); // [b or 1, units]
        let moves = norms.gt(0.0);
        let distance = (kinks.abs() / &norms).where_scalarother(&moves, f64::INFINITY);
        let (least, unit) = distance.min_dim(1, false);
        // NaN must not pass for an infinite radius, so it replaces whatever there is.
        let nearer = least.ge_tensor(&self.radius).logical_not();
        let place = unit.unsqueeze(1); // [b, 1]
        // Towards the kink: against the gradient where the unit is positive.
        let positive = kinks.gather(1, &place, false).ge(0.0);
        let sign = positive.to_kind(Kind::Double) * 2.0 - 1.0;
        let k = gradients.size()[2];
        let all = gradients.expand([batch, units, k], false);
        let index = place.unsqueeze(-1).expand([batch, 1, k], false);
        let gradient = all.gather(1, &index, false).squeeze_dim(1); // [b, k]
        let length = gradient.square().sum_dim_intlist(-1, true, None).sqrt();
        let way = -(gradient * sign / length);
        self.way = way.where_self(&nearer.unsqueeze(1), &self.way);
        self.unit = unit.where_self(&nearer, &self.unit);
        let layer = self.layer.full_like(layer as i64);
        self.layer = layer.where_self(&nearer, &self.layer);
        self.radius = least.where_self(&nearer, &self.radius);
    }

    /// The cells on the host; `q` turns ways into directions of the input space.
    fn cells(&self, q: &Tensor) -> Vec<Cell> {
        let num_inputs = q.size()[0] as usize;
        let directions = to_f64_vec(&self.way.matmul(&q.transpose(0, 1))); // [b, n]
        let [layers, units] = [&self.layer, &self.unit].map(to_f64_vec);
        let radius = to_f64_vec(&self.radius);
        let each = radius.into_iter().zip(directions.chunks_exact(num_inputs));
        each.zip(layers.into_iter().zip(units))
            .map(|((radius, direction), (layer, unit))| Cell {
                radius,
                nearest: (!radius.is_infinite()).then(|| Kink {
                    layer: layer as usize,
                    unit: unit as usize,
                    direction: direction.to_vec(),
                }),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate rests on these slopes: they are those of the activation that the network
    /// applies.
    #[test]
    fn slopes_are_the_derivatives_on_both_sides_and_at_the_kink() {
        let a = Tensor::from_slice(&[-3.0, -1e-9, 0.0, 1e-9, 2.0]);
        for activation in [
            Activation::Identity,
            Activation::Relu,
            Activation::LeakyRelu,
        ] {
            let found = no_grad(|| slopes(activation, &a));
            let expected = activation.derivative(&a);
            assert_eq!(to_f64_vec(&found), to_f64_vec(&expected), "{activation:?}");
        }
    }
}
