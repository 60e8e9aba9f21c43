//! The loop itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use vaegis_core::SeedTree;
use vaegis_core::codec::JsonlWriter;
use vaegis_core::config::validated;
use vaegis_data::{Batch, BatchPlan, Dataset, Prefetcher};
use vaegis_nn::{LossTerm, Objective, StepContext};
use vaegis_tensor::schedule::{Plateau, Schedule};
use vaegis_tensor::{Noise, Tensor, clip, convert};

use crate::config::ScheduleConfig;
use crate::observer::{Flow, Observer, Progress};
use crate::players::{Players, gradients};
use crate::resume::{Identity, Output, RunFolder, State};
use crate::window::Window;
use crate::{MetricRecord, NamedValues, TrainConfig, TrainError};

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainReport {
    /// Number of completed steps, those of earlier processes included.
    pub steps: u64,
    /// Steps of earlier processes, which were not repeated.
    pub resumed_from: u64,
    /// Whether an observer ended the run before its time.
    pub stopped: bool,
    /// Mean loss of the last complete epoch; none if there was none.
    pub epoch_loss: Option<f64>,
    /// Loss of the last metric record of this process; none if it made no step.
    pub last_loss: Option<f64>,
    /// Terms of that record.
    pub last_terms: NamedValues,
    /// Seconds that this process trained.
    pub seconds: f64,
}

/// Trains one model on one data set.
///
/// With an output folder, the run writes `metrics.jsonl` and a `checkpoint` folder there, and
/// goes on from them when they exist. Bit-equal results need the same configuration, seed, data,
/// device and number of threads.
pub struct Trainer<'a> {
    model: &'a dyn Objective,
    data: Arc<dyn Dataset>,
    config: TrainConfig,
    observers: Vec<Box<dyn Observer + 'a>>,
    identity: Identity,
    noise: Noise,
    plan: BatchPlan,
    schedule: Schedule,
    total_steps: u64,
    players: Players,
    plateau: Option<Plateau>,
    window: Window,
    folder: Option<RunFolder>,
    metrics: Option<JsonlWriter>,
    step: u64,
    resumed_from: u64,
    saved_step: Option<u64>,
    saved_at: Instant,
    epoch_loss: Option<f64>,
    last_record: Option<MetricRecord>,
}

