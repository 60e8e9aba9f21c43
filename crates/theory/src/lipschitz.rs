//! Margins of a VAE whose networks have known Lipschitz constants.
//!
//! For: certificates that hold for every input of a Lipschitz-constrained model, from the constants
//! a (decoder), b (encoder mean), c (encoder σ) alone: no sampling, no Jacobian, no O(ε) term.
//! They are sound exactly as far as the constants are. Not for making networks Lipschitz, and not
//! for the certificate that needs no decoder constant
//! ([`crate::margin::lipschitz_certificate`], called S1 in `docs/theory/certificates.md`): neither
//! family dominates, so compute both.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::chi_square_mixture;
use crate::error::{
    Result, check_non_negative, check_open_unit, check_positive, check_sample, invalid,
};
use crate::root::ridders;
use crate::special::{chi2_quantile, noncentral_chi2_cdf, probit};

/// Relative length of the final bracket of a root.
const ROOT_TOLERANCE: f64 = 1e-13;
/// Doublings of the chi-square tail argument; 2^60 is beyond every tail.
const MAX_DOUBLINGS: usize = 60;

/// L2 Lipschitz constants of a VAE.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LipschitzConstants {
    /// a: decoder z ↦ g(z), output non-linearity included.
    pub decoder: f64,
    /// b: encoder mean.
    pub mean: f64,
    /// c: encoder standard deviation; 0 when σ is constant.
    pub sigma: f64,
}

impl LipschitzConstants {
    fn check(&self, op: &'static str, r: f64, m: f64) -> Result<()> {
        check_positive(op, "decoder constant", self.decoder)?;
        check_non_negative(op, "mean constant", self.mean)?;
        check_non_negative(op, "sigma constant", self.sigma)?;
        check_positive(op, "r", r)?;
        check_open_unit(op, "m", m)
    }
}

/// Which random vector has to stay in the ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseVariant {
    /// V1: noise of σ(x), compared with g(μ(x)).
    MeanOnly,
    /// V2: noise of σ(x+δ), compared with g(μ(x)).
    MeanAndSigma,
    /// V3: both reconstructions sampled, with independent noise.
    TwoSample,
}

impl NoiseVariant {
    /// Variance of one latent's noise in the difference of the two codes, where its standard
    /// deviation is `sigma` at the input and `moved_sigma` at the perturbed one.
    ///
    /// Independent draws add their variances, so V3 with equal ones is V1 with √2 σ.
    ///
    /// # Formula
    /// ```text
    /// σ²,  σ'²,  σ'² + σ²   for V1, V2, V3
    /// ```
    #[must_use]
    pub fn variance(self, sigma: f64, moved_sigma: f64) -> f64 {
        match self {
            Self::MeanOnly => sigma * sigma,
            Self::MeanAndSigma => moved_sigma * moved_sigma,
            Self::TwoSample => moved_sigma * moved_sigma + sigma * sigma,
        }
    }
}

/// Margin m₁ of the two-sample criterion by Markov's inequality, as published.
///
/// Zero where the condition ‖σ(x)‖ < r √(1−m)/(2a) fails.
///
/// # Formula
/// ```text
/// m₁ = sup{t : a²[b²t² + (ct + 2‖σ‖)²]/r² ≤ 1 − m}
/// ```
///
/// # Errors
/// When a constant, `sigma_norm` or `r` is out of range, or `m` is not in (0, 1).
///
/// # References
/// Barrett, Camuto, Willetts and Rainforth (2022), "Certifiably robust variational autoencoders";
/// m = ½ is the published level.
pub fn markov_margin(
    constants: &LipschitzConstants,
    sigma_norm: f64,
    r: f64,
    m: f64,
) -> Result<f64> {
    const OP: &str = "markov_margin";
    constants.check(OP, r, m)?;
    check_non_negative(OP, "sigma_norm", sigma_norm)?;
    Ok(largest_t(constants, 2.0, 4.0, sigma_norm, r, m))
}

