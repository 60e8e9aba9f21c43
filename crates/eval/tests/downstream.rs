//! Classifiers behind a frozen model, and densities after noise.

use std::sync::Arc;

use ndarray::Array4;
use vaegis_core::SeedTree;
use vaegis_data::{Batch, DatasetSpec, FloatStore, Split, Targets};
use vaegis_data::{Dataset as _, OpenOptions, open};
use vaegis_eval::denoise::{SCALES, denoising};
use vaegis_eval::downstream::{
    Task, downstream, representation, representation_set, targets_of_other_labels, told_right,
};
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_nn::{LatentModel as _, LatentPath, Mode};
use vaegis_tensor::convert::{to_f64_vec, to_tensor};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_train::{TrainConfig, Trainer};
use vaegis_zoo::{Classifier, ClassifierConfig, ClassifierNetwork};

/// Standard errors that a Monte-Carlo estimate may be off: 1 in 10⁶ by chance.
const STANDARD_ERRORS: f64 = 5.0;

fn seed() -> SeedTree {
    SeedTree::new(35)
}

fn noise(label: &str) -> Noise {
    Noise::portable(seed().child(label))
}

const NUM_CLASSES: usize = 3;
const NUM_INPUTS: usize = 6;

/// Vectors around one center a class, as images `[1, 1, 6]`.
fn clusters(len: usize, split: Split) -> FloatStore {
    let labels: Vec<i64> = (0..len).map(|i| (i % NUM_CLASSES) as i64).collect();
    let shape = [len as i64, NUM_INPUTS as i64];
    let spread = noise(split.name()).standard_normal(&shape, Kind::Float, Device::Cpu);
    let spread = Vec::<f32>::try_from(&spread.flatten(0, -1)).expect("numbers");
    let data = spread
        .iter()
        .enumerate()
        .map(|(k, e)| {
            let is_own = k % NUM_INPUTS % NUM_CLASSES == k / NUM_INPUTS % NUM_CLASSES;
            0.3 * e + if is_own { 2.0 } else { 0.0 }
        })
        .collect();
    let spec = DatasetSpec {
        name: "clusters".into(),
        item_shape: [1, 1, NUM_INPUTS],
        value_range: (0.0, 1.0),
        num_classes: Some(NUM_CLASSES),
        factor_names: vec![],
        factor_sizes: vec![],
        len,
        split,
        origin: "made".into(),
        checksum: split.name().into(),
    };
    let targets = Targets {
        labels: Some(labels),
        factors: None,
    };
    FloatStore::new(spec, data, targets).expect("fits")
}

fn all(data: &FloatStore) -> Batch {
    data.batch(&(0..data.len()).collect::<Vec<_>>())
        .expect("all")
}

#[test]
fn sb_35_attacked_and_clean_accuracy_and_their_drop() {
    // Networks this small only lose by threads.
    vaegis_tensor::device::set_num_threads(1);
    // An invertible encoder, so that the latents still know the class.
    let spec = LinearGaussianSpec::isotropic(NUM_INPUTS as i64, 4, 1.0, 0.1, &seed());
    let model = LinearGaussian::new(Kind::Float, &spec);
    let train = clusters(300, Split::Train);
    let test = all(&clusters(150, Split::Test));
    let x = to_tensor(&test.x);
    let labels = test.labels.expect("labels");
    for (task, network) in [
        (Task::Latent, ClassifierNetwork::mlp()),
        (Task::Reconstruction, ClassifierNetwork::mlp()),
        (Task::Reconstruction, ClassifierNetwork::conv()),
    ] {
        let set = representation_set(&model, &train, task, Some(&noise("train"))).expect("made");
        assert_eq!((set.len(), set.spec().num_classes), (300, Some(3)));
        let config = ClassifierConfig {
            input: set.spec().item_shape.map(|n| n as i64),
            num_classes: NUM_CLASSES as i64,
            network: network.clone(),
        };
        let noise_of_weights = noise("weights");
        let store = ParamStore::new(Kind::Float, Device::Cpu, noise_of_weights);
        let classifier = Classifier::new(&config, &store).expect("valid");
        let config = TrainConfig {
            batch_size: 50,
            epochs: 15,
            lr: 1e-2,
            ..TrainConfig::default()
        };
        let data: Arc<dyn vaegis_data::Dataset> = Arc::new(set);
        let mut trainer =
            Trainer::new(&classifier, data, config, seed(), None, vec![]).expect("starts");
        trainer.train().expect("trains");
        let classify = |x: &Tensor| classifier.logits(x);
        let answers = |x: &Tensor| {
            let seen = representation(&model, x, task, Some(&noise("test")));
            told_right(&classify, &seen, &labels).expect("fits")
        };
        // The perfect attack: the input becomes its target.
        let aims = targets_of_other_labels(&labels, &seed()).expect("three labels");
        assert!(aims.iter().zip(&labels).all(|(&a, l)| labels[a] != *l));
        let rows: Vec<i64> = aims.iter().map(|&a| a as i64).collect();
        let attacked = x.index_select(0, &Tensor::from_slice(&rows));
        let (before, after) = (answers(&x), answers(&attacked));
        let result = downstream(&before, &after, 0.95, &seed()).expect("measures");
        let share = |a: &[bool]| a.iter().filter(|&&a| a).count() as f64 / 150.0;
        assert!(
            share(&before) > 0.9,
            "{task:?} {network:?}: {}",
            share(&before)
        );
        assert!(
            share(&after) < 0.1,
            "{task:?} {network:?}: {}",
            share(&after)
        );
        assert!((result.drop.value - (share(&after) - share(&before))).abs() < 1e-12);
        assert!(result.drop.lower <= result.drop.value && result.drop.value <= result.drop.upper);
        assert_eq!(result.clean.value(), share(&before));
        assert_eq!(result.attacked.value(), share(&after));
    }
}

