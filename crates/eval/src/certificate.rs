//! Certificates: radii that no attack can beat, each with the term that gave it
//! and the kind of evidence behind it.
//!
//! Only for fully connected models with one latent layer, because everything
//! here rests on explicit layers. The estimates and first-order bounds of
//! [`crate::margin`] and [`crate::bounds`] are no certificates.

use crate::EvalError;
use crate::bounds::{BoundOptions, InputBounds, margin_bounds};
use crate::cell::{cells, is_piecewise_linear};
use serde::{Deserialize, Serialize};
use vaegis_attacks::Variant;
use vaegis_nn::lipschitz::{NetworkPaths, ScalePath};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Noise, Tensor, no_grad};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::lipschitz::{
    LipschitzConstants, NoiseScale, NoiseVariant, isotropic_margin, markov_margin, quantile_margin,
    tail_margin, tight_markov_margin,
};
use vaegis_theory::margin::{AcceptanceProbability, cell_certificate, lipschitz_certificate};

/// Share by which every computed radius is shortened, for the rounding of f64
/// sums over layers and of quantiles. Weights and inputs are taken as the exact
/// numbers that they are; σ(x) and the draws are those of the network as it runs.
const ROUNDING: f64 = 1e-6;

/// The argument behind a radius.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Term {
    /// min(B_M, ρ_cell): the bound is exact within a linear region.
    Cell,
    /// S1: σ_min κ / b, with the Lipschitz constant b of μ; no decoder constant.
    Encoder,
    /// m₁, Markov's inequality, as published.
    Markov,
    /// Markov's inequality without its loose step.
    TightMarkov,
    /// m₂, the tail bound for χ², as published.
    Tail,
    /// The exact quantile of the noise, by the decoder's constant.
    Quantile,
    /// The non-central χ² law, where σ is one constant.
    Isotropic,
}

impl Term {
    /// Every term, in the order of tables.
    pub const ALL: [Self; 7] = [
        Self::Cell,
        Self::Encoder,
        Self::Markov,
        Self::TightMarkov,
        Self::Tail,
        Self::Quantile,
        Self::Isotropic,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cell => "min(B_M, cell)",
            Self::Encoder => "S1",
            Self::Markov => "m1 (Markov)",
            Self::TightMarkov => "tight Markov",
            Self::Tail => "m2 (tail)",
            Self::Quantile => "exact quantile",
            Self::Isotropic => "isotropic",
        }
    }
}

/// One radius with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TermRadius {
    /// The argument.
    pub term: Term,
    /// Radius in input units; may be +∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub radius: f64,
    /// What it is worth.
    pub evidence: Evidence,
}

/// The certificate of one input for one variant of r-robustness.
///
/// All terms hold at once (those with a confidence share one event), so their
/// maximum holds too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Which random vector stays within r.
    pub variant: Variant,
    /// The largest radius.
    pub best: TermRadius,
    /// Every radius.
    pub terms: Vec<TermRadius>,
    /// What vouches for the Lipschitz constants behind them.
    #[serde(default, skip_serializing_if = "LayerNorms::are_promised")]
    pub layer_norms: LayerNorms,
}

/// What vouches for the norms of a model's layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerNorms {
    /// Measured, and what the model's construction promises, if it promises anything.
    #[default]
    Promised,
    /// Measured alone: some layer is not as orthonormal as the model promises. The radii hold for
    /// the network as it is; its margin is not the one it was configured for.
    MeasuredOnly,
}

impl LayerNorms {
    fn are_promised(&self) -> bool {
        *self == Self::Promised
    }
}

/// All that is certified of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputCertificates {
    /// First-order bounds and what they are made of.
    pub bounds: InputBounds,
    /// Distance to the nearest kink of the encoder; none for smooth activations.
    pub cell_radius: Option<f64>,
    /// One certificate per variant that can be certified: V1 always, V2 and V3
    /// where σ is constant or has a Lipschitz constant.
    pub certificates: Vec<Certificate>,
}

