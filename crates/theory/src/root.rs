//! One-dimensional root finding for monotone functions that are expensive to evaluate.
//!
//! Not for floats-exact splitting (see `special::last_false_first_true`), nor for systems.

use crate::error::{Result, TheoryError};

/// Ridders halves at worst, so this covers the whole exponent range.
const MAX_ITERATIONS: usize = 200;

/// Root of `f` in `[lo, hi]` by Ridders' method, where the signs at the ends differ.
///
/// Stops when the bracket is shorter than `tolerance` relative to its upper end.
///
/// # Errors
/// When the ends do not bracket a root, or whatever `f` reports.
pub(crate) fn ridders(
    op: &'static str,
    (lo, hi): (f64, f64),
    tolerance: f64,
    mut f: impl FnMut(f64) -> Result<f64>,
) -> Result<f64> {
    let (mut a, mut b) = (lo, hi);
    let (mut fa, mut fb) = (f(a)?, f(b)?);
    if fa == 0.0 {
        return Ok(a);
    }
    if fb == 0.0 {
        return Ok(b);
    }
    let unbracketed = |fa: f64, fb: f64| TheoryError::NotConverged {
        op,
        name: "root bracket",
        expected: "a change of sign".into(),
        found: format!("{fa} and {fb}"),
    };
    if fa.is_nan() || fb.is_nan() || fa.signum() == fb.signum() {
        return Err(unbracketed(fa, fb));
    }
    for _ in 0..MAX_ITERATIONS {
        let middle = 0.5 * (a + b);
        let fm = f(middle)?;
        if fm == 0.0 || (b - a).abs() <= tolerance * b.abs() {
            return Ok(middle);
        }
        let scale = (fm * fm - fa * fb).sqrt();
        let x = middle + (middle - a) * (fa - fb).signum() * fm / scale;
        let fx = f(x)?;
        if fx == 0.0 {
            return Ok(x);
        }
        // Keep the tightest bracket that the two new points give.
        if fm * fx < 0.0 {
            (a, fa, b, fb) = if middle < x {
                (middle, fm, x, fx)
            } else {
                (x, fx, middle, fm)
            };
        } else if fa * fx < 0.0 {
            (b, fb) = if middle < x { (middle, fm) } else { (x, fx) };
        } else {
            (a, fa) = if middle < x { (x, fx) } else { (middle, fm) };
        }
    }
    Err(unbracketed(fa, fb))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bracket tolerance of the tests, a few units in the last place.
    const TOLERANCE: f64 = 1e-14;

    #[test]
    fn finds_a_cube_root_and_refuses_a_missing_bracket() {
        let root = ridders("test", (0.0, 5.0), TOLERANCE, |x| Ok(x.powi(3) - 2.0));
        assert!((root.expect("bracketed") - 2.0_f64.cbrt()).abs() < 10.0 * TOLERANCE);
        assert!(ridders("test", (2.0, 5.0), TOLERANCE, |x| Ok(x.powi(3) - 2.0)).is_err());
    }
}
