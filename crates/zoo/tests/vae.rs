//! The VAE family: laws of latent-variable models, identities in β, and finite
//! differences of every term of the loss.

mod common;

use approx::assert_relative_eq;
use common::{check_differences, store};
use vaegis_core::seed::SeedTree;
use vaegis_nn::laws::check_latent_model;
use vaegis_nn::{
    Activation, LatentModel, LatentPath, Likelihood, LikelihoodKind, LossTerms, Mode, Objective,
    StepContext,
};
use vaegis_tensor::autograd::{frobenius_norms, gradient, per_example_jacobian, spectral_norms};
use vaegis_tensor::{Device, Kind, Noise, Tensor, no_grad};
use vaegis_zoo::{Heads, ModelConfig, NetworkConfig, Vae, VaeConfig, build};

/// f64 identities of sums with some hundred terms.
const ROUNDING: f64 = 1e-11;
fn model(config: &VaeConfig) -> Vae {
    Vae::new(config, &store(Kind::Double, 1)).expect("valid")
}

fn images(config: &VaeConfig, batch: i64) -> Tensor {
    common::images(config.input, batch)
}

fn loss(model: &Vae, x: &Tensor) -> LossTerms {
    common::loss_of(model, x, 100)
}

fn small() -> VaeConfig {
    VaeConfig {
        input: [1, 4, 3],
        latent: 3,
        network: NetworkConfig::mlp(&[9, 8]),
        ..VaeConfig::default()
    }
}

fn conv(channels: i64, side: i64) -> VaeConfig {
    VaeConfig {
        input: [channels, side, side],
        latent: 4,
        network: NetworkConfig::conv(0.125),
        ..VaeConfig::default()
    }
}

/// Every kind of network, head and likelihood, small.
fn zoo() -> Vec<VaeConfig> {
    let smooth = NetworkConfig::Mlp {
        hidden: vec![9, 8],
        decoder_hidden: Some(vec![7, 7, 7]),
        activation: Activation::Softplus,
        decoder_activation: Some(Activation::Tanh),
        heads: Heads::SeparateLast,
    };
    let gaussian = LikelihoodKind::Gaussian { sigma: 0.1 };
    vec![
        small(),
        VaeConfig {
            network: NetworkConfig::mlp(&[]),
            ..small()
        },
        VaeConfig {
            network: smooth,
            beta: 4.0,
            tau: 0.5,
            ..small()
        },
        VaeConfig {
            likelihood: LikelihoodKind::ContinuousBernoulli,
            beta: 0.0,
            ..small()
        },
        VaeConfig {
            likelihood: gaussian,
            bounds: (-1.0, 1.0),
            ..small()
        },
        conv(1, 28),
        VaeConfig {
            likelihood: LikelihoodKind::Gaussian { sigma: 0.1 },
            ..conv(3, 32)
        },
        conv(1, 64),
    ]
}

#[test]
fn every_configuration_satisfies_the_laws_of_latent_models() {
    for config in zoo() {
        for kind in [Kind::Double, Kind::Float] {
            let x = images(&config, 3).to_kind(kind);
            let config = ModelConfig::Vae(config.clone());
            check_latent_model(
                |seed| build(&config, &store(kind, seed)).expect("valid"),
                &x,
            );
        }
    }
}

#[test]
fn beta_one_is_the_vae_and_the_loss_does_not_fall_in_beta() {
    for config in zoo() {
        let x = images(&config, 5);
        let total = |beta: f64| {
            let terms = loss(
                &model(&VaeConfig {
                    beta,
                    ..config.clone()
                }),
                &x,
            );
            let value = |name: &str| {
                let found = terms.terms.iter().find(|t| t.name == name).expect("term");
                found.value.mean(None).double_value(&[])
            };
            (terms.total().double_value(&[]), value("recon"), value("kl"))
        };
        let (vae, recon, kl) = total(1.0);
        assert_relative_eq!(vae, recon + kl, max_relative = ROUNDING);
        let mut last = f64::NEG_INFINITY;
        for beta in [0.0, 0.1, 0.5, 1.0, 2.0, 10.0] {
            let (beta_vae, _, _) = total(beta);
            assert_relative_eq!(beta_vae, recon + beta * kl, max_relative = ROUNDING);
            assert!(beta_vae >= last, "the loss fell at β = {beta}");
            last = beta_vae;
        }
    }
}

