//! Elementary functions in f32 without branches, so that loops over codes become vector code.
//!
//! For: the inner loops of [`super`] only. Each is accurate to a few units in the last place on the
//! stated domain and wrong outside it. The polynomials are those of the Cephes library. The same
//! operations run in the same order on every machine, so results do not depend on its vector width.

use std::f32::consts::{LOG2_E, SQRT_2};

/// 1.5 · 2²³: adding and subtracting it rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;
/// Below this e^x is smaller than every normal f32.
const EXP_UNDERFLOW: f32 = -87.0;

/// Uniform on (0, 1] from a random word; relative resolution stays fine near zero.
#[inline(always)]
pub(super) fn uniform(word: u32) -> f32 {
    // Half the range fits a signed conversion, which every vector unit has.
    ((word >> 1).cast_signed() as f32 + 0.5) * (1.0 / 2_147_483_648.0)
}

/// ln x for normal x > 0.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = ((bits >> 23).cast_signed() - 126) as f32;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let low = mantissa < 0.5 * SQRT_2;
    let exponent = if low { exponent - 1.0 } else { exponent };
    let m = if low {
        mantissa + mantissa - 1.0
    } else {
        mantissa - 1.0
    };
    let z = m * m;
    let mut y = 7.037_683_6e-2;
    y = y * m - 1.151_461e-1;
    y = y * m + 1.167_699_84e-1;
    y = y * m - 1.242_014_1e-1;
    y = y * m + 1.424_932_3e-1;
    y = y * m - 1.666_805_7e-1;
    y = y * m + 2.000_071_4e-1;
    y = y * m - 2.499_999_4e-1;
    y = y * m + 3.333_333e-1;
    y = y * m * z - 2.121_944_4e-4 * exponent - 0.5 * z;
    m + y + 0.693_359_4 * exponent
}

/// e^x for x ≤ 0; 0 where the result would not be a normal number.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let clamped = if x < EXP_UNDERFLOW { EXP_UNDERFLOW } else { x };
    let shifted = clamped * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut y = 1.987_569_1e-4;
    y = y * r + 1.398_199_9e-3;
    y = y * r + 8.333_452e-3;
    y = y * r + 4.166_579_6e-2;
    y = y * r + 1.666_666_5e-1;
    y = y * r + 0.5;
    let y = y * r * r + r + 1.0;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let scale = f32::from_bits(power.wrapping_add(127) << 23);
    if x < EXP_UNDERFLOW { 0.0 } else { y * scale }
}

/// Cosine and sine of 2πv for v in [0, 1].
#[inline(always)]
pub(super) fn cos_sin_turn(v: f32) -> (f32, f32) {
    let shifted = 4.0 * v + ROUND;
    let quadrant = shifted.to_bits();
    // The remaining angle lies within an eighth of a turn.
    let angle = (v - 0.25 * (shifted - ROUND)) * std::f32::consts::TAU;
    let z = angle * angle;
    let s = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * angle + angle;
    let c = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let swap = quadrant & 1 == 1;
    let (c, s) = if swap { (s, c) } else { (c, s) };
    let cos_sign = (quadrant.wrapping_add(1) & 2) << 30;
    let sin_sign = (quadrant & 2) << 30;
    (
        f32::from_bits(c.to_bits() ^ cos_sign),
        f32::from_bits(s.to_bits() ^ sin_sign),
    )
}

/// Lanes that are summed apart, so that a sum is vector code with a fixed order.
const LANES: usize = 16;

/// Largest entry.
#[inline(always)]
pub(super) fn max(xs: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = xs.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    rest.iter()
        .chain(&lanes)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max)
}

/// Entropy of softmax(logits) in nats; small entropies keep their relative accuracy.
#[inline(always)]
pub(super) fn entropy(logits: &[f32]) -> f64 {
    let largest = max(logits);
    let (mut leaders, mut rest, mut slope) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    let chunks = logits.chunks_exact(LANES);
    let tail = chunks.remainder();
    for chunk in chunks {
        for i in 0..LANES {
            let (leader, weight, gap) = terms(largest, chunk[i]);
            leaders[i] += leader;
            rest[i] += weight;
            slope[i] += gap * weight;
        }
    }
    for (i, &l) in tail.iter().enumerate() {
        let (leader, weight, gap) = terms(largest, l);
        leaders[i] += leader;
        rest[i] += weight;
        slope[i] += gap * weight;
    }
    let sum = |lanes: &[f32]| lanes.iter().map(|&x| f64::from(x)).sum::<f64>();
    let leaders = sum(&leaders);
    let (rest, slope) = (sum(&rest) / leaders, sum(&slope) / leaders);
    leaders.ln() + rest.ln_1p() + slope / (1.0 + rest)
}

#[inline(always)]
fn terms(largest: f32, logit: f32) -> (f32, f32, f32) {
    let gap = largest - logit;
    let weight = exp(-gap);
    if gap == 0.0 {
        (1.0, 0.0, 0.0)
    } else {
        (0.0, weight, gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few units in the last place of f32.
    const ULPS: f64 = 4.0 * f32::EPSILON as f64;

    #[test]
    fn functions_agree_with_double_precision() {
        for i in 1..200_000_u32 {
            let word = i.wrapping_mul(0x9e37_79b9);
            let u = uniform(word);
            assert!(u > 0.0 && u <= 1.0);
            let want = f64::from(u).ln();
            assert!(
                (f64::from(ln(u)) - want).abs() <= ULPS * want.abs().max(1e-3),
                "ln {u}"
            );
            let x = -90.0 * u;
            let want = f64::from(x).exp();
            let got = f64::from(exp(x));
            if x > EXP_UNDERFLOW {
                assert!((got - want).abs() <= 2.0 * ULPS * want, "exp {x}");
            } else {
                assert!(got <= f64::from(f32::MIN_POSITIVE) * 2.0, "exp {x}");
            }
            let (c, s) = cos_sin_turn(u);
            let turn = std::f64::consts::TAU * f64::from(u);
            assert!((f64::from(c) - turn.cos()).abs() <= ULPS, "cos {u}");
            assert!((f64::from(s) - turn.sin()).abs() <= ULPS, "sin {u}");
        }
        assert_eq!((ln(1.0), exp(0.0)), (0.0, 1.0));
    }
}
