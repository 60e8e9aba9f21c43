//! Settings of the optimizer and their validation.
//!
//! Nothing here touches a problem: bounds and starting points are checked where a row is built.

use crate::LbfgsbError;

/// How the correction pairs of the history are stored.
///
/// All arithmetic is f64 either way.
/// With [`Precision::F32`] every stored pair is rounded once, and all products are taken of the
/// rounded pair, so that the quasi-Newton matrix stays consistent and positive definite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Eight bytes per entry: what a smooth f64 objective deserves.
    #[default]
    F64,
    /// Four bytes per entry: half the memory traffic, for gradients that are f32 anyway.
    F32,
}

/// Settings shared by all rows of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Number of correction pairs kept per row (default 25, at least 1).
    pub memory: usize,
    /// Stop when the relative decrease of the objective is at most `factr` times the machine
    /// epsilon (default 10).
    pub factr: f64,
    /// Stop when the infinity norm of the projected gradient is at most this (default 1e-5).
    pub pgtol: f64,
    /// Most iterations (accepted steps) of a row (default 1000).
    pub max_iterations: usize,
    /// Most evaluations of a row, the one at the starting point included (default 1500).
    ///
    /// It is never exceeded, not even to finish a line search.
    pub max_evaluations: usize,
    /// Most evaluations in one line search (default 20).
    pub max_line_search: usize,
    /// How often a row that meets the test of `factr` forgets its pairs and goes on instead
    /// (default 0).
    ///
    /// An objective that was computed in f32 has plateaus: one step without a decrease says little
    /// about the next.
    pub stall_restarts: usize,
    /// How the history is stored (default [`Precision::F64`]).
    pub history: Precision,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory: 25,
            factr: 10.0,
            pgtol: 1e-5,
            max_iterations: 1000,
            max_evaluations: 1500,
            max_line_search: 20,
            stall_restarts: 0,
            history: Precision::F64,
        }
    }
}

impl Options {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// [`LbfgsbError::Option`] names the first field that is out of range.
    pub fn validate(&self) -> Result<(), LbfgsbError> {
        let at_least_one = [
            ("memory", self.memory),
            ("max_evaluations", self.max_evaluations),
            ("max_line_search", self.max_line_search),
        ];
        for (name, found) in at_least_one {
            if found == 0 {
                return Err(LbfgsbError::Option {
                    name,
                    expected: "at least 1",
                    found: "0".to_owned(),
                });
            }
        }
        for (name, found) in [("factr", self.factr), ("pgtol", self.pgtol)] {
            if !found.is_finite() || found < 0.0 {
                return Err(LbfgsbError::Option {
                    name,
                    expected: "a finite number that is not negative",
                    found: found.to_string(),
                });
            }
        }
        Ok(())
    }
}
