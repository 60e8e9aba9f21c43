//! The Lipschitz VAE: laws of a latent model, constants by singular values,
//! slopes of the trained networks, and configurations that are refused.

use vaegis_core::config::Validate;
use vaegis_core::seed::SeedTree;
use vaegis_nn::laws::check_latent_model;
use vaegis_nn::lipschitz::{Bjorck, BjorckScaling, Excess};
use vaegis_nn::{LatentModel, LatentPath, LikelihoodKind, Mode, Objective, ScalePath, StepContext};
use vaegis_tensor::autograd::{per_example_jacobian, spectral_norms};
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, no_grad};
use vaegis_zoo::{
    BetaTcvaeConfig, FactorVaeConfig, LipschitzVae, LipschitzVaeConfig, ModelConfig, NetworkConfig,
    SigmaConfig, Vae, VaeConfig, build,
};

/// Rounding of f32 passes through three layers, relative.
const F32_ROUNDING: f64 = 1e-4;

fn noise(seed: u64) -> Noise {
    Noise::portable(SeedTree::new(seed).child("lipschitz"))
}

fn images(n: i64, kind: Kind) -> Tensor {
    noise(9).uniform(&[n, 1, 6, 5], kind, Device::Cpu)
}

fn small(sigma: SigmaConfig) -> LipschitzVaeConfig {
    LipschitzVaeConfig {
        input: [1, 6, 5],
        latent: 4,
        hidden: vec![16, 12],
        encoder_lipschitz: 5.0,
        decoder_lipschitz: 9.0,
        sigma,
        ..LipschitzVaeConfig::default()
    }
}

const CONSTANT: SigmaConfig = SigmaConfig::Constant { gamma: 0.2 };
const NETWORK: SigmaConfig = SigmaConfig::Network {
    lipschitz: 3.0,
    r: 2.0,
};

fn model(config: &LipschitzVaeConfig, kind: Kind, seed: u64) -> LipschitzVae {
    let store = ParamStore::new(kind, Device::Cpu, noise(seed));
    LipschitzVae::new(config, &store).expect("valid")
}

fn train(model: &LipschitzVae, steps: u64, lr: f64) -> (f64, f64) {
    let parameters = LatentModel::params(model).trainable();
    let config = AdamConfig {
        lr,
        ..AdamConfig::default()
    };
    let mut adam = Adam::new(parameters, config);
    let x = images(32, LatentModel::params(model).kind());
    let mut losses = Vec::new();
    for step in 0..steps {
        let context = StepContext {
            step,
            noise: &noise(3).index(step),
            dataset_size: 32,
        };
        let loss = model.loss(&x, None, &context).total();
        adam.zero_grad();
        loss.backward();
        adam.step();
        losses.push(loss.double_value(&[]));
    }
    (losses[0], losses[losses.len() - 1])
}

#[test]
fn a_lipschitz_vae_obeys_the_laws_of_latent_models() {
    for sigma in [NETWORK] {
        for kind in [Kind::Float, Kind::Double] {
            let config = small(sigma);
            check_latent_model(
                |seed| Box::new(model(&config, kind, seed)),
                &images(3, kind),
            );
        }
    }
}

