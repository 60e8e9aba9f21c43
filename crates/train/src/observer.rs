//! Those who watch a run. An observer never changes numbers; it can only ask the run to stop.

use std::path::Path;

use indicatif::{ProgressBar as Bar, ProgressStyle};

use crate::{MetricRecord, TrainReport};

/// Whether the run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Save a checkpoint and return.
    Stop,
}

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of completed steps.
    pub step: u64,
    /// Number of steps of the whole run.
    pub total_steps: u64,
    /// Epoch of the last step, from 0.
    pub epoch: u64,
    /// Number of epochs of the whole run.
    pub epochs: u64,
}

/// Something that watches a run. Every method has an empty default.
pub trait Observer {
    /// The run begins, or goes on after `progress.step` steps of an earlier process.
    fn on_start(&mut self, progress: Progress) {
        let _ = progress;
    }

    /// A step is done. Called often: values of the loss are not known on the host here.
    fn on_step(&mut self, progress: Progress) -> Flow {
        let _ = progress;
        Flow::Continue
    }

    /// A metric record was written.
    fn on_log(&mut self, record: &MetricRecord) {
        let _ = record;
    }

    /// An epoch is done; `loss` is its mean.
    fn on_epoch(&mut self, progress: Progress, loss: f64) {
        let _ = (progress, loss);
    }

    /// A checkpoint is complete at `folder`.
    fn on_checkpoint(&mut self, progress: Progress, folder: &Path) {
        let _ = (progress, folder);
    }

    /// The run is over.
    fn on_end(&mut self, report: &TrainReport) {
        let _ = report;
    }
}

/// A progress bar with the loss and an estimate of the time left; hidden where there is no
/// terminal.
#[derive(Debug)]
pub struct ProgressBar {
    bar: Bar,
}

impl ProgressBar {
    /// A bar that begins with `label`.
    pub fn new(label: &str) -> Self {
        let bar = Bar::new(0);
        let style = "{prefix} {wide_bar} {pos}/{len} steps, {per_sec}, {eta} left {msg}";
        let style = ProgressStyle::with_template(style).expect("invariant: the template is valid");
        bar.set_style(style);
        bar.set_prefix(label.to_owned());
        Self { bar }
    }
}

impl Observer for ProgressBar {
    fn on_start(&mut self, progress: Progress) {
        self.bar.set_length(progress.total_steps);
        // A resumed part must not count for the estimate.
        self.bar.set_position(progress.step);
        self.bar.reset_eta();
    }

    fn on_step(&mut self, progress: Progress) -> Flow {
        self.bar.set_position(progress.step);
        Flow::Continue
    }

    fn on_log(&mut self, record: &MetricRecord) {
        self.bar.set_message(format!(
            "epoch {} loss {:.3}",
            record.epoch + 1,
            record.loss
        ));
    }

    fn on_end(&mut self, _report: &TrainReport) {
        self.bar.finish();
    }
}
