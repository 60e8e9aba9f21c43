//! What a training run is configured by. Everything here is in the stored `config.toml`.

use serde::{Deserialize, Serialize};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_tensor::Tensor;
use vaegis_tensor::optim::{AdaMax, AdaMaxConfig, Adam, AdamConfig, Optimizer, Sgd, SgdConfig};
use vaegis_tensor::schedule::{PlateauConfig, Schedule};

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrainConfig {
    /// Examples per step.
    pub batch_size: usize,
    /// Passes over the data.
    pub epochs: u64,
    /// Steps after which the run ends even within an epoch; none for no limit.
    pub max_steps: Option<u64>,
    /// Whether a short last batch of an epoch is left out.
    pub drop_last: bool,
    /// Base learning rate.
    pub lr: f64,
    /// Largest L2 norm of all gradients together; none for no clipping.
    pub clip_norm: Option<f64>,
    /// Steps between two metric records; the only regular host synchronization.
    pub log_every: u64,
    /// Steps between two checkpoints; none for none.
    pub checkpoint_every_steps: Option<u64>,
    /// Seconds between two checkpoints, in addition; none for none.
    pub checkpoint_every_seconds: Option<f64>,
    /// Batches that wait ready while a step runs.
    pub prefetch: usize,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// What moves the parameters.
    pub optimizer: OptimizerConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            batch_size: 128,
            epochs: 10,
            max_steps: None,
            drop_last: false,
            lr: 1e-3,
            clip_norm: None,
            log_every: 50,
            checkpoint_every_steps: None,
            checkpoint_every_seconds: Some(30.0),
            prefetch: 4,
            schedule: ScheduleConfig::Constant,
            optimizer: OptimizerConfig::Adam(AdamOptions::default()),
        }
    }
}

/// The learning rate over time; lengths that the trainer knows are not repeated here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// Always the base rate.
    #[default]
    Constant,
    /// Half a cosine over the whole run, down to `floor` times the base rate.
    Cosine {
        /// Final rate as a share of the base rate.
        #[serde(default)]
        floor: f64,
    },
    /// Linear growth over the first steps.
    Warmup {
        /// Number of steps of growth.
        steps: u64,
    },
    /// Lower after epochs without a better mean loss.
    Plateau(PlateauConfig),
}

/// What moves the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerConfig {
    /// Adam; weight decay is an L2 term.
    Adam(AdamOptions),
    /// Adam with decoupled weight decay.
    Adamw(AdamOptions),
    /// Adam with the infinity norm.
    Adamax(AdamOptions),
    /// Gradient descent.
    Sgd(SgdOptions),
}

/// Constants of the Adam family.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdamOptions {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment or of the maximum.
    pub beta2: f64,
    /// Guard of the division.
    pub eps: f64,
    /// Factor of the weight decay.
    pub weight_decay: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// Constants of gradient descent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct SgdOptions {
    /// Decay of the velocity.
    pub momentum: f64,
    /// Whether to look ahead along the velocity.
    pub nesterov: bool,
    /// Factor of the L2 term.
    pub weight_decay: f64,
}

impl TrainConfig {
    /// Number of steps of the whole run for `num_batches` batches per epoch.
    pub fn total_steps(&self, num_batches: usize) -> u64 {
        let all = self.epochs.saturating_mul(num_batches as u64);
        self.max_steps.map_or(all, |limit| all.min(limit))
    }

    /// The schedule as a function of the step; a plateau is constant between observations.
    pub(crate) fn schedule_over(&self, total: u64) -> Schedule {
        match self.schedule {
            ScheduleConfig::Constant | ScheduleConfig::Plateau(_) => Schedule::Constant,
            ScheduleConfig::Cosine { floor } => Schedule::Cosine { total, floor },
            ScheduleConfig::Warmup { steps } => Schedule::Warmup { steps },
        }
    }

