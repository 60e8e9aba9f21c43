//! Factorization and triangular solves for the small dense matrices of the compact representation.
//!
//! Matrices are row-major with a stride that is a multiple of four; only upper triangles are read.
//! General linear algebra is not the aim: two sizes occur, the memory `m` and `2m`.

use crate::kernels::{LANES, padded, simd};

/// The upper factor `U` of a positive definite or quasi-definite matrix.
#[derive(Debug, Default)]
pub(crate) struct Upper {
    /// Entries, `[dim, stride]`; left of the diagonal zero within its group of four.
    pub(crate) a: Vec<f64>,
    /// Distance between rows.
    pub(crate) stride: usize,
    /// Order of the matrix.
    pub(crate) dim: usize,
    inverse_diagonal: Vec<f64>,
    buffer: Vec<f64>,
}

impl Upper {
    /// Resizes to a zero matrix of order `dim`, to be filled (upper triangle) and factored.
    pub(crate) fn clear(&mut self, dim: usize) {
        self.dim = dim;
        self.stride = padded(dim);
        self.a.clear();
        self.a.resize(dim * self.stride, 0.0);
    }

    /// Row `i`.
    #[inline]
    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [f64] {
        let start = i * self.stride;
        &mut self.a[start..start + self.stride]
    }

    /// Factors in place `[[P, Xᵀ], [X, −Q]] = Uᵀ diag(I, −I) U`, given `P`, `Xᵀ` and `+Q`.
    ///
    /// `P` has order `positive`; with `positive = dim` this is the Cholesky factorization.
    /// Returns false when a pivot is not positive.
    #[must_use]
    pub(crate) fn factor(&mut self, positive: usize) -> bool {
        self.inverse_diagonal.clear();
        self.inverse_diagonal.resize(self.dim, 0.0);
        factor(
            &mut self.a,
            self.stride,
            self.dim,
            positive,
            &mut self.inverse_diagonal,
        )
    }

    /// Adds `Bᵀ diag(weight) B`, given the rows of `B`, one per weight.
    pub(crate) fn add_weighted_square<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a [f64]>,
        weight: &[f64],
    ) {
        self.buffer.clear();
        for row in rows {
            self.buffer.extend_from_slice(row);
        }
        add_weighted_square(&mut self.a, self.stride, &self.buffer, weight);
    }

    /// Declares the filled entries to be the factor itself.
    ///
    /// Returns false when a diagonal entry is not positive.
    #[must_use]
    pub(crate) fn assume_factored(&mut self) -> bool {
        self.inverse_diagonal.clear();
        let diagonal = (0..self.dim).map(|i| 1.0 / self.a[i * self.stride + i]);
        self.inverse_diagonal.extend(diagonal);
        self.inverse_diagonal
            .iter()
            .all(|&inverse| inverse > 0.0 && inverse < f64::INFINITY)
    }

    /// Solves `Uᵀ x = b` in place; `b` has the padded length.
    pub(crate) fn solve_transposed(&self, b: &mut [f64]) {
        solve_transposed(&self.a, self.stride, &self.inverse_diagonal, b);
    }

    /// Solves `U x = b` in place; `b` has the padded length, zero in its padding.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        solve(&self.a, self.stride, &self.inverse_diagonal, b);
    }
}

/// `y += k x` on whole groups of four.
#[inline(always)]
pub(crate) fn axpy(y: &mut [f64], k: f64, x: &[f64]) {
    let y = y.as_chunks_mut::<LANES>().0;
    for (y, x) in y.iter_mut().zip(x.as_chunks::<LANES>().0) {
        // Copies, so that no store can alias the loads that follow it.
        let (mut sum, x) = (*y, *x);
        for l in 0..LANES {
            sum[l] += k * x[l];
        }
        *y = sum;
    }
}

/// `aᵀb` on whole groups of four.
#[inline(always)]
pub(crate) fn dot_chunks(a: &[f64], b: &[f64]) -> f64 {
    let mut s = [0.0; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for l in 0..LANES {
            s[l] += a[l] * b[l];
        }
    }
    (s[0] + s[1]) + (s[2] + s[3])
}

