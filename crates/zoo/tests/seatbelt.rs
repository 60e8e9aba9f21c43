//! β-TCVAE and Seatbelt-VAE: laws of latent-variable models, the identities of the
//! specification's checklist, and finite differences of every term.

mod common;

use approx::assert_relative_eq;
use common::{check_differences, images, loss_of, store};
use vaegis_dist::Distribution as _;
use vaegis_dist::total_correlation::{Estimator, decomposition};
use vaegis_nn::laws::check_latent_model;
use vaegis_nn::{LatentModel, LatentPath, LikelihoodKind, LossTerms, Mode, Objective};
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::{Kind, Noise, Tensor};
use vaegis_zoo::seatbelt::{CELEBA_SIZES, GREY_SIZES};
use vaegis_zoo::{
    BetaTcvae, BetaTcvaeConfig, KlLower, LikelihoodInputs, ModelConfig, NetworkConfig,
    ObjectiveForm, Pixels, PosteriorKind, Profile, Seatbelt, SeatbeltConfig, TcPenalty, build,
};

/// f64 identities of sums with some hundred terms.
const ROUNDING: f64 = 1e-11;

/// The mean of a term.
fn mean_of(terms: &LossTerms, name: &str) -> f64 {
    let found = terms.terms.iter().find(|t| t.name == name);
    found.expect("term").value.mean(None).double_value(&[])
}

fn grey() -> Pixels {
    Pixels::of(Profile::AsPlotted)
}

fn small_tcvae() -> BetaTcvaeConfig {
    BetaTcvaeConfig {
        input: [1, 4, 3],
        latent: 3,
        beta: 4.0,
        pixels: grey(),
        network: NetworkConfig::mlp(&[9, 8]),
        ..BetaTcvaeConfig::default()
    }
}

fn small() -> SeatbeltConfig {
    SeatbeltConfig {
        input: [1, 4, 3],
        layers: 3,
        z_sizes: vec![7, 5, 4, 3],
        h_sizes: vec![8, 6],
        beta: 4.0,
        free_bits: Some(0.0),
        pixels: grey(),
        network: NetworkConfig::mlp(&[9, 8]),
        ..SeatbeltConfig::default()
    }
}

fn conv(channels: i64, side: i64) -> SeatbeltConfig {
    SeatbeltConfig {
        input: [channels, side, side],
        layers: 2,
        pixels: Pixels::default(),
        network: NetworkConfig::conv(0.125),
        free_bits: None,
        ..small()
    }
}

fn seatbelts() -> Vec<SeatbeltConfig> {
    let mut all = vec![
        SeatbeltConfig {
            layers: 1,
            ..small()
        },
        conv(1, 28),
        SeatbeltConfig {
            separate_trunks: true,
            ..conv(3, 32)
        },
        conv(1, 64),
        SeatbeltConfig {
            free_bits: Some(0.05),
            penalty: TcPenalty::Mss,
            ..small()
        },
    ];
    for posterior in [PosteriorKind::BottomUp, PosteriorKind::TopDown] {
        for kl_lower in [KlLower::Mc, KlLower::Analytic] {
            for likelihood_inputs in [LikelihoodInputs::All, LikelihoodInputs::Bottom] {
                all.push(SeatbeltConfig {
                    posterior,
                    kl_lower,
                    likelihood_inputs,
                    ..small()
                });
            }
        }
    }
    all
}

fn tcvaes() -> Vec<BetaTcvaeConfig> {
    let mut all = vec![BetaTcvaeConfig {
        penalty: TcPenalty::None,
        ..small_tcvae()
    }];
    for penalty in [TcPenalty::Mws, TcPenalty::Mss, TcPenalty::Compat] {
        for objective in [ObjectiveForm::Compact, ObjectiveForm::Split] {
            all.push(BetaTcvaeConfig {
                penalty,
                objective,
                ..small_tcvae()
            });
        }
    }
    all
}

fn configs() -> Vec<ModelConfig> {
    let seatbelts = seatbelts().into_iter().map(ModelConfig::Seatbelt);
    seatbelts
        .chain(tcvaes().into_iter().map(ModelConfig::BetaTcvae))
        .collect()
}

fn seatbelt(config: &SeatbeltConfig) -> Seatbelt {
    Seatbelt::new(config, &store(Kind::Double, 1)).expect("valid")
}

fn input_of(config: &ModelConfig) -> [i64; 3] {
    build(config, &store(Kind::Float, 1))
        .expect("valid")
        .input_shape()
}

