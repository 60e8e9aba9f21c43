//! Batches made ahead of their use by background threads, in the planned order.
//!
//! The order and the content never depend on the number of threads or on timing: worker `w` of
//! `n` makes batches `w, w + n, ...`, and the consumer takes from the workers in turn.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::dataset::{Batch, Dataset};
use crate::error::DataError;

/// Most threads that one prefetcher starts; the network needs the other cores.
const MAX_WORKERS: usize = 2;

/// An iterator over planned batches that are made in the background.
///
/// At most about `depth` batches wait at any time. Dropping it stops the threads.
#[derive(Debug)]
pub struct Prefetcher {
    queues: Vec<Receiver<Result<Batch, DataError>>>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
    num_batches: usize,
}

impl Prefetcher {
    /// Starts making `batches` of `dataset`, at most `depth` ahead.
    pub fn new(dataset: Arc<dyn Dataset>, batches: Vec<Vec<usize>>, depth: usize) -> Self {
        let num_workers = depth.clamp(1, MAX_WORKERS).min(batches.len().max(1));
        let num_batches = batches.len();
        let batches = Arc::new(batches);
        let (mut queues, mut workers) = (Vec::new(), Vec::new());
        for worker in 0..num_workers {
            let (sender, receiver) = sync_channel(depth.div_ceil(num_workers).max(1));
            let (dataset, batches) = (Arc::clone(&dataset), Arc::clone(&batches));
            queues.push(receiver);
            workers.push(std::thread::spawn(move || {
                for indices in batches.iter().skip(worker).step_by(num_workers) {
                    // A failed send means that the consumer is gone: nobody needs the rest.
                    if sender.send(dataset.batch(indices)).is_err() {
                        return;
                    }
                }
            }));
        }
        Self {
            queues,
            workers,
            next: 0,
            num_batches,
        }
    }
}

impl Iterator for Prefetcher {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.num_batches {
            return None;
        }
        let batch = self.next;
        self.next += 1;
        let queue = &self.queues[batch % self.queues.len()];
        Some(queue.recv().unwrap_or(Err(DataError::Prefetch { batch })))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.num_batches - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Prefetcher {}

impl Drop for Prefetcher {
    fn drop(&mut self) {
        // Closed queues end the workers at their next send.
        self.queues.clear();
        for worker in self.workers.drain(..) {
            // A worker that panicked has already been reported as a missing batch.
            worker.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use vaegis_core::SeedTree;

    use super::*;
    use crate::synthetic::blobs;
    use crate::{BatchPlan, OpenOptions, Split};

    fn data() -> Arc<dyn Dataset> {
        let options = OpenOptions {
            samples: Some(101),
            ..OpenOptions::default()
        };
        Arc::new(blobs(Split::Train, &options).expect("valid options"))
    }

    #[test]
    fn order_and_content_equal_the_plan_at_every_depth() {
        let dataset = data();
        let batches = BatchPlan::new(dataset.len(), 7, false, SeedTree::new(3)).epoch(0);
        for depth in [0, 1, 2, 3, 50] {
            let made: Vec<Batch> = Prefetcher::new(Arc::clone(&dataset), batches.clone(), depth)
                .collect::<Result<_, _>>()
                .expect("all batches");
            assert_eq!(made.len(), batches.len());
            for (batch, indices) in made.iter().zip(&batches) {
                assert_eq!(*batch, dataset.batch(indices).expect("direct"));
            }
        }
    }

    #[test]
    fn an_error_arrives_in_its_place_and_an_early_drop_ends() {
        let dataset = data();
        let plan = vec![vec![0], vec![101], vec![1]];
        let results: Vec<bool> = Prefetcher::new(Arc::clone(&dataset), plan, 2)
            .map(|b| b.is_ok())
            .collect();
        assert_eq!(results, [true, false, true]);
        let mut many = Prefetcher::new(dataset, vec![vec![0]; 10_000], 2);
        assert_eq!(many.len(), 10_000);
        assert!(many.next().expect("first").is_ok());
        drop(many);
    }
}
