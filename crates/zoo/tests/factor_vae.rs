//! The FactorVAE: laws, and that neither side's loss moves the other's parameters.

mod common;

use common::{check_differences, images, loss_of, store};
use vaegis_nn::laws::check_latent_model;
use vaegis_nn::{LatentModel, LatentPath, Mode, Objective};
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::{Device, Kind, Noise, Tensor};
use vaegis_zoo::{
    DiscriminatorConfig, FactorVae, FactorVaeConfig, ModelConfig, NetworkConfig, Pixels, Profile,
    build,
};

fn small() -> FactorVaeConfig {
    FactorVaeConfig {
        input: [1, 4, 3],
        latent: 3,
        gamma: 5.0,
        pixels: Pixels::of(Profile::AsPlotted),
        network: NetworkConfig::mlp(&[9, 8]),
        discriminator: DiscriminatorConfig {
            hidden: vec![7, 7],
            ..DiscriminatorConfig::default()
        },
        ..FactorVaeConfig::default()
    }
}

fn model() -> FactorVae {
    FactorVae::new(&small(), &store(Kind::Double, 1)).expect("valid")
}

#[test]
fn it_satisfies_the_laws_of_latent_models() {
    let config = ModelConfig::FactorVae(small());
    for kind in [Kind::Double, Kind::Float] {
        let x = images([1, 4, 3], 3).to_kind(kind);
        check_latent_model(
            |seed| build(&config, &store(kind, seed)).expect("valid"),
            &x,
        );
    }
}

#[test]
fn the_discriminator_starts_as_in_the_paper() {
    let store = store(Kind::Float, 1);
    let config = FactorVaeConfig {
        input: [1, 4, 3],
        network: NetworkConfig::mlp(&[9]),
        ..FactorVaeConfig::default()
    };
    let model = FactorVae::new(&config, &store).expect("valid");
    let opponent = Objective::opponent(&model).expect("a discriminator");
    assert_eq!(
        (opponent.lr, opponent.beta1, opponent.beta2),
        (1e-4, 0.5, 0.9)
    );
    let sizes: Vec<Vec<i64>> = store
        .trainable()
        .iter()
        .filter(|(name, _)| opponent.owns(name) && name.ends_with("weight"))
        .map(|(_, t)| t.size())
        .collect();
    let hidden = || vec![1000, 1000];
    let expected = [
        vec![1000, 10],
        hidden(),
        hidden(),
        hidden(),
        hidden(),
        hidden(),
        vec![2, 1000],
    ];
    assert_eq!(sizes, expected);
}

#[test]
fn the_opponents_loss_reaches_the_discriminator_alone() {
    let model = model();
    let terms = loss_of(&model, &images([1, 4, 3], 6), 100);
    let opponent = Objective::opponent(&model).expect("a discriminator");
    let parameters = Objective::params(&model).trainable();
    let inputs: Vec<&Tensor> = parameters.iter().map(|(_, t)| t).collect();
    let [term] = &terms.opponent[..] else {
        panic!("one term")
    };
    let last = parameters.last().expect("parameters").0.clone();
    for ((name, _), slope) in parameters.iter().zip(gradient(&term.value, &inputs)) {
        let largest = slope.abs().max().double_value(&[]);
        assert_eq!(
            largest > 0.0,
            opponent.owns(name),
            "{name}: {largest}, last {last}"
        );
    }
}

#[test]
fn terms_have_the_slope_of_their_differences() {
    let model = model();
    let x = images([1, 4, 3], 4);
    let opponent = Objective::opponent(&model).expect("a discriminator");
    for (name, parameter) in Objective::params(&model).trainable() {
        if opponent.owns(&name) {
            let value = || loss_of(&model, &x, 100).opponent.remove(0).value;
            check_differences(&format!("discriminator in {name}"), &value, &parameter, 2);
        }
        for (k, term) in ["recon", "kl", "tc"].into_iter().enumerate() {
            let is_decoder = name.starts_with("decoder");
            let is_free_of_it = (opponent.owns(&name) && k < 2) || (is_decoder && k > 0);
            if !is_free_of_it {
                let value = || loss_of(&model, &x, 100).terms.remove(k).value.mean(None);
                check_differences(&format!("{term} in {name}"), &value, &parameter, 2);
            }
        }
    }
}

#[test]
fn the_density_ratio_has_the_sign_of_dependence() {
    // Trained on coordinates that are always equal, the discriminator finds them dependent.
    let config = FactorVaeConfig {
        latent: 2,
        discriminator: DiscriminatorConfig {
            hidden: vec![32, 32],
            ..DiscriminatorConfig::default()
        },
        ..small()
    };
    let store = store(Kind::Double, 1);
    let model = FactorVae::new(&config, &store).expect("valid");
    let column = Noise::portable(vaegis_core::SeedTree::new(5)).standard_normal(
        &[256, 1],
        Kind::Double,
        Device::Cpu,
    );
    let joint = Tensor::cat(&[&column, &column], 1);
    let product = Tensor::cat(&[&column, &column.roll([1], [0])], 1);
    let mine: Vec<Tensor> = store
        .trainable()
        .into_iter()
        .filter(|(name, _)| name.starts_with("discriminator."))
        .map(|(_, t)| t)
        .collect();
    for _ in 0..200 {
        let loss = (-model.log_density_ratio(&joint)).softplus().mean(None)
            + model.log_density_ratio(&product).softplus().mean(None);
        let slopes = gradient(&loss, &mine.iter().collect::<Vec<_>>());
        vaegis_tensor::no_grad(|| {
            for (parameter, slope) in mine.iter().zip(slopes) {
                let mut parameter = parameter.shallow_clone();
                parameter -= slope * 0.3;
            }
        });
    }
    let mean = |z: &Tensor| model.log_density_ratio(z).mean(None).double_value(&[]);
    assert!(mean(&joint) > 0.5 && mean(&product) < -0.5);
    let path = [Tensor::zeros([2, 2], (Kind::Double, Device::Cpu))];
    let posterior = model.posterior(&images([1, 4, 3], 2), LatentPath::Noise(&path), Mode::Eval);
    assert_eq!(posterior.z[0].size(), [2, 2]);
}
