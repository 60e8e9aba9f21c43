//! The middle matrix `M` of the compact representation `B = θ I − W M Wᵀ`, `W = [Y, θ S]`.
//!
//! Vectors of the compact space are pairs of blocks, by age of the correction pair.
//!
//! # References
//!
//! Byrd, Lu, Nocedal and Zhu (1995), equations (3.2) to (3.6).

use crate::dense::{Upper, axpy, dot_chunks};
use crate::history::History;
use crate::kernels::{LANES, padded, simd};

/// A vector with one entry per gradient difference and one per step, oldest first.
///
/// Both blocks have the padded length, with zeros in the padding.
#[derive(Clone, Debug, Default)]
pub(crate) struct Short {
    pub(crate) y: Vec<f64>,
    pub(crate) s: Vec<f64>,
}

impl Short {
    /// Sets the length for `len` pairs, and all entries to zero.
    pub(crate) fn clear(&mut self, len: usize) {
        for block in [&mut self.y, &mut self.s] {
            block.clear();
            block.resize(padded(len), 0.0);
        }
    }

    pub(crate) fn dot(&self, other: &Self) -> f64 {
        dot_chunks(&self.y, &other.y) + dot_chunks(&self.s, &other.s)
    }

    /// `self += k · other`.
    pub(crate) fn add(&mut self, k: f64, other: &Self) {
        axpy(&mut self.y, k, &other.y);
        axpy(&mut self.s, k, &other.s);
    }
}

/// `M` in factored form.
#[derive(Debug, Default)]
pub(crate) struct Middle {
    /// `D = diag(s_iᵀ y_i)`.
    diagonal: Vec<f64>,
    /// `Lᵀ`, where `L_ij = s_iᵀ y_j` for `i > j`; row-major with `stride`.
    l_transposed: Vec<f64>,
    stride: usize,
    /// `J` of `θ SᵀS + L D⁻¹ Lᵀ = J Jᵀ`, as its transpose.
    j: Upper,
}

impl Middle {
    /// Forms the factors from a history that is not empty.
    ///
    /// Returns false when the pairs are not numerically positive definite.
    #[must_use]
    pub(crate) fn form(&mut self, history: &History) -> bool {
        let len = history.len();
        self.stride = padded(len);
        self.diagonal.clear();
        self.l_transposed.clear();
        self.l_transposed.resize(len * self.stride, 0.0);
        self.j.clear(len);
        for i in 0..len {
            let slot = history.slot(i);
            let d = history.sy(slot, slot);
            if !(d > 0.0 && d < f64::INFINITY) {
                return false;
            }
            self.diagonal.push(d);
            let l_row = &mut self.l_transposed[i * self.stride..(i + 1) * self.stride];
            let t_row = self.j.row_mut(i);
            t_row[i] = history.theta * history.ss(slot, slot);
            for k in i + 1..len {
                let newer = history.slot(k);
                l_row[k] = history.sy(newer, slot);
                t_row[k] = history.theta * history.ss(slot, newer);
            }
        }
        add_outer(&self.l_transposed, &self.diagonal, &mut self.j.a, self.stride);
        self.j.factor(len)
    }

    /// `D_i`.
    pub(crate) fn diagonal(&self, i: usize) -> f64 {
        self.diagonal[i]
    }

    /// Writes `M v` into `out`.
    pub(crate) fn apply(&self, v: &Short, out: &mut Short) {
        out.s.clear();
        out.s.extend_from_slice(&v.s);
        out.y.clear();
        out.y.resize(v.y.len(), 0.0);
        let rows = self.l_transposed.chunks_exact(self.stride);
        for ((row, d), v) in rows.clone().zip(&self.diagonal).zip(&v.y) {
            axpy(&mut out.s, v / d, row);
        }
        self.j.solve_transposed(&mut out.s);
        self.j.solve(&mut out.s);
        for (((row, d), v), out_y) in rows.zip(&self.diagonal).zip(&v.y).zip(&mut out.y) {
            *out_y = (dot_chunks(row, &out.s) - v) / d;
        }
    }
}

simd! {
    /// Adds `L D⁻¹ Lᵀ` to the upper triangle of `t`, given the rows of `Lᵀ`.
    fn add_outer [] [] (l_transposed: &[f64], diagonal: &[f64], t: &mut [f64], stride: usize) {
        for (j, (row, d)) in l_transposed.chunks_exact(stride).zip(diagonal).enumerate() {
            for (i, t_row) in t.chunks_exact_mut(stride).enumerate().skip(j + 1) {
                let from = i / LANES * LANES;
                axpy(&mut t_row[from..], row[i] / d, &row[from..]);
            }
        }
    }
}
