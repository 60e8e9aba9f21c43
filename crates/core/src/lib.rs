//! Plain vocabulary shared by every crate: seeds, codecs, configuration, provenance, errors.
//!
//! No numerics, no tensors, no data sets: only what every layer above needs to be reproducible
//! and to treat files with care.

pub mod codec;
pub mod config;
pub mod error;
pub mod hash;
pub mod lock;
pub mod provenance;
pub mod seed;
pub mod time;

pub use config::{Checks, Validate, load_toml};
pub use error::{CoreError, Violation, Violations};
pub use lock::{EntryLock, LOCK_FILE};
pub use provenance::Provenance;
pub use seed::SeedTree;
