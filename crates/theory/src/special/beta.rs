//! Regularized incomplete beta function, and the binomial and Student distributions that are it.
//!
//! Own continued fraction because the one in statrs stops after 140 terms, too few for the
//! n = 10⁵ samples of a certificate. Not for complex or negative parameters.

use std::f64::consts::PI;

use super::saddle::{deviance, last_false_first_true, stirling_error};

/// Terms of the continued fraction; it needs about √max(a, b), so this is never the limit.
const MAX_TERMS: u32 = 1_000_000;

/// Regularized incomplete beta function Iₓ(a, b), the lower tail.
///
/// # Formula
/// ```text
/// Iₓ(a, b) = ∫₀ˣ tᵃ⁻¹ (1−t)ᵇ⁻¹ dt / B(a, b)
/// ```
#[must_use]
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    tail(a, b, x, 1.0 - x)
}

/// Upper tail 1 − Iₓ(a, b), without cancellation when it is small.
#[must_use]
pub fn beta_inc_upper(a: f64, b: f64, x: f64) -> f64 {
    tail(b, a, 1.0 - x, x)
}

/// Quantile of the Beta(a, b) distribution: the largest x with Iₓ(a, b) ≤ p.
#[must_use]
pub fn beta_inc_inverse(a: f64, b: f64, p: f64) -> f64 {
    let domain = a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() && (0.0..=1.0).contains(&p);
    if !domain {
        return f64::NAN;
    }
    if p == 0.0 {
        return 0.0;
    }
    if p == 1.0 {
        return 1.0;
    }
    last_false_first_true(0.0, 1.0, |x| beta_inc(a, b, x) > p).0
}

/// P(X ≤ k) for X binomial(n, p).
#[must_use]
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if k >= n {
        return 1.0;
    }
    beta_inc_upper(k as f64 + 1.0, (n - k) as f64, p)
}

/// P(X > k) for X binomial(n, p).
#[must_use]
pub fn binomial_sf(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if k >= n {
        return 0.0;
    }
    beta_inc(k as f64 + 1.0, (n - k) as f64, p)
}

/// Quantile of Student's t distribution with `dof` > 0 degrees of freedom.
#[must_use]
pub fn student_t_quantile(p: f64, dof: f64) -> f64 {
    let domain = (0.0..=1.0).contains(&p) && dof > 0.0 && dof.is_finite();
    if !domain {
        return f64::NAN;
    }
    let two_tails = 2.0 * p.min(1.0 - p);
    // P(|T| > t) = I_w(ν/2, ½) with w = ν/(ν+t²); the half with the smaller argument is solved.
    let magnitude = if two_tails == 0.0 {
        f64::INFINITY
    } else if two_tails < 0.5 {
        let w = beta_inc_inverse(0.5 * dof, 0.5, two_tails);
        (dof * (1.0 - w) / w).sqrt()
    } else {
        let w = beta_inc_inverse(0.5, 0.5 * dof, 1.0 - two_tails);
        (dof * w / (1.0 - w)).sqrt()
    };
    if p < 0.5 { -magnitude } else { magnitude }
}

/// Iₓ(a, b) with y = 1 − x handed over, so that neither is formed by subtraction here.
fn tail(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let domain = a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() && x >= 0.0 && y >= 0.0;
    if !domain {
        return f64::NAN;
    }
    if x == 0.0 {
        return 0.0;
    }
    if y == 0.0 {
        return 1.0;
    }
    let value = if x < (a + 1.0) / (a + b + 2.0) {
        prefactor(a, b, x, y) * continued_fraction(a, b, x) / a
    } else {
        1.0 - prefactor(a, b, x, y) * continued_fraction(b, a, y) / b
    };
    value.clamp(0.0, 1.0)
}

/// xᵃ yᵇ / B(a, b) by the saddle-point form.
fn prefactor(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    let exponent = stirling_error(n)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, n * x)
        - deviance(b, n * y);
    (a / n * b / (2.0 * PI)).sqrt() * exponent.exp()
}

/// Continued fraction of the incomplete beta function by Lentz's method.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    let guard = |v: f64| {
        if v.abs() < f64::MIN_POSITIVE {
            f64::MIN_POSITIVE
        } else {
            v
        }
    };
    let mut c = 1.0;
    let mut d = guard(1.0 - (a + b) * x / (a + 1.0)).recip();
    let mut fraction = d;
    for m in 1..MAX_TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = guard(1.0 + even * d).recip();
        c = guard(1.0 + even / c);
        fraction *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = guard(1.0 + odd * d).recip();
        c = guard(1.0 + odd / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() <= 2.0 * f64::EPSILON {
            break;
        }
    }
    fraction
}
