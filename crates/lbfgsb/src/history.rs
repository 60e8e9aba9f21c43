//! The correction pairs of one row and their inner products.
//!
//! The pairs lie in one variable-major matrix: row `i` holds `y_0[i], s_0[i], y_1[i], s_1[i], …`
//! by slot, so that products with vectors stream through memory once, rows of variables that rest
//! at a bound are skipped altogether, and a Cauchy breakpoint reads one short contiguous row.
//! Slots form a ring and nothing ever moves; the small matrices are by slot too, since the order of
//! the pairs matters to their zero pattern only.
//!
//! What the inner products are used for is in [`crate::middle`] and [`crate::subspace`].
//!
//! # References
//!
//! Byrd, Lu, Nocedal and Zhu, *A limited memory algorithm for bound constrained optimization*,
//! SIAM J. Sci. Comput. 16 (1995), sections 3 and 5.

use crate::kernels::{self, BLOCK, Element, GROUP, LANES};
use crate::options::Precision;

/// The entries in the chosen precision.
#[derive(Clone, Debug)]
enum Store {
    F64(Vec<f64>),
    F32(Vec<f32>),
}

/// Runs `$body` with `$w` bound to the entries, whatever their type.
macro_rules! with_store {
    ($store:expr, $w:ident => $body:expr) => {
        match $store {
            Store::F64($w) => $body,
            Store::F32($w) => $body,
        }
    };
}

/// Buffers for [`History`] that live only during a call, shared by the rows of a thread.
#[derive(Debug, Default)]
pub(crate) struct HistoryScratch {
    changed_rows: Vec<u32>,
    moving_rows: Vec<u32>,
    resting_rows: Vec<u32>,
    signs: Vec<f64>,
    wide: Vec<[f64; LANES]>,
    triple: Vec<[[f64; GROUP]; 3]>,
    double: Vec<[[f64; GROUP]; 2]>,
    single: Vec<[[f64; GROUP]; 1]>,
}

/// The limited memory of one row.
#[derive(Clone, Debug)]
pub(crate) struct History {
    memory: usize,
    /// Number of pairs stored.
    len: usize,
    /// Slot of the oldest pair.
    head: usize,
    /// `θ = yᵀy / sᵀy` of the newest pair, one without pairs.
    pub(crate) theta: f64,
    stride: usize,
    store: Store,
    /// Row length of the small matrices, `m` padded.
    small: usize,
    /// `s_iᵀ s_j` by slot, `[m, small]`.
    ss: Vec<f64>,
    /// `Lᵀ`: entry `[j, i]` is `s_iᵀ y_j` where pair `i` is newer than pair `j`, otherwise zero;
    /// by slot, `[m, small]`.
    l_transposed: Vec<f64>,
    /// `s_iᵀ y_i` by slot.
    diagonal: Vec<f64>,
    /// Lower triangle of `W_Fᵀ W_F − C`, where `C` holds the complete `SᵀS` and the part of the
    /// complete `SᵀY` with `s` newer than `y`, both zero elsewhere.
    ///
    /// It therefore holds `Y_FᵀY_F`, `−S_AᵀS_A` and `R_F − L_A` of the paper's section 5 without
    /// cancellation, and a variable that enters `F` adds its `w wᵀ` to all of it.
    gram: Vec<f64>,
    /// The set `F` that `gram` stands for.
    free: Vec<bool>,
    /// `F` as a list.
    free_rows: Vec<u32>,
    /// The complement of `F` as a list.
    bound_rows: Vec<u32>,
}

/// Which of the interleaved columns.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// The gradient difference of a slot.
    Y(usize),
    /// The step of a slot.
    S(usize),
}

impl Column {
    #[inline]
    fn index(self) -> usize {
        match self {
            Self::Y(slot) => 2 * slot,
            Self::S(slot) => 2 * slot + 1,
        }
    }
}

impl History {
    pub(crate) fn new(n: usize, memory: usize, precision: Precision) -> Self {
        let small = kernels::padded(memory);
        let stride = (2 * memory).next_multiple_of(GROUP);
        Self {
            memory,
            len: 0,
            head: 0,
            theta: 1.0,
            stride,
            store: match precision {
                Precision::F64 => Store::F64(vec![0.0; n * stride]),
                Precision::F32 => Store::F32(vec![0.0; n * stride]),
            },
            small,
            ss: vec![0.0; memory * small],
            l_transposed: vec![0.0; memory * small],
            diagonal: vec![0.0; memory],
            gram: vec![0.0; 2 * memory * stride],
            free: vec![true; n],
            free_rows: (0..n).map(|i| i as u32).collect(),
            bound_rows: Vec::new(),
        }
    }

