//! The continuous Bernoulli distribution on \[0, 1\], parameterized by logits:
//! the exponential family with density proportional to e^(ℓx).
//!
//! The normalizer, the mean and their relatives are removable singularities at
//! ℓ = 0 and overflow for large |ℓ|; the functions here do neither and can be
//! differentiated twice. They take bare logits, for decoders that do not need a
//! checked distribution.

use crate::{
    BaseNoise, Cdf, DistError, Distribution, Entropy, KlTo, Mean, Quantile, Reparameterize,
    Variance, check, numeric,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Bernoulli numbers B₂, B₄, …, of which all the series here are made.
const BERNOULLI_NUMBERS: [f64; 10] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174_611.0 / 330.0,
];

/// B₂ₙ/(2n)! times `factor(2n)` for n = 1, 2, …, as many as the kind needs.
fn series(kind: Kind, factor: impl Fn(f64) -> f64) -> Vec<f64> {
    let count = numeric::num_terms(kind, BERNOULLI_NUMBERS.len());
    let mut factorial = 1.0;
    let mut two_n = 0.0;
    BERNOULLI_NUMBERS[..count]
        .iter()
        .map(|bernoulli| {
            factorial *= (two_n + 1.0) * (two_n + 2.0);
            two_n += 2.0;
            bernoulli / factorial * factor(two_n)
        })
        .collect()
}

/// log C(ℓ): the density is C(ℓ) σ(ℓ)ˣ σ(−ℓ)¹⁻ˣ.
///
/// # Formula
/// ```text
/// log C(ℓ) = log( ℓ / tanh(ℓ/2) ) = log 2 + ℓ²/12 − 7ℓ⁴/1440 + …
/// ```
///
/// # Shapes
/// logits: any → the same
///
/// # References
/// Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a pervasive error in
/// variational autoencoders", 2019, Eq. 7.
pub fn log_normalizer(logits: &Tensor) -> Tensor {
    numeric::by_magnitude(
        logits,
        |near| {
            let square = near.square();
            // The coefficient of ℓ²ⁿ in log((ℓ/2) coth(ℓ/2)).
            let coefficients = series(near.kind(), |m| (m.exp2() - 2.0) / m);
            numeric::polynomial(&square, &coefficients) * square + 2f64.ln()
        },
        |far| far.abs().log() - (far * 0.5).tanh().abs().log(),
    )
}

/// E\[x\] of the law with these logits.
///
/// # Formula
/// ```text
/// ½ + ½ coth(ℓ/2) − 1/ℓ = ½ + ℓ/12 − ℓ³/720 + …
/// ```
///
/// # Shapes
/// logits: any → the same
///
/// # References
/// Loaiza-Ganem and Cunningham, 2019, Eq. 8.
pub fn mean(logits: &Tensor) -> Tensor {
    numeric::by_magnitude(
        logits,
        |near| {
            let odd = numeric::polynomial(&near.square(), &series(near.kind(), |_| 1.0));
            odd * near + 0.5
        },
        |far| {
            let magnitude = far.abs();
            let decay = (-&magnitude).exp();
            let complement = -(-&magnitude).expm1();
            let inverse = magnitude.reciprocal();
            // Two forms: one minus the other cancels where the mean is near an end.
            let upper = complement.reciprocal() - &inverse;
            let lower = inverse - decay / complement;
            upper.where_self(&far.gt(0.0), &lower)
        },
    )
}

/// Var\[x\] of the law with these logits, the derivative of [`mean`].
///
/// # Formula
/// ```text
/// 1/ℓ² − 1/(4 sinh²(ℓ/2)) = 1/12 − ℓ²/240 + …
/// ```
///
/// # Shapes
/// logits: any → the same
pub fn variance(logits: &Tensor) -> Tensor {
    numeric::by_magnitude(
        logits,
        |near| numeric::polynomial(&near.square(), &series(near.kind(), |m| m - 1.0)),
        |far| {
            let magnitude = far.abs();
            // e^(−a)/(1−e^(−a))² is 1/(4 sinh²) without the overflow of sinh.
            let sinh_part = (-&magnitude).exp() / (-&magnitude).expm1().square();
            magnitude.square().reciprocal() - sinh_part
        },
    )
}

/// The law on \[0, 1\] with density proportional to e^(ℓx), batched.
#[derive(Debug)]
pub struct ContinuousBernoulli {
    logits: Tensor,
}

impl ContinuousBernoulli {
    /// The law with these logits.
    ///
    /// # Shapes
    /// logits: `batch_shape`
    ///
    /// # Errors
    /// Logits that are not finite floats.
    pub fn new(logits: &Tensor) -> Result<Self, DistError> {
        check::finite("ContinuousBernoulli::new", "logits", logits)?;
        Ok(Self {
            logits: logits.shallow_clone(),
        })
    }

