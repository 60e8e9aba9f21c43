//! Probability: distributions, reparameterization and divergences on tensors.
//!
//! A distribution is a batch of laws over events. Randomness is an argument
//! ([`vaegis_tensor::Noise`]), closed forms are chosen by type ([`KlTo`]), and
//! estimates have other names, so nobody gets one by accident. Parameters are
//! checked once, in the constructor; after that only a wrong shape can fail, and
//! it panics. This crate knows nothing of networks or models.

pub mod bernoulli;
pub mod categorical;
mod check;
pub mod closed_form;
pub mod continuous_bernoulli;
mod cross_family;
pub mod diag_normal;
pub mod discretized_logistic;
pub mod distribution;
pub mod divergence;
pub mod error;
pub mod independent;
pub mod laplace;
#[cfg(feature = "testkit")]
pub mod laws;
mod location_scale;
pub mod logistic;
pub mod mixture;
pub mod monte_carlo;
pub mod normal;
mod numeric;
pub mod relaxed_categorical;
pub mod straight_through;
pub mod total_correlation;
pub mod uniform;

pub use bernoulli::Bernoulli;
pub use categorical::Categorical;
pub use closed_form::{Cdf, Entropy, Mean, Mode, Quantile, Variance};
pub use continuous_bernoulli::ContinuousBernoulli;
pub use diag_normal::DiagNormal;
pub use discretized_logistic::{DiscretizedLogistic, Levels};
pub use distribution::{BaseNoise, Distribution, Reparameterize};
pub use divergence::{KlTo, W2_EPSILON, W2To, w2};
pub use error::DistError;
pub use independent::Independent;
pub use laplace::Laplace;
pub use logistic::Logistic;
pub use mixture::Mixture;
pub use monte_carlo::{
    Estimate, energy_distance_monte_carlo, kl_monte_carlo, kl_monte_carlo_pathwise,
    w2_squared_from_samples,
};
pub use normal::Normal;
pub use relaxed_categorical::RelaxedCategorical;
pub use straight_through::StraightThrough;
pub use uniform::Uniform;
