//! The generalized Cauchy point: the first local minimizer of the quadratic model along the
//! projected steepest-descent path.
//!
//! # References
//!
//! Byrd, Lu, Nocedal and Zhu (1995), section 4 (algorithm CP).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::history::History;
use crate::kernels::{LANES, simd};
use crate::middle::{Middle, Short};

/// Breakpoints are sorted up to this multiple of the time of the minimum then expected.
const HORIZON: f64 = 2.0;

/// A breakpoint: its time's bit pattern, whose order is that of positive numbers, and its variable.
type Breakpoint = Reverse<(u64, u32)>;

/// The path before it is followed, and the vectors that follow it.
#[derive(Debug, Default)]
pub(crate) struct Path {
    /// The direction `d` of the current segment: `−g`, zero for variables at their bounds.
    pub(crate) direction: Vec<f64>,
    /// When each variable meets its bound; zero if it rests there, infinite if never.
    pub(crate) breaks: Vec<f64>,
    /// `Wᵀ d` by slot, with `W = [Y, θ S]`.
    pub(crate) p: Short,
    /// `Wᵀ (x_cauchy − x)` by slot.
    pub(crate) c: Short,
    /// The time of the Cauchy point.
    pub(crate) time: f64,
    row: Short,
    product: Short,
    heap: Vec<Breakpoint>,
}

simd! {
    /// Fills `direction` and `breaks`; returns `dᵀd` and the earliest positive break.
    fn start [] [] (
        x: &[f64],
        g: &[f64],
        lower: &[f64],
        upper: &[f64],
        direction: &mut [f64],
        breaks: &mut [f64],
    ) -> (f64, f64) {
        let n = x.len();
        let (g, lower, upper) = (&g[..n], &lower[..n], &upper[..n]);
        let (direction, breaks) = (&mut direction[..n], &mut breaks[..n]);
        for i in 0..n {
            let (g, x, low, up) = (g[i], x[i], lower[i], upper[i]);
            let time = (x - (if g > 0.0 { low } else { up })) / g;
            let still = if (x <= low) | (x >= up) { 0.0 } else { f64::INFINITY };
            let time = if g.abs() > 0.0 { time } else { still };
            breaks[i] = time;
            direction[i] = if time > 0.0 { -g } else { 0.0 };
        }
        let mut squares = [0.0; LANES];
        let mut first = [f64::INFINITY; LANES];
        let (d_groups, d_rest) = direction.as_chunks::<LANES>();
        let (t_groups, t_rest) = breaks.as_chunks::<LANES>();
        for (d, t) in d_groups.iter().zip(t_groups) {
            for l in 0..LANES {
                squares[l] += d[l] * d[l];
                let t = if t[l] > 0.0 { t[l] } else { f64::INFINITY };
                first[l] = if t < first[l] { t } else { first[l] };
            }
        }
        for (l, (d, t)) in d_rest.iter().zip(t_rest).enumerate() {
            squares[l] += d * d;
            first[l] = if *t > 0.0 { first[l].min(*t) } else { first[l] };
        }
        let squares = (squares[0] + squares[1]) + (squares[2] + squares[3]);
        (squares, first.iter().fold(f64::INFINITY, |a, &b| a.min(b)))
    }
}

/// The length of the first direction and the time of the first breakpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    squared_norm: f64,
    first_break: f64,
}

impl Path {
    /// Lays out the path from `x`.
    pub(crate) fn start(&mut self, x: &[f64], g: &[f64], lower: &[f64], upper: &[f64]) -> Start {
        self.direction.resize(x.len(), 0.0);
        self.breaks.resize(x.len(), 0.0);
        let (squared_norm, first_break) =
            start(x, g, lower, upper, &mut self.direction, &mut self.breaks);
        Start {
            squared_norm,
            first_break,
        }
    }

    /// Takes `Wᵀ d` of the first segment, given by column of the history with `S` unscaled.
    pub(crate) fn set_projection(&mut self, by_column: &[f64], history: &History) {
        self.p.clear(history.len());
        for (slot, pair) in by_column
            .as_chunks::<2>()
            .0
            .iter()
            .take(history.len())
            .enumerate()
        {
            self.p.y[slot] = pair[0];
            self.p.s[slot] = pair[1] * history.theta;
        }
    }

