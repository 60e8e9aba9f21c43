//! Forward pass, loss and gradients against PyTorch on the same weights; see
//! `golden/vae.py` and `golden/seatbelt.py`.

use std::path::{Path, PathBuf};
use vaegis_core::seed::SeedTree;
use vaegis_nn::{LatentModel, LatentPath, LikelihoodKind, Mode};
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::checkpoint::{self, Limits};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_zoo::weights::{from_checkpoint, load_weights, metadata};
use vaegis_zoo::{
    KlLower, ModelConfig, NetworkConfig, PosteriorKind, Seatbelt, SeatbeltConfig, Vae, VaeConfig,
    ZooError, build,
};

/// Both sides compute in f64 and sum in different orders.
const TOLERANCE: f64 = 1e-11;

struct Golden(Vec<(String, Tensor)>);

impl Golden {
    fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let path = folder.join(format!("{name}.safetensors"));
        Self(
            checkpoint::load(&path, Limits::default())
                .expect("written by PyTorch")
                .0,
        )
    }

    fn get(&self, wanted: &str) -> &Tensor {
        &self
            .0
            .iter()
            .find(|(name, _)| name == wanted)
            .expect("golden tensor")
            .1
    }

    fn below(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let entries = self.0.iter();
        entries
            .filter_map(|(name, t)| {
                Some((name.strip_prefix(prefix)?.to_owned(), t.shallow_clone()))
            })
            .collect()
    }
}

fn store(kind: Kind) -> ParamStore {
    ParamStore::new(kind, Device::Cpu, Noise::portable(SeedTree::new(0)))
}

fn assert_close(what: &str, found: &Tensor, expected: &Tensor) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let scale = expected.abs().max().double_value(&[]).max(1.0);
    let error = (found - expected).abs().max().double_value(&[]) / scale;
    assert!(error < TOLERANCE, "{what}: {error:e}");
}

fn mlp() -> VaeConfig {
    let network = NetworkConfig::mlp(&[9, 8]);
    VaeConfig {
        input: [1, 3, 4],
        latent: 3,
        beta: 4.0,
        tau: 0.1,
        network,
        ..VaeConfig::default()
    }
}

fn conv() -> VaeConfig {
    VaeConfig {
        input: [3, 28, 28],
        latent: 3,
        network: NetworkConfig::conv(1.0 / 32.0),
        likelihood: LikelihoodKind::Gaussian { sigma: 0.3 },
        ..VaeConfig::default()
    }
}

#[test]
fn passes_losses_and_gradients_agree_with_pytorch() {
    for (name, config) in [("mlp", mlp()), ("conv", conv())] {
        let golden = Golden::load(name);
        let store = store(Kind::Double);
        let model = Vae::new(&config, &store).expect("valid");
        load_weights(&store, &golden.below("w.")).expect("a PyTorch state_dict fits");

        let (x, eps) = (golden.get("x"), golden.get("eps").shallow_clone());
        let posterior = model.posterior(x, LatentPath::Noise(&[eps]), Mode::Train);
        assert_close("mu", posterior.layers[0].mean(), golden.get("mu"));
        assert_close(
            "log sigma",
            posterior.layers[0].log_scale(),
            golden.get("log_sigma"),
        );
        let recon = -model.decode(&posterior.z, Mode::Train).log_prob(x);
        assert_close("recon", &recon, golden.get("recon"));
        let kl = model.kl_terms(&posterior, Mode::Train).remove(0);
        assert_close("kl", &kl, golden.get("kl"));
        let loss = (recon + kl * config.beta).mean(None);
        assert_close("loss", &loss.unsqueeze(0), golden.get("loss"));

        let parameters = store.trainable();
        let inputs: Vec<&Tensor> = parameters.iter().map(|(_, tensor)| tensor).collect();
        for ((name, _), slope) in parameters.iter().zip(gradient(&loss, &inputs)) {
            assert_close(name, &slope, golden.get(&format!("g.{name}")));
        }
        for (name, tensor) in store.named_tensors() {
            if name.contains("running") {
                assert_close(&name, &tensor, golden.get(&format!("after.{name}")));
            }
        }
    }
}

