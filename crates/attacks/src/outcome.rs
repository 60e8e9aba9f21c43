//! What a batch of attacks returns.

use serde::{Deserialize, Serialize};
use vaegis_tensor::Tensor;

/// Why the search of one row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowStatus {
    /// The projected gradient vanished.
    ConvergedGradient,
    /// The objective stopped falling.
    ConvergedObjective,
    /// The iterations were used up.
    MaxIterations,
    /// The evaluations were used up.
    MaxEvaluations,
    /// The line search found no better point: normal in f32 near an optimum.
    LineSearchFailed,
    /// A value or gradient was not finite; the best finite point is kept.
    NonFinite,
    /// A search of fixed length ran to its end.
    BudgetUsed,
}

/// The result of a batch of attacks, one entry per row.
#[derive(Debug)]
pub struct AttackOutcome {
    /// Best distortion found, inside box and ball, `[N, D]` on the CPU in f64.
    pub distortion: Tensor,
    /// Divergence plus penalty at `distortion`.
    pub objective: Vec<f64>,
    /// Divergence part at `distortion`.
    pub divergence: Vec<f64>,
    /// Divergence part at d = 0.
    pub divergence_clean: Vec<f64>,
    /// ‖d‖₂.
    pub norm_l2: Vec<f64>,
    /// ‖d‖∞.
    pub norm_linf: Vec<f64>,
    /// Iterations of the search.
    pub iterations: Vec<usize>,
    /// Evaluations of the objective and its gradient.
    pub evaluations: Vec<usize>,
    /// Why the row ended.
    pub status: Vec<RowStatus>,
    /// Which restart won.
    pub restart: Vec<usize>,
    /// Lowest and highest value of x + d; infinite where no box holds it.
    pub pixel_range: (f64, f64),
}

impl AttackOutcome {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.objective.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.objective.is_empty()
    }

    /// x + d in the shape, kind and device of `x`, inside the box whose ends are
    /// rounded to that kind.
    ///
    /// A distortion that reaches the box in f64 may leave it by some units in
    /// the last place once it is rounded to f32: such pixels are moved back.
    ///
    /// # Shapes
    /// x: `[N, C, H, W]` → `[N, C, H, W]`
    pub fn attacked(&self, x: &Tensor) -> Tensor {
        self.attacked_part(x, 0)
    }

    /// [`AttackOutcome::attacked`] of consecutive rows from the row `first` on.
    ///
    /// # Shapes
    /// x: `[n, C, H, W]` → `[n, C, H, W]`
    pub(crate) fn attacked_part(&self, x: &Tensor, first: usize) -> Tensor {
        let d = self.distortion.narrow(0, first as i64, x.size()[0]);
        let d = d.to_kind(x.kind()).to_device(x.device());
        (x + d.reshape(x.size())).clamp(self.pixel_range.0, self.pixel_range.1)
    }
}
