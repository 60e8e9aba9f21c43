//! Damage and likelihood under attacks of growing norm.

use crate::EvalError;
use crate::degradation::{Degradation, degradation};
use serde::{Deserialize, Serialize};
use vaegis_attacks::{Attack, AttackRows};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor};

/// What attacks of one norm do to every input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DamagePoint {
    /// Largest norm of the attack.
    pub norm: f64,
    /// One entry per input.
    pub rows: Vec<Damage>,
}

/// What one attack does to one input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Damage {
    /// E ‖Δ‖ under the attack.
    #[serde(with = "vaegis_core::codec::float")]
    pub distance: f64,
    /// Likelihood of the clean and of the attacked input.
    pub degradation: Degradation,
}

/// Attacks every input at every norm, all of them as one batch.
///
/// An input has the same noise at every norm, so that its curve is smooth.
///
/// # Shapes
/// x: `[N, C, H, W]`; norms: `L` → `L` points of `N` inputs
///
/// # Errors
/// An attack that does not fit the model.
///
/// # References
/// Figures 6.6(d-f), 6.7 and 6.9(b) of the thesis; r-robustness specification §4.7.
pub fn damage_curve(
    model: &dyn LatentModel,
    x: &Tensor,
    norms: &[f64],
    attack: &Attack,
    noise: &Noise,
) -> Result<Vec<DamagePoint>, EvalError> {
    let num_inputs = x.size()[0] as usize;
    let tiled = x.repeat([norms.len() as i64, 1, 1, 1]);
    let radius = norms
        .iter()
        .flat_map(|&norm| std::iter::repeat_n(norm, num_inputs))
        .collect();
    let mut rows = AttackRows::untargeted(tiled, radius);
    rows.keys = (0..rows.len())
        .map(|row| (row % num_inputs) as u64)
        .collect();
    let outcome = attack.run(model, &rows, noise)?;
    let degraded = degradation(model, &rows.x, &outcome.attacked(&rows.x));
    let point = |(i, &norm): (usize, &f64)| {
        let part = i * num_inputs..(i + 1) * num_inputs;
        let each = outcome.divergence[part.clone()].iter().zip(&degraded[part]);
        let rows = each.map(|(divergence, &degradation)| Damage {
            distance: -divergence,
            degradation,
        });
        DamagePoint {
            norm,
            rows: rows.collect(),
        }
    };
    Ok(norms.iter().enumerate().map(point).collect())
}