/// The same by Markov's inequality without the loose step ‖σ_δ‖² + ‖σ‖² ≤ (‖σ_δ‖ + ‖σ‖)².
///
/// # Formula
/// ```text
/// sup{t : a²[b²t² + (‖σ‖ + ct)² + ‖σ‖²]/r² ≤ 1 − m}
/// ```
///
/// # Errors
/// As for [`markov_margin`].
pub fn tight_markov_margin(
    constants: &LipschitzConstants,
    sigma_norm: f64,
    r: f64,
    m: f64,
) -> Result<f64> {
    const OP: &str = "tight_markov_margin";
    constants.check(OP, r, m)?;
    check_non_negative(OP, "sigma_norm", sigma_norm)?;
    Ok(largest_t(constants, 1.0, 2.0, sigma_norm, r, m))
}

/// Non-negative root of (b²+c²)t² + 2·`linear`·c‖σ‖t + `constant`·‖σ‖² = (1−m)r²/a².
fn largest_t(
    constants: &LipschitzConstants,
    linear: f64,
    constant: f64,
    sigma_norm: f64,
    r: f64,
    m: f64,
) -> f64 {
    let LipschitzConstants {
        decoder,
        mean,
        sigma,
    } = *constants;
    let room = (1.0 - m) * (r / decoder).powi(2) - constant * sigma_norm * sigma_norm;
    if room <= 0.0 {
        return 0.0;
    }
    let half = linear * sigma * sigma_norm;
    let square = mean * mean + sigma * sigma;
    // The rationalised root has no cancellation and includes b = c = 0, which gives +∞.
    room / (half + (half * half + square * room).sqrt())
}

/// Upper bound on P(χ²_d ≥ u), for d ≥ 2 and u > d − 2; `None` outside that domain.
///
/// # Formula
/// ```text
/// C(d) u^{d/2} e^{−u/2} / (u − d + 2),   C(d) = π^{−½} exp{½(d − (d−1) ln d)}
/// ```
///
/// # References
/// Inglot (2010), "Inequalities for quantiles of the chi-square distribution".
#[must_use]
pub fn chi_square_tail_bound(d: usize, u: f64) -> Option<f64> {
    let k = d as f64;
    if d < 2 || u.is_nan() || u <= k - 2.0 {
        return None;
    }
    let log = -0.5 * PI.ln() + 0.5 * (k - (k - 1.0) * k.ln()) + 0.5 * (k * u.ln() - u)
        - (u - k + 2.0).ln();
    Some(log.exp())
}

/// Standard deviation of the two-sample noise as a function of the length t of a perturbation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum NoiseScale {
    /// Constant σᵢ = γ: s² = 2γ².
    Constant {
        /// γ.
        gamma: f64,
    },
    /// General σ: s = ct + 2‖σ(x)‖.
    General {
        /// ‖σ(x)‖.
        sigma_norm: f64,
    },
}

/// Margin m₂ of the two-sample criterion by the tail bound for chi-squares, as published.
///
/// # Formula
/// ```text
/// m₂ = sup{t : tail(d_z, u(t)) ≤ 1 − m},   u(t) = (r/a − bt)²/s(t)²
/// ```
///
/// # Errors
/// As for [`markov_margin`], and when `latent_dim` is below 2.
///
/// # References
/// As for [`markov_margin`].
pub fn tail_margin(
    constants: &LipschitzConstants,
    latent_dim: usize,
    scale: NoiseScale,
    r: f64,
    m: f64,
) -> Result<f64> {
    const OP: &str = "tail_margin";
    constants.check(OP, r, m)?;
    if latent_dim < 2 {
        return Err(invalid(OP, "latent_dim", "at least 2", latent_dim));
    }
    // The bound falls in u on its whole domain, so the level has one u and t follows from it.
    let quantile = tail_quantile(OP, latent_dim, 1.0 - m)?.sqrt();
    let (offset, slope) = match scale {
        NoiseScale::Constant { gamma } => {
            check_non_negative(OP, "gamma", gamma)?;
            if constants.sigma > 0.0 {
                return Err(invalid(
                    OP,
                    "sigma constant",
                    "0 for a constant σ",
                    constants.sigma,
                ));
            }
            (2.0_f64.sqrt() * gamma, 0.0)
        }
        NoiseScale::General { sigma_norm } => {
            check_non_negative(OP, "sigma_norm", sigma_norm)?;
            (2.0 * sigma_norm, constants.sigma)
        }
    };
    let room = r / constants.decoder - offset * quantile;
    Ok(if room <= 0.0 {
        0.0
    } else {
        room / (constants.mean + slope * quantile)
    })
}

