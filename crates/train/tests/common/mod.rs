//! A small autoencoder with noise, and data in memory.

use ndarray::Array4;
use std::path::Path;
use std::sync::Arc;
use vaegis_core::SeedTree;
use vaegis_data::{Batch, DataError, Dataset, DatasetSpec, Split};
use vaegis_nn::{LossTerms, Objective, StepContext};
use vaegis_tensor::{Device, Init, Kind, Noise, ParamStore, Tensor};
use vaegis_train::{Observer, Output, TrainConfig, TrainError, TrainReport, Trainer};

/// Values per item.
pub(crate) const SIZE: i64 = 12;

/// Items in memory; the value at `bad` is NaN.
#[derive(Debug)]
pub(crate) struct Items {
    pub(crate) spec: DatasetSpec,
    pub(crate) bad: Option<usize>,
}

impl Items {
    pub(crate) fn new(len: usize) -> Self {
        let spec = DatasetSpec {
            name: "waves".to_owned(),
            item_shape: [1, 3, 4],
            value_range: (0.0, 1.0),
            num_classes: Some(2),
            factor_names: Vec::new(),
            factor_sizes: Vec::new(),
            len,
            split: Split::Train,
            origin: "test".to_owned(),
            checksum: format!("{len}"),
        };
        Self { spec, bad: None }
    }
}

impl Dataset for Items {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        batch.x = Array4::from_shape_fn((indices.len(), 1, 3, 4), |(b, _, h, w)| {
            let item = indices[b];
            if self.bad == Some(item) {
                return f32::NAN;
            }
            let phase = item as f32 * 0.37 + (h * 4 + w) as f32 * 0.9;
            0.5 + 0.5 * phase.sin()
        });
        batch.labels = Some(indices.iter().map(|i| (i % 2) as i64).collect());
        batch.factors = None;
        batch.indices = indices.to_vec();
        Ok(())
    }
}

/// A linear VAE with three latents, a running mean as buffer, and two terms.
#[derive(Debug)]
pub(crate) struct Toy {
    store: ParamStore,
    encoder: Tensor,
    decoder: Tensor,
    bias: Tensor,
    mean: Tensor,
}

impl Toy {
    pub(crate) fn new(seed: u64) -> Self {
        let noise = Noise::portable(SeedTree::new(seed).child("init"));
        let store = ParamStore::new(Kind::Float, Device::Cpu, noise);
        let root = store.root();
        let init = Init::Normal { std: 0.3 };
        let encoder = root.param("encoder", &[SIZE, 6], init).expect("new name");
        let decoder = root.param("decoder", &[3, SIZE], init).expect("new name");
        let bias = root
            .param("bias", &[SIZE], Init::Constant(0.0))
            .expect("new name");
        let _unused = root
            .param("unused", &[2], Init::Constant(1.0))
            .expect("new name");
        let mean = root.buffer("mean", &[SIZE], 0.0).expect("new name");
        Self {
            store,
            encoder,
            decoder,
            bias,
            mean,
        }
    }
}

impl Objective for Toy {
    fn loss(&self, x: &Tensor, labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
        assert_eq!(labels.expect("the data has labels").size(), [x.size()[0]]);
        let x = x.flatten(1, -1); // [B, SIZE]
        // A buffer that changes at every step must survive a resume as well.
        let mut mean = self.mean.shallow_clone();
        let batch_mean = x.detach().mean_dim(Some([0_i64].as_slice()), false, None);
        let _ = mean.lerp_(&batch_mean, 0.1);
        let encoded = (&x - &mean).matmul(&self.encoder);
        let (mu, log_sigma) = (encoded.narrow(1, 0, 3), encoded.narrow(1, 3, 3));
        let eps = ctx.latent_noise(0, &mu);
        let z = &mu + log_sigma.exp() * eps;
        let logits = z.matmul(&self.decoder) + &self.bias;
        let recon = (logits.softplus() - &x * &logits).sum_dim_intlist(1, false, None); // [B]
        let kl = (mu.square() + (&log_sigma * 2.0).exp() - 1.0 - &log_sigma * 2.0) * 0.5;
        let kl = kl.sum_dim_intlist(1, false, None); // [B]
        LossTerms::default()
            .with("recon", 1.0, recon)
            .with("kl", 0.5, kl)
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }
}

pub(crate) fn data() -> Arc<dyn Dataset> {
    Arc::new(Items::new(103))
}

pub(crate) fn config() -> TrainConfig {
    TrainConfig {
        batch_size: 10,
        epochs: 4,
        lr: 0.01,
        log_every: 7,
        checkpoint_every_steps: Some(5),
        checkpoint_every_seconds: None,
        clip_norm: Some(5.0),
        ..TrainConfig::default()
    }
}

pub(crate) fn train(
    toy: &Toy,
    config: TrainConfig,
    out: Option<&Path>,
    observers: Vec<Box<dyn Observer + '_>>,
) -> Result<TrainReport, TrainError> {
    let out = out.map(output);
    Trainer::new(toy, data(), config, SeedTree::new(3), out, observers)?.train()
}

/// The files of a run of one of these models.
pub(crate) fn output(out: &Path) -> Output {
    Output::new(out, "kind = \"toy\"\nbeta = 0.5\n")
}
