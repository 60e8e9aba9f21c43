//! The middle matrix `M` of the compact representation `B = θ I − W M Wᵀ`, `W = [Y, θ S]`.
//!
//! Vectors of the compact space are pairs of blocks, by slot of the correction pair.
//!
//! # References
//!
//! Byrd, Lu, Nocedal and Zhu (1995), equations (3.2) to (3.6).

use crate::dense::{Upper, axpy, dot_chunks};
use crate::history::History;
use crate::kernels::padded;

/// A vector with one entry per gradient difference and one per step, by slot.
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

/// `M` in factored form; `D` and `L` stay in the history.
#[derive(Debug, Default)]
pub(crate) struct Middle {
    /// `J` of `θ SᵀS + L D⁻¹ Lᵀ = J Jᵀ`, as its transpose.
    j: Upper,
    inverse_d: Vec<f64>,
}

impl Middle {
    /// Forms the factors from a history that is not empty.
    ///
    /// Returns false when the pairs are not numerically positive definite.
    #[must_use]
    pub(crate) fn form(&mut self, history: &History) -> bool {
        let len = history.len();
        if !history
            .diagonal()
            .iter()
            .all(|&d| d > 0.0 && d < f64::INFINITY)
        {
            return false;
        }
        self.inverse_d.clear();
        self.inverse_d
            .extend(history.diagonal().iter().map(|d| d.recip()));
        self.j.clear(len);
        for i in 0..len {
            for (entry, ss) in self.j.row_mut(i).iter_mut().zip(&history.ss(i)[..len]) {
                *entry = history.theta * ss;
            }
        }
        self.j
            .add_weighted_square((0..len).map(|j| history.l_transposed(j)), &self.inverse_d);
        self.j.factor(len)
    }

    /// Writes `M v` into `out`.
    pub(crate) fn apply(&self, history: &History, v: &Short, out: &mut Short) {
        out.s.clear();
        out.s.extend_from_slice(&v.s);
        out.y.clear();
        out.y.resize(v.y.len(), 0.0);
        for (j, (inverse_d, v)) in self.inverse_d.iter().zip(&v.y).enumerate() {
            axpy(&mut out.s, v * inverse_d, history.l_transposed(j));
        }
        self.j.solve_transposed(&mut out.s);
        self.j.solve(&mut out.s);
        for (j, (inverse_d, v)) in self.inverse_d.iter().zip(&v.y).enumerate() {
            out.y[j] = (dot_chunks(history.l_transposed(j), &out.s) - v) * inverse_d;
        }
    }
}
