//! The hunt for violations: the strongest attacks at the radius of a claim, and
//! many noise draws to judge what they left.
//!
//! A sound claim survives every hunt; a hunt that finds nothing proves nothing.

use crate::EvalError;
use crate::robust::distances;
use serde::{Deserialize, Serialize};
use vaegis_attacks::search::{Apgd, Lbfgs, Pgd};
use vaegis_attacks::{Attack, AttackRows, NoiseMode, Objective, Search, Variant};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor};
use vaegis_theory::stats::{Interval, Proportion};

/// How hard is looked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct HuntOptions {
    /// Steps of each gradient search.
    pub steps: usize,
    /// Starts of each search.
    pub restarts: usize,
    /// Noise draws in each evaluation of the objective.
    pub samples: usize,
    /// Noise draws that judge each attacked input.
    pub num_draws: usize,
    /// Allowed error per claim of "the share is below m".
    pub alpha: f64,
}

impl Default for HuntOptions {
    fn default() -> Self {
        Self {
            steps: 40,
            restarts: 2,
            samples: 4,
            num_draws: 10_000,
            alpha: 1e-6,
        }
    }
}

impl HuntOptions {
    /// The three searches, by name: projected gradient on fresh noise, the
    /// Auto-PGD rule and L-BFGS on common random numbers.
    pub fn attacks(&self, variant: Variant) -> [Attack; 3] {
        let searches = [
            Search::Pgd(Pgd {
                steps: self.steps,
                ..Pgd::default()
            }),
            Search::Apgd(Apgd {
                steps: self.steps,
                ..Apgd::default()
            }),
            Search::Lbfgs(Lbfgs {
                max_iterations: self.steps,
                max_evaluations: 2 * self.steps,
                ..Lbfgs::default()
            }),
        ];
        searches.map(|search| Attack {
            objective: Objective::MaxDamage {
                variant,
                samples: self.samples,
            },
            search,
            noise_mode: match search {
                Search::Pgd(_) => NoiseMode::Fresh,
                _ => NoiseMode::Common,
            },
            restarts: self.restarts,
            ..Attack::max_damage(variant)
        })
    }
}

/// What the strongest attack left of one claim.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Row of the input.
    pub row: usize,
    /// Radius of the claim.
    pub radius: f64,
    /// Which of [`HuntOptions::attacks`] did the most damage.
    pub attack: usize,
    /// Norm of its distortion.
    pub norm: f64,
    /// Draws within r at the attacked input.
    pub share: Proportion,
    /// Clopper-Pearson interval of the share.
    pub interval: Interval,
}

impl Trial {
    /// Whether the share is below `m` by more than the error of the draws.
    pub fn refutes(&self, m: f64) -> bool {
        self.interval.upper < m
    }

    /// Whether the counted share does not exceed `m`, whatever its error.
    pub fn is_below(&self, m: f64) -> bool {
        self.share.value() <= m
    }
}

/// Attacks every input at the radius claimed for it and judges the attack with
/// the lowest share of draws within r. Rows with radius 0 or +∞ claim nothing
/// that could be tried and are left out.
///
/// Every search runs on all rows at once; each of its results is screened with a
/// tenth of the draws, and the worst one judged with all of them, freshly drawn.
///
/// # Shapes
/// x: `[N, C, H, W]`; radii: `N`
///
/// # Errors
/// Lengths that differ; a model with several latent layers; attacks that fail.
pub fn hunt(
    model: &dyn LatentModel,
    x: &Tensor,
    radii: &[f64],
    variant: Variant,
    r: f64,
    options: &HuntOptions,
    noise: &Noise,
) -> Result<Vec<Trial>, EvalError> {
    if radii.len() as i64 != x.size()[0] {
        return Err(EvalError::BadInput {
            name: "radii",
            expected: format!("{} values, one per input", x.size()[0]),
            found: radii.len().to_string(),
        });
    }
    let rows: Vec<usize> = (0..radii.len())
        .filter(|&row| radii[row] > 0.0 && radii[row].is_finite())
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let index: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let part = x.index_select(0, &Tensor::from_slice(&index).to_device(x.device()));
    let mut attacked_rows =
        AttackRows::untargeted(part, rows.iter().map(|&row| radii[row]).collect());
    attacked_rows.keys = rows.iter().map(|&row| row as u64).collect();
    let shares = |attacked: &Tensor, draws: usize, label: &str| -> Result<_, EvalError> {
        let distances = distances(
            model,
            &attacked_rows.x,
            attacked,
            variant,
            draws,
            &attacked_rows.keys,
            &noise.child(label),
        )?;
        let each = distances.iter().map(|d| Proportion::of(d, r));
        Ok(each.collect::<Result<Vec<_>, _>>()?)
    };
    let screening = (options.num_draws / 10).max(1);
    let mut outcomes = Vec::new();
    for (number, attack) in options.attacks(variant).iter().enumerate() {
        let node = noise.child("attack").index(number as u64);
        let outcome = attack.run(model, &attacked_rows, &node)?;
        let attacked = outcome.attacked(&attacked_rows.x);
        let screened = shares(&attacked, screening, "screen")?;
        outcomes.push((outcome, attacked, screened));
    }
    let worst: Vec<usize> = (0..rows.len())
        .map(|i| {
            let searches = 0..outcomes.len();
            searches
                .min_by_key(|&k| outcomes[k].2[i].num_successes())
                .expect("invariant: three searches")
        })
        .collect();
    let picked: Vec<Tensor> = worst
        .iter()
        .enumerate()
        .map(|(i, &k)| outcomes[k].1.get(i as i64))
        .collect();
    let judged = shares(&Tensor::stack(&picked, 0), options.num_draws, "judge")?;
    let trial = |i: usize| {
        let outcome = &outcomes[worst[i]].0;
        Ok(Trial {
            row: rows[i],
            radius: radii[rows[i]],
            attack: worst[i],
            norm: outcome.norm_l2[i],
            share: judged[i],
            interval: judged[i].interval(options.alpha)?,
        })
    };
    (0..rows.len()).map(trial).collect()
}