#[test]
fn permuting_the_batch_permutes_the_terms() {
    let config = small();
    let model = model(&config);
    let x = images(&config, 4);
    let order = Tensor::from_slice(&[2_i64, 0, 3, 1]);
    let kl = |x: &Tensor| {
        let posterior = model.posterior(x, LatentPath::Mean, Mode::Eval);
        model.kl_terms(&posterior, Mode::Eval).remove(0)
    };
    let difference = kl(&x.index_select(0, &order)) - kl(&x).index_select(0, &order);
    assert!(difference.abs().max().double_value(&[]) < ROUNDING);
}

#[test]
fn every_term_has_the_slope_of_its_differences_in_the_weights() {
    // The net for side 64 has no kind of layer that the smaller ones lack.
    for config in zoo().into_iter().filter(|config| config.input[1] < 64) {
        let model = model(&config);
        let x = images(&config, 3);
        let names: Vec<&str> = loss(&model, &x)
            .terms
            .iter()
            .map(|term| term.name)
            .collect();
        assert_eq!(names, ["recon", "kl"]);
        for (name, parameter) in Objective::params(&model).trainable() {
            for (k, term) in names.iter().enumerate() {
                // The decoder does not enter the divergence.
                if *term == "kl" && name.starts_with("decoder") {
                    continue;
                }
                let value = || loss(&model, &x).terms.remove(k).value.mean(None);
                check_differences(&format!("{term} in {name}"), &value, &parameter, 3);
            }
        }
    }
}

#[test]
fn every_term_has_the_slope_of_its_differences_in_mean_and_scale() {
    for config in zoo() {
        let model = model(&config);
        let x = images(&config, 2);
        let noise = Noise::portable(SeedTree::new(2));
        let draw = |label: &str| {
            noise
                .child(label)
                .standard_normal(&[2, config.latent], Kind::Double, Device::Cpu)
        };
        let mu = draw("mu").set_requires_grad(true);
        let log_sigma = (draw("log sigma") * 0.5).set_requires_grad(true);
        let eps = draw("eps");
        let posterior =
            || vaegis_dist::DiagNormal::new(mu.shallow_clone(), log_sigma.shallow_clone());
        let kl = || posterior().kl_to_standard();
        let recon = || {
            let z = vaegis_dist::Reparameterize::from_noise(&posterior(), &eps);
            -model.decode(&[z], Mode::Eval).log_prob(&x)
        };
        for (name, at) in [("mean", &mu), ("log scale", &log_sigma)] {
            check_differences(&format!("kl in the {name}"), &kl, at, 8);
            check_differences(&format!("recon in the {name}"), &recon, at, 8);
        }
    }
}

#[test]
fn tau_is_added_to_the_scale_and_bounds_it_from_below() {
    let config = small();
    let (plain, offset) = (
        model(&config),
        model(&VaeConfig {
            tau: 0.5,
            ..config.clone()
        }),
    );
    let x = images(&config, 6);
    let sigma = |model: &Vae| model.encode(&x, Mode::Eval).scale();
    let difference = sigma(&offset) - sigma(&plain) - 0.5;
    assert!(difference.abs().max().double_value(&[]) < ROUNDING);
    assert!(sigma(&offset).min().double_value(&[]) > 0.5);
}

