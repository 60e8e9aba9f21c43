//! Which items go into which batch: seeded shuffling that never depends on a library's version.

use rand::Rng;
use vaegis_core::SeedTree;

use crate::dataset::Split;

/// One of so many items is held out by [`hold_out`].
const TEST_PART: usize = 10;

/// The batches of every epoch, reproducible from a seed node and the epoch's number.
///
/// ```
/// use vaegis_core::SeedTree;
/// use vaegis_data::BatchPlan;
///
/// let plan = BatchPlan::new(10, 4, false, SeedTree::new(0).child("shuffle"));
/// assert_eq!(plan.num_batches(), 3);
/// assert_eq!(plan.epoch(5), plan.epoch(5));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPlan {
    len: usize,
    batch_size: usize,
    drop_last: bool,
    seed: SeedTree,
}

impl BatchPlan {
    /// Plans batches of `batch_size` over `len` items; `drop_last` leaves out a short last batch.
    ///
    /// # Panics
    ///
    /// When `batch_size` is 0.
    pub fn new(len: usize, batch_size: usize, drop_last: bool, seed: SeedTree) -> Self {
        assert!(batch_size > 0, "BatchPlan: batch_size must be at least 1");
        Self {
            len,
            batch_size,
            drop_last,
            seed,
        }
    }

    /// Number of batches of one epoch.
    pub fn num_batches(&self) -> usize {
        if self.drop_last {
            self.len / self.batch_size
        } else {
            self.len.div_ceil(self.batch_size)
        }
    }

    /// The shuffled batches of epoch `e`.
    pub fn epoch(&self, e: usize) -> Vec<Vec<usize>> {
        let order = permutation(self.len, &self.seed.index(e as u64));
        self.cut(&order)
    }

    /// The batches in the order of the items, for evaluation.
    pub fn in_order(&self) -> Vec<Vec<usize>> {
        let order: Vec<usize> = (0..self.len).collect();
        self.cut(&order)
    }

    fn cut(&self, order: &[usize]) -> Vec<Vec<usize>> {
        let mut batches: Vec<Vec<usize>> = order
            .chunks(self.batch_size)
            .map(<[usize]>::to_vec)
            .collect();
        batches.truncate(self.num_batches());
        batches
    }
}

/// A uniformly random order of `0..len`, fixed forever by the seed node.
///
/// # References
///
/// Fisher and Yates' shuffle; bounded integers by Lemire (2019), "Fast random integer generation
/// in an interval", without the rejection step: the bias is below `len / 2^64`.
pub fn permutation(len: usize, seed: &SeedTree) -> Vec<usize> {
    let mut rng = seed.rng();
    let mut order: Vec<usize> = (0..len).collect();
    for i in (1..len).rev() {
        let j = (u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}

/// The items of one split of data that has none: a random tenth, rounded up, is held out for
/// testing, fixed forever by the count and the seed node; the rest is for training.
///
/// Both parts are in the order of the items, disjoint, and together everything. Fewer than two
/// items are all for training.
pub fn hold_out(count: usize, split: Split, seed: &SeedTree) -> Vec<usize> {
    let held_out = match count {
        0 | 1 => 0,
        _ => count.div_ceil(TEST_PART),
    };
    let mut test = permutation(count, seed);
    let train = test.split_off(held_out);
    let mut chosen = match split {
        Split::Train => train,
        Split::Test => test,
    };
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_item_once() {
        let plan = BatchPlan::new(103, 10, false, SeedTree::new(1));
        for e in 0..4 {
            let batches = plan.epoch(e);
            assert_eq!(batches.len(), plan.num_batches());
            let mut all = batches.concat();
            assert_ne!(all, (0..103).collect::<Vec<_>>());
            all.sort_unstable();
            assert_eq!(all, (0..103).collect::<Vec<_>>());
        }
        assert_ne!(plan.epoch(0), plan.epoch(1));
        let dropped = BatchPlan::new(103, 10, true, SeedTree::new(1));
        assert_eq!(dropped.epoch(0).len(), 10);
        assert!(dropped.epoch(0).iter().all(|b| b.len() == 10));
        assert_eq!(plan.in_order().concat(), (0..103).collect::<Vec<_>>());
    }

    /// Counts of the first element over 6000 orders of 6 items: chi-square with 5 degrees of
    /// freedom stays below 20.5 with probability 0.999; the seeds are fixed.
    #[test]
    fn orders_are_uniform_in_the_first_place() {
        let mut counts = [0_u32; 6];
        for i in 0..6000 {
            counts[permutation(6, &SeedTree::new(7).index(i))[0]] += 1;
        }
        let chi2: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0)
            .sum();
        assert!(chi2 < 20.5, "{counts:?}");
    }

    #[test]
    fn the_held_out_tenth_and_the_rest_are_everything_once() {
        let seed = SeedTree::new(3);
        for (count, expected) in [(0, 0), (1, 0), (2, 1), (10, 1), (11, 2), (1000, 100)] {
            let [train, test] = [Split::Train, Split::Test].map(|s| hold_out(count, s, &seed));
            assert_eq!(test.len(), expected, "{count}");
            assert!(test.is_sorted() && train.is_sorted());
            let mut all = [train, test].concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
        let other = hold_out(1000, Split::Test, &SeedTree::new(4));
        assert_ne!(hold_out(1000, Split::Test, &seed), other);
    }

    /// Derived by tests/golden/permutation.py: a change would silently change every training run.
    #[test]
    fn the_order_is_fixed_forever() {
        let order = permutation(8, &SeedTree::new(42).child("shuffle").index(0));
        let text = include_str!("../tests/golden/permutation.json");
        let golden: Vec<usize> = serde_json::from_str(text).expect("golden file parses");
        assert_eq!(order, golden);
    }
}
