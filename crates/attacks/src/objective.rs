//! What an attack minimizes, without the norm penalty, as a value that can be
//! written to a file.

use crate::{AttackError, HierMode, Layers};
use serde::{Deserialize, Serialize};

/// Order of the arguments of the Kullback-Leibler divergence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// KL(attacked ‖ target), as in the Seatbelt paper.
    #[default]
    Forward,
    /// KL(target ‖ attacked).
    Reverse,
    /// The sum of both.
    Symmetric,
}

/// Which random vector the maximum-damage attack pushes away from the
/// reference reconstruction (r-robustness, four readings of equation 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// V1: g(μ(x+δ) + η σ(x)) − g(μ(x)); only the mean is attacked. The margin
    /// bounds hold for this one.
    MeanOnly,
    /// g(μ(x) + η σ(x+δ)) − g(μ(x)); only the scale is attacked.
    SigmaOnly,
    /// V2: g(μ(x+δ) + η σ(x+δ)) − g(μ(x)).
    #[default]
    Both,
    /// V3: g(μ(x+δ) + η₁ σ(x+δ)) − g(μ(x) + η₂ σ(x)).
    TwoSample,
}

/// Whether the noise inside an objective is drawn once or at every evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseMode {
    /// Common random numbers: drawn once per row, so that the objective is a
    /// function and line searches work.
    #[default]
    Common,
    /// Drawn anew at every evaluation, as the sources' algorithms do.
    Fresh,
}

/// What is minimized over the distortion d, without its penalty.
///
/// # Formula
/// ```text
/// latent-kl    Σ_l KL( q(z_l|x+d) ‖ q(z_l|xᵗ) )
/// latent-w2    Σ_l W₂( q(z_l|x+d), q(z_l|xᵗ) )
/// output-elbo  −E_{q(z|x+d)} log p(xᵗ|z) + KL( q(z|x+d) ‖ p(z) )
/// output-l2    E_{q(z|x+d)} ‖g(z) − xᵗ‖²
/// max-damage   −E_η ‖Δ(x, d, η)‖₂, Δ as its variant says
/// ```
///
/// # References
/// Seatbelt specification §2 (latent and output attacks); r-robustness paper,
/// equation 6.1, and its specification §4.4 (maximum damage).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Objective {
    /// Σ_layers KL( q(z|x+d) ‖ q(z|xᵗ) ).
    LatentKl {
        /// Layers that enter the sum.
        #[serde(default)]
        layers: Layers,
        /// Order of the arguments.
        #[serde(default)]
        direction: Direction,
        /// Points of the lower layers at which upper ones are compared.
        #[serde(default, rename = "hier-mode")]
        hier_mode: HierMode,
    },
    /// Σ_layers W₂( q(z|x+d), q(z|xᵗ) ), or its square.
    LatentW2 {
        /// Layers that enter the sum.
        #[serde(default)]
        layers: Layers,
        /// The squared distance.
        #[serde(default)]
        squared: bool,
        /// Points of the lower layers at which upper ones are compared.
        #[serde(default, rename = "hier-mode")]
        hier_mode: HierMode,
    },
    /// −E_{q(z|x+d)} log p(xᵗ|z) + KL( q(z|x+d) ‖ p(z) ): minus the target's ELBO
    /// under the attacked posterior.
    OutputElbo {
        /// Noise draws per evaluation.
        #[serde(default = "one")]
        samples: usize,
    },
    /// E ‖g(z) − xᵗ‖²; with `samples = 0` at the posterior's mean.
    OutputL2 {
        /// Noise draws per evaluation; 0 means z = μ.
        #[serde(default)]
        samples: usize,
    },
    /// −E ‖Δ‖₂ of the chosen variant: the untargeted maximum-damage attack.
    MaxDamage {
        /// Which channel of the encoder is attacked.
        #[serde(default)]
        variant: Variant,
        /// Noise draws per evaluation.
        #[serde(default = "four")]
        samples: usize,
    },
}

fn one() -> usize {
    1
}

fn four() -> usize {
    4
}

impl Objective {
    /// The latent KL attack on all layers.
    pub const LATENT_KL: Self = Self::LatentKl {
        layers: Layers::All,
        direction: Direction::Forward,
        hier_mode: HierMode::Mean,
    };

    /// The latent 2-Wasserstein attack on all layers.
    pub const LATENT_W2: Self = Self::LatentW2 {
        layers: Layers::All,
        squared: false,
        hier_mode: HierMode::Mean,
    };

    /// The output attack with one noise draw.
    pub const OUTPUT_ELBO: Self = Self::OutputElbo { samples: 1 };

    /// Whether the objective needs a target input.
    pub fn is_targeted(&self) -> bool {
        match self {
            Self::LatentKl { .. }
            | Self::LatentW2 { .. }
            | Self::OutputElbo { .. }
            | Self::OutputL2 { .. } => true,
            Self::MaxDamage { .. } => false,
        }
    }