#[test]
fn log_sigma_is_clamped_where_the_head_runs_away() {
    let config = small();
    let model = model(&config);
    let x = images(&config, 2);
    for (bias, expected) in [(1e6, 6.0), (-1e6, -12.0)] {
        no_grad(|| {
            let tensors = Objective::params(&model).named_tensors();
            let found = tensors
                .into_iter()
                .find(|(name, _)| name == "log_sigma.bias");
            let _ = found.expect("head").1.fill_(bias);
        });
        let log_sigma = model.encode(&x, Mode::Eval).log_scale().copy();
        assert!(log_sigma.eq(expected).all().int64_value(&[]) == 1);
        let total = loss(&model, &x).total().double_value(&[]);
        assert!(total.is_finite(), "{total}");
    }
}

#[test]
fn encoder_jacobian_is_the_product_of_the_layers() {
    let config = small();
    let model = model(&config);
    Objective::params(&model).set_trainable(false);
    let x = images(&config, 4);
    let mean = |x: &Tensor| model.encode(x, Mode::Eval).mean().shallow_clone();
    let found = per_example_jacobian(mean, &x).flatten(2, -1); // [B, d_z, d_x]
    let tensors = Objective::params(&model).named_tensors();
    let get = |wanted: &str| {
        let found = tensors.iter().find(|(name, _)| name == wanted);
        found.expect("parameter").1.shallow_clone()
    };
    for row in 0..4 {
        let mut h = x.narrow(0, row, 1).flatten(1, -1);
        let mut product = Tensor::eye(12, (Kind::Double, Device::Cpu));
        for layer in ["encoder.0", "encoder.2"] {
            let weight = get(&format!("{layer}.weight"));
            h = h.linear(&weight, Some(&get(&format!("{layer}.bias"))));
            let open = h.gt(0.0).to_kind(Kind::Double).transpose(0, 1); // [units, 1]
            product = open * weight.matmul(&product);
            h = h.relu();
        }
        product = get("mu.weight").matmul(&product);
        let error = (found.get(row) - product).abs().max().double_value(&[]);
        assert!(error < ROUNDING, "{error:e}");
    }
    let jacobians = found.reshape([4, 3, 12]);
    let gap = frobenius_norms(&jacobians) - spectral_norms(&jacobians);
    assert!(
        gap.min().double_value(&[]) >= -ROUNDING,
        "spectral norm above Frobenius norm"
    );
}

#[test]
fn same_seed_gives_identical_losses_for_a_hundred_steps() {
    let run = || -> Vec<u64> {
        let config = small();
        let store = store(Kind::Float, 3);
        let model = Vae::new(&config, &store).expect("valid");
        let x = images(&config, 8).to_kind(Kind::Float);
        let noise = Noise::portable(SeedTree::new(8));
        let parameters: Vec<Tensor> = store.trainable().into_iter().map(|(_, t)| t).collect();
        let step = |number: u64| {
            let noise = noise.index(number);
            let context = StepContext {
                step: number,
                noise: &noise,
                dataset_size: 8,
            };
            let total = model.loss(&x, None, &context).total();
            let inputs: Vec<&Tensor> = parameters.iter().collect();
            let slopes = gradient(&total, &inputs);
            no_grad(|| {
                for (parameter, slope) in parameters.iter().zip(slopes) {
                    let mut parameter = parameter.shallow_clone();
                    parameter -= slope * 0.01;
                }
            });
            total.double_value(&[]).to_bits()
        };
        (0..100).map(step).collect()
    };
    let first = run();
    assert_eq!(first, run());
    assert!(
        f64::from_bits(first[99]) < f64::from_bits(first[0]),
        "the loss falls"
    );
}

#[test]
fn likelihood_of_the_decoder_is_the_configured_one() {
    for config in zoo() {
        let z = Tensor::zeros([2, config.latent], (Kind::Double, Device::Cpu));
        let Likelihood { kind, parameter } = model(&config).decode(&[z], Mode::Eval);
        assert_eq!(kind, config.likelihood);
        assert_eq!(parameter.size()[1..], config.input);
    }
}
