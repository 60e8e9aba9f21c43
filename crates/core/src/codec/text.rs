//! TOML and JSON with errors that name the file and the line.
//!
//! Unknown keys are rejected where the type says `#[serde(deny_unknown_fields)]`, which every
//! configuration type must.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{read_limited, write_atomic};
use crate::error::CoreError;

/// Largest text file that is read: far above any configuration or manifest.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Writes a value as TOML text.
///
/// # Errors
///
/// [`CoreError::Encode`] when TOML cannot express the value (no table at the top).
pub fn to_toml<T: Serialize>(value: &T) -> Result<String, CoreError> {
    toml::to_string_pretty(value).map_err(|e| CoreError::Encode {
        format: "TOML",
        name: std::any::type_name::<T>().to_owned(),
        message: e.to_string(),
    })
}

/// Reads a value from TOML text; `origin` is the file named in errors.
///
/// # Errors
///
/// [`CoreError::Parse`] with the line.
pub fn from_toml<T: DeserializeOwned>(origin: &Path, text: &str) -> Result<T, CoreError> {
    toml::from_str(text).map_err(|e| CoreError::Parse {
        format: "TOML",
        path: origin.to_owned(),
        line: e.span().map_or(1, |span| line_of(text, span.start)),
        message: e.message().to_owned(),
    })
}

/// Writes a value as indented JSON with a final line feed.
///
/// # Errors
///
/// [`CoreError::Encode`] when JSON cannot express the value.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, CoreError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| CoreError::Encode {
        format: "JSON",
        name: std::any::type_name::<T>().to_owned(),
        message: e.to_string(),
    })?;
    text.push('\n');
    Ok(text)
}

/// Reads a value from JSON text; `origin` is the file named in errors.
///
/// # Errors
///
/// [`CoreError::Parse`] with the line.
pub fn from_json<T: DeserializeOwned>(origin: &Path, text: &str) -> Result<T, CoreError> {
    serde_json::from_str(text).map_err(|e| CoreError::Parse {
        format: "JSON",
        path: origin.to_owned(),
        line: e.line().max(1),
        message: e.to_string(),
    })
}

/// Reads a TOML file.
///
/// # Errors
///
/// As [`read_limited`] and [`from_toml`].
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, CoreError> {
    from_toml(path, &read_text(path, "TOML")?)
}

/// Reads a JSON file.
///
/// # Errors
///
/// As [`read_limited`] and [`from_json`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, CoreError> {
    from_json(path, &read_text(path, "JSON")?)
}

/// Writes a JSON file atomically.
///
/// # Errors
///
/// As [`to_json`] and [`write_atomic`].
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), CoreError> {
    write_atomic(path, to_json(value)?.as_bytes())
}

fn read_text(path: &Path, format: &'static str) -> Result<String, CoreError> {
    String::from_utf8(read_limited(path, MAX_TEXT_BYTES)?).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        CoreError::Parse {
            format,
            path: path.to_owned(),
            line: 1 + before.iter().filter(|&&b| b == b'\n').count(),
            message: "the text is not UTF-8".to_owned(),
        }
    })
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&b| b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        beta: f64,
        layers: Vec<u32>,
    }

    const GOOD: &str = "beta = 0.1\nlayers = [784, 400]\n";

    #[test]
    fn toml_round_trip_and_errors_with_lines() {
        let path = Path::new("model.toml");
        let config: Config = from_toml(path, GOOD).expect("parses");
        assert_eq!(
            from_toml::<Config>(path, &to_toml(&config).expect("writes")).expect("re-reads"),
            config
        );
        for (text, line, word) in [
            ("beta = 0.1\nlayers = []\ngamma = 1\n", 3, "gamma"),
            ("beta = 0.1\nlayers = [1,\n", 2, ""),
            ("beta = 'x'\nlayers = []\n", 1, "expected"),
        ] {
            let error = from_toml::<Config>(path, text).expect_err("bad");
            let shown = error.to_string();
            assert!(
                shown.contains("model.toml") && shown.contains(word),
                "{shown}"
            );
            match error {
                CoreError::Parse { line: found, .. } => assert!(found >= line, "{shown}"),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn json_keeps_every_bit_of_a_float() {
        let config = Config {
            beta: 0.1 + 0.2,
            layers: vec![],
        };
        let text = to_json(&config).expect("writes");
        let back: Config = from_json(Path::new("x.json"), &text).expect("reads");
        assert_eq!(back.beta.to_bits(), config.beta.to_bits());
        let error = from_json::<Config>(Path::new("x.json"), "{\n \"betta\": 1}").expect_err("bad");
        assert!(error.to_string().starts_with("x.json:2:"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error_with_a_line() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("bad.toml");
        std::fs::write(&path, b"beta = 1\n\xff\xfe").expect("writes");
        let error = read_toml::<Config>(&path)
            .expect_err("not UTF-8")
            .to_string();
        assert!(error.contains("bad.toml:2:"), "{error}");
        let deep = "[".repeat(1 << 16);
        assert!(from_json::<serde_json::Value>(&path, &deep).is_err());
        assert!(from_toml::<Config>(&path, &format!("beta = {deep}")).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,200}") {
            let origin = Path::new("any");
            prop_assert!(from_toml::<Config>(origin, &text).is_err());
            prop_assert!(from_json::<Config>(origin, &text).is_err());
        }
    }
}
