//! Loader's saddle-point pieces shared by the incomplete beta and gamma functions, and a bisection
//! down to neighboring floats.
//!
//! Not public: prefactors such as xᵃ(1−x)ᵇ/B(a, b) lose ten digits at a ≈ 10⁵ when they are formed
//! from three log-gammas; here they keep full relative precision.

/// Deviance x ln(x/m) + m − x, at least 0, stable near x = m.
///
/// # References
/// Loader (2000), "Fast and accurate computation of binomial probabilities", `bd0`.
pub(crate) fn deviance(x: f64, m: f64) -> f64 {
    if x == 0.0 {
        return m;
    }
    if (x - m).abs() < 0.1 * (x + m) {
        let v = (x - m) / (x + m);
        let mut sum = (x - m) * v;
        let mut term = 2.0 * x * v;
        for j in 1..200 {
            term *= v * v;
            let next = sum + term / f64::from(2 * j + 1);
            if next == sum {
                return next;
            }
            sum = next;
        }
        return sum;
    }
    x * (x / m).ln() + m - x
}

/// Error δ(z) of Stirling's formula for Γ(z), z > 0.
///
/// # Formula
/// ```text
/// Γ(z) = √(2π/z) (z/e)ᶻ exp δ(z),   δ(z) = δ(z+1) + (z+½) ln(1+1/z) − 1
/// ```
pub(crate) fn stirling_error(z: f64) -> f64 {
    let mut z = z;
    let mut shift = 0.0;
    // From 16 on, six terms of the asymptotic series leave less than 1e-17.
    while z < 16.0 {
        shift += (z + 0.5) * z.recip().ln_1p() - 1.0;
        z += 1.0;
    }
    let w = (z * z).recip();
    let series = 1.0 / 12.0
        - w * (1.0 / 360.0
            - w * (1.0 / 1260.0
                - w * (1.0 / 1680.0 - w * (1.0 / 1188.0 - w * (691.0 / 360_360.0)))));
    shift + series / z
}

/// Splits `[lo, hi]` (0 ≤ lo ≤ hi) at the place where a monotone predicate turns true.
///
/// Returns the last float where it is false and the first where it is true; the two are
/// neighbors, so either end is a correctly rounded outward limit of what the predicate sees.
/// If it is already true at `lo` both are `lo`; if it is never true both are `hi`.
pub(crate) fn last_false_first_true(
    lo: f64,
    hi: f64,
    mut predicate: impl FnMut(f64) -> bool,
) -> (f64, f64) {
    debug_assert!(
        lo >= 0.0 && lo <= hi,
        "the order of bits is the order of floats only from 0 up"
    );
    if predicate(lo) {
        return (lo, lo);
    }
    if !predicate(hi) {
        return (hi, hi);
    }
    let (mut below, mut above) = (lo.to_bits(), hi.to_bits());
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if predicate(f64::from_bits(middle)) {
            above = middle;
        } else {
            below = middle;
        }
    }
    (f64::from_bits(below), f64::from_bits(above))
}
