//! The images of one data set of the grid: the sources' own where their files are at hand, and a
//! stand-in elsewhere.

use super::config::GridSet;
use crate::RunCtx;
use crate::images::{Images, at_hand};
use anyhow::{Context as _, Result};
use std::sync::Arc;
use vaegis_core::SeedTree;
use vaegis_data::{Dataset, OpenOptions, Split, Subset, permutation};

/// Opens the set or its stand-in, cut to the sizes asked for. Where training and test share
/// their images (dSprites has no published split), the parts are disjoint.
pub(super) fn open(ctx: &RunCtx, set: &GridSet) -> Result<Images> {
    let is_real = at_hand(ctx, &set.name)?;
    let name = if is_real { &set.name } else { &set.stand_in };
    if name != &set.name {
        tracing::info!("{} is not at hand: using {name} in its place", set.name);
    }
    let open = |split| -> Result<Arc<dyn Dataset>> {
        let options = OpenOptions {
            size: Some(set.side),
            cache: vaegis_data::decoded_cache(),
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
    Ok(Images {
        train: take(train, train_order)?,
        test: take(test, test_order)?,
        is_real,
    })
}
