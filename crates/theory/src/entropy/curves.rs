//! The numbers behind figures B.3, B.4 and B.5, as plain structs for whoever draws them.
//!
//! Not for drawing. Both analytic figures show how tight the first-order form is and nothing about
//! the corollary: at δ = 1 and c = 0 rVQ has *less* entropy than softmax at every distance.

use serde::{Deserialize, Serialize};
use vaegis_core::seed::SeedTree;

use super::{
    entropy_bounds, entropy_exact, entropy_first_order, gap_rvq, log_entropy_exact,
    log_entropy_first_order, min_entropy, relative_error,
};
use crate::error::{Result, check_non_negative};
use crate::sphere::{EntropySummary, SphereOptions, simulate_entropy};

/// All that is known about one gap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntropyPoint {
    /// Position on the horizontal axis: d for rVQ, ℓ for softmax.
    pub x: f64,
    /// Logit gap there.
    pub gap: f64,
    /// h_K.
    pub exact: f64,
    /// ln h_K, finite where h_K underflows.
    pub log_exact: f64,
    /// h¹_K as printed.
    pub first_order: f64,
    /// ln h¹_K.
    pub log_first_order: f64,
    /// X(1+g)/(1+X).
    pub lower: f64,
    /// H_min, the true worst case.
    pub floor: f64,
    /// Codes at the top where it is attained.
    pub floor_num_top: usize,
    /// (h¹ − h)/h.
    pub relative_error: f64,
}

/// One curve over a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntropyCurve {
    /// K.
    pub num_codes: usize,
    /// Points in the order of the grid.
    pub points: Vec<EntropyPoint>,
}

/// Grid 0, 0.1, …, 50, a convention: no source states one.
#[must_use]
pub fn paper_distances() -> Vec<f64> {
    (0..=500).map(|i| f64::from(i) / 10.0).collect()
}

/// Worst-case rVQ entropy over the distance d, exactly and to first order.
///
/// # Errors
/// When there is no code, or `delta` or a distance is negative or not finite.
///
/// # References
/// Figure B.3 is δ = 1; K is not stated there, 256 is a convention.
pub fn figure_b3(num_codes: usize, delta: f64, distances: &[f64]) -> Result<EntropyCurve> {
    let points = distances
        .iter()
        .map(|&d| point(num_codes, d, gap_rvq(delta, d)?))
        .collect::<Result<_>>()?;
    Ok(EntropyCurve { num_codes, points })
}

/// Worst-case softmax entropy over the lead ℓ of the largest logit.
///
/// # Errors
/// When there is no code, or a lead is negative or not finite.
///
/// # References
/// Figure B.4, with c = 0 and so ℓ = d.
pub fn figure_b4(num_codes: usize, leads: &[f64]) -> Result<EntropyCurve> {
    let points = leads
        .iter()
        .map(|&lead| point(num_codes, lead, lead))
        .collect::<Result<_>>()?;
    Ok(EntropyCurve { num_codes, points })
}

/// One distance of figure B.5.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulatedPoint {
    /// The printed "worst case" at this distance.
    pub worst_case: EntropyPoint,
    /// Entropy over random codebooks.
    pub simulated: EntropySummary,
}

/// Entropy over random codebooks beside the printed worst case.
///
/// Every distance has codebooks of its own. Smaller entropies than the "worst case" are possible
/// below the threshold of [`super::min_entropy_threshold`], never below `floor` where the codes'
/// diameter is at most δ.
///
/// # Errors
/// As for [`figure_b3`] and [`simulate_entropy`].
///
/// # References
/// Figure B.5: δ = 1, 20 000 codebooks of 256 codes of dimension 32 at radius 0.5.
pub fn figure_b5(
    options: &SphereOptions,
    delta: f64,
    distances: &[f64],
    seed: &SeedTree,
) -> Result<Vec<SimulatedPoint>> {
    distances
        .iter()
        .enumerate()
        .map(|(i, &d)| {
            check_non_negative("figure_b5", "distances", d)?;
            Ok(SimulatedPoint {
                worst_case: point(options.num_codes, d, gap_rvq(delta, d)?)?,
                simulated: simulate_entropy(options, d, &seed.index(i as u64))?,
            })
        })
        .collect()
}

fn point(num_codes: usize, x: f64, gap: f64) -> Result<EntropyPoint> {
    let minimum = min_entropy(num_codes, gap)?;
    Ok(EntropyPoint {
        x,
        gap,
        exact: entropy_exact(num_codes, gap)?,
        log_exact: log_entropy_exact(num_codes, gap)?,
        first_order: entropy_first_order(num_codes, gap)?,
        log_first_order: log_entropy_first_order(num_codes, gap)?,
        lower: entropy_bounds(num_codes, gap)?.0,
        floor: minimum.entropy,
        floor_num_top: minimum.num_top,
        relative_error: relative_error(num_codes, gap)?,
    })
}
