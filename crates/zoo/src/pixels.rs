//! What a pixel is to a model: its range, and the likelihood that explains it.

use crate::checks::{check_bounds, check_likelihood};
use serde::{Deserialize, Serialize};
use vaegis_core::config::Checks;
use vaegis_nn::LikelihoodKind;

/// Standard deviation (or variance) of the Gaussian likelihood that the sources state.
const STATED_SIGMA: f64 = 0.1;

/// Which reading of the sources' preprocessing a model follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// What the text says: pixels in [−1, 1], Gaussian with σ = 0.1.
    #[default]
    Text,
    /// What the plotted numbers fit: grey pixels in [0, 1] with a Bernoulli likelihood, color as
    /// in the text, and attacked inputs kept in [0, 1] whatever the data's range.
    AsPlotted,
    /// The keys `bounds` and `likelihood`.
    Custom,
}

impl Profile {
    /// Whether attacks that go with the published numbers keep their inputs in [0, 1] instead of
    /// the data's range.
    pub fn attacks_in_unit_box(self) -> bool {
        self == Self::AsPlotted
    }
}

/// How the stated 0.1, "the variance of the decoder, σ", is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigmaKind {
    /// The symbol counts: a standard deviation.
    #[default]
    Std,
    /// The word counts: a variance.
    Var,
}

/// Pixel range and likelihood of a model, by profile or in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pixels {
    /// Where range and likelihood come from.
    pub profile: Profile,
    /// Reading of the profiles' 0.1.
    pub sigma_kind: SigmaKind,
    /// Lowest and highest pixel value; for the custom profile, where it defaults to [0, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<(f64, f64)>,
    /// p(x | z); for the custom profile, where it defaults to Bernoulli.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<LikelihoodKind>,
}

impl Pixels {
    /// A custom range and likelihood.
    pub fn custom(bounds: (f64, f64), likelihood: LikelihoodKind) -> Self {
        Self {
            profile: Profile::Custom,
            sigma_kind: SigmaKind::Std,
            bounds: Some(bounds),
            likelihood: Some(likelihood),
        }
    }

    /// One of the sources' profiles.
    pub fn of(profile: Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }

    /// Lowest and highest pixel value for images with this many channels.
    pub fn bounds(&self, channels: i64) -> (f64, f64) {
        match (self.profile, channels) {
            (Profile::Custom, _) => self.bounds.unwrap_or((0.0, 1.0)),
            (Profile::AsPlotted, 1) => (0.0, 1.0),
            _ => (-1.0, 1.0),
        }
    }

    /// p(x | z) for images with this many channels.
    pub fn likelihood(&self, channels: i64) -> LikelihoodKind {
        match (self.profile, channels) {
            (Profile::Custom, _) => self.likelihood.unwrap_or(LikelihoodKind::Bernoulli),
            (Profile::AsPlotted, 1) => LikelihoodKind::Bernoulli,
            _ => LikelihoodKind::Gaussian {
                sigma: match self.sigma_kind {
                    SigmaKind::Std => STATED_SIGMA,
                    SigmaKind::Var => STATED_SIGMA.sqrt(),
                },
            },
        }
    }

    /// Keys that contradict the profile, and impossible values.
    pub(crate) fn check(&self, checks: &mut Checks, channels: i64) {
        let is_custom = self.profile == Profile::Custom;
        for (key, is_set) in [
            ("pixels.bounds", self.bounds.is_some()),
            ("pixels.likelihood", self.likelihood.is_some()),
        ] {
            checks.require(
                key,
                is_custom || !is_set,
                "no such key beside a profile (use profile = \"custom\")",
                "a value",
            );
        }
        check_bounds(checks, "pixels.bounds", self.bounds(channels));
        check_likelihood(
            checks,
            "pixels.",
            self.likelihood(channels),
            self.bounds(channels),
        );
    }
}
