//! The Seatbelt-VAE: a hierarchical VAE whose likelihood reads every layer and whose top layer
//! carries the weighted total correlation. One layer makes it the β-TCVAE, β = 1 a plain
//! hierarchical VAE with skip connections, a likelihood of the bottom layer alone the deep latent
//! Gaussian model that the sources compare with.

mod conditional;
mod config;

pub use config::{
    CELEBA_SIZES, GREY_SIZES, HIDDEN_SIZES, KlLower, LikelihoodInputs, PosteriorKind,
    SeatbeltConfig,
};

use crate::beta_tcvae::with_penalty;
use crate::config::{Model, ModelConfig, replica, require_valid};
use crate::error::ZooError;
use crate::network::{Decoder, Encoder, NetShape, Trunk, gaussian};
use conditional::Conditional;
use config::KL_NAMES;
use vaegis_dist::{DiagNormal, Distribution as _, KlTo as _};
use vaegis_nn::{
    LatentModel, LatentPath, Likelihood, LossTerms, Mode, Objective, Posterior, Replica,
    StepContext,
};
use vaegis_tensor::{ParamStore, Tensor};

/// Name of this family in configuration files.
pub(crate) const FAMILY: &str = "seatbelt";

/// A hierarchical VAE with the total correlation of its top layer weighted by β.
///
/// # Formula
/// ```text
/// p(x, z) = p(x | z¹ … zᴸ) Π_{i<L} p(zⁱ | zⁱ⁺¹) N(zᴸ; 0, I)
/// q(z | x) = q(z¹ | x) Π_{i<L} q(zⁱ⁺¹ | zⁱ, x)
/// loss = mean of  −log p(x|z) + Σᵢ Kᵢ  +  (β − 1) TC(q(zᴸ))
/// Kᵢ = log q(zⁱ|…) − log p(zⁱ|zⁱ⁺¹) for i < L,   K_L = KL(q(zᴸ|…) ‖ N(0, I))
/// with free bits λ: Σ over coordinates of max(λ, mean of the coordinate's Kᵢ)
/// ```
/// The closed form of K_L is exact, because nothing above zᴸ is sampled. In the layers below it
/// is not: zⁱ⁺¹ was drawn given zⁱ, see [`KlLower`].
///
/// # References
/// Willetts, Camuto, Rainforth, Roberts and Holmes (2021), section 4.
#[derive(Debug)]
pub struct Seatbelt {
    config: SeatbeltConfig,
    store: ParamStore,
    encoder: Encoder,
    /// q(zⁱ⁺¹|zⁱ, x) at i − 1, or q(zⁱ|z^{>i}, x) for top-down inference.
    inference: Vec<Conditional>,
    /// One per entry of `inference`, where they do not share the encoder's.
    trunks: Vec<Trunk>,
    /// p(zⁱ|zⁱ⁺¹) at i − 1.
    generative: Vec<Conditional>,
    decoder: Decoder,
}

impl Seatbelt {
    /// Creates the parameters in `store`.
    ///
    /// # Errors
    /// The configuration is impossible, or the store already holds parameters of these names.
    pub fn new(config: &SeatbeltConfig, store: &ParamStore) -> Result<Self, ZooError> {
        require_valid(FAMILY, config)?;
        let root = store.root();
        let shape = NetShape {
            input: config.input,
            network: &config.network,
            init: config.init,
        };
        let sizes = config.latent_sizes();
        let first = match config.posterior {
            PosteriorKind::BottomUp => 0,
            PosteriorKind::TopDown => sizes.len() - 1,
        };
        let encoder = Encoder::new(&root, &shape, sizes[first])?;
        let (mut inference, mut trunks, mut generative) = (Vec::new(), Vec::new(), Vec::new());
        for (i, &num_hidden) in config.h_sizes.iter().enumerate().take(sizes.len() - 1) {
            let path = root.sub("inference").sub(&i.to_string());
            let (given, output) = match config.posterior {
                PosteriorKind::BottomUp => (sizes[i], sizes[i + 1]),
                PosteriorKind::TopDown => (sizes[i + 1..].iter().sum(), sizes[i]),
            };
            let num_inputs = given + encoder.num_features();
            inference.push(Conditional::new(
                &path,
                num_inputs,
                num_hidden,
                output,
                config.init,
            )?);
            if config.separate_trunks {
                trunks.push(Trunk::new(&path.sub("trunk"), &shape)?);
            }
            let path = root.sub("generative").sub(&i.to_string());
            generative.push(Conditional::new(
                &path,
                sizes[i + 1],
                num_hidden,
                sizes[i],
                config.init,
            )?);
        }
        Ok(Self {
            encoder,
            inference,
            trunks,
            generative,
            decoder: Decoder::new(&root, &shape, config.decoder_inputs())?,
            config: config.clone(),
            store: store.clone(),
        })
    }

