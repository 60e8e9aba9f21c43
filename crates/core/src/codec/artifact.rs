//! Binary artifacts: a self-describing header in front of a bincode payload.
//!
//! For secondary data only (decoded caches, trainer state): never the only copy of anything. The
//! payload format is private to this file, so it can be replaced with a version bump.

use bincode::config::{Configuration, Fixint, LittleEndian};
use bincode::de::read::{Reader, SliceReader};
use bincode::de::{Decode, Decoder, DecoderImpl};
use bincode::serde::Compat;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::CoreError;
use crate::hash::hex;

/// First bytes of every artifact. The high bit and the line feed reveal a text-mode transfer.
const MAGIC: [u8; 8] = *b"\x89VAEGIS\n";
/// Bytes before the payload: magic, kind, version, length, SHA-256.
pub const ARTIFACT_HEADER_LEN: usize = 8 + 4 + 4 + 8 + 32;
/// Budget of the payload decoder before the part that the payload does not need is claimed.
const WHOLE_BUDGET: usize = isize::MAX as usize;

/// What an artifact holds; stored in its header so that one kind is never read as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArtifactKind {
    /// A decoded data set.
    DatasetCache,
    /// Where a training run stands.
    TrainerState,
    /// Where an attack sweep stands.
    SweepState,
    /// Anything else that can be made again.
    Scratch,
}

impl ArtifactKind {
    /// The number in the header; numbers are never reused.
    fn code(self) -> u32 {
        match self {
            Self::DatasetCache => 1,
            Self::TrainerState => 2,
            Self::SweepState => 3,
            Self::Scratch => 4,
        }
    }
}

/// Serializes a value as an artifact of a kind and a format version.
///
/// # Errors
///
/// [`CoreError::Encode`] when the type cannot be expressed (a map of unknown length).
pub fn encode_artifact<T: Serialize>(
    kind: ArtifactKind,
    version: u32,
    value: &T,
) -> Result<Vec<u8>, CoreError> {
    let mut bytes = vec![0_u8; ARTIFACT_HEADER_LEN];
    bincode::serde::encode_into_std_write(value, &mut bytes, config()).map_err(|e| {
        CoreError::Encode {
            format: "an artifact",
            name: format!("{kind:?}"),
            message: e.to_string(),
        }
    })?;
    let digest = Sha256::digest(&bytes[ARTIFACT_HEADER_LEN..]);
    let length = (bytes.len() - ARTIFACT_HEADER_LEN) as u64;
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&kind.code().to_le_bytes());
    bytes[12..16].copy_from_slice(&version.to_le_bytes());
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    bytes[24..ARTIFACT_HEADER_LEN].copy_from_slice(&digest);
    Ok(bytes)
}

/// Reads an artifact back; every part of the header must match.
///
/// The payload may be at most `limit` bytes long, and no string or byte block inside it may claim
/// more than the payload holds, so memory stays within the payload's size plus serde's cautious
/// preallocation (at most 1 MiB per nesting level). Types with zero-sized elements in lists must
/// not be stored: their length costs no bytes, so nothing would bound the loop.
///
/// # Errors
///
/// [`CoreError::Artifact`] names the part that does not match; [`CoreError::TooLarge`] a payload
/// above `limit`.
pub fn decode_artifact<T: DeserializeOwned>(
    kind: ArtifactKind,
    version: u32,
    bytes: &[u8],
    limit: u64,
) -> Result<T, CoreError> {
    const REMAKE: &str = "delete the file and let it be made again";
    if bytes.len() < ARTIFACT_HEADER_LEN || bytes[..8] != MAGIC {
        return Err(CoreError::Artifact {
            name: "magic",
            expected: format!("{ARTIFACT_HEADER_LEN} header bytes that begin with {MAGIC:02x?}"),
            found: format!("{} bytes that begin with {:02x?}", bytes.len(), head(bytes)),
            advice: "this is no vaegis artifact, or it was cut off; delete it",
        });
    }
    let (header, payload) = bytes.split_at(ARTIFACT_HEADER_LEN);
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("invariant: 4"));
    let length = u64::from_le_bytes(header[16..24].try_into().expect("invariant: 8 bytes"));
    if word(8) != kind.code() {
        return Err(CoreError::Artifact {
            name: "kind",
            expected: format!("{} ({kind:?})", kind.code()),
            found: word(8).to_string(),
            advice: "the path points at another kind of file",
        });
    }
    if word(12) != version {
        return Err(CoreError::Artifact {
            name: "version",
            expected: version.to_string(),
            found: word(12).to_string(),
            advice: REMAKE,
        });
    }
    if length > limit {
        return Err(CoreError::TooLarge {
            name: "artifact payload".to_owned(),
            found: length,
            limit,
        });
    }
    if length != payload.len() as u64 {
        return Err(CoreError::Artifact {
            name: "length",
            expected: format!("{length} payload bytes"),
            found: payload.len().to_string(),
            advice: REMAKE,
        });
    }
    let digest = Sha256::digest(payload);
    if digest[..] != header[24..] {
        return Err(CoreError::Artifact {
            name: "sha256",
            expected: hex(&header[24..]),
            found: hex(&digest),
            advice: REMAKE,
        });
    }
    decode_payload(payload).map_err(|message| CoreError::Artifact {
        name: "payload",
        expected: std::any::type_name::<T>().to_owned(),
        found: message,
        advice: REMAKE,
    })
}

