//! Independent jobs on a few worker threads, each with its own number of libtorch
//! threads.
//!
//! Small networks gain more from two models at once than from two threads
//! within one matrix product, and results do not depend on the number of
//! workers, because no job's arithmetic does.

use anyhow::Result;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use vaegis_tensor::device::set_num_threads;

/// Runs `work` on every item and returns the results in the items' order. The
/// first error stops the workers after their current jobs.
///
/// # Errors
/// The error of the lowest-numbered item that failed.
///
/// # Panics
/// If `work` panics.
pub fn run<I: Sync, O: Send>(
    items: &[I],
    workers: usize,
    threads_per_worker: usize,
    work: impl Fn(usize, &I) -> Result<O> + Sync,
) -> Result<Vec<O>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Vec<Mutex<Option<Result<O>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                set_num_threads(threads_per_worker);
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    if position >= items.len() || failed.load(Ordering::Relaxed) > 0 {
                        return;
                    }
                    let result = work(position, &items[position]);
                    if result.is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    let mut slot = results[position].lock().expect("invariant: written once");
                    *slot = Some(result);
                }
            });
        }
    });
    let mut finished = Vec::with_capacity(items.len());
    for slot in results {
        match slot.into_inner().expect("invariant: workers have ended") {
            Some(result) => finished.push(result?),
            // A later item's error ended the workers before this one began.
            None => continue,
        }
    }
    Ok(finished)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<usize> = (0..20).collect();
        let squares = run(&items, 3, 1, |_, &i| Ok(i * i)).expect("no errors");
        assert_eq!(squares, (0..20).map(|i| i * i).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_comes_out() {
        let items: Vec<usize> = (0..20).collect();
        let result = run(
            &items,
            2,
            1,
            |_, &i| if i == 7 { bail!("seven") } else { Ok(i) },
        );
        assert_eq!(result.expect_err("must fail").to_string(), "seven");
    }
}