/// Noise for every layer.
fn noise_of(model: &dyn LatentModel, batch: i64, kind: Kind) -> Vec<Tensor> {
    let noise = Noise::portable(vaegis_core::SeedTree::new(6));
    let sizes = model.latent_sizes();
    let draw = |(l, &size): (usize, &i64)| {
        noise
            .index(l as u64)
            .standard_normal(&[batch, size], kind, vaegis_tensor::Device::Cpu)
    };
    sizes.iter().enumerate().map(draw).collect()
}

#[test]
fn every_configuration_satisfies_the_laws_of_latent_models() {
    for config in configs() {
        for kind in [Kind::Double, Kind::Float] {
            let x = images(input_of(&config), 3).to_kind(kind);
            check_latent_model(
                |seed| build(&config, &store(kind, seed)).expect("valid"),
                &x,
            );
        }
    }
}

#[test]
fn sb08_split_is_compact_with_a_monte_carlo_divergence() {
    let x = images([1, 4, 3], 5);
    for penalty in [TcPenalty::Mws, TcPenalty::Mss, TcPenalty::Compat] {
        for beta in [0.0, 0.7, 1.0, 3.3, 10.0] {
            let of = |objective| {
                let config = BetaTcvaeConfig {
                    beta,
                    penalty,
                    objective,
                    ..small_tcvae()
                };
                let model = BetaTcvae::new(&config, &store(Kind::Double, 1)).expect("valid");
                let terms = loss_of(&model, &x, 100);
                (model, terms)
            };
            let (model, split) = of(ObjectiveForm::Split);
            let (_, compact) = of(ObjectiveForm::Compact);
            let noise = Noise::portable(vaegis_core::SeedTree::new(4));
            let eps = noise.child("z").index(0).standard_normal(
                &[5, 3],
                Kind::Double,
                vaegis_tensor::Device::Cpu,
            );
            let posterior = model.posterior(&x, LatentPath::Noise(&[eps]), Mode::Train);
            let ratio = model.log_ratio_terms(&posterior, Mode::Train).remove(0);
            let tc = if beta == 1.0 {
                0.0
            } else {
                (beta - 1.0) * mean_of(&compact, "tc")
            };
            let expected = mean_of(&compact, "recon") + ratio.mean(None).double_value(&[]) + tc;
            let found = split.total().double_value(&[]);
            assert_relative_eq!(found, expected, max_relative = ROUNDING);
        }
    }
}

#[test]
fn sb11_one_layer_is_the_beta_tcvae_bit_for_bit() {
    for kind in [Kind::Double, Kind::Float] {
        for network in [NetworkConfig::mlp(&[9, 8]), NetworkConfig::conv(0.125)] {
            let side = 28;
            let flat = BetaTcvaeConfig {
                input: [1, side, side],
                network: network.clone(),
                ..small_tcvae()
            };
            let layered = SeatbeltConfig {
                input: [1, side, side],
                layers: 1,
                free_bits: None,
                network,
                ..small()
            };
            let run = |config: ModelConfig| {
                let model = build(&config, &store(kind, 3)).expect("valid");
                let x = images([1, side, side], 4).to_kind(kind);
                let total = loss_of(&*model, &x, 1000).total();
                let parameters = model.store().trainable();
                let inputs: Vec<&Tensor> = parameters.iter().map(|(_, t)| t).collect();
                let slopes = gradient(&total, &inputs);
                let names: Vec<String> = parameters.iter().map(|(n, _)| n.clone()).collect();
                (names, total, slopes)
            };
            let (names, total, slopes) = run(ModelConfig::BetaTcvae(flat));
            let (other_names, other_total, other_slopes) = run(ModelConfig::Seatbelt(layered));
            assert_eq!(names, other_names);
            assert!(total.equal(&other_total), "{total:?} and {other_total:?}");
            for ((name, a), b) in names.iter().zip(&slopes).zip(&other_slopes) {
                assert!(a.equal(b), "slope in {name}");
            }
        }
    }
}

#[test]
fn sb12_at_beta_one_the_size_of_the_data_does_not_matter() {
    let x = images([1, 4, 3], 5);
    let total = |beta: f64, size: usize| {
        let model = seatbelt(&SeatbeltConfig { beta, ..small() });
        loss_of(&model, &x, size).total().double_value(&[])
    };
    assert_eq!(total(1.0, 100).to_bits(), total(1.0, 60_000).to_bits());
    // Elsewhere weighted sampling shifts by (β − 1)(d − 1) log of the ratio of sizes.
    let shift = total(4.0, 60_000) - total(4.0, 100);
    assert_relative_eq!(shift, 3.0 * 2.0 * 600.0_f64.ln(), max_relative = ROUNDING);
}