    /// The free variables that the inner products stand for.
    pub(crate) fn free_rows(&self) -> &[u32] {
        &self.free_rows
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all pairs.
    pub(crate) fn reset(&mut self) {
        self.len = 0;
        self.head = 0;
        self.theta = 1.0;
    }

    /// Slot of the pair of age `i`, 0 being the oldest.
    #[inline]
    pub(crate) fn slot(&self, i: usize) -> usize {
        let slot = self.head + i;
        if slot < self.memory {
            slot
        } else {
            slot - self.memory
        }
    }

    /// Length of a vector over the columns in use, padded for the kernels.
    pub(crate) fn width(&self) -> usize {
        (2 * self.len).next_multiple_of(GROUP)
    }

    /// Row `i` of `SᵀS` by slot.
    #[inline]
    pub(crate) fn ss(&self, i: usize) -> &[f64] {
        &self.ss[i * self.small..][..kernels::padded(self.len)]
    }

    /// Row `j` of `Lᵀ` by slot: `s_iᵀ y_j` at `i` where pair `i` is newer, otherwise zero.
    #[inline]
    pub(crate) fn l_transposed(&self, j: usize) -> &[f64] {
        &self.l_transposed[j * self.small..][..kernels::padded(self.len)]
    }

    /// `D`: `s_iᵀ y_i` by slot.
    #[inline]
    pub(crate) fn diagonal(&self) -> &[f64] {
        &self.diagonal[..self.len]
    }

    /// The entry of `W_Fᵀ W_F − C` for two columns; see the field's docs.
    #[inline]
    pub(crate) fn gram(&self, a: Column, b: Column) -> f64 {
        let (a, b) = (a.index(), b.index());
        self.gram[a.max(b) * self.stride + a.min(b)]
    }

    /// The rows of `W_Fᵀ W_F − C` for `y` and for `s` of slot `i`, as pairs of columns `y`, `s` for
    /// the slots up to `i`.
    ///
    /// The entry of the row of `y_i` at its own `s_i` is right of the diagonal and not meaningful.
    #[inline]
    pub(crate) fn gram_rows(&self, i: usize) -> (&[[f64; 2]], &[[f64; 2]]) {
        let row = |k: usize| {
            self.gram[k * self.stride..][..2 * (i + 1)]
                .as_chunks::<2>()
                .0
        };
        (row(Column::Y(i).index()), row(Column::S(i).index()))
    }

    /// Copies row `i`: `y` by slot, and `s` by slot times `scale`.
    pub(crate) fn variable(&self, i: usize, scale: f64, y: &mut [f64], s: &mut [f64]) {
        with_store!(&self.store, w => {
            let row = w[i * self.stride..][..2 * self.len].as_chunks::<2>().0;
            for ((pair, y), s) in row.iter().zip(y).zip(s) {
                *y = pair[0].widen();
                *s = pair[1].widen() * scale;
            }
        });
    }

    /// Writes `Wᵀ d` by column into `out`.
    pub(crate) fn project(&self, d: &[f64], scratch: &mut HistoryScratch, out: &mut Vec<f64>) {
        let rows = &mut scratch.moving_rows;
        kernels::select(d.len(), rows, |i| d[i].abs() > 0.0);
        let acc = &mut scratch.single;
        acc.clear();
        acc.resize(self.width() / GROUP, [[0.0; GROUP]; 1]);
        with_store!(&self.store, w => {
            kernels::accumulate::<_, 1>(w, self.stride, rows, &[d], acc);
        });
        out.clear();
        out.extend(acc.iter().flat_map(|group| group[0]));
    }

    /// Writes `W v` at the listed variables, `v` by column.
    pub(crate) fn combine(&self, rows: &[u32], v: &[f64], out: &mut [f64]) {
        with_store!(&self.store, w => kernels::combine(w, self.stride, rows, v, out));
    }

    /// Stores a pair in place of the oldest, and writes `Wᵀ d` by column into `out`.
    ///
    /// One pass over the matrix yields every inner product that the new pair takes part in and the
    /// projection of the next search's direction.
    /// The entries of `s` and `y` must be representable in the storage type.
    pub(crate) fn push(
        &mut self,
        s: &[f64],
        y: &[f64],
        d: &[f64],
        theta: f64,
        scratch: &mut HistoryScratch,
        out: &mut Vec<f64>,
    ) {
        let slot = if self.len < self.memory {
            self.len
        } else {
            self.head
        };
        if self.len < self.memory {
            self.len += 1;
        } else {
            self.head = (self.head + 1) % self.memory;
        }
        self.theta = theta;

        let (moving, resting) = (&mut scratch.moving_rows, &mut scratch.resting_rows);
        moving.clear();
        resting.clear();
        for &row in &self.bound_rows {
            let i = row as usize;
            let moves = s[i].abs() > 0.0 || d[i].abs() > 0.0;
            if moves { &mut *moving } else { &mut *resting }.push(row);
        }
        let width = self.width();
        let groups = width / GROUP;
        scratch.triple.clear();
        scratch.triple.resize(groups, [[0.0; GROUP]; 3]);
        scratch.double.clear();
        scratch.double.resize(groups, [[0.0; GROUP]; 2]);
        let stride = self.stride;
        with_store!(&mut self.store, w => {
            // The history comes from memory here: fetch a block while working on another.
            for (rows, next) in blocks(&self.free_rows) {
                kernels::prefetch(w, stride, 0..width, next);
                write_pair(w, stride, slot, rows, s, y);
                kernels::accumulate::<_, 3>(w, stride, rows, &[s, y, d], &mut scratch.triple);
            }
            for (rows, next) in blocks(moving) {
                kernels::prefetch(w, stride, 0..width, next);
                write_pair(w, stride, slot, rows, s, y);
                kernels::accumulate::<_, 2>(w, stride, rows, &[s, d], &mut scratch.double);
            }
            for (rows, next) in blocks(resting) {
                kernels::prefetch(w, stride, 2 * slot..2 * slot + 2, next);
                write_pair(w, stride, slot, rows, s, y);
            }
        });

        let (free, bound) = (&scratch.triple, &scratch.double);
        for k in 0..self.len {
            let (y_k, s_k) = (Column::Y(k).index(), Column::S(k).index());
            let free_s = |column: usize| free[column / GROUP][0][column % GROUP];
            let free_y = |column: usize| free[column / GROUP][1][column % GROUP];
            let bound_s = |column: usize| bound[column / GROUP][0][column % GROUP];
            let ss = free_s(s_k) + bound_s(s_k);
            self.ss[k * self.small + slot] = ss;
            self.ss[slot * self.small + k] = ss;
            // The new step is newer than every gradient difference, and no step newer than its own.
            self.l_transposed[k * self.small + slot] = free_s(y_k) + bound_s(y_k);
            self.l_transposed[slot * self.small + k] = 0.0;
            let entries = [
                (Column::Y(slot), Column::Y(k), free_y(y_k)),
                (Column::Y(slot), Column::S(k), free_y(s_k)),
                (Column::S(slot), Column::S(k), -bound_s(s_k)),
            ];
            for (a, b, value) in entries {
                self.set_gram(a, b, value);
            }
            // With the new step, older gradient differences count at the variables at bounds, and
            // its own at the free variables; that one was set above.
            if k == slot {
                self.diagonal[slot] = free_s(y_k) + bound_s(y_k);
            } else {
                self.set_gram(Column::S(slot), Column::Y(k), -bound_s(y_k));
            }
        }
        out.clear();
        out.extend(free.iter().zip(bound).flat_map(|(free, bound)| {
            let mut sum = free[2];
            for l in 0..GROUP {
                sum[l] += bound[1][l];
            }
            sum
        }));
    }

    fn set_gram(&mut self, a: Column, b: Column, value: f64) {
        let (a, b) = (a.index(), b.index());
        self.gram[a.max(b) * self.stride + a.min(b)] = value;
    }

    /// Makes the inner products stand for a new set of free variables.
    ///
    /// The cost is that of the variables that entered or left, `O(m²)` each.
    pub(crate) fn set_free(&mut self, free: &[bool], scratch: &mut HistoryScratch) {
        if self.free == free {
            return;
        }
        let rows = &mut scratch.changed_rows;
        kernels::select(free.len(), rows, |i| self.free[i] != free[i]);
        scratch.signs.clear();
        scratch.signs.extend(
            rows.iter()
                .map(|&i| if free[i as usize] { 1.0 } else { -1.0 }),
        );
        self.free.copy_from_slice(free);
        kernels::select(free.len(), &mut self.free_rows, |i| free[i]);
        kernels::select(free.len(), &mut self.bound_rows, |i| !free[i]);
        if self.len == 0 {
            return;
        }
        with_store!(&self.store, w => kernels::rank_update(
            w,
            self.stride,
            2 * self.len,
            rows,
            &scratch.signs,
            &mut self.gram,
            &mut scratch.wide,
        ));
    }
}

/// The blocks of a list, each with the one after it, which is empty at the end.
fn blocks(rows: &[u32]) -> impl Iterator<Item = (&[u32], &[u32])> {
    let following = rows
        .chunks(BLOCK)
        .skip(1)
        .chain(std::iter::once::<&[u32]>(&[]));
    rows.chunks(BLOCK).zip(following)
}

/// Writes the new pair's entries of the listed variables.
fn write_pair<H: Element>(
    w: &mut [H],
    stride: usize,
    slot: usize,
    rows: &[u32],
    s: &[f64],
    y: &[f64],
) {
    for &row in rows {
        let i = row as usize;
        let entry = &mut w[i * stride + 2 * slot..i * stride + 2 * slot + 2];
        entry[0] = H::narrow(y[i]);
        entry[1] = H::narrow(s[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inner products of eleven entries of magnitude one.
    const TOLERANCE: f64 = 1e-12;

    /// A sequence of pairs and free sets, checked against sums over the definition after each.
    #[test]
    fn inner_products_follow_pairs_and_free_sets() {
        let (n, memory) = (11, 3);
        let mut history = History::new(n, memory, Precision::F64);
        let mut scratch = HistoryScratch::default();
        let mut kept: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
        let mut out = Vec::new();
        for step in 0..8_usize {
            let wave = |phase: usize| -> Vec<f64> {
                (0..n).map(|i| ((i * 3 + phase) as f64).sin()).collect()
            };
            let (s, y, d) = (wave(7 * step), wave(7 * step + 2), wave(7 * step + 5));
            history.push(&s, &y, &d, 1.0, &mut scratch, &mut out);
            kept.push((s, y));
            if kept.len() > memory {
                kept.remove(0);
            }
            let free: Vec<bool> = (0..n).map(|i| (i * i + step) % 3 != 0).collect();
            for (age, (s, y)) in kept.iter().enumerate() {
                let slot = history.slot(age);
                let dot = |a: &[f64]| a.iter().zip(&d).map(|(a, b)| a * b).sum::<f64>();
                assert!((out[Column::Y(slot).index()] - dot(y)).abs() < TOLERANCE);
                assert!((out[Column::S(slot).index()] - dot(s)).abs() < TOLERANCE);
            }
            history.set_free(&free, &mut scratch);
            for (i, (s_i, y_i)) in kept.iter().enumerate() {
                for (j, (s_j, y_j)) in kept.iter().enumerate() {
                    let sum = |a: &[f64], b: &[f64], set: bool| -> f64 {
                        (0..n)
                            .filter(|&k| free[k] == set)
                            .map(|k| a[k] * b[k])
                            .sum()
                    };
                    let (p, q) = (history.slot(i), history.slot(j));
                    let check = |found: f64, expected: f64| {
                        assert!((found - expected).abs() < TOLERANCE, "{found} {expected}");
                    };
                    let yy = history.gram(Column::Y(p), Column::Y(q));
                    check(yy, sum(y_i, y_j, true));
                    let ss = history.gram(Column::S(p), Column::S(q));
                    check(ss, -sum(s_i, s_j, false));
                    check(history.ss(p)[q], sum(s_i, s_j, true) + sum(s_i, s_j, false));
                    let mixed = history.gram(Column::S(p), Column::Y(q));
                    if i > j {
                        check(mixed, -sum(s_i, y_j, false));
                    } else {
                        check(mixed, sum(s_i, y_j, true));
                    }
                    let whole = sum(s_i, y_j, true) + sum(s_i, y_j, false);
                    if i == j {
                        check(history.diagonal()[p], whole);
                    }
                    check(history.l_transposed(q)[p], if i > j { whole } else { 0.0 });
                }
            }
        }
    }
}
