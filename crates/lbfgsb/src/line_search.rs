//! The line search of Moré and Thuente for the strong Wolfe conditions, by reverse communication.
//!
//! It sees a scalar function of the step only; the caller evaluates and counts.
//!
//! # References
//!
//! Moré and Thuente, *Line search algorithms with guaranteed sufficient decrease*, ACM TOMS 20
//! (1994), section 4 for the trial values; constants as in L-BFGS-B 3.0.

/// Sufficient decrease: `φ(t) ≤ φ(0) + FTOL · t · φ'(0)`.
const FTOL: f64 = 1e-3;
/// Curvature: `|φ'(t)| ≤ GTOL · |φ'(0)|`.
const GTOL: f64 = 0.9;
/// The search gives up refining when its interval is this small relative to its upper end.
const XTOL: f64 = 0.1;
/// Without a bracket the next step lies between these multiples of the last extrapolation.
const EXTRAPOLATE_MIN: f64 = 1.1;
/// See [`EXTRAPOLATE_MIN`].
const EXTRAPOLATE_MAX: f64 = 4.0;
/// Two steps must shrink the interval by this factor, otherwise it is bisected.
const SHRINK: f64 = 0.66;

/// A step with the function's value and slope there.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    step: f64,
    value: f64,
    slope: f64,
}

impl Sample {
    /// The sample of `φ(t) − t · slope` in place of `φ`.
    fn tilted(self, slope: f64) -> Self {
        Self {
            step: self.step,
            value: self.value - self.step * slope,
            slope: self.slope - slope,
        }
    }
}

/// What to do after an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Decision {
    /// The step just evaluated ends the search.
    Accept,
    /// Evaluate at this step.
    Evaluate(f64),
}

/// A search in progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineSearch {
    origin: Sample,
    /// The best step so far.
    best: Sample,
    /// The other end of the interval.
    other: Sample,
    bracketed: bool,
    /// While true, trial values come from the function less its sufficient-decrease line.
    first_stage: bool,
    width: f64,
    previous_width: f64,
    min: f64,
    max: f64,
    step: f64,
    step_limit: f64,
}

impl LineSearch {
    /// Starts a search at `φ(0) = value`, `φ'(0) = slope < 0`, with first trial `step ≤ limit`.
    pub(crate) fn new(value: f64, slope: f64, step: f64, limit: f64) -> Self {
        let origin = Sample {
            step: 0.0,
            value,
            slope,
        };
        let step = step.min(limit);
        Self {
            origin,
            best: origin,
            other: origin,
            bracketed: false,
            first_stage: true,
            width: limit,
            previous_width: 2.0 * limit,
            min: 0.0,
            max: step + EXTRAPOLATE_MAX * step,
            step,
            step_limit: limit,
        }
    }

    /// The step to evaluate, or evaluated last.
    pub(crate) fn step(&self) -> f64 {
        self.step
    }

