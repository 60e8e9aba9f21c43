//! The loop against a loop written out by hand; what can go wrong is in `faults`.

#[path = "../common/mod.rs"]
mod common;
mod faults;

use common::{Toy, config, data, train};
use std::cell::RefCell;
use std::path::Path;
use vaegis_core::SeedTree;
use vaegis_data::{BatchPlan, Dataset as _};
use vaegis_nn::{Objective, StepContext};
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer as _};
use vaegis_tensor::schedule::PlateauConfig;
use vaegis_tensor::{Noise, Tensor, clip, convert};
use vaegis_train::{
    Flow, MetricRecord, Observer, Progress, ProgressBar, ScheduleConfig, TrainConfig, TrainReport,
    Trainer, load_parameters, read_metrics,
};

/// Metric means are sums in f64 of f32 values, in another order here.
const SUMS: f64 = 1e-12;

fn values(objective: &dyn Objective) -> Vec<(String, Vec<f64>)> {
    let tensors = objective.params().named_tensors();
    tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), convert::to_f64_vec(tensor)))
        .collect()
}

fn metrics(out: &Path) -> Vec<MetricRecord> {
    read_metrics(&out.join("metrics.jsonl")).expect("reads")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("temp folder")
}

/// Asks to stop after some steps and remembers what it was told.
#[derive(Default)]
struct Watch {
    stop_at: Option<u64>,
    events: RefCell<Vec<String>>,
}

impl Observer for &Watch {
    fn on_start(&mut self, progress: Progress) {
        self.events
            .borrow_mut()
            .push(format!("start {}/{}", progress.step, progress.total_steps));
    }

    fn on_step(&mut self, progress: Progress) -> Flow {
        if self.stop_at == Some(progress.step) {
            Flow::Stop
        } else {
            Flow::Continue
        }
    }

    fn on_log(&mut self, record: &MetricRecord) {
        self.events
            .borrow_mut()
            .push(format!("log {}", record.step));
    }

    fn on_epoch(&mut self, progress: Progress, loss: f64) {
        assert!(loss.is_finite());
        self.events
            .borrow_mut()
            .push(format!("epoch {}", progress.epoch));
    }

    fn on_checkpoint(&mut self, progress: Progress, folder: &Path) {
        assert!(folder.join("model.safetensors").exists());
        self.events
            .borrow_mut()
            .push(format!("checkpoint {}", progress.step));
    }

    fn on_end(&mut self, report: &TrainReport) {
        self.events
            .borrow_mut()
            .push(format!("end {}", report.steps));
    }
}

