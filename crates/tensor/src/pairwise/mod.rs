//! Mixture densities between all samples and all posteriors of a batch, without their pairwise
//! tensor.
//!
//! Sample k is scored under every component m: jointly over the coordinates and coordinate by
//! coordinate. Which weights make an estimator of what is not decided here.

mod weights;

pub use weights::LogWeights;
