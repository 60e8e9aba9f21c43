//! Weighted sums of laws of one family.

use crate::{Categorical, Cdf, DistError, Distribution, Mean, Variance, check, numeric};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Σₖ πₖ pₖ: the last batch axis of the components is the axis k that is summed over. It has no
/// reparameterized sample.
#[derive(Debug)]
pub struct Mixture<D> {
    weights: Categorical,
    components: D,
}

impl<D: Distribution> Mixture<D> {
    /// The mixture of `components` with `weights`.
    ///
    /// # Shapes
    /// weights: `batch_shape` over K classes; components: batch shape `batch_shape + [K]`
    ///
    /// # Errors
    /// A batch shape of the components that does not fit the weights.
    pub fn new(weights: Categorical, components: D) -> Result<Self, DistError> {
        let (expected, found) = (weights.log_probs().size(), components.batch_shape());
        if expected != found {
            return Err(DistError::Shape {
                op: "Mixture::new",
                name: "components",
                expected: format!("the batch shape {expected:?}, that of the weights + [K]"),
                found,
            });
        }
        Ok(Self {
            weights,
            components,
        })
    }

    /// The law of the component number.
    pub fn weights(&self) -> &Categorical {
        &self.weights
    }

    /// The component laws, batch shape `batch_shape + [K]`.
    pub fn components(&self) -> &D {
        &self.components
    }

    /// Number of components K.
    pub fn num_components(&self) -> i64 {
        self.weights.num_classes()
    }

    /// log P(component k | value).
    ///
    /// # Shapes
    /// value: `sample_shape + batch_shape + event_shape` → `sample_shape + batch_shape + [K]`
    ///
    /// # Panics
    /// If the shape of `value` does not end in `batch_shape + event_shape`.
    pub fn log_responsibilities(&self, value: &Tensor) -> Tensor {
        self.joint(value).log_softmax(-1, None)
    }

    /// log πₖ + log pₖ(value), `sample_shape + batch_shape + [K]`.
    fn joint(&self, value: &Tensor) -> Tensor {
        check::assert_value("Mixture", value, &self.batch_shape(), &self.event_shape());
        self.components.log_prob(&self.per_component(value)) + self.weights.log_probs()
    }

    /// The value once per component: a new axis of length K before the event.
    fn per_component(&self, value: &Tensor) -> Tensor {
        let rank = self.event_shape().len();
        let axis = value.dim() - rank;
        let mut shape = value.size();
        shape.insert(axis, self.num_components());
        let axis = i64::try_from(axis).expect("invariant: a rank fits");
        value.unsqueeze(axis).expand(shape, false)
    }

    /// πₖ with axes appended for the event, and the axis of k counted from the end.
    fn weights_over_events(&self) -> (Tensor, i64) {
        let rank = self.event_shape().len();
        let shape = [self.weights.log_probs().size(), vec![1; rank]].concat();
        let axis = -1 - i64::try_from(rank).expect("invariant: a rank fits");
        (self.weights.probs().reshape(shape), axis)
    }
}

impl<D: Distribution> Distribution for Mixture<D> {
    fn batch_shape(&self) -> Vec<i64> {
        self.weights.batch_shape()
    }

    fn event_shape(&self) -> Vec<i64> {
        self.components.event_shape()
    }

    /// # Formula
    /// ```text
    /// log Σₖ exp( log πₖ + log pₖ(x) )
    /// ```
    fn log_prob(&self, value: &Tensor) -> Tensor {
        self.joint(value).logsumexp(-1, false)
    }

    /// Draws from every component and keeps the one whose number is drawn.
    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        let event_shape = self.event_shape();
        let numbers = self.weights.sample(&noise.child("component"), sample_shape);
        let draws = self.components.sample(&noise.child("draw"), sample_shape);
        let ones = vec![1; event_shape.len() + 1];
        let index = numbers.reshape([numbers.size(), ones].concat());
        let index = index.expand([numbers.size(), vec![1], event_shape].concat(), false);
        let axis = i64::try_from(numbers.dim()).expect("invariant: a rank fits");
        draws.gather(axis, &index, false).squeeze_dim(axis)
    }

    fn options(&self) -> (Kind, Device) {
        self.weights.options()
    }
}

impl<D: Mean> Mean for Mixture<D> {
    fn mean(&self) -> Tensor {
        let (weights, axis) = self.weights_over_events();
        (weights * self.components.mean()).sum_dim_intlist(axis, false, None)
    }
}

impl<D: Mean + Variance> Variance for Mixture<D> {
    /// # Formula
    /// ```text
    /// Σₖ πₖ ( σₖ² + (μₖ − μ)² )
    /// ```
    fn variance(&self) -> Tensor {
        let (weights, axis) = self.weights_over_events();
        let centered = self.components.mean() - self.mean().unsqueeze(axis);
        let second = self.components.variance() + centered.square();
        (weights * second).sum_dim_intlist(axis, false, None)
    }
}

impl<D: Cdf> Cdf for Mixture<D> {
    /// # Formula
    /// ```text
    /// Σₖ πₖ Fₖ(x)
    /// ```
    fn cdf(&self, value: &Tensor) -> Tensor {
        check::assert_value("Mixture::cdf", value, &self.batch_shape(), &[]);
        let per_component = self.components.cdf(&self.per_component(value));
        numeric::sum_last(&(per_component * self.weights.probs()), 1)
    }
}
