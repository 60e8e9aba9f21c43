//! What can be wrong with the parameters of a distribution. Wrong shapes of
//! values and noise are programming errors and panic instead.

/// An error of a distribution's constructor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistError {
    /// A parameter holds a NaN or an infinity.
    #[error(
        "{op}: {name} must be finite, found {found}: \
         look for an overflow or a division by zero in whatever produced it"
    )]
    NonFinite {
        /// The constructor.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// The first offending value.
        found: f64,
    },
    /// A parameter lies outside its domain.
    #[error(
        "{op}: {name} must be {expected}, found {found}: \
         pass the raw network output through softplus or exp, or correct the setting"
    )]
    OutOfDomain {
        /// The constructor.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// The domain.
        expected: &'static str,
        /// The first offending value.
        found: f64,
    },
    /// Shapes of parameters do not go together.
    #[error("{op}: {name} has shape {found:?}, expected {expected}: reshape or expand it first")]
    Shape {
        /// The constructor.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// What the other parameters ask for.
        expected: String,
        /// The shape found.
        found: Vec<i64>,
    },
    /// Parameters have an element kind that is not a float, or differ in kind or device.
    #[error("{op}: {name} is {found}, expected {expected}: convert it with to_kind or to_device")]
    Options {
        /// The constructor.
        op: &'static str,
        /// The parameter.
        name: &'static str,
        /// What the distribution or the other parameter asks for.
        expected: String,
        /// Kind and device found.
        found: String,
    },
}
