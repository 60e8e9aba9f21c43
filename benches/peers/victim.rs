//! The trained network that is attacked, and the images.

use crate::Setting;
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use vaegis_attacks::grid::draw_pairs;
use vaegis_benches::fixtures;
use vaegis_core::codec::to_toml;
use vaegis_core::hash::content_hash;
use vaegis_core::seed::SeedTree;
use vaegis_data::{OpenOptions, Split, open};
use vaegis_tensor::{Kind, Tensor, convert};
use vaegis_train::{Output, TrainConfig, Trainer};
use vaegis_zoo::Model;

/// Seed of training, pairs and attacks.
pub(crate) const SEED: u64 = 1;

/// Steps of training: enough that attacks meet posteriors as they are in use.
const STEPS: u64 = 2000;

/// A trained model, and pairs of test images to attack.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) model: Box<dyn Model>,
    /// `[P, 1, 28, 28]`, the images that are changed.
    pub(crate) x: Tensor,
    /// `[P, 1, 28, 28]`, what they are to be taken for.
    pub(crate) target: Tensor,
    /// In words.
    pub(crate) about: String,
}

impl Victim {
    /// Trains, or reads what an earlier run with the same choices has left among the temporary
    /// files.
    pub(crate) fn prepare(setting: &Setting, num_pairs: usize) -> Result<Self> {
        let (name, options) = match &setting.data {
            Some(_) => ("mnist", OpenOptions::default()),
            None => (
                "sprites",
                OpenOptions {
                    size: Some(28),
                    ..OpenOptions::default()
                },
            ),
        };
        let root = setting.data.as_deref();
        let train = open(name, root, Split::Train, &options)?;
        let test = open(name, root, Split::Test, &options)?;
        let config = TrainConfig {
            epochs: STEPS,
            max_steps: Some(STEPS),
            ..TrainConfig::default()
        };
        let identity = json!({
            "model": fixtures::mlp(),
            "training": config,
            "data": train.spec().checksum,
            "seed": SEED,
            "threads": setting.threads,
        });
        let folder = format!("vaegis-peers-{}", &content_hash(&identity)?[..16]);
        let folder = cache().join(folder);
        let seed = SeedTree::new(SEED);
        let about = format!(
            "VAE 784-400-400 with 20 latents, {STEPS} steps on {}",
            train.spec().origin
        );
        let model = fixtures::fresh(&fixtures::mlp(), Kind::Float)?;
        let training = seed.child("train");
        let observers = Vec::new();
        let data = Arc::from(train);
        // The folder is named after all that the weights depend on.
        let out = Output::new(&folder, to_toml(&fixtures::mlp())?).trusting_older();
        Trainer::new(&*model, data, config, training, Some(out), observers)?.train()?;

        let labels = test.batch(&(0..test.len()).collect::<Vec<_>>())?.labels;
        let pairs = draw_pairs(test.len(), labels.as_deref(), num_pairs, &seed);
        let images = |choose: fn(&(usize, usize)) -> usize| -> Result<Tensor> {
            let indices: Vec<usize> = pairs.iter().map(choose).collect();
            Ok(convert::to_tensor(&test.batch(&indices)?.x))
        };
        Ok(Self {
            x: images(|pair| pair.0)?,
            target: images(|pair| pair.1)?,
            model,
            about,
        })
    }
}

/// Where trained networks stay between runs.
#[expect(
    clippy::disallowed_methods,
    reason = "a cache that may vanish at any time, with a name that says all of its contents"
)]
fn cache() -> PathBuf {
    std::env::temp_dir()
}
