//! The numbers of the certificate experiment, per tier.

use crate::Tier;
use serde::{Deserialize, Serialize};
use vaegis_attacks::Variant;
use vaegis_eval::bounds::BoundOptions;
use vaegis_eval::hunt::HuntOptions;
use vaegis_eval::margin::MarginOptions;
use vaegis_nn::LikelihoodKind;
use vaegis_train::{ScheduleConfig, TrainConfig};
use vaegis_zoo::{LipschitzVaeConfig, ModelConfig, NetworkConfig, SigmaConfig, VaeConfig};

/// The constants over which encoder and decoder range, by name.
pub(super) const CONSTANTS: [(&str, f64); 6] = [
    ("L = 5", 5.0),
    ("L = 6", 6.0),
    ("L = 7", 7.0),
    ("L = 8", 8.0),
    ("L = 9", 9.0),
    ("L = 10", 10.0),
];

/// Which models are certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Ordinary VAEs beside Lipschitz VAEs of several kinds.
    Compared,
    /// Lipschitz VAEs whose encoder and decoder have one constant, over a range of constants, and
    /// an ordinary VAE: the setting of the listed margins.
    Constants,
}

/// The images of one data set that are certified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CertifiedSet {
    /// Name in tables, each once.
    pub label: String,
    /// Name in the registry of data sets.
    pub name: String,
    /// Which models.
    pub family: Family,
    /// Side of the stand-in's images where the data set is not at hand.
    pub side: usize,
    /// Radius r of the reconstruction ball.
    pub r: f64,
    /// Training images; none for all.
    pub train_images: Option<usize>,
    /// Test images certified per model.
    pub images: usize,
    /// Test images per model on which the first-order bounds are attacked and margins estimated
    /// too.
    pub attacked_images: usize,
}

/// Everything that the experiment's numbers depend on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CertificatesConfig {
    /// Data sets.
    pub sets: Vec<CertifiedSet>,
    /// Replicates of every model.
    pub num_seeds: usize,
    /// Width of the two hidden layers.
    pub hidden: i64,
    /// Latent size.
    pub latent: i64,
    /// Optimization.
    pub train: TrainConfig,
    /// p₀; the radius r is the data set's.
    pub bounds: BoundOptions,
    /// The hunt.
    pub hunt: HuntOptions,
    /// Empirical margins on the mean (V1); the radius r is the data set's.
    pub margins: MarginOptions,
}

impl CertificatesConfig {
    /// The configuration of a tier.
    pub fn at(tier: Tier) -> Self {
        let mnist = CertifiedSet {
            label: "mnist".to_owned(),
            name: "mnist".to_owned(),
            family: Family::Compared,
            side: 28,
            r: 4.0,
            train_images: Some(20_000),
            images: 70,
            attacked_images: 25,
        };
        let fashion = CertifiedSet {
            label: "fashion-mnist".to_owned(),
            name: "fashion-mnist".to_owned(),
            images: 35,
            ..mnist.clone()
        };
        // Four times the values, of which each is drawn 10 000 times: few images at the desk.
        let cifar = CertifiedSet {
            label: "cifar10".to_owned(),
            name: "cifar10".to_owned(),
            family: Family::Compared,
            side: 32,
            r: 8.0,
            train_images: Some(5_000),
            images: 6,
            attacked_images: 3,
        };
        let constants = CertifiedSet {
            label: "mnist, by constant".to_owned(),
            family: Family::Constants,
            r: 8.0,
            images: 10,
            attacked_images: 10,
            ..mnist.clone()
        };
        let desk = Self {
            sets: vec![mnist, fashion, cifar, constants],
            num_seeds: 3,
            hidden: 128,
            latent: 10,
            train: TrainConfig {
                batch_size: 128,
                epochs: 5,
                lr: 2e-3,
                schedule: ScheduleConfig::Cosine { floor: 0.0 },
                ..TrainConfig::default()
            },
            bounds: BoundOptions {
                num_samples: 10_000,
                // Shared out over a thousand images and more.
                alpha: 1e-6,
                ..BoundOptions::default()
            },
            hunt: HuntOptions::default(),
            margins: MarginOptions {
                variant: Variant::MeanOnly,
                tolerance: 0.05,
                steps: 30,
                ..MarginOptions::default()
            },
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => {
                let mut sets = desk.sets;
                // One grey and one color set, and the range of constants.
                sets.remove(1);
                for set in &mut sets {
                    set.train_images = Some(512);
                    set.images = 4;
                    set.attacked_images = 2;
                }
                Self {
                    sets,
                    num_seeds: 2,
                    hidden: 32,
                    latent: 4,
                    train: TrainConfig {
                        epochs: 2,
                        ..desk.train
                    },
                    bounds: BoundOptions {
                        num_samples: 2000,
                        ..desk.bounds
                    },
                    hunt: HuntOptions {
                        steps: 8,
                        num_draws: 1000,
                        ..desk.hunt
                    },
                    margins: MarginOptions {
                        tolerance: 1.0,
                        num_samples: 100,
                        num_samples_unperturbed: 200,
                        restarts: 1,
                        steps: 4,
                        ..desk.margins
                    },
                }
            }
            Tier::Paper => {
                let mut sets = desk.sets;
                for set in &mut sets {
                    set.train_images = None;
                    set.images = 500;
                    set.attacked_images = 100;
                }
                Self {
                    sets,
                    hidden: 512,
                    train: TrainConfig {
                        epochs: 50,
                        lr: 5e-4,
                        ..desk.train
                    },
                    bounds: BoundOptions {
                        num_samples: 100_000,
                        ..desk.bounds
                    },
                    hunt: HuntOptions {
                        steps: 100,
                        restarts: 5,
                        ..desk.hunt
                    },
                    margins: MarginOptions {
                        variant: Variant::MeanOnly,
                        restarts: 5,
                        ..MarginOptions::default()
                    },
                    ..desk
                }
            }
        }
    }

    /// The models of a set by name, for images of this shape.
    pub fn models(&self, set: &CertifiedSet, input: [i64; 3]) -> Vec<(&'static str, ModelConfig)> {
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
            r: set.r,
        };
        if set.family == Family::Constants {
            // The likelihood's mean is a sigmoid, which is ¼-Lipschitz: before it the decoder has L.
            let same = |&(name, l): &(&'static str, f64)| {
                let bernoulli = LikelihoodKind::ContinuousBernoulli;
                (name, lipschitz(l, l, bernoulli, constant))
            };
            let mut models: Vec<_> = CONSTANTS.iter().map(same).collect();
            models.push(("vae-1", ordinary(1.0)));
            return models;
        }
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
