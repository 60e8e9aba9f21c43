//! The border to libtorch: the only crate that names `tch`.
//!
//! Everything above this crate sees [`Tensor`], [`Kind`] and [`Device`] from
//! here, keyed [`Noise`] instead of a global generator, ordered parameters
//! instead of a hash map, and errors instead of silent renames.
//! It knows nothing of probability, models, data sets or attacks.

pub mod autograd;
pub mod checkpoint;
pub mod clip;
pub mod convert;
pub mod device;
pub mod error;
pub mod math;
pub mod noise;
pub mod optim;
pub mod pairwise;
pub mod params;
pub mod parts;
pub mod schedule;
pub mod workers;

pub use error::TensorError;
pub use noise::{Noise, NoiseSource};
pub use params::{Init, ParamPath, ParamStore};
pub use parts::parts;
pub use tch::{Device, IndexOp, Kind, Reduction, Scalar, Tensor, no_grad};
