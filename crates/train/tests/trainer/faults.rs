//! Everything that can go wrong with a run: it is said clearly, and nothing is lost by it.

use crate::common::{Items, Toy, config, data, output, train};
use crate::{folder, values};
use std::sync::Arc;
use vaegis_core::SeedTree;
use vaegis_data::BatchPlan;
use vaegis_nn::{LossTerms, Objective, StepContext};
use vaegis_tensor::{Device, Init, Kind, Noise, ParamStore, Tensor};
use vaegis_train::{Flow, Observer, Output, Progress, TrainConfig, TrainError, Trainer};

#[test]
fn a_bad_example_is_named_with_its_step_and_term() {
    let items = Arc::new(Items {
        bad: Some(37),
        ..Items::new(103)
    });
    let plan = BatchPlan::new(103, 10, false, SeedTree::new(3).child("shuffle")).epoch(0);
    let guilty = plan
        .iter()
        .position(|batch| batch.contains(&37))
        .expect("it is in an epoch");
    // A late log point must not blur which step it was.
    let config = TrainConfig {
        log_every: 1000,
        checkpoint_every_steps: Some(1000),
        ..config()
    };
    let toy = Toy::new(1);
    let out = folder();
    let mut trainer = Trainer::new(
        &toy,
        items,
        config,
        SeedTree::new(3),
        Some(output(out.path())),
        Vec::new(),
    )
    .expect("valid");
    let error = trainer.train().expect_err("a NaN example");
    let TrainError::NonFiniteTerm {
        term,
        step,
        indices,
        found,
        checkpoint,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((term.as_str(), *step), ("recon", guilty as u64));
    assert!(*indices == plan[guilty] && found.is_nan());
    let text = error.to_string();
    assert!(text.contains("\"recon\" is NaN at step"), "{text}");
    // No checkpoint was written, so none is promised.
    assert!(
        checkpoint.is_none() && !text.contains("checkpoint"),
        "{text}"
    );
    assert!(
        !out.path().join("checkpoint").exists(),
        "nothing with NaN is saved"
    );
}

/// A loss that stays finite for one more step than its parameters.
struct Cliff(ParamStore, Tensor);

impl Objective for Cliff {
    fn loss(&self, _x: &Tensor, _labels: Option<&Tensor>, _: &StepContext<'_>) -> LossTerms {
        // The root's slope at 0 is infinite.
        LossTerms::default().with("cliff", 1.0, self.1.sqrt())
    }

    fn params(&self) -> &ParamStore {
        &self.0
    }
}

#[test]
fn parameters_that_are_not_finite_are_never_saved() {
    let noise = Noise::portable(SeedTree::new(1));
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise);
    let edge = store
        .root()
        .param("edge", &[1], Init::Constant(0.0))
        .expect("new name");
    let model = Cliff(store, edge);
    let out = folder();
    let config = TrainConfig {
        max_steps: Some(1),
        clip_norm: None,
        ..config()
    };
    let mut trainer = Trainer::new(
        &model,
        data(),
        config,
        SeedTree::new(3),
        Some(output(out.path())),
        Vec::new(),
    )
    .expect("valid");
    let error = trainer.train().expect_err("an infinite slope");
    assert!(
        matches!(&error, TrainError::NonFiniteParameter { step: 1, .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("edge") && !text.contains("checkpoint"),
        "{text}"
    );
    assert!(!out.path().join("checkpoint").exists());
}

#[test]
fn a_folder_of_another_run_is_refused_and_kept() {
    let out = folder();
    let toy = Toy::new(1);
    train(&toy, config(), Some(out.path()), Vec::new()).expect("trains");
    let before = std::fs::read(out.path().join("checkpoint/model.safetensors")).expect("reads");
    let other = Toy::new(2);
    let untouched = values(&other);
    let attempt = |items: Arc<dyn vaegis_data::Dataset>, config: TrainConfig, seed: u64| {
        Trainer::new(
            &other,
            items,
            config,
            SeedTree::new(seed),
            Some(output(out.path())),
            Vec::new(),
        )
        .map(|_| ())
        .expect_err("another run")
        .to_string()
    };
    let error = attempt(
        data(),
        TrainConfig {
            lr: 0.02,
            ..config()
        },
        3,
    );
    assert!(
        error.contains("lr = 0.02") && error.contains("lr = 0.01"),
        "{error}"
    );
    assert!(attempt(data(), config(), 4).contains("seed"));
    assert!(attempt(Arc::new(Items::new(50)), config(), 3).contains("checksum"));
    let zero = attempt(
        data(),
        TrainConfig {
            batch_size: 0,
            lr: -1.0,
            ..config()
        },
        3,
    );
    assert!(zero.contains("batch-size") && zero.contains("lr"), "{zero}");
    assert!(
        attempt(
            Arc::new(Items::new(5)),
            TrainConfig {
                drop_last: true,
                ..config()
            },
            3
        )
        .contains("too few")
    );
    assert_eq!(values(&other), untouched);
    assert_eq!(
        std::fs::read(out.path().join("checkpoint/model.safetensors")).expect("reads"),
        before
    );
}

#[test]
fn damaged_checkpoints_are_clear_errors() {
    let files = [
        "model.safetensors",
        "optimizer.safetensors",
        "state.bin",
        "config.toml",
        "context.txt",
    ];
    for file in files {
        for damage in ["cut", "flip", "missing"] {
            let out = folder();
            let config = TrainConfig {
                max_steps: Some(6),
                ..config()
            };
            train(&Toy::new(1), config.clone(), Some(out.path()), Vec::new()).expect("trains");
            let path = out.path().join("checkpoint").join(file);
            let mut bytes = std::fs::read(&path).expect("reads");
            match damage {
                "cut" => bytes.truncate(bytes.len() / 2),
                "flip" => {
                    let last = bytes.len() - 3;
                    bytes[last] ^= 0x15;
                }
                _ => {}
            }
            std::fs::write(&path, &bytes).expect("writes");
            if damage == "missing" {
                std::fs::remove_file(&path).expect("removes");
            }
            // Half a TOML file may still parse: its missing keys then take their defaults, and
            // the comparison with the running configuration catches it.
            let toy = Toy::new(2);
            let untouched = values(&toy);
            let error = train(&toy, config, Some(out.path()), Vec::new()).expect_err(damage);
            assert!(error.to_string().len() > 30, "{file} {damage}: {error}");
            assert_eq!(values(&toy), untouched, "{file} {damage}");
        }
    }
    let out = folder();
    let config = TrainConfig {
        max_steps: Some(8),
        ..config()
    };
    train(&Toy::new(1), config.clone(), Some(out.path()), Vec::new()).expect("trains");
    std::fs::write(out.path().join("metrics.jsonl"), "").expect("writes");
    let error = train(&Toy::new(1), config, Some(out.path()), Vec::new()).expect_err("lost lines");
    assert!(error.to_string().contains("metric file"), "{error}");
}

#[test]
fn a_loss_that_changes_its_terms_is_an_error() {
    struct Changing(Toy);
    impl Objective for Changing {
        fn loss(&self, x: &Tensor, labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
            let mut terms = self.0.loss(x, labels, ctx);
            if ctx.step == 2 {
                terms.terms[1].name = "other";
            }
            terms
        }

        fn params(&self) -> &ParamStore {
            self.0.params()
        }
    }
    let model = Changing(Toy::new(1));
    let mut trainer =
        Trainer::new(&model, data(), config(), SeedTree::new(3), None, Vec::new()).expect("valid");
    let error = trainer.train().expect_err("terms are fixed");
    assert!(
        matches!(error, TrainError::TermsChanged { step: 2, .. }),
        "{error}"
    );
}

/// A run that fails after a checkpoint says where that is.
#[test]
fn a_late_failure_names_the_checkpoint_that_is_left() {
    /// Spoils a parameter between two steps.
    struct Spoil<'a>(&'a ParamStore);
    impl Observer for Spoil<'_> {
        fn on_step(&mut self, progress: Progress) -> Flow {
            if progress.step == 7 {
                for (name, tensor) in self.0.named_tensors() {
                    if name == "bias" {
                        let _ = tensor.detach().fill_(f64::NAN);
                    }
                }
            }
            Flow::Continue
        }
    }
    let (toy, out) = (Toy::new(1), folder());
    let spoil: Vec<Box<dyn Observer + '_>> = vec![Box::new(Spoil(toy.params()))];
    let error = train(&toy, config(), Some(out.path()), spoil).expect_err("spoiled");
    let text = error.to_string();
    assert!(
        matches!(error, TrainError::NonFiniteTerm { step: 7, .. }),
        "{text}"
    );
    let left = out.path().join("checkpoint");
    assert!(
        left.exists() && text.contains(&left.display().to_string()),
        "{text}"
    );
}

