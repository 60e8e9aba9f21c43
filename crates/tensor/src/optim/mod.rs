//! Optimizers whose whole state can be saved, so that a resumed run continues exactly.
//!
//! All of them update in place under `no_grad`, follow PyTorch's definitions (golden
//! trajectories pin this) and are fused into one pass over memory on the CPU. For learning
//! rates over time see [`crate::schedule`]; for clipping see [`crate::clip`].

mod adam;
mod adamax;
mod kernel;
mod sgd;

pub use adam::{Adam, AdamConfig};
pub use adamax::{AdaMax, AdaMaxConfig};
pub use sgd::{Sgd, SgdConfig};

use crate::{Device, Kind, Tensor, TensorError, no_grad};

/// Something that moves parameters along their gradients.
///
/// Parameters are named tensors, usually [`ParamStore::trainable`](crate::ParamStore::trainable).
/// A parameter without a gradient is left alone, and so is its state.
pub trait Optimizer {
    /// One update from the given gradients, in the order of the parameters. An undefined tensor
    /// means that the loss does not depend on the parameter.
    ///
    /// `scale` multiplies every gradient: see [`crate::clip::clip_scale`].
    ///
    /// # Panics
    /// If the number of gradients or a shape differs from the parameters.
    fn apply(&mut self, gradients: &[Tensor], scale: Option<&Tensor>);

    /// The parameters, in order, as they share storage with the model.
    fn parameters(&self) -> &[(String, Tensor)];

    /// Sets the learning rate of the following updates.
    fn set_lr(&mut self, lr: f64);

    /// The current learning rate.
    fn lr(&self) -> f64;

    /// Number of updates so far.
    fn steps(&self) -> u64;

    /// Everything besides the configuration that the next update depends on, by name, with the
    /// number of updates under `steps` and the learning rate under `lr`.
    fn state(&self) -> Vec<(String, Tensor)>;

    /// Restores what [`Optimizer::state`] returned.
    ///
    /// # Errors
    /// A missing, additional or differently shaped tensor; nothing is changed then.
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), TensorError>;

    /// One update from the gradients that `backward` left in the parameters.
    fn step(&mut self) {
        let gradients: Vec<Tensor> = self.parameters().iter().map(|(_, p)| p.grad()).collect();
        self.apply(&gradients, None);
    }

    /// Sets the gradients that `backward` accumulates to zero.
    fn zero_grad(&mut self) {
        for (_, parameter) in self.parameters() {
            let mut gradient = parameter.grad();
            if gradient.defined() {
                let _ = gradient.detach_().zero_();
            }
        }
    }
}

/// What every optimizer holds: parameters, one or more moments per parameter, and counters.
#[derive(Debug)]
struct Core {
    parameters: Vec<(String, Tensor)>,
    /// Outer index: moment; inner index: parameter.
    moments: Vec<Vec<Tensor>>,
    moment_names: &'static [&'static str],
    lr: f64,
    steps: u64,
}

