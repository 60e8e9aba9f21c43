//! Many independent rows advanced together: one call, one batched evaluation.
//!
//! Each row has its own history, line search and counters, and all of its work in a call is one
//! task, so that its history is read from memory once.
//! Rows never exchange anything: a row's result is bit for bit that of the row alone, whatever the
//! batch and the number of threads.

use rayon::prelude::*;

use crate::LbfgsbError;
use crate::options::Options;
use crate::problem::Problem;
use crate::row::{Row, Workspace};
use crate::solution::{Finished, Solution, Status};

/// Fewest rows that are worth a thread's while.
const ROWS_PER_TASK: usize = 4;

/// A batch of bounded problems of the same size.
///
/// ```
/// use vaegis_lbfgsb::{Batch, Options};
///
/// // (x − 3)² from 0.5: one row in [0, 1], another without an upper bound.
/// let (lower, upper) = ([0.0, 0.0], [1.0, f64::INFINITY]);
/// let mut batch = Batch::new(&[0.5, 0.5], &lower, &upper, 1, &Options::default())?;
/// let mut points = Vec::new();
/// let mut solutions = vec![None; 2];
/// while batch.num_active() > 0 {
///     batch.points_into(&mut points);
///     let values: Vec<f64> = points.iter().map(|x| (x - 3.0) * (x - 3.0)).collect();
///     let gradients: Vec<f64> = points.iter().map(|x| 2.0 * (x - 3.0)).collect();
///     for finished in batch.advance(&values, &gradients)? {
///         solutions[finished.row] = Some(finished.solution);
///     }
/// }
/// let x: Vec<f64> = solutions.into_iter().flatten().map(|s| s.x[0]).collect();
/// assert_eq!(x[0], 1.0);
/// assert!((x[1] - 3.0).abs() < 1e-5);
/// # Ok::<(), vaegis_lbfgsb::LbfgsbError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    n: usize,
    /// The active rows only, in ascending order of their numbers.
    rows: Vec<Row>,
    numbers: Vec<usize>,
    num_rows: usize,
}

impl Batch {
    /// Starts a batch; infeasible starting points are projected on their boxes.
    ///
    /// # Shapes
    ///
    /// - `x0`: `[B, n]`, row-major
    /// - `lower`, `upper`: `[B, n]`, or `[n]` shared by all rows; `±∞` where there is no bound
    ///
    /// # Errors
    ///
    /// [`LbfgsbError`] for options out of range, wrong lengths, a starting point that is not finite
    /// and bounds that hold no finite number.
    pub fn new(
        x0: &[f64],
        lower: &[f64],
        upper: &[f64],
        n: usize,
        options: &Options,
    ) -> Result<Self, LbfgsbError> {
        options.validate()?;
        let length = |name, expected: String, found| {
            Err(LbfgsbError::Length {
                op: "Batch::new",
                name,
                expected,
                found,
            })
        };
        // Breakpoints and row lists number the variables in 32 bits.
        if n == 0 || u32::try_from(n).is_err() {
            return length("n", "1 to 2^32 - 1".to_owned(), n);
        }
        if !x0.len().is_multiple_of(n) {
            return length("x0", format!("a multiple of n = {n}"), x0.len());
        }
        let num_rows = x0.len() / n;
        for (name, bound) in [("lower", lower), ("upper", upper)] {
            if bound.len() != n && bound.len() != x0.len() {
                return length(name, format!("{n} or {}", x0.len()), bound.len());
            }
        }
        let of_row = |bound: &[f64], row: usize| {
            let start = if bound.len() == n { 0 } else { row * n };
            start..start + n
        };
        let rows = x0.chunks_exact(n).enumerate().map(|(row, x0)| {
            Problem::check_start(row, x0)?;
            let (lower, upper) = (&lower[of_row(lower, row)], &upper[of_row(upper, row)]);
            let problem = Problem::new(row, lower, upper)?;
            Ok(Row::new(problem, x0.to_vec(), options))
        });
        let rows = rows.collect::<Result<Vec<_>, LbfgsbError>>()?;
        Ok(Self {
            n,
            rows,
            numbers: (0..num_rows).collect(),
            num_rows,
        })
    }

    /// Says in which units each row's objective is handed over, so that the stopping rules act
    /// as on the objective in its own units.
    ///
    /// A row whose values and gradients come multiplied by `units[row]` stops where the same row
    /// without the factor would: `pgtol` is multiplied by it, and the 1 that the relative decrease
    /// is measured against at least becomes it.
    ///
    /// # Shapes
    ///
    /// - `units`: `[B]`, positive
    ///
    /// # Errors
    ///
    /// [`LbfgsbError::Length`] for a wrong length, [`LbfgsbError::Option`] for a factor that is not
    /// positive and finite.
    pub fn with_units(mut self, units: &[f64]) -> Result<Self, LbfgsbError> {
        if units.len() != self.rows.len() {
            return Err(LbfgsbError::Length {
                op: "Batch::with_units",
                name: "units",
                expected: self.rows.len().to_string(),
                found: units.len(),
            });
        }
        if let Some(found) = units.iter().find(|u| !(u.is_finite() && **u > 0.0)) {
            return Err(LbfgsbError::Option {
                name: "units",
                expected: "positive finite factors",
                found: found.to_string(),
            });
        }
        for (row, &unit) in self.rows.iter_mut().zip(units) {
            row.set_unit(unit);
        }
        Ok(self)
    }