    /// Follows the path to the Cauchy point.
    ///
    /// On return `time`, `p` and `c` belong to the Cauchy point and its last segment, the direction
    /// is zero for every variable that met its bound, `free` tells which variables rest at no
    /// bound, and `z` holds the bounds met and `x` elsewhere.
    #[expect(
        clippy::too_many_arguments,
        reason = "the problem's vectors have different owners"
    )]
    pub(crate) fn follow(
        &mut self,
        start: Start,
        x: &[f64],
        lower: &[f64],
        upper: &[f64],
        history: &History,
        middle: &Middle,
        z: &mut [f64],
        free: &mut [bool],
    ) {
        let len = history.len();
        let theta = history.theta;
        z.copy_from_slice(x);
        for (free, &t) in free.iter_mut().zip(&self.breaks) {
            *free = t > 0.0;
        }
        self.c.clear(len);
        self.time = 0.0;

        // First and second derivative of the model along the segment.
        let mut slope = -start.squared_norm;
        let original_curvature = theta * start.squared_norm;
        let mut curvature = original_curvature;
        if len > 0 {
            middle.apply(history, &self.p, &mut self.product);
            curvature -= self.product.dot(&self.p);
        }
        let floor = f64::EPSILON * original_curvature;
        curvature = curvature.max(floor);
        let mut to_minimum = -slope / curvature;
        // A direction of zero, or one so short that its square underflows, leads nowhere.
        if !(to_minimum > 0.0 && to_minimum.is_finite()) {
            return;
        }
        if to_minimum < start.first_break {
            self.time = to_minimum;
            self.c.add(to_minimum, &self.p);
            return;
        }

        let mut remaining = self
            .breaks
            .iter()
            .filter(|t| **t > 0.0 && t.is_finite())
            .count();
        let mut ends = self.breaks.iter().zip(&self.direction);
        let unbounded = ends.any(|(t, d)| t.is_infinite() && d.abs() > 0.0);
        self.heap.clear();
        let mut heap = BinaryHeap::from(std::mem::take(&mut self.heap));
        // The heap holds the breakpoints up to this time only: few are ever met.
        let mut horizon = 0.0;
        loop {
            if heap.is_empty() {
                if remaining == 0 || self.time + to_minimum < horizon {
                    break;
                }
                let from = horizon;
                horizon = HORIZON * (self.time + to_minimum);
                heap.extend(
                    (0_u32..)
                        .zip(&self.breaks)
                        .filter(|&(_, &t)| t > from && t <= horizon && t < f64::INFINITY)
                        .map(|(i, &t)| Reverse((t.to_bits(), i))),
                );
                if heap.is_empty() {
                    break;
                }
            }
            let Some(&Reverse((bits, index))) = heap.peek() else {
                break;
            };
            let next = f64::from_bits(bits);
            let step = next - self.time;
            if to_minimum < step {
                break;
            }
            heap.pop();
            remaining -= 1;
            self.time = next;
            let i = index as usize;
            let d = self.direction[i];
            self.direction[i] = 0.0;
            free[i] = false;
            z[i] = if d > 0.0 { upper[i] } else { lower[i] };
            let moved = z[i] - x[i];
            slope += step * curvature + d * d - theta * d * moved;
            curvature -= theta * d * d;
            if len > 0 {
                self.c.add(step, &self.p);
                self.row.clear(len);
                history.variable(i, theta, &mut self.row.y, &mut self.row.s);
                middle.apply(history, &self.row, &mut self.product);
                slope += d * self.c.dot(&self.product);
                curvature += 2.0 * d * self.p.dot(&self.product);
                curvature -= d * d * self.row.dot(&self.product);
                self.p.add(-d, &self.row);
            }
            // Cancellation may leave no curvature; the reference keeps this floor as well.
            curvature = curvature.max(floor);
            to_minimum = -slope / curvature;
            if remaining == 0 && !unbounded {
                to_minimum = 0.0;
            }
        }
        self.heap = heap.into_vec();
        let last = to_minimum.max(0.0);
        self.time += last;
        self.c.add(last, &self.p);
    }
}
