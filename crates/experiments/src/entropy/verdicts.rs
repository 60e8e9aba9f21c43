//! What the sources say of worst-case entropy, V1 to V9: one predicate each, in every report.
//!
//! Not for the numbers of a single figure, which judge themselves.

use super::curves::DELTA;
use super::learnt::{self, LearntPoint};
use super::thresholds::{CROSSOVER_DELTAS, CROSSOVER_LOGITS};
use super::{CODE_COUNTS, NUM_CODES, judged};
use anyhow::Result;
use vaegis_report::ClaimResult;
use vaegis_theory::entropy::{
    EntropyCurve, EntropyPoint, crossover, entropy_exact, figure_b3, figure_b4, gap_rvq,
    log_entropy_exact, min_entropy_threshold, paper_distances, relative_error, remainder,
};

/// Gap at which the leading term is compared: e⁻⁴⁰·1023 is far below what an f64 resolves.
const LEADING_GAP: f64 = 40.0;
/// Relative error that rounding may leave there.
const ROUNDING: f64 = 1e-12;
/// Gaps between which an O(e^{−2g}) remainder times e^{2g} would not grow.
const REMAINDER_GAPS: [f64; 3] = [10.0, 20.0, 30.0];
/// Growth that is still none: what is left of higher orders at the first gap is below it.
const NO_GROWTH: f64 = 1.01;
/// Relative error that the text gives for inputs above 10.
pub(super) const PRINTED_ERROR: f64 = 1e-6;
/// Inputs above which it gives it.
pub(super) const PRINTED_FROM: f64 = 10.0;
/// How far from d* the order of the two entropies is looked at, as a share of d*.
const AROUND: f64 = 0.01;

/// V1 to V9.
pub(super) fn judge(points: &[LearntPoint]) -> Result<Vec<ClaimResult>> {
    let grid = paper_distances();
    let mut rvq = Vec::new();
    let mut softmax = Vec::new();
    for num_codes in CODE_COUNTS {
        rvq.push(figure_b3(num_codes, DELTA, &grid)?);
        softmax.push(figure_b4(num_codes, &grid)?);
    }
    let curves = || rvq.iter().chain(&softmax);
    Ok(vec![
        leading_terms()?,
        order_of_the_remainder()?,
        is_a_floor(curves()),
        accuracy(curves()),
        arrangement()?,
        corollary()?,
        illustration()?,
        learnt_variances(points),
        one_axis()?,
    ])
}

fn leading_terms() -> Result<ClaimResult> {
    let errors = CODE_COUNTS.map(|num_codes| relative_error(num_codes, LEADING_GAP));
    let largest = errors
        .into_iter()
        .try_fold(0.0, |all: f64, error| error.map(|e| all.max(e)))?;
    Ok(judged(
        (
            "v1",
            "V1: the leading term of either entropy is (K − 1)(1 + g)e^(−g)",
            "thesis (3.10), (3.11), (B.21), (B.33)",
            "relative error at gap 40 within rounding for 2 to 1024 codes",
        ),
        largest <= ROUNDING,
        &format!("largest relative error {largest:.1e}"),
    ))
}

fn order_of_the_remainder() -> Result<ClaimResult> {
    let mut scaled = [0.0; REMAINDER_GAPS.len()];
    for (value, gap) in scaled.iter_mut().zip(REMAINDER_GAPS) {
        *value = remainder(2, gap)? * (2.0 * gap).exp();
    }
    let [first, middle, last] = scaled;
    Ok(judged(
        (
            "v2",
            "V2: what the first order leaves out is O(e^(−2g))",
            "thesis theorems 3.1 and 3.2",
            "(h − h¹)e^(2g) with 2 codes is no larger at gap 30 than at gap 10",
        ),
        last.abs() <= first.abs() * NO_GROWTH,
        &format!(
            "{first:.1}, {middle:.1}, {last:.1} at gaps 10, 20, 30: it grows like −(K − 1)²(g + ½)"
        ),
    ))
}

fn is_a_floor<'a>(curves: impl Iterator<Item = &'a EntropyCurve>) -> ClaimResult {
    let points: Vec<&EntropyPoint> = curves.flat_map(|c| &c.points).collect();
    let above = points.iter().filter(|p| p.first_order > p.exact).count();
    let outside = points.iter().filter(|p| !is_between(p)).count();
    judged(
        (
            "v3",
            "V3: the first-order value is the minimum entropy, so a floor",
            "thesis theorems 3.1 and 3.2, read as bounds",
            "no point of the grids of figures B.3 and B.4, for 2 to 1024 codes, with the \
             first-order value above the exact one",
        ),
        above == 0,
        &format!(
            "above at {above} of {} points: it is an upper bound; {outside} points outside \
             X(1 + g)/(1 + X) ≤ h ≤ X(1 + g), X = (K − 1)e^(−g)",
            points.len()
        ),
    )
}

/// Whether X(1+g)/(1+X) ≤ h ≤ X(1+g), up to the rounding of three near equal numbers.
pub(super) fn is_between(point: &EntropyPoint) -> bool {
    let room = ROUNDING * point.exact;
    point.lower <= point.exact + room && point.exact <= point.first_order + room
}