    /// Short name in records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LatentKl { .. } => "latent-kl",
            Self::LatentW2 { squared: false, .. } => "latent-w2",
            Self::LatentW2 { squared: true, .. } => "latent-w2-squared",
            Self::OutputElbo { .. } => "output-elbo",
            Self::OutputL2 { .. } => "output-l2",
            Self::MaxDamage {
                variant: Variant::MeanOnly,
                ..
            } => "max-damage-mu",
            Self::MaxDamage {
                variant: Variant::SigmaOnly,
                ..
            } => "max-damage-sigma",
            Self::MaxDamage {
                variant: Variant::Both,
                ..
            } => "max-damage",
            Self::MaxDamage {
                variant: Variant::TwoSample,
                ..
            } => "max-damage-two-sample",
        }
    }

    /// Layers that enter a latent objective; none for the others.
    pub fn layers(&self) -> Option<Layers> {
        match *self {
            Self::LatentKl { layers, .. } | Self::LatentW2 { layers, .. } => Some(layers),
            Self::OutputElbo { .. } | Self::OutputL2 { .. } | Self::MaxDamage { .. } => None,
        }
    }

    /// Order of the arguments of a Kullback-Leibler objective; none for the others.
    pub fn direction(&self) -> Option<Direction> {
        match *self {
            Self::LatentKl { direction, .. } => Some(direction),
            Self::LatentW2 { .. }
            | Self::OutputElbo { .. }
            | Self::OutputL2 { .. }
            | Self::MaxDamage { .. } => None,
        }
    }

    /// Noise draws per row and evaluation.
    pub fn num_samples(&self) -> usize {
        match *self {
            Self::LatentKl { hier_mode, .. } | Self::LatentW2 { hier_mode, .. } => {
                hier_mode.num_samples()
            }
            Self::OutputElbo { samples }
            | Self::OutputL2 { samples }
            | Self::MaxDamage { samples, .. } => samples,
        }
    }

    /// Network rows that what a row is compared with takes, computed once per row: the draws of
    /// its target's chains or of its own reconstruction, one where no noise enters.
    pub(crate) fn reference_samples(&self) -> usize {
        let samples = match self {
            Self::LatentKl { .. } | Self::LatentW2 { .. } => self.num_samples(),
            Self::MaxDamage {
                variant: Variant::TwoSample,
                samples,
            } => *samples,
            // Targets are images here, and other damage is measured from the decoded mean.
            Self::OutputElbo { .. } | Self::OutputL2 { .. } | Self::MaxDamage { .. } => 1,
        };
        samples.max(1)
    }

    /// The same objective with another number of noise draws.
    #[must_use]
    pub fn with_samples(self, samples: usize) -> Self {
        match self {
            Self::OutputElbo { .. } => Self::OutputElbo { samples },
            Self::OutputL2 { .. } => Self::OutputL2 { samples },
            Self::MaxDamage { variant, .. } => Self::MaxDamage { variant, samples },
            Self::LatentKl { hier_mode, .. } | Self::LatentW2 { hier_mode, .. } => {
                match hier_mode {
                    HierMode::Crn { .. } => self.with_hier_mode(HierMode::Crn { samples }),
                    HierMode::Mean => self,
                }
            }
        }
    }

    /// How a latent objective goes through the lower layers; none for the others.
    pub fn hier_mode(&self) -> Option<HierMode> {
        match *self {
            Self::LatentKl { hier_mode, .. } | Self::LatentW2 { hier_mode, .. } => Some(hier_mode),
            Self::OutputElbo { .. } | Self::OutputL2 { .. } | Self::MaxDamage { .. } => None,
        }
    }

    /// The same latent objective with another way through the lower layers; other objectives
    /// stay as they are.
    #[must_use]
    pub fn with_hier_mode(mut self, mode: HierMode) -> Self {
        if let Self::LatentKl { hier_mode, .. } | Self::LatentW2 { hier_mode, .. } = &mut self {
            *hier_mode = mode;
        }
        self
    }

    /// The same latent objective on other layers; other objectives stay as they are.
    #[must_use]
    pub fn with_layers(mut self, chosen: Layers) -> Self {
        if let Self::LatentKl { layers, .. } | Self::LatentW2 { layers, .. } = &mut self {
            *layers = chosen;
        }
        self
    }

    /// Checks the numbers inside; [`crate::Attack::check`] calls this.
    ///
    /// # Errors
    /// Zero samples where an expectation is needed.
    pub fn check(&self) -> Result<(), AttackError> {
        match self {
            Self::OutputElbo { samples: 0 }
            | Self::MaxDamage { samples: 0, .. }
            | Self::LatentKl {
                hier_mode: HierMode::Crn { samples: 0 },
                ..
            }
            | Self::LatentW2 {
                hier_mode: HierMode::Crn { samples: 0 },
                ..
            } => Err(AttackError::BadInput {
                name: "objective.samples",
                expected: "at least 1".into(),
                found: "0".into(),
            }),
            _ => Ok(()),
        }
    }
}
