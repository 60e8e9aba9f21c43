//! The downstream classifiers: sizes, loss, gradients, refusals.

use vaegis_core::SeedTree;
use vaegis_nn::{Objective as _, StepContext};
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_zoo::{Classifier, ClassifierConfig, ClassifierNetwork, ZooError};

/// Both sides compute in f64.
const TOLERANCE: f64 = 1e-12;

fn store() -> ParamStore {
    ParamStore::new(Kind::Double, Device::Cpu, Noise::portable(SeedTree::new(8)))
}

fn config(network: ClassifierNetwork) -> ClassifierConfig {
    ClassifierConfig {
        input: [3, 32, 32],
        num_classes: 10,
        network,
    }
}

fn num_parameters(store: &ParamStore) -> usize {
    store.trainable().iter().map(|(_, t)| t.numel()).sum()
}

#[test]
fn sizes_are_those_of_the_table_of_downstream_tasks() {
    // 3072·256 + 256 + 256·10 + 10, and 27·32 + 32 + 288·64 + 64 + 576·128 + 128 + 128·10 + 10.
    for (network, expected) in [
        (ClassifierNetwork::mlp(), 789_258),
        (ClassifierNetwork::conv(), 94_538),
    ] {
        let store = store();
        let classifier = Classifier::new(&config(network), &store).expect("valid");
        assert_eq!(num_parameters(&store), expected);
        let x = Tensor::zeros([4, 3, 32, 32], (Kind::Double, Device::Cpu));
        assert_eq!(classifier.logits(&x).size(), [4, 10]);
    }
}

#[test]
fn the_loss_is_the_cross_entropy_and_its_gradient_the_residual() {
    for network in [ClassifierNetwork::mlp(), ClassifierNetwork::conv()] {
        let store = store();
        let classifier = Classifier::new(&config(network), &store).expect("valid");
        let noise = Noise::portable(SeedTree::new(9));
        let x = noise.standard_normal(&[5, 3, 32, 32], Kind::Double, Device::Cpu);
        let labels = Tensor::from_slice(&[3_i64, 0, 9, 3, 7]);
        let context = StepContext {
            step: 0,
            noise: &noise,
            dataset_size: 5,
        };
        let terms = classifier.loss(&x, Some(&labels), &context);
        assert_eq!(terms.terms[0].name, "cross-entropy");
        let found = to_f64_vec(&terms.terms[0].value);
        let logits = to_f64_vec(&classifier.logits(&x));
        for (i, label) in [3, 0, 9, 3, 7].into_iter().enumerate() {
            let row = &logits[10 * i..10 * i + 10];
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            assert!((found[i] - (sum.ln() - row[label])).abs() < TOLERANCE);
        }
        // The gradient with respect to the last bias: mean of softmax minus one-hot.
        let parameters = store.trainable();
        let (_, bias) = parameters.last().expect("parameters");
        let slope = to_f64_vec(&gradient(&terms.total(), &[bias])[0]);
        for (k, slope) in slope.iter().enumerate() {
            let expected: f64 = [3, 0, 9, 3, 7]
                .into_iter()
                .enumerate()
                .map(|(i, label)| {
                    let row = &logits[10 * i..10 * i + 10];
                    let sum: f64 = row.iter().map(|v| v.exp()).sum();
                    row[k].exp() / sum - f64::from(u8::from(label == k))
                })
                .sum::<f64>()
                / 5.0;
            assert!(
                (slope - expected).abs() < TOLERANCE,
                "{slope} for {expected}"
            );
        }
    }
}

#[test]
fn impossible_classifiers_are_refused_with_all_reasons() {
    let wrong = ClassifierConfig {
        input: [0, 8, 8],
        num_classes: 1,
        network: ClassifierNetwork::Mlp { hidden: vec![-4] },
    };
    let error = Classifier::new(&wrong, &store()).expect_err("impossible");
    assert!(matches!(error, ZooError::Config { .. }));
    let text = error.to_string();
    for word in ["input", "num-classes", "network"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let text = "input = [1, 8, 8]\nnum-classes = 3\n[network]\nkind = \"mlp\"\nhidden = [5]\n";
    let read: ClassifierConfig = toml::from_str(text).expect("reads");
    assert_eq!(read.network, ClassifierNetwork::Mlp { hidden: vec![5] });
    assert!(toml::from_str::<ClassifierConfig>(&text.replace("hidden", "hiden")).is_err());
}