/// C20: after training, every frozen layer passes the check, (a, b, c) are the
/// nominal ones, and no Jacobian is steeper.
#[test]
fn constants_are_verified_after_training_and_hold() {
    let config = small(NETWORK);
    let model = model(&config, Kind::Float, 1);
    let (first, last) = train(&model, 25, 1e-2);
    assert!(last < first, "training works: {first} to {last}");
    let constants = model.constants(Excess::Refuse).expect("orthonormal");
    let nominal = [9.0 / 12.0, 5.0, 3.0 / 4.0];
    let found = [constants.decoder, constants.mean, constants.sigma];
    for (found, nominal) in found.iter().zip(nominal) {
        assert!((found / nominal - 1.0).abs() < 1e-4, "{found} {nominal}");
    }
    for (name, layers) in model.check() {
        for layer in layers {
            assert!(layer.is_converged(), "{name}: {layer:?}");
        }
    }
    let paths = model.network_paths().expect("fully connected");
    assert!((paths.mean.lipschitz() / constants.mean - 1.0).abs() < 1e-4);
    assert!((paths.decoder.lipschitz() / constants.decoder - 1.0).abs() < 1e-4);
    let ScalePath::Lipschitz(sigma) = paths.scale else {
        panic!("σ is a network")
    };
    assert!((sigma / constants.sigma - 1.0).abs() < 1e-4);

    LatentModel::params(&model).set_trainable(false);
    let x = images(20, Kind::Float);
    let steepest = |f: &dyn Fn(&Tensor) -> Tensor, x: &Tensor| {
        let jacobians = per_example_jacobian(f, x);
        let flat = jacobians.flatten(2, -1);
        spectral_norms(&flat).max().double_value(&[])
    };
    let mean = steepest(&|x| model.encode(x, Mode::Eval).mean().shallow_clone(), &x);
    let sigma = steepest(&|x| model.encode(x, Mode::Eval).scale(), &x);
    let z = noise(4).standard_normal(&[20, 4], Kind::Float, Device::Cpu);
    let decoder = steepest(
        &|z| {
            let likelihood = model.decode(&[z.shallow_clone()], Mode::Eval);
            likelihood.mean().flatten(1, -1)
        },
        &z,
    );
    for (found, constant) in [
        (mean, constants.mean),
        (sigma, constants.sigma),
        (decoder, constants.decoder),
    ] {
        assert!(
            found <= constant * (1.0 + F32_ROUNDING),
            "{found} {constant}"
        );
        assert!(found > 0.02 * constant, "not far below: {found} {constant}");
    }
    // The explicit path is the network.
    let explicit = paths.mean.forward(&x.flatten(1, -1).to_kind(Kind::Double));
    let found = model.encode(&x, Mode::Eval).mean().to_kind(Kind::Double);
    assert!((explicit - found).abs().max().double_value(&[]) < F32_ROUNDING);
}

#[test]
fn sigma_stays_in_its_ball_and_a_constant_one_is_constant() {
    let config = small(NETWORK);
    let radius = config.sigma_radius().expect("a network");
    assert!((radius - (2.0 / (8f64.sqrt() * 0.75) - 1e-4)).abs() < 1e-12);
    let net = model(&config, Kind::Double, 2);
    let sigma = no_grad(|| net.encode(&images(50, Kind::Double), Mode::Eval).scale());
    let norms = sigma.square().sum_dim_intlist(1, false, None).sqrt();
    assert!(norms.max().double_value(&[]) <= radius * (1.0 + 1e-12));
    let constant = model(&small(CONSTANT), Kind::Double, 2);
    let sigma = no_grad(|| {
        constant
            .encode(&images(5, Kind::Double), Mode::Eval)
            .scale()
    });
    assert!((sigma - 0.2).abs().max().double_value(&[]) < 1e-12);
    assert_eq!(
        constant.network_paths().expect("fully connected").scale,
        ScalePath::Constant
    );
}

/// One Björck step from tiny singular values leaves the layers far from
/// orthonormal: no constant.
#[test]
fn unconverged_layers_are_refused() {
    let config = LipschitzVaeConfig {
        bjorck: Bjorck {
            eval_steps: 1,
            scaling: BjorckScaling::Size,
            ..Bjorck::default()
        },
        ..small(CONSTANT)
    };
    let model = model(&config, Kind::Double, 3);
    let error = model.constants(Excess::Refuse).expect_err("unconverged");
    assert!(error.to_string().contains("Björck steps"), "{error}");
    let constants = model.constants(Excess::Multiply).expect("still below 1");
    assert!((constants.mean - 5.0).abs() < 1e-9);
}

