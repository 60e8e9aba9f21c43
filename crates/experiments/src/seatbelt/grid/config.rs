//! The numbers of the grid, per tier.

use crate::Tier;
use serde::{Deserialize, Serialize};
use vaegis_attacks::grid::lambda_grid;
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::{Attack, Objective, Search};
use vaegis_eval::disentangle::MigOptions;
use vaegis_train::{ScheduleConfig, TrainConfig};
use vaegis_zoo::seatbelt::{GREY_SIZES, HIDDEN_SIZES};
use vaegis_zoo::{
    BetaTcvaeConfig, DiscriminatorConfig, FactorVaeConfig, ModelConfig, NetworkConfig, Pixels,
    Profile, SeatbeltConfig,
};

/// What a model is besides its β.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A β-TCVAE with so many latents.
    Tcvae(i64),
    /// A Seatbelt-VAE with so many layers.
    Seatbelt(usize),
    /// The same trained without free bits.
    WithoutFreeBits(usize),
    /// The same with a likelihood that reads the bottom layer alone: a deep latent Gaussian model.
    Chain(usize),
    /// A FactorVAE with so many latents and γ = β − 1: the penalty of the β-TCVAE, estimated by a
    /// discriminator.
    FactorVae(i64),
}

impl Family {
    /// "β-TCVAE 8".
    fn label(self) -> String {
        match self {
            Self::Tcvae(latent) => format!("β-TCVAE {latent}"),
            Self::Seatbelt(layers) => format!("Seatbelt L={layers}"),
            Self::WithoutFreeBits(layers) => format!("Seatbelt L={layers} without free bits"),
            Self::Chain(layers) => format!("chain L={layers}"),
            Self::FactorVae(latent) => format!("FactorVAE {latent}"),
        }
    }
}

/// One model of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setting {
    /// Family with latents or depth.
    pub family: Family,
    /// Weight of the total correlation.
    pub beta: f64,
}

impl Setting {
    /// "β-TCVAE 8, β = 4".
    pub fn label(&self) -> String {
        format!("{}, β = {}", self.family.label(), self.beta)
    }
}

/// Models that a figure shows as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// All β-TCVAEs, whatever their latents, as the sources average.
    Tcvae,
    /// β-TCVAEs with so many latents.
    Latent(i64),
    /// Seatbelt-VAEs with so many layers.
    Layers(usize),
    /// One family.
    Of(Family),
}

impl Group {
    /// Whether a family belongs to it.
    pub(crate) fn contains(self, family: Family) -> bool {
        match self {
            Self::Tcvae => matches!(family, Family::Tcvae(_)),
            Self::Latent(latent) => family == Family::Tcvae(latent),
            Self::Layers(layers) => family == Family::Seatbelt(layers),
            Self::Of(one) => family == one,
        }
    }

    /// Name in legends and tables.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Tcvae => "β-TCVAE".to_owned(),
            Self::Latent(latent) => format!("β-TCVAE, {latent} latents"),
            Self::Layers(layers) => format!("Seatbelt, L = {layers}"),
            Self::Of(family) => family.label(),
        }
    }
}

/// What differs between the data sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GridSet {
    /// Name of the sources' data set in the registry.
    pub name: String,
    /// Name of what stands in where its files are not at hand.
    pub stand_in: String,
    /// Side of the images.
    pub side: usize,
    /// Training images.
    pub train_images: usize,
    /// Test images for likelihoods, decompositions and gaps.
    pub test_images: usize,
    /// Latents of the β-TCVAEs.
    pub latents: Vec<i64>,
    /// Layers of the Seatbelt-VAEs.
    pub depths: Vec<usize>,
    /// Factors that enter the mutual information gap.
    pub factors: Vec<String>,
    /// Encoder and decoder.
    pub network: NetworkConfig,
    /// Units between two layers of latents, from the bottom.
    pub h_sizes: Vec<i64>,
    /// Hidden units of the FactorVAE's discriminator.
    pub discriminator: Vec<i64>,
    /// Optimization.
    pub train: TrainConfig,
}

/// Everything that the grid's numbers depend on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GridConfig {
    /// Reading of pixel range and likelihood. That of the plots makes numbers comparable with the
    /// sources' figures.
    pub profile: Profile,
    /// Data sets.
    pub sets: Vec<GridSet>,
    /// Weights of the total correlation.
    pub betas: Vec<f64>,
    /// Pairs of original and target.
    pub pairs: usize,
    /// Pairs of the latent attack on single layers, the first of which are those above.
    pub latent_pairs: usize,
    /// Penalties from 2⁻²⁰ to 2²⁰.
    pub lambdas: usize,
    /// Cap on the iterations of an attack.
    pub iterations: usize,
    /// Rows of a sweep worked off together.
    pub chunk_rows: usize,
    /// Noise draws of the recorded likelihoods.
    pub samples: usize,
    /// Draws per image of the bound.
    pub elbo_samples: usize,
    /// How the gap's entropies are estimated.
    pub mig: MigOptions,
    /// Standard deviations of the noise on the input.
    pub noise_scales: Vec<f64>,
}

