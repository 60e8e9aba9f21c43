//! How the minimum is looked for.
//!
//! A search sees an [`Oracle`] and nothing else. All of them keep the best
//! point of each row, stay inside box and ball, and synchronise with the host
//! once per iteration, not once per row.

mod adam;
mod apgd;
mod descent;
mod lbfgs;
mod pgd;
mod random;

pub use adam::AdamSearch;
pub use apgd::Apgd;
pub use lbfgs::{BallMode, Lbfgs};
pub use pgd::Pgd;
pub use random::RandomSearch;

use crate::oracle::Oracle;
use crate::{AttackError, Ball, Constraint, Penalty, RowStatus};
use serde::{Deserialize, Serialize};
use vaegis_tensor::{Noise, Tensor};

/// A search and its budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Search {
    /// Batched L-BFGS-B.
    Lbfgs(Lbfgs),
    /// Projected gradient with a decaying normalized step.
    Pgd(Pgd),
    /// Projected gradient with momentum and the halving rule of Auto-PGD.
    Apgd(Apgd),
    /// Adam on the penalized objective, with projection.
    Adam(AdamSearch),
    /// The best of random points: the baseline that any attack must beat.
    Random(RandomSearch),
}

/// What a search found, one entry per row.
#[derive(Debug)]
pub struct Found {
    /// Best point of each row, `[N, D]` in f64 on the CPU.
    pub d: Tensor,
    /// Iterations.
    pub iterations: Vec<usize>,
    /// Evaluations.
    pub evaluations: Vec<usize>,
    /// Why the row ended.
    pub status: Vec<RowStatus>,
}

impl Search {
    /// Short name in records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lbfgs(_) => "lbfgs-b",
            Self::Pgd(_) => "pgd",
            Self::Apgd(_) => "apgd",
            Self::Adam(_) => "adam",
            Self::Random(_) => "random",
        }
    }

    /// Checks that the search can handle the constraint.
    ///
    /// # Errors
    /// A search that needs a ball without one; numbers out of range.
    pub fn check(&self, constraint: &Constraint) -> Result<(), AttackError> {
        let needs_ball = matches!(self, Self::Pgd(_) | Self::Apgd(_) | Self::Random(_));
        if needs_ball && constraint.ball == Ball::None {
            return Err(AttackError::Incompatible {
                what: self.name().to_owned(),
                with: "a constraint without a ball".to_owned(),
                hint: "its steps are fractions of the radius: set ball to l2 or linf, or use lbfgs",
            });
        }
        if needs_ball && constraint.penalty != Penalty::None {
            return Err(AttackError::Incompatible {
                what: self.name().to_owned(),
                with: "a penalty".to_owned(),
                hint: "its steps ignore the price of the distortion: use lbfgs or adam",
            });
        }
        match self {
            Self::Lbfgs(s) => s.check(),
            Self::Pgd(s) => s.check(),
            Self::Apgd(s) => s.check(),
            Self::Adam(s) => s.check(),
            Self::Random(s) => s.check(),
        }
    }

    /// Minimizes every row from `start`.
    ///
    /// # Errors
    /// The optimizer refuses its input.
    ///
    /// # Shapes
    /// start: `[N, D]`, any kind
    pub fn run(
        &self,
        oracle: &mut Oracle<'_>,
        start: &Tensor,
        noise: &Noise,
        keys: &[u64],
    ) -> Result<Found, AttackError> {
        match self {
            Self::Lbfgs(s) => s.run(oracle, start),
            Self::Pgd(s) => Ok(s.run(oracle, start)),
            Self::Apgd(s) => Ok(s.run(oracle, start)),
            Self::Adam(s) => Ok(s.run(oracle, start)),
            Self::Random(s) => Ok(s.run(oracle, noise, keys)),
        }
    }
}

/// An error for a number that must be positive.
fn positive(name: &'static str, value: f64) -> Result<(), AttackError> {
    within(name, value, "a positive number", |v| v > 0.0)
}

/// An error for a number that is not finite or not in its range.
fn within(
    name: &'static str,
    value: f64,
    expected: &str,
    is_valid: impl Fn(f64) -> bool,
) -> Result<(), AttackError> {
    if value.is_finite() && is_valid(value) {
        return Ok(());
    }
    Err(AttackError::BadInput {
        name,
        expected: expected.to_owned(),
        found: value.to_string(),
    })
}