#[test]
fn configurations_round_trip_and_impossible_ones_list_their_reasons() {
    let config = ModelConfig::LipschitzVae(LipschitzVaeConfig::default());
    let text = toml::to_string(&config).expect("serializes");
    assert!(text.contains("family = \"lipschitz-vae\""), "{text}");
    assert_eq!(toml::from_str::<ModelConfig>(&text).expect("reads"), config);
    let minimal: ModelConfig = toml::from_str("family = 'lipschitz-vae'").expect("defaults");
    assert_eq!(minimal, config);
    assert!(config.violations().is_empty());
    let bad = LipschitzVaeConfig {
        hidden: vec![15],
        encoder_lipschitz: -1.0,
        sigma: SigmaConfig::Network {
            lipschitz: 1.0,
            r: 1e-6,
        },
        bjorck: Bjorck {
            order: 5,
            ..Bjorck::default()
        },
        ..LipschitzVaeConfig::default()
    };
    let keys: Vec<String> = bad.violations().into_iter().map(|v| v.key).collect();
    assert_eq!(
        keys,
        ["hidden", "encoder-lipschitz", "sigma.r", "bjorck.order"]
    );
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise(1));
    build(&ModelConfig::LipschitzVae(bad), &store).expect_err("impossible");
}

/// The explicit path of an ordinary VAE is its network, and no Jacobian is
/// steeper than the product of its layers' norms.
fn check_paths(model: &dyn vaegis_zoo::Model) {
    let x = images(10, Kind::Double);
    let paths = model.network_paths().expect("fully connected");
    let encode = |x: &Tensor| {
        model
            .posterior(x, LatentPath::Mean, Mode::Eval)
            .layers
            .remove(0)
    };
    let posterior = encode(&x);
    let difference = |a: Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
    let mean = paths.mean.forward(&x.flatten(1, -1));
    assert!(difference(mean, posterior.mean()) < 1e-12);
    let logits = paths.decoder.forward(posterior.mean());
    let likelihood = model.decode(&[posterior.mean().shallow_clone()], Mode::Eval);
    assert!(difference(logits, &likelihood.parameter.flatten(1, -1)) < 1e-12);
    assert_eq!(paths.scale, ScalePath::Unknown);
    let jacobians = per_example_jacobian(|x| encode(x).mean().shallow_clone(), &x);
    assert!(difference(model.mean_jacobian(&x), &jacobians.flatten(2, -1)) < 1e-12);
    let steepest = spectral_norms(&jacobians.flatten(2, -1)).max();
    assert!(steepest.double_value(&[]) <= paths.mean.lipschitz());
}

#[test]
fn paths_of_ordinary_vaes_are_their_networks() {
    for heads in [vaegis_zoo::Heads::Shared, vaegis_zoo::Heads::SeparateLast] {
        let mut network = NetworkConfig::mlp(&[12, 10]);
        if let NetworkConfig::Mlp { heads: h, .. } = &mut network {
            *h = heads;
        }
        let (input, latent) = ([1, 6, 5], 4);
        let vae = ModelConfig::Vae(VaeConfig {
            input,
            latent,
            network: network.clone(),
            likelihood: LikelihoodKind::Bernoulli,
            ..VaeConfig::default()
        });
        let beta_tcvae = ModelConfig::BetaTcvae(BetaTcvaeConfig {
            input,
            latent,
            network: network.clone(),
            ..BetaTcvaeConfig::default()
        });
        let factor_vae = ModelConfig::FactorVae(FactorVaeConfig {
            input,
            latent,
            network,
            ..FactorVaeConfig::default()
        });
        for config in [vae, beta_tcvae, factor_vae] {
            let store = ParamStore::new(Kind::Double, Device::Cpu, noise(5));
            let model = build(&config, &store).expect("valid");
            store.set_trainable(false);
            check_paths(&*model);
        }
    }
    let conv = VaeConfig {
        network: NetworkConfig::conv(0.25),
        ..VaeConfig::default()
    };
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise(5));
    let vae = Vae::new(&conv, &store).expect("valid");
    assert!(vae.network_paths().is_none(), "not fully connected");
}
