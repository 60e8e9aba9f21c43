//! Laws that every distribution obeys, as functions that panic with the name of
//! the law and of the case. For tests of this crate and of crates that add
//! distributions; not for use in programs.
//!
//! A [`Case`] says how to build a batch of laws from its parameters, what its
//! support is and what its log density is in plain `f64` arithmetic.
//! [`check_distribution`] then runs every law that applies. All randomness is
//! fixed by the seed, so a test that passes once passes always; the failure
//! rates say how likely a correct distribution was to fail when the seed was
//! chosen.

mod case;
mod checks;
mod goodness;
mod gradients;
mod quadrature;

pub use case::{Build, Case, Chart, Reference, Support};
pub use checks::{
    check_batching, check_cdf, check_distribution, check_moments, check_normalization,
    check_reference, check_samples, check_shapes, check_single_precision,
};
pub use goodness::{chi_square_p_value, kolmogorov_p_value};
pub use gradients::{assert_gradient, check_log_prob_gradient, check_sample_gradient};
pub use quadrature::{Measure, gauss_legendre};

/// Greatest probability with which a correct sampler may fail one goodness-of-fit test.
pub const FAILURE_RATE: f64 = 1e-6;

/// Standard errors by which a sample mean may differ from the closed form; a normal variable
/// exceeds it with probability 5.7·10⁻⁷.
pub const STANDARD_ERRORS: f64 = 5.0;