#[test]
fn another_model_of_the_same_shapes_is_refused() {
    let out = folder();
    let attempt = |output: Output| {
        let toy = Toy::new(1);
        Trainer::new(
            &toy,
            data(),
            config(),
            SeedTree::new(3),
            Some(output),
            Vec::new(),
        )
        .map(|trainer| trainer.step())
    };
    train(&Toy::new(1), config(), Some(out.path()), Vec::new()).expect("trains");
    let other = Output::new(out.path(), "kind = \"toy\"\nbeta = 4.0\n");
    // Trust in older checkpoints is none in checkpoints of another model.
    for other in [other.clone(), other.trusting_older()] {
        let error = attempt(other).expect_err("another model");
        let text = error.to_string();
        assert!(
            matches!(error, TrainError::OtherRun { what: "model", .. }),
            "{text}"
        );
        assert!(
            text.contains("expected beta = 4.0, found beta = 0.5"),
            "{text}"
        );
    }
    let steps = attempt(output(out.path())).expect("the same");
    assert!(steps > 0);
    // What earlier versions wrote is continued only where the caller vouches for it.
    std::fs::remove_file(out.path().join("checkpoint/context.txt")).expect("removed");
    let text = attempt(output(out.path()))
        .expect_err("unknown")
        .to_string();
    assert!(text.contains("earlier versions"), "{text}");
    let trusted = attempt(output(out.path()).trusting_older()).expect("vouched for");
    assert_eq!(trusted, steps);
}

