//! The numbers of the chapter on robust VAEs, per tier.

use super::grid::GridConfig;
use crate::Tier;
use serde::{Deserialize, Serialize};

/// Everything that the chapter's numbers depend on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ChapterConfig {
    /// Replicates.
    pub num_seeds: usize,
    /// Figures 5.4, 5.6, 5.7 and D.1 to D.5.
    pub grid: GridConfig,
}

impl ChapterConfig {
    /// The configuration of a tier.
    pub fn at(tier: Tier) -> Self {
        Self {
            num_seeds: 3,
            grid: GridConfig::at(tier),
        }
    }
}
