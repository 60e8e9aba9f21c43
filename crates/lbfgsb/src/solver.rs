//! A single bounded problem, by reverse communication or with a closure.

use crate::LbfgsbError;
use crate::options::Options;
use crate::problem::Problem;
use crate::row::{Row, Workspace};
use crate::solution::{Solution, Status};

/// One bounded problem that asks for evaluations.
///
/// ```
/// use vaegis_lbfgsb::{Options, Solver};
///
/// let mut solver = Solver::new(&[2.0], &[0.5], &[f64::INFINITY], &Options::default())?;
/// let mut x = vec![0.0];
/// loop {
///     solver.point_into(&mut x)?;
///     if solver.advance(x[0] * x[0], &[2.0 * x[0]])?.is_some() {
///         break;
///     }
/// }
/// assert_eq!(solver.into_solution().x, [0.5]);
/// # Ok::<(), vaegis_lbfgsb::LbfgsbError>(())
/// ```
#[derive(Debug)]
pub struct Solver {
    row: Row,
    workspace: Workspace,
    n: usize,
    status: Option<Status>,
}

impl Solver {
    /// Starts a problem; an infeasible starting point is projected on the box.
    ///
    /// # Errors
    ///
    /// As [`crate::Batch::new`].
    pub fn new(
        x0: &[f64],
        lower: &[f64],
        upper: &[f64],
        options: &Options,
    ) -> Result<Self, LbfgsbError> {
        options.validate()?;
        let n = x0.len();
        if n == 0 || u32::try_from(n).is_err() {
            return Err(length("Solver::new", "x0", "1 to 2^32 - 1".to_owned(), n));
        }
        for (name, bound) in [("lower", lower), ("upper", upper)] {
            if bound.len() != n {
                return Err(length("Solver::new", name, n.to_string(), bound.len()));
            }
        }
        Problem::check_start(0, x0)?;
        let row = Row::new(Problem::new(0, lower, upper)?, x0.to_vec(), options);
        Ok(Self {
            row,
            workspace: Workspace::default(),
            n,
            status: None,
        })
    }

    /// Writes the point to evaluate.
    ///
    /// # Errors
    ///
    /// [`LbfgsbError::Length`] if `out` has another length than the problem.
    pub fn point_into(&self, out: &mut [f64]) -> Result<(), LbfgsbError> {
        if out.len() != self.n {
            return Err(length(
                "Solver::point_into",
                "out",
                self.n.to_string(),
                out.len(),
            ));
        }
        self.row.point_into(out);
        Ok(())
    }

    /// Takes the evaluation of the point, and tells the status if that was the last one needed.
    ///
    /// # Errors
    ///
    /// [`LbfgsbError::Length`] for a gradient of another length, [`LbfgsbError::Finished`] if a
    /// status was given before.
    pub fn advance(&mut self, value: f64, gradient: &[f64]) -> Result<Option<Status>, LbfgsbError> {
        if self.status.is_some() {
            return Err(LbfgsbError::Finished);
        }
        if gradient.len() != self.n {
            let expected = self.n.to_string();
            return Err(length(
                "Solver::advance",
                "gradient",
                expected,
                gradient.len(),
            ));
        }
        self.status = self.row.advance(value, gradient, &mut self.workspace);
        Ok(self.status)
    }

    /// Number of accepted steps so far.
    pub fn iterations(&self) -> usize {
        self.row.iterations()
    }

    /// Number of evaluations so far.
    pub fn evaluations(&self) -> usize {
        self.row.evaluations()
    }

    /// The best point so far; a problem that has not finished reports
    /// [`Status::MaxEvaluations`].
    pub fn into_solution(self) -> Solution {
        self.row
            .into_solution(self.status.unwrap_or(Status::MaxEvaluations))
    }
}

/// Minimizes one function over a box.
///
/// `evaluate` gets a point, fills the gradient and returns the value.
///
/// ```
/// use vaegis_lbfgsb::{Options, minimize};
///
/// // Rosenbrock's valley with its floor cut off at x₀ ≤ 0.5.
/// let rosenbrock = |x: &[f64], gradient: &mut [f64]| {
///     let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
///     gradient[0] = -2.0 * a - 400.0 * b * x[0];
///     gradient[1] = 200.0 * b;
///     a * a + 100.0 * b * b
/// };
/// let solution =
///     minimize(rosenbrock, &[-1.2, 1.0], &[-2.0; 2], &[0.5, 2.0], &Options::default())?;
/// assert!(solution.status.is_converged());
/// assert!((solution.x[0] - 0.5).abs() < 1e-12);
/// assert!((solution.x[1] - 0.25).abs() < 1e-6);
/// # Ok::<(), vaegis_lbfgsb::LbfgsbError>(())
/// ```
///
/// # Errors
///
/// As [`crate::Batch::new`].
pub fn minimize(
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
    x0: &[f64],
    lower: &[f64],
    upper: &[f64],
    options: &Options,
) -> Result<Solution, LbfgsbError> {
    let mut solver = Solver::new(x0, lower, upper, options)?;
    let mut x = vec![0.0; x0.len()];
    let mut gradient = vec![0.0; x0.len()];
    loop {
        solver.point_into(&mut x)?;
        let value = evaluate(&x, &mut gradient);
        if solver.advance(value, &gradient)?.is_some() {
            return Ok(solver.into_solution());
        }
    }
}

fn length(op: &'static str, name: &'static str, expected: String, found: usize) -> LbfgsbError {
    LbfgsbError::Length {
        op,
        name,
        expected,
        found,
    }
}
