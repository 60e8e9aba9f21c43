//! Probability: distributions, reparameterisation and divergences on tensors.
//!
//! A distribution is a batch of laws over events. Randomness is an argument
//! ([`vaegis_tensor::Noise`]), closed forms are chosen by type ([`KlTo`]), and
//! estimates have other names, so nobody gets one by accident. This crate knows
//! nothing of networks or models.

pub mod diag_normal;
pub mod distribution;
pub mod divergence;

pub use diag_normal::DiagNormal;
pub use distribution::{BaseNoise, Distribution, Reparameterize};
pub use divergence::{KlTo, W2To};
