//! The logistic distribution rounded to equidistant levels, for pixels.

use crate::{
    Cdf, DistError, Distribution, Entropy, Logistic, Mean, Mode, Variance, check, numeric,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// The levels to which values are rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Number of levels, at least two.
    pub count: i64,
    /// The lowest level.
    pub low: f64,
    /// The highest level.
    pub high: f64,
}

impl Levels {
    /// The 256 grey levels of an 8-bit image on \[0, 1\].
    pub const GREY: Self = Self {
        count: 256,
        low: 0.0,
        high: 1.0,
    };

    /// Distance between neighbors.
    pub fn step(&self) -> f64 {
        (self.high - self.low) / (self.count - 1) as f64
    }

    /// All levels, ascending, `[count]`.
    pub fn values(&self, kind: Kind, device: Device) -> Tensor {
        let number = Tensor::arange(self.count, (kind, device));
        number * self.step() + self.low
    }
}

/// A logistic law whose samples are rounded to the nearest of some [`Levels`]. The lowest level
/// takes everything below it and the highest everything above.
///
/// # References
/// Salimans, Karpathy, Chen and Kingma, "PixelCNN++", 2017, Eq. 2.
#[derive(Debug)]
pub struct DiscretizedLogistic {
    logistic: Logistic,
    levels: Levels,
}

impl DiscretizedLogistic {
    /// Rounds a logistic law to the levels.
    ///
    /// # Errors
    /// Fewer than two levels, or ends that are not finite and ascending.
    pub fn new(logistic: Logistic, levels: Levels) -> Result<Self, DistError> {
        const OP: &str = "DiscretizedLogistic::new";
        check::positive_number(OP, "count − 1", (levels.count - 1) as f64)?;
        check::positive_number(OP, "high − low", levels.high - levels.low)?;
        Ok(Self { logistic, levels })
    }

    /// The law over the 256 grey levels on \[0, 1\].
    ///
    /// # Shapes
    /// loc, log_scale: broadcast to `batch_shape`
    ///
    /// # Errors
    /// As [`Logistic::from_log_scale`].
    pub fn grey(loc: &Tensor, log_scale: &Tensor) -> Result<Self, DistError> {
        Self::new(Logistic::from_log_scale(loc, log_scale)?, Levels::GREY)
    }

    /// The continuous law before rounding.
    pub fn logistic(&self) -> &Logistic {
        &self.logistic
    }

    /// The levels.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// The log mass of every level.
    ///
    /// # Shapes
    /// result: `batch_shape + [count]`
    pub fn log_probs(&self) -> Tensor {
        let (kind, device) = self.options();
        let batch_shape = self.batch_shape();
        let values = self.levels.values(kind, device);
        let ones = vec![1; batch_shape.len()];
        let values = values.reshape([vec![self.levels.count], ones].concat()); // [count, 1, …]
        let values = values.expand([vec![self.levels.count], batch_shape].concat(), false);
        self.log_prob(&values).movedim_int(0, -1) // batch_shape + [count]
    }

    /// Σₖ P(level k) f(level k), `batch_shape`.
    fn expect(&self, f: impl FnOnce(Tensor) -> Tensor) -> Tensor {
        let (kind, device) = self.options();
        let values = f(self.levels.values(kind, device));
        (self.log_probs().exp() * values).sum_dim_intlist(-1, false, None)
    }
}

impl Distribution for DiscretizedLogistic {
    fn batch_shape(&self) -> Vec<i64> {
        self.logistic.batch_shape()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// The log mass of the level next to each value.
    ///
    /// # Formula
    /// ```text
    /// lowest level   log σ(b)
    /// between        log(σ(b) − σ(a)) = log σ(b) + log σ(−a) + log(1 − e^(a−b))
    /// highest level  log σ(−a)
    /// a, b = (x ∓ ½ step − μ)/s
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        check::assert_value("DiscretizedLogistic", value, &self.batch_shape(), &[]);
        let half = 0.5 * self.levels.step();
        let inverse_scale = (-self.logistic.log_scale()).exp();
        let centered = value - self.logistic.loc();
        // The product form needs no difference of two nearly equal probabilities: it is exact
        // in both tails, where single-precision σ(b) − σ(a) is zero.
        let log_below = numeric::log_sigmoid(&((&centered + half) * &inverse_scale));
        let log_above = numeric::log_sigmoid(&((half - &centered) * &inverse_scale));
        let log_width = (-(inverse_scale * -2.0 * half).expm1()).log();
        let zero = log_width.zeros_like();
        let lowest = value.lt(self.levels.low + half);
        let highest = value.gt(self.levels.high - half);
        // An end is open: its missing border has probability one on that side.
        log_below.where_self(&highest.logical_not(), &zero)
            + log_above.where_self(&lowest.logical_not(), &zero)
            + log_width.where_self(&lowest.logical_or(&highest).logical_not(), &zero)
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        let Levels { low, high, .. } = self.levels;
        let step = self.levels.step();
        vaegis_tensor::no_grad(|| {
            let x = self.logistic.sample(noise, sample_shape).clamp(low, high);
            ((x - low) / step).round() * step + low
        })
    }

    fn options(&self) -> (Kind, Device) {
        self.logistic.options()
    }
}

impl Mean for DiscretizedLogistic {
    /// A sum over the levels, which needs memory for `batch_shape + [count]`.
    fn mean(&self) -> Tensor {
        self.expect(|x| x)
    }
}

impl Variance for DiscretizedLogistic {
    /// A sum over the levels, which needs memory for `batch_shape + [count]`.
    fn variance(&self) -> Tensor {
        let (kind, device) = self.options();
        let values = self.levels.values(kind, device);
        let centered = values - self.mean().unsqueeze(-1);
        (self.log_probs().exp() * centered.square()).sum_dim_intlist(-1, false, None)
    }
}

impl Entropy for DiscretizedLogistic {
    /// A sum over the levels, which needs memory for `batch_shape + [count]`.
    fn entropy(&self) -> Tensor {
        let log_probs = self.log_probs();
        -(log_probs.exp() * log_probs).sum_dim_intlist(-1, false, None)
    }
}

impl Mode for DiscretizedLogistic {
    /// The heaviest level, found by looking at all of them: an open end may outweigh the center.
    fn mode(&self) -> Tensor {
        let number = self.log_probs().argmax(-1, false).to_kind(self.options().0);
        number * self.levels.step() + self.levels.low
    }
}

impl Cdf for DiscretizedLogistic {
    /// # Formula
    /// ```text
    /// 0 below the lowest level, 1 from the highest on, else σ((level + ½ step − μ)/s)
    /// with the greatest level that is not above the value
    /// ```
    fn cdf(&self, value: &Tensor) -> Tensor {
        check::assert_value("DiscretizedLogistic::cdf", value, &self.batch_shape(), &[]);
        let Levels { low, high, .. } = self.levels;
        let step = self.levels.step();
        // A level that rounding has put a hair too low still counts as reached.
        let hair = 1e-3 * step;
        let reached = ((value - low + hair) / step).floor() * step + low;
        let inner = self.logistic.cdf(&(reached + 0.5 * step));
        let started = value.gt(low - hair).to_kind(inner.kind());
        (&inner * started).where_self(&value.lt(high - hair), &inner.ones_like())
    }
}