    /// Takes the value and the slope at [`LineSearch::step`].
    pub(crate) fn advance(&mut self, value: f64, slope: f64) -> Decision {
        let trial = Sample {
            step: self.step,
            value,
            slope,
        };
        let line = FTOL * self.origin.slope;
        let decreased = value <= self.origin.value + self.step * line;
        if self.first_stage && decreased && slope >= 0.0 {
            self.first_stage = false;
        }
        let exhausted = self.is_exhausted();
        let at_limit = self.step >= self.step_limit && decreased && slope <= line;
        let at_zero = self.step <= 0.0;
        let wolfe = decreased && slope.abs() <= GTOL * -self.origin.slope;
        if exhausted || at_limit || at_zero || wolfe {
            return Decision::Accept;
        }

        let next = if self.first_stage && value <= self.best.value && !decreased {
            let mut best = self.best.tilted(line);
            let mut other = self.other.tilted(line);
            let next = self.interpolate(&mut best, &mut other, trial.tilted(line));
            self.best = best.tilted(-line);
            self.other = other.tilted(-line);
            next
        } else {
            let (mut best, mut other) = (self.best, self.other);
            let next = self.interpolate(&mut best, &mut other, trial);
            (self.best, self.other) = (best, other);
            next
        };
        // Rounding can leave the interpolation undefined; the middle is always sensible.
        self.step = if next.is_finite() {
            next
        } else {
            0.5 * (self.best.step + trial.step)
        };

        let (best, other) = (self.best.step, self.other.step);
        if self.bracketed {
            if (other - best).abs() >= SHRINK * self.previous_width {
                self.step = best + 0.5 * (other - best);
            }
            self.previous_width = self.width;
            self.width = (other - best).abs();
            self.min = best.min(other);
            self.max = best.max(other);
        } else {
            self.min = self.step + EXTRAPOLATE_MIN * (self.step - best);
            self.max = self.step + EXTRAPOLATE_MAX * (self.step - best);
        }
        self.step = self.step.max(0.0).min(self.step_limit);
        // No further progress is possible: end at the best step.
        if self.is_exhausted() {
            self.step = best;
        }
        Decision::Evaluate(self.step)
    }

    /// Whether the bracketing interval holds no new step worth a trial.
    fn is_exhausted(&self) -> bool {
        let outside = self.step <= self.min || self.step >= self.max;
        self.bracketed && (outside || self.max - self.min <= XTOL * self.max)
    }

    /// Computes a safeguarded step and updates the interval (their section 4).
    fn interpolate(&mut self, best: &mut Sample, other: &mut Sample, trial: Sample) -> f64 {
        let (x, p) = (*best, trial);
        let opposite = p.slope * (x.slope / x.slope.abs()) < 0.0;
        let next;
        if p.value > x.value {
            // Case 1: a higher value. The minimum is bracketed; lean towards the best step.
            let cubic = cubic_step(x, p, (p.step < x.step).into());
            let mean_slope = (x.value - p.value) / (p.step - x.step);
            let quadratic = x.step + x.slope / (mean_slope + x.slope) / 2.0 * (p.step - x.step);
            next = if (cubic - x.step).abs() < (quadratic - x.step).abs() {
                cubic
            } else {
                cubic + (quadratic - cubic) / 2.0
            };
            self.bracketed = true;
        } else if opposite {
            // Case 2: a lower value with a slope of the other sign. Bracketed too.
            let cubic = cubic_step(p, x, (p.step > x.step).into());
            let secant = secant_step(p, x);
            next = if (cubic - p.step).abs() > (secant - p.step).abs() {
                cubic
            } else {
                secant
            };
            self.bracketed = true;
        } else if p.slope.abs() < x.slope.abs() {
            // Case 3: a lower value and a flatter slope. The cubic may have no minimum.
            let (root, ratio) = cubic_parts(p, x, (p.step > x.step).into());
            let cubic = if ratio < 0.0 && root.abs() > 0.0 {
                p.step + ratio * (x.step - p.step)
            } else if p.step > x.step {
                self.max
            } else {
                self.min
            };
            let secant = secant_step(p, x);
            let cubic_is_nearer = (cubic - p.step).abs() < (secant - p.step).abs();
            if self.bracketed {
                let chosen = if cubic_is_nearer { cubic } else { secant };
                let guard = p.step + SHRINK * (other.step - p.step);
                next = if p.step > x.step {
                    chosen.min(guard)
                } else {
                    chosen.max(guard)
                };
            } else {
                let cubic_is_farther = (cubic - p.step).abs() > (secant - p.step).abs();
                let chosen = if cubic_is_farther { cubic } else { secant };
                next = chosen.min(self.max).max(self.min);
            }
        } else if self.bracketed {
            // Case 4: a lower value and a slope that is no flatter.
            next = cubic_step(p, *other, (p.step > other.step).into());
        } else if p.step > x.step {
            next = self.max;
        } else {
            next = self.min;
        }

        if p.value > x.value {
            *other = p;
        } else {
            if opposite {
                *other = x;
            }
            *best = p;
        }
        next
    }
}

