//! The numbers of the r-robustness chapter, per tier.

use crate::Tier;
use crate::images::ImageRequest;
use serde::{Deserialize, Serialize};
use vaegis_attacks::search::Pgd;
use vaegis_attacks::{Attack, Search, Variant};
use vaegis_eval::bounds::BoundOptions;
use vaegis_eval::hunt::HuntOptions;
use vaegis_eval::margin::MarginOptions;
use vaegis_nn::{Activation, LikelihoodKind};
use vaegis_train::{ScheduleConfig, TrainConfig};
use vaegis_zoo::{Heads, ModelConfig, NetworkConfig, VaeConfig};

/// One network of the chapter: the weight of the KL term and the offset on σ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setting {
    /// Weight of the KL term.
    pub beta: f64,
    /// Added to the encoder's standard deviation.
    pub tau: f64,
}

impl Setting {
    /// "β = 5" or "τ = 0.5".
    pub fn label(&self) -> String {
        if self.tau > 0.0 {
            format!("τ = {}", self.tau)
        } else {
            format!("β = {}", self.beta)
        }
    }
}

/// What differs between the data sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SetConfig {
    /// Name in the registry of data sets.
    pub name: String,
    /// Side of the stand-in's images where the data set is not at hand.
    pub side: usize,
    /// Training images; none for all.
    pub train_images: Option<usize>,
    /// Test images for likelihoods, σ and distortion.
    pub test_images: usize,
    /// Units of the encoder's hidden layers; the decoder has them backwards.
    pub hidden: Vec<i64>,
    /// Number of latents.
    pub latent: i64,
    /// p(x | z).
    pub likelihood: LikelihoodKind,
    /// Optimization.
    pub train: TrainConfig,
    /// Radius r in reconstruction space of the figures.
    pub r: f64,
    /// Other radii at which margins are estimated, in ascending order.
    pub other_r: Vec<f64>,
    /// Offsets on σ at β = 1, besides none.
    pub taus: Vec<f64>,
}

/// Everything that the chapter's numbers depend on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ChapterConfig {
    /// Data sets.
    pub sets: Vec<SetConfig>,
    /// Weights of the KL term at τ = 0.
    pub betas: Vec<f64>,
    /// Replicates.
    pub num_seeds: usize,
    /// Test images on which margins, bounds and attacks are measured.
    pub images: usize,
    /// Bounds; the radius is the data set's.
    pub bounds: BoundOptions,
    /// Margins; the radius is the data set's.
    pub margins: MarginOptions,
    /// The attacks of exactly a bound's norm, as strong as those on certificates.
    pub hunt: HuntOptions,
    /// Steps of the attacks behind the curves.
    pub attack_steps: usize,
    /// Starts of the attacks behind the curves.
    pub attack_restarts: usize,
    /// Norms of the attacks; the last is the cap of figure 6.4.
    pub norms: Vec<f64>,
    /// Noise draws per input where a damage is judged.
    pub damage_samples: usize,
    /// Variances of the input noise.
    pub noise_variances: Vec<f64>,
    /// Test images under input noise.
    pub noise_images: usize,
    /// Test images of which the encoder's Jacobian is taken.
    pub encoder_images: usize,
    /// Norms along a ray.
    pub ray_norms: Vec<f64>,
    /// Cap of the margins along a ray, well beyond where random directions leave the ball.
    pub ray_cap: f64,
    /// Noise draws per norm along a ray.
    pub ray_samples: usize,
    /// Radii of P(‖Δ(x)‖ ≤ r) against r.
    pub acceptance_radii: Vec<f64>,
    /// Noise draws of that curve.
    pub acceptance_samples: usize,
}

/// `from`, `from + step`, … up to and including `to`.
fn grid(from: f64, to: f64, step: f64) -> Vec<f64> {
    let num = ((to - from) / step).round() as usize;
    (0..=num).map(|i| from + i as f64 * step).collect()
}

fn training(epochs: u64) -> TrainConfig {
    TrainConfig {
        batch_size: 128,
        epochs,
        lr: 1.5e-3,
        schedule: ScheduleConfig::Cosine { floor: 0.0 },
        ..TrainConfig::default()
    }
}

