//! Batched search for the radius at which attacks start to succeed, as a state machine.
//!
//! For: many inputs at once. The driver says which radius each unresolved row wants tested, the
//! caller attacks all of them in one batch and reports a verdict per row. Not for running attacks,
//! drawing samples or deciding what "robust" means: that is the caller's verdict.
//!
//! The result is an upper estimate of a margin, because attacks may miss a perturbation.
//!
//! ```
//! use vaegis_theory::bisection::{MarginSearch, SearchOptions};
//!
//! # fn main() -> Result<(), vaegis_theory::TheoryError> {
//! let true_margins = [1.5, 3.25];
//! let mut search = MarginSearch::new(&[true, true], &SearchOptions::default())?;
//! while !search.is_finished() {
//!     let tests = search.radii_to_test();
//!     let robust: Vec<bool> = tests.iter().map(|t| t.radius < true_margins[t.row]).collect();
//!     search.record(&robust)?;
//! }
//! for (margin, truth) in search.margins().iter().zip(true_margins) {
//!     assert!(margin.value <= truth && truth <= margin.upper);
//! }
//! # Ok(())
//! # }
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{Result, TheoryError, check_positive};

/// How the radii are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "mode", deny_unknown_fields)]
pub enum SearchMode {
    /// Test the cap, then halve. Assumes that robustness is monotone in the radius.
    Bisection,
    /// Test `step`, 2·`step`, … up to the cap, then halve inside the first step that fails. A
    /// robust radius beyond a failing one cannot hide the failure, up to the step width.
    UpwardScan {
        /// Grid spacing.
        step: f64,
    },
}

/// Range and resolution of a margin search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// Largest radius tested.
    pub cap: f64,
    /// A row is resolved when its bracket is shorter than this.
    pub tolerance: f64,
    /// How the radii are chosen.
    pub mode: SearchMode,
}

impl Default for SearchOptions {
    /// Cap 12 and tolerance 0.02, the grid of the MNIST figures, by bisection.
    fn default() -> Self {
        Self {
            cap: 12.0,
            tolerance: 0.02,
            mode: SearchMode::Bisection,
        }
    }
}

/// One radius that one row wants tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RadiusTest {
    /// Row number in the order given to [`MarginSearch::new`].
    pub row: usize,
    /// Radius of the input ball to attack in.
    pub radius: f64,
}

/// What is known about one row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum MarginStatus {
    /// More radii have to be tested.
    Unresolved,
    /// Not robust without any perturbation: the margin is 0 by definition.
    NotRobustUnperturbed,
    /// Robust at the cap: the margin is at least the cap, as far as the attacks can tell.
    AtCap,
    /// Robust at `lower` (or `lower` = 0, unperturbed) and not robust at `upper`.
    Bracketed {
        /// Largest radius below `upper` that was found robust.
        lower: f64,
        /// Smallest radius that was found not robust.
        upper: f64,
    },
}

/// Result for one row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginEstimate {
    /// How the search ended.
    pub status: MarginStatus,
    /// Lower end of the bracket, 0, or the cap: the number to report.
    pub value: f64,
    /// Upper end of the bracket, 0, or +∞ at the cap.
    #[serde(with = "vaegis_core::codec::float")]
    pub upper: f64,
    /// Radii that were tested.
    pub num_tests: usize,
}

/// Search over many rows in lockstep.
#[derive(Clone, Debug, PartialEq)]
pub struct MarginSearch {
    options: SearchOptions,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    status: MarginStatus,
    /// Largest radius known robust; 0 stands for the unperturbed input.
    lower: f64,
    /// Smallest radius known not robust, once there is one.
    upper: Option<f64>,
    /// Grid points that the upward scan has passed.
    scanned: u32,
    num_tests: usize,
}

impl MarginSearch {
    /// Search with one row per entry; rows that are not robust unperturbed are resolved at once.
    ///
    /// # Errors
    /// When the cap, the tolerance or the step is not finite and positive.
    pub fn new(robust_unperturbed: &[bool], options: &SearchOptions) -> Result<Self> {
        const OP: &str = "MarginSearch::new";
        check_positive(OP, "cap", options.cap)?;
        check_positive(OP, "tolerance", options.tolerance)?;
        if let SearchMode::UpwardScan { step } = options.mode {
            check_positive(OP, "step", step)?;
        }
        let start = |&robust: &bool| {
            let status = if robust {
                MarginStatus::Unresolved
            } else {
                MarginStatus::NotRobustUnperturbed
            };
            Row {
                status,
                lower: 0.0,
                upper: None,
                scanned: 0,
                num_tests: 0,
            }
        };
        Ok(Self {
            options: *options,
            rows: robust_unperturbed.iter().map(start).collect(),
        })
    }

