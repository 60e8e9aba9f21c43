//! SHA-256 of bytes, files and serializable values, as lower-case hexadecimal.
//!
//! The content hash is the address in caches: equal values have equal addresses in every run.

use std::io::Read;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::CoreError;

/// Returns the SHA-256 of bytes as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the SHA-256 and the length of a file, read in blocks.
///
/// # Errors
///
/// [`CoreError::Io`] when the file cannot be read.
pub fn sha256_file(path: &Path) -> Result<(String, u64), CoreError> {
    let io = |e| CoreError::io("read", path, e);
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0_u8; 1 << 17];
    let mut length = 0_u64;
    loop {
        let n = file.read(&mut block).map_err(io)?;
        if n == 0 {
            return Ok((hex(&hasher.finalize()), length));
        }
        hasher.update(&block[..n]);
        length += n as u64;
    }
}

/// Returns the SHA-256 of a value's canonical JSON: keys sorted, no spaces, shortest numbers.
///
/// Two values of different types with the same JSON have the same hash, so put what tells them
/// apart into the value.
///
/// # Errors
///
/// [`CoreError::Encode`] when the value is not expressible in JSON (a map with non-string keys).
pub fn content_hash<T: Serialize + ?Sized>(value: &T) -> Result<String, CoreError> {
    let encode = |e: serde_json::Error| CoreError::Encode {
        format: "canonical JSON",
        name: std::any::type_name::<T>().to_owned(),
        message: e.to_string(),
    };
    // A JSON value keeps its maps in a BTreeMap, so the detour sorts the keys at every level;
    // the recursive rebuild guards against a feature elsewhere that keeps insertion order.
    let value = sorted(serde_json::to_value(value).map_err(encode)?);
    let text = serde_json::to_string(&value).map_err(encode)?;
    Ok(sha256_hex(text.as_bytes()))
}

/// Rebuilds every map in the order of its keys.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(pairs.into_iter().map(|(k, v)| (k, sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Lower-case hexadecimal digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// FIPS 180-2, appendix B: the digest of "abc".
    const SHA256_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn known_digests() {
        assert_eq!(sha256_hex(b"abc"), SHA256_ABC);
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").expect("writes");
        assert_eq!(
            sha256_file(&path).expect("reads"),
            (SHA256_ABC.to_owned(), 3)
        );
        assert!(sha256_file(&dir.path().join("none")).is_err());
    }

    #[test]
    fn content_hash_ignores_the_order_of_fields_and_nothing_else() {
        #[derive(Serialize)]
        struct Ab {
            a: u32,
            b: Vec<f64>,
        }
        #[derive(Serialize)]
        struct Ba {
            b: Vec<f64>,
            a: u32,
        }
        let ab = content_hash(&Ab {
            a: 1,
            b: vec![0.1, 2.0],
        })
        .expect("hashes");
        let ba = content_hash(&Ba {
            b: vec![0.1, 2.0],
            a: 1,
        })
        .expect("hashes");
        assert_eq!(ab, ba);
        assert_eq!(ab, sha256_hex(br#"{"a":1,"b":[0.1,2.0]}"#));
        for other in [
            json!({"a":1,"b":[2.0,0.1]}),
            json!({"a":2,"b":[0.1,2.0]}),
            json!({"a":1}),
        ] {
            assert_ne!(content_hash(&other).expect("hashes"), ab);
        }
    }
}
