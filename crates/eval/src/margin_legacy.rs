//! Algorithms E.1 and E.2 as the sources print them, on networks.
//!
//! For comparison with published numbers only: they are biased (see
//! [`vaegis_theory::legacy`]). Use [`crate::margin`] for anything else.

use crate::EvalError;
use crate::direction::random_directions;
use crate::robust::distances;
use serde::{Deserialize, Serialize};
use vaegis_attacks::search::Pgd;
use vaegis_attacks::{Attack, AttackRows, Search, Variant};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::legacy::{
    LegacyRadius, MarginOptions, MinimalRadiusOptions, Source, margin, minimal_radius,
};

/// Settings of both printed algorithms of one source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LegacyOptions {
    /// Settings of Algorithm E.1.
    pub minimal_radius: MinimalRadiusOptions,
    /// Settings of Algorithm E.2.
    pub margin: MarginOptions,
    /// Steps of projected gradient per attack of the thesis' E.2.
    pub steps: usize,
}

impl LegacyOptions {
    /// The settings of a source with the conventional step and samples.
    ///
    /// E.2 stops once its radius is no longer positive, which the printed loop does not do: it
    /// would not end on an input that is not robust at rest.
    pub fn of(source: Source, r: f64, m: f64, steps: usize) -> Self {
        Self {
            minimal_radius: MinimalRadiusOptions {
                source,
                m,
                ..MinimalRadiusOptions::default()
            },
            margin: MarginOptions {
                source,
                r,
                stop_at_zero: true,
                ..MarginOptions::default()
            },
            steps,
        }
    }

    /// Which text is followed.
    pub fn source(&self) -> Source {
        self.margin.source
    }
}

/// What the printed algorithms say of one input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LegacyInput {
    /// Which text was followed.
    pub source: Source,
    /// What E.1 returns for the smallest r.
    pub minimal_radius: LegacyRadius,
    /// What E.2 returns for the margin.
    pub margin: LegacyRadius,
    /// What the numbers are worth: [`Evidence::Empirical`], and biased besides.
    pub evidence: Evidence,
}

/// Both printed algorithms on one input.
///
/// # Shapes
/// x: `[1, C, H, W]`
///
/// # Errors
/// A model with several latent layers; options out of range.
///
/// # References
/// Algorithms E.1 and E.2 of the thesis, 1 and 2 of the paper.
pub fn legacy(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &LegacyOptions,
    noise: &Noise,
) -> Result<LegacyInput, EvalError> {
    let (e1, e2) = (noise.child("e1"), noise.child("e2"));
    Ok(LegacyInput {
        source: options.source(),
        minimal_radius: legacy_minimal_radius(model, x, &options.minimal_radius, &e1)?,
        margin: legacy_margin(model, x, &options.margin, options.steps, &e2)?,
        evidence: Evidence::Empirical,
    })
}

/// Algorithm E.1 on one input: the smallest r by a rising grid with fresh samples.
///
/// # Shapes
/// x: `[1, C, H, W]`
///
/// # Errors
/// A model with several latent layers; options out of range.
///
/// # References
/// Algorithm E.1 of the thesis, Algorithm 1 of the paper.
pub fn legacy_minimal_radius(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &MinimalRadiusOptions,
    noise: &Noise,
) -> Result<LegacyRadius, EvalError> {
    let mut pass = 0;
    minimal_radius(options, |num_samples| {
        pass += 1;
        let noise = noise.index(pass);
        let mut draws = distances(model, x, x, Variant::Both, num_samples, &[0], &noise)?;
        Ok::<_, EvalError>(draws.remove(0))
    })
}

/// Algorithm E.2 on one input, with `steps` steps of projected gradient per attack.
///
/// The thesis runs one attack per sample; the samples of a pass are rows of one
/// batch here, each with a start and noise of its own. The paper's perturbations
/// are random directions, one per sample. A radius at or below zero perturbs
/// nothing.
///
/// # Shapes
/// x: `[1, C, H, W]`
///
/// # Errors
/// A model with several latent layers; options out of range.
///
/// # References
/// Algorithm E.2 of the thesis, Algorithm 2 of the paper.
pub fn legacy_margin(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &MarginOptions,
    steps: usize,
    noise: &Noise,
) -> Result<LegacyRadius, EvalError> {
    let mut pass = 0;
    margin(options, |wanted| {
        pass += 1;
        let noise = noise.index(pass);
        let num_rows = wanted.num_samples;
        let tiled = x.repeat([num_rows as i64, 1, 1, 1]);
        let radius = wanted.radius.max(0.0);
        let rows = AttackRows::untargeted(tiled, vec![radius; num_rows]);
        let attacked = match options.source {
            Source::Thesis => {
                let pgd = Pgd {
                    steps,
                    ..Pgd::default()
                };
                let attack = Attack {
                    search: Search::Pgd(pgd),
                    restarts: 1,
                    score_samples: 0,
                    start_spread: 1.0,
                    ..Attack::max_damage(Variant::Both)
                };
                attack
                    .run(model, &rows, &noise.child("attack"))?
                    .attacked(&rows.x)
            }
            Source::Paper => {
                let directions = random_directions(&rows, &noise.child("direction"));
                &rows.x + directions * radius
            }
        };
        let draws = distances(
            model,
            &rows.x,
            &attacked,
            Variant::Both,
            1,
            &rows.keys,
            &noise.child("judge"),
        )?;
        Ok::<_, EvalError>(draws.concat())
    })
}
