//! What a finished row reports.

/// Why a row stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The projected gradient's infinity norm is at most `pgtol`.
    ConvergedGradient,
    /// The relative decrease of the objective is at most `factr` times the machine epsilon.
    ConvergedObjective,
    /// The limit on iterations was reached.
    MaxIterations,
    /// The limit on evaluations was reached.
    MaxEvaluations,
    /// No acceptable step was found, not even along the projected steepest descent.
    ///
    /// This is the normal end for an objective that is computed in f32.
    LineSearchFailed,
    /// The objective or its gradient was not finite, at the start or all along a shrinking step.
    NonFinite,
}

impl Status {
    /// Whether one of the two convergence tests held.
    pub fn is_converged(self) -> bool {
        matches!(self, Self::ConvergedGradient | Self::ConvergedObjective)
    }
}

/// The best point of a row and how it was reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The feasible point with the smallest objective among all that were evaluated.
    pub x: Vec<f64>,
    /// The objective at `x`; not finite only if the starting point's was not.
    pub value: f64,
    /// The gradient at `x`.
    pub gradient: Vec<f64>,
    /// Number of accepted steps.
    pub iterations: usize,
    /// Number of evaluations.
    pub evaluations: usize,
    /// Why the row stopped.
    pub status: Status,
    /// Infinity norm of the projected gradient at `x`.
    pub projected_gradient_norm: f64,
}

/// A row of a batch that has just finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The row's number in the batch as it was built.
    pub row: usize,
    /// Its result.
    pub solution: Solution,
}
