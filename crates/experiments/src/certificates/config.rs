//! The numbers of the certificate experiment, per tier.

use crate::Tier;
use serde::{Deserialize, Serialize};
use vaegis_eval::bounds::BoundOptions;
use vaegis_eval::hunt::HuntOptions;
use vaegis_nn::LikelihoodKind;
use vaegis_train::{ScheduleConfig, TrainConfig};
use vaegis_zoo::{LipschitzVaeConfig, ModelConfig, NetworkConfig, SigmaConfig, VaeConfig};

/// Everything that the experiment's numbers depend on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CertificatesConfig {
    /// Replicates of every model.
    pub num_seeds: usize,
    /// Width of the two hidden layers.
    pub hidden: i64,
    /// Latent size.
    pub latent: i64,
    /// Training images; none for all.
    pub train_images: Option<usize>,
    /// Optimization.
    pub train: TrainConfig,
    /// Test images certified per model.
    pub images: usize,
    /// Test images per model on which the first-order bounds are attacked too.
    pub first_order_images: usize,
    /// p₀ and the radius r of the reconstruction ball.
    pub bounds: BoundOptions,
    /// The hunt.
    pub hunt: HuntOptions,
}

impl CertificatesConfig {
    /// The configuration of a tier.
    pub fn at(tier: Tier) -> Self {
        let desk = Self {
            num_seeds: 3,
            hidden: 128,
            latent: 10,
            train_images: Some(10_000),
            train: TrainConfig {
                batch_size: 128,
                epochs: 5,
                lr: 2e-3,
                schedule: ScheduleConfig::Cosine { floor: 0.0 },
                ..TrainConfig::default()
            },
            images: 70,
            first_order_images: 25,
            bounds: BoundOptions {
                r: 4.0,
                num_samples: 10_000,
                // Shared out over a thousand images and more.
                alpha: 1e-6,
                ..BoundOptions::default()
            },
            hunt: HuntOptions::default(),
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => Self {
                num_seeds: 2,
                hidden: 32,
                latent: 4,
                train_images: Some(512),
                train: TrainConfig {
                    epochs: 2,
                    ..desk.train
                },
                images: 4,
                first_order_images: 2,
                bounds: BoundOptions {
                    num_samples: 2000,
                    ..desk.bounds
                },
                hunt: HuntOptions {
                    steps: 8,
                    num_draws: 1000,
                    ..desk.hunt
                },
            },
            Tier::Paper => Self {
                hidden: 512,
                train_images: None,
                train: TrainConfig {
                    epochs: 50,
                    lr: 5e-4,
                    ..desk.train.clone()
                },
                images: 500,
                first_order_images: 100,
                bounds: BoundOptions {
                    num_samples: 100_000,
                    ..desk.bounds
                },
                hunt: HuntOptions {
                    steps: 100,
                    restarts: 5,
                    ..desk.hunt
                },
                ..desk
            },
        }
    }

    /// The models by name, for images of this shape.
    pub fn models(&self, input: [i64; 3]) -> Vec<(&'static str, ModelConfig)> {
        let lipschitz = |encoder, decoder, likelihood, sigma| {
            ModelConfig::LipschitzVae(LipschitzVaeConfig {
                input,
                latent: self.latent,
                hidden: vec![self.hidden, self.hidden],
                encoder_lipschitz: encoder,
                decoder_lipschitz: decoder,
                likelihood,
                sigma,
                ..LipschitzVaeConfig::default()
            })
        };
        let ordinary = |beta| {
            ModelConfig::Vae(VaeConfig {
                input,
                latent: self.latent,
                beta,
                network: NetworkConfig::mlp(&[self.hidden, self.hidden]),
                ..VaeConfig::default()
            })
        };
        let constant = SigmaConfig::Constant { gamma: 0.1 };
        let network = SigmaConfig::Network {
            lipschitz: 1.0,
            r: self.bounds.r,
        };
        vec![
            (
                "lipschitz-5",
                lipschitz(5.0, 5.0, LikelihoodKind::ContinuousBernoulli, constant),
            ),
            (
                "lipschitz-8",
                lipschitz(8.0, 16.0, LikelihoodKind::Bernoulli, constant),
            ),
            (
                "lipschitz-sigma",
                lipschitz(5.0, 10.0, LikelihoodKind::Bernoulli, network),
            ),
            ("vae-1", ordinary(1.0)),
            ("vae-10", ordinary(10.0)),
        ]
    }
}
