//! How much of an experiment is run.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The size of a run. The code path is the same; only the configuration differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Seconds: does every part work?
    Smoke,
    /// Minutes on two cores: do the claims hold in small?
    #[default]
    Desk,
    /// The sources' sizes: hours, better on a GPU.
    Paper,
}

impl Tier {
    /// Name in folders, records and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Desk => "desk",
            Self::Paper => "paper",
        }
    }
}
