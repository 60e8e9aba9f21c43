//! The inner loops: element-wise passes over one row of components, which compilers turn into
//! vector code, in a portable build and in one for AVX2 with fused multiplication.
//!
//! All logarithms here are to the base 2. With s = √(2 ln 2) the kernel keeps 1/(s σ), so that
//! log₂ N(z; μ, σ) = c − u² with u = (z − μ)/(s σ) and no further factor.

use super::components::Components;
use super::real::Real;

/// Width of the accumulators of a sum or maximum: a multiple of every vector length in use.
/// Rows of components are padded to it.
pub(super) const LANES: usize = 16;

/// Coordinates that are added in the kernel's kind before they go to f64. The joint density of
/// many coordinates would otherwise lose digits that its softmax needs.
const COORDINATES_PER_BLOCK: usize = 8;

/// s² = 2 ln 2.
const S_SQUARED: f64 = 2.0 * std::f64::consts::LN_2;

/// Which build of the loops this processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Build {
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Self::Avx2;
        }
        Self::Portable
    }
}

/// Memory of one task of [`score`].
pub(super) struct ScoreScratch<T> {
    row: Vec<T>,
    block: Vec<T>,
    joint: Vec<f64>,
}

impl<T: Real> ScoreScratch<T> {
    pub(super) fn new(num_rows: usize, padded: usize) -> Self {
        Self {
            row: vec![T::ZERO; padded],
            block: vec![T::ZERO; num_rows * padded],
            joint: vec![0.0; num_rows * padded],
        }
    }
}

/// A few samples and what [`score`] finds out about them.
pub(super) struct Group<'a, T> {
    /// `[rows, d]`
    pub(super) z: &'a [T],
    /// Per row: component and what to add to its log₂ weight.
    pub(super) exceptions: &'a [Vec<(usize, T)>],
    /// Softmax of the joint density, `[rows, padded]`.
    pub(super) responsibilities: &'a mut [T],
    /// log₂ Σ of the joint density, `[rows]`.
    pub(super) joint: &'a mut [f64],
    /// log₂ Σ coordinate by coordinate, `[rows, d]`.
    pub(super) marginals: &'a mut [f64],
}

/// One coordinate of all components, and a tile of samples, for [`accumulate`].
pub(super) struct Column<'a, T> {
    /// `[padded]` each.
    pub(super) mu: &'a [T],
    pub(super) inv: &'a [T],
    pub(super) c: &'a [T],
    /// `[rows]`: this coordinate of the samples.
    pub(super) z: &'a [T],
    /// Per row: component and what to add to its log₂ weight.
    pub(super) exceptions: &'a [Vec<(usize, T)>],
    /// `[rows, padded]`
    pub(super) responsibilities: &'a [T],
    /// log₂ Σ, `[rows, d]`, and which column of it is meant.
    pub(super) marginals: &'a [f64],
    pub(super) d: usize,
    pub(super) coordinate: usize,
    /// Weights of the joint and of the marginal density in the objective.
    pub(super) alpha: T,
    pub(super) gamma: T,
}

/// Sums of the gradient of one coordinate.
pub(super) struct Gradient<'a, T> {
    /// `[rows]`
    pub(super) z: &'a mut [T],
    /// `[padded]`: still to be multiplied by s² inv, see [`finish_mu`].
    pub(super) mu: &'a mut [T],
    /// `[padded]`
    pub(super) log_sigma: &'a mut [T],
}

/// Log densities of a group of samples under all components.
pub(super) fn score<T: Real>(
    build: Build,
    components: &Components<T>,
    group: &mut Group<'_, T>,
    scratch: &mut ScoreScratch<T>,
) {
    match build {
        Build::Portable => score_rows::<T, false>(components, group, scratch),
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "vector instructions have to be asked for")]
        // SAFETY: `Build::detect` makes this value only after it found both features.
        Build::Avx2 => unsafe { score_avx2(components, group, scratch) },
    }
}

/// Adds the gradient of one coordinate over a tile of samples.
pub(super) fn accumulate<T: Real>(
    build: Build,
    column: &Column<'_, T>,
    gradient: &mut Gradient<'_, T>,
    scratch: &mut [T],
) {
    match build {
        Build::Portable => accumulate_rows::<T, false>(column, gradient, scratch),
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "vector instructions have to be asked for")]
        // SAFETY: `Build::detect` makes this value only after it found both features.
        Build::Avx2 => unsafe { accumulate_avx2(column, gradient, scratch) },
    }
}

