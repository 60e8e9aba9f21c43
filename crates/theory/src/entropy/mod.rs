//! Worst-case entropy of vector-quantised and softmax codes, exactly and as printed.
//!
//! For: the entropy h_K(g) of a categorical whose one logit leads K − 1 equal ones by a gap g, which
//! is the whole content of the two worst-case theorems; its printed first-order form, which is an
//! upper bound and no floor; the true minimum over all logits in an interval; and what bounds on KL
//! follow. Not for learnt variances, where gaps grow quadratically and none of this applies. Random
//! codebooks are in [`crate::sphere`].
//!
//! Everything is exact in log space: arguments up to 10⁶ give no NaN. Units are nats. The distance
//! d of a network output from the codes is a Euclidean norm, while a softmax logit is one number:
//! outputs with entries of size v have norm v√d_e, so curves over d and over ℓ do not share an axis.

mod curves;
mod stability;

pub use curves::{
    EntropyCurve, EntropyPoint, SimulatedPoint, figure_b3, figure_b4, figure_b5, paper_distances,
};
pub use stability::{
    entropy_from_logits, kl_bound, kl_bound_unit_variance, kl_from_logits, logit_range,
};

use crate::error::{Result, check_non_negative, invalid};
use crate::root::ridders;

/// Below this, e^{−g}(K−1) is treated by its logarithm alone; the terms dropped are squares of it.
const TINY: f64 = 1e-150;
/// Gap below which g − 1 + e^{−g} is summed as a series.
const SMALL_GAP: f64 = 1e-2;
/// Relative length of the final bracket of a threshold.
const ROOT_TOLERANCE: f64 = 1e-14;

/// Logit gap of the rVQ arrangement: one code at distance d, the others δ further on the same line.
///
/// # Formula
/// ```text
/// g = δ²/2 + δd
/// ```
///
/// # Errors
/// When `delta` or `distance` is negative or not finite.
///
/// # References
/// Theorem 3.1, (B.13).
pub fn gap_rvq(delta: f64, distance: f64) -> Result<f64> {
    check_non_negative("gap_rvq", "delta", delta)?;
    check_non_negative("gap_rvq", "distance", distance)?;
    Ok(0.5 * delta * delta + delta * distance)
}

/// Entropy of K logits of which one leads the other K − 1 by `gap`.
///
/// # Formula
/// ```text
/// h_K(g) = ln(1+X) + gX/(1+X),   X = (K−1)e^{−g}
/// ```
///
/// # Errors
/// When there is no code, or `gap` is negative or not finite.
///
/// # References
/// Theorems 3.1 and 3.2 before their expansion: (B.19), (B.31).
pub fn entropy_exact(num_codes: usize, gap: f64) -> Result<f64> {
    check("entropy_exact", num_codes, gap)?;
    let x = weight(num_codes, gap);
    Ok(x.ln_1p() + gap * x / (1.0 + x))
}

/// ln h_K(g), finite where h_K itself underflows; −∞ for a single code.
///
/// # Formula
/// ```text
/// ln h ≈ ln(K−1) + ln(1+g) − g   once X is negligible
/// ```
///
/// # Errors
/// As for [`entropy_exact`].
pub fn log_entropy_exact(num_codes: usize, gap: f64) -> Result<f64> {
    let h = entropy_exact(num_codes, gap)?;
    if h > TINY {
        Ok(h.ln())
    } else {
        log_entropy_first_order(num_codes, gap)
    }
}

/// h'_K(g), never positive.
///
/// # Formula
/// ```text
/// h'_K(g) = −gX/(1+X)²
/// ```
///
/// # Errors
/// As for [`entropy_exact`].
pub fn entropy_derivative(num_codes: usize, gap: f64) -> Result<f64> {
    check("entropy_derivative", num_codes, gap)?;
    let x = weight(num_codes, gap);
    Ok(-gap * x / ((1.0 + x) * (1.0 + x)))
}

/// The printed first-order entropy, which is an upper bound of the exact one.
///
/// # Formula
/// ```text
/// h¹_K(g) = (K−1)(1+g)e^{−g}
/// ```
///
/// # Errors
/// As for [`entropy_exact`].
///
/// # References
/// Theorems 3.1 and 3.2: (3.10), (3.11), (B.21), (B.33).
pub fn entropy_first_order(num_codes: usize, gap: f64) -> Result<f64> {
    check("entropy_first_order", num_codes, gap)?;
    Ok(weight(num_codes, gap) * (1.0 + gap))
}

/// ln h¹_K(g); −∞ for a single code.
///
/// # Errors
/// As for [`entropy_exact`].
pub fn log_entropy_first_order(num_codes: usize, gap: f64) -> Result<f64> {
    check("log_entropy_first_order", num_codes, gap)?;
    Ok((num_codes as f64 - 1.0).ln() + gap.ln_1p() - gap)
}