    /// The logits ℓ, `batch_shape`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// E\[x\] log σ(b) + E\[1−x\] log σ(−b) + log C(b): the expected log density of the law with
    /// logits b under this law.
    fn expected_log_prob(&self, logits: &Tensor) -> Tensor {
        let ones = mean(&self.logits) * numeric::log_sigmoid(logits);
        let zeros = mean(&-&self.logits) * numeric::log_sigmoid(&-logits);
        ones + zeros + log_normalizer(logits)
    }
}

impl Distribution for ContinuousBernoulli {
    fn batch_shape(&self) -> Vec<i64> {
        self.logits.size()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    /// The log density inside \[0, 1\]; values outside are not looked for.
    ///
    /// # Formula
    /// ```text
    /// x log σ(ℓ) + (1−x) log σ(−ℓ) + log C(ℓ)
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        check::assert_value("ContinuousBernoulli", value, &self.logits.size(), &[]);
        let ones = value * numeric::log_sigmoid(&self.logits);
        let zeros = (-value + 1.0) * numeric::log_sigmoid(&-&self.logits);
        ones + zeros + log_normalizer(&self.logits)
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        vaegis_tensor::no_grad(|| self.rsample(noise, sample_shape))
    }

    fn options(&self) -> (Kind, Device) {
        (self.logits.kind(), self.logits.device())
    }
}

impl Reparameterize for ContinuousBernoulli {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::Uniform
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        [sample_shape, &self.logits.size()].concat()
    }

    /// The quantile of the noise.
    fn from_noise(&self, eps: &Tensor) -> Tensor {
        self.quantile(eps)
    }
}

impl Mean for ContinuousBernoulli {
    fn mean(&self) -> Tensor {
        mean(&self.logits)
    }
}

impl Variance for ContinuousBernoulli {
    fn variance(&self) -> Tensor {
        variance(&self.logits)
    }
}

impl Entropy for ContinuousBernoulli {
    /// # Formula
    /// ```text
    /// −E[x] log σ(ℓ) − E[1−x] log σ(−ℓ) − log C(ℓ)
    /// ```
    fn entropy(&self) -> Tensor {
        -self.expected_log_prob(&self.logits)
    }
}

impl Cdf for ContinuousBernoulli {
    /// # Formula
    /// ```text
    /// (e^(ℓx) − 1)/(e^ℓ − 1), x at ℓ = 0
    /// ```
    fn cdf(&self, value: &Tensor) -> Tensor {
        check::assert_value("ContinuousBernoulli::cdf", value, &self.logits.size(), &[]);
        let x = value.clamp(0.0, 1.0);
        numeric::by_magnitude(
            &self.logits.expand_as(&x),
            |near| &x * numeric::expm1_over(&(near * &x)) / numeric::expm1_over(near),
            |far| {
                // e^(ℓ(x−1)) taken out for ℓ > 0, so that no exponential grows.
                let decay = -far.abs();
                let outer = (far.clamp_min(0.0) * (&x - 1.0)).exp();
                outer * (&decay * &x).expm1() / decay.expm1()
            },
        )
    }
}

impl Quantile for ContinuousBernoulli {
    /// # Formula
    /// ```text
    /// log(1 + p (e^ℓ − 1))/ℓ, p at ℓ = 0
    /// ```
    fn quantile(&self, probability: &Tensor) -> Tensor {
        let (law, batch_shape) = ("ContinuousBernoulli::quantile", self.logits.size());
        check::assert_value(law, probability, &batch_shape, &[]);
        let p = numeric::open_unit(probability);
        numeric::by_magnitude(
            &self.logits.expand_as(&p),
            |near| {
                let ratio = numeric::expm1_over(near);
                let t = near * &ratio * &p;
                &p * ratio * numeric::log1p_over(&t)
            },
            |far| {
                // Each side of zero has a form in which no exponential grows and nothing cancels.
                let magnitude = far.abs();
                let scaled = &p * (-&magnitude).expm1();
                let above = ((-&magnitude).exp() - &scaled).log() / &magnitude + 1.0;
                let below = -scaled.log1p() / &magnitude;
                above.where_self(&far.gt(0.0), &below)
            },
        )
        // Rounding may step over the ends of the support.
        .clamp(0.0, 1.0)
    }
}

impl KlTo<ContinuousBernoulli> for ContinuousBernoulli {
    /// # Formula
    /// ```text
    /// E_a[x] (log σ(a) − log σ(b)) + E_a[1−x] (log σ(−a) − log σ(−b)) + log C(a) − log C(b)
    /// ```
    fn kl_to(&self, other: &ContinuousBernoulli) -> Tensor {
        let (ours, theirs) = (self.logits.size(), other.logits.size());
        check::assert_same_batch("KL(ContinuousBernoulli ‖ same)", &ours, &theirs);
        self.expected_log_prob(&self.logits) - self.expected_log_prob(&other.logits)
    }
}
