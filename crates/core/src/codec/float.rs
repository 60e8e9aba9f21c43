//! Floating-point fields that may be infinite or NaN in JSON, which has no word for them.
//!
//! `#[serde(with = "vaegis_core::codec::float")]` writes finite numbers as numbers and the others
//! as `"inf"`, `"-inf"` and `"nan"`. Without it JSON writes `null`, which cannot be read back.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Writes a finite number as a number and the others as text.
///
/// # Errors
///
/// As the serializer.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else if value.is_nan() {
        serializer.serialize_str("nan")
    } else if *value > 0.0 {
        serializer.serialize_str("inf")
    } else {
        serializer.serialize_str("-inf")
    }
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
///
/// Text other than `inf`, `-inf` and `nan`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Repr {
        Number(f64),
        Text(String),
    }
    match Repr::deserialize(deserializer)? {
        Repr::Number(value) => Ok(value),
        Repr::Text(text) => match text.as_str() {
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            "nan" => Ok(f64::NAN),
            _ => Err(D::Error::custom(format!(
                "expected a number, inf, -inf or nan, found {text}"
            ))),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Row(#[serde(with = "super")] f64);

    #[test]
    fn every_float_survives_json() {
        for value in [0.0, -1.5e300, f64::INFINITY, f64::NEG_INFINITY] {
            let text = serde_json::to_string(&Row(value)).expect("floats serialize");
            let back: Row = serde_json::from_str(&text).expect("and come back");
            assert_eq!(back.0.to_bits(), value.to_bits());
        }
        let nan: Row = serde_json::from_str("\"nan\"").expect("nan is a word here");
        assert!(nan.0.is_nan());
        assert!(serde_json::from_str::<Row>("\"many\"").is_err());
    }
}