#[test]
fn the_loop_is_the_one_written_out_by_hand() {
    let out = folder();
    let toy = Toy::new(1);
    let report = train(&toy, config(), Some(out.path()), Vec::new()).expect("trains");

    let by_hand = Toy::new(1);
    let seed = SeedTree::new(3);
    let (items, config) = (data(), config());
    let plan = BatchPlan::new(items.len(), 10, false, seed.child("shuffle"));
    let noise = Noise::native(seed.child("noise"));
    let mut adam = Adam::new(
        by_hand.params().trainable(),
        AdamConfig {
            lr: 0.01,
            ..AdamConfig::default()
        },
    );
    let (mut step, mut rows) = (0, Vec::new());
    for epoch in 0..config.epochs {
        for indices in plan.epoch(usize::try_from(epoch).expect("small")) {
            let batch = items.batch(&indices).expect("in range");
            let x = convert::to_tensor(&batch.x);
            let labels = Tensor::from_slice(&batch.labels.expect("labels"));
            let noise = noise.index(epoch).index(step);
            let context = StepContext {
                step,
                noise: &noise,
                dataset_size: 103,
            };
            let terms = by_hand.loss(&x, Some(&labels), &context);
            adam.zero_grad();
            terms.total().backward();
            let norm = clip::clip_grad_norm(adam.parameters(), 5.0);
            adam.step();
            let mean = |t: &Tensor| t.mean(None).double_value(&[]);
            rows.push([
                terms.total().double_value(&[]),
                mean(&terms.terms[0].value),
                mean(&terms.terms[1].value),
                norm.double_value(&[]),
            ]);
            step += 1;
        }
    }
    for ((name, found), (_, expected)) in values(&toy).iter().zip(&values(&by_hand)) {
        for (f, e) in found.iter().zip(expected) {
            // Clipping before or while updating rounds differently in f32.
            assert!((f - e).abs() < 1e-4, "{name}: {f} {e}");
        }
    }
    assert_eq!(
        (report.steps, report.resumed_from, report.stopped),
        (44, 0, false)
    );
    let records = metrics(out.path());
    let steps: Vec<u64> = records.iter().map(|r| r.step).collect();
    assert_eq!(steps, [7, 14, 21, 28, 35, 42, 44]);
    // The first record is from before the two loops have drifted apart.
    let mean = |column: usize| rows[..7].iter().map(|row| row[column]).sum::<f64>() / 7.0;
    let first = &records[0];
    let names: Vec<&str> = first
        .terms
        .0
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["recon", "kl", "grad_norm"]);
    for (found, column) in std::iter::once(first.loss)
        .chain(first.terms.0.iter().map(|t| t.1))
        .zip(0..)
    {
        assert!(
            (found - mean(column)).abs() < 1e-5 * found.abs(),
            "{column}: {found}"
        );
    }
    let weighted =
        first.terms.get("recon").expect("there") + 0.5 * first.terms.get("kl").expect("there");
    assert!((weighted - first.loss).abs() < 1e-6 * first.loss);
    assert!(records[6].loss < first.loss - 1.0, "it learns: {records:?}");
    assert_eq!(Some(records[6].loss), report.last_loss);
}

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    let run = |init: u64, seed: u64| {
        let toy = Toy::new(init);
        let mut trainer = Trainer::new(
            &toy,
            data(),
            config(),
            SeedTree::new(seed),
            None,
            Vec::new(),
        )
        .expect("valid");
        let report = trainer.train().expect("trains");
        (values(&toy), report.epoch_loss)
    };
    let first = run(1, 3);
    assert_eq!(first, run(1, 3));
    assert_ne!(first, run(1, 4));
    assert_ne!(first, run(2, 3));
}

#[test]
fn a_stopped_run_goes_on_exactly_from_any_step() {
    let schedules = [
        ScheduleConfig::Constant,
        ScheduleConfig::Cosine { floor: 0.1 },
        ScheduleConfig::Plateau(PlateauConfig {
            patience: 0,
            threshold: 0.5,
            ..PlateauConfig::default()
        }),
    ];
    for schedule in schedules {
        let config = TrainConfig {
            schedule,
            ..config()
        };
        let whole = folder();
        let toy = Toy::new(1);
        let complete = train(&toy, config.clone(), Some(whole.path()), Vec::new()).expect("trains");
        for stops in [[1, 10], [11, 12], [7, 33], [43, 44]] {
            let parts = folder();
            for stop_at in stops {
                let watch = Watch {
                    stop_at: Some(stop_at),
                    ..Watch::default()
                };
                let observers: Vec<Box<dyn Observer>> = vec![Box::new(&watch)];
                // Only the first part starts from the initial values; the second one's are replaced.
                let init = if stop_at == stops[0] { 1 } else { 9 };
                let report = train(
                    &Toy::new(init),
                    config.clone(),
                    Some(parts.path()),
                    observers,
                )
                .expect("trains");
                assert!(report.stopped && report.steps == stop_at);
            }
            // Records after the checkpoint, as a kill leaves them, must not be kept.
            let metrics_path = parts.path().join("metrics.jsonl");
            let mut text = std::fs::read_to_string(&metrics_path).expect("reads");
            text.push_str("{\"step\":99999,\"torn");
            std::fs::write(&metrics_path, text).expect("writes");
            let toy_of_parts = Toy::new(9);
            let report = train(
                &toy_of_parts,
                config.clone(),
                Some(parts.path()),
                Vec::new(),
            )
            .expect("ends");
            assert_eq!(report.resumed_from, stops[1]);
            assert_eq!(report.epoch_loss, complete.epoch_loss);
            for file in [
                "metrics.jsonl",
                "checkpoint/model.safetensors",
                "checkpoint/state.bin",
            ] {
                let read = |out: &Path| std::fs::read(out.join(file)).expect(file);
                assert!(
                    read(whole.path()) == read(parts.path()),
                    "{schedule:?} {stops:?}: {file}"
                );
            }
            assert_eq!(values(&toy), values(&toy_of_parts));
        }
    }
}