impl Core {
    fn new(
        parameters: Vec<(String, Tensor)>,
        moment_names: &'static [&'static str],
        lr: f64,
    ) -> Self {
        let zeros = || parameters.iter().map(|(_, p)| p.zeros_like()).collect();
        let moments = no_grad(|| moment_names.iter().map(|_| zeros()).collect());
        Self {
            parameters,
            moments,
            moment_names,
            lr,
            steps: 0,
        }
    }

    /// Checks the gradients and hands each defined one on with its parameter's number.
    fn each_gradient(
        &mut self,
        gradients: &[Tensor],
        scale: Option<&Tensor>,
        mut update: impl FnMut(&mut Self, usize, &Tensor, GradientScale<'_>),
    ) {
        assert_eq!(
            gradients.len(),
            self.parameters.len(),
            "one gradient per parameter"
        );
        self.steps += 1;
        let on_host = scale.is_none_or(|s| s.device() == Device::Cpu);
        let scale = match scale {
            None => GradientScale::Host(1.0),
            Some(s) if on_host => GradientScale::Host(s.double_value(&[])),
            Some(s) => GradientScale::Device(s),
        };
        no_grad(|| {
            for (i, gradient) in gradients.iter().enumerate().filter(|(_, g)| g.defined()) {
                let name = &self.parameters[i].0;
                assert_eq!(
                    gradient.size(),
                    self.parameters[i].1.size(),
                    "gradient of {name}"
                );
                update(self, i, gradient, scale);
            }
        });
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![
            ("steps".to_owned(), Tensor::from(steps_to_i64(self.steps))),
            ("lr".to_owned(), Tensor::from(self.lr)),
        ];
        for (moment_name, moment) in self.moment_names.iter().zip(&self.moments) {
            for ((name, _), tensor) in self.parameters.iter().zip(moment) {
                state.push((format!("{moment_name}.{name}"), tensor.copy()));
            }
        }
        state
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), TensorError> {
        let own = self.state();
        let mut found = Vec::with_capacity(own.len());
        for (name, tensor) in &own {
            let value = state
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value);
            match value {
                Some(v) if v.size() == tensor.size() => found.push(v),
                Some(v) => {
                    let (expected, found) = (tensor.size(), v.size());
                    return Err(mismatch(
                        name,
                        format!("{expected:?}"),
                        format!("{found:?}"),
                    ));
                }
                None => return Err(mismatch(name, "a tensor".into(), "none".into())),
            }
        }
        if let Some((name, _)) = state.iter().find(|(n, _)| !own.iter().any(|(o, _)| o == n)) {
            return Err(mismatch(name, "no such state".into(), "a tensor".into()));
        }
        let steps = found[0].to_kind(Kind::Int64).int64_value(&[]);
        let steps = u64::try_from(steps)
            .map_err(|_negative| mismatch("steps", "0 or more".into(), steps.to_string()))?;
        let lr = found[1].to_kind(Kind::Double).double_value(&[]);
        no_grad(|| {
            for (moment, value) in self.moments.iter_mut().flatten().zip(&found[2..]) {
                moment.copy_(value);
            }
        });
        (self.steps, self.lr) = (steps, lr);
        Ok(())
    }
}

/// The factor of all gradients: a number, or a scalar that stays on its device so that clipping
/// costs no synchronization.
#[derive(Clone, Copy, Debug)]
enum GradientScale<'a> {
    Host(f64),
    Device(&'a Tensor),
}

impl GradientScale<'_> {
    /// The gradient times the factor, without a copy where the factor is 1.
    fn times(self, gradient: &Tensor) -> Tensor {
        match self {
            Self::Host(factor) if factor.to_bits() == IDENTITY => gradient.shallow_clone(),
            Self::Host(factor) => gradient * factor,
            Self::Device(factor) => gradient * factor,
        }
    }
}

/// The bits of the factor that changes nothing.
const IDENTITY: u64 = 1.0_f64.to_bits();

fn steps_to_i64(steps: u64) -> i64 {
    i64::try_from(steps).expect("invariant: fewer than 2^63 updates")
}

/// 1 − β^t without the cancellation that `1 - powi` has for the first steps.
fn bias_correction(beta: f64, steps: u64) -> f64 {
    if beta == 0.0 {
        1.0
    } else {
        -(steps as f64 * beta.ln()).exp_m1()
    }
}

fn mismatch(name: &str, expected: String, found: String) -> TensorError {
    let op = "loading optimizer state";
    TensorError::ParameterMismatch {
        op,
        name: name.to_owned(),
        expected,
        found,
    }
}

/// Forwards the bookkeeping half of [`Optimizer`] to the `core` field.
macro_rules! forward_to_core {
    () => {
        fn parameters(&self) -> &[(String, $crate::Tensor)] {
            &self.core.parameters
        }

        fn set_lr(&mut self, lr: f64) {
            self.core.lr = lr;
        }

        fn lr(&self) -> f64 {
            self.core.lr
        }

        fn steps(&self) -> u64 {
            self.core.steps
        }

        fn state(&self) -> Vec<(String, $crate::Tensor)> {
            self.core.state()
        }

        fn load_state(
            &mut self,
            state: &[(String, $crate::Tensor)],
        ) -> Result<(), $crate::TensorError> {
            self.core.load_state(state)
        }
    };
}
use forward_to_core;
