//! The numbers of the chapter on robust VAEs, per tier.

use super::figures::{
    AttackPicturesConfig, DownstreamConfig, PortraitsConfig, RotationConfig, SwissRollConfig,
};
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
    /// Images and models of figures 5.1 and 5.3.
    pub portraits: PortraitsConfig,
    /// Figure 5.1.
    pub attack_pictures: AttackPicturesConfig,
    /// Figure 5.2.
    pub swiss_roll: SwissRollConfig,
    /// Figure 5.5.
    pub rotation: RotationConfig,
    /// Table 5.1.
    pub downstream: DownstreamConfig,
}

impl ChapterConfig {
    /// The configuration of a tier.
    pub fn at(tier: Tier) -> Self {
        Self {
            num_seeds: 3,
            grid: GridConfig::at(tier),
            portraits: PortraitsConfig::at(tier),
            attack_pictures: AttackPicturesConfig::at(tier),
            swiss_roll: SwissRollConfig::at(tier),
            rotation: RotationConfig::at(tier),
            downstream: DownstreamConfig::at(tier),
        }
    }
}