/// The u at which the tail bound equals `risk`.
fn tail_quantile(op: &'static str, d: usize, risk: f64) -> Result<f64> {
    let log_bound = |u: f64| chi_square_tail_bound(d, u).map_or(f64::INFINITY, f64::ln);
    let start = d as f64 - 2.0;
    let mut width = 1.0;
    for _ in 0..MAX_DOUBLINGS {
        if log_bound(start + width) < risk.ln() {
            break;
        }
        width *= 2.0;
    }
    // At the left end the bound is infinite; a sign is all that the search needs there.
    let excess = |u: f64| Ok((log_bound(u) - risk.ln()).min(1e3));
    ridders(op, (start, start + width), ROOT_TOLERANCE, excess)
}

/// Margin from the exact quantile of the noise instead of an inequality for it.
///
/// The reconstruction moves by at most a(bt + ‖noise‖) with noise ~ N(0, diag v(t)) at most, so the
/// criterion holds while bt + √Q_m(Σ vᵢ(t) Uᵢ²) ≤ r/a. For isotropic constant σ this is the closed
/// form (r/a − √2 γ √χ²_{d;m})₊/b; without the √2 for one noise.
///
/// # Formula
/// ```text
/// vᵢ(t) = σᵢ²,  (σᵢ+ct)²,  (σᵢ+ct)² + σᵢ²   for V1, V2, V3
/// ```
///
/// # Shapes
/// `sigma` `[d_z]`.
///
/// # Errors
/// As for [`markov_margin`], and when a sigma is negative or not finite.
pub fn quantile_margin(
    constants: &LipschitzConstants,
    sigma: &[f64],
    variant: NoiseVariant,
    r: f64,
    m: f64,
) -> Result<f64> {
    const OP: &str = "quantile_margin";
    constants.check(OP, r, m)?;
    check_sample(OP, "sigma", sigma, 1)?;
    sigma
        .iter()
        .try_for_each(|&s| check_non_negative(OP, "sigma", s))?;
    let reach = r / constants.decoder;
    let spread = |t: f64| {
        let variances: Vec<f64> = sigma
            .iter()
            .map(|&s| variant.variance(s, s + constants.sigma * t))
            .collect();
        noise_quantile(&variances, m)
    };
    let still = spread(0.0)?;
    if still >= reach {
        return Ok(0.0);
    }
    let constant_noise = constants.sigma == 0.0 || variant == NoiseVariant::MeanOnly;
    if constant_noise {
        return Ok((reach - still) / constants.mean);
    }
    // With V2 and V3 one latent's noise grows at rate c at least, which bounds the root.
    let rate = constants.mean + constants.sigma * chi2_quantile(m, 1.0).sqrt();
    let end = reach / rate;
    ridders(OP, (0.0, end), ROOT_TOLERANCE, |t| {
        Ok(constants.mean * t + spread(t)? - reach)
    })
}

/// Largest margin that the constants alone can give when σᵢ = γ for every latent and input.
///
/// The latent difference is N(Δ, s²I) with ‖Δ‖ ≤ bt, so its length has a non-central chi-square law
/// and no inequality is needed but the decoder's. At least every other two-sample margin here,
/// which add lengths or squares instead.
///
/// # Formula
/// ```text
/// sup{t : P(χ²_d(b²t²/s²) ≤ r²/(a²s²)) ≥ m},   s² = γ² for V1 and V2, 2γ² for V3
/// ```
///
/// # Errors
/// As for [`markov_margin`], when `gamma` is not positive, `latent_dim` is 0, or the constant of σ
/// is not 0.
pub fn isotropic_margin(
    constants: &LipschitzConstants,
    gamma: f64,
    latent_dim: usize,
    variant: NoiseVariant,
    r: f64,
    m: f64,
) -> Result<f64> {
    const OP: &str = "isotropic_margin";
    constants.check(OP, r, m)?;
    check_positive(OP, "gamma", gamma)?;
    if latent_dim == 0 {
        return Err(invalid(OP, "latent_dim", "at least 1", latent_dim));
    }
    if constants.sigma > 0.0 {
        return Err(invalid(
            OP,
            "sigma constant",
            "0 for a constant σ",
            constants.sigma,
        ));
    }
    let scale = match variant {
        NoiseVariant::MeanOnly | NoiseVariant::MeanAndSigma => gamma,
        NoiseVariant::TwoSample => 2.0_f64.sqrt() * gamma,
    };
    let reach = r / (constants.decoder * scale);
    let dof = latent_dim as f64;
    let excess = |shift: f64| noncentral_chi2_cdf(reach * reach, dof, shift * shift) - m;
    if excess(0.0) <= 0.0 {
        return Ok(0.0);
    }
    // Along the shift alone the noise is normal: beyond this point not even that stays inside.
    let end = reach - probit(m);
    // In one dimension and far out the two differ by less than rounding.
    if excess(end) >= 0.0 {
        return Ok(end * scale / constants.mean);
    }
    let shift = ridders(OP, (0.0, end), ROOT_TOLERANCE, |shift| Ok(excess(shift)))?;
    Ok(shift * scale / constants.mean)
}

