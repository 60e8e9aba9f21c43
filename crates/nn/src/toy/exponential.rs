//! A toy whose encoder noise grows with the input: the double for tests that
//! must tell σ(x) from σ(x + δ).

use super::margin::noncentral_chi2_cdf;
use crate::{LatentModel, LatentPath, Likelihood, LikelihoodKind, Mode, Posterior};
use vaegis_core::seed::SeedTree;
use vaegis_dist::{DiagNormal, Reparameterize};
use vaegis_tensor::{Device, Init, Kind, Noise, ParamStore, Tensor};

/// q(z|x) = N(k x, diag σ(x)²) with σ(x)ⱼ = s e^{c |xⱼ|}, and the identity as decoder.
///
/// With one input every variant of r-robustness has a folded normal law, see
/// [`FoldedNormal`].
#[derive(Debug)]
pub struct ExponentialScale {
    store: ParamStore,
    /// k, `[1]`.
    slope: Tensor,
    base: f64,
    rate: f64,
    num_inputs: i64,
    bounds: (f64, f64),
}

impl ExponentialScale {
    /// The model with mean `slope` · x and scale `base` · e^(`rate` |x|), for images of the shape
    /// `[1, 1, num_inputs]` with pixels in `bounds`.
    ///
    /// # Panics
    /// If `base` is not positive.
    pub fn new(
        kind: Kind,
        num_inputs: i64,
        slope: f64,
        [base, rate]: [f64; 2],
        bounds: (f64, f64),
    ) -> Self {
        assert!(base > 0.0, "a standard deviation of {base}");
        let store = ParamStore::new(kind, Device::Cpu, Noise::portable(SeedTree::new(0)));
        let slope = store
            .root()
            .param("slope", &[1], Init::Constant(slope))
            .expect("invariant: the only name of the toy model");
        Self {
            store,
            slope,
            base,
            rate,
            num_inputs,
            bounds,
        }
    }

    /// A row of f64 numbers as a batch of one image of the model's kind.
    ///
    /// # Shapes
    /// result: `[1, 1, 1, num_inputs]`
    pub fn image(&self, pixels: &[f64]) -> Tensor {
        Tensor::from_slice(pixels)
            .to_kind(self.store.kind())
            .reshape([1, 1, 1, -1])
    }

    /// μ at one pixel.
    pub fn mu(&self, x: f64) -> f64 {
        self.slope.double_value(&[0]) * x
    }

    /// σ at one pixel.
    pub fn sigma(&self, x: f64) -> f64 {
        self.base * (self.rate * x.abs()).exp()
    }
}

impl LatentModel for ExponentialScale {
    fn input_shape(&self) -> [i64; 3] {
        [1, 1, self.num_inputs]
    }

    fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    fn latent_sizes(&self) -> Vec<i64> {
        vec![self.num_inputs]
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, _mode: Mode) -> Posterior {
        let x = x.flatten(1, -1);
        let layer = DiagNormal::new(&x * &self.slope, x.abs() * self.rate + self.base.ln());
        let z = match path {
            LatentPath::Mean => layer.mean().shallow_clone(),
            LatentPath::Noise(eps) => layer.from_noise(&eps[0]),
        };
        Posterior {
            layers: vec![layer],
            z: vec![z],
        }
    }

    fn decode(&self, z: &[Tensor], _mode: Mode) -> Likelihood {
        Likelihood {
            kind: LikelihoodKind::Gaussian { sigma: 1.0 },
            parameter: z[0].unflatten(1, [1, 1, self.num_inputs]),
        }
    }

    fn kl_terms(&self, posterior: &Posterior, _mode: Mode) -> Vec<Tensor> {
        vec![posterior.layers[0].kl_to_standard()]
    }
}

/// The law of |X|, X ~ N(shift, σ²): distances between reconstructions of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoldedNormal {
    /// Mean of X.
    pub shift: f64,
    /// Standard deviation of X.
    pub sigma: f64,
}

impl FoldedNormal {
    /// P(|X| ≤ r).
    pub fn probability_within(&self, r: f64) -> f64 {
        let noncentrality = (self.shift / self.sigma).powi(2);
        noncentral_chi2_cdf((r / self.sigma).powi(2), 1, noncentrality)
    }

    /// E |X|.
    ///
    /// # Formula
    /// ```text
    /// σ √(2/π) e^{−s²/2σ²} + |s| P(|N(0, 1)| ≤ |s|/σ)
    /// ```
    pub fn mean(&self) -> f64 {
        let ratio = self.shift.abs() / self.sigma;
        let peak = (2.0 / std::f64::consts::PI).sqrt() * (-0.5 * ratio * ratio).exp();
        self.sigma * peak + self.shift.abs() * noncentral_chi2_cdf(ratio * ratio, 1, 0.0)
    }

    /// √Var |X|.
    pub fn standard_deviation(&self) -> f64 {
        let square = self.shift * self.shift + self.sigma * self.sigma;
        (square - self.mean().powi(2)).max(0.0).sqrt()
    }
}
