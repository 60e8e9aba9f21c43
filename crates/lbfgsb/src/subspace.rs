//! Minimization of the quadratic model over the variables that are free at the Cauchy point.
//!
//! The direct primal method, with the inner products that the [`History`] keeps up to date, so that
//! no pass over the pairs is needed before the solution itself.
//! When no variable rests at a bound, the compact inverse does the same in `O(m²)`.
//!
//! # References
//!
//! - Byrd, Lu, Nocedal and Zhu (1995), section 5.1 and equation (5.11).
//! - Byrd, Nocedal and Schnabel, *Representations of quasi-Newton matrices*, Math. Programming 63
//!   (1994), equation (3.13) for the inverse.
//! - Morales and Nocedal, *Remark on algorithm 778*, ACM TOMS 38 (2011), for the projection.

use crate::cauchy::Path;
use crate::dense::Upper;
use crate::history::{Column, History};
use crate::kernels::simd;
use crate::middle::{Middle, Short};

/// Buffers of the small systems.
#[derive(Debug, Default)]
pub(crate) struct Subspace {
    matrix: Upper,
    step: Short,
    rhs: Vec<f64>,
    /// The solution's coefficients by column of the history.
    coefficients: Vec<f64>,
    /// `W` times the coefficients at the free variables.
    combination: Vec<f64>,
}

/// The variables, their box and the model's gradient.
#[derive(Clone, Copy)]
pub(crate) struct Model<'a> {
    pub(crate) x: &'a [f64],
    pub(crate) g: &'a [f64],
    pub(crate) lower: &'a [f64],
    pub(crate) upper: &'a [f64],
}

impl Subspace {
    /// Replaces the free entries of `z` (the Cauchy point) by those of the projected minimizer.
    ///
    /// The history must stand for the variables that are free at the Cauchy point.
    /// Returns false when a system is not numerically positive definite.
    #[must_use]
    pub(crate) fn minimize(
        &mut self,
        model: Model<'_>,
        path: &Path,
        history: &History,
        middle: &Middle,
        z: &mut [f64],
    ) -> bool {
        let rows = history.free_rows();
        let solved = if rows.len() == model.x.len() {
            self.solve_unconstrained(path, history)
        } else {
            self.solve_reduced(path, history, middle)
        };
        if !solved {
            return false;
        }
        self.combination.clear();
        self.combination.resize(rows.len(), 0.0);
        history.combine(rows, &self.coefficients, &mut self.combination);
        let inverse_theta = 1.0 / history.theta;
        let clipped = newton_point(
            model.x,
            model.g,
            model.lower,
            model.upper,
            rows,
            inverse_theta,
            &mut self.combination,
            z,
        );
        if clipped && crate::kernels::slope(model.g, z, model.x) > 0.0 {
            self.truncate(model, path, rows, z);
        }
        true
    }

    /// Coefficients `v` of the minimizer `x − g/θ + W v` over all variables, from the inverse.
    ///
    /// ```text
    /// u = R⁻¹ Sᵀ(−g),  v_S = R⁻ᵀ (D u + (YᵀY u − Yᵀ(−g)) / θ),  v_Y = −u / θ
    /// ```
    fn solve_unconstrained(&mut self, path: &Path, history: &History) -> bool {
        let len = history.len();
        let inverse_theta = 1.0 / history.theta;
        self.matrix.clear(len);
        self.step.clear(len);
        for i in 0..len {
            let row = self.matrix.row_mut(i);
            for (j, entry) in row.iter_mut().enumerate().take(len).skip(i) {
                *entry = history.gram(Column::S(history.slot(i)), Column::Y(history.slot(j)));
            }
            self.step.y[i] = path.p.s[history.slot(i)] * inverse_theta;
        }
        if !self.matrix.assume_factored() {
            return false;
        }
        let Short { y: u, s: v } = &mut self.step;
        self.matrix.solve(u);
        for i in 0..len {
            let slot = history.slot(i);
            let yy: f64 = (0..len)
                .map(|j| history.gram(Column::Y(slot), Column::Y(history.slot(j))) * u[j])
                .sum();
            v[i] = history.diagonal()[slot] * u[i] + inverse_theta * (yy - path.p.y[slot]);
        }
        self.matrix.solve_transposed(v);
        self.coefficients.clear();
        self.coefficients.resize(history.width(), 0.0);
        for i in 0..len {
            let slot = history.slot(i);
            self.coefficients[2 * slot] = -inverse_theta * u[i];
            self.coefficients[2 * slot + 1] = v[i];
        }
        true
    }

