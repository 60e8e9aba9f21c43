//! The one error type of this crate: what failed, on which file, and what to do about it.
//!
//! Other crates wrap [`CoreError`] in their own enums; nothing here knows about models or data.

use std::fmt;
use std::path::PathBuf;

/// Everything that can go wrong with files, codecs and configurations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The operating system refused a file operation.
    #[error("could not {op} {}: {source}; {}", path.display(), io_advice(source))]
    Io {
        /// What was being done, as a verb phrase.
        op: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// Something is larger than the caller allows.
    #[error(
        "{name}: {found} bytes, expected at most {limit}; \
         it is not the file that it should be, or the limit must be raised on purpose"
    )]
    TooLarge {
        /// File or field.
        name: String,
        /// Size found (for a stream, the size at which reading stopped).
        found: u64,
        /// Largest size allowed.
        limit: u64,
    },

    /// A text file does not parse, or does not fit the type that it is read as.
    #[error("{}:{line}: not valid {format}: {message}; correct the line and run again", path.display())]
    Parse {
        /// TOML, JSON or JSONL.
        format: &'static str,
        /// The file, or a name for text that has none.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The parser's reason.
        message: String,
    },

    /// A value cannot be written in a format.
    #[error("could not write {name} as {format}: {message}")]
    Encode {
        /// The target format.
        format: &'static str,
        /// What was being written.
        name: String,
        /// The serializer's reason.
        message: String,
    },

    /// A binary artifact's header or payload is not what it should be.
    #[error("artifact {name}: expected {expected}, found {found}; {advice}")]
    Artifact {
        /// Which part: magic, kind, version, length, sha256, payload.
        name: &'static str,
        /// What the reader wants.
        expected: String,
        /// What the bytes hold.
        found: String,
        /// What to do.
        advice: &'static str,
    },

    /// A configuration has one or more impossible values; all of them are listed.
    #[error("{}: {violations}", path.display())]
    Config {
        /// The file, or a name for a configuration that has none.
        path: PathBuf,
        /// Everything that is wrong, in the order of the keys.
        violations: Violations,
    },
}

impl CoreError {
    /// Wraps an operating-system error with the operation and the path.
    pub fn io(op: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            op,
            path: path.into(),
            source,
        }
    }
}

/// One impossible configuration value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Dotted key, as in the file (`train.batch_size`).
    pub key: String,
    /// What would be right.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl Violation {
    /// Makes a violation from anything that can be shown.
    pub fn new(key: &str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self {
            key: key.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, found {}",
            self.key, self.expected, self.found
        )
    }
}

/// A non-empty list of violations that prints one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 {
            "value is"
        } else {
            "values are"
        };
        write!(f, "{} configuration {noun} impossible", self.0.len())?;
        for violation in &self.0 {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

/// The sentence that tells a user what to do about an operating-system error.
fn io_advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "check the path",
        ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space or choose another folder; nothing was left half written"
        }
        ErrorKind::ReadOnlyFilesystem => "choose a folder that can be written",
        _ => "check the path and the disk",
    }
}
