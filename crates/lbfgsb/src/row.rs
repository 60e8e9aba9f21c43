//! One bounded problem as a state machine: it is told a value and a gradient, and either asks for
//! another point or finishes.
//!
//! Buffers that live only during a call are in [`Workspace`], so that the rows of a batch share
//! one per thread.
//!
//! # References
//!
//! Byrd, Lu, Nocedal and Zhu (1995), section 6; stopping rules and restarts as in L-BFGS-B 3.0.

use crate::cauchy::Path;
use crate::history::{History, HistoryScratch};
use crate::kernels::{self, Element, LANES, simd};
use crate::line_search::{Decision, LineSearch};
use crate::middle::Middle;
use crate::options::{Options, Precision};
use crate::problem::Problem;
use crate::solution::{Solution, Status};
use crate::subspace::{Model, Subspace};

/// Longest step of a line search in a direction without bounds.
const UNBOUNDED_STEP: f64 = 1e10;
/// Factor on the step after a trial point whose value or gradient is not finite.
const BACKTRACK: f64 = 0.25;

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    s: Vec<f64>,
    y: Vec<f64>,
    trial: Vec<f64>,
    by_column: Vec<f64>,
    free: Vec<bool>,
    path: Path,
    middle: Middle,
    subspace: Subspace,
    history: HistoryScratch,
    /// Gradient widened from f32, for the callers' use.
    pub(crate) wide_gradient: Vec<f64>,
}

/// An evaluated point.
#[derive(Clone, Debug)]
struct Evaluated {
    x: Vec<f64>,
    gradient: Vec<f64>,
    value: f64,
}

/// Where the row stands.
#[derive(Clone, Debug)]
enum Phase {
    /// The starting point is to be evaluated.
    Initial,
    /// A trial point between `x` and `z` is to be evaluated.
    Searching(LineSearch),
}

/// The state of one row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    problem: Problem,
    options: Options,
    x: Vec<f64>,
    gradient: Vec<f64>,
    value: f64,
    /// End of the segment that the line search looks along.
    z: Vec<f64>,
    /// Slope at `x` along the segment.
    slope: f64,
    history: History,
    phase: Phase,
    /// Evaluations in the current line search.
    trials: usize,
    iterations: usize,
    evaluations: usize,
    /// How often the pairs were forgotten for want of a decrease.
    stalls: usize,
    /// A point better than the current one, if a search passed one over.
    better: Option<Evaluated>,
    /// What the objective's own unit is worth in the values that are handed over.
    unit: f64,
}

simd! {
    /// Steps to `x_new` with gradient `g_new`: writes the differences (rounded to `H`) into `s` and
    /// `y`, replaces `x` and `g`, and returns `sᵀy` and `yᵀy`.
    fn take_step [H: Element] [H] (
        x: &mut [f64],
        g: &mut [f64],
        x_new: &[f64],
        g_new: &[f64],
        s: &mut [f64],
        y: &mut [f64],
    ) -> (f64, f64) {
        let n = x.len();
        let (g, x_new, g_new) = (&mut g[..n], &x_new[..n], &g_new[..n]);
        let (s, y) = (&mut s[..n], &mut y[..n]);
        for i in 0..n {
            s[i] = H::narrow(x_new[i] - x[i]).widen();
            y[i] = H::narrow(g_new[i] - g[i]).widen();
            x[i] = x_new[i];
            g[i] = g_new[i];
        }
        let mut sums = [[0.0; LANES]; 2];
        for (s, y) in s.chunks(LANES).zip(y.chunks(LANES)) {
            for (l, (s, y)) in s.iter().zip(y).enumerate() {
                sums[0][l] += s * y;
                sums[1][l] += y * y;
            }
        }
        let [sy, yy] = sums.map(|s| (s[0] + s[1]) + (s[2] + s[3]));
        (sy, yy)
    }
}

simd! {
    /// The longest step from `x` through `z` that stays in the box; at least one, as `z` does.
    fn step_limit [] [] (
        x: &[f64],
        z: &[f64],
        lower: &[f64],
        upper: &[f64],
        ratios: &mut [f64],
    ) -> f64 {
        let n = x.len();
        let (z, lower, upper, ratios) = (&z[..n], &lower[..n], &upper[..n], &mut ratios[..n]);
        for i in 0..n {
            let (d, low, up) = (z[i] - x[i], lower[i], upper[i]);
            let ratio = ((if d > 0.0 { up } else { low }) - x[i]) / d;
            // Also replaces the NaN of a variable that rests at a bound.
            ratios[i] = if d.abs() > 0.0 { ratio } else { UNBOUNDED_STEP };
        }
        kernels::smallest(ratios).clamp(1.0, UNBOUNDED_STEP)
    }
}

impl Row {
    pub(crate) fn new(problem: Problem, x0: Vec<f64>, options: &Options) -> Self {
        let n = x0.len();
        let x = problem.project(x0);
        Self {
            history: History::new(n, options.memory, options.history),
            options: options.clone(),
            gradient: vec![0.0; n],
            value: f64::NAN,
            z: x.clone(),
            x,
            problem,
            slope: 0.0,
            phase: Phase::Initial,
            trials: 0,
            iterations: 0,
            evaluations: 0,
            stalls: 0,
            better: None,
            unit: 1.0,
        }
    }