/// Adam at the sources' rate with a cosine decay; the total correlation wants whole batches.
fn training(batch_size: usize, epochs: u64, max_steps: Option<u64>) -> TrainConfig {
    TrainConfig {
        batch_size,
        epochs,
        max_steps,
        drop_last: true,
        lr: 1e-3,
        schedule: ScheduleConfig::Cosine { floor: 0.0 },
        ..TrainConfig::default()
    }
}

/// Depth of the Seatbelt-VAEs in the sources' main comparison.
const MAIN_DEPTH: usize = 4;
/// More epochs than any number of steps needs.
const UNTIL_STEPS: u64 = 100_000;

fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|&n| n.to_owned()).collect()
}

fn desk_sets() -> Vec<GridSet> {
    let faces = GridSet {
        name: "faces".to_owned(),
        stand_in: "toy-faces".to_owned(),
        side: 32,
        train_images: 8192,
        test_images: 1024,
        latents: vec![8, 32],
        depths: vec![2, 4],
        // Identity is not among the sources' factors.
        factors: words(&["azimuth", "elevation", "light"]),
        network: NetworkConfig::mlp(&[256, 256]),
        h_sizes: vec![128, 128, 64, 32],
        discriminator: vec![256, 256, 256],
        train: training(256, UNTIL_STEPS, Some(1200)),
    };
    let chairs = GridSet {
        name: "chairs".to_owned(),
        stand_in: "toy-chairs".to_owned(),
        factors: words(&["azimuth", "elevation"]),
        ..faces.clone()
    };
    let sprites = GridSet {
        name: "dsprites".to_owned(),
        stand_in: "dsprites".to_owned(),
        side: 64,
        train_images: 20_000,
        depths: Vec::new(),
        factors: words(&["scale", "orientation", "posX", "posY"]),
        network: NetworkConfig::mlp(&[256, 128]),
        train: training(128, UNTIL_STEPS, Some(1000)),
        ..faces.clone()
    };
    vec![faces, chairs, sprites]
}

impl GridConfig {
    /// The configuration of a tier.
    pub fn at(tier: Tier) -> Self {
        let desk = Self {
            profile: Profile::AsPlotted,
            sets: desk_sets(),
            betas: vec![1.0, 2.0, 4.0, 10.0],
            pairs: 6,
            latent_pairs: 6,
            lambdas: 7,
            iterations: 100,
            chunk_rows: 64,
            samples: 4,
            elbo_samples: 1,
            mig: MigOptions { max_samples: 500 },
            noise_scales: vec![0.0, 0.1, 0.5, 1.0],
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => {
                let mut sets = desk_sets();
                for set in &mut sets {
                    set.train_images = 256;
                    set.test_images = 64;
                    set.network = NetworkConfig::mlp(&[32]);
                    set.h_sizes = vec![16, 16, 16, 16];
                    set.discriminator = vec![32];
                    set.train = training(32, UNTIL_STEPS, Some(60));
                    set.latents = vec![2, 6];
                    if !set.depths.is_empty() {
                        set.depths = vec![2];
                    }
                }
                Self {
                    sets,
                    betas: vec![1.0, 4.0],
                    pairs: 2,
                    latent_pairs: 2,
                    lambdas: 2,
                    iterations: 5,
                    samples: 1,
                    noise_scales: vec![0.0, 0.1, 1.0],
                    ..desk
                }
            }
            Tier::Paper => {
                let mut sets = desk_sets();
                for set in &mut sets {
                    set.side = 64;
                    set.train_images = usize::MAX;
                    set.test_images = 10_000;
                    set.latents = vec![4, 8, 16, 32, 64, 128];
                    if !set.depths.is_empty() {
                        set.depths = vec![2, 3, 4, 5];
                    }
                    set.network = NetworkConfig::conv(1.0);
                    set.h_sizes = HIDDEN_SIZES.to_vec();
                    set.discriminator = DiscriminatorConfig::default().hidden;
                    set.train = training(1024, 50, None);
                }
                Self {
                    sets,
                    betas: vec![1.0, 2.0, 4.0, 6.0, 8.0, 10.0],
                    pairs: 10,
                    latent_pairs: 20,
                    lambdas: vaegis_attacks::grid::NUM_LAMBDAS,
                    iterations: 1000,
                    chunk_rows: 250,
                    mig: MigOptions::default(),
                    ..desk
                }
            }
        }
    }

    /// The penalties.
    pub fn lambdas(&self) -> Vec<f64> {
        lambda_grid(self.lambdas)
    }

