//! One codebook: its random words, its projections, its logits, its entropy.
//!
//! Not for statistics over codebooks.

use rand::Rng;

use super::kernel::{self, cos_sin_turn, exp, ln, uniform};
use super::{Method, Placement, Shape, SphereOptions};

/// Buffers of one thread, all of them small enough for its first cache.
pub(super) struct Workspace {
    bytes: Vec<u8>,
    /// Projections on the ray, then logits.
    projections: Vec<f32>,
    /// Lengths ρ_k of the codes.
    lengths: Vec<f32>,
    /// Squared lengths of the normal vectors behind the codes.
    squares: Vec<f32>,
}

impl Workspace {
    pub(super) fn new(num_codes: usize) -> Self {
        Self {
            // Two uniforms per code.
            bytes: vec![0; 8 * num_codes],
            projections: vec![0.0; num_codes],
            lengths: vec![0.0; num_codes],
            squares: vec![0.0; num_codes],
        }
    }
}

/// Entropy at distance d of the responsibilities of one fresh codebook.
pub(super) fn entropy(
    options: &SphereOptions,
    distance: f32,
    work: &mut Workspace,
    rng: &mut impl Rng,
) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[expect(
            unsafe_code,
            reason = "wider vectors for the same operations, chosen at run time"
        )]
        // SAFETY: the processor was just found to have the one feature that the function is
        // compiled for.
        return unsafe { entropy_avx2(options, distance, work, rng) };
    }
    entropy_with(options, distance, work, rng)
}

/// The same operations in the same order, compiled for eight lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn entropy_avx2(
    options: &SphereOptions,
    distance: f32,
    work: &mut Workspace,
    rng: &mut impl Rng,
) -> f64 {
    entropy_with(options, distance, work, rng)
}

#[inline(always)]
fn entropy_with(
    options: &SphereOptions,
    distance: f32,
    work: &mut Workspace,
    rng: &mut impl Rng,
) -> f64 {
    draw_lengths(options, work, rng);
    match options.method {
        Method::Projection => draw_projections(options, work, rng),
        Method::Codebook => draw_codebook(options, work, rng),
    }
    let reach = match options.placement {
        Placement::FromCenter => distance,
        Placement::FromNearest => {
            let square = distance * distance;
            // A code that the ray never comes near has no root; the comparison drops its NaN.
            let mut farthest = 0.0_f32;
            for (t, length) in work.projections.iter().zip(&work.lengths) {
                let root = t + (t * t + square - length * length).sqrt();
                farthest = if root > farthest { root } else { farthest };
            }
            farthest
        }
        Placement::BeyondCode => work.lengths[0] + distance,
    };
    for (t, length) in work.projections.iter_mut().zip(&work.lengths) {
        *t = reach * *t - 0.5 * length * length;
    }
    kernel::entropy(&work.projections)
}

/// ρ_k: all equal on the surface, ρ U^{1/d_e} in the ball.
#[inline(always)]
fn draw_lengths(options: &SphereOptions, work: &mut Workspace, rng: &mut impl Rng) {
    let radius = options.radius as f32;
    match options.shape {
        Shape::Surface => work.lengths.fill(radius),
        Shape::Ball => {
            let half = work.bytes.len() / 2;
            rng.fill_bytes(&mut work.bytes[..half]);
            let exponent = (options.dim as f32).recip();
            for (length, word) in work.lengths.iter_mut().zip(work.bytes.chunks_exact(4)) {
                *length = radius * exp(exponent * ln(uniform(word_of(word))));
            }
        }
    }
}

/// Projections from their own law.
#[inline(always)]
fn draw_projections(options: &SphereOptions, work: &mut Workspace, rng: &mut impl Rng) {
    rng.fill_bytes(&mut work.bytes);
    let (first, second) = work.bytes.split_at(work.bytes.len() / 2);
    let exponent = 2.0 / (options.dim as f32 - 2.0);
    let words = first.chunks_exact(4).zip(second.chunks_exact(4));
    let codes = work.projections.iter_mut().zip(&work.lengths);
    for ((t, length), (u, v)) in codes.zip(words) {
        let square = 1.0 - exp(exponent * ln(uniform(word_of(u))));
        let (cos, _) = cos_sin_turn(uniform(word_of(v)));
        // Rounding could leave a negative square.
        let square = if square < 0.0 { 0.0 } else { square };
        *t = length * square.sqrt() * cos;
    }
    if options.placement == Placement::BeyondCode {
        work.projections[0] = work.lengths[0];
    }
}

/// Every coordinate, in pairs of dimensions with the codes innermost.
#[inline(always)]
fn draw_codebook(options: &SphereOptions, work: &mut Workspace, rng: &mut impl Rng) {
    work.projections.fill(0.0);
    work.squares.fill(0.0);
    let (mut ray_square, mut drawn) = (0.0_f32, 0);
    while drawn < options.dim {
        // The direction of the ray is a normal vector too, except through the first code.
        let mut word = [0_u8; 8];
        rng.fill_bytes(&mut word);
        rng.fill_bytes(&mut work.bytes);
        let (first, second) = work.bytes.split_at(work.bytes.len() / 2);
        let mut ray = match options.placement {
            Placement::BeyondCode => normal_pair(&first[..4], &second[..4]),
            _ => normal_pair(&word[..4], &word[4..]),
        };
        // An odd dimension leaves the second half of its last pair unused.
        let used = if drawn + 1 < options.dim { 1.0 } else { 0.0 };
        ray.1 *= used;
        ray_square += ray.0 * ray.0 + ray.1 * ray.1;
        let words = first.chunks_exact(4).zip(second.chunks_exact(4));
        let codes = work.projections.iter_mut().zip(&mut work.squares);
        for ((t, square), (u, v)) in codes.zip(words) {
            let (x, y) = normal_pair(u, v);
            let y = used * y;
            *t += ray.0 * x + ray.1 * y;
            *square += x * x + y * y;
        }
        drawn += 2;
    }
    let scale = ray_square.sqrt().recip();
    let codes = work.projections.iter_mut().zip(&work.squares);
    for ((t, square), length) in codes.zip(&work.lengths) {
        *t *= scale * length / square.sqrt();
    }
}

/// Two independent standard normals from two words (Box and Muller).
#[inline(always)]
fn normal_pair(u: &[u8], v: &[u8]) -> (f32, f32) {
    let length = (-2.0 * ln(uniform(word_of(u)))).sqrt();
    let (cos, sin) = cos_sin_turn(uniform(word_of(v)));
    (length * cos, length * sin)
}

#[inline(always)]
fn word_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
