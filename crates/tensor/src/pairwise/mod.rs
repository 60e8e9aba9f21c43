//! Mixture densities between all samples and all components of a batch, without their pairwise
//! tensor.
//!
//! Sample k is scored under every Gaussian m: jointly over the coordinates and coordinate by
//! coordinate. Rows of samples are worked off in tiles of fixed size; of a tile the joint
//! responsibilities are kept, everything else is recomputed for the gradient. Extra memory is a
//! few arrays of the size of the inputs. Every number is summed in an order that does not depend
//! on the number of threads. Only for the CPU; which weights make an estimator of what is not
//! decided here.

mod components;
mod kernel;
mod real;
mod tiles;
mod weights;

pub use tiles::{Means, Objective, log_densities, means};
pub use weights::LogWeights;

use crate::{Device, Kind, Tensor};

/// Whether the kernel can take this tensor; other kinds and devices need tensor operations.
pub fn supports(x: &Tensor) -> bool {
    x.device() == Device::Cpu && matches!(x.kind(), Kind::Float | Kind::Double)
}