impl InputCertificates {
    /// The certificate for attacks on the mean (V1), which every model has.
    ///
    /// # Panics
    /// If it was taken out of the list.
    pub fn mean_only(&self) -> &Certificate {
        let mut all = self.certificates.iter();
        all.find(|c| c.variant == Variant::MeanOnly)
            .expect("invariant: V1 is always certified")
    }
}

/// The constants of a fully connected model, by singular values in f64.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConstants {
    /// a: of z ↦ E[x | z].
    pub decoder: f64,
    /// b: of μ.
    pub mean: f64,
    /// c: of σ; none where no constant holds globally.
    pub sigma: Option<f64>,
}

impl ModelConstants {
    /// Measures the constants of explicit networks.
    ///
    /// # Formula
    /// ```text
    /// product of the layers' spectral norms · constants of the activations
    /// ```
    pub fn of(paths: &NetworkPaths) -> Self {
        Self {
            decoder: paths.decoder.lipschitz(),
            mean: paths.mean.lipschitz(),
            sigma: match paths.scale {
                ScalePath::Constant => Some(0.0),
                ScalePath::Lipschitz(constant) => Some(constant),
                ScalePath::Unknown => None,
            },
        }
    }

    fn theory(&self) -> LipschitzConstants {
        LipschitzConstants {
            decoder: self.decoder,
            mean: self.mean,
            sigma: self.sigma.unwrap_or(0.0),
        }
    }
}

/// Certificates of every input, for a model whose layers are what it promises.
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` results
///
/// # Errors
/// A model that is not fully connected or has several latent layers; a layer that
/// should be orthonormal and is not ([`certify_measured`] certifies that network
/// as it is); numbers out of range.
///
/// # References
/// Cell and S1: Theorem 6.1 without its O(ε); the others: Barrett et al. (2022) and
/// their exact forms, see [`vaegis_theory::lipschitz`].
pub fn certify(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &BoundOptions,
    noise: &Noise,
) -> Result<Vec<InputCertificates>, EvalError> {
    model.check_layers()?;
    certify_with(model, x, options, LayerNorms::Promised, noise)
}

/// As [`certify`], whether or not the layers are what the model promises: the
/// constants are the measured norms of the frozen layers, which hold in any case,
/// and [`Certificate::layer_norms`] says whether they are more than that.
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` results
///
/// # Errors
/// As [`certify`], but for layers that are not orthonormal.
pub fn certify_measured(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &BoundOptions,
    noise: &Noise,
) -> Result<Vec<InputCertificates>, EvalError> {
    let layer_norms = match model.check_layers() {
        Ok(()) => LayerNorms::Promised,
        Err(_) => LayerNorms::MeasuredOnly,
    };
    certify_with(model, x, options, layer_norms, noise)
}

fn certify_with(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &BoundOptions,
    layer_norms: LayerNorms,
    noise: &Noise,
) -> Result<Vec<InputCertificates>, EvalError> {
    let paths = model.network_paths().ok_or_else(|| EvalError::BadInput {
        name: "model",
        expected: "a fully connected model with one latent layer".into(),
        found: "networks without explicit layers".into(),
    })?;
    let constants = ModelConstants::of(&paths);
    let bounds = margin_bounds(model, x, options, noise)?;
    // A smooth encoder has no linear regions; the other terms still hold.
    let cells = match is_piecewise_linear(&paths.mean) {
        true => Some(cells(&paths.mean, x)?),
        false => None,
    };
    let sigma = no_grad(|| {
        let posterior = model.posterior(x, LatentPath::Mean, Mode::Eval);
        posterior.layers[0].scale()
    });
    let size = sigma.size()[1] as usize;
    let sigma = to_f64_vec(&sigma);
    let each = bounds.into_iter().enumerate().map(|(row, bounds)| {
        let cell_radius = cells.as_ref().map(|cells| cells[row].radius);
        let sigma = &sigma[row * size..(row + 1) * size];
        let input = Input {
            bounds: &bounds,
            cell_radius,
            sigma,
            constants: &constants,
            constant_scale: paths.scale == ScalePath::Constant,
            layer_norms,
            options,
        };
        let certificates = input.certificates()?;
        Ok(InputCertificates {
            bounds,
            cell_radius,
            certificates,
        })
    });
    each.collect()
}

