//! Entropy of unit-variance responsibilities over random codebooks on a sphere.
//!
//! For: figure B.5, at twenty thousand codebooks per distance, streaming: nothing is kept of a
//! codebook but its entropy. Not for trained codebooks, nor for learnt variances.
//!
//! The entropy depends on the codes' projections t_k on the ray to the network output only, and for
//! a uniform code their law is known, so two methods are offered: [`Method::Projection`] draws t_k
//! itself, [`Method::Codebook`] draws every coordinate. They have the same distribution.
//! Randomness is keyed by the number of a codebook's chunk, so a result depends on the seed alone and
//! not on threads, and not on the processor's vector width either.

mod draw;
mod kernel;

use ndarray::Array2;
use rand::RngExt;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vaegis_core::seed::SeedTree;

use crate::error::{Result, check_non_negative, check_positive, invalid};

/// Codebooks per random stream: enough to hide its setup, few enough to share among cores.
const CODEBOOKS_PER_STREAM: usize = 64;

/// Where the network output is put for a given distance d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// A: at distance d from the center, in a random direction.
    FromCenter,
    /// B: on a random ray, where the nearest code is at distance d.
    FromNearest,
    /// C: on the ray through the first code, d beyond it.
    BeyondCode,
}

/// Law of the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Uniform on the sphere.
    Surface,
    /// Uniform in the ball.
    Ball,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The projections, from their exact law.
    Projection,
    /// Every coordinate of every code.
    Codebook,
}

/// Settings of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SphereOptions {
    /// K.
    pub num_codes: usize,
    /// d_e, at least 3.
    pub dim: usize,
    /// Radius ρ of the sphere.
    pub radius: f64,
    /// Law of the codes.
    pub shape: Shape,
    /// Where the network output is put.
    pub placement: Placement,
    /// What is drawn.
    pub method: Method,
    /// Independent codebooks.
    pub num_codebooks: usize,
}

impl Default for SphereOptions {
    /// 20 000 codebooks of 256 codes of dimension 32 on the sphere of radius 0.5, as published;
    /// the placement is not stated there, and A is a convention.
    fn default() -> Self {
        Self {
            num_codes: 256,
            dim: 32,
            radius: 0.5,
            shape: Shape::Surface,
            placement: Placement::FromCenter,
            method: Method::Projection,
            num_codebooks: 20_000,
        }
    }
}

/// Entropy over codebooks, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntropySummary {
    /// Codebooks.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation over codebooks.
    pub standard_deviation: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl EntropySummary {
    /// Standard error of the mean.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        self.standard_deviation / (self.count as f64).sqrt()
    }
}

/// Entropy of the responsibilities at `distance`, over independent random codebooks.
///
/// # Formula
/// ```text
/// logits_k = R t_k − ½ρ_k²,   R = d | max_k(t_k + √(t_k² + d² − ρ_k²)) | ρ_1 + d
/// t = ρ √(1 − U^{2/(d_e−2)}) cos 2πV,   U, V uniform
/// ```
///
/// # Errors
/// When there is no code or codebook, `dim` is below 3, the radius is not positive, `distance` is
/// negative or not finite, or placement B is asked for inside the sphere.
///
/// # References
/// Figure B.5; the law of t is Ulrich's (1984) form of the polar method.
pub fn simulate_entropy(
    options: &SphereOptions,
    distance: f64,
    seed: &SeedTree,
) -> Result<EntropySummary> {
    const OP: &str = "simulate_entropy";
    check_codebook(OP, options.num_codes, options.dim, options.radius)?;
    check_non_negative(OP, "distance", distance)?;
    if options.num_codebooks == 0 {
        return Err(invalid(OP, "num_codebooks", "at least 1", 0));
    }
    if options.placement == Placement::FromNearest && distance < options.radius {
        let expected = "at least the radius, or no point of the ray may be that near";
        return Err(invalid(OP, "distance", expected, distance));
    }
    let num_streams = options.num_codebooks.div_ceil(CODEBOOKS_PER_STREAM);
    let streams: Vec<Moments> = (0..num_streams)
        .into_par_iter()
        .map_init(
            || draw::Workspace::new(options.num_codes),
            |workspace, stream| {
                let done = stream * CODEBOOKS_PER_STREAM;
                let count = CODEBOOKS_PER_STREAM.min(options.num_codebooks - done);
                let mut rng = seed.index(stream as u64).rng();
                let mut moments = Moments::default();
                for _ in 0..count {
                    moments.add(draw::entropy(options, distance as f32, workspace, &mut rng));
                }
                moments
            },
        )
        .collect();
    let all = streams.into_iter().fold(Moments::default(), Moments::merge);
    Ok(all.summary())
}

/// One random codebook, in f64, for whoever wants to look at it.
///
/// # Shapes
/// → `[K, d_e]`.
///
/// # Errors
/// As for [`simulate_entropy`].
pub fn codebook(
    num_codes: usize,
    dim: usize,
    radius: f64,
    shape: Shape,
    seed: &SeedTree,
) -> Result<Array2<f64>> {
    check_codebook("codebook", num_codes, dim, radius)?;
    let mut rng = seed.rng();
    let mut codes =
        Array2::<f64>::from_shape_simple_fn((num_codes, dim), || rng.sample(StandardNormal));
    for mut code in codes.rows_mut() {
        let norm: f64 = code.dot(&code).sqrt();
        let length = match shape {
            Shape::Surface => radius,
            Shape::Ball => radius * rng.random::<f64>().powf(1.0 / dim as f64),
        };
        code.mapv_inplace(|x| x * length / norm);
    }
    Ok(codes)
}

/// Largest distance between two codes, the δ of the stability bound.
///
/// # Shapes
/// `codes` `[K, d_e]`.
#[must_use]
pub fn diameter(codes: &Array2<f64>) -> f64 {
    let rows = codes.nrows();
    (0..rows)
        .into_par_iter()
        .map(|i| {
            (0..i)
                .map(|j| {
                    let gap = &codes.row(i) - &codes.row(j);
                    gap.dot(&gap)
                })
                .fold(0.0, f64::max)
        })
        .reduce(|| 0.0, f64::max)
        .sqrt()
}

fn check_codebook(op: &'static str, num_codes: usize, dim: usize, radius: f64) -> Result<()> {
    check_positive(op, "radius", radius)?;
    if num_codes == 0 {
        return Err(invalid(op, "num_codes", "at least 1", num_codes));
    }
    if dim < 3 {
        return Err(invalid(op, "dim", "at least 3", dim));
    }
    Ok(())
}

/// Running mean and spread that can be merged.
#[derive(Clone, Copy, Debug)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0.0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        let gap = x - self.mean;
        self.mean += gap / self.count;
        self.squares += gap * (x - self.mean);
        self.min = self.min.min(x);
        self.max = self.max.max(x);
    }

    fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let gap = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + gap * other.count / count,
            squares: self.squares + other.squares + gap * gap * self.count * other.count / count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    fn summary(self) -> EntropySummary {
        EntropySummary {
            count: self.count as usize,
            mean: self.mean,
            standard_deviation: (self.squares / (self.count - 1.0).max(1.0)).sqrt(),
            min: self.min,
            max: self.max,
        }
    }
}
