//! "How robust is my VAE?": everything that can be said of a trained network on
//! some inputs, as one report.
//!
//! Nothing here trains or knows where the weights come from; `vaegis audit` and
//! the example `how_robust_is_my_vae` load them.

mod report;
mod sentences;

use crate::pictures::in_unit_range;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use vaegis_attacks::search::Pgd;
use vaegis_attacks::{Attack, BoxBounds, Search, Variant};
use vaegis_eval::EvalError;
use vaegis_eval::bounds::{BoundOptions, InputBounds, margin_bounds};
use vaegis_eval::certificate::{Certificate, InputCertificates, certify_measured};
use vaegis_eval::channel::{ChannelDamage, propagated};
use vaegis_eval::damage::{DamagePoint, NormSweep};
use vaegis_eval::degradation::{Degradation, degradation};
use vaegis_eval::latent::distortion;
use vaegis_eval::margin::{InputMargin, MarginDirection, MarginOptions, margins};
use vaegis_eval::margin_summary::MarginSummary;
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor, no_grad};

/// The definition for which the first-order bounds hold.
const OF_BOUNDS: Variant = Variant::MeanOnly;
/// Share of the work that the adversarial margins of all definitions are.
const MARGINS_SHARE: f64 = 0.5;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditOptions {
    /// Empirical margins; their r and m are those of the bounds. Attacks and random directions are
    /// of their definition; margins of V1 are measured in any case, because bounds are of V1.
    pub margins: MarginOptions,
    /// Noise draws for p₀.
    pub num_samples: usize,
    /// Allowed error of each input's statements of confidence.
    pub alpha: f64,
    /// Norms of the attacks, ascending; the last is shown in pictures.
    pub norms: Vec<f64>,
    /// Keep attacked pixels within the data's range. Margins never do: the ball
    /// of their definition has no box.
    pub pixel_box: bool,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            margins: MarginOptions {
                tolerance: 0.05,
                steps: 40,
                ..MarginOptions::default()
            },
            num_samples: 4000,
            alpha: 1e-3,
            norms: vec![0.5, 1.0, 2.0, 4.0],
            pixel_box: true,
        }
    }
}

impl AuditOptions {
    /// The definitions whose margins are searched for.
    fn variants(&self) -> Vec<Variant> {
        let asked = self.margins.variant;
        let mut variants = vec![OF_BOUNDS];
        variants.extend(Some(asked).filter(|&variant| variant != OF_BOUNDS));
        variants
    }

    fn attack(&self) -> Attack {
        let pgd = Pgd {
            steps: self.margins.steps,
            ..Pgd::default()
        };
        let mut attack = Attack {
            search: Search::Pgd(pgd),
            restarts: self.margins.restarts,
            ..Attack::max_damage(self.margins.variant)
        };
        if self.pixel_box {
            attack.constraint.bounds = BoxBounds::DataRange;
        }
        attack
    }
}

/// A finding with the definition of r-robustness that it is of. Numbers of different definitions
/// have no general order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfVariant<T> {
    /// Which random vector stays within r.
    pub variant: Variant,
    /// What was found.
    #[serde(flatten)]
    pub found: T,
}

/// What was found on one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputAudit {
    /// ‖x − g(μ(x))‖: a network that reconstructs nothing is trivially robust.
    #[serde(with = "vaegis_core::codec::float")]
    pub distortion: f64,
    /// First-order bounds, with p₀ and r_min: of V1.
    pub bounds: OfVariant<InputBounds>,
    /// Certificates, one per variant that can be certified: none for networks
    /// whose layers are not fully connected.
    pub certificates: Vec<Certificate>,
    /// Adversarial margins, one per definition, V1 first: from above, since attacks are
    /// incomplete.
    pub margins: Vec<OfVariant<InputMargin>>,
    /// Margin along one random direction: an average case.
    pub random: OfVariant<InputMargin>,
    /// Damage of the strongest attack through each channel of the encoder: μ alone is V1, both
    /// are V2.
    pub channels: ChannelDamage,
    /// Likelihood at the mean encoding, without noise, before and under the strongest attack.
    pub degradation: Degradation,
}

/// Margins over all inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditSummary {
    /// Adversarial margins, one summary per definition, V1 first.
    pub margins: Vec<OfVariant<MarginSummary>>,
    /// Margins along random directions.
    pub random: OfVariant<MarginSummary>,
}

/// Everything that was found.
#[derive(Debug)]
pub struct Audit {
    /// What was asked.
    pub options: AuditOptions,
    /// One entry per input.
    pub inputs: Vec<InputAudit>,
    /// Their margins in a few numbers.
    pub summary: AuditSummary,
    /// Damage against the norm of the attack.
    pub damage: Vec<DamagePoint>,
    /// What the report shows of the strongest attacks.
    pictures: AuditPictures,
}

/// Intensities from 0 to 1, whatever the pixel range of the model; each `[N, C, H, W]`.
#[derive(Debug)]
struct AuditPictures {
    /// The inputs.
    x: Tensor,
    /// Their strongest attacks.
    attacked: Tensor,
    /// Reconstructions of both.
    reconstructions: [Tensor; 2],
}