    /// Rows in total.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }

    /// Rows that still want tests.
    #[must_use]
    pub fn num_unresolved(&self) -> usize {
        self.rows.iter().filter(|row| row.is_unresolved()).count()
    }

    /// Whether every row is resolved.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.num_unresolved() == 0
    }

    /// The next radius of every unresolved row, by ascending row number.
    #[must_use]
    pub fn radii_to_test(&self) -> Vec<RadiusTest> {
        self.rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.is_unresolved())
            .map(|(number, row)| RadiusTest {
                row: number,
                radius: row.next(&self.options),
            })
            .collect()
    }

    /// Takes one verdict per test, in the order of [`MarginSearch::radii_to_test`].
    ///
    /// # Errors
    /// When the number of verdicts is not the number of unresolved rows; nothing changes then.
    pub fn record(&mut self, robust: &[bool]) -> Result<()> {
        let expected = self.num_unresolved();
        if robust.len() != expected {
            return Err(TheoryError::Shape {
                op: "MarginSearch::record",
                name: "robust",
                expected: format!("[{expected}], one verdict per unresolved row"),
                found: format!("[{}]", robust.len()),
            });
        }
        let unresolved = self.rows.iter_mut().filter(|row| row.is_unresolved());
        for (row, &robust) in unresolved.zip(robust) {
            row.record(robust, &self.options);
        }
        Ok(())
    }

    /// Status of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn status(&self, row: usize) -> MarginStatus {
        self.rows[row].status
    }

    /// Radii tested so far for one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn num_tests(&self, row: usize) -> usize {
        self.rows[row].num_tests
    }

    /// Number of rounds after which every row is certainly resolved.
    #[must_use]
    pub fn max_rounds(&self) -> usize {
        let SearchOptions {
            cap,
            tolerance,
            mode,
        } = self.options;
        // One halving more than the logarithm, because the bracket must be shorter, not equal.
        let halvings = |width: f64| (width / tolerance).log2().floor().max(-1.0) as isize + 1;
        match mode {
            SearchMode::Bisection => 1 + halvings(cap) as usize,
            SearchMode::UpwardScan { step } => {
                (cap / step).ceil() as usize + halvings(step.min(cap)) as usize
            }
        }
    }

    /// Results of all rows; an unresolved row reports the bracket it has so far.
    #[must_use]
    pub fn margins(&self) -> Vec<MarginEstimate> {
        let cap = self.options.cap;
        self.rows
            .iter()
            .map(|row| {
                let (value, upper) = match row.status {
                    MarginStatus::NotRobustUnperturbed => (0.0, 0.0),
                    MarginStatus::AtCap => (cap, f64::INFINITY),
                    MarginStatus::Bracketed { lower, upper } => (lower, upper),
                    MarginStatus::Unresolved => (row.lower, row.upper.unwrap_or(f64::INFINITY)),
                };
                MarginEstimate {
                    status: row.status,
                    value,
                    upper,
                    num_tests: row.num_tests,
                }
            })
            .collect()
    }
}

impl Row {
    fn is_unresolved(&self) -> bool {
        self.status == MarginStatus::Unresolved
    }

    fn next(&self, options: &SearchOptions) -> f64 {
        match (self.upper, options.mode) {
            (Some(upper), _) => midpoint(self.lower, upper),
            (None, SearchMode::Bisection) => options.cap,
            (None, SearchMode::UpwardScan { step }) => {
                (f64::from(self.scanned + 1) * step).min(options.cap)
            }
        }
    }

    fn record(&mut self, robust: bool, options: &SearchOptions) {
        let radius = self.next(options);
        self.num_tests += 1;
        if robust {
            self.lower = radius;
            self.scanned += 1;
            if self.upper.is_none() && radius >= options.cap {
                self.status = MarginStatus::AtCap;
            }
        } else {
            self.upper = Some(radius);
        }
        if let Some(upper) = self.upper {
            let middle = midpoint(self.lower, upper);
            // A tolerance below the spacing of floats must not loop for ever.
            let exhausted = middle <= self.lower || middle >= upper;
            if upper - self.lower < options.tolerance || exhausted {
                self.status = MarginStatus::Bracketed {
                    lower: self.lower,
                    upper,
                };
            }
        }
    }
}

fn midpoint(lower: f64, upper: f64) -> f64 {
    lower + 0.5 * (upper - lower)
}
