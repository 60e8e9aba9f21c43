//! Theorems of robust deep generative models as f64 functions, without libtorch.
//!
//! For: special functions, interval estimates, the margin bound of Theorem 6.1 and its
//! strengthened forms, the smallest usable radius r, exact linear reference cases, and the
//! batched bisection that drives empirical margins. Every bound says what kind of evidence it is
//! ([`evidence::Evidence`]).
//!
//! Not for: tensors, networks, attacks or files. Callers measure (Jacobians, distances, counts)
//! and hand the numbers over.
//!
//! ```
//! use ndarray::array;
//! use vaegis_theory::margin::{AcceptanceProbability, EncoderGeometry, bounds};
//!
//! # fn main() -> Result<(), vaegis_theory::TheoryError> {
//! let geometry = EncoderGeometry::diagonal(&[0.2, 0.9], array![[3.0, 4.0], [0.0, 0.0]].view())?;
//! let p0 = AcceptanceProbability::clopper_pearson(3900, 4000, 1e-3)?;
//! let bounds = bounds(&geometry, &p0, 0.5)?;
//! assert!(bounds.frobenius <= bounds.mahalanobis);
//! assert!(!bounds.evidence.is_certificate(), "a first-order bound is never a certificate");
//! # Ok(())
//! # }
//! ```

pub mod bisection;
pub mod chi_square_mixture;
pub mod entropy;
pub mod error;
pub mod evidence;
pub mod legacy;
pub mod linalg;
pub mod linear;
pub mod linear_beta_vae;
pub mod lipschitz;
pub mod margin;
pub mod neyman_pearson;
pub mod r_min;
mod root;
pub mod special;
pub mod sphere;
pub mod stats;
pub mod tempered;

pub use error::TheoryError;