    /// The attack on an objective: plain norm penalty, the model's own pixel range as box.
    pub fn attack(&self, objective: Objective) -> Attack {
        let lbfgs = Lbfgs {
            max_iterations: self.iterations,
            // A line search takes a second point now and then.
            max_evaluations: self.iterations * 3 / 2,
            ..Lbfgs::default()
        };
        Attack {
            search: Search::Lbfgs(lbfgs),
            ..Attack::penalized(objective)
        }
    }
}

impl GridSet {
    /// The families of the sources' figures.
    pub fn families(&self) -> Vec<Family> {
        let tcvae = self.latents.iter().map(|&d| Family::Tcvae(d));
        tcvae
            .chain(self.depths.iter().map(|&l| Family::Seatbelt(l)))
            .collect()
    }

    /// The main Seatbelt-VAE and the smallest β-TCVAE, each followed by what it becomes with one
    /// part left out or replaced; none without Seatbelt-VAEs.
    pub fn parts(&self) -> Vec<Family> {
        let (Some(depth), Some(&latent)) = (self.main_depth(), self.latents.first()) else {
            return Vec::new();
        };
        vec![
            Family::Seatbelt(depth),
            Family::WithoutFreeBits(depth),
            Family::Chain(depth),
            Family::Tcvae(latent),
            Family::FactorVae(latent),
        ]
    }

    /// Depth that stands for the sources' four layers; none without Seatbelt-VAEs.
    pub fn main_depth(&self) -> Option<usize> {
        let main = self.depths.iter().find(|&&d| d == MAIN_DEPTH);
        main.or(self.depths.iter().max()).copied()
    }

    /// The model at one setting, for images of this shape.
    pub fn model(&self, input: [i64; 3], profile: Profile, setting: Setting) -> ModelConfig {
        let (network, pixels) = (self.network.clone(), Pixels::of(profile));
        let beta = setting.beta;
        let seatbelt = |layers| SeatbeltConfig {
            input,
            layers,
            z_sizes: GREY_SIZES.to_vec(),
            h_sizes: self.h_sizes.clone(),
            beta,
            pixels,
            network: self.network.clone(),
            ..SeatbeltConfig::default()
        };
        match setting.family {
            Family::Tcvae(latent) => ModelConfig::BetaTcvae(BetaTcvaeConfig {
                input,
                latent,
                beta,
                pixels,
                network,
                ..BetaTcvaeConfig::default()
            }),
            Family::Seatbelt(layers) => ModelConfig::Seatbelt(seatbelt(layers)),
            Family::WithoutFreeBits(layers) => ModelConfig::Seatbelt(SeatbeltConfig {
                free_bits: Some(0.0),
                ..seatbelt(layers)
            }),
            Family::Chain(layers) => ModelConfig::Seatbelt(seatbelt(layers).into_dlgm()),
            Family::FactorVae(latent) => ModelConfig::FactorVae(FactorVaeConfig {
                input,
                latent,
                gamma: beta - 1.0,
                pixels,
                network,
                discriminator: DiscriminatorConfig {
                    hidden: self.discriminator.clone(),
                    ..DiscriminatorConfig::default()
                },
                ..FactorVaeConfig::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_core::config::Validate as _;

    #[test]
    fn the_grid_of_the_sources_is_that_of_the_paper_tier() {
        let paper = GridConfig::at(Tier::Paper);
        assert_eq!((paper.betas.len(), paper.lambdas().len()), (6, 50));
        let faces = paper.sets[0].families();
        // 36 models with one layer and 24 with several.
        assert_eq!(faces.len() * paper.betas.len(), 60);
        for tier in [Tier::Smoke, Tier::Desk, Tier::Paper] {
            let config = GridConfig::at(tier);
            assert_eq!(config.profile, Profile::AsPlotted);
            assert!(config.latent_pairs >= config.pairs);
            assert!(config.attack(Objective::LATENT_KL).check().is_ok());
            for set in &config.sets {
                let input = [1, set.side as i64, set.side as i64];
                let families = [set.families(), set.parts()].concat();
                let places = families
                    .into_iter()
                    .flat_map(|family| config.betas.iter().map(move |&beta| (family, beta)));
                for (family, beta) in places {
                    let setting = Setting { family, beta };
                    let model = set.model(input, config.profile, setting);
                    let problems = model.violations();
                    assert!(problems.is_empty(), "{}: {problems:?}", setting.label());
                }
            }
        }
    }

    #[test]
    fn groups_hold_their_families() {
        assert!(Group::Tcvae.contains(Family::Tcvae(8)));
        assert!(!Group::Latent(8).contains(Family::Tcvae(32)));
        assert!(Group::Layers(4).contains(Family::Seatbelt(4)));
        assert!(!Group::Tcvae.contains(Family::Seatbelt(4)));
    }
}
