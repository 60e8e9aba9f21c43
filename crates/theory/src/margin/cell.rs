//! The activation cell of a ReLU encoder: how far the first-order bound is exact.
//!
//! For: networks given as explicit layer lists, in f64, and for checking batched versions that run
//! on tensors. Not for activations other than ReLU, nor for networks too large for dense algebra.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TheoryError, check_same_len, check_sample, invalid};

/// One affine layer z ↦ Wz + b; a ReLU follows all but the last of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineLayer {
    /// W `[d_out, d_in]`.
    pub weight: Array2<f64>,
    /// b `[d_out]`.
    pub bias: Array1<f64>,
}

/// Hidden unit whose kink is nearest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearestKink {
    /// Hidden layer, counted from 0.
    pub layer: usize,
    /// Unit of that layer.
    pub unit: usize,
    /// Unit vector `[d_x]` that leads to the kink on the shortest way.
    pub direction: Vec<f64>,
}

/// Activation cell of an input, with the affine map that the network is inside it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReluCell {
    /// Exact L2 distance to the boundary of the cell; +∞ when no unit moves with the input.
    pub radius: f64,
    /// The unit that attains it.
    pub nearest: Option<NearestKink>,
    /// Output of the network `[d_z]`.
    pub output: Array1<f64>,
    /// Its Jacobian `[d_z, d_x]`, constant inside the cell.
    pub jacobian: Array2<f64>,
    /// Sign of every hidden pre-activation, layer by layer.
    pub pattern: Vec<Vec<bool>>,
}

/// Activation cell of `x` in a ReLU network.
///
/// Inside the cell every pre-activation a_k is affine, so |a_k|/‖∇a_k‖ is the distance to its kink
/// and the smallest is the distance to the boundary. Units with a zero gradient are skipped.
///
/// # Formula
/// ```text
/// ρ_cell(x) = min_k |a_k(x)| / ‖∇a_k(x)‖₂   over the hidden units of all layers
/// ```
///
/// # Shapes
/// `layers` chain `[d_x] → … → [d_z]`, `x` `[d_x]`.
///
/// # Errors
/// When there is no layer, the shapes do not chain, or a number is not finite.
///
/// # References
/// The premise of the remark on local exactness after Theorem 6.1.
pub fn relu_cell(layers: &[AffineLayer], x: &[f64]) -> Result<ReluCell> {
    const OP: &str = "relu_cell";
    check_sample(OP, "x", x, 1)?;
    check_layers(OP, layers, x.len())?;
    let (last, hidden) = layers
        .split_last()
        .ok_or_else(|| invalid(OP, "layers", "non-empty", "none"))?;
    let mut jacobian = Array2::<f64>::eye(x.len());
    let mut value = Array1::from(x.to_vec());
    let mut best: (f64, Option<NearestKink>) = (f64::INFINITY, None);
    let mut pattern = Vec::with_capacity(hidden.len());
    for (number, layer) in hidden.iter().enumerate() {
        (value, jacobian) = apply(layer, &value, &jacobian);
        for (unit, (&a, gradient)) in value.iter().zip(jacobian.axis_iter(Axis(0))).enumerate() {
            let norm = gradient.dot(&gradient).sqrt();
            if norm > 0.0 && a.abs() / norm < best.0 {
                best = (
                    a.abs() / norm,
                    Some(nearest(number, unit, a, gradient, norm)),
                );
            }
        }
        let active: Vec<bool> = value.iter().map(|&a| a > 0.0).collect();
        for (unit, &on) in active.iter().enumerate() {
            if !on {
                value[unit] = 0.0;
                jacobian.row_mut(unit).fill(0.0);
            }
        }
        pattern.push(active);
    }
    let (output, jacobian) = apply(last, &value, &jacobian);
    Ok(ReluCell {
        radius: best.0,
        nearest: best.1,
        output,
        jacobian,
        pattern,
    })
}

/// ρ_cell alone; see [`relu_cell`].
///
/// # Errors
/// As for [`relu_cell`].
pub fn cell_radius(layers: &[AffineLayer], x: &[f64]) -> Result<f64> {
    Ok(relu_cell(layers, x)?.radius)
}

fn nearest(
    layer: usize,
    unit: usize,
    a: f64,
    gradient: ArrayView1<'_, f64>,
    norm: f64,
) -> NearestKink {
    // Downhill for an active unit, uphill for a silent one.
    let towards = if a > 0.0 { -1.0 } else { 1.0 };
    NearestKink {
        layer,
        unit,
        direction: gradient.iter().map(|g| towards * g / norm).collect(),
    }
}

fn apply(
    layer: &AffineLayer,
    value: &Array1<f64>,
    jacobian: &Array2<f64>,
) -> (Array1<f64>, Array2<f64>) {
    (
        layer.weight.dot(value) + &layer.bias,
        layer.weight.dot(jacobian),
    )
}

fn check_layers(op: &'static str, layers: &[AffineLayer], input_dim: usize) -> Result<()> {
    let mut width = input_dim;
    for layer in layers {
        let (rows, cols) = layer.weight.dim();
        if cols != width {
            return Err(TheoryError::Shape {
                op,
                name: "weight",
                expected: format!("[_, {width}]"),
                found: format!("[{rows}, {cols}]"),
            });
        }
        check_same_len(op, "bias", rows, layer.bias.len())?;
        if layer
            .weight
            .iter()
            .chain(&layer.bias)
            .any(|w| !w.is_finite())
        {
            return Err(invalid(
                op,
                "layers",
                "finite everywhere",
                "a NaN or an infinity",
            ));
        }
        width = rows;
    }
    Ok(())
}
