//! Two players: each loss moves its own parameters alone, and a stopped run resumes both.

mod common;

use common::{SIZE, Toy, config, data, output, train};
use std::path::Path;
use vaegis_core::SeedTree;
use vaegis_data::{BatchPlan, Dataset as _};
use vaegis_nn::{LossTerms, Objective, Opponent, StepContext};
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer as _};
use vaegis_tensor::{Device, Init, Kind, Noise, ParamStore, Tensor, convert};
use vaegis_train::{Flow, Observer, Progress, TrainConfig, TrainReport, Trainer, read_metrics};

/// A point that fits the data and flees from another, which follows it.
struct Duel {
    store: ParamStore,
    own: Tensor,
    theirs: Tensor,
}

impl Duel {
    fn new() -> Self {
        let noise = Noise::portable(SeedTree::new(1).child("init"));
        let store = ParamStore::new(Kind::Double, Device::Cpu, noise);
        let init = Init::Normal { std: 0.5 };
        let own = store.root().param("own", &[SIZE], init).expect("new");
        let foe = store.root().sub("foe");
        let theirs = foe.param("point", &[SIZE], init).expect("new");
        Self { store, own, theirs }
    }

    fn values(&self) -> Vec<Vec<f64>> {
        [&self.own, &self.theirs].map(convert::to_f64_vec).to_vec()
    }
}

impl Objective for Duel {
    fn loss(&self, x: &Tensor, _labels: Option<&Tensor>, _ctx: &StepContext<'_>) -> LossTerms {
        let fit = (x.flatten(1, -1) - &self.own)
            .square()
            .mean_dim(1, false, None);
        let flee = -(&self.own - &self.theirs).square().mean(None);
        let follow = (self.own.detach() - &self.theirs).square().mean(None);
        LossTerms::default()
            .with("fit", 1.0, fit)
            .with("flee", 0.5, flee)
            .with_opponent("follow", 2.0, follow)
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn opponent(&self) -> Option<Opponent> {
        Some(Opponent {
            prefix: "foe",
            lr: 0.03,
            beta1: 0.5,
            beta2: 0.9,
        })
    }
}

/// Stops the run after this many steps.
struct StopAt(u64);

impl Observer for StopAt {
    fn on_step(&mut self, progress: Progress) -> Flow {
        if progress.step == self.0 {
            Flow::Stop
        } else {
            Flow::Continue
        }
    }
}

fn free() -> TrainConfig {
    TrainConfig {
        clip_norm: None,
        ..config()
    }
}

fn run(duel: &Duel, out: Option<&Path>, stop: Option<u64>) -> TrainReport {
    let observers: Vec<Box<dyn Observer>> = match stop {
        Some(step) => vec![Box::new(StopAt(step))],
        None => Vec::new(),
    };
    Trainer::new(
        duel,
        data(),
        free(),
        SeedTree::new(3),
        out.map(output),
        observers,
    )
    .and_then(|mut trainer| trainer.train())
    .expect("trains")
}

#[test]
fn two_optimizers_written_out_by_hand_give_the_same_bits() {
    let out = tempfile::tempdir().expect("temp folder");
    let duel = Duel::new();
    let _ = run(&duel, Some(out.path()), None);

    let by_hand = Duel::new();
    let adam = |parameter: (&str, &Tensor), lr, beta1, beta2| {
        let config = AdamConfig {
            lr,
            beta1,
            beta2,
            ..AdamConfig::default()
        };
        Adam::new(
            vec![(parameter.0.to_owned(), parameter.1.shallow_clone())],
            config,
        )
    };
    let mut own = adam(("own", &by_hand.own), 0.01, 0.9, 0.999);
    let mut foe = adam(("foe.point", &by_hand.theirs), 0.03, 0.5, 0.9);
    let (items, config) = (data(), free());
    let plan = BatchPlan::new(items.len(), 10, false, SeedTree::new(3).child("shuffle"));
    let noise = Noise::native(SeedTree::new(0));
    for epoch in 0..config.epochs {
        for indices in plan.epoch(usize::try_from(epoch).expect("small")) {
            let batch = items.batch(&indices).expect("in range");
            let x = convert::to_tensor(&batch.x).to_kind(Kind::Double);
            let context = StepContext {
                step: 0,
                noise: &noise,
                dataset_size: items.len(),
            };
            let terms = by_hand.loss(&x, None, &context);
            let slope = gradient(&terms.total(), &[&by_hand.own]);
            let theirs = gradient(&(&terms.opponent[0].value * 2.0), &[&by_hand.theirs]);
            own.apply(&slope, None);
            foe.apply(&theirs, None);
        }
    }
    assert_eq!(duel.values(), by_hand.values());
    let names: Vec<String> = read_metrics(&out.path().join("metrics.jsonl")).expect("reads")[0]
        .terms
        .0
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(names, ["fit", "flee", "follow"]);
}

#[test]
fn a_stopped_duel_goes_on_exactly() {
    let whole = Duel::new();
    let _ = run(&whole, None, None);
    for stop in [1, 13, 22] {
        let out = tempfile::tempdir().expect("temp folder");
        let _ = run(&Duel::new(), Some(out.path()), Some(stop));
        let resumed = Duel::new();
        let report = run(&resumed, Some(out.path()), None);
        assert_eq!(report.resumed_from, stop);
        assert_eq!(resumed.values(), whole.values(), "stopped at {stop}");
    }
}

#[test]
fn a_model_without_an_opponent_trains_all_its_parameters() {
    let toy = Toy::new(1);
    let before: Vec<Tensor> = toy
        .params()
        .trainable()
        .iter()
        .map(|(_, t)| t.copy())
        .collect();
    let _ = train(&toy, free(), None, Vec::new()).expect("trains");
    let after = toy.params().trainable();
    let moved = after.iter().zip(&before).filter(|((_, a), b)| !a.equal(b));
    // The parameter that the loss does not depend on stays.
    assert_eq!(moved.count(), after.len() - 1);
}
