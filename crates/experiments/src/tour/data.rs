//! The tour's images.

use super::TourConfig;
use crate::RunCtx;
use crate::images::{ImageRequest, Images};
use anyhow::Result;
use vaegis_attacks::grid::draw_pairs;
use vaegis_core::SeedTree;
use vaegis_tensor::Tensor;

/// MNIST or its stand-in, and which of its images are attacked.
pub(super) struct TourData {
    pub(super) set: Images,
    /// (original, target) positions in the test set, the same for all models.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Test positions for damage, margins and bounds.
    pub(super) images: Vec<usize>,
}

/// Opens MNIST where a data folder has it, and sprites where there is none.
pub(super) fn load(ctx: &RunCtx, config: &TourConfig) -> Result<TourData> {
    let request = ImageRequest {
        name: "mnist",
        side: 28,
        train: config.train_images,
        test: config.test_images,
    };
    let set = Images::open(ctx, &request)?;
    let num = set.test.len();
    let labels = set.test.labels()?;
    let seed = SeedTree::new(ctx.seed).child("tour");
    let pairs = draw_pairs(num, labels.as_deref(), config.pairs, &seed);
    let mut images = vaegis_data::permutation(num, &seed.child("images"));
    images.truncate(config.images);
    Ok(TourData { set, pairs, images })
}

impl TourData {
    /// Originals and targets of the pairs.
    pub(super) fn pair_images(&self, ctx: &RunCtx) -> Result<(Tensor, Tensor)> {
        let (originals, targets): (Vec<usize>, Vec<usize>) = self.pairs.iter().copied().unzip();
        Ok((
            self.set.test_images(&originals, ctx)?,
            self.set.test_images(&targets, ctx)?,
        ))
    }
}
