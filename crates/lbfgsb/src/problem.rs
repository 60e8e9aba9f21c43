//! The box of one row, checked once where it enters.

use crate::LbfgsbError;

/// Bounds that hold a finite point, and what they imply.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    /// Some bound is finite.
    pub(crate) constrained: bool,
    /// All bounds are finite.
    pub(crate) boxed: bool,
}

impl Problem {
    /// Checks the bounds of row number `row`.
    pub(crate) fn new(row: usize, lower: &[f64], upper: &[f64]) -> Result<Self, LbfgsbError> {
        for (index, (&lower, &upper)) in lower.iter().zip(upper).enumerate() {
            let holds_a_point =
                lower <= upper && lower < f64::INFINITY && upper > f64::NEG_INFINITY;
            if !holds_a_point {
                return Err(LbfgsbError::Bounds {
                    row,
                    index,
                    lower,
                    upper,
                });
            }
        }
        let mut bounds = lower.iter().chain(upper);
        Ok(Self {
            constrained: bounds.clone().any(|b| b.is_finite()),
            boxed: bounds.all(|b| b.is_finite()),
            lower: lower.to_vec(),
            upper: upper.to_vec(),
        })
    }

    /// The nearest point of the box.
    pub(crate) fn project(&self, mut x: Vec<f64>) -> Vec<f64> {
        for ((x, lower), upper) in x.iter_mut().zip(&self.lower).zip(&self.upper) {
            *x = x.max(*lower).min(*upper);
        }
        x
    }

    /// Checks the starting point of row number `row`.
    pub(crate) fn check_start(row: usize, x0: &[f64]) -> Result<(), LbfgsbError> {
        match x0.iter().position(|x| !x.is_finite()) {
            Some(index) => Err(LbfgsbError::StartingPoint {
                row,
                index,
                found: x0[index],
            }),
            None => Ok(()),
        }
    }
}
