//! Probabilities of staying within r: along rays in input space, and without a
//! perturbation against r itself.
//!
//! A ray fixes the direction of the perturbation, so what is found here bounds
//! nothing: the worst direction is the business of [`crate::margin`].

use crate::EvalError;
use crate::direction;
use crate::robust::distances;
use vaegis_attacks::{AttackRows, Variant};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Kind, Noise, Tensor};
use vaegis_theory::stats::Proportion;

/// A norm below which a tensor has no direction.
const NO_DIRECTION: f64 = 1e-12;

/// What is measured along rays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RayOptions {
    /// Radius in reconstruction space.
    pub r: f64,
    /// Which channel sees the perturbation.
    pub variant: Variant,
    /// Noise draws per input and norm; the same draws at every norm.
    pub num_samples: usize,
}

/// One uniformly random unit direction per input, keyed by row number.
///
/// With the node `noise.child("direction")` these are the directions that
/// [`crate::margin::margins`] takes at `noise` for one restart along fixed rays.
///
/// # Shapes
/// x: `[N, C, H, W]` → `[N, C, H, W]`
pub fn random_directions(x: &Tensor, noise: &Noise) -> Tensor {
    let rows = AttackRows::untargeted(x.shallow_clone(), vec![0.0; x.size()[0] as usize]);
    direction::random_directions(&rows, noise)
}

/// Perturbations scaled to norm 1.
///
/// # Shapes
/// d: `[N, …]`, in the shape, kind and device of `x: [N, C, H, W]` → that of x
///
/// # Errors
/// A row without a direction (norm zero or not finite).
pub fn unit_directions(d: &Tensor, x: &Tensor) -> Result<Tensor, EvalError> {
    let d = d.to_kind(Kind::Double).flatten(1, -1);
    let norm = d.square().sum_dim_intlist(1, true, None).sqrt();
    let norms = vaegis_tensor::convert::to_f64_vec(&norm);
    if let Some(found) = norms
        .iter()
        .find(|n| !(n.is_finite() && **n > NO_DIRECTION))
    {
        return Err(EvalError::BadInput {
            name: "directions",
            expected: "perturbations with a positive finite norm".into(),
            found: found.to_string(),
        });
    }
    Ok((d / norm)
        .reshape(x.size())
        .to_kind(x.kind())
        .to_device(x.device()))
}

/// P(‖Δ(x, t u)‖ ≤ r) of every input x with its direction u at every norm t.
///
/// All norms of an input share their noise draws, so its curve is smooth.
///
/// # Shapes
/// x, directions: `[N, C, H, W]`; norms: `T` → `N` vectors of `T` proportions
///
/// # Errors
/// A model with several latent layers; directions of another shape.
///
/// # References
/// Figure 6.5 of the thesis; r-robustness specification §4.7.
pub fn ray_probabilities(
    model: &dyn LatentModel,
    x: &Tensor,
    directions: &Tensor,
    norms: &[f64],
    options: &RayOptions,
    noise: &Noise,
) -> Result<Vec<Vec<Proportion>>, EvalError> {
    same_shape(x, directions)?;
    let num_inputs = x.size()[0] as usize;
    let mut curves = vec![Vec::with_capacity(norms.len()); num_inputs];
    let keys: Vec<u64> = (0..num_inputs as u64).collect();
    for &norm in norms {
        let moved = x + directions * norm;
        let found = distances(
            model,
            x,
            &moved,
            options.variant,
            options.num_samples,
            &keys,
            noise,
        )?;
        for (curve, distances) in curves.iter_mut().zip(found) {
            curve.push(Proportion::of(&distances, options.r)?);
        }
    }
    Ok(curves)
}

/// P(‖Δ(x)‖ ≤ r) without a perturbation (V0) of every input at every r.
///
/// # Shapes
/// x: `[N, C, H, W]`; radii: `R` → `N` vectors of `R` shares, non-decreasing in r
///
/// # Errors
/// A model with several latent layers.
///
/// # References
/// Figure E.2 of the thesis.
pub fn acceptance_probabilities(
    model: &dyn LatentModel,
    x: &Tensor,
    radii: &[f64],
    num_samples: usize,
    noise: &Noise,
) -> Result<Vec<Vec<f64>>, EvalError> {
    let keys: Vec<u64> = (0..x.size()[0] as u64).collect();
    let found = distances(model, x, x, Variant::MeanOnly, num_samples, &keys, noise)?;
    let each = found.iter().map(|distances| {
        let share = |&r: &f64| Ok(Proportion::of(distances, r)?.value());
        radii.iter().map(share).collect()
    });
    each.collect()
}

/// The norm at which a curve of probabilities first falls to `m`, linearly
/// between grid points; `None` where it stays above.
///
/// # Panics
/// If the lengths differ.
pub fn first_crossing(norms: &[f64], probabilities: &[f64], m: f64) -> Option<f64> {
    assert_eq!(norms.len(), probabilities.len(), "one probability per norm");
    let end = probabilities.iter().position(|p| *p <= m)?;
    if end == 0 {
        return norms.first().copied();
    }
    let (above, below) = (probabilities[end - 1], probabilities[end]);
    let part = (above - m) / (above - below);
    Some(norms[end - 1] + part * (norms[end] - norms[end - 1]))
}

fn same_shape(x: &Tensor, directions: &Tensor) -> Result<(), EvalError> {
    if x.size() == directions.size() {
        return Ok(());
    }
    Err(EvalError::BadInput {
        name: "directions",
        expected: format!("shape {:?}, one direction per input", x.size()),
        found: format!("{:?}", directions.size()),
    })
}
