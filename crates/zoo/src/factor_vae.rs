//! The FactorVAE: the total correlation of the aggregate posterior is estimated by a discriminator
//! that is trained beside the model.

use crate::checks::{check_hidden, check_input, check_network, require_size};
use crate::config::{Model, ModelConfig, require_valid};
use crate::error::ZooError;
use crate::flat::{Flat, FlatSpec, latent_model_by_flat};
use crate::network::NetworkConfig;
use crate::pixels::Pixels;
use serde::{Deserialize, Serialize};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_dist::{DiagNormal, Reparameterize};
use vaegis_nn::{
    LatentModel as _, Linear, LossTerms, Mode, Objective, Opponent, StepContext, WeightInit,
};
use vaegis_tensor::{Noise, ParamPath, ParamStore, Tensor, TensorError};

/// Name of this family in configuration files.
pub(crate) const FAMILY: &str = "factor-vae";
/// Path of the discriminator's parameters.
const DISCRIMINATOR: &str = "discriminator";
/// Slope of its rectifiers below zero.
const LEAK: f64 = 0.2;

/// The net that tells draws of q(z) from draws of Π q(z_j), and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// Units of the hidden layers.
    pub hidden: Vec<i64>,
    /// Learning rate of its own Adam, constant.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
}

impl Default for DiscriminatorConfig {
    fn default() -> Self {
        Self {
            hidden: vec![1000; 6],
            lr: 1e-4,
            beta1: 0.5,
            beta2: 0.9,
        }
    }
}

/// Configuration of a [`FactorVae`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct FactorVaeConfig {
    /// Channels, height and width of an image.
    pub input: [i64; 3],
    /// Number of latents.
    pub latent: i64,
    /// Weight of the total correlation beyond its share of the bound: β − 1 of a β-TCVAE.
    pub gamma: f64,
    /// How the weights start.
    pub init: WeightInit,
    /// Pixel range and likelihood.
    pub pixels: Pixels,
    /// Encoder and decoder.
    pub network: NetworkConfig,
    /// The discriminator.
    pub discriminator: DiscriminatorConfig,
}

impl Default for FactorVaeConfig {
    fn default() -> Self {
        Self {
            input: [1, 64, 64],
            latent: 10,
            gamma: 10.0,
            init: WeightInit::TorchDefault,
            pixels: Pixels::default(),
            network: NetworkConfig::conv(1.0),
            discriminator: DiscriminatorConfig::default(),
        }
    }
}

impl Validate for FactorVaeConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        check_input(&mut checks, self.input);
        require_size(&mut checks, "latent", self.latent);
        let DiscriminatorConfig {
            hidden,
            lr,
            beta1,
            beta2,
        } = &self.discriminator;
        checks
            .non_negative("gamma", self.gamma)
            .positive("discriminator.lr", *lr);
        for (key, beta) in [("beta1", beta1), ("beta2", beta2)] {
            checks.require(
                &format!("discriminator.{key}"),
                (0.0..1.0).contains(beta),
                "a number from 0 to below 1",
                beta,
            );
        }
        check_hidden(&mut checks, "discriminator.hidden", hidden);
        self.pixels.check(&mut checks, self.input[0]);
        check_network(&mut checks, &self.network, self.input);
        checks.into_violations()
    }
}

/// Two logits per latent vector: of coming from q(z), and from the product of its marginals.
#[derive(Debug)]
struct Discriminator {
    layers: Vec<Linear>,
}

impl Discriminator {
    fn new(path: &ParamPath, latent: i64, hidden: &[i64]) -> Result<Self, TensorError> {
        let sizes = [&[latent], hidden, &[2]].concat();
        let layers = sizes.windows(2).enumerate().map(|(k, pair)| {
            // Named like a PyTorch Sequential(Linear, LeakyReLU, …).
            let path = path.sub(&(2 * k).to_string());
            Linear::new(&path, pair[0], pair[1], WeightInit::TorchDefault)
        });
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// # Shapes
    /// z: `[B, d_z]` → `[B, 2]`
    fn forward(&self, z: &Tensor) -> Tensor {
        let leak = Tensor::full([1], LEAK, (z.kind(), z.device()));
        let mut h = z.shallow_clone();
        for (k, layer) in self.layers.iter().enumerate() {
            if k > 0 {
                h = h.prelu(&leak);
            }
            h = layer.forward(&h);
        }
        h
    }
}

/// A VAE whose total correlation is penalized through a discriminator's density ratio.
///
/// # Formula
/// ```text
/// model:         mean of  −log p(x|z) + KL(q(z|x) ‖ N(0, I)) + γ (D₀(z) − D₁(z))
/// discriminator: ½ mean of −log softmax₀ D(z)  +  ½ mean of −log softmax₁ D(z')
/// ```
/// z' has its coordinates permuted over the batch independently. The discriminator learns from
/// the first half of the batch as it is and from the second half permuted, so that the two are
/// independent draws. Neither loss moves the other's parameters.
///
/// # References
/// Kim and Mnih (2018), equation 2 and algorithm 2.
#[derive(Debug)]
pub struct FactorVae {
    config: FactorVaeConfig,
    flat: Flat,
    discriminator: Discriminator,
}

impl FactorVae {
    /// Creates the parameters in `store`.
    ///
    /// # Errors
    /// The configuration is impossible, or the store already holds parameters of these names.
    pub fn new(config: &FactorVaeConfig, store: &ParamStore) -> Result<Self, ZooError> {
        require_valid(FAMILY, config)?;
        let spec = FlatSpec {
            input: config.input,
            bounds: config.pixels.bounds(config.input[0]),
            latent: config.latent,
            tau: 0.0,
            likelihood: config.pixels.likelihood(config.input[0]),
            network: &config.network,
            init: config.init,
        };
        let hidden = &config.discriminator.hidden;
        let path = store.root().sub(DISCRIMINATOR);
        Ok(Self {
            flat: Flat::new(&spec, store)?,
            discriminator: Discriminator::new(&path, config.latent, hidden)?,
            config: config.clone(),
        })
    }