fn accuracy<'a>(curves: impl Iterator<Item = &'a EntropyCurve>) -> ClaimResult {
    let mut largest = (0.0, 0);
    for curve in curves {
        let error = largest_error(curve);
        if error > largest.0 {
            largest = (error, curve.num_codes);
        }
    }
    judged(
        (
            "v4",
            "V4: the first order is within about 1e-6 for inputs above 10",
            "thesis section B.4.3 (the number of codes is not stated)",
            "largest relative error beyond 10 at most 1e-6 in figures B.3 and B.4, for 2 to 1024 \
             codes",
        ),
        largest.0 <= PRINTED_ERROR,
        &format!("{:.1e} with {} codes", largest.0, largest.1),
    )
}

/// Largest relative error of the first order where the text calls it 1e-6.
pub(super) fn largest_error(curve: &EntropyCurve) -> f64 {
    let beyond = curve.points.iter().filter(|p| p.x > PRINTED_FROM);
    beyond.map(|p| p.relative_error.abs()).fold(0.0, f64::max)
}

fn arrangement() -> Result<ClaimResult> {
    let threshold = min_entropy_threshold(NUM_CODES)?;
    Ok(judged(
        (
            "v5",
            "V5: one code against all others is the arrangement of least entropy",
            "thesis theorems 3.1 and 3.2 (stated for large inputs)",
            "there is no gap at which another arrangement of 256 codes has less",
        ),
        threshold.is_none(),
        &threshold.map_or("at no gap".to_owned(), |gap| {
            format!(
                "others have less below gap {gap:.3}, at δ = 1 below distance {:.3}; beyond, and \
                 so for large inputs, it is",
                (gap - 0.5 * DELTA * DELTA) / DELTA
            )
        }),
    ))
}

fn corollary() -> Result<ClaimResult> {
    let (mut wrong, mut total) = (0, 0);
    for delta in CROSSOVER_DELTAS {
        for c in CROSSOVER_LOGITS {
            let Some(edge) = crossover(delta, c)? else {
                continue;
            };
            for (side, rvq_has_more) in [(-1.0, false), (1.0, true)] {
                let output = edge + side * AROUND * edge.abs();
                // Neither a distance nor a lead can be negative.
                if output < 0.0 || output < c {
                    continue;
                }
                let rvq = log_entropy_exact(NUM_CODES, gap_rvq(delta, output)?)?;
                let softmax = log_entropy_exact(NUM_CODES, output - c)?;
                total += 1;
                wrong += usize::from((rvq > softmax) != rvq_has_more);
            }
        }
    }
    Ok(judged(
        (
            "v6",
            "V6: for large outputs rVQ has more entropy than a softmax if δ < 1",
            "thesis corollary 3.2.1",
            "the order changes at d* = (c + δ²/2)/(1 − δ): one percent below it the softmax has \
             more, one percent above it rVQ",
        ),
        wrong == 0 && total > 0,
        &format!("{wrong} of {total} comparisons the other way"),
    ))
}

fn illustration() -> Result<ClaimResult> {
    let ratio = |d: f64| -> Result<f64> {
        let rvq = log_entropy_exact(NUM_CODES, gap_rvq(DELTA, d)?)?;
        Ok((rvq - log_entropy_exact(NUM_CODES, d)?).exp())
    };
    let mut more = 0;
    for d in paper_distances() {
        more += usize::from(d > 0.0 && ratio(d)? > 1.0);
    }
    Ok(judged(
        (
            "v7",
            "V7: figures B.3 (δ = 1) and B.4 (c = 0) show rVQ calmer than a softmax",
            "thesis figures B.3 and B.4 beside corollary 3.2.1",
            "at some distance of the grid the entropy of B.3 is above that of B.4",
        ),
        more > 0,
        &format!(
            "at none: the ratio is {:.3} at 1, {:.3} at 10, {:.3} at 50 and tends to e^(−½) = \
             {:.4}; they show how tight the expansion is, and nothing of the corollary",
            ratio(1.0)?,
            ratio(10.0)?,
            ratio(50.0)?,
            (-0.5_f64).exp()
        ),
    ))
}

fn learnt_variances(points: &[LearntPoint]) -> ClaimResult {
    let counts = learnt::extension(points);
    judged(
        (
            "v8",
            "V8: what makes rVQ stable holds with learnt variances too",
            "thesis section 3.6.1.2, which argues for unit variances and reports learnt ones as stable",
            "no draw of learnt variances whose logits move against each other by more than \
             δ‖Δe‖, as those of unit variances cannot, and no mean entropy below that of unit \
             variances at the same norm",
        ),
        counts.learnt.0 == 0 && counts.lower.0 == 0,
        &format!(
            "further than δ‖Δe‖: {} of {} draws (unit variances: {} of {}); less entropy in {} of \
             {} settings",
            counts.learnt.0,
            counts.learnt.1,
            counts.unit.0,
            counts.unit.1,
            counts.lower.0,
            counts.lower.1
        ),
    )
}

fn one_axis() -> Result<ClaimResult> {
    let output = [1.0_f64; learnt::DIM];
    let norm = output.iter().map(|e| e * e).sum::<f64>().sqrt();
    let rvq = entropy_exact(NUM_CODES, gap_rvq(DELTA, norm)?)?;
    let softmax = entropy_exact(NUM_CODES, 1.0)?;
    Ok(judged(
        (
            "v9",
            "V9: the distance d and a logit are the same network output",
            "thesis corollary 3.2.1 and the axes of figures B.3 and B.4",
            "a network output of 32 entries of size 1 has norm 1",
        ),
        (norm - 1.0).abs() <= ROUNDING,
        &format!(
            "its norm is {norm:.2}: entries of size 1 leave an entropy of {rvq:.2} to rVQ at δ = 1 \
             and of {softmax:.2} to a softmax"
        ),
    ))
}
