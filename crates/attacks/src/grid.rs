//! The grid of penalties and the pairs of images that the sources attack.

use rand::RngExt as _;
use vaegis_core::seed::SeedTree;

/// Number of penalties in the sources' grid.
pub const NUM_LAMBDAS: usize = 50;

/// The grid of penalties, geometric from 2⁻²⁰ to 2²⁰.
///
/// # Formula
/// ```text
/// λₖ = 2^(−20 + 40 k / (n − 1)),  k = 0 … n−1
/// ```
///
/// # Panics
/// If `n` < 2.
///
/// # References
/// Seatbelt paper, appendix; specification §2.7 (SB-21).
pub fn lambda_grid(n: usize) -> Vec<f64> {
    assert!(n >= 2, "a grid needs two ends");
    (0..n)
        .map(|k| (-20.0 + 40.0 * k as f64 / (n - 1) as f64).exp2())
        .collect()
}

/// A grid with λ = 0, the attack at no price, before its first penalty, as the sources' code has
/// it.
///
/// # References
/// Seatbelt specification §2.7.
pub fn with_zero(grid: Vec<f64>) -> Vec<f64> {
    [vec![0.0], grid].concat()
}

/// Draws `count` pairs (original, target) of different positions below
/// `num_items`. Drawn once per data set, so that all models see the same pairs.
/// Where labels are given, the two differ in label too.
///
/// # Panics
/// If no such pair exists.
pub fn draw_pairs(
    num_items: usize,
    labels: Option<&[i64]>,
    count: usize,
    seed: &SeedTree,
) -> Vec<(usize, usize)> {
    let differ = |a: usize, b: usize| match labels {
        Some(labels) => labels[a] != labels[b],
        None => a != b,
    };
    assert!((1..num_items).any(|b| differ(0, b)), "no two items differ");
    let mut rng = seed.child("pairs").rng();
    let mut pairs = Vec::with_capacity(count);
    while pairs.len() < count {
        let pair = (
            rng.random_range(0..num_items),
            rng.random_range(0..num_items),
        );
        if differ(pair.0, pair.1) {
            pairs.push(pair);
        }
    }
    pairs
}
