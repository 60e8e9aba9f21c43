//! The numbers of table 5.1, per tier.

use crate::Tier;
use crate::seatbelt::bench::{Nets, training};
use serde::{Deserialize, Serialize};
use vaegis_attacks::search::{Lbfgs, Pgd};
use vaegis_attacks::{Attack, Ball, BoxBounds, Constraint, Objective, Penalty, Search};
use vaegis_train::TrainConfig;
use vaegis_zoo::seatbelt::{CELEBA_SIZES, HIDDEN_SIZES};
use vaegis_zoo::{ClassifierNetwork, NetworkConfig, Pixels, Profile};

/// What table 5.1 depends on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DownstreamConfig {
    /// Models.
    pub nets: Nets,
    /// Training images of models and classifiers; none for all.
    pub train_images: Option<usize>,
    /// Test images, each attacked with one target.
    pub test_images: usize,
    /// Optimization of the classifiers.
    pub classifiers: TrainConfig,
    /// Classifier of vectors, and of images as vectors.
    pub mlp: ClassifierNetwork,
    /// Classifier of images.
    pub conv: ClassifierNetwork,
    /// Factor of the norm in the sources' attack.
    pub lambda: f64,
    /// The sources' attack.
    pub penalized: Attack,
    /// Largest norms of attacks that are equally strong for all models, ascending.
    pub norms: Vec<f64>,
    /// The attack within those norms.
    pub bounded: Attack,
    /// Noise draws per recorded likelihood.
    pub samples: usize,
}

/// The latent attack on all layers within a norm, in the data's box, by projected gradients.
fn bounded(steps: usize) -> Attack {
    let constraint = Constraint {
        penalty: Penalty::None,
        ball: Ball::L2,
        bounds: BoxBounds::DataRange,
    };
    let search = Search::Pgd(Pgd {
        steps,
        ..Pgd::default()
    });
    Attack::new(Objective::LATENT_KL, constraint, search)
}

/// The latent attack with λ‖d‖ by L-BFGS-B.
fn penalized(memory: usize, max_iterations: usize) -> Attack {
    let search = Search::Lbfgs(Lbfgs {
        memory,
        max_iterations,
        max_evaluations: max_iterations * 3 / 2,
        ..Lbfgs::default()
    });
    Attack {
        search,
        ..Attack::penalized(Objective::LATENT_KL)
    }
}

impl DownstreamConfig {
    /// The configuration of a tier.
    pub(crate) fn at(tier: Tier) -> Self {
        let desk = Self {
            nets: Nets {
                network: NetworkConfig::mlp(&[512, 512]),
                latent: 64,
                z_sizes: vec![64, 32, 16, 8],
                h_sizes: vec![256, 128, 64],
                pixels: Pixels::of(Profile::Text),
                train: training(256, 8),
            },
            train_images: Some(20_000),
            test_images: 500,
            classifiers: training(128, 3),
            mlp: ClassifierNetwork::mlp(),
            conv: ClassifierNetwork::conv(),
            lambda: 1.0,
            penalized: penalized(10, 60),
            norms: vec![1.0, 2.0, 4.0, 8.0],
            bounded: bounded(25),
            samples: 1,
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => Self {
                nets: Nets {
                    network: NetworkConfig::mlp(&[32]),
                    latent: 8,
                    z_sizes: vec![8, 6, 4, 2],
                    h_sizes: vec![16, 16, 16],
                    train: training(64, 2),
                    ..desk.nets
                },
                train_images: Some(512),
                test_images: 24,
                classifiers: training(64, 2),
                mlp: ClassifierNetwork::Mlp { hidden: vec![16] },
                conv: ClassifierNetwork::Conv {
                    filters: vec![8, 8],
                },
                penalized: penalized(5, 8),
                norms: vec![1.0, 4.0],
                bounded: bounded(4),
                ..desk
            },
            Tier::Paper => Self {
                nets: Nets {
                    network: NetworkConfig::conv(1.0),
                    latent: 128,
                    z_sizes: CELEBA_SIZES.to_vec(),
                    h_sizes: HIDDEN_SIZES.to_vec(),
                    train: training(1024, 50),
                    ..desk.nets
                },
                train_images: None,
                classifiers: training(128, 20),
                penalized: Attack::penalized(Objective::LATENT_KL),
                norms: vec![0.5, 1.0, 2.0, 4.0, 8.0, 16.0],
                bounded: bounded(100),
                ..desk
            },
        }
    }
}
