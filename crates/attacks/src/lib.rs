//! Adversarial attacks on latent-variable models.
//!
//! An [`Attack`] composes four things that know nothing of each other: an
//! [`Objective`] (what is minimized), a [`Constraint`] (how large the
//! distortion may be and in which box the input must stay), a [`Search`] (how
//! the minimum is looked for) and its budget. The victim is any
//! [`vaegis_nn::LatentModel`]; no model is known here.
//!
//! Rows are independent: every row has its own target, penalty, radius, noise
//! and search state, so 10 pairs × 50 penalties × restarts run as one batch and
//! give, to rounding, the rows that single runs give.

pub mod attack;
pub mod constraint;
pub mod error;
pub mod grid;
pub mod layers;
pub mod objective;
pub mod oracle;
pub mod outcome;
mod parallel;
pub mod prepared;
pub mod record;
pub mod reference;
pub mod rows;
pub mod search;
pub mod select;
pub mod sweep;

pub use attack::Attack;
pub use constraint::{Ball, BoxBounds, Constraint, Penalty};
pub use error::AttackError;
pub use layers::{HierMode, LayerSet, Layers};
pub use objective::{Direction, NoiseMode, Objective, Variant};
pub use outcome::{AttackOutcome, RowStatus};
pub use rows::AttackRows;
pub use search::Search;