    /// Number of rows that have not finished.
    pub fn num_active(&self) -> usize {
        self.rows.len()
    }

    /// Numbers of the rows that have not finished, ascending.
    pub fn active_rows(&self) -> &[usize] {
        &self.numbers
    }

    /// Writes the points to evaluate, `[active, n]`.
    pub fn points_into(&self, out: &mut Vec<f64>) {
        out.resize(self.rows.len() * self.n, 0.0);
        out.par_chunks_exact_mut(self.n)
            .zip(&self.rows)
            .with_min_len(ROWS_PER_TASK)
            .for_each(|(out, row)| row.point_into(out));
    }

    /// Writes the points to evaluate, `[active, n]`, rounded to f32.
    ///
    /// Rounding is monotone, so that bounds which are f32 numbers themselves still hold.
    pub fn points_into_f32(&self, out: &mut Vec<f32>) {
        out.resize(self.rows.len() * self.n, 0.0);
        out.par_chunks_exact_mut(self.n)
            .zip(&self.rows)
            .with_min_len(ROWS_PER_TASK)
            .for_each_init(
                || vec![0.0; self.n],
                |wide, (out, row)| {
                    row.point_into(wide);
                    for (out, wide) in out.iter_mut().zip(wide) {
                        *out = *wide as f32;
                    }
                },
            );
    }

    /// Takes the evaluations of the points and returns the rows that finished, ascending.
    ///
    /// # Shapes
    ///
    /// - `values`: `[active]`
    /// - `gradients`: `[active, n]`
    ///
    /// # Errors
    ///
    /// [`LbfgsbError::Length`], with the batch unchanged.
    /// Values that are not finite are no error: the row deals with them.
    pub fn advance(
        &mut self,
        values: &[f64],
        gradients: &[f64],
    ) -> Result<Vec<Finished>, LbfgsbError> {
        self.step(
            "Batch::advance",
            values,
            gradients,
            |row, value, gradient, workspace| row.advance(value, gradient, workspace),
        )
    }

    /// As [`Batch::advance`], with the gradients of a network in f32.
    ///
    /// # Shapes
    ///
    /// - `values`: `[active]`
    /// - `gradients`: `[active, n]`
    ///
    /// # Errors
    ///
    /// [`LbfgsbError::Length`], with the batch unchanged.
    pub fn advance_f32(
        &mut self,
        values: &[f64],
        gradients: &[f32],
    ) -> Result<Vec<Finished>, LbfgsbError> {
        self.step(
            "Batch::advance_f32",
            values,
            gradients,
            |row, value, gradient, workspace| {
                let mut wide = std::mem::take(&mut workspace.wide_gradient);
                wide.clear();
                wide.extend(gradient.iter().map(|&g| f64::from(g)));
                let status = row.advance(value, &wide, workspace);
                workspace.wide_gradient = wide;
                status
            },
        )
    }

    /// Drives all rows to their ends and returns the solutions in the order of the rows.
    ///
    /// `evaluate` gets the active rows' numbers and points `[active, n]`, and fills the values
    /// `[active]` and the gradients `[active, n]`.
    pub fn run(
        mut self,
        mut evaluate: impl FnMut(&[usize], &[f64], &mut [f64], &mut [f64]),
    ) -> Vec<Solution> {
        let mut solutions: Vec<Option<Solution>> = vec![None; self.num_rows];
        let (mut points, mut values, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
        while self.num_active() > 0 {
            self.points_into(&mut points);
            values.resize(self.num_active(), 0.0);
            gradients.resize(points.len(), 0.0);
            evaluate(&self.numbers, &points, &mut values, &mut gradients);
            let finished = self
                .advance(&values, &gradients)
                .expect("invariant: both slices were sized for the active rows");
            for Finished { row, solution } in finished {
                solutions[row] = Some(solution);
            }
        }
        solutions.into_iter().flatten().collect()
    }

    /// Advances every active row and takes out those that finish.
    fn step<G: Sync>(
        &mut self,
        op: &'static str,
        values: &[f64],
        gradients: &[G],
        advance: impl Fn(&mut Row, f64, &[G], &mut Workspace) -> Option<Status> + Sync,
    ) -> Result<Vec<Finished>, LbfgsbError> {
        let active = self.rows.len();
        let lengths = [
            ("values", active, values.len()),
            ("gradients", active * self.n, gradients.len()),
        ];
        for (name, expected, found) in lengths {
            if expected != found {
                let expected = expected.to_string();
                return Err(LbfgsbError::Length {
                    op,
                    name,
                    expected,
                    found,
                });
            }
        }
        let statuses: Vec<Option<Status>> = self
            .rows
            .par_iter_mut()
            .zip(values)
            .zip(gradients.par_chunks_exact(self.n))
            .with_min_len(ROWS_PER_TASK)
            .map_init(
                Workspace::default,
                |workspace, ((row, &value), gradient)| advance(row, value, gradient, workspace),
            )
            .collect();
        if statuses.iter().all(Option::is_none) {
            return Ok(Vec::new());
        }
        let mut finished = Vec::new();
        let rows = std::mem::take(&mut self.rows);
        let numbers = std::mem::take(&mut self.numbers);
        for ((row, number), status) in rows.into_iter().zip(numbers).zip(statuses) {
            match status {
                Some(status) => {
                    finished.push(Finished {
                        row: number,
                        solution: row.into_solution(status),
                    });
                }
                None => {
                    self.rows.push(row);
                    self.numbers.push(number);
                }
            }
        }
        Ok(finished)
    }
}
