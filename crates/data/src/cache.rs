//! Decoded caches: what a slow decoder produced, keyed by the checksums of its sources.
//!
//! A cache is never the only copy of anything: when it does not fit it is made again.

use std::path::Path;

use serde::{Deserialize, Serialize};
use vaegis_core::codec::{
    ArtifactKind, Bytes, decode_artifact, encode_artifact, read_limited, write_atomic,
};
use vaegis_core::hash::sha256_hex;

use crate::error::DataError;
use crate::limits::Limits;

/// Version of [`Decoded`]; raise it with every change of a decoder's output.
const VERSION: u32 = 1;

/// Pixels, labels and factors of a decoded set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Decoded {
    pub(crate) shape: [usize; 3],
    pub(crate) pixels: Bytes,
    pub(crate) labels: Vec<i64>,
    /// Row-major factors, as many columns as the set has factor names.
    pub(crate) factors: Vec<f32>,
}

/// Returns the cached value of `key`, or makes it and stores it in `folder`.
pub(crate) fn cached(
    folder: Option<&Path>,
    key: &str,
    limits: &Limits,
    make: impl FnOnce() -> Result<Decoded, DataError>,
) -> Result<Decoded, DataError> {
    let Some(folder) = folder else { return make() };
    let path = folder.join(format!("{}.vaegis", sha256_hex(key.as_bytes())));
    let limit = limits.max_bytes;
    let stored = read_limited(&path, limit).and_then(|bytes| {
        decode_artifact::<(String, Decoded)>(ArtifactKind::DatasetCache, VERSION, &bytes, limit)
    });
    if let Ok((stored_key, decoded)) = stored
        && stored_key == key
    {
        return Ok(decoded);
    }
    let entry = (key.to_owned(), make()?);
    write_atomic(
        &path,
        &encode_artifact(ArtifactKind::DatasetCache, VERSION, &entry)?,
    )?;
    Ok(entry.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_made_again_after_damage() {
        let dir = tempfile::tempdir().expect("temp folder");
        let limits = Limits::default();
        let value = Decoded {
            pixels: Bytes(vec![1, 2, 3]),
            ..Decoded::default()
        };
        let get = |may_make: bool| {
            cached(Some(dir.path()), "key", &limits, || {
                assert!(may_make, "made although it was cached");
                Ok(value.clone())
            })
        };
        assert_eq!(get(true).expect("made"), value);
        assert_eq!(get(false).expect("cached"), value);
        let file = std::fs::read_dir(dir.path())
            .expect("folder")
            .next()
            .expect("one")
            .expect("ok");
        let mut bytes = std::fs::read(file.path()).expect("reads");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(file.path(), bytes).expect("writes");
        assert_eq!(get(true).expect("made again"), value);
        assert_eq!(get(false).expect("cached again"), value);
    }
}
