//! Configurations: defaults, round trips, and what is rejected with which words.

use vaegis_core::config::Validate;
use vaegis_core::seed::SeedTree;
use vaegis_nn::LikelihoodKind;
use vaegis_tensor::{Device, Kind, Noise, ParamStore};
use vaegis_zoo::{Heads, ModelConfig, NetworkConfig, VaeConfig, ZooError, build};

#[test]
fn default_configurations_are_as_documented() {
    let mlp = toml::to_string(&ModelConfig::default()).expect("serializes");
    insta::assert_snapshot!("default_vae", mlp);
    let conv = VaeConfig {
        input: [3, 32, 32],
        bounds: (-1.0, 1.0),
        network: NetworkConfig::conv(1.0),
        likelihood: LikelihoodKind::Gaussian { sigma: 0.1 },
        ..VaeConfig::default()
    };
    let conv = toml::to_string(&ModelConfig::Vae(conv)).expect("serializes");
    insta::assert_snapshot!("conv_vae", conv);
}

#[test]
fn configurations_survive_both_formats() {
    let text = "family = 'vae'\ninput = [1, 64, 64]\nlatent = 10\nbeta = 4.0\ntau = 0.1\n\
                init = 'he-normal'\n[likelihood]\nkind = 'continuous-bernoulli'\n\
                [network]\nkind = 'mlp'\nhidden = [1200, 1200]\ndecoder-hidden = [1200, 1200, 1200]\n\
                decoder-activation = 'tanh'\nheads = 'separate-last'\n";
    let config: ModelConfig = toml::from_str(text).expect("valid");
    assert!(config.violations().is_empty());
    let ModelConfig::Vae(vae) = &config else {
        panic!("a VAE")
    };
    assert!(matches!(
        &vae.network,
        NetworkConfig::Mlp {
            heads: Heads::SeparateLast,
            ..
        }
    ));
    let again = toml::from_str(&toml::to_string(&config).expect("serializes"));
    assert_eq!(config, again.expect("reads its own TOML"));
    let again = serde_json::from_str(&serde_json::to_string(&config).expect("serializes"));
    assert_eq!(config, again.expect("reads its own JSON"));
    let minimal: ModelConfig = toml::from_str("family = 'vae'").expect("all keys have defaults");
    assert_eq!(minimal, ModelConfig::default());
}

#[test]
fn unknown_keys_and_names_are_rejected_by_name() {
    for (text, word) in [
        ("family = 'gan'", "gan"),
        ("family = 'vae'\nlatents = 3", "latents"),
        ("family = 'vae'\nlatent = 'many'", "many"),
        (
            "family = 'vae'\n[network]\nkind = 'mlp'\nhiden = [4]",
            "hiden",
        ),
        (
            "family = 'vae'\n[network]\nkind = 'conv'\nhidden = [4]",
            "hidden",
        ),
        (
            "family = 'vae'\n[network]\nkind = 'transformer'",
            "transformer",
        ),
        (
            "family = 'vae'\n[network]\nkind = 'mlp'\nactivation = 'rleu'",
            "rleu",
        ),
        ("family = 'vae'\n[likelihood]\nkind = 'gaussian'", "sigma"),
        (
            "family = 'vae'\n[likelihood]\nkind = 'gaussian'\nsigma = 0.1\nbeta = 1.0",
            "beta",
        ),
        (
            "family = 'vae'\n[likelihood]\nkind = 'bernoulli'\nsigma = 0.1",
            "sigma",
        ),
        ("family = 'vae'\n[likelihood]\nkind = 'poisson'", "poisson"),
        ("beta = 1.0", "family"),
    ] {
        let error = toml::from_str::<ModelConfig>(text)
            .expect_err(text)
            .to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn all_impossible_values_are_listed_at_once() {
    let config = VaeConfig {
        input: [0, 28, -3],
        bounds: (1.0, f64::NAN),
        latent: 0,
        beta: -1.0,
        tau: f64::INFINITY,
        network: NetworkConfig::mlp(&[400, 0]),
        likelihood: LikelihoodKind::Gaussian { sigma: 0.0 },
        ..VaeConfig::default()
    };
    let violations = config.violations();
    let keys: Vec<&str> = violations
        .iter()
        .map(|violation| violation.key.as_str())
        .collect();
    let expected = [
        "input (channels)",
        "input (width)",
        "bounds",
        "latent",
        "beta",
        "tau",
        "likelihood.sigma",
        "network.hidden[1]",
    ];
    assert_eq!(keys, expected);

    let store = ParamStore::new(Kind::Float, Device::Cpu, Noise::portable(SeedTree::new(0)));
    let error = build(&ModelConfig::Vae(config), &store).expect_err("impossible");
    assert!(matches!(error, ZooError::Config { family: "vae", .. }));
    let message = error.to_string();
    for key in expected {
        assert!(message.contains(key), "{message}");
    }
    assert!(store.named_tensors().is_empty(), "nothing is built");
}

#[test]
fn each_impossible_combination_has_its_message() {
    let conv = |input: [i64; 3], width: f64| VaeConfig {
        input,
        network: NetworkConfig::conv(width),
        ..VaeConfig::default()
    };
    let separate = NetworkConfig::Mlp {
        hidden: vec![],
        decoder_hidden: Some(vec![0]),
        activation: Default::default(),
        decoder_activation: None,
        heads: Heads::SeparateLast,
    };
    let cases = [
        (
            conv([1, 30, 30], 1.0),
            "input",
            "square images of side [28, 32, 64]",
        ),
        (conv([3, 32, 64], 1.0), "input", "32 × 64"),
        (conv([1, 28, 28], 0.0), "network.width", "above 0"),
        (conv([1, 28, 28], f64::NAN), "network.width", "NaN"),
        (
            VaeConfig {
                bounds: (-1.0, 1.0),
                ..VaeConfig::default()
            },
            "bounds",
            "use gaussian",
        ),
        (
            VaeConfig {
                input: [i64::MAX, i64::MAX, 2],
                ..VaeConfig::default()
            },
            "input",
            "at most",
        ),
        (
            VaeConfig {
                network: NetworkConfig::mlp(&[1; 65]),
                ..VaeConfig::default()
            },
            "network.hidden",
            "64 layers",
        ),
        (
            VaeConfig {
                network: separate.clone(),
                ..VaeConfig::default()
            },
            "network.hidden",
            "at least one",
        ),
        (
            VaeConfig {
                network: separate,
                ..VaeConfig::default()
            },
            "network.decoder-hidden[0]",
            "from 1",
        ),
    ];
    for (config, key, words) in cases {
        let violations = config.violations();
        let found = violations
            .iter()
            .any(|v| v.key == key && v.to_string().contains(words));
        assert!(found, "{key} with {words:?} in {violations:?}");
    }
}

#[test]
fn a_store_that_holds_a_model_takes_no_second_one() {
    let store = ParamStore::new(Kind::Float, Device::Cpu, Noise::portable(SeedTree::new(0)));
    build(&ModelConfig::default(), &store).expect("the first");
    let error = build(&ModelConfig::default(), &store)
        .expect_err("the second")
        .to_string();
    assert!(error.contains("encoder.0.weight"), "{error}");
}