/// Which root of the cubic's derivative to take.
#[derive(Clone, Copy)]
enum Root {
    Plus,
    Minus,
}

impl From<bool> for Root {
    fn from(minus: bool) -> Self {
        if minus { Self::Minus } else { Self::Plus }
    }
}

/// The stationary point of the cubic through `a` and `b`, as a fraction of the way from `a` to `b`,
/// with the signed root of its discriminant.
fn cubic_parts(a: Sample, b: Sample, root: Root) -> (f64, f64) {
    let theta = 3.0 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
    let scale = theta.abs().max(a.slope.abs()).max(b.slope.abs());
    let discriminant = (theta / scale).powi(2) - (a.slope / scale) * (b.slope / scale);
    let gamma = scale * discriminant.max(0.0).sqrt();
    let gamma = match root {
        Root::Plus => gamma,
        Root::Minus => -gamma,
    };
    let numerator = (gamma - a.slope) + theta;
    let denominator = (gamma + (b.slope - a.slope)) + gamma;
    (gamma, numerator / denominator)
}

/// The minimizer of the cubic through `a` and `b`.
fn cubic_step(a: Sample, b: Sample, root: Root) -> f64 {
    a.step + cubic_parts(a, b, root).1 * (b.step - a.step)
}

/// The zero of the line through the two slopes.
fn secant_step(p: Sample, x: Sample) -> f64 {
    p.step + p.slope / (p.slope - x.slope) * (x.step - p.step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The accepted step and the number of trials, at most twenty.
    fn search(f: impl Fn(f64) -> (f64, f64), step: f64, limit: f64) -> Option<(f64, usize)> {
        let (value, slope) = f(0.0);
        let mut search = LineSearch::new(value, slope, step, limit);
        (1..=20).find_map(|trials| {
            let (value, slope) = f(search.step());
            let accepted = search.advance(value, slope) == Decision::Accept;
            accepted.then_some((search.step(), trials))
        })
    }

    // Function (5.1) of the paper's section 5 with β = 2, and a quartic with a flat floor.
    #[test]
    fn strong_wolfe_from_steps_far_too_small_and_far_too_large() {
        let first = |t: f64| {
            let d = t * t + 2.0;
            (-t / d, (t * t - 2.0) / (d * d))
        };
        let second = |t: f64| ((t - 2.0).powi(4), 4.0 * (t - 2.0).powi(3));
        let functions: [&dyn Fn(f64) -> (f64, f64); 2] = [&first, &second];
        for f in functions {
            for start in [1e-3, 1e-1, 1e1, 1e3] {
                let (step, _) = search(f, start, 1e10).expect("a step within twenty trials");
                let ((f0, g0), (f1, g1)) = (f(0.0), f(step));
                assert!(
                    f1 <= f0 + FTOL * step * g0,
                    "no sufficient decrease at {step}"
                );
                assert!(g1.abs() <= GTOL * g0.abs(), "no curvature at {step}");
            }
        }
    }

    #[test]
    fn the_limit_is_kept_and_accepted() {
        let (step, _) = search(|t| (-t, -1.0), 0.5, 3.0).expect("a step within twenty trials");
        assert!((step - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_wrong_slope_is_never_accepted() {
        // The slope promises a decrease that the value never shows.
        assert_eq!(search(|t| (t, -1.0), 1.0, 1.0), None);
    }

    #[test]
    fn noise_ends_the_search_at_the_best_step() {
        // Constant up to noise: the interval closes on the only decrease seen.
        let noisy = |t: f64| {
            if t > 0.9 {
                (-1.0, -1.0)
            } else {
                (f64::from(t > 0.0), -1e-3)
            }
        };
        let (step, _) = search(noisy, 1.0, 1.0).expect("a step within twenty trials");
        assert!((step - 1.0).abs() < f64::EPSILON);
    }
}