    /// The conditional of the inference model number `i` at the layers that it is given.
    fn conditional(
        &self,
        i: usize,
        given: &[Tensor],
        x: &Tensor,
        features: &Tensor,
        mode: Mode,
    ) -> DiagNormal {
        let own = self.trunks.get(i).map(|trunk| trunk.forward(x, mode));
        let mut inputs: Vec<&Tensor> = given.iter().collect();
        inputs.push(own.as_ref().unwrap_or(features));
        self.inference[i].forward(&Tensor::cat(&inputs, 1), mode)
    }

    /// The terms of the loss on one batch of a data set of this size along given noise.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]`; eps: one `[B, d_l]` per layer
    pub fn loss_along(&self, x: &Tensor, eps: &[Tensor], dataset_size: usize) -> LossTerms {
        let posterior = self.posterior(x, LatentPath::Noise(eps), Mode::Train);
        let recon = -self.decode(&posterior.z, Mode::Train).log_prob(x);
        let mut terms = LossTerms::default().with("recon", 1.0, recon);
        let free_bits = self.config.free_bits();
        let divergences = if free_bits > 0.0 {
            let coordinates = self.coordinates(&posterior, Mode::Train);
            let clamped = coordinates.iter().map(|k| with_free_bits(k, free_bits));
            clamped.collect()
        } else {
            self.divergences(&posterior, self.config.kl_lower, Mode::Train)
        };
        for (name, divergence) in KL_NAMES.into_iter().zip(divergences) {
            terms = terms.with(name, 1.0, divergence);
        }
        let top = self.config.layers - 1;
        let (law, z) = (&posterior.layers[top], &posterior.z[top]);
        with_penalty(
            terms,
            self.config.beta,
            self.config.penalty,
            law,
            z,
            dataset_size,
        )
    }

    /// The divergence of each layer and coordinate as it enters the loss.
    ///
    /// # Shapes
    /// result: one `[B, d_l]` per layer, in nats
    fn coordinates(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor> {
        let priors = self.lower_priors(&posterior.z, mode);
        let (top, lower) = posterior
            .layers
            .split_last()
            .expect("invariant: at least one layer");
        let lower = lower.iter().zip(&priors).zip(&posterior.z);
        let mut terms: Vec<Tensor> = lower
            .map(|((q, p), z)| match self.config.kl_lower {
                KlLower::Mc => coordinate_log_ratio(q, p, z),
                KlLower::Analytic => coordinate_kl(q, p),
            })
            .collect();
        let zeros = top.mean().zeros_like();
        let standard = DiagNormal::new(zeros.shallow_clone(), zeros);
        terms.push(coordinate_kl(top, &standard));
        terms
    }

    /// The divergence of each layer as it enters the loss without free bits, in either form.
    ///
    /// # Shapes
    /// result: one `[B]` per layer, in nats
    pub fn divergences(&self, posterior: &Posterior, form: KlLower, mode: Mode) -> Vec<Tensor> {
        let priors = self.lower_priors(&posterior.z, mode);
        let (top, lower) = posterior
            .layers
            .split_last()
            .expect("invariant: at least one layer");
        let lower = lower.iter().zip(&priors).zip(&posterior.z);
        let mut terms: Vec<Tensor> = lower
            .map(|((q, p), z)| match form {
                KlLower::Mc => q.log_prob(z) - p.log_prob(z),
                KlLower::Analytic => q.kl_to(p),
            })
            .collect();
        terms.push(top.kl_to_standard());
        terms
    }

    /// p(zⁱ|zⁱ⁺¹) of all layers but the top.
    fn lower_priors(&self, z: &[Tensor], mode: Mode) -> Vec<DiagNormal> {
        let conditionals = self.generative.iter().zip(&z[1..]);
        conditionals
            .map(|(net, above)| net.forward(above, mode))
            .collect()
    }
}

/// log q − log p of each coordinate; the constants cancel.
fn coordinate_log_ratio(q: &DiagNormal, p: &DiagNormal, z: &Tensor) -> Tensor {
    let energy = |law: &DiagNormal| {
        let standardized = (z - law.mean()) * (-law.log_scale()).exp();
        standardized.square() * 0.5 + law.log_scale()
    };
    energy(p) - energy(q)
}

/// KL of each coordinate.
fn coordinate_kl(q: &DiagNormal, p: &DiagNormal) -> Tensor {
    let shift = (q.mean() - p.mean()) * (-p.log_scale()).exp();
    let two_log_ratio = (q.log_scale() - p.log_scale()) * 2.0;
    (shift.square() + two_log_ratio.expm1() - two_log_ratio) * 0.5
}

/// Σ over coordinates of max(λ, batch mean): a coordinate below λ gives no gradient.
///
/// # Shapes
/// terms: `[B, d]` → scalar
fn with_free_bits(terms: &Tensor, free_bits: f64) -> Tensor {
    terms
        .mean_dim(0, false, None)
        .clamp_min(free_bits)
        .sum(None)
}

impl LatentModel for Seatbelt {
    fn replica(&self) -> Option<Replica> {
        Some(replica(self))
    }

