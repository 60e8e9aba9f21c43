//! Data sets: files, archives and generators to ndarray batches, without libtorch.
//!
//! Opening a set never touches the network; [`fetch`] is the only module that does, and only when
//! it is called. Every decoder treats its bytes as hostile.

mod cache;
pub mod dataset;
pub mod decode;
pub mod dsprites;
pub mod error;
pub mod fetch;
mod files;
mod limits;
mod open;
mod options;
pub mod own;
mod pictures;
mod plan;
mod prefetch;
mod preprocess;
pub mod registry;
mod resize;
pub mod sprites;
mod store;
mod subset;
pub mod synthetic;
pub mod toys;

pub use dataset::{Batch, Dataset, DatasetSpec, Split};
pub use error::DataError;
pub use limits::Limits;
pub use open::{decoded_cache, default_root, open};
pub use options::OpenOptions;
pub use plan::{BatchPlan, hold_out, permutation};
pub use prefetch::Prefetcher;
pub use preprocess::{Mapped, Step};
pub use resize::resize_plane;
pub use store::{ByteStore, FloatStore, Targets};
pub use subset::Subset;
