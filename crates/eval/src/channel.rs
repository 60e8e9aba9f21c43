//! Which channel of the encoder carries the damage: the mean, the scale, or both.

use crate::EvalError;
use crate::robust::distances;
use serde::{Deserialize, Serialize};
use vaegis_attacks::{Attack, AttackRows, Objective, Variant};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor};

/// E ‖Δ‖ of one input when a perturbation reaches only one channel, and both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelDamage {
    /// E ‖g(μ(x+δ) + η σ(x)) − g(μ(x))‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub mean_only: f64,
    /// E ‖g(μ(x) + η σ(x+δ)) − g(μ(x))‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub sigma_only: f64,
    /// E ‖g(μ(x+δ) + η σ(x+δ)) − g(μ(x))‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub both: f64,
}

/// The damage of one joint attack per input, propagated through each channel.
///
/// # Shapes
/// x, attacked: `[N, C, H, W]` → `N` results
///
/// # Errors
/// A model with several latent layers.
///
/// # References
/// Figure 6.4 of the thesis in the reading of its wording.
pub fn propagated(
    model: &dyn LatentModel,
    x: &Tensor,
    attacked: &Tensor,
    num_samples: usize,
    noise: &Noise,
) -> Result<Vec<ChannelDamage>, EvalError> {
    let damage = |variant| mean_distances(model, x, attacked, variant, num_samples, noise);
    combine([
        damage(Variant::MeanOnly)?,
        damage(Variant::SigmaOnly)?,
        damage(Variant::Both)?,
    ])
}

/// The damage where each channel has an attack of its own, optimized for it.
/// Returns the joint attack's inputs too, for [`propagated`].
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` results and attacked inputs `[N, C, H, W]`
///
/// # Errors
/// A model with several latent layers; an attack that is not one of maximum
/// damage or does not fit.
pub fn separate(
    model: &dyn LatentModel,
    x: &Tensor,
    radius: f64,
    attack: &Attack,
    num_samples: usize,
    noise: &Noise,
) -> Result<(Vec<ChannelDamage>, Tensor), EvalError> {
    let Objective::MaxDamage { samples, .. } = attack.objective else {
        return Err(EvalError::BadInput {
            name: "attack.objective",
            expected: "maximum damage".into(),
            found: attack.objective.name().into(),
        });
    };
    let judge = noise.child("judge");
    let run = |variant: Variant| {
        let attack = Attack {
            objective: Objective::MaxDamage { variant, samples },
            ..*attack
        };
        let rows = AttackRows::untargeted(x.shallow_clone(), vec![radius; x.size()[0] as usize]);
        let outcome = attack.run(model, &rows, &noise.child("attack"))?;
        let attacked = outcome.attacked(x);
        let damage = mean_distances(model, x, &attacked, variant, num_samples, &judge)?;
        Ok::<_, EvalError>((damage, attacked))
    };
    let (mean_only, _) = run(Variant::MeanOnly)?;
    let (sigma_only, _) = run(Variant::SigmaOnly)?;
    let (both, attacked) = run(Variant::Both)?;
    Ok((combine([mean_only, sigma_only, both])?, attacked))
}

fn mean_distances(
    model: &dyn LatentModel,
    x: &Tensor,
    attacked: &Tensor,
    variant: Variant,
    num_samples: usize,
    noise: &Noise,
) -> Result<Vec<f64>, EvalError> {
    let keys: Vec<u64> = (0..x.size()[0] as u64).collect();
    let all = distances(model, x, attacked, variant, num_samples, &keys, noise)?;
    let mean = |d: Vec<f64>| d.iter().sum::<f64>() / d.len() as f64;
    Ok(all.into_iter().map(mean).collect())
}

fn combine([mean_only, sigma_only, both]: [Vec<f64>; 3]) -> Result<Vec<ChannelDamage>, EvalError> {
    let rows = mean_only.into_iter().zip(sigma_only).zip(both);
    Ok(rows
        .map(|((mean_only, sigma_only), both)| ChannelDamage {
            mean_only,
            sigma_only,
            both,
        })
        .collect())
}
