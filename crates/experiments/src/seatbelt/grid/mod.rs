//! The grid of β-TCVAEs and Seatbelt-VAEs over β, depth and latent size, trained and attacked
//! once, behind figures 5.4, 5.6, 5.7 and D.1 to D.5.
//!
//! A model is trained once into the model cache and a measurement is made once beside it; each
//! figure asks for what it draws. Not for the figures on colored images, on the Swiss roll, and
//! of the downstream tasks, which have models of their own.

mod config;
mod images;
mod measure;
pub(super) mod plots;
pub(super) mod reference;
pub(super) mod statistics;
mod study;

pub(super) use config::{Family, Group};
pub use config::{GridConfig, GridSet};
pub(super) use measure::{AttackKind, Measure, Node};
pub(super) use study::{Models, Request, Set, Study};

/// Name of the grid in seeds.
const GRID: &str = "chapter-5-grid";