impl std::fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("config", &self.config)
            .field("step", &self.step)
            .field("total_steps", &self.total_steps)
            .finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    /// Prepares a run, or the rest of one if the folder of `out` holds its checkpoint.
    ///
    /// Shuffling draws from `seed.child("shuffle")` and the loss from
    /// `seed.child("noise").index(epoch).index(step)`.
    ///
    /// # Errors
    /// An impossible configuration (all violations), too little data, a folder in which another
    /// trainer is at work, or a checkpoint that is damaged or belongs to another run.
    pub fn new(
        model: &'a dyn Objective,
        data: Arc<dyn Dataset>,
        config: TrainConfig,
        seed: SeedTree,
        out: Option<Output>,
        observers: Vec<Box<dyn Observer + 'a>>,
    ) -> Result<Self, TrainError> {
        let config = validated(Path::new("the training configuration"), config)?;
        let shuffle = seed.child("shuffle");
        let plan = BatchPlan::new(data.len(), config.batch_size, config.drop_last, shuffle);
        let spec = data.spec();
        if plan.num_batches() == 0 {
            return Err(TrainError::NoBatches {
                name: spec.name.clone(),
                len: data.len(),
                batch_size: config.batch_size,
            });
        }
        let total_steps = config.total_steps(plan.num_batches());
        let identity = Identity {
            seed: seed.to_string(),
            dataset: spec.name.clone(),
            checksum: spec.checksum.clone(),
            len: data.len() as u64,
        };
        let mut trainer = Self {
            model,
            identity,
            noise: Noise::native(seed.child("noise")),
            plan,
            schedule: config.schedule_over(total_steps),
            total_steps,
            players: Players::new(model, &config),
            plateau: match config.schedule {
                ScheduleConfig::Plateau(plateau) => Some(Plateau::new(config.lr, plateau)),
                _ => None,
            },
            window: Window::default(),
            folder: out.map(RunFolder::open).transpose()?,
            metrics: None,
            step: 0,
            resumed_from: 0,
            saved_step: None,
            saved_at: Instant::now(),
            epoch_loss: None,
            last_record: None,
            data,
            config,
            observers,
        };
        trainer.resume()?;
        Ok(trainer)
    }

    /// Number of completed steps, those of earlier processes included.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Number of steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.total_steps
    }

    /// Runs to the end, or until an observer stops it, and saves the last checkpoint.
    ///
    /// # Errors
    /// A loss term or parameter that is not finite, a loss without trainable parameters, data that
    /// cannot be read, or a file that cannot be written. The last complete checkpoint stays.
    pub fn train(&mut self) -> Result<TrainReport, TrainError> {
        self.run().map_err(|error| {
            let saved = self.folder.as_ref().filter(|_| self.saved_step.is_some());
            error.with_checkpoint(saved.map(|f| f.checkpoint().to_owned()))
        })
    }

    fn run(&mut self) -> Result<TrainReport, TrainError> {
        let started = Instant::now();
        let progress = self.progress();
        self.observers.iter_mut().for_each(|o| o.on_start(progress));
        tracing::debug!(step = self.step, total = self.total_steps, "training");
        let mut stopped = false;
        while self.step < self.total_steps && !stopped {
            stopped = self.rest_of_epoch()? == Flow::Stop;
        }
        self.window.settle()?;
        if self.step >= self.total_steps {
            self.log()?;
        }
        self.save()?;
        let report = TrainReport {
            steps: self.step,
            resumed_from: self.resumed_from,
            stopped,
            epoch_loss: self.epoch_loss,
            last_loss: self.last_record.as_ref().map(|r| r.loss),
            last_terms: self
                .last_record
                .as_ref()
                .map(|r| r.terms.clone())
                .unwrap_or_default(),
            seconds: started.elapsed().as_secs_f64(),
        };
        self.observers.iter_mut().for_each(|o| o.on_end(&report));
        Ok(report)
    }

    /// Steps until the epoch or the run ends.
    fn rest_of_epoch(&mut self) -> Result<Flow, TrainError> {
        let num_batches = self.plan.num_batches() as u64;
        let (epoch, done) = (self.step / num_batches, self.step % num_batches);
        let left = (num_batches - done).min(self.total_steps - self.step);
        let mut batches = self.plan.epoch(to_usize(epoch));
        batches.drain(..to_usize(done));
        batches.truncate(to_usize(left));
        for batch in Prefetcher::new(Arc::clone(&self.data), batches, self.config.prefetch) {
            self.one_step(epoch, batch?)?;
            let epoch_ends = self.step.is_multiple_of(num_batches);
            if epoch_ends {
                self.end_epoch(epoch)?;
            }
            if self.step.is_multiple_of(self.config.log_every) {
                self.log()?;
            }
            if self.checkpoint_is_due() {
                self.save()?;
            }
            let progress = self.progress();
            let flows = self.observers.iter_mut().map(|o| o.on_step(progress));
            // Every observer sees every step, also after one has asked to stop.
            if flows.filter(|flow| *flow == Flow::Stop).count() > 0 {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// One update of the parameters. Nothing here waits for the device.
    fn one_step(&mut self, epoch: u64, batch: Batch) -> Result<(), TrainError> {
        let params = self.model.params();
        let (kind, device) = (params.kind(), params.device());
        let x = convert::to_tensor(&batch.x).to_kind(kind).to_device(device); // [B, C, H, W]
        let labels = batch
            .labels
            .map(|l| Tensor::from_slice(&l).to_device(device)); // [B]
        let noise = self.noise.index(epoch).index(self.step);
        let context = StepContext {
            step: self.step,
            noise: &noise,
            dataset_size: self.data.len(),
        };
        let terms = self.model.loss(&x, labels.as_ref(), &context);
        // The means serve the totals and the log alike.
        let own = Means::of(&terms.terms);
        let theirs = Means::of(&terms.opponent);
        let total = own.total.expect("invariant: a loss has at least one term");
        let gradients = gradients("model", &*self.players.model, &total)?;
        let opponents = self.players.opponent_gradients(theirs.total.as_ref())?;
        let lr = match &self.plateau {
            Some(plateau) => plateau.lr(),
            None => self.schedule.lr(self.config.lr, self.step),
        };
        let optimizer = &mut self.players.model;
        optimizer.set_lr(lr);
        let norm = self.config.clip_norm.map(|limit| {
            let norm = clip::global_norm(&gradients);
            let scale = clip::clip_scale(&norm, limit);
            optimizer.apply(&gradients, Some(&scale));
            norm
        });
        if norm.is_none() {
            optimizer.apply(&gradients, None);
        }
        self.players.move_opponent(&opponents);
        let columns = own.columns.into_iter().chain(theirs.columns).collect();
        self.window
            .push(self.step, batch.indices, columns, &total, norm.as_ref())?;
        self.step += 1;
        Ok(())
    }

    fn end_epoch(&mut self, epoch: u64) -> Result<(), TrainError> {
        self.window.settle()?;
        let loss = self.window.take_epoch_mean();
        self.epoch_loss = Some(loss);
        if let Some(plateau) = &mut self.plateau {
            plateau.observe(loss);
        }
        let progress = Progress {
            epoch,
            ..self.progress()
        };
        self.observers
            .iter_mut()
            .for_each(|o| o.on_epoch(progress, loss));
        Ok(())
    }

    /// Writes a metric record over the steps since the last one.
    fn log(&mut self) -> Result<(), TrainError> {
        self.window.settle()?;
        let Some((loss, terms)) = self.window.take_means() else {
            return Ok(());
        };
        let (step, epoch, lr) = (self.step, self.progress().epoch, self.players.model.lr());
        let record = MetricRecord {
            step,
            epoch,
            lr,
            loss,
            terms,
        };
        if let Some(metrics) = &mut self.metrics {
            metrics.append(&record)?;
        }
        self.observers.iter_mut().for_each(|o| o.on_log(&record));
        self.last_record = Some(record);
        Ok(())
    }

    fn checkpoint_is_due(&self) -> bool {
        let every_steps = self.config.checkpoint_every_steps;
        let by_steps = every_steps.is_some_and(|every| self.step.is_multiple_of(every));
        let seconds = self.config.checkpoint_every_seconds;
        let by_time = seconds.is_some_and(|s| self.saved_at.elapsed().as_secs_f64() >= s);
        self.folder.is_some() && (by_steps || by_time)
    }

    /// Saves a checkpoint, unless this step's is saved already.
    fn save(&mut self) -> Result<(), TrainError> {
        // What is still pending must be known to be finite before anything is replaced.
        self.window.settle()?;
        let (Some(folder), Some(metrics)) = (&self.folder, &self.metrics) else {
            return Ok(());
        };
        if self.saved_step == Some(self.step) {
            return Ok(());
        }
        let state = State {
            step: self.step,
            identity: self.identity.clone(),
            sums: self.window.sums().clone(),
            plateau: self.plateau.clone(),
            epoch_loss: self.epoch_loss,
            metrics_bytes: folder.metrics_bytes(metrics)?,
        };
        folder.save(&self.config, &state, self.model.params(), &self.players)?;
        self.saved_step = Some(self.step);
        self.saved_at = Instant::now();
        let (progress, path) = (self.progress(), folder.checkpoint().to_owned());
        self.observers
            .iter_mut()
            .for_each(|o| o.on_checkpoint(progress, &path));
        Ok(())
    }

    /// Goes on from the checkpoint in the output folder, if there is one.
    fn resume(&mut self) -> Result<(), TrainError> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let params = self.model.params();
        let state = folder.load(&self.config, &self.identity, params, &mut self.players)?;
        let Some(state) = state else {
            self.metrics = Some(folder.open_metrics(0)?);
            return Ok(());
        };
        self.metrics = Some(folder.open_metrics(state.metrics_bytes)?);
        tracing::info!(
            step = state.step,
            "resuming from {}",
            folder.checkpoint().display()
        );
        self.step = state.step;
        self.resumed_from = state.step;
        self.saved_step = Some(state.step);
        self.window = Window::resumed(state.sums);
        self.epoch_loss = state.epoch_loss;
        if self.plateau.is_some() {
            self.plateau = state.plateau;
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        let num_batches = self.plan.num_batches() as u64;
        Progress {
            step: self.step,
            total_steps: self.total_steps,
            epoch: self.step.saturating_sub(1) / num_batches,
            epochs: self.config.epochs,
        }
    }
}

/// The batch means of some terms, and their weighted sum.
struct Means {
    columns: Vec<(&'static str, Tensor)>,
    total: Option<Tensor>,
}

impl Means {
    fn of(terms: &[LossTerm]) -> Self {
        let columns: Vec<_> = terms.iter().map(|t| (t.name, t.value.mean(None))).collect();
        let weighted = columns
            .iter()
            .zip(terms)
            .map(|((_, mean), t)| mean * t.weight);
        let total = weighted.reduce(|a, b| a + b);
        Self { columns, total }
    }
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).expect("invariant: batches are counted by usize")
}
