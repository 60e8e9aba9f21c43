//! Distances between noisy and reference reconstructions: the raw material of
//! r-robustness.

use crate::EvalError;
use crate::error::one_layer;
use vaegis_attacks::Variant;
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, Tensor, no_grad};

/// Decoder rows of one network pass.
const ROWS_PER_PASS: i64 = 8192;

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
        for (row, &key) in keys.iter().enumerate() {
            let draw = |label: &str| {
                noise
                    .child(label)
                    .index(key)
                    .standard_normal(&[num_samples as i64, size], Kind::Float, Device::Cpu)
                    .to_kind(x.kind())
                    .to_device(x.device())
            };
            let row = row as i64;
            let at = |t: &Tensor| t.select(0, row).unsqueeze(0);
            let z = at(mean) + at(&sigma) * draw("eta");
            let other = (variant == Variant::TwoSample)
                .then(|| at(clean.mean()) + at(&clean_sigma) * draw("eta-clean"));
            let mut row_distances = Vec::with_capacity(num_samples);
            for start in (0..num_samples as i64).step_by(ROWS_PER_PASS as usize) {
                let len = ROWS_PER_PASS.min(num_samples as i64 - start);
                let decode = |z: &Tensor| {
                    model
                        .decode(&[z.narrow(0, start, len)], Mode::Eval)
                        .mean()
                        .flatten(1, -1)
                };
                let reference = other.as_ref().map_or_else(|| at(&center), decode);
                let difference = decode(&z) - reference;
                let squared = difference.square().sum_dim_intlist(1, false, None);
                row_distances.extend(to_f64_vec(&squared.sqrt()));
            }
            all.push(row_distances);
        }
        Ok(all)
    })
}
