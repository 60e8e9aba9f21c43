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

    /// The best of several attacks on the same rows, row by row: the lowest objective wins, the
    /// first of equal ones, and one that is not a number never. Evaluations are those of all
    /// attacks together.
    ///
    /// The attacks have to minimize the same objective at the same λ, or the comparison says
    /// nothing: they differ in search, start or noise.
    ///
    /// # Panics
    /// If there is no outcome, or they differ in rows, pixels or box.
    ///
    /// # References
    /// The combination of Croce and Hein (2020), section 4: an ensemble's result is its best one.
    #[must_use]
    pub fn best_of(outcomes: &[Self]) -> Self {
        let first = outcomes.first().expect("at least one outcome");
        for other in outcomes {
            assert_eq!(
                first.distortion.size(),
                other.distortion.size(),
                "rows, pixels"
            );
            assert_eq!(first.pixel_range, other.pixel_range, "box");
        }
        let num_rows = first.len();
        let winner: Vec<usize> = (0..num_rows)
            .map(|row| {
                let better = |best: usize, next: usize| {
                    let [a, b] = [next, best].map(|k| outcomes[k].objective[row]);
                    if a < b || (b.is_nan() && !a.is_nan()) {
                        next
                    } else {
                        best
                    }
                };
                (1..outcomes.len()).fold(0, better)
            })
            .collect();
        let place: Vec<usize> = (winner.iter().enumerate())
            .map(|(row, &k)| k * num_rows + row)
            .collect();
        let evaluations = (0..num_rows)
            .map(|row| outcomes.iter().map(|o| o.evaluations[row]).sum())
            .collect();
        Self {
            evaluations,
            ..Self::gather(outcomes, &place)
        }
    }

    /// The rows at these places of all parts laid end to end; the parts share a box.
    ///
    /// # Panics
    /// If there is no part, or a place beyond the last.
    pub(crate) fn gather(parts: &[Self], place: &[usize]) -> Self {
        let index: Vec<i64> = place.iter().map(|&p| p as i64).collect();
        let distortion: Vec<&Tensor> = parts.iter().map(|p| &p.distortion).collect();
        let distortion = Tensor::cat(&distortion, 0).index_select(0, &Tensor::from_slice(&index));
        Self {
            distortion,
            objective: field(parts, place, |p| &p.objective),
            divergence: field(parts, place, |p| &p.divergence),
            divergence_clean: field(parts, place, |p| &p.divergence_clean),
            norm_l2: field(parts, place, |p| &p.norm_l2),
            norm_linf: field(parts, place, |p| &p.norm_linf),
            iterations: field(parts, place, |p| &p.iterations),
            evaluations: field(parts, place, |p| &p.evaluations),
            status: field(parts, place, |p| &p.status),
            restart: field(parts, place, |p| &p.restart),
            pixel_range: parts[0].pixel_range,
        }
    }
}

/// One field of all parts, by place.
fn field<T: Copy>(
    parts: &[AttackOutcome],
    place: &[usize],
    of: impl Fn(&AttackOutcome) -> &Vec<T>,
) -> Vec<T> {
    let all: Vec<T> = parts.iter().flat_map(|p| of(p).iter().copied()).collect();
    place.iter().map(|&p| all[p]).collect()
}
