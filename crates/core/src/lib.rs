//! Plain vocabulary shared by every crate: seeds, codecs, configuration, provenance, errors.
//!
//! No numerics, no tensors, no data sets: only what every layer above needs to be reproducible
//! and to treat files with care.

pub mod codec;
pub mod error;
pub mod hash;
pub mod seed;

pub use error::{CoreError, Violation, Violations};
pub use seed::SeedTree;
