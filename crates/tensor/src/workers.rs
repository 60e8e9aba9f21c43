//! Independent jobs on a few worker threads, each with its own number of libtorch
//! threads.
//!
//! Small networks gain more from two batches at once than from two threads
//! within one matrix product: threads within one operation meet at its end,
//! and wait for each other a few dozen times in every pass. Results do not
//! depend on the number of workers, because no job's arithmetic does.
//!
//! Not for: rayon's data parallelism on plain slices.

use crate::device::{num_threads, set_num_threads};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work` on every item and returns the results in the items' order. The
/// first error stops the workers after their current jobs.
///
/// `init` makes what a worker keeps between its jobs, on the worker's own
/// thread; it gets the worker's number, below `workers`.
///
/// # Errors
/// The error of the lowest-numbered item that failed.
///
/// # Panics
/// If `init` or `work` panics.
pub fn run_with<I: Send, S, O: Send, E: Send>(
    items: Vec<I>,
    workers: usize,
    threads_per_worker: usize,
    init: impl Fn(usize) -> S + Sync,
    work: impl Fn(&mut S, usize, I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let workers = workers.clamp(1, items.len().max(1));
    let items: Vec<Mutex<Option<I>>> = items.into_iter().map(|i| Mutex::new(Some(i))).collect();
    let results: Vec<Mutex<Option<Result<O, E>>>> =
        items.iter().map(|_| Mutex::new(None)).collect();
    let before = num_threads();
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (next, failed, items, results) = (&next, &failed, &items, &results);
            let (init, work) = (&init, &work);
            scope.spawn(move || {
                set_num_threads(threads_per_worker);
                let mut state = init(worker);
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    if position >= items.len() || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let item = items[position]
                        .lock()
                        .expect("invariant: taken once")
                        .take();
                    let item = item.expect("invariant: each position is handed out once");
                    let result = work(&mut state, position, item);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    *results[position].lock().expect("invariant: written once") = Some(result);
                }
            });
        }
    });
    // libtorch keeps a number for threads that are yet to be: the workers changed it.
    set_num_threads(before);
    let mut finished = Vec::with_capacity(results.len());
    for slot in results {
        match slot.into_inner().expect("invariant: workers have ended") {
            Some(result) => finished.push(result?),
            // A later item's error ended the workers before this one began.
            None => continue,
        }
    }
    Ok(finished)
}

/// [`run_with`] for workers that keep nothing between their jobs.
///
/// # Errors
/// The error of the lowest-numbered item that failed.
///
/// # Panics
/// If `work` panics.
pub fn run<I: Sync, O: Send, E: Send>(
    items: &[I],
    workers: usize,
    threads_per_worker: usize,
    work: impl Fn(usize, &I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    let items = items.iter().collect();
    run_with(
        items,
        workers,
        threads_per_worker,
        |_| (),
        |(), position, item| work(position, item),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<usize> = (0..20).collect();
        let squares = run(&items, 3, 1, |_, &i| Ok::<_, String>(i * i)).expect("no errors");
        assert_eq!(squares, (0..20).map(|i| i * i).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_comes_out() {
        let items: Vec<usize> = (0..20).collect();
        let work = |_, &i: &usize| if i == 7 { Err("seven") } else { Ok(i) };
        assert_eq!(run(&items, 2, 1, work), Err("seven"));
    }

    #[test]
    fn workers_have_their_own_state_and_number_of_threads() {
        let before = num_threads();
        let seen = run_with(
            vec![(); 12],
            3,
            1,
            |worker| (worker, 0),
            |(worker, jobs), _, ()| {
                *jobs += 1;
                Ok::<_, ()>((*worker, *jobs, num_threads()))
            },
        )
        .expect("no errors");
        assert!(
            seen.iter()
                .all(|&(worker, _, threads)| worker < 3 && threads == 1)
        );
        for worker in 0..3 {
            let jobs: Vec<i32> = seen.iter().filter(|s| s.0 == worker).map(|s| s.1).collect();
            assert_eq!(jobs, (1..=jobs.len() as i32).collect::<Vec<_>>());
        }
        assert_eq!(num_threads(), before);
    }
}