    /// The optimizer over these parameters.
    pub(crate) fn optimizer_over(&self, parameters: Vec<(String, Tensor)>) -> Box<dyn Optimizer> {
        let lr = self.lr;
        let adam = |o: AdamOptions, decoupled| AdamConfig {
            lr,
            beta1: o.beta1,
            beta2: o.beta2,
            eps: o.eps,
            weight_decay: o.weight_decay,
            decoupled,
        };
        match self.optimizer {
            OptimizerConfig::Adam(o) => Box::new(Adam::new(parameters, adam(o, false))),
            OptimizerConfig::Adamw(o) => Box::new(Adam::new(parameters, adam(o, true))),
            OptimizerConfig::Adamax(o) => {
                let AdamOptions {
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                } = o;
                let config = AdaMaxConfig {
                    lr,
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                };
                Box::new(AdaMax::new(parameters, config))
            }
            OptimizerConfig::Sgd(SgdOptions {
                momentum,
                nesterov,
                weight_decay,
            }) => {
                let config = SgdConfig {
                    lr,
                    momentum,
                    nesterov,
                    weight_decay,
                };
                Box::new(Sgd::new(parameters, config))
            }
        }
    }

    /// The part that a resumed run must share with the run that wrote the checkpoint. The length
    /// may change unless the schedule depends on it; when checkpoints are written never matters.
    pub(crate) fn identity(&self) -> Self {
        let mut identity = self.clone();
        identity.checkpoint_every_steps = None;
        identity.checkpoint_every_seconds = None;
        identity.prefetch = 1;
        if !matches!(self.schedule, ScheduleConfig::Cosine { .. }) {
            identity.epochs = 1;
            identity.max_steps = None;
        }
        identity
    }
}

impl Validate for TrainConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        checks.at_least("batch-size", self.batch_size, 1);
        at_least_one(&mut checks, "epochs", Some(self.epochs));
        at_least_one(&mut checks, "max-steps", self.max_steps);
        checks.positive("lr", self.lr);
        if let Some(norm) = self.clip_norm {
            checks.positive("clip-norm", norm);
        }
        at_least_one(&mut checks, "log-every", Some(self.log_every));
        at_least_one(
            &mut checks,
            "checkpoint-every-steps",
            self.checkpoint_every_steps,
        );
        if let Some(seconds) = self.checkpoint_every_seconds {
            checks.positive("checkpoint-every-seconds", seconds);
        }
        checks.at_least("prefetch", self.prefetch, 1);
        match self.schedule {
            ScheduleConfig::Constant => {}
            ScheduleConfig::Cosine { floor } => {
                checks.within("schedule.floor", floor, 0.0, 1.0);
            }
            ScheduleConfig::Warmup { steps } => {
                at_least_one(&mut checks, "schedule.steps", Some(steps));
            }
            ScheduleConfig::Plateau(plateau) => {
                checks
                    .between("schedule.factor", plateau.factor, 0.0, 1.0)
                    .non_negative("schedule.threshold", plateau.threshold)
                    .non_negative("schedule.min-lr", plateau.min_lr);
            }
        }
        match self.optimizer {
            OptimizerConfig::Adam(o) | OptimizerConfig::Adamw(o) | OptimizerConfig::Adamax(o) => {
                decay(&mut checks, "optimizer.beta1", o.beta1);
                decay(&mut checks, "optimizer.beta2", o.beta2);
                checks
                    .non_negative("optimizer.eps", o.eps)
                    .non_negative("optimizer.weight-decay", o.weight_decay);
            }
            OptimizerConfig::Sgd(o) => {
                decay(&mut checks, "optimizer.momentum", o.momentum);
                checks
                    .non_negative("optimizer.weight-decay", o.weight_decay)
                    .require(
                        "optimizer.nesterov",
                        !o.nesterov || o.momentum > 0.0,
                        "false where there is no momentum",
                        o.nesterov,
                    );
            }
        }
        checks.into_violations()
    }
}

fn at_least_one(checks: &mut Checks, key: &str, value: Option<u64>) {
    if let Some(value) = value {
        checks.require(key, value >= 1, "a whole number of at least 1", value);
    }
}

