//! All tests of the crate in one program: they are linked once.

mod bisection;
mod cells;
mod certificates;
mod common;
mod coverage;
mod definitions;
mod entropy;
mod golden;
mod invariants;
mod invariants_of_models;
mod legacy;
mod linear_beta_vae;
mod networks;
mod nonlinear;
mod soundness;
mod sphere;
mod strong_shifts;
mod tempered;
mod verification;
