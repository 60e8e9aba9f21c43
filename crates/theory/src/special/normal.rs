//! Standard normal distribution and its quantile (probit), accurate in both tails.
//!
//! Not for multivariate normals.

use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc_inv;

use super::gamma::{gamma_inc, gamma_inc_upper};

/// 1/√(2π).
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// Density of the standard normal distribution.
#[must_use]
pub fn normal_pdf(x: f64) -> f64 {
    FRAC_1_SQRT_2PI * (-0.5 * x * x).exp()
}

/// Distribution function Φ of the standard normal.
///
/// # Formula
/// ```text
/// Φ(x) = ½ erfc(−x/√2) = ½ Q(½, x²/2) for x ≤ 0
/// ```
#[must_use]
pub fn normal_cdf(x: f64) -> f64 {
    // The error function of statrs is off by 7e-11 in the far tail, the incomplete gamma is not.
    if x < 0.0 {
        0.5 * gamma_inc_upper(0.5, 0.5 * x * x)
    } else {
        0.5 + 0.5 * gamma_inc(0.5, 0.5 * x * x)
    }
}

/// Survival function 1 − Φ(x), without cancellation for large x.
#[must_use]
pub fn normal_sf(x: f64) -> f64 {
    normal_cdf(-x)
}

/// Probit Φ⁻¹(p); −∞ at 0, +∞ at 1 and NaN outside [0, 1].
///
/// Near p = 1 the result is as good as `1 - p` is; [`probit_from_failures`] avoids the
/// subtraction when the failures are known.
#[must_use]
pub fn probit(p: f64) -> f64 {
    if p <= 0.5 {
        lower_quantile(p)
    } else {
        -lower_quantile(1.0 - p)
    }
}

/// Probit of 1 − q, from the failure probability q itself.
///
/// # Formula
/// ```text
/// Φ⁻¹(1 − q) = −Φ⁻¹(q)
/// ```
#[must_use]
pub fn probit_from_failures(q: f64) -> f64 {
    -probit(q)
}

/// Φ⁻¹(p) for p ≤ ½, where erfc⁻¹ sees the small tail.
fn lower_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    let x = -SQRT_2 * erfc_inv(2.0 * p);
    // One Newton step removes the error of the rational approximation; where the
    // density underflows the step is not representable and the start is kept.
    let density = normal_pdf(x);
    let step = (normal_cdf(x) - p) / density;
    if step.is_finite() { x - step } else { x }
}