    /// Coefficients `v` of the minimizer `x − g/θ + W v` over the free variables.
    ///
    /// With `a = M c`, `r = −g − θ (x_cauchy − x) + W a` on the free variables, and the matrix `K`
    /// of (5.11), the minimizer is `x_cauchy + r/θ + W_F K⁻¹ W_Fᵀ r / θ²`.
    /// On the free variables `x_cauchy − x` is `time · d` and `g` is `−d`, so that `W_Fᵀ r` follows
    /// from `p = W_Fᵀ d` and the stored inner products.
    fn solve_reduced(&mut self, path: &Path, history: &History, middle: &Middle) -> bool {
        let len = history.len();
        let theta = history.theta;
        let a = &mut self.step;
        middle.apply(history, &path.c, a);

        self.matrix.clear(2 * len);
        self.rhs.clear();
        self.rhs.resize(self.matrix.stride, 0.0);
        let remaining = 1.0 - theta * path.time;
        for i in 0..len {
            self.rhs[i] = remaining * path.p.y[i];
            self.rhs[len + i] = remaining * path.p.s[i] / theta;
        }
        for i in 0..len {
            let (gram_y, gram_s) = history.gram_rows(i);
            let ss = history.ss(i);
            let l_row = history.l_transposed(i);
            // `gram` is a lower triangle: pairs in earlier slots, then the pair itself.
            for (j, (from_y, from_s)) in gram_y.iter().zip(gram_s).enumerate() {
                // Columns y_j and s_j of the row of y_i, then of the row of s_i.
                let [yy, ys] = *from_y;
                let [sy, minus_ss] = *from_s;
                // `R_F − L_A` for step j and gradient difference i is in the lower triangle as the
                // row of y_i, except on the diagonal.
                let ys = if i == j { sy } else { ys };
                let free_ys = ys + l_row[j];
                let free_sy = sy + history.l_transposed(j)[i];
                let free_ss = ss[j] + minus_ss;
                self.rhs[i] += yy * a.y[j] + theta * free_ys * a.s[j];
                self.rhs[len + i] += free_sy * a.y[j] + theta * free_ss * a.s[j];
                if i != j {
                    self.rhs[j] += yy * a.y[i] + theta * free_sy * a.s[i];
                    self.rhs[len + j] += free_ys * a.y[i] + theta * free_ss * a.s[i];
                }
                self.matrix.row_mut(j)[i] = yy / theta;
                self.matrix.row_mut(j)[len + i] = sy;
                self.matrix.row_mut(i)[len + j] = ys;
                self.matrix.row_mut(len + j)[len + i] = -theta * minus_ss;
            }
            self.matrix.row_mut(i)[i] += history.diagonal()[i];
        }
        for (k, entry) in self.rhs.iter_mut().enumerate() {
            *entry *= if k < len { -1.0 } else { -theta };
        }
        if !self.matrix.factor(len) {
            return false;
        }
        self.matrix.solve_transposed(&mut self.rhs);
        for entry in &mut self.rhs[len..2 * len] {
            *entry = -*entry;
        }
        self.matrix.solve(&mut self.rhs);
        self.coefficients.clear();
        self.coefficients.resize(history.width(), 0.0);
        for i in 0..len {
            self.coefficients[2 * i] = (self.rhs[i] / theta + a.y[i]) / theta;
            self.coefficients[2 * i + 1] = self.rhs[len + i] / theta + a.s[i];
        }
        true
    }

    /// Goes from the Cauchy point towards the minimizer up to the first bound.
    ///
    /// This is the method of 1995, needed when the projected minimizer lies uphill.
    fn truncate(&self, model: Model<'_>, path: &Path, rows: &[u32], z: &mut [f64]) {
        let mut fraction = 1.0;
        let mut blocking = None;
        let cauchy = |i: usize| {
            (model.x[i] + path.time * path.direction[i])
                .max(model.lower[i])
                .min(model.upper[i])
        };
        for (&row, &newton) in rows.iter().zip(&self.combination) {
            let i = row as usize;
            let from = cauchy(i);
            let step = newton - from;
            let bound = if step > 0.0 {
                model.upper[i]
            } else {
                model.lower[i]
            };
            let room = bound - from;
            if step.abs() > 0.0 && (step * fraction).abs() > room.abs() {
                fraction = room / step;
                blocking = Some((i, bound));
            }
        }
        for (&row, &newton) in rows.iter().zip(&self.combination) {
            let i = row as usize;
            let from = cauchy(i);
            let point = from + fraction * (newton - from);
            z[i] = point.max(model.lower[i]).min(model.upper[i]);
        }
        if let Some((i, bound)) = blocking {
            z[i] = bound;
        }
    }
}

simd! {
    /// Turns `combination` into the Newton point at the free variables and writes its projection
    /// into `z`; returns whether any variable was projected.
    #[expect(clippy::too_many_arguments, reason = "slices in, so that the loop can be vectorized")]
    fn newton_point [] [] (
        x: &[f64],
        g: &[f64],
        lower: &[f64],
        upper: &[f64],
        rows: &[u32],
        inverse_theta: f64,
        combination: &mut [f64],
        z: &mut [f64],
    ) -> bool {
        let mut clipped = false;
        for (&row, entry) in rows.iter().zip(combination) {
            let i = row as usize;
            let point = (x[i] - inverse_theta * g[i]) + *entry;
            *entry = point;
            // NaN passes through both comparisons and is caught by the slope of the search.
            let above = if point < lower[i] { lower[i] } else { point };
            let inside = if above > upper[i] { upper[i] } else { above };
            clipped |= inside <= lower[i] || inside >= upper[i];
            z[i] = inside;
        }
        clipped
    }
}
