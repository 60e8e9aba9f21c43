//! What a number about robustness is worth: measured, first-order, or proved.
//!
//! For: the label that every bound and margin carries, so that a first-order indicator is never
//! printed under the word "certificate". Not for the numbers themselves (see [`crate::margin`]).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of a robustness number, weakest claim first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Evidence {
    /// Measured with attacks or with a plug-in estimate; proves nothing by itself.
    Empirical,
    /// Theorem with its O(ε) term dropped; can be violated by curvature of the encoder.
    FirstOrder,
    /// Holds without approximation, given its stated assumptions and exact probabilities.
    Sound,
    /// Holds with at least this probability over the Monte Carlo draws, per input.
    SoundWithConfidence {
        /// 1 − α of the Clopper-Pearson limit that was used.
        confidence: f64,
    },
}

impl Evidence {
    /// Whether the number may be called a certificate.
    #[must_use]
    pub fn is_certificate(self) -> bool {
        matches!(self, Self::Sound | Self::SoundWithConfidence { .. })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empirical => f.write_str("empirical"),
            Self::FirstOrder => f.write_str("first order"),
            Self::Sound => f.write_str("sound"),
            Self::SoundWithConfidence { confidence } => {
                write!(f, "sound with confidence {confidence}")
            }
        }
    }
}
