//! How well single latents stand for single factors: MIG, FactorVAE score, SAP and DCI.
//!
//! All four take the codes of a data set with known factors. MIG needs whole posteriors; the
//! others look at posterior means only. None of them says anything about robustness.

mod codes;
mod dci;
mod factor_score;
mod lasso;
mod mig;
mod sap;

pub use codes::{Codes, encode};
pub use dci::{Dci, DciOptions, completeness, dci, disentanglement};
pub use factor_score::{FactorScore, FactorScoreOptions, Group, factor_score, factor_score_of};
pub use lasso::lasso;
pub use mig::{Mig, MigOptions, mig, mig_of};
pub use sap::{Sap, sap};
