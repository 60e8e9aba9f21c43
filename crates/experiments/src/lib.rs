//! Reproduction: the registry of experiments and the machinery that runs them.
//!
//! An experiment is one unit struct that implements [`Experiment`] and stands in
//! [`registry::EXPERIMENTS`]. The program `vaegis` in this package lists, runs
//! and shows them; `cargo xtask reproduce` builds and starts it.

pub mod audit;
mod averages;
pub mod certificates;
pub mod claims;
pub mod commands;
pub mod context;
pub mod entropy;
pub mod images;
pub mod lineage;
pub mod model_cache;
mod page;
pub mod pictures;
pub mod progress;
pub mod registry;
pub mod rrobust;
pub mod seatbelt;
pub mod stage;
pub mod tier;
pub mod tour;
mod variants;

pub use context::RunCtx;
pub use registry::Experiment;
pub use tier::Tier;

/// The README's example is compiled and run like any other.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
