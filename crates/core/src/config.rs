//! Configuration files: unknown keys are rejected, and all impossible values are listed at once.
//!
//! The types live where they are used; this module only knows how to load and to judge them.

use std::fmt::Display;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::codec::read_toml;
use crate::error::{CoreError, Violation, Violations};

/// A configuration that can say everything that is wrong with it.
pub trait Validate {
    /// Returns every violation, in the order of the keys; an empty list means valid.
    fn violations(&self) -> Vec<Violation>;
}

/// Collects violations; the building block of [`Validate::violations`].
///
/// ```
/// use vaegis_core::config::Checks;
///
/// let mut checks = Checks::new();
/// checks.positive("beta", -1.0).at_least("batch_size", 0, 1);
/// assert_eq!(checks.into_violations().len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Checks {
    violations: Vec<Violation>,
}

impl Checks {
    /// Starts with nothing wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires `ok`; `expected` says in words what would be right.
    pub fn require(
        &mut self,
        key: &str,
        ok: bool,
        expected: impl Display,
        found: impl Display,
    ) -> &mut Self {
        if !ok {
            self.violations.push(Violation::new(key, expected, found));
        }
        self
    }

    /// Requires a finite number above zero.
    pub fn positive(&mut self, key: &str, value: f64) -> &mut Self {
        self.require(
            key,
            value.is_finite() && value > 0.0,
            "a finite number above 0",
            value,
        )
    }

    /// Requires a finite number that is not below zero.
    pub fn non_negative(&mut self, key: &str, value: f64) -> &mut Self {
        self.require(
            key,
            value.is_finite() && value >= 0.0,
            "a finite number of at least 0",
            value,
        )
    }

    /// Requires a number in a closed interval; NaN is never inside.
    pub fn within(&mut self, key: &str, value: f64, low: f64, high: f64) -> &mut Self {
        let ok = value >= low && value <= high;
        self.require(key, ok, format!("a number from {low} to {high}"), value)
    }

    /// Requires a number strictly between two others.
    pub fn between(&mut self, key: &str, value: f64, low: f64, high: f64) -> &mut Self {
        let ok = value > low && value < high;
        self.require(
            key,
            ok,
            format!("a number above {low} and below {high}"),
            value,
        )
    }

    /// Requires a count of at least `least`.
    pub fn at_least(&mut self, key: &str, value: usize, least: usize) -> &mut Self {
        self.require(
            key,
            value >= least,
            format!("a whole number of at least {least}"),
            value,
        )
    }

    /// Adds the violations of a nested configuration under `prefix`.
    pub fn nested(&mut self, prefix: &str, inner: &impl Validate) -> &mut Self {
        for violation in inner.violations() {
            let key = format!("{prefix}.{}", violation.key);
            self.violations.push(Violation { key, ..violation });
        }
        self
    }

    /// Ends the collection.
    pub fn into_violations(self) -> Vec<Violation> {
        self.violations
    }
}

/// Passes a valid configuration through; `origin` is the file named in the error.
///
/// # Errors
///
/// [`CoreError::Config`] with all violations.
pub fn validated<T: Validate>(origin: &Path, config: T) -> Result<T, CoreError> {
    let violations = config.violations();
    if violations.is_empty() {
        Ok(config)
    } else {
        Err(CoreError::Config {
            path: origin.to_owned(),
            violations: Violations(violations),
        })
    }
}

/// Loads and validates a TOML configuration.
///
/// # Errors
///
/// [`CoreError::Parse`] for syntax, missing or unknown keys; [`CoreError::Config`] for values.
pub fn load_toml<T: DeserializeOwned + Validate>(path: &Path) -> Result<T, CoreError> {
    validated(path, read_toml(path)?)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Train {
        batch_size: usize,
        learning_rate: f64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        beta: f64,
        risk: f64,
        train: Train,
    }

    impl Validate for Train {
        fn violations(&self) -> Vec<Violation> {
            let mut checks = Checks::new();
            checks
                .at_least("batch_size", self.batch_size, 1)
                .positive("learning_rate", self.learning_rate);
            checks.into_violations()
        }
    }

    impl Validate for Config {
        fn violations(&self) -> Vec<Violation> {
            let mut checks = Checks::new();
            checks
                .non_negative("beta", self.beta)
                .between("risk", self.risk, 0.0, 1.0)
                .nested("train", &self.train);
            checks.into_violations()
        }
    }

    fn load(text: &str) -> Result<Config, CoreError> {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("run.toml");
        std::fs::write(&path, text).expect("writes");
        load_toml(&path)
    }

    #[test]
    fn a_valid_file_loads() {
        let config =
            load("beta = 4.0\nrisk = 0.05\n[train]\nbatch_size = 128\nlearning_rate = 1e-3");
        assert_eq!(config.expect("valid").train.batch_size, 128);
    }

    #[test]
    fn all_violations_are_listed_with_their_keys() {
        let error = load("beta = -1.0\nrisk = nan\n[train]\nbatch_size = 0\nlearning_rate = inf")
            .expect_err("four are wrong");
        let CoreError::Config { violations, .. } = &error else {
            panic!("{error}")
        };
        let keys: Vec<&str> = violations.0.iter().map(|v| v.key.as_str()).collect();
        assert_eq!(
            keys,
            ["beta", "risk", "train.batch_size", "train.learning_rate"]
        );
        let text = error.to_string();
        assert!(
            text.contains("run.toml") && text.contains("found NaN"),
            "{text}"
        );
    }

    #[test]
    fn unknown_and_missing_keys_are_named() {
        let unknown =
            "beta = 1.0\nrisk = 0.1\nbta = 2\n[train]\nbatch_size = 1\nlearning_rate = 1.0";
        assert!(
            load(unknown)
                .expect_err("unknown")
                .to_string()
                .contains("bta")
        );
        assert!(
            load("beta = 1.0\nrisk = 0.1")
                .expect_err("missing")
                .to_string()
                .contains("train")
        );
    }
}
