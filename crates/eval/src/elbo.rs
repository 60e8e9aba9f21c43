//! Evidence lower bounds: the ELBO with its terms, and the tighter IWAE bound.

use crate::{in_parts, layer_noise};
use serde::{Deserialize, Serialize};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Noise, Tensor, no_grad};

/// Rows of one network pass.
const ROWS_PER_PASS: usize = 1024;

/// The ELBO of one input (β = 1, no free bits), in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElboRow {
    /// E log p(x|z).
    #[serde(with = "vaegis_core::codec::float")]
    pub log_likelihood: f64,
    /// KL(q(z|x) ‖ p(z)), summed over the layers.
    #[serde(with = "vaegis_core::codec::float")]
    pub kl: f64,
}

impl ElboRow {
    /// E log p(x|z) − KL.
    pub fn elbo(&self) -> f64 {
        self.log_likelihood - self.kl
    }
}

/// The mean of rows; NaN of none.
pub fn mean(rows: &[ElboRow]) -> ElboRow {
    let n = rows.len() as f64;
    ElboRow {
        log_likelihood: rows.iter().map(|r| r.log_likelihood).sum::<f64>() / n,
        kl: rows.iter().map(|r| r.kl).sum::<f64>() / n,
    }
}

/// The ELBO of every input, its expectation by `samples` draws per input.
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` rows
pub fn elbo(model: &dyn LatentModel, x: &Tensor, samples: usize, noise: &Noise) -> Vec<ElboRow> {
    let per_pass = (ROWS_PER_PASS / samples.max(1)).max(1);
    no_grad(|| {
        in_parts(x, per_pass, |start, part| {
            let terms = elbo_terms(model, part, samples, &noise.index(start as u64));
            let mean = |t: &Tensor| to_f64_vec(&t.mean_dim(1, false, None));
            let rows = mean(&terms.log_likelihood).into_iter().zip(mean(&terms.kl));
            rows.map(|(log_likelihood, kl)| ElboRow { log_likelihood, kl })
                .collect()
        })
    })
}

/// The mean ELBO of a hierarchical model (β = 1, no free bits) with what each layer costs, in nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayeredElbo {
    /// Mean of E log p(x|z).
    pub log_likelihood: f64,
    /// Mean divergence of each layer, layer 1 (nearest the data) first.
    pub layers: Vec<f64>,
    /// Standard error of the mean over the inputs of the ELBO.
    pub standard_error: f64,
}

impl LayeredElbo {
    /// E log p(x|z) − Σ Kᵢ.
    pub fn elbo(&self) -> f64 {
        self.log_likelihood - self.layers.iter().sum::<f64>()
    }
}

/// The mean ELBO over a data set, its divergence layer by layer, by `samples` draws per input.
///
/// A layer may have a negative mean where its divergence is a log-ratio at sampled points: only
/// the sum over the layers is a divergence.
///
/// # Shapes
/// x: `[N, C, H, W]`
///
/// # Panics
/// If there is no input or no sample.
///
/// # References
/// Willetts et al. (2021), section 4; the layers below the top by log-ratio, not in closed form.
pub fn layered_elbo(
    model: &dyn LatentModel,
    x: &Tensor,
    samples: usize,
    noise: &Noise,
) -> LayeredElbo {
    assert!(
        x.size()[0] > 0 && samples > 0,
        "layered_elbo: no input or no sample"
    );
    let per_pass = (ROWS_PER_PASS / samples).max(1);
    let rows: Vec<(f64, Vec<f64>)> = no_grad(|| {
        in_parts(x, per_pass, |start, part| {
            let (posterior, likelihood) = pass(model, part, samples, &noise.index(start as u64));
            let mean =
                |t: &Tensor| to_f64_vec(&t.reshape([-1, samples as i64]).mean_dim(1, false, None));
            let layers: Vec<Vec<f64>> = model
                .kl_terms(&posterior, Mode::Eval)
                .iter()
                .map(mean)
                .collect();
            let likelihood = mean(&likelihood).into_iter().enumerate();
            likelihood
                .map(|(row, value)| (value, layers.iter().map(|kl| kl[row]).collect()))
                .collect()
        })
    });
    let n = rows.len() as f64;
    let elbos = rows
        .iter()
        .map(|(likelihood, kl)| likelihood - kl.iter().sum::<f64>());
    let center = elbos.clone().sum::<f64>() / n;
    let variance = elbos.map(|e| (e - center).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let num_layers = model.latent_sizes().len();
    let layer = |l: usize| rows.iter().map(|(_, kl)| kl[l]).sum::<f64>() / n;
    LayeredElbo {
        log_likelihood: rows.iter().map(|(likelihood, _)| likelihood).sum::<f64>() / n,
        layers: (0..num_layers).map(layer).collect(),
        standard_error: (variance / n).sqrt(),
    }
}

/// The importance-weighted bound with `k` samples, streamed so that memory does
/// not grow with `k`.
///
/// # Formula
/// ```text
/// log (1/K) Σₖ p(x, zₖ) / q(zₖ|x),  zₖ ~ q(z|x)
/// ```
/// K = 1 has the ELBO as its mean; the bound rises with K towards log p(x).
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` values in nats
///
/// # Panics
/// If `k` is 0.
///
/// # References
/// Burda, Grosse and Salakhutdinov 2016, equation 8.
pub fn iwae(model: &dyn LatentModel, x: &Tensor, k: usize, noise: &Noise) -> Vec<f64> {
    assert!(k > 0, "iwae: at least one sample");
    no_grad(|| {
        in_parts(x, ROWS_PER_PASS, |start, part| {
            let noise = noise.index(start as u64);
            let rows = part.size()[0] as usize;
            let per_pass = (ROWS_PER_PASS / rows.max(1)).max(1);
            let mut total: Option<Tensor> = None;
            let mut drawn = 0;
            while drawn < k {
                let samples = per_pass.min(k - drawn);
                let log_weights = log_weights(model, part, samples, &noise.index(drawn as u64));
                let new = log_weights.logsumexp([1], false);
                total = Some(match total {
                    Some(total) => total.logaddexp(&new),
                    None => new,
                });
                drawn += samples;
            }
            let total = total.expect("invariant: k is at least one");
            to_f64_vec(&(total - (k as f64).ln()))
        })
    })
}

struct Terms {
    /// log p(x|z), `[n, S]`.
    log_likelihood: Tensor,
    /// KL in closed form or log-ratio, summed over the layers, `[n, S]`.
    kl: Tensor,
}

/// The terms of the ELBO of each draw, the divergence as the model has it: see
/// [`LatentModel::kl_terms`].
fn elbo_terms(model: &dyn LatentModel, x: &Tensor, samples: usize, noise: &Noise) -> Terms {
    let (posterior, likelihood) = pass(model, x, samples, noise);
    let kl = model.kl_terms(&posterior, Mode::Eval);
    let kl = kl
        .into_iter()
        .reduce(|a, b| a + b)
        .expect("invariant: at least one layer");
    Terms {
        log_likelihood: likelihood.reshape([-1, samples as i64]),
        kl: kl.reshape([-1, samples as i64]),
    }
}

/// log p(x, z) − log q(z|x) of each draw, `[n, S]`. A closed-form divergence has no place here:
/// the weights are ratios of densities.
fn log_weights(model: &dyn LatentModel, x: &Tensor, samples: usize, noise: &Noise) -> Tensor {
    let (posterior, likelihood) = pass(model, x, samples, noise);
    let ratios = model.log_ratio_terms(&posterior, Mode::Eval);
    let log_weights = ratios.iter().fold(likelihood, |sum, ratio| sum - ratio);
    log_weights.reshape([-1, samples as i64])
}

fn pass(
    model: &dyn LatentModel,
    x: &Tensor,
    samples: usize,
    noise: &Noise,
) -> (vaegis_nn::Posterior, Tensor) {
    let repeated = x.repeat_interleave_self_int(samples as i64, 0, None);
    let eps = layer_noise(model, repeated.size()[0], x, noise);
    let posterior = model.posterior(&repeated, LatentPath::Noise(&eps), Mode::Eval);
    let log_likelihood = model.decode(&posterior.z, Mode::Eval).log_prob(&repeated);
    (posterior, log_likelihood)
}
