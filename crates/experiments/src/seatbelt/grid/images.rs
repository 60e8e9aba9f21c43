//! The images of one data set of the grid: the sources' own where their files are at hand, and a
//! stand-in elsewhere.

use super::config::GridSet;
use crate::RunCtx;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use vaegis_core::SeedTree;
use vaegis_core::provenance::DatasetUse;
use vaegis_data::{Dataset, OpenOptions, Split, Subset, permutation, registry};
use vaegis_tensor::{Tensor, convert::to_tensor};

/// Training and test images.
pub(super) struct GridImages {
    /// Training images.
    pub(super) train: Arc<dyn Dataset>,
    /// Test images.
    pub(super) test: Arc<dyn Dataset>,
}

impl GridImages {
    /// Opens the set or its stand-in, cut to the sizes asked for. Where training and test share
    /// their images (dSprites has no published split), the parts are disjoint.
    pub(super) fn open(ctx: &RunCtx, set: &GridSet) -> Result<Self> {
        let is_real = ctx.data_root.as_ref().is_some_and(|root| {
            let entry = registry::find(&set.name);
            let files = registry::check(root, &[&set.name]);
            entry.is_ok_and(|e| files.is_ok_and(|f| registry::usable(e, &f)))
        });
        let name = if is_real { &set.name } else { &set.stand_in };
        if name != &set.name {
            tracing::info!("{} is not at hand: using {name} in its place", set.name);
        }
        let open = |split| -> Result<Arc<dyn Dataset>> {
            let options = OpenOptions {
                size: Some(set.side),
                ..OpenOptions::default()
            };
            let root = ctx.data_root.as_deref();
            let data = vaegis_data::open(name, root, split, &options)
                .with_context(|| format!("opening {name}"))?;
            Ok(Arc::from(data))
        };
        let (train, test) = (open(Split::Train)?, open(Split::Test)?);
        let seed = SeedTree::new(0).child(super::GRID).child(name);
        let shared = train.len() == test.len();
        let order = |data: &Arc<dyn Dataset>, label: &str| {
            permutation(data.len(), &seed.child(if shared { "both" } else { label }))
        };
        let take = |data: Arc<dyn Dataset>, chosen: Vec<usize>| -> Result<Arc<dyn Dataset>> {
            Ok(Arc::new(Subset::new(data, chosen)?))
        };
        let mut test_order = order(&test, "test");
        test_order.truncate(set.test_images);
        let mut train_order = order(&train, "train");
        if shared {
            train_order.drain(..test_order.len());
        }
        train_order.truncate(set.train_images);
        Ok(Self {
            train: take(train, train_order)?,
            test: take(test, test_order)?,
        })
    }

    /// `[C, H, W]`.
    pub(super) fn shape(&self) -> [i64; 3] {
        self.train.spec().item_shape.map(|n| n as i64)
    }

    /// Test images at these positions, `[N, C, H, W]` on the run's device.
    pub(super) fn at(&self, positions: &[usize], ctx: &RunCtx) -> Result<Tensor> {
        Ok(to_tensor(&self.test.batch(positions)?.x).to_device(ctx.device))
    }

    /// All test images, `[N, C, H, W]` on the run's device.
    pub(super) fn all(&self, ctx: &RunCtx) -> Result<Tensor> {
        self.at(&(0..self.test.len()).collect::<Vec<_>>(), ctx)
    }

    /// For the record of a run.
    pub(super) fn provenance(&self) -> Vec<DatasetUse> {
        let of = |set: &Arc<dyn Dataset>| {
            let spec = set.spec();
            DatasetUse {
                name: format!("{} ({} {})", spec.name, set.len(), spec.split.name()),
                origin: spec.origin.clone(),
                checksum: spec.checksum.clone(),
            }
        };
        vec![of(&self.train), of(&self.test)]
    }
}