#[test]
fn representations_are_those_of_the_model_and_repeat() {
    let spec = LinearGaussianSpec::random(NUM_INPUTS as i64, 2, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = noise("x").standard_normal(&[300, 1, 1, NUM_INPUTS as i64], Kind::Double, Device::Cpu);
    let latent = representation(&model, &x, Task::Latent, None);
    let mean = model
        .posterior(&x, LatentPath::Mean, Mode::Eval)
        .z
        .remove(0);
    assert_eq!(latent.size(), [300, 1, 1, 2]);
    assert_eq!(to_f64_vec(&latent), to_f64_vec(&mean));
    let image = representation(&model, &x, Task::Reconstruction, None);
    assert_eq!(to_f64_vec(&image), to_f64_vec(&model.reconstruct(&x)));
    let drawn = |label| {
        to_f64_vec(&representation(
            &model,
            &x,
            Task::Latent,
            Some(&noise(label)),
        ))
    };
    assert_eq!(drawn("a"), drawn("a"));
    assert_ne!(drawn("a"), drawn("b"));
}

#[test]
fn downstream_refuses_what_it_cannot_measure() {
    let spec = LinearGaussianSpec::random(3, 2, &seed());
    let model = LinearGaussian::new(Kind::Float, &spec);
    let roll = open("swiss-roll", None, Split::Test, &OpenOptions::default()).expect("generated");
    let error = representation_set(&model, &*roll, Task::Latent, None).expect_err("no labels");
    assert!(error.to_string().contains("labels"), "{error}");
    assert!(targets_of_other_labels(&[4, 4, 4], &seed()).is_err());
    assert!(downstream(&[true], &[true, false], 0.95, &seed()).is_err());
    assert!(downstream(&[], &[], 0.95, &seed()).is_err());
    let x = to_tensor(&Array4::<f32>::zeros((2, 1, 1, 3)));
    assert!(told_right(&|x| x.flatten(1, -1), &x, &[0]).is_err());
}

#[test]
fn sb_34_no_noise_gives_the_plain_densities_and_noise_lowers_them_as_computed() {
    let spec = LinearGaussianSpec::random(5, 2, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = noise("x").standard_normal(&[1, 1, 1, 5], Kind::Double, Device::Cpu);
    let n = 20_000;
    let repeated = x.expand([n, 1, 1, 5], false);
    let found = denoising(&model, &repeated, &SCALES, &noise("denoise"));
    assert_eq!(found.iter().map(|d| d.scale).collect::<Vec<_>>(), SCALES);
    // Scale 0: log p(x|z) of plain draws of the posterior, to the bit.
    let plain = denoising(&model, &repeated, &[0.0], &noise("denoise"));
    assert_eq!(plain[0], found[0]);
    let first = noise("denoise").index(0).child("latents").index(0);
    let rows = repeated.narrow(0, 0, 1024);
    let eps = [first.standard_normal(&[1024, 2], Kind::Double, Device::Cpu)];
    let posterior = model.posterior(&rows, LatentPath::Noise(&eps), Mode::Eval);
    let direct = to_f64_vec(&model.decode(&posterior.z, Mode::Eval).log_prob(&rows));
    assert_eq!(direct, plain[0].log_likelihood[..1024]);
    // Noise on the input moves the reconstruction by a W A ε, so the expected density falls by
    // a² ‖W A‖² / 2 s².
    let map = spec.decoder_weight.matmul(&spec.encoder_weight);
    let square = to_f64_vec(&map.square().sum(None))[0];
    let variance = spec.observation_sigma.powi(2);
    for with_noise in &found[1..] {
        let pairs = with_noise
            .log_likelihood
            .iter()
            .zip(&plain[0].log_likelihood);
        let falls: Vec<f64> = pairs.map(|(a, b)| b - a).collect();
        let mean = falls.iter().sum::<f64>() / n as f64;
        let spread = falls.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / n as f64;
        let error = (spread / n as f64).sqrt();
        let expected = with_noise.scale.powi(2) * square / (2.0 * variance);
        assert!(
            (mean - expected).abs() < STANDARD_ERRORS * error,
            "scale {}: {mean} for {expected} ± {error}",
            with_noise.scale
        );
    }
}