/// `y += Σ k_j x_j` on whole groups of four.
#[inline(always)]
fn axpy4(y: &mut [f64], k: [f64; 4], x: [&[f64]; 4]) {
    let y = y.as_chunks_mut::<LANES>().0;
    let n = y.len();
    let [x0, x1, x2, x3] = x.map(|x| &x.as_chunks::<LANES>().0[..n]);
    for c in 0..n {
        let mut sum = y[c];
        for l in 0..LANES {
            sum[l] += (k[0] * x0[c][l] + k[1] * x1[c][l]) + (k[2] * x2[c][l] + k[3] * x3[c][l]);
        }
        y[c] = sum;
    }
}

/// [`axpy4`] on two vectors with the same `x`, which is loaded once.
#[inline(always)]
fn axpy4_twice(y: [&mut [f64]; 2], k: [[f64; 4]; 2], x: [&[f64]; 4]) {
    let [ya, yb] = y.map(|y| y.as_chunks_mut::<LANES>().0);
    let n = ya.len();
    let yb = &mut yb[..n];
    let [x0, x1, x2, x3] = x.map(|x| &x.as_chunks::<LANES>().0[..n]);
    let [ka, kb] = k;
    for c in 0..n {
        let (mut a, mut b) = (ya[c], yb[c]);
        for l in 0..LANES {
            let x = [x0[c][l], x1[c][l], x2[c][l], x3[c][l]];
            a[l] += (ka[0] * x[0] + ka[1] * x[1]) + (ka[2] * x[2] + ka[3] * x[3]);
            b[l] += (kb[0] * x[0] + kb[1] * x[1]) + (kb[2] * x[2] + kb[3] * x[3]);
        }
        (ya[c], yb[c]) = (a, b);
    }
}

/// [`axpy4`] on the rows of `a`, `[.., stride]`, the first of which is row `first` of its matrix and
/// even: row `i` from the group of four that holds its diagonal on, with the factors `k(i)`.
#[inline(always)]
fn update_rows(
    a: &mut [f64],
    stride: usize,
    first: usize,
    k: impl Fn(usize) -> [f64; 4],
    x: [&[f64]; 4],
) {
    for (pair, rows) in a.chunks_mut(2 * stride).enumerate() {
        let i = first + 2 * pair;
        let from = i / LANES * LANES;
        let x = x.map(|x| &x[from..]);
        let (upper, lower) = rows.split_at_mut(stride);
        if lower.is_empty() {
            axpy4(&mut upper[from..], k(i), x);
        } else {
            axpy4_twice(
                [&mut upper[from..], &mut lower[from..]],
                [k(i), k(i + 1)],
                x,
            );
        }
    }
}

simd! {
    /// See [`Upper::factor`].
    ///
    /// Four pivot rows are finished at a time and then eliminated together from all rows below.
    fn factor [] [] (
        a: &mut [f64],
        stride: usize,
        dim: usize,
        positive: usize,
        inverse_diagonal: &mut [f64],
    ) -> bool {
        let sign = |k: usize, i: usize| if k < positive && i >= positive { 1.0 } else { -1.0 };
        for panel in (0..dim).step_by(LANES) {
            let end = (panel + LANES).min(dim);
            for k in panel..end {
                let (done, rest) = a.split_at_mut((k + 1) * stride);
                let row = &mut done[k * stride..];
                let pivot = row[k];
                // Written so that NaN fails too.
                if !(pivot > 0.0 && pivot < f64::INFINITY) {
                    return false;
                }
                let inverse = 1.0 / pivot.sqrt();
                inverse_diagonal[k] = inverse;
                // Eliminations before this one spilled left of the diagonal.
                row[panel..k].fill(0.0);
                for entry in &mut row[k..] {
                    *entry *= inverse;
                }
                for (i, below) in (k + 1..end).zip(rest.chunks_exact_mut(stride)) {
                    axpy(&mut below[panel..], sign(k, i) * row[i], &row[panel..]);
                }
            }
            if end == dim {
                break;
            }
            let (done, rest) = a.split_at_mut(end * stride);
            let panel_rows = &done[panel * stride..];
            let (r0, others) = panel_rows.split_at(stride);
            let (r1, others) = others.split_at(stride);
            let (r2, r3) = others.split_at(stride);
            let k = |i: usize| {
                [
                    sign(panel, i) * r0[i],
                    sign(panel + 1, i) * r1[i],
                    sign(panel + 2, i) * r2[i],
                    sign(panel + 3, i) * r3[i],
                ]
            };
            update_rows(rest, stride, end, k, [r0, r1, r2, r3]);
        }
        true
    }
}