/// Audits a network on some inputs. `progress` is told what is being done and
/// which share of the work that is.
///
/// # Shapes
/// x: `[N, C, H, W]`
///
/// # Errors
/// No input, no norm or norms that do not ascend, a model with several latent layers, options out of range.
pub fn audit(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &AuditOptions,
    noise: &Noise,
    mut progress: impl FnMut(f64, &str),
) -> Result<Audit> {
    if !are_ascending(&options.norms) {
        bail!("norms: expected {ASCENDING}, found {:?}", options.norms);
    }
    if x.size()[0] == 0 {
        bail!("inputs: expected at least one, found none");
    }
    let bound_options = BoundOptions {
        r: options.margins.r,
        m: options.margins.m,
        num_samples: options.num_samples,
        alpha: options.alpha,
    };
    let bounds = certificates(model, x, &bound_options, &noise.child("bounds"))?;
    progress(0.15, "bounds and certificates");
    let found = adversarial(model, x, options, &noise.child("margins"), &mut progress)?;
    let along = MarginOptions {
        direction: MarginDirection::Fixed,
        restarts: 1,
        ..options.margins
    };
    let random = margins(model, x, &along, &noise.child("random"), |_, _| ())?;
    progress(0.1, "random directions");
    let attack = options.attack();
    let sweep = NormSweep::run(model, x, &options.norms, &attack, &noise.child("damage"))?;
    let damage = sweep.points(model);
    let attacked = sweep.attacked(options.norms.len() - 1);
    let samples = options.margins.num_samples;
    let channels = propagated(model, x, &attacked, samples, &noise.child("channels"))?;
    let degraded = degradation(model, x, &attacked);
    progress(0.25, "attacks");
    let of = |variant, all: &[InputMargin]| {
        let found = MarginSummary::of(all.iter().map(|m| &m.margin))?;
        Ok::<_, EvalError>(OfVariant { variant, found })
    };
    let asked = options.margins.variant;
    let each = found.iter().map(|(variant, all)| of(*variant, all));
    let summary = AuditSummary {
        margins: each.collect::<Result<_, _>>()?,
        random: of(asked, &random)?,
    };
    let margins_of = |row: usize| -> Vec<OfVariant<InputMargin>> {
        let of_row = |(variant, all): &(Variant, Vec<InputMargin>)| OfVariant {
            variant: *variant,
            found: all[row].clone(),
        };
        found.iter().map(of_row).collect()
    };
    let inputs = bounds
        .into_iter()
        .zip(random)
        .zip(channels)
        .zip(degraded)
        .zip(distortion(model, x))
        .enumerate()
        .map(
            |(row, ((((certified, random), channels), degradation), distortion))| InputAudit {
                distortion,
                bounds: OfVariant {
                    variant: OF_BOUNDS,
                    found: certified.bounds,
                },
                certificates: certified.certificates,
                margins: margins_of(row),
                random: OfVariant {
                    variant: asked,
                    found: random,
                },
                channels,
                degradation,
            },
        )
        .collect();
    let shown = |x: &Tensor| in_unit_range(model, x);
    let reconstructed = |x: &Tensor| shown(&no_grad(|| model.reconstruct(x)));
    Ok(Audit {
        options: options.clone(),
        inputs,
        summary,
        damage,
        pictures: AuditPictures {
            x: shown(x),
            reconstructions: [reconstructed(x), reconstructed(&attacked)],
            attacked: shown(&attacked),
        },
    })
}

/// Adversarial margins of all inputs, for every definition.
fn adversarial(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &AuditOptions,
    noise: &Noise,
    progress: &mut impl FnMut(f64, &str),
) -> Result<Vec<(Variant, Vec<InputMargin>)>> {
    let variants = options.variants();
    let share = MARGINS_SHARE / variants.len() as f64;
    let search = |variant| {
        let options = MarginOptions {
            variant,
            ..options.margins
        };
        let mut so_far = 0.0;
        // Every definition sees the same draws, so that V1 and V2 agree on p₀, which is one
        // number for both.
        let found = margins(model, x, &options, noise, |done, all| {
            let now = share * done as f64 / all.max(1) as f64;
            progress(now - so_far, "adversarial margins");
            so_far = now;
        })?;
        progress(share - so_far, "adversarial margins");
        Ok((variant, found))
    };
    variants.into_iter().map(search).collect()
}

/// What norms of attacks have to be.
pub(crate) const ASCENDING: &str = "positive numbers in ascending order, at least one";

/// Whether norms are finite, positive and ascending, so that the last is the largest.
pub(crate) fn are_ascending(norms: &[f64]) -> bool {
    let valid = norms.iter().all(|norm| norm.is_finite() && *norm > 0.0);
    valid && !norms.is_empty() && norms.is_sorted_by(|a, b| a < b)
}

/// Certificates where the model's layers can be looked at, first-order bounds
/// alone elsewhere.
fn certificates(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &BoundOptions,
    noise: &Noise,
) -> Result<Vec<InputCertificates>> {
    if model.network_paths().is_some() {
        // An audit is of the network as it is; the report says where its layers are not what
        // they were meant to be.
        return Ok(certify_measured(model, x, options, noise)?);
    }
    let bounds = margin_bounds(model, x, options, noise)?;
    let alone = |bounds| InputCertificates {
        bounds,
        cell_radius: None,
        certificates: Vec::new(),
    };
    Ok(bounds.into_iter().map(alone).collect())
}

impl InputAudit {
    /// The adversarial margin by a definition, if it was searched for.
    pub fn margin(&self, variant: Variant) -> Option<&InputMargin> {
        let mut all = self.margins.iter();
        all.find(|m| m.variant == variant).map(|m| &m.found)
    }

    /// The certificate for a definition, if there is one.
    pub fn certificate(&self, variant: Variant) -> Option<&Certificate> {
        self.certificates.iter().find(|c| c.variant == variant)
    }
}
