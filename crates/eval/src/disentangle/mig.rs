//! The mutual information gap.

use super::Codes;
use crate::EvalError;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use vaegis_data::permutation;
use vaegis_tensor::convert::{to_array, to_f64_vec, to_tensor};
use vaegis_tensor::{Device, Kind, Noise, Tensor, no_grad, parts};

/// Densities of one block, so that the memory of a pass does not grow with the data.
const DENSITIES_PER_PASS: usize = 1 << 21;

/// How the entropies are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigOptions {
    /// Largest number of samples per entropy; the mixtures always have all components.
    pub max_samples: usize,
}

/// 10 000 samples, as in the source.
impl Default for MigOptions {
    fn default() -> Self {
        Self {
            max_samples: 10_000,
        }
    }
}

/// The mutual information gap and what it is made of, in nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mig {
    /// The gap, 0 to about 1.
    pub score: f64,
    /// The gap of each factor.
    pub gaps: Vec<f64>,
    /// I(zⱼ; vₖ), `[F][d]`, clipped below at 0.
    pub information: Vec<Vec<f64>>,
    /// H(zⱼ) of the aggregate posterior.
    pub entropies: Vec<f64>,
}

/// The mutual information gap with one sample of every posterior.
///
/// # Formula
/// ```text
/// I(zⱼ; v) = H(zⱼ) − (1/K) Σₖ H(zⱼ | v = k),  H by samples of the mixtures of posteriors
/// MIG = mean over v of (I₍₁₎ − I₍₂₎) / log K
/// ```
/// K counts the classes of v that occur; with one latent the second largest information is 0.
///
/// # Errors
/// Codes whose parts do not fit, see [`Codes::check`].
///
/// # References
/// Chen et al. (2018), equation 6 and appendix D.
pub fn mig(codes: &Codes, options: &MigOptions, noise: &Noise) -> Result<Mig, EvalError> {
    codes.check()?;
    let shape = [codes.len() as i64, codes.num_latents() as i64];
    let eps = noise.standard_normal(&shape, Kind::Double, Device::Cpu);
    let eps = to_array::<f64>(&eps)?;
    let eps = eps
        .into_dimensionality::<ndarray::Ix2>()
        .expect("invariant: the noise has two axes");
    let samples = &codes.mean + &(codes.log_sigma.mapv(f64::exp) * &eps);
    mig_of(codes, samples.view(), options, noise)
}

/// The mutual information gap with given samples; `noise` only chooses which are used.
///
/// # Shapes
/// samples: `[N, d]`, row n drawn from the posterior of input n
///
/// # Errors
/// As [`mig`], and samples of another shape.
pub fn mig_of(
    codes: &Codes,
    samples: ArrayView2<'_, f64>,
    options: &MigOptions,
    noise: &Noise,
) -> Result<Mig, EvalError> {
    codes.check()?;
    if samples.dim() != codes.mean.dim() || options.max_samples == 0 {
        return Err(EvalError::BadInput {
            name: "samples",
            expected: format!("shape {:?} and at least one used", codes.mean.dim()),
            found: format!("{:?}, {} used", samples.dim(), options.max_samples),
        });
    }
    let all: Vec<usize> = (0..codes.len()).collect();
    let choice = noise.seed().child("samples");
    let entropy = |rows: &[usize], key: u64| {
        let order = if rows.len() > options.max_samples {
            let mut order = permutation(rows.len(), &choice.index(key));
            order.truncate(options.max_samples);
            order.iter().map(|&i| rows[i]).collect()
        } else {
            rows.to_vec()
        };
        entropies(codes, &samples, rows, &order)
    };
    let marginal = entropy(&all, 0);
    let mut gaps = Vec::with_capacity(codes.num_factors());
    let mut information = Vec::with_capacity(codes.num_factors());
    let mut key = 1;
    for factor in 0..codes.num_factors() {
        let groups: Vec<Vec<usize>> = codes
            .groups(factor)
            .into_iter()
            .filter(|rows| !rows.is_empty())
            .collect();
        let mut conditional = vec![0.0; codes.num_latents()];
        for rows in &groups {
            let part = entropy(rows, key);
            key += 1;
            for (total, value) in conditional.iter_mut().zip(part) {
                *total += value / groups.len() as f64;
            }
        }
        let gained: Vec<f64> = marginal
            .iter()
            .zip(&conditional)
            .map(|(h, c)| (h - c).max(0.0))
            .collect();
        let [first, second] = super::sap::two_largest(&gained);
        // A factor with a single class in these data says nothing: its gap is 0.
        gaps.push(if groups.len() > 1 {
            (first - second) / (groups.len() as f64).ln()
        } else {
            0.0
        });
        information.push(gained);
    }
    Ok(Mig {
        score: gaps.iter().sum::<f64>() / gaps.len() as f64,
        gaps,
        information,
        entropies: marginal,
    })
}

/// H(zⱼ) of the mixture of the posteriors of `components`, by the samples of `drawn`.
fn entropies(
    codes: &Codes,
    samples: &ArrayView2<'_, f64>,
    components: &[usize],
    drawn: &[usize],
) -> Vec<f64> {
    let tensor = |a: Array2<f64>| to_tensor(&a.reversed_axes());
    // [d, n] and [d, s]: one latent's numbers lie together.
    let mean = tensor(codes.mean.select(Axis(0), components));
    let log_sigma = tensor(codes.log_sigma.select(Axis(0), components));
    let z = tensor(samples.select(Axis(0), drawn));
    let step = (DENSITIES_PER_PASS / components.len()).max(1) as i64;
    let num_drawn = drawn.len() as i64;
    let constant = 0.5 * TAU.ln() + (components.len() as f64).ln();
    no_grad(|| {
        let one = |j: i64| {
            let (mean, log_sigma) = (mean.get(j), log_sigma.get(j));
            let precision = (-&log_sigma).exp() * std::f64::consts::FRAC_1_SQRT_2;
            let mut total = Tensor::zeros([], (Kind::Double, Device::Cpu));
            for (start, len) in parts(num_drawn, step) {
                let part = z.get(j).narrow(0, start, len);
                // [s, n]: −(z − μ)² / 2σ² − log σ
                let mut t = part.unsqueeze(1) - &mean;
                t *= &precision;
                let t = -t.square() - &log_sigma;
                total += t.logsumexp([1], false).sum(None);
            }
            constant - to_f64_vec(&total)[0] / drawn.len() as f64
        };
        (0..codes.num_latents() as i64).map(one).collect()
    })
}
