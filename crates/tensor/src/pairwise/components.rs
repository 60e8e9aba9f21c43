//! The components in the layout of the kernel: coordinate by coordinate, padded.

use super::kernel::LANES;
use super::real::Real;
use crate::Tensor;
use std::f64::consts::{LN_2, LOG2_E, TAU};

/// Means, scales and constants of all components, `[d, padded]` each.
pub(super) struct Components<T> {
    pub(super) num_coordinates: usize,
    /// Number of components, and the same rounded up.
    pub(super) num_components: usize,
    pub(super) padded: usize,
    mu: Vec<T>,
    inv: Vec<T>,
    c: Vec<T>,
}

impl<T: Real> Components<T> {
    /// # Shapes
    /// mu, log_sigma: `[M, d]`
    pub(super) fn new(mu: &Tensor, log_sigma: &Tensor) -> Self {
        let shape = mu
            .size()
            .iter()
            .map(|&n| usize::try_from(n).expect("invariant: not negative"))
            .collect::<Vec<_>>();
        let (num_components, num_coordinates) = (shape[0], shape[1]);
        let padded = num_components.next_multiple_of(LANES);
        let mu = transposed::<T>(mu);
        let log_sigma = transposed::<T>(log_sigma);
        let spread = |of: &dyn Fn(usize) -> T, padding: T| {
            let mut out = vec![padding; num_coordinates * padded];
            for (j, row) in out.chunks_exact_mut(padded).enumerate() {
                for (m, value) in row[..num_components].iter_mut().enumerate() {
                    *value = of(j * num_components + m);
                }
            }
            out
        };
        let half_log_tau = 0.5 * TAU.ln();
        let scale = (2.0 * LN_2).sqrt().recip();
        // A component of padding has no weight anywhere and, with inv = 0, no gradient.
        Self {
            num_coordinates,
            num_components,
            padded,
            mu: spread(&|i| mu[i], T::ZERO),
            inv: spread(
                &|i| T::from_f64((-log_sigma[i].to_f64()).exp() * scale),
                T::ZERO,
            ),
            c: spread(
                &|i| T::from_f64(-(log_sigma[i].to_f64() + half_log_tau) * LOG2_E),
                T::NEG_INFINITY,
            ),
        }
    }

    /// μ, 1/(s σ) and the constant of one coordinate, `[padded]` each.
    pub(super) fn column(&self, j: usize) -> (&[T], &[T], &[T]) {
        let range = j * self.padded..(j + 1) * self.padded;
        (
            &self.mu[range.clone()],
            &self.inv[range.clone()],
            &self.c[range],
        )
    }
}

/// The elements of `[n, d]` as `[d, n]`.
pub(super) fn transposed<T: Real>(x: &Tensor) -> Vec<T> {
    elements(&x.transpose(0, 1))
}

/// The elements of a CPU tensor in row-major order.
pub(super) fn elements<T: Real>(x: &Tensor) -> Vec<T> {
    let flat = x.detach().contiguous();
    let mut out = vec![T::ZERO; flat.numel()];
    let count = out.len();
    flat.copy_data(&mut out, count);
    out
}
