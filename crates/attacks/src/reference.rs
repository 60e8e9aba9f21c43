//! What an attack must be compared with: noise of the same size.
//!
//! The other two references, "no attack" and "perfect attack", stand in every
//! [`AttackRecord`].

use crate::record::{AttackRecord, describe};
use crate::sweep::{Sweep, SweepRows};
use crate::{AttackOutcome, AttackRows, RowStatus};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// The outcome of replacing each distortion by a random one of equal norm, to be described by
/// [`describe`] like the attack itself.
///
/// # Formula
/// ```text
/// d = ‖d*‖₂ u,  u uniform on the unit sphere
/// ```
/// No box holds it. Objective and divergence are not evaluated and stand as NaN; the noise of a
/// row depends on its key alone.
///
/// # Panics
/// If rows and outcome differ in length.
///
/// # References
/// Seatbelt specification §8.
pub fn random_of_equal_norm(
    outcome: &AttackOutcome,
    rows: &AttackRows,
    noise: &Noise,
) -> AttackOutcome {
    assert_eq!(rows.len(), outcome.len(), "one row per outcome");
    let num_rows = rows.len();
    let num_pixels = outcome.distortion.size()[1];
    let noise = noise.child("random-reference");
    let draws: Vec<Tensor> = rows
        .keys
        .iter()
        .zip(&outcome.norm_l2)
        .map(|(&key, &norm)| {
            let node = noise.index(key);
            let direction = node.standard_normal(&[num_pixels], Kind::Double, Device::Cpu);
            let length = direction.square().sum(None).sqrt();
            direction / length * norm
        })
        .collect();
    let distortion = Tensor::stack(&draws, 0);
    AttackOutcome {
        norm_l2: outcome.norm_l2.clone(),
        norm_linf: vaegis_tensor::convert::to_f64_vec(&distortion.abs().amax(1, false)),
        objective: vec![f64::NAN; num_rows],
        divergence: vec![f64::NAN; num_rows],
        divergence_clean: outcome.divergence_clean.clone(),
        iterations: vec![0; num_rows],
        evaluations: vec![0; num_rows],
        status: vec![RowStatus::BudgetUsed; num_rows],
        restart: vec![0; num_rows],
        pixel_range: (f64::NEG_INFINITY, f64::INFINITY),
        distortion,
    }
}

/// Records of random noise in place of the attacks of a finished sweep, row by row of the same
/// norm and judged on the same draws.
///
/// # Shapes
/// distortions: `[N, D]`, as the sweep returned them
///
/// # Panics
/// If rows, records and distortions differ in length.
pub fn describe_random(
    victim: &dyn LatentModel,
    sweep: &Sweep,
    rows: &SweepRows,
    (records, distortions): (&[AttackRecord], &Tensor),
    noise: &Noise,
) -> Vec<AttackRecord> {
    let range = sweep.attack.constraint.pixel_range(victim.bounds());
    let attacked = outcome(records, distortions, range);
    let random = random_of_equal_norm(&attacked, &rows.rows, noise);
    describe(
        victim,
        &sweep.attack,
        &rows.rows,
        &rows.pairs,
        &random,
        sweep.samples.max(1),
        noise,
    )
}

/// The outcome that these records describe.
fn outcome(
    records: &[AttackRecord],
    distortions: &Tensor,
    pixel_range: (f64, f64),
) -> AttackOutcome {
    let all = |pick: fn(&AttackRecord) -> f64| records.iter().map(pick).collect();
    let counts = |pick: fn(&AttackRecord) -> usize| records.iter().map(pick).collect();
    AttackOutcome {
        distortion: distortions.to_kind(Kind::Double),
        objective: all(|r| r.delta),
        divergence: all(|r| r.divergence),
        divergence_clean: all(|r| r.divergence_clean),
        norm_l2: all(|r| r.norm_l2),
        norm_linf: all(|r| r.norm_linf),
        iterations: counts(|r| r.iterations),
        evaluations: counts(|r| r.evaluations),
        status: records.iter().map(|r| r.status).collect(),
        restart: counts(|r| r.restart),
        pixel_range,
    }
}
