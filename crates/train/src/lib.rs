//! The training loop: batches, noise keyed by step, schedules, metrics, observers, atomic
//! checkpoints and exact resume.
//!
//! It knows models by the [`Objective`](vaegis_nn::Objective) trait and data by the
//! [`Dataset`](vaegis_data::Dataset) trait, and nothing of attacks or evaluation.
//!
//! Results depend on the configuration, the seed, the data and the number of threads, never on
//! time: a run that is killed and resumed ends with the same bytes as one that was not.

mod config;
mod error;
mod metrics;
mod observer;
mod players;
mod resume;
mod trainer;
mod window;

pub use config::{AdamOptions, OptimizerConfig, ScheduleConfig, SgdOptions, TrainConfig};
pub use error::TrainError;
pub use metrics::{MetricRecord, NamedValues, read_metrics};
pub use observer::{Flow, Observer, Progress, ProgressBar};
pub use resume::{CHECKPOINT_FOLDER, METRICS_FILE, Output, load_parameters};
pub use trainer::{TrainReport, Trainer};
