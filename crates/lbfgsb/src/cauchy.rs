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

/// A breakpoint: its time's bit pattern, whose order is that of positive numbers, and its variable.
type Breakpoint = Reverse<(u64, u32)>;

/// The path before it is followed, and the vectors that follow it.
#[derive(Debug, Default)]
pub(crate) struct Path {
    /// The direction `d` of the current segment: `−g`, zero for variables at their bounds.
    pub(crate) direction: Vec<f64>,
    /// When each variable meets its bound; zero if it rests there, infinite if never.
    pub(crate) breaks: Vec<f64>,
    /// `Wᵀ d` by age, with `W = [Y, θ S]`.
    pub(crate) p: Short,
    /// `Wᵀ (x_cauchy − x)` by age.
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
            let bound = if g[i] > 0.0 { lower[i] } else { upper[i] };
            let time = (x[i] - bound) / g[i];
            let at_bound = (x[i] <= lower[i]) | (x[i] >= upper[i]);
            let still = if at_bound { 0.0 } else { f64::INFINITY };
            let time = if g[i].abs() > 0.0 { time } else { still };
            breaks[i] = time;
            direction[i] = if time > 0.0 { -g[i] } else { 0.0 };
        }
        let mut squares = [0.0; LANES];
        let mut first = [f64::INFINITY; LANES];
        for (d, t) in direction.chunks(LANES).zip(breaks.chunks(LANES)) {
            for (l, (d, t)) in d.iter().zip(t).enumerate() {
                squares[l] += d * d;
                let t = if *t > 0.0 { *t } else { f64::INFINITY };
                first[l] = if t < first[l] { t } else { first[l] };
            }
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
        Start { squared_norm, first_break }
    }

    /// Takes `Wᵀ d` of the first segment, given by column of the history with `S` unscaled.
    pub(crate) fn set_projection(&mut self, by_column: &[f64], history: &History) {
        self.p.clear(history.len());
        for age in 0..history.len() {
            let slot = history.slot(age);
            self.p.y[age] = by_column[2 * slot];
            self.p.s[age] = by_column[2 * slot + 1] * history.theta;
        }
    }

    /// Follows the path to the Cauchy point.
    ///
    /// On return `time`, `p` and `c` belong to the Cauchy point and its last segment, the direction
    /// is zero for every variable that met its bound, `free` tells which variables rest at no
    /// bound, and `z` holds the bounds met and `x` elsewhere.
    #[expect(clippy::too_many_arguments, reason = "the problem's vectors have different owners")]
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
            middle.apply(&self.p, &mut self.product);
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

        self.heap.clear();
        let mut unbounded = false;
        for (i, (&t, &d)) in self.breaks.iter().zip(&self.direction).enumerate() {
            if t > 0.0 && t < f64::INFINITY {
                self.heap.push(Reverse((t.to_bits(), i as u32)));
            } else {
                unbounded |= d.abs() > 0.0;
            }
        }
        let mut heap = BinaryHeap::from(std::mem::take(&mut self.heap));
        while let Some(&Reverse((bits, index))) = heap.peek() {
            let next = f64::from_bits(bits);
            let step = next - self.time;
            if to_minimum < step {
                break;
            }
            heap.pop();
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
                middle.apply(&self.row, &mut self.product);
                slope += d * self.c.dot(&self.product);
                curvature += 2.0 * d * self.p.dot(&self.product);
                curvature -= d * d * self.row.dot(&self.product);
                self.p.add(-d, &self.row);
            }
            // Cancellation may leave no curvature; the reference keeps this floor as well.
            curvature = curvature.max(floor);
            to_minimum = -slope / curvature;
            if heap.is_empty() && !unbounded {
                to_minimum = 0.0;
            }
        }
        self.heap = heap.into_vec();
        let last = to_minimum.max(0.0);
        self.time += last;
        self.c.add(last, &self.p);
    }
}