#[test]
fn a_folder_has_one_trainer_at_a_time() {
    let (out, toys) = (folder(), [Toy::new(1), Toy::new(1)]);
    let new = |toy| {
        let output = Some(output(out.path()));
        Trainer::new(toy, data(), config(), SeedTree::new(3), output, Vec::new())
    };
    let first = new(&toys[0]).expect("free");
    let error = new(&toys[1]).expect_err("in use");
    assert!(matches!(error, TrainError::FolderInUse { .. }), "{error}");
    let name = out.path().display().to_string();
    assert!(error.to_string().contains(&name), "{error}");
    drop(first);
    new(&toys[1]).expect("free again").train().expect("trains");
}

#[test]
fn a_frozen_model_is_an_error_that_says_what_to_do() {
    let toy = Toy::new(1);
    toy.params().set_trainable(false);
    let error = train(&toy, config(), None, Vec::new()).expect_err("nothing to train");
    let text = error.to_string();
    assert!(
        matches!(
            error,
            TrainError::NothingToTrain {
                player: "model",
                num_trainable: 0
            }
        ),
        "{text}"
    );
    assert!(text.contains("set_trainable(true)"), "{text}");
    toy.params().set_trainable(true);
    train(&toy, config(), None, Vec::new()).expect("trains");
    // Frozen after the run was prepared: the optimizer has parameters, but no gradient.
    let mut trainer =
        Trainer::new(&toy, data(), config(), SeedTree::new(3), None, Vec::new()).expect("valid");
    toy.params().set_trainable(false);
    let error = trainer.train().expect_err("frozen meanwhile");
    assert!(
        matches!(error, TrainError::NothingToTrain { .. }),
        "{error}"
    );
}
