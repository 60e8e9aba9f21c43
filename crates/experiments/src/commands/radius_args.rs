//! What the commands that measure margins ask of the command line alike.
//!
//! For: which images, which ball and how much effort. Not for the model
//! ([`super::model_folder::ModelArgs`]) nor the machine ([`super::machine::MachineArgs`]).

use clap::Args;
use vaegis_core::SeedTree;
use vaegis_core::config::Checks;
use vaegis_eval::margin::MarginOptions;

/// Draws of the clean image for each draw of an attacked one.
const CLEAN_DRAWS: usize = 10;

/// Images, ball and effort.
#[derive(Clone, Debug, Args)]
pub struct RadiusArgs {
    /// Test images, drawn by --seed
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub images: usize,
    /// Radius in reconstruction space
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "R",
        default_value_t = 4.0
    )]
    pub r: f64,
    /// Required probability
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "M",
        default_value_t = 0.5
    )]
    pub m: f64,
    /// Attack starts per radius
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub restarts: usize,
    /// Steps of projected gradient per start
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub steps: usize,
    /// Noise draws per start and radius; ten times as many for the clean image
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub samples: usize,
    /// Seed of images, starts and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl RadiusArgs {
    /// Adds what is impossible here to the list.
    pub(super) fn check(&self, checks: &mut Checks) {
        checks
            .at_least("--images", self.images, 1)
            .positive("--r", self.r)
            .between("--m", self.m, 0.0, 1.0)
            .at_least("--restarts", self.restarts, 1)
            .at_least("--steps", self.steps, 1)
            .at_least("--samples", self.samples, 1);
    }

    /// Noise draws of the clean image.
    pub(super) fn clean_samples(&self) -> usize {
        self.samples.saturating_mul(CLEAN_DRAWS)
    }

    /// These settings in place of those of `base`.
    pub(super) fn margins(&self, base: MarginOptions) -> MarginOptions {
        MarginOptions {
            r: self.r,
            m: self.m,
            num_samples: self.samples,
            num_samples_unperturbed: self.clean_samples(),
            restarts: self.restarts,
            steps: self.steps,
            ..base
        }
    }

    /// Positions of the images among `num_images`.
    pub(super) fn positions(&self, num_images: usize, tree: &SeedTree) -> Vec<usize> {
        let mut positions = vaegis_data::permutation(num_images, &tree.child("images"));
        positions.truncate(self.images);
        positions
    }
}
