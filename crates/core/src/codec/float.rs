//! Floating-point fields that may be infinite or NaN in JSON, which has no word for them.
//!
//! `#[serde(with = "vaegis_core::codec::float")]` writes finite numbers as numbers and the others
//! as `"inf"`, `"-inf"` and `"nan"`. Without it JSON writes `null`, which cannot be read back.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;

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
/// Anything but a number and the words `inf`, `-inf` and `nan`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(ExtendedReal)
}

struct ExtendedReal;

impl Visitor<'_> for ExtendedReal {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// The same for a list of numbers: `#[serde(with = "vaegis_core::codec::float::list")]`.
pub mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Element(#[serde(with = "super")] f64);

    /// Writes the list, each number as [`super::serialize`] does.
    ///
    /// # Errors
    ///
    /// As the serializer.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|&value| Element(value)))
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    ///
    /// As [`super::deserialize`], or when there is no list.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let elements = Vec::<Element>::deserialize(deserializer)?;
        Ok(elements.into_iter().map(|Element(value)| value).collect())
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
        for (text, value) in [("3", 3.0), ("-2", -2.0), ("1e300", 1e300)] {
            let whole: Row = serde_json::from_str(text).expect("numbers of every kind");
            assert_eq!(whole.0, value);
        }
        let error = serde_json::from_str::<Row>("\"many\"")
            .err()
            .expect("no number");
        assert!(error.to_string().contains("\"inf\""), "{error}");
    }

    #[test]
    fn lists_survive_too() {
        #[derive(Serialize, Deserialize)]
        struct Rows(#[serde(with = "super::list")] Vec<f64>);
        let text = serde_json::to_string(&Rows(vec![0.5, f64::NAN, f64::INFINITY])).expect("JSON");
        assert_eq!(text, r#"[0.5,"nan","inf"]"#);
        let Rows(back) = serde_json::from_str(&text).expect("comes back");
        assert!(back[0] == 0.5 && back[1].is_nan() && back[2] == f64::INFINITY);
    }
}