/// Decodes the payload with a claim budget of exactly its own length.
fn decode_payload<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    let config = config().with_limit::<WHOLE_BUDGET>();
    let mut decoder = DecoderImpl::new(SliceReader::new(payload), config, ());
    // The library's limit is a compile-time constant; claiming the surplus makes it dynamic. Fixed
    // integers make a claim equal to the bytes read, so a valid payload never exceeds the rest.
    decoder
        .claim_bytes_read(WHOLE_BUDGET - payload.len())
        .map_err(|e| e.to_string())?;
    let Compat(value) = Compat::<T>::decode(&mut decoder).map_err(|e| e.to_string())?;
    match decoder.reader().peek_read(1) {
        None => Ok(value),
        Some(_) => Err("bytes after the end of the value".to_owned()),
    }
}

/// Little-endian, fixed-width integers: see [`decode_payload`] for why not variable-width ones.
fn config() -> Configuration<LittleEndian, Fixint> {
    bincode::config::standard().with_fixed_int_encoding()
}

/// The first bytes of a file, for a message.
fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(8)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::Bytes;
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        name: String,
        numbers: Vec<f64>,
        blob: Bytes,
        map: BTreeMap<String, Option<u32>>,
    }

    fn sample() -> Sample {
        Sample {
            name: "θ".to_owned(),
            numbers: vec![1.5, f64::MIN_POSITIVE],
            blob: Bytes((0..=255).collect()),
            map: BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(7))]),
        }
    }

    const KIND: ArtifactKind = ArtifactKind::Scratch;
    const LIMIT: u64 = 1 << 20;

    fn decode(bytes: &[u8]) -> Result<Sample, CoreError> {
        decode_artifact(KIND, 3, bytes, LIMIT)
    }

    /// A payload behind a header whose checksum is right, as an attacker would make it.
    fn forge(payload: &[u8]) -> Vec<u8> {
        let mut bytes = encode_artifact(KIND, 3, &()).expect("unit encodes");
        bytes[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes[24..56].copy_from_slice(&Sha256::digest(payload));
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn round_trip() {
        let bytes = encode_artifact(KIND, 3, &sample()).expect("encodes");
        assert_eq!(decode(&bytes).expect("decodes"), sample());
    }

    #[test]
    fn every_single_bit_flip_and_every_truncation_is_an_error() {
        let good = encode_artifact(KIND, 3, &sample()).expect("encodes");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(decode(&good[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_2_to_the_60_length_is_refused_before_any_memory_is_taken() {
        let mut header = encode_artifact(KIND, 3, &sample()).expect("encodes");
        header[16..24].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        let error = decode(&header).expect_err("too large").to_string();
        assert!(error.contains(&(1_u64 << 60).to_string()), "{error}");
        let inner = forge(&(1_u64 << 60).to_le_bytes());
        let error = decode(&inner)
            .expect_err("string of 2^60 bytes")
            .to_string();
        assert!(error.contains("payload"), "{error}");
    }

    #[test]
    fn kind_and_version_are_checked_and_trailing_bytes_are_an_error() {
        let good = encode_artifact(KIND, 3, &7_u32).expect("encodes");
        let decode = |kind, version| decode_artifact::<u32>(kind, version, &good, LIMIT);
        assert_eq!(decode(KIND, 3).expect("right kind"), 7);
        let text = decode(ArtifactKind::DatasetCache, 3)
            .expect_err("kind")
            .to_string();
        assert!(
            text.contains("kind") && text.contains("DatasetCache"),
            "{text}"
        );
        assert!(
            decode(KIND, 4)
                .expect_err("version")
                .to_string()
                .contains("version")
        );
        let long = forge(&[7, 0, 0, 0, 0]);
        assert!(decode_artifact::<u32>(KIND, 3, &long, LIMIT).is_err());
        let above = decode_artifact::<u32>(KIND, 3, &good, 3).expect_err("limit");
        assert!(matches!(
            above,
            CoreError::TooLarge {
                limit: 3,
                found: 4,
                ..
            }
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..256)) {
            // The result does not matter; what matters is that it is one.
            let decoded = decode(&forge(&payload));
            if let Ok(value) = decoded {
                prop_assert!(value.name.len() + value.blob.0.len() <= payload.len());
            }
            let raw = decode(&payload);
            prop_assert!(raw.is_err());
        }
    }
}