/// What the terms of one input are made of.
struct Input<'a> {
    bounds: &'a InputBounds,
    cell_radius: Option<f64>,
    sigma: &'a [f64],
    constants: &'a ModelConstants,
    constant_scale: bool,
    layer_norms: LayerNorms,
    options: &'a BoundOptions,
}

impl Input<'_> {
    fn certificates(&self) -> Result<Vec<Certificate>, EvalError> {
        let mut variants = vec![Variant::MeanOnly];
        if self.constants.sigma.is_some() {
            variants.extend([Variant::Both, Variant::TwoSample]);
        }
        let certificate = |variant| {
            let terms = self.terms(variant)?;
            let best = terms
                .iter()
                .copied()
                .max_by(|a, b| a.radius.total_cmp(&b.radius))
                .expect("invariant: the quantile term always exists");
            Ok(Certificate {
                variant,
                best,
                terms,
                layer_norms: self.layer_norms,
            })
        };
        variants.into_iter().map(certificate).collect()
    }

    fn terms(&self, variant: Variant) -> Result<Vec<TermRadius>, EvalError> {
        let BoundOptions { r, m, alpha, .. } = *self.options;
        let constants = self.constants.theory();
        let mut terms = Vec::new();
        let mut push = |term, radius: f64, evidence| {
            terms.push(TermRadius {
                term,
                radius: radius * (1.0 - ROUNDING),
                evidence,
            });
        };
        // Moving σ is covered by the theorem only where σ cannot move.
        let theorem =
            variant == Variant::MeanOnly || (variant == Variant::Both && self.constant_scale);
        if theorem {
            let p0 = &self.bounds.p0;
            let limit =
                AcceptanceProbability::clopper_pearson(p0.num_successes(), p0.num_trials(), alpha)?;
            if let Some(radius) = self.cell_radius {
                let cell = cell_certificate(&self.bounds.confident, radius)?;
                push(Term::Cell, cell.value, cell.evidence);
            }
            let encoder = lipschitz_certificate(self.bounds.sigma_min, constants.mean, &limit, m)?;
            push(Term::Encoder, encoder.value, encoder.evidence);
        }
        let kind = match variant {
            Variant::TwoSample => NoiseVariant::TwoSample,
            Variant::MeanOnly => NoiseVariant::MeanOnly,
            _ => NoiseVariant::MeanAndSigma,
        };
        let sigma_norm = self.sigma.iter().map(|s| s * s).sum::<f64>().sqrt();
        let gamma = self.gamma();
        if variant == Variant::TwoSample {
            let markov = markov_margin(&constants, sigma_norm, r, m)?;
            push(Term::Markov, markov, Evidence::Sound);
            let tight = tight_markov_margin(&constants, sigma_norm, r, m)?;
            push(Term::TightMarkov, tight, Evidence::Sound);
            if self.sigma.len() >= 2 {
                let scale = gamma.map_or(NoiseScale::General { sigma_norm }, |gamma| {
                    NoiseScale::Constant { gamma }
                });
                let tail = tail_margin(&constants, self.sigma.len(), scale, r, m)?;
                push(Term::Tail, tail, Evidence::Sound);
            }
        }
        let quantile = quantile_margin(&constants, self.sigma, kind, r, m)?;
        push(Term::Quantile, quantile, Evidence::Sound);
        if let Some(gamma) = gamma {
            let isotropic = isotropic_margin(&constants, gamma, self.sigma.len(), kind, r, m)?;
            push(Term::Isotropic, isotropic, Evidence::Sound);
        }
        Ok(terms)
    }

    /// γ where σ is one constant for all latents and inputs: the largest of the
    /// stored numbers, which rounding may tell apart.
    fn gamma(&self) -> Option<f64> {
        let largest = self.sigma.iter().copied().fold(0.0, f64::max);
        let smallest = self.sigma.iter().copied().fold(f64::INFINITY, f64::min);
        let is_one = largest - smallest <= ROUNDING * largest;
        (self.constant_scale && is_one).then_some(largest)
    }
}
