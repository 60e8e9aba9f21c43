//! The first-order margin bounds on trained networks.

use crate::EvalError;
use crate::error::one_layer;
use crate::in_parts;
use crate::robust::distances;
use serde::{Deserialize, Serialize};
use vaegis_attacks::Variant;
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Kind, Noise, Tensor};
use vaegis_theory::margin::{
    AcceptanceProbability, EncoderGeometry, MarginBounds, bounds, bounds_at_fixed_p0,
};
use vaegis_theory::r_min;
use vaegis_theory::stats::{Estimate, Proportion};

/// Inputs whose Jacobians are in memory together.
const ENCODER_ROWS_PER_PASS: usize = 64;

/// What is measured and with how many draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BoundOptions {
    /// Radius in reconstruction space.
    pub r: f64,
    /// Required probability.
    pub m: f64,
    /// Noise draws per input for p₀.
    pub num_samples: usize,
    /// Allowed error of the Clopper-Pearson limit.
    pub alpha: f64,
}

impl Default for BoundOptions {
    fn default() -> Self {
        Self {
            r: 4.0,
            m: 0.5,
            num_samples: 4000,
            alpha: 1e-3,
        }
    }
}

/// Bounds of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputBounds {
    /// P(‖Δ(x)‖ ≤ r) by counting.
    pub p0: Proportion,
    /// Bounds with the counted probability: for figures.
    pub plug_in: MarginBounds,
    /// Bounds with the Clopper-Pearson limit.
    pub confident: MarginBounds,
    /// Bounds at p₀ = 0.9, which depend on the encoder alone.
    pub at_p0_90: MarginBounds,
    /// Smallest radius with probability m, with its interval.
    pub r_min: Estimate,
    /// ‖J_μ‖_F.
    #[serde(with = "vaegis_core::codec::float")]
    pub jacobian_frobenius: f64,
    /// ‖J_μ‖₂.
    #[serde(with = "vaegis_core::codec::float")]
    pub jacobian_spectral: f64,
    /// min_j σⱼ.
    #[serde(with = "vaegis_core::codec::float")]
    pub sigma_min: f64,
}

/// What the encoder alone says of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderBounds {
    /// Bounds at p₀ = 0.9.
    pub at_p0_90: MarginBounds,
    /// ‖J_μ‖_F.
    #[serde(with = "vaegis_core::codec::float")]
    pub jacobian_frobenius: f64,
    /// ‖J_μ‖₂.
    #[serde(with = "vaegis_core::codec::float")]
    pub jacobian_spectral: f64,
    /// min_j σⱼ.
    #[serde(with = "vaegis_core::codec::float")]
    pub sigma_min: f64,
}

impl EncoderBounds {
    fn of(geometry: &EncoderGeometry) -> Result<Self, EvalError> {
        Ok(Self {
            at_p0_90: bounds_at_fixed_p0(geometry, 0.9)?,
            jacobian_frobenius: geometry.jacobian_frobenius(),
            jacobian_spectral: geometry.jacobian_spectral(),
            sigma_min: geometry.sigma_min(),
        })
    }
}

/// The part of [`margin_bounds`] that needs neither decoder nor draws, so that it is cheap enough
/// for a whole test set.
///
/// # Formula
/// ```text
/// B_F = Φ⁻¹(0.9) min_j σⱼ / ‖J‖_F, and so on;  J = ∂μ/∂x
/// ```
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` results
///
/// # Errors
/// A model with several latent layers.
///
/// # References
/// r-robustness thesis, figures E.3(i), E.4(i), E.5(c).
pub fn encoder_bounds(
    model: &dyn LatentModel,
    x: &Tensor,
) -> Result<Vec<EncoderBounds>, EvalError> {
    one_layer(model)?;
    let parts = in_parts(x, ENCODER_ROWS_PER_PASS, |_, part| {
        let geometries = geometries(model, part);
        let of = |geometry: Result<EncoderGeometry, EvalError>| EncoderBounds::of(&geometry?);
        geometries.map(of).collect()
    });
    parts.into_iter().collect()
}

/// The geometry of the encoder at every input.
///
/// In f64 where the layers are known, since certificates rest on it; only the d_z × d_z Gram
/// matrix is needed.
fn geometries(
    model: &dyn LatentModel,
    x: &Tensor,
) -> impl Iterator<Item = Result<EncoderGeometry, EvalError>> {
    let jacobian = match model.network_paths() {
        Some(paths) => {
            let x = x.flatten(1, -1).to_kind(Kind::Double);
            paths.mean.jacobian(&x)
        }
        None => model.mean_jacobian(x).to_kind(Kind::Double),
    };
    let (num_rows, size) = (x.size()[0] as usize, jacobian.size()[1] as usize);
    let gram = to_f64_vec(&jacobian.bmm(&jacobian.transpose(1, 2)));
    let posterior = vaegis_tensor::no_grad(|| model.posterior(x, LatentPath::Mean, Mode::Eval));
    let sigma = to_f64_vec(&posterior.layers[0].scale());
    (0..num_rows).map(move |row| {
        let gram = &gram[row * size * size..(row + 1) * size * size];
        let gram = ndarray::ArrayView2::from_shape((size, size), gram)
            .expect("invariant: a square Gram matrix");
        let sigma = &sigma[row * size..(row + 1) * size];
        Ok(EncoderGeometry::from_gram(sigma, gram)?)
    })
}

/// Bounds of every input: one batched Jacobian, then f64 arithmetic per input.
///
/// All bounds are first order in the perturbation unless the encoder is affine,
/// and hold for V1 (σ frozen); `MarginBounds::evidence` says so.
///
/// # Formula
/// ```text
/// B_F = κ min_j σⱼ / ‖J‖_F,  B_2 = κ min_j σⱼ / ‖J‖₂,  B_M = κ / ‖diag(σ)⁻¹ J‖₂,
/// κ = max(0, Φ⁻¹(p₀) − Φ⁻¹(m)),  J = ∂μ/∂x
/// ```
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` results
///
/// # Errors
/// A model with several latent layers; numbers out of range.
///
/// # References
/// r-robustness paper, theorem 1 (thesis theorem 6.1, equation 6.4).
pub fn margin_bounds(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &BoundOptions,
    noise: &Noise,
) -> Result<Vec<InputBounds>, EvalError> {
    one_layer(model)?;
    let num_rows = x.size()[0] as usize;
    let keys: Vec<u64> = (0..num_rows as u64).collect();
    let noise = noise.child("p0");
    let distances = distances(
        model,
        x,
        x,
        Variant::MeanOnly,
        options.num_samples,
        &keys,
        &noise,
    )?;
    geometries(model, x)
        .zip(&distances)
        .map(|(geometry, distances)| {
            let geometry = geometry?;
            let p0 = Proportion::of(distances, options.r)?;
            let plug_in = AcceptanceProbability::plug_in(p0.num_successes(), p0.num_trials())?;
            let limit = AcceptanceProbability::clopper_pearson(
                p0.num_successes(),
                p0.num_trials(),
                options.alpha,
            )?;
            Ok(InputBounds {
                p0,
                plug_in: bounds(&geometry, &plug_in, options.m)?,
                confident: bounds(&geometry, &limit, options.m)?,
                at_p0_90: bounds_at_fixed_p0(&geometry, 0.9)?,
                r_min: r_min::empirical(distances, options.m, options.alpha)?,
                jacobian_frobenius: geometry.jacobian_frobenius(),
                jacobian_spectral: geometry.jacobian_spectral(),
                sigma_min: geometry.sigma_min(),
            })
        })
        .collect()
}
