//! Loss terms on their way from the device to the log.
//!
//! A step leaves its means on the device. They come to the host together, at a log point, an
//! epoch's end or a checkpoint: there they are scanned for values that are not finite and added
//! up in f64 in the order of the steps, so that sums do not depend on when that happened.

use serde::{Deserialize, Serialize};
use vaegis_tensor::{Tensor, convert};

use crate::{NamedValues, TrainError};

/// Name of the column of gradient norms.
const GRAD_NORM: &str = "grad_norm";

/// One step whose values are still on the device.
#[derive(Debug)]
struct Pending {
    step: u64,
    indices: Vec<usize>,
    /// The total, the terms, and the gradient norm where there is one.
    values: Tensor,
}

/// The part that a checkpoint stores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// Column names, fixed by the first step: `loss`, then the terms.
    names: Vec<String>,
    since_log: Vec<f64>,
    steps_since_log: u64,
    epoch_loss: f64,
    epoch_steps: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Window {
    pending: Vec<Pending>,
    sums: Sums,
}

impl Window {
    pub(crate) fn resumed(sums: Sums) -> Self {
        Self {
            pending: Vec::new(),
            sums,
        }
    }

    /// The sums; complete only after [`Window::settle`].
    pub(crate) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Takes the means of one step, still on the device.
    pub(crate) fn push(
        &mut self,
        step: u64,
        indices: Vec<usize>,
        terms: Vec<(&'static str, Tensor)>,
        total: &Tensor,
        grad_norm: Option<&Tensor>,
    ) -> Result<(), TrainError> {
        let (term_names, means): (Vec<&str>, Vec<Tensor>) = terms.into_iter().unzip();
        let found = ["loss"]
            .into_iter()
            .chain(term_names.iter().copied())
            .chain(grad_norm.map(|_| GRAD_NORM));
        if self.sums.names.is_empty() {
            self.sums.names = found.map(str::to_owned).collect();
            self.sums.since_log = vec![0.0; self.sums.names.len()];
        } else if !self.sums.names.iter().map(String::as_str).eq(found.clone()) {
            return Err(TrainError::TermsChanged {
                expected: self.sums.names[1..].to_vec(),
                found: found.skip(1).map(str::to_owned).collect(),
                step,
            });
        }
        let columns: Vec<Tensor> = std::iter::once(total)
            .chain(&means)
            .chain(grad_norm)
            .map(|value| value.detach())
            .collect();
        self.pending.push(Pending {
            step,
            indices,
            values: Tensor::stack(&columns, 0),
        });
        Ok(())
    }

    /// Brings everything pending to the host, in one copy, and adds it up.
    ///
    /// # Errors
    /// The first step, and in it the first term, that is not finite.
    pub(crate) fn settle(&mut self) -> Result<(), TrainError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let rows: Vec<&Tensor> = self.pending.iter().map(|p| &p.values).collect();
        let values = convert::to_f64_vec(&Tensor::stack(&rows, 0)); // [steps, columns]
        let columns = self.sums.names.len();
        for (pending, row) in self.pending.drain(..).zip(values.chunks(columns)) {
            // The total comes last: it is not finite because a term is not, unless the sum itself
            // overflows.
            let culprit = (1..columns).chain([0]).find(|&c| !row[c].is_finite());
            if let Some(column) = culprit {
                return Err(TrainError::NonFiniteTerm {
                    term: self.sums.names[column].clone(),
                    step: pending.step,
                    found: row[column],
                    indices: pending.indices,
                    checkpoint: None,
                });
            }
            for (sum, value) in self.sums.since_log.iter_mut().zip(row) {
                *sum += value;
            }
            self.sums.steps_since_log += 1;
            self.sums.epoch_loss += row[0];
            self.sums.epoch_steps += 1;
        }
        Ok(())
    }

    /// The mean loss and terms since the last call, none if there was no step.
    pub(crate) fn take_means(&mut self) -> Option<(f64, NamedValues)> {
        let steps = std::mem::take(&mut self.sums.steps_since_log);
        if steps == 0 {
            return None;
        }
        let means = self
            .sums
            .since_log
            .iter_mut()
            .map(|sum| std::mem::take(sum) / steps as f64);
        let mut named = self.sums.names.iter().cloned().zip(means);
        let (_, loss) = named
            .next()
            .expect("invariant: the loss is the first column");
        Some((loss, NamedValues(named.collect())))
    }

    /// The mean loss of the epoch that ends here.
    pub(crate) fn take_epoch_mean(&mut self) -> f64 {
        let steps = std::mem::take(&mut self.sums.epoch_steps);
        std::mem::take(&mut self.sums.epoch_loss) / steps.max(1) as f64
    }
}
