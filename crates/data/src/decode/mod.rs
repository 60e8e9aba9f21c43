//! Decoders from untrusted bytes to plain arrays: no files, no network, no panics.
//!
//! Every decoder takes the bytes, a name for messages and [`crate::Limits`], checks sizes before
//! it allocates, and returns an error that says what was expected and what was found.

mod cifar;
mod gz;
mod idx;
mod mat;
mod npy;
mod npy_header;
mod npz;
mod omniglot;
mod picture;
mod table;
mod tar;

pub use cifar::{CIFAR_CLASSES, CifarBatch, decode_cifar_bin, decode_cifar_png};
pub use gz::gunzip;
pub use idx::{Idx, decode_idx, decode_idx_gz};
pub use mat::{MatArray, decode_mat};
pub use npy::{NpyArray, NpyKind, decode_npy, encode_npy_u8};
pub(crate) use npy_header::NpyHeader;
pub use npz::{decode_npz, decode_npz_entry};
pub(crate) use npz::{find_entry as find_npz_entry, open_archive, open_entry};
pub use omniglot::{OmniglotBatch, decode_omniglot};
pub use picture::{Picture, decode_picture};
pub use table::{IntTable, decode_table};
pub use tar::decode_tar;