#[test]
fn a_finished_run_is_not_repeated() {
    let out = folder();
    let toy = Toy::new(1);
    train(&toy, config(), Some(out.path()), Vec::new()).expect("trains");
    let before = std::fs::read(out.path().join("checkpoint/model.safetensors")).expect("reads");
    let again = Toy::new(2);
    let watch = Watch::default();
    let report = train(&again, config(), Some(out.path()), vec![Box::new(&watch)]).expect("loads");
    assert_eq!(
        (report.steps, report.resumed_from, report.last_loss),
        (44, 44, None)
    );
    assert_eq!(*watch.events.borrow(), ["start 44/44", "end 44"]);
    assert_eq!(values(&toy), values(&again));
    assert_eq!(
        std::fs::read(out.path().join("checkpoint/model.safetensors")).expect("reads"),
        before
    );
    let loaded = Toy::new(5);
    load_parameters(out.path(), loaded.params()).expect("loads");
    assert_eq!(values(&toy), values(&loaded));
    // A longer run goes on where this one ended.
    let longer = TrainConfig {
        epochs: 5,
        ..config()
    };
    let report = train(&again, longer, Some(out.path()), Vec::new()).expect("goes on");
    assert_eq!((report.steps, report.resumed_from), (55, 44));
}

#[test]
fn observers_see_everything_in_order() {
    let out = folder();
    let watch = Watch::default();
    let config = TrainConfig {
        max_steps: Some(12),
        ..config()
    };
    let observers: Vec<Box<dyn Observer>> =
        vec![Box::new(&watch), Box::new(ProgressBar::new("toy"))];
    train(&Toy::new(1), config, Some(out.path()), observers).expect("trains");
    let expected = [
        "start 0/12",
        "checkpoint 5",
        "log 7",
        "checkpoint 10",
        "epoch 0",
        "log 12",
        "checkpoint 12",
        "end 12",
    ];
    assert_eq!(*watch.events.borrow(), expected);
}

#[test]
fn learning_rates_follow_the_schedule() {
    let out = folder();
    let cosine = TrainConfig {
        schedule: ScheduleConfig::Cosine { floor: 0.0 },
        log_every: 1,
        clip_norm: None,
        ..config()
    };
    train(&Toy::new(1), cosine, Some(out.path()), Vec::new()).expect("trains");
    let records = metrics(out.path());
    assert_eq!(records.len(), 44);
    assert!(records[0].terms.get("grad_norm").is_none());
    for (t, record) in records.iter().enumerate() {
        let expected = 0.005 * (1.0 + (std::f64::consts::PI * t as f64 / 44.0).cos());
        assert!((record.lr - expected).abs() < SUMS, "{record:?}");
    }
    let out = folder();
    // No epoch can halve the loss, so that every epoch after the first is a plateau.
    let plateau = PlateauConfig {
        factor: 0.5,
        patience: 0,
        threshold: 0.5,
        min_lr: 0.0,
    };
    let config = TrainConfig {
        schedule: ScheduleConfig::Plateau(plateau),
        log_every: 11,
        ..config()
    };
    train(&Toy::new(1), config, Some(out.path()), Vec::new()).expect("trains");
    let rates: Vec<f64> = metrics(out.path()).iter().map(|r| r.lr).collect();
    assert_eq!(rates, [0.01, 0.01, 0.005, 0.0025]);
}
