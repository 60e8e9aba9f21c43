//! The probability p₀ of staying inside the ball without an attack, and κ.
//!
//! For: keeping the plug-in estimate and the Clopper-Pearson limit apart by name, because only the
//! second may enter a certificate. Not for sampling.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check_open_unit, invalid};
use crate::evidence::Evidence;
use crate::special::probit;
use crate::stats::{clopper_pearson_lower, clopper_pearson_upper};

/// Latent safety radius in units of σ, clamped at zero; NaN when an argument is NaN.
///
/// # Formula
/// ```text
/// κ = max(0, Φ⁻¹(p₀) − Φ⁻¹(m))
/// ```
///
/// # References
/// Theorem 6.1 at m = ½; the level term is tight for half-spaces.
#[must_use]
pub fn kappa(p0: f64, m: f64) -> f64 {
    clamp_at_zero(probit(p0) - probit(m))
}

/// `f64::max` would turn a NaN into a zero that looks like a measured margin.
fn clamp_at_zero(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

/// Where a value of p₀ comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum ProbabilitySource {
    /// Known exactly, or fixed by choice of r.
    Exact,
    /// Estimate p̂ clipped away from 0 and 1; for figures only.
    PlugIn {
        /// Samples inside the ball.
        num_inside: u64,
        /// Samples drawn.
        num_samples: u64,
    },
    /// One-sided lower Clopper-Pearson limit; for certificates.
    ClopperPearson {
        /// Samples inside the ball.
        num_inside: u64,
        /// Samples drawn.
        num_samples: u64,
        /// Risk that the limit exceeds the true probability.
        alpha: f64,
    },
}

impl ProbabilitySource {
    /// Label of a statement that is exact apart from this probability.
    #[must_use]
    pub fn evidence(self) -> Evidence {
        match self {
            Self::Exact => Evidence::Sound,
            Self::PlugIn { .. } => Evidence::Empirical,
            Self::ClopperPearson { alpha, .. } => Evidence::SoundWithConfidence {
                confidence: 1.0 - alpha,
            },
        }
    }
}

/// Probability p₀ that an unperturbed reconstruction stays inside the ball, and its complement.
///
/// Both tails are kept, because Φ⁻¹ near one needs the failure probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptanceProbability {
    value: f64,
    failure: f64,
    source: ProbabilitySource,
}

impl AcceptanceProbability {
    /// A probability that is known or chosen.
    ///
    /// # Errors
    /// When `p0` is outside [0, 1].
    pub fn exact(p0: f64) -> Result<Self> {
        if (0.0..=1.0).contains(&p0) {
            Ok(Self {
                value: p0,
                failure: 1.0 - p0,
                source: ProbabilitySource::Exact,
            })
        } else {
            Err(invalid(
                "AcceptanceProbability::exact",
                "p0",
                "in [0, 1]",
                p0,
            ))
        }
    }

    /// The estimate itself, clipped to [1/(2N), 1 − 1/(2N)] so that a sample without failures
    /// gives a finite number. It proves nothing: use it for figures, never for a certificate.
    ///
    /// # Errors
    /// When N = 0 or more samples are inside than were drawn.
    pub fn plug_in(num_inside: u64, num_samples: u64) -> Result<Self> {
        const OP: &str = "AcceptanceProbability::plug_in";
        if num_samples == 0 || num_inside > num_samples {
            let found = format!("{num_inside} of {num_samples}");
            return Err(invalid(
                OP,
                "num_inside",
                "at most num_samples, which is at least 1",
                found,
            ));
        }
        let n = num_samples as f64;
        let clip = |count: u64| (count as f64).clamp(0.5, n - 0.5) / n;
        let source = ProbabilitySource::PlugIn {
            num_inside,
            num_samples,
        };
        let (value, failure) = (clip(num_inside), clip(num_samples - num_inside));
        Ok(Self {
            value,
            failure,
            source,
        })
    }

    /// Lower Clopper-Pearson limit: the true p₀ is at least this with confidence 1 − α.
    ///
    /// N must have been fixed before sampling.
    ///
    /// # Errors
    /// When N = 0, more samples are inside than were drawn, or `alpha` is not in (0, 1).
    ///
    /// # References
    /// Clopper and Pearson (1934); Cohen et al. (2019), section 3.2.2.
    pub fn clopper_pearson(num_inside: u64, num_samples: u64, alpha: f64) -> Result<Self> {
        let value = clopper_pearson_lower(num_inside, num_samples, alpha)?;
        let failure = clopper_pearson_upper(num_samples - num_inside, num_samples, alpha)?;
        let source = ProbabilitySource::ClopperPearson {
            num_inside,
            num_samples,
            alpha,
        };
        Ok(Self {
            value,
            failure,
            source,
        })
    }

    /// p₀.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// 1 − p₀, accurate when it is small.
    #[must_use]
    pub fn failure(&self) -> f64 {
        self.failure
    }

    /// Where the value comes from.
    #[must_use]
    pub fn source(&self) -> ProbabilitySource {
        self.source
    }

    /// κ at risk level m, from whichever tail is smaller.
    ///
    /// # Errors
    /// When `m` is not in (0, 1).
    pub fn kappa(&self, m: f64) -> Result<f64> {
        check_open_unit("AcceptanceProbability::kappa", "m", m)?;
        let quantile = if self.failure < self.value {
            -probit(self.failure)
        } else {
            probit(self.value)
        };
        Ok(clamp_at_zero(quantile - probit(m)))
    }
}
