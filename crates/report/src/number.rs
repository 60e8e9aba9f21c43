//! Numbers in files and on pages: non-finite values in JSON, and short display forms.
//!
//! Not for statistics. JSON has no NaN, and a result file that cannot say "this diverged" would
//! lose exactly the rows that matter, so non-finite values are stored as the strings `"NaN"`,
//! `"inf"` and `"-inf"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Serde helper for one number, finite or not: `#[serde(with = "vaegis_report::number")]`.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Stored::from(*value).serialize(serializer)
}

/// Serde helper, the inverse of [`serialize`].
///
/// # Errors
/// A string other than `NaN`, `inf` and `-inf`, or a value that is no number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Stored::deserialize(deserializer)?.value::<D::Error>()
}

/// Serde helper for a list of numbers, finite or not.
pub mod list {
    use super::Stored;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the list.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|&v| Stored::from(v)))
    }

    /// Reads the list.
    ///
    /// # Errors
    /// As for [`super::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let stored = Vec::<Stored>::deserialize(deserializer)?;
        stored.into_iter().map(Stored::value::<D::Error>).collect()
    }
}

/// The form of a number in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Finite(f64),
    Named(String),
}

impl From<f64> for Stored {
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Self::Finite(value)
        } else {
            Self::Named(exact(value))
        }
    }
}

impl Stored {
    fn value<E: serde::de::Error>(self) -> Result<f64, E> {
        match self {
            Self::Finite(value) => Ok(value),
            Self::Named(name) => match name.as_str() {
                "NaN" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                _ => Err(E::custom(format!(
                    "expected a number or one of \"NaN\", \"inf\", \"-inf\", found {name:?}"
                ))),
            },
        }
    }
}

/// The shortest text that reads back as the same `f64`, for CSV files.
///
/// Very large and very small values are written with an exponent, as a column of 300 zeros helps
/// nobody.
#[must_use]
pub fn exact(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 || (1e-5..1e16).contains(&size) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// Four significant digits for people: `0.1235`, `108.2`, `1.235 × 10⁷`.
#[must_use]
pub fn display(value: f64) -> String {
    if !value.is_finite() {
        return match value {
            v if v.is_nan() => "not a number".to_owned(),
            v if v > 0.0 => "∞".to_owned(),
            _ => "-∞".to_owned(),
        };
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // The exponent comes from the rounded text, so that 9999.7 counts as 10⁴.
    let text = format!("{value:.3e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(3 - exponent).unwrap_or(0);
        trim_zeros(&format!("{value:.decimals$}"))
    } else {
        format!("{} × 10{}", trim_zeros(mantissa), superscript(exponent))
    }
}

/// `mid [low, high]`, each as by [`display`] but with equally many decimals: `139.0 [137.1, 140.8]`.
#[must_use]
pub fn display_interval(value: f64, low: f64, high: f64) -> String {
    let numbers = [value, low, high];
    let texts = numbers.map(display);
    let decimals = |text: &String| text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let most = texts.iter().map(decimals).max().unwrap_or(0);
    // Very different sizes would show digits that nobody measured.
    let are_alike = texts.iter().all(|t| t.parse::<f64>().is_ok()) && most <= 3;
    let [value, low, high] = if are_alike {
        numbers.map(|number| format!("{number:.most$}"))
    } else {
        texts
    };
    format!("{value} [{low}, {high}]")
}

/// An integer in Unicode superscript digits.
pub(crate) fn superscript(value: i32) -> String {
    let digit = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    };
    value.to_string().chars().map(digit).collect()
}

pub(crate) fn trim_zeros(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_keeps_four_digits() {
        let cases = [
            (0.123_456, "0.1235"),
            (108.249, "108.2"),
            (9999.7, "10000"),
            (-2.5, "-2.5"),
            (12_345_678.0, "1.235 × 10⁷"),
            (0.000_012_345, "1.234 × 10⁻⁵"),
            (0.0, "0"),
            (f64::NAN, "not a number"),
            (f64::NEG_INFINITY, "-∞"),
        ];
        for (value, expected) in cases {
            assert_eq!(display(value), expected, "of {value:e}");
        }
    }

    #[test]
    fn intervals_share_their_decimals() {
        assert_eq!(
            display_interval(139.0, 137.1, 140.8),
            "139.0 [137.1, 140.8]"
        );
        assert_eq!(display_interval(1.0, 0.0, f64::INFINITY), "1 [0, ∞]");
        assert_eq!(
            display_interval(3e7, 0.001, 4e8),
            "3 × 10⁷ [0.001, 4 × 10⁸]"
        );
    }

    #[test]
    fn exact_reads_back() {
        for value in [0.1, 1e-300, 1.0 / 3.0, 1e22, -0.0, f64::MAX, f64::INFINITY] {
            let back: f64 = exact(value).parse().expect("exact() writes numbers");
            assert_eq!(back.to_bits(), value.to_bits());
        }
        assert_eq!(exact(f64::NAN), "NaN");
    }
}
