//! Groups of rows on several threads.
//!
//! A group is one batch: it has its own search, and its network passes run on
//! one thread. Threads that share one pass instead meet after each of its
//! operations, and those of libtorch spin while the optimizer's work. With a
//! group each, nobody waits.
//! As everywhere on the CPU, results are bit-equal for one number of threads
//! and equal to rounding for all: a row's last bits depend on its batch.

use crate::{Attack, AttackError, AttackOutcome, AttackRows};
use std::sync::Mutex;
use vaegis_nn::{LatentModel, Replica};
use vaegis_tensor::{Device, Noise, device, workers};

/// Fewest network rows that are worth a pass of their own.
const SMALLEST_GROUP: usize = 16;
/// Network rows from which a pass gains little by more.
const LARGEST_GROUP: usize = 256;

/// Attacks rows that were checked: in groups where the victim has replicas.
pub(crate) fn run(
    attack: &Attack,
    victim: &dyn LatentModel,
    rows: &AttackRows,
    noise: &Noise,
) -> Result<AttackOutcome, AttackError> {
    let groups = groups(attack, rows.len(), device::num_threads());
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
    Ok(interleave(&groups, outcomes))
}

/// Keeps the current thread's rayon work on the current thread for as long as the answer lives.
fn single_threaded() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build()
        .expect("invariant: the thread is new, so it is in no pool, and none is started")
}

/// Positions of the rows of each group. Neighbors go to different groups: the rows of a grid differ
/// in their penalty, and with it in the length of their search.
fn groups(attack: &Attack, num_rows: usize, num_threads: usize) -> Vec<Vec<usize>> {
    let passes_per_row = attack.restarts * attack.objective.num_samples().max(1);
    let network_rows = num_rows * passes_per_row;
    let wanted = num_threads.max(network_rows.div_ceil(LARGEST_GROUP));
    let count = wanted.min(network_rows / SMALLEST_GROUP).clamp(1, num_rows);
    (0..count)
        .map(|group| (group..num_rows).step_by(count).collect())
        .collect()
}

/// The outcomes of the groups in the order of the rows.
fn interleave(groups: &[Vec<usize>], parts: Vec<AttackOutcome>) -> AttackOutcome {
    let order = groups.concat();
    let mut place = vec![0; order.len()];
    for (from, &to) in order.iter().enumerate() {
        place[to] = from;
    }
    AttackOutcome::gather(&parts, &place)
}