/// Lower and upper bound that hold for every K and g.
///
/// # Formula
/// ```text
/// X(1+g)/(1+X) ≤ h_K(g) ≤ X(1+g)
/// ```
///
/// # Errors
/// As for [`entropy_exact`].
pub fn entropy_bounds(num_codes: usize, gap: f64) -> Result<(f64, f64)> {
    check("entropy_bounds", num_codes, gap)?;
    let x = weight(num_codes, gap);
    let upper = x * (1.0 + gap);
    Ok((upper / (1.0 + x), upper))
}

/// What the first-order form leaves out, h − h¹, without cancellation; never positive.
///
/// # Formula
/// ```text
/// h − h¹ = [ln(1+X) − X] − gX²/(1+X)
/// ```
///
/// # Errors
/// As for [`entropy_exact`].
pub fn remainder(num_codes: usize, gap: f64) -> Result<f64> {
    check("remainder", num_codes, gap)?;
    let x = weight(num_codes, gap);
    Ok(ln_1p_minus(x) - gap * x * x / (1.0 + x))
}

/// Leading term of the remainder. It carries a factor g, so the remainder is not O(e^{−2g}) as
/// printed.
///
/// # Formula
/// ```text
/// −(K−1)²(g+½)e^{−2g}
/// ```
///
/// # Errors
/// As for [`entropy_exact`].
pub fn remainder_leading(num_codes: usize, gap: f64) -> Result<f64> {
    check("remainder_leading", num_codes, gap)?;
    let x = weight(num_codes, gap);
    Ok(-x * x * (gap + 0.5))
}

/// Relative error (h¹ − h)/h of the first-order form, in [0, X]; 0 for a single code.
///
/// # Errors
/// As for [`entropy_exact`].
pub fn relative_error(num_codes: usize, gap: f64) -> Result<f64> {
    let exact = entropy_exact(num_codes, gap)?;
    if exact > TINY {
        return Ok(-remainder(num_codes, gap)? / exact);
    }
    Ok(weight(num_codes, gap) * (gap + 0.5) / (1.0 + gap))
}

/// Entropy of K logits of which n share the top and K − n lie `gap` below.
///
/// # Formula
/// ```text
/// H_n = ln n + ln(1+y) + gy/(1+y),   y = (K−n)e^{−g}/n
/// ```
///
/// # Errors
/// As for [`entropy_exact`], and when `num_top` is not between 1 and K.
pub fn vertex_entropy(num_codes: usize, num_top: usize, gap: f64) -> Result<f64> {
    const OP: &str = "vertex_entropy";
    check(OP, num_codes, gap)?;
    if num_top == 0 || num_top > num_codes {
        return Err(invalid(OP, "num_top", "between 1 and num_codes", num_top));
    }
    Ok(vertex(num_codes, num_top, gap))
}

/// The least entropy of any K logits within an interval, and how many sit at its top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinimumEntropy {
    /// n: logits at the upper end; the rest are at the lower.
    pub num_top: usize,
    /// H_min in nats.
    pub entropy: f64,
}

/// True worst case: the least entropy of any K logits that lie in an interval of length `gap`.
///
/// In one logit the entropy has no interior minimum, so all logits are at interval ends; as a
/// function of the number n at the top it is unimodal. The printed arrangement n = 1 is the minimum
/// only from [`min_entropy_threshold`] on.
///
/// # Formula
/// ```text
/// H_min(K, g) = min_n H_n,   n* = K r (g−1+r)/(1−r)²,  r = e^{−g}, at ⌊n*⌋ or ⌈n*⌉
/// ```
///
/// # Errors
/// As for [`entropy_exact`].
pub fn min_entropy(num_codes: usize, gap: f64) -> Result<MinimumEntropy> {
    check("min_entropy", num_codes, gap)?;
    if num_codes == 1 {
        return Ok(MinimumEntropy {
            num_top: 1,
            entropy: 0.0,
        });
    }
    let below = stationary_top(num_codes, gap)
        .floor()
        .clamp(1.0, num_codes as f64 - 1.0) as usize;
    let above = (below + 1).min(num_codes - 1);
    let (low, high) = (vertex(num_codes, below, gap), vertex(num_codes, above, gap));
    let (num_top, entropy) = if high < low {
        (above, high)
    } else {
        (below, low)
    };
    Ok(MinimumEntropy { num_top, entropy })
}

/// Gap g*(K) from which on the printed arrangement has the least entropy; `None` for K ≤ 3, where
/// it always has.
///
/// # Errors
/// When there is no code.
pub fn min_entropy_threshold(num_codes: usize) -> Result<Option<f64>> {
    const OP: &str = "min_entropy_threshold";
    check(OP, num_codes, 0.0)?;
    if num_codes <= 3 {
        return Ok(None);
    }
    // Two at the top is the first arrangement to lose; it wins at small gaps.
    let excess = |gap: f64| Ok(vertex(num_codes, 1, gap) - vertex(num_codes, 2, gap));
    let end = 2.0 * (num_codes as f64).ln() + 10.0;
    ridders(OP, (0.1, end), ROOT_TOLERANCE, excess).map(Some)
}

