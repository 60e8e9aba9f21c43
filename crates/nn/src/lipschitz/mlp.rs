//! Fully connected networks that are L-Lipschitz by construction.

use super::{AffineMap, Bjorck, BjorckLinear, NetworkPath, PathActivation, group_sort};
use crate::Mode;
use vaegis_tensor::{ParamPath, Tensor, TensorError};

/// Sizes and constant of a [`LipschitzMlp`].
#[derive(Clone, Debug, PartialEq)]
pub struct LipschitzMlpSpec {
    /// Units per layer, from the input to the output: at least two entries.
    pub sizes: Vec<i64>,
    /// Lipschitz constant L of the network.
    pub lipschitz: f64,
    /// Neighbors sorted together between layers.
    pub group: i64,
    /// The iteration of every layer.
    pub bjorck: Bjorck,
}

/// Orthonormal layers with gain L^(1/n) each and GroupSort between them: an
/// L-Lipschitz map that loses no gradient norm.
///
/// # References
/// Anil, Lucas and Grosse (2019), section 4.
#[derive(Debug)]
pub struct LipschitzMlp {
    layers: Vec<BjorckLinear>,
    spec: LipschitzMlpSpec,
}

impl LipschitzMlp {
    /// Creates the parameters under `path`.
    ///
    /// # Errors
    /// A name below `path` is taken.
    ///
    /// # Panics
    /// If there are fewer than two sizes, a hidden size is not divisible by the
    /// group, or the constant is not positive.
    pub fn new(path: &ParamPath, spec: LipschitzMlpSpec) -> Result<Self, TensorError> {
        let num_layers = spec.sizes.len().saturating_sub(1);
        assert!(num_layers > 0, "LipschitzMlp: fewer than two sizes");
        let hidden = &spec.sizes[1..num_layers];
        assert!(
            spec.group >= 1 && hidden.iter().all(|units| units % spec.group == 0),
            "LipschitzMlp: hidden sizes {hidden:?} in groups of {}",
            spec.group
        );
        let gain = spec.lipschitz.powf((num_layers as f64).recip());
        let pairs = spec.sizes.windows(2).enumerate();
        let layers = pairs
            .map(|(k, pair)| {
                let path = path.sub(&k.to_string());
                BjorckLinear::new(&path, pair[0], pair[1], gain, spec.bjorck)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { layers, spec })
    }

    /// The layers, nearest the input first.
    pub fn layers(&self) -> &[BjorckLinear] {
        &self.layers
    }

    /// Sizes and nominal constant.
    pub fn spec(&self) -> &LipschitzMlpSpec {
        &self.spec
    }

    /// The network's answer to every row.
    ///
    /// # Shapes
    /// x: `[B, sizes[0]]` → `[B, sizes[last]]`
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let (last, hidden) = self
            .layers
            .split_last()
            .expect("invariant: at least one layer");
        let mut h = x.shallow_clone();
        for layer in hidden {
            h = group_sort(&layer.forward(&h, mode), self.spec.group);
        }
        last.forward(&h, mode)
    }

    /// The frozen network, with this Lipschitz constant of what follows it.
    pub fn path(&self, output_lipschitz: f64) -> NetworkPath {
        let layers: Vec<AffineMap> = self.layers.iter().map(BjorckLinear::affine).collect();
        NetworkPath {
            layers,
            activation: PathActivation::GroupSort(self.spec.group),
            output_lipschitz,
        }
    }
}
