//! How large a distortion may be, and in which box the attacked input stays.

use serde::{Deserialize, Serialize};
use vaegis_tensor::Tensor;

/// A price on the distortion's norm, added to the objective with a factor λ
/// per row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Penalty {
    /// No price.
    #[default]
    None,
    /// λ ‖d‖₂.
    L2,
    /// λ ‖d‖₂².
    L2Squared,
}

/// A hard limit on the distortion's norm, with a radius per row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ball {
    /// No limit.
    #[default]
    None,
    /// ‖d‖₂ ≤ radius.
    L2,
    /// ‖d‖∞ ≤ radius.
    LInf,
}

/// The box in which x + d must stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoxBounds {
    /// The model's own pixel range.
    #[default]
    DataRange,
    /// [0, 1] whatever the data's range is, as the published CelebA panels show.
    UnitLegacy,
    /// No box.
    Free,
}

/// Penalty, ball and box of one attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Constraint {
    /// The price of the distortion.
    #[serde(default)]
    pub penalty: Penalty,
    /// The hard limit.
    #[serde(default)]
    pub ball: Ball,
    /// The pixel box.
    #[serde(default)]
    pub bounds: BoxBounds,
}

impl Constraint {
    /// The penalized attack of the Seatbelt paper: λ‖d‖₂ in the data's box.
    pub const PENALIZED: Self = Self {
        penalty: Penalty::L2,
        ball: Ball::None,
        bounds: BoxBounds::DataRange,
    };

    /// An L2 ball without a pixel box, as the r-robustness definitions have it.
    pub const L2_BALL: Self = Self {
        penalty: Penalty::None,
        ball: Ball::L2,
        bounds: BoxBounds::Free,
    };

    /// Lowest and highest value of x + d, given the model's own range.
    pub fn pixel_range(&self, model_range: (f64, f64)) -> (f64, f64) {
        match self.bounds {
            BoxBounds::DataRange => model_range,
            BoxBounds::UnitLegacy => (0.0, 1.0),
            BoxBounds::Free => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }
}

/// Floor under ‖d‖ where its gradient is taken: the norm has none at d = 0.
const NORM_FLOOR: f64 = 1e-12;

/// λ‖d‖ (or its square) of one row, and its gradient added into `gradient`.
///
/// # Formula
/// ```text
/// l2:         λ‖d‖,  gradient λ d / max(‖d‖, 1e−12)
/// l2-squared: λ‖d‖², gradient 2 λ d
/// ```
pub(crate) fn add_penalty(penalty: Penalty, lambda: f64, d: &[f64], gradient: &mut [f64]) -> f64 {
    let squared: f64 = d.iter().map(|v| v * v).sum();
    let (value, factor) = match penalty {
        Penalty::None => return 0.0,
        Penalty::L2 => (
            lambda * squared.sqrt(),
            lambda / squared.sqrt().max(NORM_FLOOR),
        ),
        Penalty::L2Squared => (lambda * squared, 2.0 * lambda),
    };
    for (g, v) in gradient.iter_mut().zip(d) {
        *g += factor * v;
    }
    value
}

/// Value and gradient of [`add_penalty`] for many rows at once, where they are; none without a
/// penalty.
///
/// # Shapes
/// d: `[n, D]`, lambda: `[n]` → `[n]`, `[n, D]`
pub(crate) fn penalties(penalty: Penalty, lambda: &Tensor, d: &Tensor) -> Option<(Tensor, Tensor)> {
    let squared = d.square().sum_dim_intlist(1, false, None);
    let (value, factor) = match penalty {
        Penalty::None => return None,
        Penalty::L2 => {
            let norm = squared.sqrt();
            (&norm * lambda, lambda / norm.clamp_min(NORM_FLOOR))
        }
        Penalty::L2Squared => (squared * lambda, lambda * 2.0),
    };
    Some((value, factor.unsqueeze(1) * d))
}

/// Each row of `d` moved into the box and then into the ball.
///
/// The order matters: shrinking a distortion towards zero cannot leave the box
/// (zero is inside it whenever x is), growing it can.
///
/// # Shapes
/// d, x: `[n, D]`, radius: `[n, 1]` → `[n, D]`
pub(crate) fn project(
    ball: Ball,
    range: (f64, f64),
    d: &Tensor,
    x: &Tensor,
    radius: &Tensor,
) -> Tensor {
    let boxed = if range.0.is_finite() || range.1.is_finite() {
        (x + d).clamp(range.0, range.1) - x
    } else {
        d.shallow_clone()
    };
    match ball {
        Ball::None => boxed,
        Ball::L2 => {
            let norm = boxed.square().sum_dim_intlist(1, true, None).sqrt();
            // A row on the boundary is pulled in by one part in 10⁶, so that
            // rounding never leaves it outside.
            let factor = (radius * (1.0 - 1e-6) / norm.clamp_min(1e-30)).clamp_max(1.0);
            &boxed * factor
        }
        Ball::LInf => boxed.minimum(radius).maximum(&-radius),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_tensor::convert::to_f64_vec;

    /// Both forms take a root, a quotient and a product in f64.
    const ROUNDING: f64 = 1e-14;

    /// Nothing, less than the floor, and an ordinary distortion.
    const ROWS: [[f64; 2]; 3] = [[0.0, 0.0], [3e-14, -4e-14], [0.3, 0.4]];

    #[test]
    fn rows_on_the_host_and_on_the_device_pay_the_same() {
        let lambda = [2.0, 3.0, 5.0];
        for penalty in [Penalty::L2, Penalty::L2Squared] {
            let d = Tensor::from_slice(&ROWS.concat()).reshape([3, 2]);
            let found = penalties(penalty, &Tensor::from_slice(&lambda), &d);
            let (values, gradients) = found.expect("a price");
            let (values, gradients) = (to_f64_vec(&values), to_f64_vec(&gradients));
            assert_eq!(values[0], 0.0, "nothing is free: {penalty:?}");
            for (row, d) in ROWS.iter().enumerate() {
                let mut gradient = [0.0; 2];
                let value = add_penalty(penalty, lambda[row], d, &mut gradient);
                assert!(
                    (value - values[row]).abs() <= ROUNDING * value,
                    "{penalty:?}"
                );
                for (a, b) in gradient.iter().zip(&gradients[2 * row..]) {
                    assert!((a - b).abs() <= ROUNDING * a.abs(), "{penalty:?} row {row}");
                }
            }
        }
        let no_price = penalties(
            Penalty::None,
            &Tensor::from_slice(&lambda),
            &Tensor::zeros(
                [3, 2],
                (vaegis_tensor::Kind::Double, vaegis_tensor::Device::Cpu),
            ),
        );
        assert!(no_price.is_none());
    }
}
