//! Distances between noisy and reference reconstructions: the raw material of
//! r-robustness.

use crate::EvalError;
use crate::error::one_layer;
use vaegis_attacks::Variant;
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, Tensor, no_grad, parts};

/// Decoded values of one network pass: a few of them fit into the last cache, and memory of this
/// size is used again instead of being returned to the system and zeroed for every operation.
const VALUES_PER_PASS: i64 = 1 << 20;
/// Decoder rows of one network pass; fewer than the least make matrix products slow.
const ROWS_PER_PASS: std::ops::RangeInclusive<i64> = 256..=8192;

/// Distances ‖Δ‖₂ of `num_samples` noise draws per input, `N` vectors.
///
/// `attacked` equal to `x` gives V0, the law without perturbation. The draws of
/// an input depend on its position's key alone.
///
/// # Formula
/// ```text
/// mean-only (V1):  ‖g(μ(x+δ) + η σ(x)) − g(μ(x))‖
/// sigma-only:      ‖g(μ(x) + η σ(x+δ)) − g(μ(x))‖
/// both (V2):       ‖g(μ(x+δ) + η σ(x+δ)) − g(μ(x))‖
/// two-sample (V3): ‖g(μ(x+δ) + η₁ σ(x+δ)) − g(μ(x) + η₂ σ(x))‖
/// ```
///
/// # Shapes
/// x, attacked: `[N, C, H, W]`; keys: `N`
///
/// # Errors
/// A model with several latent layers.
pub fn distances(
    model: &dyn LatentModel,
    x: &Tensor,
    attacked: &Tensor,
    variant: Variant,
    num_samples: usize,
    keys: &[u64],
    noise: &Noise,
) -> Result<Vec<Vec<f64>>, EvalError> {
    let size = one_layer(model)?;
    if keys.len() as i64 != x.size()[0] {
        return Err(EvalError::BadInput {
            name: "keys",
            expected: format!("{} values, one per input", x.size()[0]),
            found: keys.len().to_string(),
        });
    }
    if num_samples == 0 {
        return Ok(vec![Vec::new(); keys.len()]);
    }
    let encode = |input: &Tensor| {
        let mut posterior = model.posterior(input, LatentPath::Mean, Mode::Eval);
        posterior.layers.remove(0)
    };
    no_grad(|| {
        let (clean, moved) = (encode(x), encode(attacked));
        let mean = if variant == Variant::SigmaOnly {
            clean.mean()
        } else {
            moved.mean()
        };
        let sigma = if variant == Variant::MeanOnly {
            clean.scale()
        } else {
            moved.scale()
        };
        let center = model
            .decode(&[clean.mean().shallow_clone()], Mode::Eval)
            .mean()
            .flatten(1, -1);
        let clean_sigma = clean.scale();
        let mut all = Vec::with_capacity(keys.len());
        // Several inputs in one pass, or one input in several.
        let rows_per_pass = (VALUES_PER_PASS / center.size()[1])
            .clamp(*ROWS_PER_PASS.start(), *ROWS_PER_PASS.end());
        let inputs_per_pass = (rows_per_pass as usize / num_samples).max(1);
        for (part, keys) in keys.chunks(inputs_per_pass).enumerate() {
            let start = (part * inputs_per_pass) as i64;
            let at = |t: &Tensor| t.narrow(0, start, keys.len() as i64).unsqueeze(1); // [n, 1, d]
            let points = |mean: &Tensor, sigma: &Tensor, label: &str| {
                let eta = draws(&noise.child(label), keys, num_samples as i64, size, x);
                (at(mean) + at(sigma) * eta).flatten(0, 1) // [n·S, d]
            };
            let z = points(mean, &sigma, "eta");
            let other = (variant == Variant::TwoSample)
                .then(|| points(clean.mean(), &clean_sigma, "eta-clean"));
            let mut distances = Vec::with_capacity(keys.len() * num_samples);
            for (start, len) in parts(z.size()[0], rows_per_pass) {
                let decode = |z: &Tensor| {
                    model
                        .decode(&[z.narrow(0, start, len)], Mode::Eval)
                        .mean()
                        .reshape([keys.len() as i64, len / keys.len() as i64, -1])
                };
                let reference = other.as_ref().map_or_else(|| at(&center), decode);
                let difference = decode(&z) - reference; // [n, S, D]
                let squared = difference.square().sum_dim_intlist(2, false, None);
                distances.extend(to_f64_vec(&squared.sqrt()));
            }
            all.extend(distances.chunks_exact(num_samples).map(<[f64]>::to_vec));
        }
        Ok(all)
    })
}

/// The noise of each key's input, `[n, S, d]`, like `x` in kind and device.
fn draws(noise: &Noise, keys: &[u64], num_samples: i64, size: i64, x: &Tensor) -> Tensor {
    let of = |&key: &u64| {
        noise
            .index(key)
            .standard_normal(&[num_samples, size], Kind::Float, Device::Cpu)
    };
    let rows: Vec<Tensor> = keys.iter().map(of).collect();
    Tensor::stack(&rows, 0)
        .to_kind(x.kind())
        .to_device(x.device())
}
