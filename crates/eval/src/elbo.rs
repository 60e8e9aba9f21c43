//! Evidence lower bounds: the ELBO with its terms, and the tighter IWAE bound.

use crate::in_parts;
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
            let terms = log_ratio_terms(model, part, samples, &noise.index(start as u64));
            let mean = |t: &Tensor| to_f64_vec(&t.mean_dim(1, false, None));
            let rows = mean(&terms.log_likelihood).into_iter().zip(mean(&terms.kl));
            rows.map(|(log_likelihood, kl)| ElboRow { log_likelihood, kl })
                .collect()
        })
    })
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
    /// KL or log-ratio, `[n, S]`.
    kl: Tensor,
}

fn log_ratio_terms(model: &dyn LatentModel, x: &Tensor, samples: usize, noise: &Noise) -> Terms {
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

/// log p(x, z) − log q(z|x) of each draw, `[n, S]`. Flat models only have a
/// closed-form KL, so the log-ratio is formed here from the densities.
fn log_weights(model: &dyn LatentModel, x: &Tensor, samples: usize, noise: &Noise) -> Tensor {
    use vaegis_dist::{DiagNormal, Distribution as _};
    let (posterior, likelihood) = pass(model, x, samples, noise);
    let log_ratio = if posterior.layers.len() == 1 {
        let (q, z) = (&posterior.layers[0], &posterior.z[0]);
        let prior = DiagNormal::standard(&z.size(), z.kind(), z.device());
        q.log_prob(z) - prior.log_prob(z)
    } else {
        let terms = model.kl_terms(&posterior, Mode::Eval);
        terms
            .into_iter()
            .reduce(|a, b| a + b)
            .expect("invariant: at least one layer")
    };
    (likelihood - log_ratio).reshape([-1, samples as i64])
}

fn pass(
    model: &dyn LatentModel,
    x: &Tensor,
    samples: usize,
    noise: &Noise,
) -> (vaegis_nn::Posterior, Tensor) {
    let repeated = x.repeat_interleave_self_int(samples as i64, 0, None);
    let rows = repeated.size()[0];
    let eps: Vec<Tensor> = model
        .latent_sizes()
        .iter()
        .enumerate()
        .map(|(layer, &size)| {
            noise
                .index(layer as u64)
                .standard_normal(&[rows, size], x.kind(), x.device())
        })
        .collect();
    let posterior = model.posterior(&repeated, LatentPath::Noise(&eps), Mode::Eval);
    let log_likelihood = model.decode(&posterior.z, Mode::Eval).log_prob(&repeated);
    (posterior, log_likelihood)
}
