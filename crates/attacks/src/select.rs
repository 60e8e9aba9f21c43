//! Which attack of a penalty grid is shown, and the area under the
//! distortion-distance curve.

use crate::record::AttackRecord;

/// Position of the attack to show for one pair: among those whose
/// reconstruction is at most as far from the target as the grid's mean, the one
/// with the largest penalty, or in the smallest ball.
///
/// Objectives contain λ and must not be compared across it; this rule is that
/// of the attack code which the sources follow.
///
/// # References
/// Seatbelt specification §2.10 (SB-32).
pub fn most_successful(records: &[AttackRecord]) -> Option<usize> {
    let distances = records.iter().map(|r| r.reconstruction_to_target);
    let finite: Vec<f64> = distances.filter(|d| d.is_finite()).collect();
    let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
    let close = records
        .iter()
        .enumerate()
        .filter(|(_, r)| r.reconstruction_to_target <= mean);
    close
        .max_by(|(_, a), (_, b)| {
            let by_price = a.lambda.total_cmp(&b.lambda);
            by_price.then(b.radius.total_cmp(&a.radius))
        })
        .map(|(position, _)| position)
}

/// Position of the attack with the smallest divergence.
pub fn closest_posterior(records: &[AttackRecord]) -> Option<usize> {
    let all = records
        .iter()
        .enumerate()
        .filter(|(_, r)| !r.divergence.is_nan());
    all.min_by(|a, b| a.1.divergence.total_cmp(&b.1.divergence))
        .map(|(position, _)| position)
}

/// Area under the distortion-distance curve of one pair (large = robust).
///
/// # Formula
/// ```text
/// x = ‖d‖ / ‖x − xᵗ‖ clipped to [0, 1]
/// y = (‖x̃* − xᵗ‖ − ‖x̃ᵗ − xᵗ‖) / (‖x̃ − xᵗ‖ − ‖x̃ᵗ − xᵗ‖)
/// trapezoids over x sorted, extended to x = 1 with the smallest y
/// ```
///
/// # References
/// Gondim-Ribeiro et al. 2018; Seatbelt specification §2.10.
pub fn auddc(records: &[AttackRecord]) -> Option<f64> {
    let mut points: Vec<(f64, f64)> = records
        .iter()
        .map(|r| {
            let x = (r.norm_l2 / r.input_to_target).clamp(0.0, 1.0);
            let span = r.clean_reconstruction_to_target - r.target_reconstruction_to_target;
            (
                x,
                (r.reconstruction_to_target - r.target_reconstruction_to_target) / span,
            )
        })
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lowest = points.iter().map(|p| p.1).min_by(f64::total_cmp)?;
    points.push((1.0, lowest));
    Some(
        points
            .windows(2)
            .map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) * 0.5)
            .sum(),
    )
}
