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

/// Attacks on every input at every norm, run as one batch.
#[derive(Debug)]
pub struct NormSweep {
    norms: Vec<f64>,
    num_inputs: usize,
    /// Inputs and attacked inputs, norm by norm, `[L·N, C, H, W]`.
    x: Tensor,
    attacked: Tensor,
    /// E ‖Δ‖ of each.
    distances: Vec<f64>,
}

impl NormSweep {
    /// Attacks every input at every norm.
    ///
    /// An input has the same noise at every norm, so that its curve is smooth.
    ///
    /// # Shapes
    /// x: `[N, C, H, W]`; norms: `L`
    ///
    /// # Errors
    /// An attack that does not fit the model.
    pub fn run(
        model: &dyn LatentModel,
        x: &Tensor,
        norms: &[f64],
        attack: &Attack,
        noise: &Noise,
    ) -> Result<Self, EvalError> {
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
        Ok(Self {
            norms: norms.to_vec(),
            num_inputs,
            attacked: outcome.attacked(&rows.x),
            x: rows.x,
            distances: outcome.divergence.iter().map(|v| -v).collect(),
        })
    }

    /// E ‖Δ‖ of every input under the attack of the norm number `norm`.
    ///
    /// # Panics
    /// If there is no such norm.
    pub fn distances(&self, norm: usize) -> &[f64] {
        &self.distances[norm * self.num_inputs..(norm + 1) * self.num_inputs]
    }

    /// The attacked inputs of the norm number `norm`, `[N, C, H, W]`.
    ///
    /// # Panics
    /// If there is no such norm.
    pub fn attacked(&self, norm: usize) -> Tensor {
        let num_inputs = self.num_inputs as i64;
        self.attacked
            .narrow(0, norm as i64 * num_inputs, num_inputs)
    }

    /// Damage and degradation, a point per norm.
    pub fn points(&self, model: &dyn LatentModel) -> Vec<DamagePoint> {
        let degraded = degradation(model, &self.x, &self.attacked);
        let point = |(i, &norm): (usize, &f64)| {
            let degraded = &degraded[i * self.num_inputs..(i + 1) * self.num_inputs];
            let each = self.distances(i).iter().zip(degraded);
            let rows = each.map(|(&distance, &degradation)| Damage {
                distance,
                degradation,
            });
            DamagePoint {
                norm,
                rows: rows.collect(),
            }
        };
        self.norms.iter().enumerate().map(point).collect()
    }
}

/// The points of a [`NormSweep`].
///
/// # Shapes
/// x: `[N, C, H, W]`; norms: `L` → `L` points of `N` inputs
///
/// # Errors
/// As [`NormSweep::run`].
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
    Ok(NormSweep::run(model, x, norms, attack, noise)?.points(model))
}
