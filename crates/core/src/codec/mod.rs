//! Reading and writing files safely: atomic replacement, size limits, text formats, artifacts.
//!
//! Everything that reads takes bytes from outside as hostile: sizes are checked before memory is
//! taken, and no input can panic. Everything that writes leaves either the old file or the new
//! one, also when the process is killed. Safetensors live in `vaegis-tensor`; image and data-set
//! formats live in `vaegis-data`.

mod artifact;
mod atomic;
mod bytes;
pub mod float;
mod jsonl;
mod text;

pub use artifact::{ARTIFACT_HEADER_LEN, ArtifactKind, decode_artifact, encode_artifact};
pub use atomic::{read_limited, recover_folder, write_atomic, write_folder_atomic};
pub use bytes::Bytes;
pub use jsonl::{JsonlWriter, read_jsonl};
pub use text::{from_json, from_toml, read_json, read_toml, to_json, to_toml, write_json};