/// The factor of the gradient in μ that is the same for all samples.
pub(super) fn finish_mu<T: Real>(mu: &mut [T], inv: &[T]) {
    let s_squared = T::from_f64(S_SQUARED);
    for (g, &inv) in mu.iter_mut().zip(inv) {
        *g = *g * inv * s_squared;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn score_avx2<T: Real>(
    components: &Components<T>,
    group: &mut Group<'_, T>,
    scratch: &mut ScoreScratch<T>,
) {
    score_rows::<T, true>(components, group, scratch);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn accumulate_avx2<T: Real>(
    column: &Column<'_, T>,
    gradient: &mut Gradient<'_, T>,
    scratch: &mut [T],
) {
    accumulate_rows::<T, true>(column, gradient, scratch);
}

#[inline(always)]
fn score_rows<T: Real, const FMA: bool>(
    components: &Components<T>,
    group: &mut Group<'_, T>,
    scratch: &mut ScoreScratch<T>,
) {
    let (d, padded) = (components.num_coordinates, components.padded);
    let num_rows = group.joint.len();
    let row = &mut scratch.row[..padded];
    let joint = &mut scratch.joint[..num_rows * padded];
    let block = &mut scratch.block[..num_rows * padded];
    joint.fill(0.0);
    for first in (0..d).step_by(COORDINATES_PER_BLOCK) {
        block.fill(T::ZERO);
        for j in first..d.min(first + COORDINATES_PER_BLOCK) {
            let (mu, inv, c) = components.column(j);
            for k in 0..num_rows {
                let block = &mut block[k * padded..(k + 1) * padded];
                log_density::<T, FMA>(group.z[k * d + j], T::ZERO, mu, inv, c, row);
                for (sum, &l) in block.iter_mut().zip(row.iter()) {
                    *sum += l;
                }
                for &(m, extra) in &group.exceptions[k] {
                    row[m] += extra;
                }
                let max = maximum(row);
                for l in row.iter_mut() {
                    *l = T::power_of_two::<FMA>(*l - max);
                }
                group.marginals[k * d + j] = max.to_f64() + sum(row).log2();
            }
        }
        for (sum, &part) in joint.iter_mut().zip(block.iter()) {
            *sum += part.to_f64();
        }
    }
    for k in 0..num_rows {
        let joint = &mut joint[k * padded..(k + 1) * padded];
        for &(m, extra) in &group.exceptions[k] {
            joint[m] += extra.to_f64();
        }
        let max = maximum(joint);
        let out = &mut group.responsibilities[k * padded..(k + 1) * padded];
        for (p, &l) in out.iter_mut().zip(joint.iter()) {
            *p = T::power_of_two::<FMA>(T::from_f64(l - max));
        }
        let total = sum(out);
        group.joint[k] = max + total.log2();
        let scale = T::from_f64(total.recip());
        for p in out.iter_mut() {
            *p = *p * scale;
        }
    }
}

#[inline(always)]
fn accumulate_rows<T: Real, const FMA: bool>(
    column: &Column<'_, T>,
    gradient: &mut Gradient<'_, T>,
    scratch: &mut [T],
) {
    let n = scratch.len();
    let (mu, inv) = (&column.mu[..n], &column.inv[..n]);
    let (s_squared, minus_one) = (T::from_f64(S_SQUARED), T::from_f64(-1.0));
    let d_mu = &mut gradient.mu[..n];
    let d_log_sigma = &mut gradient.log_sigma[..n];
    let (alpha, gamma) = (column.alpha, column.gamma);
    let needs_marginal = gamma != T::ZERO;
    for (k, (&z, d_z)) in column.z.iter().zip(gradient.z.iter_mut()).enumerate() {
        let joint = &column.responsibilities[k * n..(k + 1) * n];
        if needs_marginal {
            let marginal = T::from_f64(column.marginals[k * column.d + column.coordinate]);
            log_density::<T, FMA>(z, marginal, mu, inv, column.c, scratch);
            for &(m, extra) in &column.exceptions[k] {
                scratch[m] += extra;
            }
            for (r, &p) in scratch.iter_mut().zip(joint) {
                *r = T::fused::<FMA>(gamma, T::power_of_two::<FMA>(*r), alpha * p);
            }
        } else {
            for (r, &p) in scratch.iter_mut().zip(joint) {
                *r = alpha * p;
            }
        }
        for m in 0..n {
            let r = scratch[m];
            let u = (z - mu[m]) * inv[m];
            let towards = r * u;
            d_mu[m] += towards;
            let curvature = T::fused::<FMA>(s_squared * u, u, minus_one);
            d_log_sigma[m] = T::fused::<FMA>(r, curvature, d_log_sigma[m]);
            scratch[m] = towards * inv[m];
        }
        *d_z = T::from_f64(-S_SQUARED * sum(scratch));
    }
}

/// log₂ N(z; μ_m, σ_m) − shift for all components.
#[inline(always)]
fn log_density<T: Real, const FMA: bool>(
    z: T,
    shift: T,
    mu: &[T],
    inv: &[T],
    c: &[T],
    out: &mut [T],
) {
    let n = out.len();
    let (mu, inv, c) = (&mu[..n], &inv[..n], &c[..n]);
    for m in 0..n {
        let u = (z - mu[m]) * inv[m];
        out[m] = T::fused::<FMA>(T::ZERO - u, u, c[m]) - shift;
    }
}

/// The largest number of a padded row; NaN is passed over and shows in the sum.
#[inline(always)]
fn maximum<T: Real>(row: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    for chunk in row.as_chunks::<LANES>().0 {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            let (a, b) = (lanes[i], lanes[i + width]);
            lanes[i] = if b > a { b } else { a };
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of a padded row.
#[inline(always)]
fn sum<T: Real>(row: &[T]) -> f64 {
    let mut lanes = [T::ZERO; LANES];
    for chunk in row.as_chunks::<LANES>().0 {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    // In f64: what the lanes hold may cancel.
    let mut totals = lanes.map(Real::to_f64);
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            totals[i] += totals[i + width];
        }
        width /= 2;
    }
    totals[0]
}
