//! The numbers of the tour, per tier.

use crate::Tier;
use serde::{Deserialize, Serialize};
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::{Attack, Objective, Search};
use vaegis_eval::bounds::BoundOptions;
use vaegis_eval::margin::MarginOptions;
use vaegis_nn::LikelihoodKind;
use vaegis_train::{ScheduleConfig, TrainConfig};
use vaegis_zoo::{ModelConfig, NetworkConfig, VaeConfig};

/// Everything that the tour's numbers depend on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TourConfig {
    /// Weights of the KL term; 1 is the plain VAE.
    pub betas: Vec<f64>,
    /// Replicates.
    pub num_seeds: usize,
    /// Width of the two hidden layers.
    pub hidden: i64,
    /// Latent size.
    pub latent: i64,
    /// Training images used; none for all.
    pub train_images: Option<usize>,
    /// Test images for likelihoods.
    pub test_images: usize,
    /// Optimization.
    pub train: TrainConfig,
    /// Noise draws per test image for the ELBO.
    pub elbo_samples: usize,
    /// Samples of the importance-weighted bound.
    pub iwae_samples: usize,
    /// Images for the importance-weighted bound.
    pub iwae_images: usize,
    /// Pairs of original and target.
    pub pairs: usize,
    /// Penalties on the grid from 2⁻²⁰ to 2²⁰.
    pub lambdas: usize,
    /// Options of the targeted attacks' search.
    pub search: Lbfgs,
    /// Images for damage, margins and bounds.
    pub images: usize,
    /// Radii of the damage curves.
    pub radii: Vec<f64>,
    /// Steps of the maximum-damage attack.
    pub damage_steps: usize,
    /// Bounds.
    pub bounds: BoundOptions,
    /// Margins.
    pub margins: MarginOptions,
}

impl TourConfig {
    /// The configuration of a tier.
    pub fn at(tier: Tier) -> Self {
        let desk = Self {
            betas: vec![1.0, 4.0, 10.0],
            num_seeds: 3,
            hidden: 400,
            latent: 20,
            train_images: None,
            test_images: 10_000,
            train: TrainConfig {
                batch_size: 128,
                epochs: 10,
                lr: 1.5e-3,
                schedule: ScheduleConfig::Cosine { floor: 0.0 },
                ..TrainConfig::default()
            },
            elbo_samples: 1,
            iwae_samples: 100,
            iwae_images: 200,
            pairs: 10,
            lambdas: 50,
            search: Lbfgs {
                max_iterations: 200,
                max_evaluations: 300,
                ..Lbfgs::default()
            },
            images: 25,
            radii: (0..=10).map(f64::from).collect(),
            damage_steps: 40,
            bounds: BoundOptions::default(),
            margins: MarginOptions {
                tolerance: 0.05,
                steps: 40,
                ..MarginOptions::default()
            },
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => Self {
                hidden: 64,
                latent: 8,
                train_images: Some(2048),
                test_images: 256,
                train: TrainConfig {
                    epochs: 3,
                    ..desk.train
                },
                iwae_samples: 10,
                iwae_images: 32,
                pairs: 3,
                lambdas: 5,
                search: Lbfgs {
                    max_iterations: 20,
                    max_evaluations: 30,
                    ..Lbfgs::default()
                },
                images: 6,
                radii: vec![0.0, 2.0, 5.0],
                damage_steps: 10,
                bounds: BoundOptions {
                    num_samples: 500,
                    ..desk.bounds
                },
                margins: MarginOptions {
                    tolerance: 0.5,
                    num_samples: 100,
                    num_samples_unperturbed: 500,
                    restarts: 2,
                    steps: 10,
                    ..desk.margins
                },
                ..desk
            },
            Tier::Paper => Self {
                betas: vec![1.0, 2.0, 4.0, 6.0, 8.0, 10.0],
                num_seeds: 5,
                train: TrainConfig {
                    epochs: 50,
                    lr: 1e-3,
                    ..desk.train.clone()
                },
                iwae_samples: 5000,
                iwae_images: 1000,
                search: Lbfgs::default(),
                images: 100,
                damage_steps: 60,
                margins: MarginOptions::default(),
                ..desk
            },
        }
    }

    /// The model at one β, for images of this shape.
    pub fn model(&self, input: [i64; 3], beta: f64) -> ModelConfig {
        ModelConfig::Vae(VaeConfig {
            input,
            bounds: (0.0, 1.0),
            latent: self.latent,
            beta,
            likelihood: LikelihoodKind::Bernoulli,
            network: NetworkConfig::mlp(&[self.hidden, self.hidden]),
            ..VaeConfig::default()
        })
    }

    /// The three targeted attacks, in the order of the figures.
    pub fn attacks(&self) -> [(&'static str, Attack); 3] {
        [
            ("kl", Objective::LATENT_KL),
            ("w2", Objective::LATENT_W2),
            ("output", Objective::OUTPUT_ELBO),
        ]
        .map(|(name, objective)| {
            let search = Search::Lbfgs(self.search);
            (
                name,
                Attack {
                    search,
                    ..Attack::penalized(objective)
                },
            )
        })
    }
}
