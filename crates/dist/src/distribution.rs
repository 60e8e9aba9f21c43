//! The traits that every distribution implements. Closed forms that only some
//! have are in [`crate::closed_form`].

use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// A batch of distributions over events.
///
/// A sample has shape `sample_shape + batch_shape + event_shape`; `log_prob`
/// sums over the event and returns the rest, in nats.
pub trait Distribution {
    /// Shape of the batch of laws.
    fn batch_shape(&self) -> Vec<i64>;

    /// Shape of one draw from one law.
    fn event_shape(&self) -> Vec<i64>;

    /// Log density (or log mass) of `value`, in nats.
    ///
    /// # Shapes
    /// value: `sample_shape + batch_shape + event_shape` → `sample_shape + batch_shape`
    ///
    /// # Panics
    /// If the shape of `value` does not end in `batch_shape + event_shape`.
    fn log_prob(&self, value: &Tensor) -> Tensor;

    /// Draws without gradient.
    ///
    /// # Shapes
    /// result: `sample_shape + batch_shape + event_shape`
    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor;

    /// Element kind and device of the parameters.
    fn options(&self) -> (Kind, Device);
}

/// The law of the noise that a reparameterized sample is a map of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseNoise {
    /// Standard normal.
    StandardNormal,
    /// Uniform on (0, 1).
    Uniform,
    /// Standard Gumbel.
    Gumbel,
}

impl BaseNoise {
    /// Draws base noise.
    ///
    /// # Shapes
    /// result: `shape`
    pub fn draw(self, noise: &Noise, shape: &[i64], kind: Kind, device: Device) -> Tensor {
        match self {
            Self::StandardNormal => noise.standard_normal(shape, kind, device),
            Self::Uniform => noise.uniform(shape, kind, device),
            Self::Gumbel => noise.gumbel(shape, kind, device),
        }
    }
}

/// A distribution whose sample is a differentiable map of standard noise.
///
/// Common random numbers, deterministic objectives and cheap tests all follow
/// from keeping the noise and the map apart.
pub trait Reparameterize: Distribution {
    /// The law of the base noise.
    fn base_noise(&self) -> BaseNoise;

    /// Shape of the base noise for this sample shape.
    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64>;

    /// The sample that belongs to base noise `eps`, with gradient.
    ///
    /// # Shapes
    /// eps: `noise_shape(sample_shape)` → `sample_shape + batch_shape + event_shape`
    #[expect(
        clippy::wrong_self_convention,
        reason = "the law maps the noise; nothing is made"
    )]
    fn from_noise(&self, eps: &Tensor) -> Tensor;

    /// Draws with gradient.
    ///
    /// # Shapes
    /// result: `sample_shape + batch_shape + event_shape`
    fn rsample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        let (kind, device) = self.options();
        let shape = self.noise_shape(sample_shape);
        self.from_noise(&self.base_noise().draw(noise, &shape, kind, device))
    }

    /// Draws with gradient, and the log density of each draw. Laws that can do
    /// both more accurately together override it.
    ///
    /// # Shapes
    /// results: `sample_shape + batch_shape + event_shape` and `sample_shape + batch_shape`
    fn rsample_and_log_prob(&self, noise: &Noise, sample_shape: &[i64]) -> (Tensor, Tensor) {
        let value = self.rsample(noise, sample_shape);
        let log_prob = self.log_prob(&value);
        (value, log_prob)
    }
}
