//! The inner loops over a row's history and its vectors.
//!
//! Every kernel fixes its order of summation (four lanes, blocks of four matrix rows), and uses no
//! fused multiply-add, so that a result depends neither on the thread nor on the vector width of
//! the machine.
//! Nothing here knows what the numbers mean.

use std::ops::Range;

/// Number of f64 lanes that every kernel works in.
pub(crate) const LANES: usize = 4;

/// A storage type for the history.
pub(crate) trait Element: Copy + Default + Send + Sync {
    /// Widens to f64.
    fn widen(self) -> f64;
    /// Rounds from f64.
    fn narrow(value: f64) -> Self;
}

impl Element for f64 {
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
    #[inline(always)]
    fn narrow(value: f64) -> Self {
        value
    }
}

impl Element for f32 {
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn narrow(value: f64) -> Self {
        value as f32
    }
}

/// Defines a function that is compiled twice, for the baseline and for AVX2, and picks at run time.
///
/// Both versions perform the same operations in the same order, since the compiler neither
/// reassociates nor fuses floating-point arithmetic.
macro_rules! simd {
    (
        $(#[$meta:meta])*
        fn $name:ident [$($decl:tt)*] [$($used:tt)*]
        ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        pub(crate) fn $name<$($decl)*>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<$($decl)*>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide<$($decl)*>($($arg: $ty),*) $(-> $ret)? {
                    body::<$($used)*>($($arg),*)
                }
                if is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "a safe function compiled for AVX2")]
                    // SAFETY: `wide` is a safe function whose only demand is AVX2, and the
                    // processor was just found to have it.
                    return unsafe { wide::<$($used)*>($($arg),*) };
                }
            }
            body::<$($used)*>($($arg),*)
        }
    };
}
pub(crate) use simd;

/// Columns of the history that are handled together: two registers of four.
pub(crate) const GROUP: usize = 8;

/// Rows of the history that are handled together; their entries of all columns fit in L1.
pub(crate) const BLOCK: usize = 16;

/// Bytes that travel together from memory.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// Rounds up to a multiple of [`LANES`].
pub(crate) fn padded(len: usize) -> usize {
    len.div_ceil(LANES) * LANES
}

/// Writes the numbers in `0..n` that satisfy `wanted`, without branches.
#[inline(always)]
pub(crate) fn select(n: usize, out: &mut Vec<u32>, wanted: impl Fn(usize) -> bool) {
    out.clear();
    out.resize(n, 0);
    let mut len = 0;
    for i in 0..n {
        out[len] = i as u32;
        len += usize::from(wanted(i));
    }
    out.truncate(len);
}

/// One row of a variable-major matrix in groups of columns.
#[inline(always)]
fn row_of<const C: usize, H>(w: &[H], stride: usize, groups: usize, row: u32) -> &[[H; C]] {
    let start = row as usize * stride;
    w[start..start + C * groups].as_chunks::<C>().0
}