fn sets(epochs: [u64; 3]) -> Vec<SetConfig> {
    let mnist = SetConfig {
        name: "mnist".to_owned(),
        side: 28,
        train_images: None,
        test_images: 10_000,
        hidden: vec![400, 400],
        latent: 20,
        likelihood: LikelihoodKind::Bernoulli,
        train: training(epochs[0]),
        r: 4.0,
        other_r: vec![2.0, 3.0, 8.0],
        taus: vec![0.1, 0.5, 1.0],
    };
    let fashion = SetConfig {
        name: "fashion-mnist".to_owned(),
        train: training(epochs[1]),
        other_r: Vec::new(),
        // The scatter's one network with an offset; the ablation of τ is MNIST's alone.
        taus: vec![0.5],
        ..mnist.clone()
    };
    // The likelihood is not stated in the sources. A Gaussian with σ = 0.1 keeps
    // every β away from posterior collapse. Three times the pixels, r = 8.
    let cifar = SetConfig {
        name: "cifar10".to_owned(),
        side: 32,
        hidden: vec![400, 400, 400, 400],
        latent: 64,
        likelihood: LikelihoodKind::Gaussian { sigma: 0.1 },
        train: TrainConfig {
            lr: 1e-3,
            ..training(epochs[2])
        },
        r: 8.0,
        ..fashion.clone()
    };
    vec![mnist, fashion, cifar]
}

impl ChapterConfig {
    /// The configuration of a tier.
    pub fn at(tier: Tier) -> Self {
        let mut desk_sets = sets([10, 6, 5]);
        desk_sets[2].train_images = Some(20_000);
        desk_sets[2].test_images = 2_000;
        let desk = Self {
            sets: desk_sets,
            betas: vec![0.1, 1.0, 2.0, 5.0, 10.0],
            num_seeds: 3,
            images: 25,
            bounds: BoundOptions::default(),
            margins: MarginOptions {
                tolerance: 0.05,
                steps: 30,
                ..MarginOptions::default()
            },
            hunt: HuntOptions {
                num_draws: 2_000,
                ..HuntOptions::default()
            },
            attack_steps: 30,
            attack_restarts: 2,
            norms: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0],
            damage_samples: 400,
            noise_variances: grid(0.0, 1.0, 0.05),
            noise_images: 500,
            encoder_images: 500,
            ray_norms: grid(0.0, 12.0, 0.5),
            ray_cap: 200.0,
            ray_samples: 200,
            acceptance_radii: grid(0.0, 8.0, 0.2),
            acceptance_samples: 1000,
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => {
                let mut sets = sets([2, 2, 2]);
                for set in &mut sets {
                    set.train_images = Some(512);
                    set.test_images = 64;
                    set.latent = 6;
                    set.taus = vec![1.0];
                    set.hidden = vec![32; set.hidden.len()];
                }
                Self {
                    sets,
                    betas: vec![0.1, 1.0, 10.0],
                    images: 3,
                    bounds: BoundOptions {
                        num_samples: 200,
                        ..desk.bounds
                    },
                    margins: MarginOptions {
                        tolerance: 1.0,
                        num_samples: 50,
                        num_samples_unperturbed: 200,
                        restarts: 1,
                        steps: 4,
                        ..desk.margins
                    },
                    hunt: HuntOptions {
                        steps: 4,
                        num_draws: 500,
                        ..desk.hunt
                    },
                    attack_steps: 4,
                    norms: vec![0.0, 1.0, 10.0],
                    damage_samples: 50,
                    noise_variances: grid(0.0, 1.0, 0.25),
                    noise_images: 16,
                    encoder_images: 16,
                    ray_norms: grid(0.0, 12.0, 3.0),
                    ray_samples: 50,
                    acceptance_radii: grid(0.0, 8.0, 1.0),
                    acceptance_samples: 100,
                    ..desk
                }
            }
            Tier::Paper => {
                let mut sets = sets([100, 100, 100]);
                for set in &mut sets {
                    set.train = TrainConfig {
                        batch_size: 512,
                        lr: 1e-3,
                        schedule: ScheduleConfig::Constant,
                        ..set.train.clone()
                    };
                }
                Self {
                    sets,
                    betas: vec![0.1, 0.5, 1.0, 2.0, 5.0, 10.0],
                    num_seeds: 5,
                    margins: MarginOptions {
                        restarts: 5,
                        ..MarginOptions::default()
                    },
                    hunt: HuntOptions {
                        steps: 100,
                        restarts: 5,
                        ..desk.hunt
                    },
                    attack_steps: 60,
                    attack_restarts: 5,
                    norms: grid(0.0, 10.0, 1.0),
                    noise_images: 10_000,
                    encoder_images: 10_000,
                    ray_norms: grid(0.0, 12.0, 0.25),
                    ray_samples: 1000,
                    acceptance_samples: 4000,
                    ..desk
                }
            }
        }
    }

    /// The networks without an offset on σ, by β.
    pub fn betas(&self) -> Vec<Setting> {
        let of = |&beta: &f64| Setting { beta, tau: 0.0 };
        self.betas.iter().map(of).collect()
    }

    /// The attack behind curves and pictures: maximum damage in an L2 ball.
    pub fn attack(&self, variant: Variant) -> Attack {
        let pgd = Pgd {
            steps: self.attack_steps,
            ..Pgd::default()
        };
        Attack {
            search: Search::Pgd(pgd),
            restarts: self.attack_restarts,
            ..Attack::max_damage(variant)
        }
    }
}