    fn input_shape(&self) -> [i64; 3] {
        self.config.input
    }

    fn bounds(&self) -> (f64, f64) {
        self.config.pixels.bounds(self.config.input[0])
    }

    fn latent_sizes(&self) -> Vec<i64> {
        self.config.latent_sizes().to_vec()
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior {
        let features = self.encoder.features(x, mode);
        let first = gaussian(self.encoder.heads(&features));
        let num_layers = self.config.layers;
        match self.config.posterior {
            PosteriorKind::BottomUp => {
                let mut z = vec![path.point(0, &first)];
                let mut layers = vec![first];
                for i in 0..num_layers - 1 {
                    let layer = self.conditional(i, &z[i..], x, &features, mode);
                    z.push(path.point(i + 1, &layer));
                    layers.push(layer);
                }
                Posterior { layers, z }
            }
            PosteriorKind::TopDown => {
                let mut z = vec![path.point(num_layers - 1, &first)];
                let mut layers = vec![first];
                for i in (0..num_layers - 1).rev() {
                    let layer = self.conditional(i, &z, x, &features, mode);
                    z.insert(0, path.point(i, &layer));
                    layers.insert(0, layer);
                }
                Posterior { layers, z }
            }
        }
    }

    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        let parameter = match (self.config.likelihood_inputs, z) {
            (LikelihoodInputs::Bottom, [bottom, ..]) | (_, [bottom]) => {
                self.decoder.forward(bottom, mode)
            }
            _ => self.decoder.forward(&Tensor::cat(z, 1), mode),
        };
        Likelihood {
            kind: self.config.pixels.likelihood(self.config.input[0]),
            parameter,
        }
    }

    fn priors(&self, z: &[Tensor], mode: Mode) -> Vec<DiagNormal> {
        let top = &z[z.len() - 1];
        let mut priors = self.lower_priors(z, mode);
        priors.push(DiagNormal::standard(&top.size(), top.kind(), top.device()));
        priors
    }

    fn kl_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor> {
        // The closed form below the top is no divergence of a bottom-up posterior.
        let form = match self.config.posterior {
            PosteriorKind::BottomUp => KlLower::Mc,
            PosteriorKind::TopDown => KlLower::Analytic,
        };
        self.divergences(posterior, form, mode)
    }
}

impl Objective for Seatbelt {
    fn loss(&self, x: &Tensor, _labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
        let options = (x.kind(), x.device());
        let sizes = self.config.latent_sizes().iter().enumerate();
        let eps: Vec<Tensor> = sizes
            .map(|(l, &size)| {
                ctx.latent_noise(l as u64, &Tensor::empty([x.size()[0], size], options))
            })
            .collect();
        self.loss_along(x, &eps, ctx.dataset_size)
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }
}

impl Model for Seatbelt {
    fn config(&self) -> ModelConfig {
        ModelConfig::Seatbelt(self.config.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::with_free_bits;
    use vaegis_tensor::{Tensor, autograd::gradient};

    #[test]
    fn sb19_free_bits_have_the_worked_value_and_slope() {
        let rows = [[0.02, 0.5], [0.08, 0.1]];
        let terms = Tensor::from_slice2(&rows).set_requires_grad(true); // means 0.05 and 0.3
        let value = with_free_bits(&terms, 0.125);
        assert!((value.double_value(&[]) - 0.425).abs() < 1e-15);
        let slope = gradient(&value, &[&terms]).remove(0);
        assert!(slope.equal(&Tensor::from_slice2(&[[0.0, 0.5], [0.0, 0.5]])));
    }
}