    /// q(z|x).
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → batch `[B]`, event `[d_z]`
    pub fn encode(&self, x: &Tensor, mode: Mode) -> DiagNormal {
        self.flat.encode(x, mode)
    }

    /// The discriminator's estimate of log q(z) − Σ log q(z_j).
    ///
    /// # Shapes
    /// z: `[B, d_z]` → `[B]`
    pub fn log_density_ratio(&self, z: &Tensor) -> Tensor {
        let logits = self.discriminator.forward(z);
        logits.select(1, 0) - logits.select(1, 1)
    }

    /// The discriminator's cross-entropy on latents that carry no gradient.
    fn discriminator_loss(&self, z: &Tensor, noise: &Noise) -> Tensor {
        let z = z.detach();
        let batch = z.size()[0];
        let (joint, rest) = match batch / 2 {
            0 => (z.shallow_clone(), z),
            half => (z.narrow(0, 0, half), z.narrow(0, half, batch - half)),
        };
        let product = permute_coordinates(&rest, &noise.child("permutation"));
        // −log softmax₀ = softplus(D₁ − D₀), and the other way round.
        let is_product = (-self.log_density_ratio(&joint)).softplus();
        let is_joint = self.log_density_ratio(&product).softplus();
        (is_product.mean(None) + is_joint.mean(None)) * 0.5
    }
}

/// Each column shuffled over the rows, independently of the others.
///
/// # Shapes
/// z: `[B, d]` → `[B, d]`
fn permute_coordinates(z: &Tensor, noise: &Noise) -> Tensor {
    let keys = noise.uniform(&z.size(), z.kind(), z.device());
    z.gather(0, &keys.argsort(0, false), false)
}

latent_model_by_flat!(FactorVae);

impl Objective for FactorVae {
    fn loss(&self, x: &Tensor, _labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
        let posterior = self.encode(x, Mode::Train);
        let eps = ctx.latent_noise(0, posterior.mean());
        let z = [posterior.from_noise(&eps)];
        let recon = -self.decode(&z, Mode::Train).log_prob(x);
        LossTerms::default()
            .with("recon", 1.0, recon)
            .with("kl", 1.0, posterior.kl_to_standard())
            .with("tc", self.config.gamma, self.log_density_ratio(&z[0]))
            .with_opponent(
                "discriminator",
                1.0,
                self.discriminator_loss(&z[0], ctx.noise),
            )
    }

    fn params(&self) -> &ParamStore {
        &self.flat.store
    }

    fn opponent(&self) -> Option<Opponent> {
        let DiscriminatorConfig {
            lr, beta1, beta2, ..
        } = self.config.discriminator;
        Some(Opponent {
            prefix: DISCRIMINATOR,
            lr,
            beta1,
            beta2,
        })
    }
}

impl Model for FactorVae {
    fn config(&self) -> ModelConfig {
        ModelConfig::FactorVae(self.config.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::permute_coordinates;
    use vaegis_core::SeedTree;
    use vaegis_tensor::{Device, Kind, Noise, Tensor};

    #[test]
    fn permuting_keeps_every_column_and_breaks_the_rows() {
        let column = Tensor::arange(200, (Kind::Double, Device::Cpu));
        let z = Tensor::stack(&[&column, &column], 1); // two equal coordinates
        let permuted = permute_coordinates(&z, &Noise::portable(SeedTree::new(1)));
        let (sorted, _) = permuted.sort(0, false);
        assert!(sorted.equal(&z), "the marginals stay");
        let equal = permuted.select(1, 0).eq_tensor(&permuted.select(1, 1));
        let left = equal.to_kind(Kind::Int64).sum(None).int64_value(&[]);
        assert!(left < 20, "{left} of 200 rows still have equal coordinates");
    }
}