simd! {
    /// Adds `Bᵀ diag(weight) B` to the upper triangle of `a`, given `B` row by row.
    fn add_weighted_square [] [] (a: &mut [f64], stride: usize, b: &[f64], weight: &[f64]) {
        let rows = b.len() / stride;
        for first in (0..rows).step_by(LANES) {
            let row = |j: usize| {
                let start = (first + j).min(rows - 1) * stride;
                &b[start..start + stride]
            };
            let w: [f64; LANES] =
                std::array::from_fn(|j| weight.get(first + j).copied().unwrap_or(0.0));
            let rows: [&[f64]; LANES] = std::array::from_fn(row);
            let k = |i: usize| std::array::from_fn(|j| w[j] * rows[j][i]);
            update_rows(a, stride, 0, k, rows);
        }
    }
}

simd! {
    /// See [`Upper::solve_transposed`].
    fn solve_transposed [] [] (
        a: &[f64],
        stride: usize,
        inverse_diagonal: &[f64],
        b: &mut [f64],
    ) {
        for (k, (row, inverse)) in a.chunks_exact(stride).zip(inverse_diagonal).enumerate() {
            let x = b[k] * inverse;
            let first = k / LANES * LANES;
            axpy(&mut b[first..], -x, &row[first..]);
            b[k] = x;
        }
    }
}

simd! {
    /// See [`Upper::solve`].
    fn solve [] [] (a: &[f64], stride: usize, inverse_diagonal: &[f64], b: &mut [f64]) {
        let rows = a.chunks_exact(stride).zip(inverse_diagonal).enumerate();
        for (k, (row, inverse)) in rows.rev() {
            let first = k / LANES * LANES;
            let rhs = b[k];
            b[k] = 0.0;
            b[k] = (rhs - dot_chunks(&row[first..], &b[first..])) * inverse;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Residuals of order-9 systems with entries near one.
    const TOLERANCE: f64 = 1e-12;

    fn quasi_definite(dim: usize, positive: usize) -> Vec<f64> {
        let mut a = vec![0.0; dim * dim];
        for i in 0..dim {
            for j in 0..dim {
                let (p, q) = (i.min(j), i.max(j));
                a[i * dim + j] = ((p * 5 + q * 3) % 7) as f64 / 7.0;
            }
            a[i * dim + i] = if i < positive { 9.0 } else { -9.0 };
        }
        for i in positive..dim {
            for j in positive..dim {
                if i != j {
                    a[i * dim + j] = -a[i * dim + j];
                }
            }
        }
        a
    }

    #[test]
    fn factor_solves_definite_and_quasi_definite_systems() {
        for (dim, positive) in [(1, 1), (4, 4), (5, 5), (9, 9), (8, 4), (6, 3), (9, 2)] {
            let a = quasi_definite(dim, positive);
            let mut upper = Upper::default();
            upper.clear(dim);
            for i in 0..dim {
                for j in i..dim {
                    let sign = if i >= positive { -1.0 } else { 1.0 };
                    upper.row_mut(i)[j] = sign * a[i * dim + j];
                }
            }
            assert!(upper.factor(positive), "order {dim}, {positive} positive");
            let mut x = vec![0.0; padded(dim)];
            for (i, x) in x[..dim].iter_mut().enumerate() {
                *x = i as f64 + 1.0;
            }
            upper.solve_transposed(&mut x);
            x[positive..dim].iter_mut().for_each(|x| *x = -*x);
            upper.solve(&mut x);
            for i in 0..dim {
                let ax: f64 = (0..dim).map(|j| a[i * dim + j] * x[j]).sum();
                assert!((ax - (i as f64 + 1.0)).abs() < TOLERANCE, "row {i}: {ax}");
            }
        }
    }

    #[test]
    fn an_indefinite_block_is_refused() {
        let mut upper = Upper::default();
        upper.clear(2);
        upper.row_mut(0)[..2].copy_from_slice(&[1.0, 2.0]);
        upper.row_mut(1)[1] = 1.0;
        assert!(!upper.factor(2));
    }
}
