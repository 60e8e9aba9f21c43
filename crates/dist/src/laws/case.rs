//! One distribution as the laws see it.

use crate::{Cdf, Distribution, Entropy, Mean, Quantile, Reparameterize, Variance};
use std::fmt;
use vaegis_tensor::Tensor;

/// Coordinates for the support of a density.
#[derive(Debug)]
pub struct Chart {
    /// Ascending edges of the panels along each of one or two coordinates. Every kink or jump of
    /// the density must be an edge, and the mass outside must be negligible.
    pub edges: Vec<Vec<f64>>,
    /// From coordinates `[N, d]` to events `[N] + event_shape` and the logarithm of the
    /// volume element `[N]`.
    pub embed: fn(&Tensor) -> (Tensor, Tensor),
    /// From events `[…] + event_shape` to coordinates `[…, d]`.
    pub project: fn(&Tensor) -> Tensor,
}

impl Chart {
    /// The real line between the first and the last edge.
    pub fn line(edges: Vec<f64>) -> Self {
        Self {
            edges: vec![edges],
            embed: |x| (x.squeeze_dim(-1), x.zeros_like().squeeze_dim(-1)),
            project: |x| x.unsqueeze(-1),
        }
    }

    /// A rectangle of the plane, for events of shape `[2]`.
    pub fn plane(first: Vec<f64>, second: Vec<f64>) -> Self {
        Self {
            edges: vec![first, second],
            embed: |x| (x.shallow_clone(), x.zeros_like().select(-1, 0)),
            project: Tensor::shallow_clone,
        }
    }

    /// The interior of the simplex with three corners through its log ratios to the last
    /// coordinate. The volume is that of the first two coordinates.
    pub fn simplex(first: Vec<f64>, second: Vec<f64>) -> Self {
        Self {
            edges: vec![first, second],
            embed: |x| {
                let zero = x.narrow(-1, 0, 1).zeros_like();
                let log_y = Tensor::cat(&[x, &zero], -1).log_softmax(-1, None);
                // The Jacobian of softmax onto all coordinates but one is their product.
                let log_det = log_y.sum_dim_intlist(-1, false, None);
                (log_y.exp(), log_det)
            },
            project: |y| {
                let log_y = y.log();
                log_y.narrow(-1, 0, 2) - log_y.narrow(-1, 2, 1)
            },
        }
    }

    /// `count` panels of equal width from `low` to `high`.
    pub fn equal_panels(low: f64, high: f64, count: u32) -> Vec<f64> {
        (0..=count)
            .map(|i| low + (high - low) * f64::from(i) / f64::from(count))
            .collect()
    }
}

/// Where a law lives.
#[derive(Debug)]
pub enum Support {
    /// A density in coordinates.
    Chart(Chart),
    /// All atoms of a discrete law, `[N] + event_shape`; ascending if they are numbers.
    Atoms(Tensor),
}

/// The log density of one law: rows of its parameters and an event, both flat.
pub type Reference = dyn Fn(&[Vec<f64>], &[f64]) -> f64;

/// A law from its parameters.
pub type Build<D> = dyn Fn(&[Tensor]) -> D;

/// A batch of laws with what the checks need to know of it.
pub struct Case<D> {
    /// Name in messages.
    pub name: &'static str,
    /// Double-precision parameters, each with one leading batch axis of the same length.
    pub parameters: Vec<Tensor>,
    /// The distribution with these parameters.
    pub build: Box<Build<D>>,
    /// Where it lives.
    pub support: Support,
    /// log p in plain arithmetic, from the definition.
    pub reference: Box<Reference>,
    pub(super) smooth_in_value: bool,
    pub(super) mean: Option<fn(&D) -> Tensor>,
    pub(super) variance: Option<fn(&D) -> Tensor>,
    pub(super) entropy: Option<fn(&D) -> Tensor>,
    pub(super) cdf: Option<fn(&D, &Tensor) -> Tensor>,
    pub(super) quantile: Option<fn(&D, &Tensor) -> Tensor>,
    pub(super) reparameterize: Option<fn(&D) -> &dyn Reparameterize>,
    pub(super) pathwise: bool,
}

impl<D> fmt::Debug for Case<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("support", &self.support)
            .finish()
    }
}

impl<D: Distribution> Case<D> {
    /// A case without any optional knowledge.
    pub fn new(
        name: &'static str,
        parameters: Vec<Tensor>,
        build: impl Fn(&[Tensor]) -> D + 'static,
        support: Support,
        reference: impl Fn(&[Vec<f64>], &[f64]) -> f64 + 'static,
    ) -> Self {
        let smooth_in_value = matches!(support, Support::Chart(_));
        Self {
            name,
            parameters,
            build: Box::new(build),
            support,
            reference: Box::new(reference),
            smooth_in_value,
            mean: None,
            variance: None,
            entropy: None,
            cdf: None,
            quantile: None,
            reparameterize: None,
            pathwise: false,
        }
    }

    /// The density does not depend on the value inside the support: it has no such gradient.
    #[must_use]
    pub fn flat(mut self) -> Self {
        self.smooth_in_value = false;
        self
    }

    /// The law with the case's own parameters.
    pub fn law(&self) -> D {
        (self.build)(&self.parameters)
    }
}

impl<D: Mean> Case<D> {
    /// Checks the mean as well.
    #[must_use]
    pub fn with_mean(mut self) -> Self {
        self.mean = Some(D::mean);
        self
    }
}

impl<D: Variance> Case<D> {
    /// Checks the variance as well.
    #[must_use]
    pub fn with_variance(mut self) -> Self {
        self.variance = Some(D::variance);
        self
    }
}

impl<D: Entropy> Case<D> {
    /// Checks the entropy as well.
    #[must_use]
    pub fn with_entropy(mut self) -> Self {
        self.entropy = Some(D::entropy);
        self
    }
}

impl<D: Cdf> Case<D> {
    /// Checks the distribution function as well.
    #[must_use]
    pub fn with_cdf(mut self) -> Self {
        self.cdf = Some(D::cdf);
        self
    }
}

impl<D: Quantile> Case<D> {
    /// Checks the quantile function as well.
    #[must_use]
    pub fn with_quantile(mut self) -> Self {
        self.quantile = Some(D::quantile);
        self
    }
}

impl<D: Reparameterize> Case<D> {
    /// Checks the map from noise to samples and its derivative as well.
    #[must_use]
    pub fn with_pathwise(mut self) -> Self {
        self.pathwise = true;
        self.with_noise_map()
    }

    /// Checks the map from noise to samples, whose gradient is not its derivative.
    #[must_use]
    pub fn with_noise_map(mut self) -> Self {
        self.reparameterize = Some(|law| law);
        self
    }
}
