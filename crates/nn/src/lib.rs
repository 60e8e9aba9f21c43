//! Layers, and the traits by which models meet attacks, training and evaluation.
//!
//! Nothing here knows a concrete model, a file or a loop.

pub mod likelihood;
pub mod model;
pub mod objective;

pub use likelihood::{Likelihood, LikelihoodKind};
pub use model::{LatentModel, LatentPath, Mode, Posterior};
pub use objective::{LossTerm, LossTerms, Objective, StepContext};
