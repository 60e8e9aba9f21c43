//! The numbers of the chapter on robust VAEs, per tier.

use crate::Tier;
use serde::{Deserialize, Serialize};

/// Everything that the chapter's numbers depend on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ChapterConfig {
    /// Replicates.
    pub num_seeds: usize,
}

impl ChapterConfig {
    /// The configuration of a tier.
    pub fn at(_tier: Tier) -> Self {
        Self { num_seeds: 3 }
    }
}