    /// Makes the stopping rules act on the objective divided by `unit`.
    pub(crate) fn set_unit(&mut self, unit: f64) {
        self.unit = unit;
    }

    pub(crate) fn iterations(&self) -> usize {
        self.iterations
    }

    pub(crate) fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Writes the point to be evaluated.
    pub(crate) fn point_into(&self, out: &mut [f64]) {
        let step = match &self.phase {
            Phase::Initial => 1.0,
            Phase::Searching(search) => search.step(),
        };
        let Problem { lower, upper, .. } = &self.problem;
        kernels::trial_point(&self.x, &self.z, lower, upper, step, out);
    }

    /// Takes the evaluation of the point asked for; returns a status when the row has finished.
    pub(crate) fn advance(
        &mut self,
        value: f64,
        gradient: &[f64],
        workspace: &mut Workspace,
    ) -> Option<Status> {
        self.evaluations += 1;
        let finite = value.is_finite() && kernels::all_finite(gradient);
        let mut search = match &self.phase {
            Phase::Initial => {
                self.value = value;
                self.gradient.copy_from_slice(gradient);
                if !finite {
                    return Some(Status::NonFinite);
                }
                if self.is_stationary() {
                    return Some(Status::ConvergedGradient);
                }
                if self.options.max_iterations == 0 {
                    return Some(Status::MaxIterations);
                }
                return self.start_search(None, workspace);
            }
            Phase::Searching(search) => search.clone(),
        };
        self.trials += 1;
        if !finite {
            return self.backtrack(&search, workspace);
        }
        let slope = kernels::slope(gradient, &self.z, &self.x);
        let decision = search.advance(value, slope);
        workspace.trial.resize(self.x.len(), 0.0);
        self.point_into(&mut workspace.trial);
        match decision {
            Decision::Accept => self.accept(value, gradient, search.step(), workspace),
            Decision::Evaluate(_) => {
                self.remember(value, &workspace.trial, gradient);
                if self.trials >= self.options.max_line_search {
                    return self.search_failed(workspace);
                }
                self.phase = Phase::Searching(search);
                self.unless_out_of_evaluations()
            }
        }
    }

    /// The best point seen.
    pub(crate) fn into_solution(self, status: Status) -> Solution {
        let (x, gradient, value) = match self.better {
            Some(better) => (better.x, better.gradient, better.value),
            None => (self.x, self.gradient, self.value),
        };
        let Problem { lower, upper, .. } = &self.problem;
        Solution {
            projected_gradient_norm: kernels::projected_norm(&x, &gradient, lower, upper),
            x,
            value,
            gradient,
            iterations: self.iterations,
            evaluations: self.evaluations,
            status,
        }
    }

    fn projected_norm(&self) -> f64 {
        let Problem { lower, upper, .. } = &self.problem;
        kernels::projected_norm(&self.x, &self.gradient, lower, upper)
    }

    /// Whether the projected gradient, in the objective's own units, is small enough to stop.
    fn is_stationary(&self) -> bool {
        self.projected_norm() <= self.options.pgtol * self.unit
    }

    fn unless_out_of_evaluations(&self) -> Option<Status> {
        (self.evaluations >= self.options.max_evaluations).then_some(Status::MaxEvaluations)
    }

    /// The smallest value seen.
    fn best_value(&self) -> f64 {
        self.better
            .as_ref()
            .map_or(self.value, |better| better.value)
    }

    /// Keeps a copy of a trial point that is better than all before.
    fn remember(&mut self, value: f64, x: &[f64], gradient: &[f64]) {
        if value < self.best_value() {
            let better = Evaluated {
                x: x.to_vec(),
                gradient: gradient.to_vec(),
                value,
            };
            self.better = Some(better);
        }
    }

    /// Shortens the step after a trial that was not finite.
    fn backtrack(&mut self, search: &LineSearch, workspace: &mut Workspace) -> Option<Status> {
        if self.trials >= self.options.max_line_search {
            return Some(Status::NonFinite);
        }
        let step = BACKTRACK * search.step();
        // Too short to move any more: the objective is not finite right beside the iterate.
        if step < f64::MIN_POSITIVE {
            return self.search_failed(workspace);
        }
        self.phase = Phase::Searching(LineSearch::new(self.value, self.slope, step, step));
        self.unless_out_of_evaluations()
    }

