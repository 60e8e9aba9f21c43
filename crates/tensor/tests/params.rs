//! Laws of the parameter store.

use vaegis_core::seed::SeedTree;
use vaegis_tensor::{Device, Init, Kind, Noise, ParamStore, Tensor, TensorError, convert};

fn store() -> ParamStore {
    ParamStore::new(Kind::Float, Device::Cpu, Noise::portable(SeedTree::new(5)))
}

fn filled() -> ParamStore {
    let store = store();
    let layer = store.root().sub("encoder").sub("0");
    let _ = layer
        .param("weight", &[3, 2], Init::Normal { std: 0.5 })
        .expect("new name");
    let _ = layer
        .param("bias", &[3], Init::Constant(0.25))
        .expect("new name");
    let _ = layer.buffer("running", &[3], 1.0).expect("new name");
    let _ = store
        .root()
        .param("alpha", &[200], Init::Uniform { bound: 0.1 })
        .expect("new name");
    store
}

fn names(tensors: &[(String, Tensor)]) -> Vec<&str> {
    tensors.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn order_is_that_of_creation() {
    let store = filled();
    let all = store.named_tensors();
    assert_eq!(
        names(&all),
        [
            "encoder.0.weight",
            "encoder.0.bias",
            "encoder.0.running",
            "alpha"
        ]
    );
    assert_eq!(
        names(&store.trainable()),
        ["encoder.0.weight", "encoder.0.bias", "alpha"]
    );
    assert_eq!(store.num_parameters(), 6 + 3 + 200);
}

#[test]
fn a_repeated_name_is_an_error_and_adds_nothing() {
    let store = filled();
    let error = store
        .root()
        .sub("encoder")
        .param("0.bias", &[1], Init::Constant(0.0));
    match error {
        Err(TensorError::DuplicateParameter { name }) => assert_eq!(name, "encoder.0.bias"),
        other => panic!("{other:?}"),
    }
    assert!(store.root().buffer("alpha", &[1], 0.0).is_err());
    assert_eq!(store.named_tensors().len(), 4);
}

#[test]
fn initial_values_depend_on_the_name_and_not_on_the_order() {
    let (a, b) = (store(), store());
    let init = Init::Normal { std: 1.0 };
    let first = a.root().param("x", &[10], init).expect("new name");
    let _ = a.root().param("y", &[10], init).expect("new name");
    let other = b.root().param("y", &[10], init).expect("new name");
    let same = b.root().param("x", &[10], init).expect("new name");
    assert!(first.equal(&same) && !first.equal(&other));
}

#[test]
fn initial_values_are_as_asked() {
    let store = filled();
    let all = store.named_tensors();
    let values = |i: usize| convert::to_f64_vec(&all[i].1);
    assert_eq!(values(1), [0.25; 3]);
    let uniform = values(3);
    assert!(uniform.iter().all(|x| x.abs() <= 0.1 + 1e-8));
    assert!(uniform.iter().any(|x| *x > 0.05) && uniform.iter().any(|x| *x < -0.05));
    assert!(all[0].1.requires_grad() && !all[2].1.requires_grad());
}

#[test]
fn clones_and_tensors_share_the_numbers() {
    let store = filled();
    let before = store.named_tensors();
    let copy: Vec<(String, Tensor)> = before
        .iter()
        .map(|(n, t)| (n.clone(), t.detach().full_like(7.0)))
        .collect();
    store
        .clone()
        .copy_from(&copy)
        .expect("same names and shapes");
    assert_eq!(convert::to_f64_vec(&before[1].1), [7.0; 3]);
    assert!(before[0].1.requires_grad() && before[0].1.is_leaf());
}

#[test]
fn wrong_values_are_refused_and_change_nothing() {
    let store = filled();
    let good: Vec<(String, Tensor)> = store
        .named_tensors()
        .iter()
        .map(|(n, t)| (n.clone(), t.detach().zeros_like()))
        .collect();
    let clone = |set: &[(String, Tensor)]| -> Vec<(String, Tensor)> {
        set.iter()
            .map(|(n, t)| (n.clone(), t.shallow_clone()))
            .collect()
    };
    let mut missing = clone(&good);
    missing.pop();
    let mut extra = clone(&good);
    extra.push(("other".to_owned(), Tensor::from(1.0_f32)));
    let mut shaped = clone(&good);
    shaped[1].1 = Tensor::zeros([4], (Kind::Float, Device::Cpu));
    for (word, set) in [
        ("alpha", missing),
        ("other", extra),
        ("encoder.0.bias", shaped),
    ] {
        let error = store.copy_from(&set).expect_err(word).to_string();
        assert!(
            error.contains(word) && error.contains("expected"),
            "{error}"
        );
    }
    assert_eq!(convert::to_f64_vec(&store.named_tensors()[1].1), [0.25; 3]);
}

#[test]
fn freezing_stops_gradients_for_existing_tensors_too() {
    let store = filled();
    let weight = store.trainable()[0].1.shallow_clone();
    store.set_trainable(false);
    assert!(!weight.requires_grad() && store.trainable().len() == 3);
    store.set_trainable(true);
    assert!(weight.requires_grad());
    assert!(
        !store.named_tensors()[2].1.requires_grad(),
        "buffers stay buffers"
    );
}