#[test]
fn sb14_the_decomposition_of_the_bound_is_an_identity() {
    for layers in 1..=3 {
        let model = seatbelt(&SeatbeltConfig { layers, ..small() });
        let batch = 6;
        let x = images([1, 4, 3], batch);
        let eps = noise_of(&model, batch, Kind::Double);
        let posterior = model.posterior(&x, LatentPath::Noise(&eps), Mode::Eval);
        let recon = model.decode(&posterior.z, Mode::Eval).log_prob(&x);
        let ratios = model.log_ratio_terms(&posterior, Mode::Eval);
        let elbo = ratios.iter().fold(recon.shallow_clone(), |sum, k| sum - k);

        let top = layers - 1;
        let (law, z) = (&posterior.layers[top], &posterior.z[top]);
        let size = batch as f64;
        let parts = decomposition(z, law.mean(), law.log_scale(), size, Estimator::Full);
        let priors = model.priors(&posterior.z, Mode::Eval);
        let r = (0..top).fold(recon.zeros_like(), |sum, l| {
            let z = &posterior.z[l];
            sum + priors[l].log_prob(z) - posterior.layers[l].log_prob(z)
        });
        let sum = (recon + r).mean(None)
            - parts.mutual_information
            - parts.dimension_wise
            - parts.total_correlation;
        let (found, expected) = (sum.double_value(&[]), elbo.mean(None).double_value(&[]));
        assert_relative_eq!(found, expected, max_relative = ROUNDING);
    }
}

#[test]
fn sb15_the_likelihood_reads_all_layers_or_the_bottom_one() {
    for likelihood_inputs in [LikelihoodInputs::All, LikelihoodInputs::Bottom] {
        let model = seatbelt(&SeatbeltConfig {
            likelihood_inputs,
            ..small()
        });
        let x = images([1, 4, 3], 2);
        let eps = noise_of(&model, 2, Kind::Double);
        let z: Vec<Tensor> = model
            .posterior(&x, LatentPath::Noise(&eps), Mode::Eval)
            .z
            .iter()
            .map(|z| z.detach().set_requires_grad(true))
            .collect();
        let recon = model.decode(&z, Mode::Eval).log_prob(&x).sum(None);
        let slopes = gradient(&recon, &z.iter().collect::<Vec<_>>());
        for (l, slope) in slopes.iter().enumerate() {
            let largest = slope.abs().max().double_value(&[]);
            let is_read = likelihood_inputs == LikelihoodInputs::All || l == 0;
            assert_eq!(largest > 0.0, is_read, "layer {l}: {largest}");
        }
    }
}

#[test]
fn sb16_the_penalty_touches_the_top_layer_and_no_generative_parameter() {
    let model = seatbelt(&small());
    let terms = loss_of(&model, &images([1, 4, 3], 5), 100);
    let tc = terms.terms.into_iter().find(|t| t.name == "tc");
    let parameters = Objective::params(&model).trainable();
    let inputs: Vec<&Tensor> = parameters.iter().map(|(_, t)| t).collect();
    let slopes = gradient(&tc.expect("a penalty").value, &inputs);
    for ((name, _), slope) in parameters.iter().zip(slopes) {
        let largest = slope.abs().max().double_value(&[]);
        let is_generative = name.starts_with("generative") || name.starts_with("decoder");
        // A bias before a batch normalization has no effect at all.
        let is_absorbed = name.ends_with(".net.0.bias") || name.ends_with(".net.3.bias");
        if is_generative {
            assert_eq!(largest, 0.0, "{name}");
        } else if !is_absorbed {
            assert!(largest > 0.0, "{name}");
        }
    }
}

