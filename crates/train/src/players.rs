//! The optimizer of a model and, where it has one, that of its opponent.
//!
//! A step computes all gradients before it moves anything, and each loss is differentiated in its
//! own parameters only: neither side's gradient can reach the other.

use vaegis_nn::{Objective, Opponent};
use vaegis_tensor::optim::{Adam, AdamConfig, Optimizer};
use vaegis_tensor::{Tensor, TensorError};

use crate::{TrainConfig, TrainError};

/// What precedes the names of the opponent's state in a checkpoint.
const OPPONENT: &str = "opponent:";

/// All optimizers of a run.
pub(crate) struct Players {
    pub(crate) model: Box<dyn Optimizer>,
    opponent: Option<Adam>,
}

impl Players {
    /// The optimizers of a model's parameters.
    pub(crate) fn new(model: &dyn Objective, config: &TrainConfig) -> Self {
        let opponent = model.opponent();
        let is_opponents = |name: &str| opponent.is_some_and(|o| o.owns(name));
        let (theirs, own) = model
            .params()
            .trainable()
            .into_iter()
            .partition(|(name, _)| is_opponents(name));
        let adam = |o: Opponent| {
            let config = AdamConfig {
                lr: o.lr,
                beta1: o.beta1,
                beta2: o.beta2,
                ..AdamConfig::default()
            };
            Adam::new(theirs, config)
        };
        Self {
            model: config.optimizer_over(own),
            opponent: opponent.map(adam),
        }
    }

    /// The gradients of the opponent's loss in its own parameters; empty without an opponent.
    pub(crate) fn opponent_gradients(
        &self,
        total: Option<&Tensor>,
    ) -> Result<Vec<Tensor>, TrainError> {
        match (&self.opponent, total) {
            (Some(opponent), Some(total)) => gradients("opponent", opponent, total),
            _ => Ok(Vec::new()),
        }
    }

    /// Moves the opponent along what [`Players::opponent_gradients`] gave.
    pub(crate) fn move_opponent(&mut self, gradients: &[Tensor]) {
        if let (Some(opponent), false) = (&mut self.opponent, gradients.is_empty()) {
            opponent.apply(gradients, None);
        }
    }

    /// Everything that the next step depends on, by name.
    pub(crate) fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = self.model.state();
        let theirs = self.opponent.iter().flat_map(|o| o.state());
        state.extend(theirs.map(|(name, tensor)| (format!("{OPPONENT}{name}"), tensor)));
        state
    }

    /// Restores what [`Players::state`] returned.
    pub(crate) fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), TensorError> {
        let named = |name: &str, tensor: &Tensor| (name.to_owned(), tensor.shallow_clone());
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        for (name, tensor) in state {
            match name.strip_prefix(OPPONENT) {
                Some(name) if self.opponent.is_some() => theirs.push(named(name, tensor)),
                _ => own.push(named(name, tensor)),
            }
        }
        if let Some(opponent) = &mut self.opponent {
            opponent.load_state(&theirs)?;
        }
        self.model.load_state(&own)
    }
}

/// Gradients that are returned instead of accumulated, so that there is nothing to set to zero.
///
/// # Errors
/// A loss without gradient or a player without parameters: libtorch would end the process.
pub(crate) fn gradients(
    player: &'static str,
    optimizer: &dyn Optimizer,
    total: &Tensor,
) -> Result<Vec<Tensor>, TrainError> {
    let parameters: Vec<&Tensor> = optimizer.parameters().iter().map(|(_, t)| t).collect();
    let can_move = |p: &&Tensor| p.requires_grad();
    if !total.requires_grad() || !parameters.iter().all(can_move) || parameters.is_empty() {
        return Err(TrainError::NothingToTrain {
            player,
            num_trainable: parameters.iter().filter(|p| can_move(p)).count(),
        });
    }
    let gradients = Tensor::f_run_backward(&[total], &parameters, false, false);
    Ok(gradients.map_err(TensorError::from)?)
}
