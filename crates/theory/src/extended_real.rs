//! Serde form of an f64 that may be infinite: `#[serde(with = "extended_real")]`.
//!
//! JSON has no infinity and serde_json writes `null`, which would turn an infinite margin into a
//! missing one. Finite numbers stay numbers; the others become "inf", "-inf" or "nan".
//! Not for numbers that are finite by construction.

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;

/// Writes a finite number as a number and any other as a string.
///
/// # Errors
/// Whatever the serializer reports.
pub fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if x.is_finite() {
        serializer.serialize_f64(*x)
    } else if x.is_nan() {
        serializer.serialize_str("nan")
    } else {
        serializer.serialize_str(if *x > 0.0 { "inf" } else { "-inf" })
    }
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// When the value is neither a number nor one of the three words.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(ExtendedReal)
}

struct ExtendedReal;

impl Visitor<'_> for ExtendedReal {
    type Value = f64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number, \"inf\", \"-inf\" or \"nan\"")
    }

    fn visit_f64<E: de::Error>(self, x: f64) -> Result<f64, E> {
        Ok(x)
    }

    fn visit_i64<E: de::Error>(self, x: i64) -> Result<f64, E> {
        Ok(x as f64)
    }

    fn visit_u64<E: de::Error>(self, x: u64) -> Result<f64, E> {
        Ok(x as f64)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<f64, E> {
        match word {
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            "nan" => Ok(f64::NAN),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }
}