/// A decay lies in [0, 1): at 1 nothing would ever be forgotten and corrections divide by 0.
fn decay(checks: &mut Checks, key: &str, value: f64) {
    let ok = (0.0..1.0).contains(&value);
    checks.require(key, ok, "a number from 0 to below 1", value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use vaegis_core::codec::{from_toml, to_toml};

    fn parse(text: &str) -> Result<TrainConfig, vaegis_core::CoreError> {
        from_toml(Path::new("train.toml"), text)
    }

    #[test]
    fn every_variant_survives_toml() {
        let schedules = [
            ScheduleConfig::Constant,
            ScheduleConfig::Cosine { floor: 0.1 },
            ScheduleConfig::Warmup { steps: 7 },
            ScheduleConfig::Plateau(PlateauConfig::default()),
        ];
        let adam = AdamOptions {
            beta1: 0.8,
            ..AdamOptions::default()
        };
        let optimizers = [
            OptimizerConfig::Adam(adam),
            OptimizerConfig::Adamw(adam),
            OptimizerConfig::Adamax(adam),
            OptimizerConfig::Sgd(SgdOptions {
                momentum: 0.5,
                ..SgdOptions::default()
            }),
        ];
        for schedule in schedules {
            for optimizer in optimizers {
                let config = TrainConfig {
                    schedule,
                    optimizer,
                    max_steps: Some(3),
                    clip_norm: Some(0.1),
                    ..TrainConfig::default()
                };
                assert_eq!(config.violations(), []);
                let text = to_toml(&config).expect("serializes");
                assert_eq!(parse(&text).expect("round trip"), config, "{text}");
            }
        }
        assert_eq!(parse("").expect("all defaults"), TrainConfig::default());
    }

    #[test]
    fn unknown_keys_are_named_at_every_level() {
        for (key, text) in [
            ("batchsize", "batchsize = 3"),
            ("flor", "[schedule]\nkind = \"cosine\"\nflor = 0.1"),
            ("patient", "[schedule]\nkind = \"plateau\"\npatient = 3"),
            ("momentum", "[optimizer]\nkind = \"adam\"\nmomentum = 0.9"),
            ("lion", "[optimizer]\nkind = \"lion\""),
        ] {
            let error = parse(text).expect_err(key).to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn all_impossible_values_are_listed() {
        let config = TrainConfig {
            batch_size: 0,
            epochs: 0,
            max_steps: Some(0),
            lr: f64::NAN,
            clip_norm: Some(0.0),
            log_every: 0,
            checkpoint_every_steps: Some(0),
            checkpoint_every_seconds: Some(-1.0),
            prefetch: 0,
            drop_last: false,
            schedule: ScheduleConfig::Cosine { floor: 2.0 },
            optimizer: OptimizerConfig::Adam(AdamOptions {
                beta1: 1.0,
                beta2: -0.1,
                eps: -1.0,
                weight_decay: f64::INFINITY,
            }),
        };
        let keys: Vec<String> = config.violations().into_iter().map(|v| v.key).collect();
        assert_eq!(
            keys,
            [
                "batch-size",
                "epochs",
                "max-steps",
                "lr",
                "clip-norm",
                "log-every",
                "checkpoint-every-steps",
                "checkpoint-every-seconds",
                "prefetch",
                "schedule.floor",
                "optimizer.beta1",
                "optimizer.beta2",
                "optimizer.eps",
                "optimizer.weight-decay",
            ]
        );
    }

    #[test]
    fn length_is_part_of_the_identity_only_where_the_schedule_uses_it() {
        let config = TrainConfig::default();
        let longer = TrainConfig {
            epochs: 99,
            prefetch: 1,
            ..config.clone()
        };
        assert_eq!(config.identity(), longer.identity());
        let cosine = |epochs| TrainConfig {
            epochs,
            schedule: ScheduleConfig::Cosine { floor: 0.0 },
            ..TrainConfig::default()
        };
        assert_ne!(cosine(1).identity(), cosine(2).identity());
        assert_ne!(
            config.identity(),
            TrainConfig {
                lr: 0.1,
                ..config.clone()
            }
            .identity()
        );
    }
}
