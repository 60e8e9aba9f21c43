//! What the benchmarks share: networks, inputs, counts of operations and medians.
//!
//! Nothing here measures; the areas and the `peers` program do.

pub mod fixtures;
pub mod flops;
pub mod optimizer_problem;
pub mod pairs;
pub mod summary;