#[test]
fn sb17_a_model_takes_the_last_sizes_of_the_list() {
    let sizes = |z_sizes: &[i64], layers| {
        let config = SeatbeltConfig {
            layers,
            z_sizes: z_sizes.to_vec(),
            ..SeatbeltConfig::default()
        };
        (config.latent_sizes().to_vec(), config.decoder_inputs())
    };
    assert_eq!(sizes(&GREY_SIZES, 4), (vec![48, 24, 12, 6], 90));
    assert_eq!(sizes(&GREY_SIZES, 2), (vec![12, 6], 18));
    assert_eq!(sizes(&GREY_SIZES, 1), (vec![6], 6));
    assert_eq!(sizes(&CELEBA_SIZES, 2), (vec![64, 32], 96));
    assert_eq!(sizes(&CELEBA_SIZES, 4), (vec![256, 128, 64, 32], 480));
    let weights = Objective::params(&seatbelt(&small())).named_tensors();
    let find = |wanted: &str| {
        let found = weights.iter().find(|(name, _)| name == wanted);
        found.expect("parameter").1.size()
    };
    assert_eq!(find("decoder.0.weight"), [8, 5 + 4 + 3]);
    // Counted from the data: 5 → 4 through 8 hidden units, 4 → 3 through 6.
    assert_eq!(find("inference.0.net.0.weight"), [8, 5 + 8]);
    assert_eq!(find("inference.1.net.0.weight"), [6, 4 + 8]);
    assert_eq!(find("generative.0.mu.weight"), [5, 8]);
    assert_eq!(find("generative.1.mu.weight"), [4, 6]);
}

#[test]
fn sb19_clamped_coordinates_of_a_model_give_no_gradient() {
    // With more free bits than any coordinate uses, the divergence is constant.
    let config = SeatbeltConfig {
        free_bits: Some(1e3),
        beta: 1.0,
        ..small()
    };
    let model = seatbelt(&config);
    let terms = loss_of(&model, &images([1, 4, 3], 4), 100);
    for (name, size) in [("kl1", 5.0), ("kl2", 4.0), ("kl3", 3.0)] {
        assert_relative_eq!(mean_of(&terms, name), size * 1e3);
    }
    let parameters = Objective::params(&model).trainable();
    let inputs: Vec<&Tensor> = parameters.iter().map(|(_, t)| t).collect();
    let divergences = terms.terms.iter().filter(|t| t.name.starts_with("kl"));
    let sum = divergences.fold(Tensor::from(0.0), |sum, t| sum + &t.value);
    for ((name, _), slope) in parameters.iter().zip(gradient(&sum, &inputs)) {
        assert_eq!(slope.abs().max().double_value(&[]), 0.0, "{name}");
    }
}

#[test]
fn sb42_profiles_set_range_and_likelihood_and_stand_in_the_configuration() {
    let gaussian = LikelihoodKind::Gaussian { sigma: 0.1 };
    let (text, plotted) = (Pixels::of(Profile::Text), Pixels::of(Profile::AsPlotted));
    for (pixels, channels, bounds, likelihood) in [
        (text, 1, (-1.0, 1.0), gaussian),
        (text, 3, (-1.0, 1.0), gaussian),
        (plotted, 1, (0.0, 1.0), LikelihoodKind::Bernoulli),
        (plotted, 3, (-1.0, 1.0), gaussian),
    ] {
        assert_eq!(pixels.bounds(channels), bounds);
        assert_eq!(pixels.likelihood(channels), likelihood);
    }
    let config = ModelConfig::Seatbelt(SeatbeltConfig {
        pixels: plotted,
        ..SeatbeltConfig::default()
    });
    let text = toml::to_string(&config).expect("serializes");
    assert!(text.contains("profile = \"as-plotted\""), "{text}");
    let again: ModelConfig = toml::from_str(&text).expect("reads its own TOML");
    assert_eq!(again, config);
    assert!(Profile::AsPlotted.attacks_in_unit_box() && !Profile::Text.attacks_in_unit_box());
}

#[test]
fn sb09_every_term_has_the_slope_of_its_differences_in_the_weights() {
    let smooth = |config: &ModelConfig| input_of(config)[1] < 28;
    for config in configs().into_iter().filter(smooth) {
        let model = build(&config, &store(Kind::Double, 1)).expect("valid");
        let x = images(model.input_shape(), 3);
        // One sum with a different weight for each term: a wrong slope of any of them shows.
        let value = || {
            let terms = loss_of(&*model, &x, 100).terms;
            let weighted = terms.iter().enumerate();
            let weighted = weighted.map(|(k, t)| t.value.mean(None) * (0.6 + 0.17 * k as f64));
            weighted.reduce(|a, b| a + b).expect("terms")
        };
        for (name, parameter) in model.store().trainable() {
            check_differences(&format!("{config:?}: {name}"), &value, &parameter, 1);
        }
    }
}
