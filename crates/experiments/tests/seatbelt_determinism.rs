//! A Seatbelt-VAE with batch normalization in trunk, decoder and conditionals: one seed gives one
//! training, and a checkpoint gives back the very bits of its bound (SB-43).

use std::path::Path;
use std::sync::Arc;
use vaegis_core::SeedTree;
use vaegis_data::{Dataset, DatasetSpec, FloatStore, Split, Targets};
use vaegis_eval::elbo::layered_elbo;
use vaegis_nn::{LatentModel, LikelihoodKind};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, device};
use vaegis_train::{MetricRecord, Output, TrainConfig, Trainer, load_parameters, read_metrics};
use vaegis_zoo::{NetworkConfig, Pixels, Seatbelt, SeatbeltConfig};

const NUM_STEPS: u64 = 100;
const NUM_ITEMS: usize = 160;
const SIDE: usize = 28;

fn model() -> Seatbelt {
    let config = SeatbeltConfig {
        input: [1, SIDE as i64, SIDE as i64],
        layers: 3,
        z_sizes: vec![5, 4, 3],
        h_sizes: vec![8, 6],
        beta: 4.0,
        pixels: Pixels::custom((0.0, 1.0), LikelihoodKind::Bernoulli),
        network: NetworkConfig::conv(0.125),
        ..SeatbeltConfig::default()
    };
    let init = Noise::portable(SeedTree::new(43).child("init"));
    let store = ParamStore::new(Kind::Float, Device::Cpu, init);
    Seatbelt::new(&config, &store).expect("valid")
}

/// Bars of different places and widths.
fn images() -> FloatStore {
    let pixel = |item: usize, column: usize| {
        let (left, width) = (item % 20, 2 + item % 7);
        let is_inside = (left..left + width).contains(&column);
        if is_inside { 0.9 } else { 0.1 }
    };
    let data = (0..NUM_ITEMS * SIDE * SIDE)
        .map(|k| pixel(k / (SIDE * SIDE), k % SIDE))
        .collect();
    let spec = DatasetSpec {
        name: "bars".into(),
        item_shape: [1, SIDE, SIDE],
        value_range: (0.0, 1.0),
        num_classes: None,
        factor_names: vec![],
        factor_sizes: vec![],
        len: NUM_ITEMS,
        split: Split::Train,
        origin: "made".into(),
        checksum: "bars".into(),
    };
    let targets = Targets {
        labels: None,
        factors: None,
    };
    FloatStore::new(spec, data, targets).expect("fits")
}

fn train(seed: u64, out: &Path) -> (Seatbelt, Vec<MetricRecord>) {
    let model = model();
    let config = TrainConfig {
        batch_size: 16,
        epochs: NUM_STEPS,
        max_steps: Some(NUM_STEPS),
        log_every: 1,
        lr: 3e-3,
        ..TrainConfig::default()
    };
    let data: Arc<dyn Dataset> = Arc::new(images());
    let seed = SeedTree::new(seed);
    let place = Output::new(out, "the Seatbelt-VAE of this test");
    let mut trainer =
        Trainer::new(&model, data, config, seed, Some(place), vec![]).expect("a run starts");
    trainer.train().expect("trains");
    drop(trainer);
    let metrics = read_metrics(&out.join("metrics.jsonl")).expect("reads");
    (model, metrics)
}

/// Every parameter and running statistic by name, with its bits.
fn bits(model: &Seatbelt) -> Vec<(String, Vec<u64>)> {
    let tensors = LatentModel::params(model).named_tensors();
    let of = |t: &Tensor| to_f64_vec(t).iter().map(|v| v.to_bits()).collect();
    tensors
        .iter()
        .map(|(name, t)| (name.clone(), of(t)))
        .collect()
}

/// The bits of the bound on the first images, one number per term.
fn bound(model: &Seatbelt) -> Vec<u64> {
    let batch = images().batch(&(0..40).collect::<Vec<_>>()).expect("items");
    let x = vaegis_tensor::convert::to_tensor(&batch.x);
    let noise = Noise::portable(SeedTree::new(7));
    let found = layered_elbo(model, &x, 2, &noise);
    let mut terms = vec![found.log_likelihood, found.standard_error];
    terms.extend(found.layers);
    assert!(terms.iter().all(|v| v.is_finite()), "{terms:?}");
    terms.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn sb43_one_seed_gives_one_training_and_a_checkpoint_its_bits() {
    device::set_num_threads(1);
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second, other] = ["first", "second", "other"].map(|name| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    });
    let (model_a, losses_a) = train(1, &first);
    let (model_b, losses_b) = train(1, &second);
    assert_eq!(losses_a.len() as u64, NUM_STEPS);
    // JSON keeps every bit of a finite number, and no loss is any other.
    assert_eq!(losses_a, losses_b);
    assert_eq!(bits(&model_a), bits(&model_b));
    let (_, losses_c) = train(2, &other);
    assert_ne!(losses_a, losses_c, "the seed does not matter");
    assert!(losses_a[99].loss < losses_a[0].loss, "nothing was learned");

    let untrained = model();
    let moved = bits(&untrained).into_iter().zip(bits(&model_a));
    let moved = moved
        .filter(|((name, before), (_, after))| name.ends_with("running_var") && before != after);
    // Four layers of trunk or decoder and two in each of the four conditionals, at the least.
    assert!(moved.count() >= 12, "batch normalization is everywhere");
    let expected = bound(&model_a);
    assert_ne!(bound(&untrained), expected);
    load_parameters(&first, LatentModel::params(&untrained)).expect("loads");
    assert_eq!(bits(&untrained), bits(&model_a));
    assert_eq!(bound(&untrained), expected);
}
