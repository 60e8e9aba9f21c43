//! Groups of rows on several threads.
//!
//! A group is one batch: it has its own search, and its network passes run on
//! one thread. Threads that share one pass instead meet after each of its
//! operations, and those of libtorch spin while the optimizer's work. With a
//! group each, nobody waits.
//! The groups follow from the attack and the number of rows alone, so that the
//! result does not depend on the number of threads.

use crate::{Attack, AttackError, AttackOutcome, AttackRows};
use std::sync::Mutex;
use vaegis_nn::{LatentModel, Replica};
use vaegis_tensor::{Device, Noise, Tensor, device, workers};

/// Fewest network rows that are worth a pass of their own.
const SMALLEST_GROUP: usize = 16;
/// Most groups as long as none gets larger than the largest.
const NUM_GROUPS: usize = 4;
/// Network rows from which a pass gains little by more: products of matrices run at full speed.
const LARGEST_GROUP: usize = 128;

/// Attacks rows that were checked: in groups where the victim has replicas.
pub(crate) fn run(
    attack: &Attack,
    victim: &dyn LatentModel,
    rows: &AttackRows,
    noise: &Noise,
) -> Result<AttackOutcome, AttackError> {
    let groups = groups(attack, rows.len());
    let on_host = victim.params().device() == Device::Cpu;
    if groups.len() == 1 || !on_host {
        return attack.run_group(victim, rows, noise);
    }
    let num_workers = device::num_threads().min(groups.len());
    let replicas: Option<Vec<Replica>> = (0..num_workers).map(|_| victim.replica()).collect();
    let Some(replicas) = replicas else {
        return attack.run_group(victim, rows, noise);
    };
    let replicas: Vec<_> = replicas.into_iter().map(|r| Mutex::new(Some(r))).collect();
    let rows: Vec<AttackRows> = groups.iter().map(|group| rows.select(group)).collect();
    let init = |worker: usize| {
        let replica = replicas[worker]
            .lock()
            .expect("invariant: taken once")
            .take();
        let replica = replica.expect("invariant: asked for above, one per worker");
        (replica(), single_threaded())
    };
    let outcomes = workers::run_with(rows, num_workers, 1, init, |(victim, _), _, rows| {
        attack.run_group(&**victim, &rows, noise)
    })?;
    Ok(concatenate(outcomes))
}

/// Keeps the current thread's rayon work on the current thread for as long as the answer lives.
fn single_threaded() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build()
        .expect("invariant: the thread is new, so it is in no pool, and none is started")
}

/// Positions of the rows of each group: contiguous and of nearly equal size.
fn groups(attack: &Attack, num_rows: usize) -> Vec<Vec<usize>> {
    let passes_per_row = attack.restarts * attack.objective.num_samples().max(1);
    let network_rows = num_rows * passes_per_row;
    let most = NUM_GROUPS.max(network_rows.div_ceil(LARGEST_GROUP));
    let count = (network_rows / SMALLEST_GROUP).clamp(1, most.min(num_rows));
    let bounds = |group: usize| group * num_rows / count;
    (0..count)
        .map(|group| (bounds(group)..bounds(group + 1)).collect())
        .collect()
}

fn concatenate(parts: Vec<AttackOutcome>) -> AttackOutcome {
    let distortion: Vec<Tensor> = parts.iter().map(|p| p.distortion.shallow_clone()).collect();
    let mut all = AttackOutcome {
        distortion: Tensor::cat(&distortion, 0),
        objective: Vec::new(),
        divergence: Vec::new(),
        divergence_clean: Vec::new(),
        norm_l2: Vec::new(),
        norm_linf: Vec::new(),
        iterations: Vec::new(),
        evaluations: Vec::new(),
        status: Vec::new(),
        restart: Vec::new(),
    };
    for part in parts {
        all.objective.extend(part.objective);
        all.divergence.extend(part.divergence);
        all.divergence_clean.extend(part.divergence_clean);
        all.norm_l2.extend(part.norm_l2);
        all.norm_linf.extend(part.norm_linf);
        all.iterations.extend(part.iterations);
        all.evaluations.extend(part.evaluations);
        all.status.extend(part.status);
        all.restart.extend(part.restart);
    }
    all
}