/// Asks for the given columns of the listed rows to be brought into cache.
///
/// A hint without any effect on results; nothing on processors other than x86-64.
pub(crate) fn prefetch<H>(w: &[H], stride: usize, columns: Range<usize>, rows: &[u32]) {
    #[cfg(target_arch = "x86_64")]
    for &row in rows {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = row as usize * stride;
        for entry in w[start..start + stride][columns.clone()]
            .iter()
            .step_by(CACHE_LINE / size_of::<H>())
        {
            #[expect(unsafe_code, reason = "the hint has no safe form")]
            // SAFETY: the pointer comes from a reference, and a prefetch reads nothing that the
            // program can observe.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(entry).cast());
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (w, stride, columns, rows);
}

simd! {
    /// Adds `Σ_i coef[r][i] · w[i, :]` over the listed rows to accumulator `r`, for all `r` at once.
    ///
    /// The rows of a block are the innermost loop, so that the sums of a group of columns stay in
    /// registers and every entry is loaded once.
    ///
    /// # Shapes
    ///
    /// - `w`: `[n, stride]`, of which the first `8 · acc.len()` columns are used
    /// - `coef`: `R` vectors `[n]`
    /// - `acc`: `[groups][R][8]`
    fn accumulate [H: Element, const R: usize] [H, R] (
        w: &[H],
        stride: usize,
        rows: &[u32],
        coef: &[&[f64]; R],
        acc: &mut [[[f64; GROUP]; R]],
    ) {
        let groups = acc.len();
        let mut block_rows: [&[[H; GROUP]]; BLOCK] = [&[]; BLOCK];
        let mut block_coef = [[0.0; R]; BLOCK];
        for block in rows.chunks(BLOCK) {
            for ((&row, w_row), k) in block.iter().zip(&mut block_rows).zip(&mut block_coef) {
                *w_row = row_of(w, stride, groups, row);
                for (k, coef) in k.iter_mut().zip(coef) {
                    *k = coef[row as usize];
                }
            }
            let (w_rows, coefs) = (&block_rows[..block.len()], &block_coef[..block.len()]);
            for (group, acc) in acc.iter_mut().enumerate() {
                let mut sum = *acc;
                for (w_row, k) in w_rows.iter().zip(coefs) {
                    let wide = w_row[group].map(H::widen);
                    for r in 0..R {
                        for l in 0..GROUP {
                            sum[r][l] += k[r] * wide[l];
                        }
                    }
                }
                *acc = sum;
            }
        }
    }
}

simd! {
    /// Writes `out[k] = w[rows[k], :] · v` for every listed row.
    ///
    /// # Shapes
    ///
    /// - `w`: `[n, stride]`
    /// - `v`: `[4 · chunks]`, zero in its padding
    /// - `out`: `[rows]`
    fn combine [H: Element] [H] (
        w: &[H],
        stride: usize,
        rows: &[u32],
        v: &[f64],
        out: &mut [f64],
    ) {
        let v = v.as_chunks::<LANES>().0;
        let chunks = v.len();
        let (quads, rest) = rows.as_chunks::<4>();
        let (out_quads, out_rest) = out.as_chunks_mut::<4>();
        for (quad, out) in quads.iter().zip(out_quads) {
            let w0 = row_of::<LANES, H>(w, stride, chunks, quad[0]);
            let w1 = row_of::<LANES, H>(w, stride, chunks, quad[1]);
            let w2 = row_of::<LANES, H>(w, stride, chunks, quad[2]);
            let w3 = row_of::<LANES, H>(w, stride, chunks, quad[3]);
            let mut sum = [[0.0; LANES]; 4];
            for ((((v, w0), w1), w2), w3) in v.iter().zip(w0).zip(w1).zip(w2).zip(w3) {
                for l in 0..LANES {
                    sum[0][l] += w0[l].widen() * v[l];
                    sum[1][l] += w1[l].widen() * v[l];
                    sum[2][l] += w2[l].widen() * v[l];
                    sum[3][l] += w3[l].widen() * v[l];
                }
            }
            for (out, s) in out.iter_mut().zip(&sum) {
                *out = (s[0] + s[1]) + (s[2] + s[3]);
            }
        }
        for (&row, out) in rest.iter().zip(out_rest) {
            let mut s = [0.0; LANES];
            for (v, w0) in v.iter().zip(row_of::<LANES, H>(w, stride, chunks, row)) {
                for l in 0..LANES {
                    s[l] += w0[l].widen() * v[l];
                }
            }
            *out = (s[0] + s[1]) + (s[2] + s[3]);
        }
    }
}

simd! {
    /// Adds `Σ_i sign_i · w_i w_iᵀ` over the listed rows to the lower triangle of `gram`.
    ///
    /// Up to three entries right of the diagonal are overwritten with the same sums; nobody reads
    /// them.
    ///
    /// # Shapes
    ///
    /// - `w`: `[n, stride]`, of which the first `used` columns count
    /// - `gram`: `[used, stride]` at least
    /// - `buffer`: scratch, resized here
    fn rank_update [H: Element] [H] (
        w: &[H],
        stride: usize,
        used: usize,
        rows: &[u32],
        signs: &[f64],
        gram: &mut [f64],
        buffer: &mut Vec<[f64; LANES]>,
    ) {
        let chunks = used.div_ceil(LANES);
        buffer.clear();
        buffer.resize(4 * chunks, [0.0; LANES]);
        for (block, signs) in rows.chunks(4).zip(signs.chunks(4)) {
            let mut sign = [0.0; 4];
            sign[..signs.len()].copy_from_slice(signs);
            // A short last block keeps stale rows, which a zero sign takes out.
            for (wide, &row) in buffer.chunks_exact_mut(chunks).zip(block) {
                for (wide, narrow) in wide.iter_mut().zip(row_of::<LANES, H>(w, stride, chunks, row)) {
                    *wide = narrow.map(H::widen);
                }
            }
            let (w0, others) = buffer.split_at(chunks);
            let (w1, others) = others.split_at(chunks);
            let (w2, w3) = others.split_at(chunks);
            for (a, gram) in gram.chunks_exact_mut(stride).take(used).enumerate() {
                let (c, l) = (a / LANES, a % LANES);
                let k0 = sign[0] * w0[c][l];
                let k1 = sign[1] * w1[c][l];
                let k2 = sign[2] * w2[c][l];
                let k3 = sign[3] * w3[c][l];
                let gram = &mut gram.as_chunks_mut::<LANES>().0[..=c];
                let rows = gram.iter_mut().zip(&w0[..=c]).zip(&w1[..=c]);
                for ((((g, w0), w1), w2), w3) in rows.zip(&w2[..=c]).zip(&w3[..=c]) {
                    for l in 0..LANES {
                        g[l] += (k0 * w0[l] + k1 * w1[l]) + (k2 * w2[l] + k3 * w3[l]);
                    }
                }
            }
        }
    }
}

/// Sums `term(i)` over `0..n` in four lanes.
#[inline(always)]
fn lane_sum(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut sum = [0.0; LANES];
    let whole = n / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (l, sum) in sum.iter_mut().enumerate() {
            *sum += term(start + l);
        }
    }
    for i in whole..n {
        sum[i - whole] += term(i);
    }
    (sum[0] + sum[1]) + (sum[2] + sum[3])
}

simd! {
    /// The smallest entry, infinite for none.
    fn smallest [] [] (v: &[f64]) -> f64 {
        let (groups, rest) = v.as_chunks::<LANES>();
        let mut least = [f64::INFINITY; LANES];
        for group in groups {
            for l in 0..LANES {
                least[l] = if group[l] < least[l] { group[l] } else { least[l] };
            }
        }
        least.iter().chain(rest).fold(f64::INFINITY, |a, &b| if b < a { b } else { a })
    }
}

simd! {
    /// `gᵀ(z − x)`: the slope along the segment from `x` to `z`.
    fn slope [] [] (g: &[f64], z: &[f64], x: &[f64]) -> f64 {
        let n = g.len().min(z.len()).min(x.len());
        let (g, z, x) = (&g[..n], &z[..n], &x[..n]);
        lane_sum(n, |i| g[i] * (z[i] - x[i]))
    }
}

simd! {
    /// Infinity norm of the projected gradient: `max_i |clamp(g_i, x_i − u_i, x_i − l_i)|`.
    fn projected_norm [] [] (x: &[f64], g: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
        let n = x.len();
        let (g, lower, upper) = (&g[..n], &lower[..n], &upper[..n]);
        let mut largest = [0.0_f64; LANES];
        let whole = n / LANES * LANES;
        let entry = |i: usize| {
            let at_least = x[i] - upper[i];
            let at_most = x[i] - lower[i];
            let up = if g[i] > at_least { g[i] } else { at_least };
            let both = if up < at_most { up } else { at_most };
            both.abs()
        };
        for start in (0..whole).step_by(LANES) {
            for (l, largest) in largest.iter_mut().enumerate() {
                let e = entry(start + l);
                *largest = if e > *largest { e } else { *largest };
            }
        }
        for i in whole..n {
            largest[0] = largest[0].max(entry(i));
        }
        largest.iter().fold(0.0, |a, &b| a.max(b))
    }
}

simd! {
    /// Whether every entry is finite.
    fn all_finite [] [] (v: &[f64]) -> bool {
        // Zero times a finite number is zero, times anything else NaN.
        lane_sum(v.len(), |i| v[i] * 0.0) == 0.0
    }
}

simd! {
    /// The trial point at `step` on the segment from `x` to `z`, kept in the box.
    ///
    /// The end itself is copied, so that variables meant to lie on a bound lie there exactly.
    fn trial_point [] [] (
        x: &[f64],
        z: &[f64],
        lower: &[f64],
        upper: &[f64],
        step: f64,
        out: &mut [f64],
    ) {
        let n = out.len();
        if step.to_bits() == 1.0_f64.to_bits() {
            out.copy_from_slice(z);
            return;
        }
        let (x, z, lower, upper) = (&x[..n], &z[..n], &lower[..n], &upper[..n]);
        for i in 0..n {
            let p = x[i] + step * (z[i] - x[i]);
            let p = if p > lower[i] { p } else { lower[i] };
            out[i] = if p < upper[i] { p } else { upper[i] };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, stride: usize) -> Vec<f64> {
        (0..n * stride)
            .map(|i| ((i * 7 + 3) % 23) as f64 - 11.0)
            .collect()
    }

    // Small integers make every sum exact, so that any order of summation must agree.
    #[test]
    fn kernels_agree_with_plain_sums() {
        let (n, stride) = (37, 16);
        let w = matrix(n, stride);
        let rows: Vec<u32> = (0..n as u32).filter(|i| i % 3 != 1).collect();
        let a: Vec<f64> = (0..n).map(|i| i as f64 - 4.0).collect();
        let b: Vec<f64> = (0..n).map(|i| (i * i) as f64).collect();
        let mut acc = vec![[[0.0; GROUP]; 2]; 2];
        accumulate::<f64, 2>(&w, stride, &rows, &[&a, &b], &mut acc);
        for j in 0..stride {
            for (r, coef) in [&a, &b].into_iter().enumerate() {
                let plain: f64 = rows
                    .iter()
                    .map(|&i| coef[i as usize] * w[i as usize * stride + j])
                    .sum();
                assert_eq!(acc[j / GROUP][r][j % GROUP], plain);
            }
        }
        let v: Vec<f64> = (0..8).map(|j| j as f64 - 3.0).collect();
        let mut out = vec![0.0; rows.len()];
        combine(&w, stride, &rows, &v, &mut out);
        for (&i, &found) in rows.iter().zip(&out) {
            let plain: f64 = (0..8).map(|j| v[j] * w[i as usize * stride + j]).sum();
            assert_eq!(found, plain);
        }
        let signs: Vec<f64> = rows
            .iter()
            .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let mut gram = vec![0.0; stride * stride];
        let used = 7;
        rank_update(&w, stride, used, &rows, &signs, &mut gram, &mut Vec::new());
        for p in 0..used {
            for q in 0..=p {
                let plain: f64 = rows
                    .iter()
                    .zip(&signs)
                    .map(|(&i, s)| s * w[i as usize * stride + p] * w[i as usize * stride + q])
                    .sum();
                assert_eq!(gram[p * stride + q], plain);
            }
        }
        let plain: f64 = (0..n).map(|i| a[i] * (b[i] - a[i])).sum();
        assert_eq!(slope(&a, &b, &a), plain);
    }

    #[test]
    fn finiteness_sees_every_position() {
        for n in 1..10 {
            for i in 0..n {
                for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                    let mut v = vec![1e300; n];
                    assert!(all_finite(&v));
                    v[i] = bad;
                    assert!(!all_finite(&v));
                }
            }
        }
    }
}
