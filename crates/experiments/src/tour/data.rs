//! The tour's images.

use super::TourConfig;
use crate::RunCtx;
use crate::images::at_hand;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use vaegis_attacks::grid::draw_pairs;
use vaegis_core::SeedTree;
use vaegis_data::{Dataset, OpenOptions, Split, Subset};
use vaegis_tensor::{Tensor, convert::to_tensor};

/// Training and test images, and which of them are attacked.
pub(super) struct TourData {
    pub(super) train: Arc<dyn Dataset>,
    pub(super) test: Arc<dyn Dataset>,
    /// Whether this is MNIST itself, for claims with published numbers.
    pub(super) is_mnist: bool,
    /// (original, target) positions in the test set, the same for all models.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Test positions for damage, margins and bounds.
    pub(super) images: Vec<usize>,
}

/// Side of the images.
const SIDE: usize = 28;

/// Opens MNIST where a data folder has it, and sprites where there is none.
pub(super) fn load(ctx: &RunCtx, config: &TourConfig) -> Result<TourData> {
    let usable = at_hand(ctx, "mnist")?;
    let name = if usable { "mnist" } else { "sprites" };
    if !usable {
        tracing::info!("MNIST is not at hand (set VAEGIS_DATA or --data): using our own sprites");
    }
    let options = |samples| OpenOptions {
        size: (!usable).then_some(SIDE),
        samples: (!usable).then_some(samples),
        seed: ctx.seed,
        ..OpenOptions::default()
    };
    let open = |split, samples| {
        vaegis_data::open(name, ctx.data_root.as_deref(), split, &options(samples))
            .with_context(|| format!("opening {name}"))
    };
    let train: Arc<dyn Dataset> = Arc::from(open(Split::Train, 20_000)?);
    let test: Arc<dyn Dataset> = Arc::from(open(Split::Test, config.test_images.max(1000))?);
    let train = limit(train, config.train_images)?;
    let test = limit(test, Some(config.test_images))?;
    let labels = test.batch(&(0..test.len()).collect::<Vec<_>>())?.labels;
    let seed = SeedTree::new(ctx.seed).child("tour");
    let pairs = draw_pairs(test.len(), labels.as_deref(), config.pairs, &seed);
    let mut images = vaegis_data::permutation(test.len(), &seed.child("images"));
    images.truncate(config.images);
    Ok(TourData {
        train,
        test,
        is_mnist: usable,
        pairs,
        images,
    })
}

fn limit(data: Arc<dyn Dataset>, len: Option<usize>) -> Result<Arc<dyn Dataset>> {
    match len {
        Some(len) if len < data.len() => Ok(Arc::new(Subset::new(data, (0..len).collect())?)),
        _ => Ok(data),
    }
}

impl TourData {
    /// `[C, H, W]`.
    pub(super) fn shape(&self) -> [i64; 3] {
        self.train.spec().item_shape.map(|n| n as i64)
    }

    /// Test images at these positions, `[N, C, H, W]`.
    pub(super) fn test_images(&self, positions: &[usize], ctx: &RunCtx) -> Result<Tensor> {
        Ok(to_tensor(&self.test.batch(positions)?.x).to_device(ctx.device))
    }

    /// Originals and targets of the pairs.
    pub(super) fn pair_images(&self, ctx: &RunCtx) -> Result<(Tensor, Tensor)> {
        let (originals, targets): (Vec<usize>, Vec<usize>) = self.pairs.iter().copied().unzip();
        Ok((
            self.test_images(&originals, ctx)?,
            self.test_images(&targets, ctx)?,
        ))
    }
}
