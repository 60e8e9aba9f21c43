//! The two kinds of number that the kernel runs on, and 2ˣ for them as straight-line code.

use std::ops::{Add, AddAssign, Mul, Sub};

/// A floating-point kind of the kernel.
pub(super) trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + tch::kind::Element
{
    const NEG_INFINITY: Self;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    /// a·b + c, in one rounding if `FMA`. Only code compiled for a processor that has the
    /// instruction may ask for it: elsewhere it is a slow library call.
    fn fused<const FMA: bool>(a: Self, b: Self, c: Self) -> Self;
    /// 2ˣ for x ≤ 1. Arguments below −80 in f32 and −300 in f64 count as these; NaN stays NaN.
    ///
    /// With n the integer next to x and f = x − n, which is exact and |f| ≤ ½, the result is 2ⁿ
    /// times the Taylor polynomial of e^{f ln 2}. Lagrange's remainder of degree D is below
    /// √2 (½ ln 2)^{D+1} / (D+1)!, which is 0.06 of the unit roundoff for D = 7 in f32 and 0.05
    /// for D = 13 in f64. Horner's scheme adds rounding: less than 2 units in the last place.
    fn power_of_two<const FMA: bool>(x: Self) -> Self;
}

/// (ln 2)ⁱ / i!, the coefficients of 2ˣ.
const fn taylor<const N: usize>() -> [f64; N] {
    let mut coefficients = [1.0; N];
    let mut i = 1;
    while i < N {
        coefficients[i] = coefficients[i - 1] * std::f64::consts::LN_2 / i as f64;
        i += 1;
    }
    coefficients
}

macro_rules! real {
    ($float:ty, degree $degree:literal, lowest $lowest:literal, mantissa $mantissa:literal, bias $bias:literal) => {
        impl Real for $float {
            const NEG_INFINITY: Self = <$float>::NEG_INFINITY;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $float
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn fused<const FMA: bool>(a: Self, b: Self, c: Self) -> Self {
                if FMA { a.mul_add(b, c) } else { a * b + c }
            }

            #[inline(always)]
            fn power_of_two<const FMA: bool>(x: Self) -> Self {
                const TAYLOR: [f64; $degree + 1] = taylor();
                // Adding 1.5·2^mantissa rounds to an integer and leaves it in the low bits.
                const MAGIC: $float = 1.5 * (1_u64 << $mantissa) as $float;
                // A comparison with NaN is false, so NaN passes.
                let x = if x < $lowest { $lowest } else { x };
                let shifted = x + MAGIC;
                let f = x - (shifted - MAGIC);
                let mut sum = TAYLOR[$degree] as $float;
                let mut i = $degree;
                while i > 0 {
                    i -= 1;
                    sum = Self::fused::<FMA>(sum, f, TAYLOR[i] as $float);
                }
                let one = $bias << $mantissa;
                sum * <$float>::from_bits((shifted.to_bits() << $mantissa).wrapping_add(one))
            }
        }
    };
}

// A sum that holds a 1 does not see terms of this size, and their products with other small
// factors are far from the subnormal numbers, which some processors are very slow with.
real!(f32, degree 7, lowest -80.0, mantissa 23, bias 127_u32);
real!(f64, degree 13, lowest -300.0, mantissa 52, bias 1023_u64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Remainder plus Horner's rounding, in units of 2⁻²³ or 2⁻⁵² relative to the result.
    const MOST_ULPS: f64 = 2.0;

    #[test]
    fn exp2_keeps_its_bound_in_f32() {
        // Every 97th number between the lowest argument and 1, from both sides of zero.
        let mut worst: f64 = 0.0;
        for bits in (1.0e-12_f32.to_bits()..80.0_f32.to_bits()).step_by(97) {
            for x in [-f32::from_bits(bits), f32::from_bits(bits).min(1.0)] {
                let exact = f64::from(x).exp2();
                for found in [f32::power_of_two::<true>(x), f32::power_of_two::<false>(x)] {
                    worst = worst.max((f64::from(found) - exact).abs() / exact);
                }
            }
        }
        assert!(worst < MOST_ULPS * f64::from(f32::EPSILON), "{worst}");
    }

    #[test]
    fn exp2_keeps_its_bound_in_f64() {
        // The library's exp2 is good to one unit itself.
        let mut worst: f64 = 0.0;
        for i in 0..2_000_000_u32 {
            let x = 1.0 - f64::from(i) * 1.500_000_7e-4;
            let exact = x.exp2();
            for found in [f64::power_of_two::<true>(x), f64::power_of_two::<false>(x)] {
                worst = worst.max((found - exact).abs() / exact);
            }
        }
        assert!(worst < (MOST_ULPS + 1.0) * f64::EPSILON, "{worst}");
    }

    #[test]
    fn exp2_is_exact_at_integers_and_keeps_nan() {
        for n in [-80, -30, -1, 0, 1] {
            assert_eq!(f32::power_of_two::<true>(n as f32), (n as f32).exp2());
            assert_eq!(
                f64::power_of_two::<false>(f64::from(n)),
                f64::from(n).exp2()
            );
        }
        assert!(
            f32::power_of_two::<true>(f32::NAN).is_nan()
                && f64::power_of_two::<true>(f64::NAN).is_nan()
        );
        assert_eq!(
            f32::power_of_two::<true>(f32::NEG_INFINITY),
            (-80_f32).exp2()
        );
    }
}