impl SetConfig {
    /// The networks at β = 1 by τ, the one without an offset first.
    pub fn taus(&self) -> Vec<Setting> {
        let zero = std::iter::once(&0.0);
        let of = |&tau: &f64| Setting { beta: 1.0, tau };
        zero.chain(&self.taus).map(of).collect()
    }

    /// The networks of one seed: every β at τ = 0, then every τ > 0 at β = 1.
    pub fn settings(&self, config: &ChapterConfig) -> Vec<Setting> {
        let mut all = config.betas();
        all.extend(self.taus().into_iter().filter(|s| s.tau > 0.0));
        all
    }

    /// The images of this set.
    pub fn request(&self) -> ImageRequest<'_> {
        ImageRequest {
            name: &self.name,
            side: self.side,
            train: self.train_images,
            test: self.test_images,
        }
    }

    /// The model at one setting, for images of this shape.
    pub fn model(&self, input: [i64; 3], setting: Setting) -> ModelConfig {
        let network = NetworkConfig::Mlp {
            hidden: self.hidden.clone(),
            decoder_hidden: None,
            activation: Activation::Relu,
            decoder_activation: None,
            heads: Heads::SeparateLast,
        };
        ModelConfig::Vae(VaeConfig {
            input,
            bounds: (0.0, 1.0),
            latent: self.latent,
            beta: setting.beta,
            tau: setting.tau,
            likelihood: self.likelihood,
            network,
            ..VaeConfig::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_without_repetition() {
        let config = ChapterConfig::at(Tier::Desk);
        let settings = config.sets[0].settings(&config);
        assert_eq!(
            settings.len(),
            config.betas.len() + config.sets[0].taus.len()
        );
        for (i, a) in settings.iter().enumerate() {
            assert!(settings[..i].iter().all(|b| a != b), "{a:?} twice");
        }
        assert_eq!(settings[1].label(), "β = 1");
        assert_eq!(
            settings.last().map(Setting::label).as_deref(),
            Some("τ = 1")
        );
    }

    #[test]
    fn grids_have_both_ends() {
        let variances = ChapterConfig::at(Tier::Desk).noise_variances;
        assert_eq!((variances.len(), variances[0]), (21, 0.0));
        assert!((variances[20] - 1.0).abs() < 1e-12);
        // Figure E.6 uses σ_ε = 0.5.
        assert!(variances.iter().any(|v| (v - 0.25).abs() < 1e-12));
    }
}