fn seatbelt(posterior: PosteriorKind, free_bits: f64) -> SeatbeltConfig {
    SeatbeltConfig {
        input: [1, 3, 4],
        layers: 3,
        z_sizes: vec![5, 4, 3],
        h_sizes: vec![8, 6],
        beta: 4.0,
        posterior,
        free_bits: Some(free_bits),
        network: NetworkConfig::mlp(&[9, 8]),
        ..SeatbeltConfig::default()
    }
}

/// Size of the data set in `golden/seatbelt.py`.
const DATASET_SIZE: usize = 1000;

#[test]
fn seatbelt_losses_and_gradients_agree_with_pytorch() {
    for (name, config) in [
        ("seatbelt-up", seatbelt(PosteriorKind::BottomUp, 0.05)),
        (
            "seatbelt-down",
            SeatbeltConfig {
                kl_lower: KlLower::Analytic,
                ..seatbelt(PosteriorKind::TopDown, 0.0)
            },
        ),
    ] {
        let golden = Golden::load(name);
        let store = store(Kind::Double);
        let model = Seatbelt::new(&config, &store).expect("valid");
        load_weights(&store, &golden.below("w.")).expect("a PyTorch state_dict fits");
        let eps: Vec<Tensor> = (0..3)
            .map(|l| golden.get(&format!("eps.{l}")).shallow_clone())
            .collect();
        let terms = model.loss_along(golden.get("x"), &eps, DATASET_SIZE);
        for term in &terms.terms {
            let mean = term.value.mean(None).reshape([1]);
            assert_close(term.name, &mean, golden.get(term.name));
        }
        let loss = terms.total();
        assert_close("loss", &loss.reshape([1]), golden.get("loss"));
        let parameters = store.trainable();
        let inputs: Vec<&Tensor> = parameters.iter().map(|(_, tensor)| tensor).collect();
        for ((name, _), slope) in parameters.iter().zip(gradient(&loss, &inputs)) {
            assert_close(name, &slope, golden.get(&format!("g.{name}")));
        }
        for (name, tensor) in store.named_tensors() {
            if name.contains("running") {
                assert_close(&name, &tensor, golden.get(&format!("after.{name}")));
            }
        }
    }
}

#[test]
fn checkpoints_build_their_model_again() {
    let folder = tempfile::tempdir().expect("temp folder");
    let path: PathBuf = folder.path().join("model.safetensors");
    let config = ModelConfig::Vae(conv());
    let (saved, loaded) = (store(Kind::Float), store(Kind::Float));
    let model = build(&config, &saved).expect("valid");
    checkpoint::save(&path, &saved.named_tensors(), &metadata(&config)).expect("writes");

    let (tensors, meta) = checkpoint::load(&path, Limits::default()).expect("reads");
    let again = from_checkpoint(&path, &tensors, &meta, &loaded).expect("describes itself");
    assert_eq!(again.config(), config);
    let x = Tensor::full([2, 3, 28, 28], 0.3, (Kind::Float, Device::Cpu));
    assert!(model.reconstruct(&x).equal(&again.reconstruct(&x)));

    let nothing = serde_json::json!({});
    let error = from_checkpoint(&path, &tensors, &nothing, &store(Kind::Float));
    assert!(matches!(error, Err(ZooError::NoModelConfig { .. })));
    let other = ModelConfig::Vae(VaeConfig {
        latent: 5,
        ..conv()
    });
    let error = from_checkpoint(&path, &tensors, &metadata(&other), &store(Kind::Float));
    let message = error.expect_err("another shape").to_string();
    assert!(
        message.contains("mu.weight") && message.contains("[5, 16]"),
        "{message}"
    );
}
