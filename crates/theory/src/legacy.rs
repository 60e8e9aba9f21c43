//! Algorithms E.1 and E.2 exactly as the two sources print them, over closures.
//!
//! For: comparing published numbers with ours, and showing what the printed loops do. The results
//! are biased in known ways (`docs/theory/legacy-algorithms.md`); use
//! [`crate::r_min::empirical`] and [`crate::bisection::MarginSearch`] for anything else.
//!
//! Only the ways to stop are added: the printed loops run for ever on a model that is never
//! r-robust.

use serde::{Deserialize, Serialize};

use crate::error::{Result, TheoryError, check_open_unit, check_positive, invalid};

/// Which text is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The thesis: level m and d < r in E.1; attacks and restarts in E.2.
    Thesis,
    /// The paper: level ½ and d ≤ r in Algorithm 1; random directions in Algorithm 2.
    Paper,
}

/// Why a loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegacyStop {
    /// The printed condition was met.
    Condition,
    /// The radius fell to zero or below, where the printed loop would go on.
    NonPositiveRadius,
    /// `max_iterations` passes of the outer loop.
    MaxIterations,
}

/// What a loop returned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyRadius {
    /// The returned radius; for E.2 it is not the one that was tested.
    pub radius: f64,
    /// The last share that the loop computed.
    pub share: f64,
    /// Passes of the outer loop.
    pub num_iterations: usize,
    /// Why it ended.
    pub stop: LegacyStop,
}

/// Settings of Algorithm E.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinimalRadiusOptions {
    /// Which text is followed.
    pub source: Source,
    /// Level m of the thesis; the paper's text ignores it and uses ½.
    pub m: f64,
    /// Increment of r; no source states it.
    pub step: f64,
    /// Fresh samples per increment; no source states it.
    pub num_samples: usize,
    /// Increments after which the loop gives up.
    pub max_iterations: usize,
}

impl Default for MinimalRadiusOptions {
    /// Step 0.1, 1000 samples, 10 000 increments: conventions, not printed values.
    fn default() -> Self {
        Self {
            source: Source::Thesis,
            m: 0.5,
            step: 0.1,
            num_samples: 1000,
            max_iterations: 10_000,
        }
    }
}

/// Algorithm E.1: raises r by a step until a fresh sample has a share of at least m inside.
///
/// `draw(n)` returns n fresh distances ‖g(z) − g(μ(x))‖, z from the encoder at x.
///
/// # Formula
/// ```text
/// r = 0; p = 0
/// while p < m:  d ← n fresh distances;  r ← r + step;  p ← #(d < r)/n      (paper: d ≤ r, m = ½)
/// ```
///
/// # Errors
/// When `m` is not in (0, 1), the step is not positive, there are no samples, or `draw` fails or
/// returns another number of distances.
///
/// # References
/// Algorithm E.1 of the thesis, Algorithm 1 of the paper.
pub fn minimal_radius<E: From<TheoryError>>(
    options: &MinimalRadiusOptions,
    mut draw: impl FnMut(usize) -> std::result::Result<Vec<f64>, E>,
) -> std::result::Result<LegacyRadius, E> {
    const OP: &str = "legacy::minimal_radius";
    check_open_unit(OP, "m", options.m)?;
    check_loop(OP, options.step, options.num_samples)?;
    let level = match options.source {
        Source::Thesis => options.m,
        Source::Paper => 0.5,
    };
    let (mut radius, mut share, mut num_iterations) = (0.0, 0.0, 0);
    while share < level {
        if num_iterations == options.max_iterations {
            return Ok(LegacyRadius {
                radius,
                share,
                num_iterations,
                stop: LegacyStop::MaxIterations,
            });
        }
        let distances = checked(OP, draw(options.num_samples)?, options.num_samples)?;
        radius += options.step;
        share = share_inside(&distances, radius, options.source == Source::Paper);
        num_iterations += 1;
    }
    Ok(LegacyRadius {
        radius,
        share,
        num_iterations,
        stop: LegacyStop::Condition,
    })
}

