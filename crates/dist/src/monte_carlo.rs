//! Estimates of divergences from samples. They have names of their own: nobody
//! gets one where a closed form was meant.

use crate::{Distribution, Reparameterize, check, numeric};
use vaegis_tensor::{Noise, Tensor};

/// A mean over samples.
#[derive(Debug)]
pub struct Estimate {
    /// The estimate for each law of the batch, `batch_shape`.
    pub value: Tensor,
    /// Its standard error, without gradient, `batch_shape`.
    pub standard_error: Tensor,
}

impl Estimate {
    /// The mean over the first axis of independent terms.
    fn of(terms: &Tensor) -> Self {
        let count = terms.size()[0] as f64;
        let standard_error = terms.detach().std_dim(0, true, false) / count.sqrt();
        Self {
            value: terms.mean_dim(0, false, None),
            standard_error,
        }
    }
}

fn assert_comparable(what: &str, q: &dyn Distribution, p: &dyn Distribution, num_samples: i64) {
    check::assert_same_batch(what, &q.batch_shape(), &p.batch_shape());
    assert_eq!(
        q.event_shape(),
        p.event_shape(),
        "{what}: the event shapes differ"
    );
    assert!(
        num_samples > 1,
        "{what}: a standard error needs at least two samples"
    );
}

/// KL(q ‖ p) from samples of q, in nats. The samples carry no gradient: that of the result with
/// respect to q lacks the part through the sampling. See [`kl_monte_carlo_pathwise`].
///
/// # Formula
/// ```text
/// 1/S Σₛ log q(xₛ) − log p(xₛ),   xₛ ~ q
/// ```
///
/// # Shapes
/// result: `batch_shape`
///
/// # Panics
/// If the shapes of the laws differ or there are fewer than two samples.
pub fn kl_monte_carlo(
    q: &dyn Distribution,
    p: &dyn Distribution,
    noise: &Noise,
    num_samples: i64,
) -> Estimate {
    assert_comparable("kl_monte_carlo", q, p, num_samples);
    let x = q.sample(noise, &[num_samples]);
    Estimate::of(&(q.log_prob(&x) - p.log_prob(&x)))
}

/// KL(q ‖ p) from reparameterized samples of q, in nats, with the whole gradient.
///
/// # Formula
/// ```text
/// 1/S Σₛ log q(x(εₛ)) − log p(x(εₛ))
/// ```
///
/// # Shapes
/// result: `batch_shape`
///
/// # Panics
/// If the shapes of the laws differ or there are fewer than two samples.
pub fn kl_monte_carlo_pathwise(
    q: &dyn Reparameterize,
    p: &dyn Distribution,
    noise: &Noise,
    num_samples: i64,
) -> Estimate {
    check::assert_same_batch(
        "kl_monte_carlo_pathwise",
        &q.batch_shape(),
        &p.batch_shape(),
    );
    assert_eq!(
        q.event_shape(),
        p.event_shape(),
        "kl_monte_carlo_pathwise: event shapes differ"
    );
    assert!(
        num_samples > 1,
        "kl_monte_carlo_pathwise: needs at least two samples"
    );
    let (x, log_q) = q.rsample_and_log_prob(noise, &[num_samples]);
    Estimate::of(&(log_q - p.log_prob(&x)))
}

/// W₂² of two laws on the real line from sorted samples. The estimate is biased upward by a
/// term of order 1/S, so it has no standard error.
///
/// # Formula
/// ```text
/// 1/S Σₛ (x₍ₛ₎ − y₍ₛ₎)²,   x ~ a and y ~ b in ascending order
/// ```
///
/// # Shapes
/// result: `batch_shape`
///
/// # Panics
/// If the events are not single numbers, the batch shapes differ or there are fewer than two
/// samples.
pub fn w2_squared_from_samples(
    a: &dyn Distribution,
    b: &dyn Distribution,
    noise: &Noise,
    num_samples: i64,
) -> Tensor {
    assert_comparable("w2_squared_from_samples", a, b, num_samples);
    assert!(
        a.event_shape().is_empty(),
        "w2_squared_from_samples: events must be single numbers"
    );
    // Sorting both couples equal ranks, which is optimal on the line.
    let (x, _) = a.sample(&noise.child("a"), &[num_samples]).sort(0, false);
    let (y, _) = b.sample(&noise.child("b"), &[num_samples]).sort(0, false);
    (x - y).square().mean_dim(0, false, None)
}

/// The squared energy distance from samples: zero in expectation exactly where the laws agree.
/// Unbiased, so it may come out a little below zero.
///
/// # Formula
/// ```text
/// 1/S Σₛ ‖xₛ−yₛ‖ + ‖x′ₛ−y′ₛ‖ − ‖xₛ−x′ₛ‖ − ‖yₛ−y′ₛ‖,   x, x′ ~ a and y, y′ ~ b
/// ```
///
/// # Shapes
/// result: `batch_shape`
///
/// # Panics
/// If the shapes of the laws differ or there are fewer than two samples.
///
/// # References
/// Székely and Rizzo, "Energy statistics", 2013, Definition 1.
pub fn energy_distance_monte_carlo(
    a: &dyn Distribution,
    b: &dyn Distribution,
    noise: &Noise,
    num_samples: i64,
) -> Estimate {
    assert_comparable("energy_distance_monte_carlo", a, b, num_samples);
    let rank = a.event_shape().len();
    let distance = |x: &Tensor, y: &Tensor| numeric::sum_last(&(x - y).square(), rank).sqrt();
    let draw =
        |law: &dyn Distribution, label: &str| law.sample(&noise.child(label), &[num_samples]);
    let (x, x_other) = (draw(a, "x"), draw(a, "x'"));
    let (y, y_other) = (draw(b, "y"), draw(b, "y'"));
    let between = distance(&x, &y) + distance(&x_other, &y_other);
    Estimate::of(&(between - distance(&x, &x_other) - distance(&y, &y_other)))
}