fn noise_quantile(variances: &[f64], m: f64) -> Result<f64> {
    Ok(chi_square_mixture::quantile(m, variances)?.sqrt())
}

/// All margins of this module for one input of a model with isotropic constant σ = γ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LipschitzMargins {
    /// m₁ as published.
    #[serde(with = "vaegis_core::codec::float")]
    pub markov: f64,
    /// Markov without the loose step.
    #[serde(with = "vaegis_core::codec::float")]
    pub tight_markov: f64,
    /// m₂ as published.
    #[serde(with = "vaegis_core::codec::float")]
    pub tail: f64,
    /// Exact two-sample quantile.
    #[serde(with = "vaegis_core::codec::float")]
    pub two_sample: f64,
    /// Exact one-sample quantile, for V1 and V2; never compare it with the four others.
    #[serde(with = "vaegis_core::codec::float")]
    pub mean_only: f64,
}

impl LipschitzMargins {
    /// Margins of a model with constant σᵢ = `gamma`, the same for every input.
    ///
    /// # Errors
    /// As for [`markov_margin`], when `latent_dim` is below 2, or when the constant of σ is not 0.
    pub fn constant_sigma(
        constants: &LipschitzConstants,
        gamma: f64,
        latent_dim: usize,
        r: f64,
        m: f64,
    ) -> Result<Self> {
        let tail = tail_margin(constants, latent_dim, NoiseScale::Constant { gamma }, r, m)?;
        let sigma = vec![gamma; latent_dim];
        let norm = gamma * (latent_dim as f64).sqrt();
        Ok(Self {
            markov: markov_margin(constants, norm, r, m)?,
            tight_markov: tight_markov_margin(constants, norm, r, m)?,
            tail,
            two_sample: quantile_margin(constants, &sigma, NoiseVariant::TwoSample, r, m)?,
            mean_only: quantile_margin(constants, &sigma, NoiseVariant::MeanOnly, r, m)?,
        })
    }

    /// Margins at an input with standard deviations `sigma` and a c-Lipschitz σ network.
    ///
    /// # Shapes
    /// `sigma` `[d_z]`.
    ///
    /// # Errors
    /// As for [`markov_margin`] and [`tail_margin`].
    pub fn at_input(constants: &LipschitzConstants, sigma: &[f64], r: f64, m: f64) -> Result<Self> {
        let sigma_norm = sigma.iter().map(|s| s * s).sum::<f64>().sqrt();
        let scale = NoiseScale::General { sigma_norm };
        Ok(Self {
            markov: markov_margin(constants, sigma_norm, r, m)?,
            tight_markov: tight_markov_margin(constants, sigma_norm, r, m)?,
            tail: tail_margin(constants, sigma.len(), scale, r, m)?,
            two_sample: quantile_margin(constants, sigma, NoiseVariant::TwoSample, r, m)?,
            mean_only: quantile_margin(constants, sigma, NoiseVariant::MeanOnly, r, m)?,
        })
    }

    /// The published certificate max(m₁, m₂).
    #[must_use]
    pub fn published(&self) -> f64 {
        self.markov.max(self.tail)
    }

    /// The largest two-sample margin of these; every one of them is sound. None dominates: Markov
    /// adds squares of mean and noise, the quantile form adds lengths.
    #[must_use]
    pub fn best_two_sample(&self) -> f64 {
        self.published().max(self.tight_markov).max(self.two_sample)
    }
}
