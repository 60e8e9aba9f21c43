//! Attacks that cannot be started.

/// An error of the attack crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttackError {
    /// Two parts of an attack do not fit each other.
    #[error("{what} cannot be used with {with}: {hint}")]
    Incompatible {
        /// One part.
        what: String,
        /// The other part.
        with: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// The inputs do not fit the model or each other.
    #[error("{name}: expected {expected}, found {found}")]
    BadInput {
        /// The input's name.
        name: &'static str,
        /// What is needed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The optimizer refused its input.
    #[error(transparent)]
    Optimizer(#[from] vaegis_lbfgsb::LbfgsbError),
    /// Reading or writing results failed.
    #[error(transparent)]
    Core(#[from] vaegis_core::CoreError),
}
