//! The crate's error type and the argument checks that raise it.
//!
//! Not for numerical disappointments that have a mathematical value: an infinite margin or a
//! probability of zero is a result, not an error.

use thiserror::Error;

/// What can go wrong when a theorem is applied to measured numbers.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TheoryError {
    /// A scalar lies outside the domain of the statement.
    #[error("{op}: `{name}` must be {expected}, found {found}")]
    InvalidArgument {
        /// Function that refused.
        op: &'static str,
        /// Name of the argument.
        name: &'static str,
        /// Domain in words.
        expected: &'static str,
        /// Offending value.
        found: String,
    },
    /// Two arguments do not fit together, or an array has the wrong shape.
    #[error("{op}: `{name}` must have shape {expected}, found {found}")]
    Shape {
        /// Function that refused.
        op: &'static str,
        /// Name of the argument.
        name: &'static str,
        /// Expected shape.
        expected: String,
        /// Shape found.
        found: String,
    },
    /// A correlation or a regression was asked of a constant column.
    #[error("{op}: `{name}` is constant, so the result is undefined; report it as missing")]
    ZeroVariance {
        /// Function that refused.
        op: &'static str,
        /// Name of the argument.
        name: &'static str,
    },
    /// An iteration did not reach its tolerance.
    #[error("{op}: `{name}` did not converge: expected {expected}, found {found}")]
    NotConverged {
        /// Function that gave up.
        op: &'static str,
        /// Quantity that was iterated.
        name: &'static str,
        /// Tolerance asked for.
        expected: String,
        /// What was reached.
        found: String,
    },
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, TheoryError>;

pub(crate) fn invalid(
    op: &'static str,
    name: &'static str,
    expected: &'static str,
    found: impl ToString,
) -> TheoryError {
    TheoryError::InvalidArgument {
        op,
        name,
        expected,
        found: found.to_string(),
    }
}

/// Accepts a probability strictly inside (0, 1).
pub(crate) fn check_open_unit(op: &'static str, name: &'static str, x: f64) -> Result<()> {
    if x > 0.0 && x < 1.0 {
        Ok(())
    } else {
        Err(invalid(op, name, "strictly between 0 and 1", x))
    }
}

/// Accepts a finite number above zero.
pub(crate) fn check_positive(op: &'static str, name: &'static str, x: f64) -> Result<()> {
    if x > 0.0 && x.is_finite() {
        Ok(())
    } else {
        Err(invalid(op, name, "finite and above 0", x))
    }
}

/// Accepts a finite number at or above zero.
pub(crate) fn check_non_negative(op: &'static str, name: &'static str, x: f64) -> Result<()> {
    if x >= 0.0 && x.is_finite() {
        Ok(())
    } else {
        Err(invalid(op, name, "finite and at least 0", x))
    }
}

/// Accepts a slice with at least `min_len` finite entries.
pub(crate) fn check_sample(
    op: &'static str,
    name: &'static str,
    xs: &[f64],
    min_len: usize,
) -> Result<()> {
    if xs.len() < min_len {
        let found = format!("{} values", xs.len());
        return Err(TheoryError::Shape {
            op,
            name,
            expected: format!("[>= {min_len}]"),
            found,
        });
    }
    match xs.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(i) => Err(invalid(
            op,
            name,
            "finite everywhere",
            format!("{} at {i}", xs[i]),
        )),
    }
}

/// Accepts two slices of equal length.
pub(crate) fn check_same_len(
    op: &'static str,
    name: &'static str,
    expected: usize,
    found: usize,
) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        let (expected, found) = (format!("[{expected}]"), format!("[{found}]"));
        Err(TheoryError::Shape {
            op,
            name,
            expected,
            found,
        })
    }
}
