//! Regularized incomplete gamma function and the chi-square distributions that are it.
//!
//! Not for weighted sums of chi-squares: see [`crate::chi_square_mixture`].

use std::f64::consts::PI;

use super::normal::normal_cdf;
use super::saddle::{deviance, last_false_first_true, stirling_error};

/// Terms of the series and of the continued fraction; both need about √a.
const MAX_TERMS: u32 = 1_000_000;
/// Poisson weights below this no longer change the non-central sum.
const NEGLIGIBLE_WEIGHT: f64 = 1e-18;

/// Regularized lower incomplete gamma function P(a, x).
#[must_use]
pub fn gamma_inc(a: f64, x: f64) -> f64 {
    if !in_domain(a, x) {
        return f64::NAN;
    }
    if x < a + 1.0 {
        series(a, x)
    } else {
        1.0 - continued_fraction(a, x)
    }
}

/// Regularized upper incomplete gamma function Q(a, x) = 1 − P(a, x).
#[must_use]
pub fn gamma_inc_upper(a: f64, x: f64) -> f64 {
    if !in_domain(a, x) {
        return f64::NAN;
    }
    if x < a + 1.0 {
        1.0 - series(a, x)
    } else {
        continued_fraction(a, x)
    }
}

/// Distribution function of chi-square with `k` > 0 degrees of freedom.
#[must_use]
pub fn chi2_cdf(x: f64, k: f64) -> f64 {
    if x <= 0.0 && k > 0.0 {
        0.0
    } else {
        gamma_inc(0.5 * k, 0.5 * x)
    }
}

/// Survival function of chi-square with `k` > 0 degrees of freedom.
#[must_use]
pub fn chi2_sf(x: f64, k: f64) -> f64 {
    if x <= 0.0 && k > 0.0 {
        1.0
    } else {
        gamma_inc_upper(0.5 * k, 0.5 * x)
    }
}

/// Quantile of chi-square with `k` > 0 degrees of freedom.
#[must_use]
pub fn chi2_quantile(p: f64, k: f64) -> f64 {
    let domain = (0.0..=1.0).contains(&p) && k > 0.0 && k.is_finite();
    if !domain {
        return f64::NAN;
    }
    if p == 0.0 {
        return 0.0;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    // Invert the tail that is not close to one.
    if p <= 0.5 {
        last_false_first_true(0.0, f64::MAX, |x| chi2_cdf(x, k) >= p).1
    } else {
        last_false_first_true(0.0, f64::MAX, |x| chi2_sf(x, k) <= 1.0 - p).1
    }
}

/// Distribution function of non-central chi-square.
///
/// One degree of freedom is a normal probability; elsewhere the sum takes about 20 ν terms of
/// constant cost.
///
/// # Formula
/// ```text
/// P(χ²ₖ(ν²) ≤ x) = Σⱼ Poisson(j; ν²/2) P(χ²ₖ₊₂ⱼ ≤ x)
/// P(χ²₁(ν²) ≤ x) = Φ(√x − ν) − Φ(−√x − ν)
/// ```
#[must_use]
pub fn noncentral_chi2_cdf(x: f64, k: f64, noncentrality: f64) -> f64 {
    let domain = k > 0.0 && noncentrality >= 0.0 && noncentrality.is_finite();
    if !domain || x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 || x.is_infinite() {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if noncentrality == 0.0 {
        return chi2_cdf(x, k);
    }
    if k == 1.0 {
        let (root, shift) = (x.sqrt(), noncentrality.sqrt());
        return normal_cdf(root - shift) - normal_cdf(-root - shift);
    }
    let rate = 0.5 * noncentrality;
    let is_negligible = |j: f64| poisson(j, rate) < NEGLIGIBLE_WEIGHT;
    let mode = rate.floor();
    let mut j = mode;
    while !is_negligible(j) {
        j += 1.0;
    }
    // From the top down P(a, x) = P(a + 1, x) + xᵃ e⁻ˣ / Γ(a + 1) adds up positive terms, so
    // one incomplete gamma function is enough for all of them.
    let half = 0.5 * x;
    let mut a = 0.5 * k + j;
    let mut probability = gamma_inc(a, half);
    let mut sum = poisson(j, rate) * probability;
    while j > 0.0 {
        j -= 1.0;
        a -= 1.0;
        probability += prefactor(a, half) / a;
        let weight = poisson(j, rate);
        sum += weight * probability;
        if j < mode && weight < NEGLIGIBLE_WEIGHT {
            break;
        }
    }
    sum.clamp(0.0, 1.0)
}

fn in_domain(a: f64, x: f64) -> bool {
    a > 0.0 && a.is_finite() && x >= 0.0
}

/// Poisson probability of j at the given rate, by the saddle-point form.
fn poisson(j: f64, rate: f64) -> f64 {
    if j == 0.0 {
        return (-rate).exp();
    }
    if rate == 0.0 {
        return 0.0;
    }
    (-stirling_error(j) - deviance(j, rate)).exp() / (2.0 * PI * j).sqrt()
}

/// xᵃ e⁻ˣ / Γ(a).
fn prefactor(a: f64, x: f64) -> f64 {
    (a / (2.0 * PI)).sqrt() * (-deviance(a, x) - stirling_error(a)).exp()
}

/// P(a, x) by its power series, for x below about a.
fn series(a: f64, x: f64) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..MAX_TERMS {
        term *= x / (a + f64::from(n));
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    (prefactor(a, x) / a * sum).clamp(0.0, 1.0)
}

/// Q(a, x) by Lentz's method, for x above about a.
fn continued_fraction(a: f64, x: f64) -> f64 {
    let front = prefactor(a, x);
    if front == 0.0 || x.is_infinite() {
        return 0.0;
    }
    let guard = |v: f64| {
        if v.abs() < f64::MIN_POSITIVE {
            f64::MIN_POSITIVE
        } else {
            v
        }
    };
    let mut b = x + 1.0 - a;
    let mut c = f64::MIN_POSITIVE.recip();
    let mut d = guard(b).recip();
    let mut fraction = d;
    for i in 1..MAX_TERMS {
        let i = f64::from(i);
        let numerator = -i * (i - a);
        b += 2.0;
        d = guard(numerator * d + b).recip();
        c = guard(b + numerator / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() <= 2.0 * f64::EPSILON {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}
