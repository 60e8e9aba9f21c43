//! Batched bound-constrained L-BFGS (L-BFGS-B) by reverse communication, without libtorch.
//!
//! The optimizer never calls the objective: a [`Batch`] hands out one trial point per active row,
//! the caller evaluates them all at once (typically with one pass of a network) and hands back
//! values and gradients.
//! A scheme in which the optimizer calls a function would need one call per row and trial.
//! [`minimize`] and [`Batch::run`] wrap the loop for callers with a closure.
//!
//! The method is that of Byrd, Lu, Nocedal and Zhu with the improvements of version 3.0: a compact
//! quasi-Newton matrix from the last `m` steps, the generalized Cauchy point, minimization over the
//! variables free there with projection, and a line search for the strong Wolfe conditions.
//! Stopping rules and defaults follow SciPy's `L-BFGS-B`, except that the limit on evaluations is
//! never exceeded.
//!
//! # Guarantees
//!
//! - No point outside the box is ever asked for; a variable meant to be at a bound is there exactly.
//! - The solution is the best point that was evaluated, whatever the [`Status`].
//! - A row's result is bit for bit the same alone, in any batch, and on any number of threads.
//! - Values and gradients that are not finite shorten the step, and at worst end the row.
//!
//! # Cost
//!
//! An iteration passes twice over the `2mn` stored numbers of a row, skips the variables that rest
//! at a bound in both, and spends `O(m³)` on small matrices; a variable that enters or leaves the
//! free set costs `O(m²)`.
//!
//! # References
//!
//! - R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, *A limited memory algorithm for bound constrained
//!   optimization*, SIAM J. Sci. Comput. 16 (1995).
//! - J. L. Morales, J. Nocedal, *Remark on algorithm 778: L-BFGS-B*, ACM TOMS 38 (2011).
//! - J. J. Moré, D. J. Thuente, *Line search algorithms with guaranteed sufficient decrease*, ACM
//!   TOMS 20 (1994).

mod batch;
mod cauchy;
mod dense;
mod error;
mod history;
mod kernels;
mod line_search;
mod middle;
mod options;
mod problem;
mod row;
mod solution;
mod solver;
mod subspace;

pub use batch::Batch;
pub use error::LbfgsbError;
pub use options::{Options, Precision};
pub use solution::{Finished, Solution, Status};
pub use solver::{Solver, minimize};
