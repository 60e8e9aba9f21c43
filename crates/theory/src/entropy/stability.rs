//! Entropy and KL of given logits, and the bounds on KL that hold for them.
//!
//! Not for responsibilities with learnt variances: their logits contain −½‖e‖²/σ_k², so the range
//! of their differences grows with ‖e‖ and the codebook bound does not apply.

use crate::error::{Result, check_non_negative, check_same_len, check_sample};

/// Entropy of softmax(`logits`) in nats, accurate when one logit dominates.
///
/// # Errors
/// When there is no logit or one is not finite.
pub fn entropy_from_logits(logits: &[f64]) -> Result<f64> {
    check_sample("entropy_from_logits", "logits", logits, 1)?;
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The leaders are counted and the rest summed, so that a small rest is not lost beside a one.
    let (mut leaders, mut rest, mut slope) = (0.0, 0.0, 0.0);
    for l in logits {
        let gap = largest - l;
        if gap == 0.0 {
            leaders += 1.0;
        } else {
            rest += (-gap).exp();
            slope += gap * (-gap).exp();
        }
    }
    let (rest, slope) = (rest / leaders, slope / leaders);
    Ok(leaders.ln() + rest.ln_1p() + slope / (1.0 + rest))
}

/// KL(softmax(a) ‖ softmax(b)) in nats.
///
/// # Shapes
/// `a` `[K]`, `b` `[K]`.
///
/// # Errors
/// When the lengths differ, there is no logit, or one is not finite.
pub fn kl_from_logits(a: &[f64], b: &[f64]) -> Result<f64> {
    const OP: &str = "kl_from_logits";
    check_same_len(OP, "b", a.len(), b.len())?;
    check_sample(OP, "a", a, 1)?;
    check_sample(OP, "b", b, 1)?;
    let (log_a, log_b) = (log_partition(a), log_partition(b));
    let terms = a
        .iter()
        .zip(b)
        .map(|(x, y)| (x - log_a).exp() * ((x - log_a) - (y - log_b)));
    // Rounding may leave −1e-17 for equal logits.
    Ok(terms.sum::<f64>().max(0.0))
}

/// Range of the differences a − b, the ρ of [`kl_bound`].
///
/// # Shapes
/// `a` `[K]`, `b` `[K]`.
///
/// # Errors
/// As for [`kl_from_logits`].
pub fn logit_range(a: &[f64], b: &[f64]) -> Result<f64> {
    const OP: &str = "logit_range";
    check_same_len(OP, "b", a.len(), b.len())?;
    check_sample(OP, "a", a, 1)?;
    check_sample(OP, "b", b, 1)?;
    let gaps = || a.iter().zip(b).map(|(x, y)| x - y);
    let largest = gaps().fold(f64::NEG_INFINITY, f64::max);
    let smallest = gaps().fold(f64::INFINITY, f64::min);
    Ok(largest - smallest)
}

/// Upper bound on KL(softmax(a) ‖ softmax(b)) from the range of a − b.
///
/// # Formula
/// ```text
/// KL ≤ min(ρ, ρ²/8)
/// ```
///
/// # Errors
/// When `range` is negative or not finite.
///
/// # References
/// Hoeffding's lemma.
pub fn kl_bound(range: f64) -> Result<f64> {
    check_non_negative("kl_bound", "range", range)?;
    Ok(range.min(range * range / 8.0))
}

/// Upper bound on the KL per latent of unit-variance responsibilities with a shared codebook of
/// diameter `delta`, at network outputs a distance `shift` apart.
///
/// # Formula
/// ```text
/// KL ≤ min(δ‖Δe‖, δ²‖Δe‖²/8)
/// ```
///
/// # Errors
/// When an argument is negative or not finite.
pub fn kl_bound_unit_variance(delta: f64, shift: f64) -> Result<f64> {
    check_non_negative("kl_bound_unit_variance", "delta", delta)?;
    check_non_negative("kl_bound_unit_variance", "shift", shift)?;
    kl_bound(delta * shift)
}

fn log_partition(logits: &[f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + logits.iter().map(|l| (l - largest).exp()).sum::<f64>().ln()
}