    /// Makes the trial point in the workspace the iterate, tests for the end and starts a search.
    fn accept(
        &mut self,
        value: f64,
        gradient: &[f64],
        step: f64,
        workspace: &mut Workspace,
    ) -> Option<Status> {
        let n = self.x.len();
        if value <= self.best_value() {
            self.better = None;
        } else if self.better.is_none() {
            // The search ended at a worse point, as rounding may make it.
            let (x, gradient) = (self.x.clone(), self.gradient.clone());
            self.better = Some(Evaluated {
                x,
                gradient,
                value: self.value,
            });
        }
        let previous = std::mem::replace(&mut self.value, value);
        workspace.s.resize(n, 0.0);
        workspace.y.resize(n, 0.0);
        let step_by = match self.options.history {
            Precision::F64 => take_step::<f64>,
            Precision::F32 => take_step::<f32>,
        };
        let (sy, yy) = step_by(
            &mut self.x,
            &mut self.gradient,
            &workspace.trial,
            gradient,
            &mut workspace.s,
            &mut workspace.y,
        );
        self.iterations += 1;
        if self.is_stationary() {
            return Some(Status::ConvergedGradient);
        }
        let magnitude = previous.abs().max(value.abs()).max(self.unit);
        let stalled = previous - value <= f64::EPSILON * self.options.factr * magnitude;
        if stalled && (self.stalls == self.options.stall_restarts || self.history.len() == 0) {
            return Some(Status::ConvergedObjective);
        }
        if self.iterations >= self.options.max_iterations {
            return Some(Status::MaxIterations);
        }
        if stalled {
            self.stalls += 1;
            self.history.reset();
            return self.start_search(None, workspace);
        }
        let theta = yy / sy;
        let curved = sy > f64::EPSILON * -self.slope * step;
        // The second condition also rejects differences that overflow the storage type.
        let usable = curved && theta.is_finite() && theta > 0.0 && yy.is_finite();
        self.start_search(usable.then_some(theta), workspace)
    }

    /// Forgets the pairs and tries again from the iterate; a second failure ends the row.
    fn search_failed(&mut self, workspace: &mut Workspace) -> Option<Status> {
        if self.history.len() == 0 {
            return Some(Status::LineSearchFailed);
        }
        self.history.reset();
        self.start_search(None, workspace)
    }

    /// Finds a descent direction and starts a search along it.
    ///
    /// With `pair` the differences in the workspace are stored first, with that `θ`.
    fn start_search(&mut self, mut pair: Option<f64>, workspace: &mut Workspace) -> Option<Status> {
        loop {
            let found = self.find_target(pair.take(), workspace);
            self.slope = kernels::slope(&self.gradient, &self.z, &self.x);
            if found && self.slope < 0.0 && self.slope.is_finite() {
                break;
            }
            if self.history.len() == 0 {
                return Some(Status::LineSearchFailed);
            }
            self.history.reset();
        }
        let Problem {
            lower,
            upper,
            constrained,
            boxed,
        } = &self.problem;
        let first = self.iterations == 0;
        let limit = match (*constrained, first) {
            (false, _) => UNBOUNDED_STEP,
            (true, true) => 1.0,
            (true, false) => {
                workspace.trial.resize(self.x.len(), 0.0);
                step_limit(&self.x, &self.z, lower, upper, &mut workspace.trial)
            }
        };
        let step = if first && !boxed {
            let squared: f64 = self
                .z
                .iter()
                .zip(&self.x)
                .map(|(z, x)| (z - x).powi(2))
                .sum();
            squared.sqrt().recip().min(limit)
        } else {
            1.0
        };
        self.trials = 0;
        self.phase = Phase::Searching(LineSearch::new(self.value, self.slope, step, limit));
        self.unless_out_of_evaluations()
    }

    /// Sets `z` to the minimizer of the quadratic model in the box, approximately.
    ///
    /// Returns false when the model's matrices are not numerically positive definite.
    fn find_target(&mut self, pair: Option<f64>, workspace: &mut Workspace) -> bool {
        let Workspace {
            s,
            y,
            by_column,
            free,
            path,
            middle,
            subspace,
            history: scratch,
            ..
        } = workspace;
        let Problem {
            lower,
            upper,
            constrained,
            ..
        } = &self.problem;
        let history = &mut self.history;
        let n = self.x.len();
        let start = path.start(&self.x, &self.gradient, lower, upper);
        if let Some(theta) = pair {
            history.push(s, y, &path.direction, theta, scratch, by_column);
        } else if history.len() > 0 {
            history.project(&path.direction, scratch, by_column);
        }
        path.set_projection(by_column, history);
        let quasi_newton = history.len() > 0;
        free.clear();
        free.resize(n, true);
        if *constrained || !quasi_newton {
            if quasi_newton && !middle.form(history) {
                return false;
            }
            path.follow(
                start,
                &self.x,
                lower,
                upper,
                history,
                middle,
                &mut self.z,
                free,
            );
        }
        history.set_free(free, scratch);
        if quasi_newton && !history.free_rows().is_empty() {
            let model = Model {
                x: &self.x,
                g: &self.gradient,
                lower,
                upper,
            };
            return subspace.minimize(model, path, history, middle, &mut self.z);
        }
        for &row in history.free_rows() {
            let i = row as usize;
            let point = self.x[i] + path.time * path.direction[i];
            self.z[i] = point.max(lower[i]).min(upper[i]);
        }
        true
    }
}