/// Exact floor for unit-variance rVQ with nearest code at `distance` and codebook diameter `delta`.
///
/// The triangle inequality bounds every gap by δ²/2 + δd, with equality for collinear codes.
///
/// # Errors
/// As for [`gap_rvq`] and [`entropy_exact`].
pub fn floor_rvq(num_codes: usize, delta: f64, distance: f64) -> Result<f64> {
    Ok(min_entropy(num_codes, gap_rvq(delta, distance)?)?.entropy)
}

/// Exact floor for unit-variance codes on a sphere, seen from distance R of its center; for codes
/// within it too where R ≥ ρ. Nearer to the center a code at the output itself has the gap
/// (R+ρ)²/2 over one opposite, which is larger.
///
/// # Formula
/// ```text
/// H_min(K, 2ρR)
/// ```
///
/// # Errors
/// When `radius` or `distance` is negative or not finite, or there is no code.
pub fn floor_sphere(num_codes: usize, radius: f64, distance: f64) -> Result<f64> {
    check_non_negative("floor_sphere", "radius", radius)?;
    check_non_negative("floor_sphere", "distance", distance)?;
    Ok(min_entropy(num_codes, 2.0 * radius * distance)?.entropy)
}

/// Distance d* beyond which, among d ≥ max(0, c), rVQ has more entropy than a softmax whose
/// largest logit is d and whose others are `c`; `None` for δ ≥ 1, where there is no such distance.
///
/// Exact, because h_K decreases for gaps from 0 on: no expansion is needed. Below c the softmax
/// has its one logit at the bottom, and the comparison is another.
///
/// # Formula
/// ```text
/// d* = (c + δ²/2)/(1 − δ)
/// ```
///
/// # Errors
/// When `delta` is negative or not finite, or `c` is not finite.
///
/// # References
/// Corollary 3.2.1.
pub fn crossover(delta: f64, c: f64) -> Result<Option<f64>> {
    check_non_negative("crossover", "delta", delta)?;
    check_non_negative("crossover", "magnitude of c", c.abs())?;
    Ok((delta < 1.0).then(|| (c + 0.5 * delta * delta) / (1.0 - delta)))
}

/// ln of the ratio of the first-order entropies of rVQ and softmax at one network output d.
///
/// At δ = 1 it tends to −c − ½.
///
/// # Formula
/// ```text
/// ln[(1+g)/(1+d−c)] + (1−δ)d − c − δ²/2
/// ```
///
/// # Errors
/// As for [`gap_rvq`], and when d ≤ c − 1.
///
/// # References
/// Corollary 3.2.1.
pub fn leading_log_ratio(delta: f64, c: f64, distance: f64) -> Result<f64> {
    let gap = gap_rvq(delta, distance)?;
    let ell = distance - c;
    if ell.is_nan() || ell <= -1.0 {
        return Err(invalid(
            "leading_log_ratio",
            "distance",
            "above c - 1",
            distance,
        ));
    }
    Ok(gap.ln_1p() - ell.ln_1p() + (1.0 - delta) * distance - c - 0.5 * delta * delta)
}

/// X = (K−1)e^{−g}.
fn weight(num_codes: usize, gap: f64) -> f64 {
    (num_codes as f64 - 1.0) * (-gap).exp()
}

fn vertex(num_codes: usize, num_top: usize, gap: f64) -> f64 {
    let n = num_top as f64;
    let y = (num_codes as f64 - n) * (-gap).exp() / n;
    n.ln() + y.ln_1p() + gap * y / (1.0 + y)
}

/// The real n at which H_n is stationary; K/2 at gap 0.
fn stationary_top(num_codes: usize, gap: f64) -> f64 {
    let k = num_codes as f64;
    if gap < SMALL_GAP {
        // (g−1+r)/(1−r)² = ½ + g/3 + O(g²); its product with r is ½ − g/6 + O(g²).
        return k * (0.5 - gap / 6.0);
    }
    let fall = -(-gap).exp_m1();
    k * (-gap).exp() * (gap - fall) / (fall * fall)
}

/// ln(1+x) − x without cancellation.
fn ln_1p_minus(x: f64) -> f64 {
    if x > 0.1 {
        return x.ln_1p() - x;
    }
    // Twenty terms of an alternating series leave 0.1²⁰.
    let (mut sum, mut power) = (0.0, x);
    for n in 2..22 {
        power *= -x;
        sum += power / f64::from(n);
    }
    sum
}

fn check(op: &'static str, num_codes: usize, gap: f64) -> Result<()> {
    if num_codes == 0 {
        return Err(invalid(op, "num_codes", "at least 1", num_codes));
    }
    check_non_negative(op, "gap", gap)
}