/// Settings of Algorithm E.2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarginOptions {
    /// Which text is followed: the paper has no restarts.
    pub source: Source,
    /// Radius r of the reconstruction ball.
    pub r: f64,
    /// First input radius; 10 in print.
    pub start: f64,
    /// Decrement of the input radius; no source states it.
    pub step: f64,
    /// Samples per test; no source states it.
    pub num_samples: usize,
    /// Restarts of the thesis; 5 in print.
    pub num_restarts: usize,
    /// Whether to stop once the radius is no longer positive, which the printed loop does not do.
    pub stop_at_zero: bool,
    /// Passes of the outer loop after which it gives up.
    pub max_iterations: usize,
}

impl Default for MarginOptions {
    /// Start 10 and 5 restarts as printed; r = 4, step 0.1 and 40 samples are conventions.
    fn default() -> Self {
        Self {
            source: Source::Thesis,
            r: 4.0,
            start: 10.0,
            step: 0.1,
            num_samples: 40,
            num_restarts: 5,
            stop_at_zero: false,
            max_iterations: 10_000,
        }
    }
}

/// One test that Algorithm E.2 asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarginDraw {
    /// Norm R of the perturbations; the printed loop may ask for negative ones.
    pub radius: f64,
    /// Restart number within the pass; always 0 for the paper.
    pub restart: usize,
    /// Distances wanted.
    pub num_samples: usize,
}

/// Algorithm E.2: lowers R until, in the last restart of a pass, half of the samples are inside.
///
/// `draw` returns the distances ‖g(z) − g(μ(x))‖ for perturbations of the given norm: one attack
/// per sample for the thesis, one random direction per sample for the paper.
///
/// # Formula
/// ```text
/// R = 10; p = 0
/// while p < ½:  for each restart:  d ← n distances at R;  R ← R − step;  p ← #(d < r)/n
/// ```
///
/// # Errors
/// When a setting is out of range, or `draw` fails or returns another number of distances.
///
/// # References
/// Algorithm E.2 of the thesis, Algorithm 2 of the paper.
pub fn margin<E: From<TheoryError>>(
    options: &MarginOptions,
    mut draw: impl FnMut(MarginDraw) -> std::result::Result<Vec<f64>, E>,
) -> std::result::Result<LegacyRadius, E> {
    const OP: &str = "legacy::margin";
    check_loop(OP, options.step, options.num_samples)?;
    check_positive(OP, "r", options.r)?;
    check_positive(OP, "start", options.start)?;
    let num_restarts = match options.source {
        Source::Thesis => options.num_restarts,
        Source::Paper => 1,
    };
    if num_restarts == 0 {
        return Err(invalid(OP, "num_restarts", "at least 1", num_restarts).into());
    }
    let (mut radius, mut share, mut num_iterations) = (options.start, 0.0, 0);
    while share < 0.5 {
        let stop = if options.stop_at_zero && radius <= 0.0 {
            Some(LegacyStop::NonPositiveRadius)
        } else if num_iterations == options.max_iterations {
            Some(LegacyStop::MaxIterations)
        } else {
            None
        };
        if let Some(stop) = stop {
            return Ok(LegacyRadius {
                radius,
                share,
                num_iterations,
                stop,
            });
        }
        for restart in 0..num_restarts {
            let wanted = MarginDraw {
                radius,
                restart,
                num_samples: options.num_samples,
            };
            let distances = checked(OP, draw(wanted)?, options.num_samples)?;
            radius -= options.step;
            share = share_inside(&distances, options.r, false);
        }
        num_iterations += 1;
    }
    Ok(LegacyRadius {
        radius,
        share,
        num_iterations,
        stop: LegacyStop::Condition,
    })
}

fn share_inside(distances: &[f64], r: f64, closed: bool) -> f64 {
    let inside = distances
        .iter()
        .filter(|&&d| if closed { d <= r } else { d < r });
    inside.count() as f64 / distances.len() as f64
}

fn check_loop(op: &'static str, step: f64, num_samples: usize) -> Result<()> {
    check_positive(op, "step", step)?;
    if num_samples == 0 {
        return Err(invalid(op, "num_samples", "at least 1", num_samples));
    }
    Ok(())
}

fn checked(op: &'static str, distances: Vec<f64>, expected: usize) -> Result<Vec<f64>> {
    crate::error::check_same_len(op, "distances", expected, distances.len())?;
    Ok(distances)
}
