//! The images of an experiment: a real data set where it is at hand, procedural
//! sprites of the same size elsewhere, cut to the sizes of a tier.

use crate::RunCtx;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use vaegis_core::provenance::DatasetUse;
use vaegis_data::{Dataset, OpenOptions, Split, Subset, registry};
use vaegis_tensor::{Tensor, convert::to_tensor};

/// Items of the stand-in for a training set.
const STAND_IN_ITEMS: usize = 20_000;

/// Which images, and how many of them.
#[derive(Clone, Copy, Debug)]
pub struct ImageRequest<'a> {
    /// Name in the registry of data sets.
    pub name: &'a str,
    /// Side of the stand-in's images.
    pub side: usize,
    /// Training images; none for all.
    pub train: Option<usize>,
    /// Test images.
    pub test: usize,
}

/// Training and test images.
pub struct Images {
    /// Training images.
    pub train: Arc<dyn Dataset>,
    /// Test images.
    pub test: Arc<dyn Dataset>,
    /// Whether these are the images asked for and not their stand-in.
    pub is_real: bool,
}

/// Whether the run's data folder holds a data set.
///
/// # Errors
/// An unknown name.
pub fn at_hand(ctx: &RunCtx, name: &str) -> Result<bool> {
    let entry = registry::find(name)?;
    Ok(ctx.data_root.as_ref().is_some_and(|root| {
        registry::check(root, &[name]).is_ok_and(|files| registry::usable(entry, &files))
    }))
}

impl Images {
    /// Opens the data set, or its stand-in where its files are not at hand.
    ///
    /// # Errors
    /// An unknown name, damaged files.
    pub fn open(ctx: &RunCtx, request: &ImageRequest<'_>) -> Result<Self> {
        let is_real = at_hand(ctx, request.name)?;
        let name = if is_real { request.name } else { "sprites" };
        if !is_real {
            tracing::info!(
                "{} is not at hand (set VAEGIS_DATA or --data): using our own sprites",
                request.name
            );
        }
        let open = |split, samples: usize| -> Result<Arc<dyn Dataset>> {
            let options = OpenOptions {
                size: (!is_real).then_some(request.side),
                samples: (!is_real).then_some(samples),
                seed: ctx.seed,
                cache: vaegis_data::decoded_cache(),
                ..OpenOptions::default()
            };
            let data = vaegis_data::open(name, ctx.data_root.as_deref(), split, &options)
                .with_context(|| format!("opening {name}"))?;
            Ok(Arc::from(data))
        };
        let train_items = request.train.unwrap_or(STAND_IN_ITEMS);
        Ok(Self {
            train: first(open(Split::Train, train_items)?, request.train)?,
            test: first(open(Split::Test, request.test)?, Some(request.test))?,
            is_real,
        })
    }

    /// `[C, H, W]`.
    pub fn shape(&self) -> [i64; 3] {
        self.train.spec().item_shape.map(|n| n as i64)
    }

    /// Test images at these positions, `[N, C, H, W]` on the run's device.
    ///
    /// # Errors
    /// Positions beyond the end.
    pub fn test_images(&self, positions: &[usize], ctx: &RunCtx) -> Result<Tensor> {
        Ok(to_tensor(&self.test.batch(positions)?.x).to_device(ctx.device))
    }

    /// The first `num` test images, or all where there are fewer.
    ///
    /// # Errors
    /// As [`Self::test_images`].
    pub fn first_test_images(&self, num: usize, ctx: &RunCtx) -> Result<Tensor> {
        let positions: Vec<usize> = (0..num.min(self.test.len())).collect();
        self.test_images(&positions, ctx)
    }

    /// All test images.
    ///
    /// # Errors
    /// As [`Self::test_images`].
    pub fn all_test_images(&self, ctx: &RunCtx) -> Result<Tensor> {
        self.first_test_images(self.test.len(), ctx)
    }

    /// For the record of a run.
    pub fn provenance(&self) -> Vec<DatasetUse> {
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

fn first(data: Arc<dyn Dataset>, len: Option<usize>) -> Result<Arc<dyn Dataset>> {
    match len {
        Some(len) if len < data.len() => Ok(Arc::new(Subset::new(data, (0..len).collect())?)),
        _ => Ok(data),
    }
}
