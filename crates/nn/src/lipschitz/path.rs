//! Networks as certificates see them: explicit affine maps in f64, the
//! activation between them, and what follows the last one.

use super::{group_order, group_sort};
use crate::{Activation, LikelihoodKind};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Kind, Tensor, no_grad, parts};

/// Rows of a Jacobian that are worked on together: 64 × 20 × 784 floats are 4 MB.
const JACOBIAN_BLOCK: i64 = 64;

/// x ↦ x Wᵀ + b in f64.
#[derive(Debug)]
pub struct AffineMap {
    /// W, `[out, in]`.
    pub weight: Tensor,
    /// b, `[out]`.
    pub bias: Tensor,
}

/// What stands between the affine maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathActivation {
    /// Every unit on its own.
    Elementwise(Activation),
    /// Neighbors sorted in groups of this size.
    GroupSort(i64),
}

/// A fully connected network, the activation after every map but the last.
#[derive(Debug)]
pub struct NetworkPath {
    /// The affine maps, nearest the input first; none is the identity.
    pub layers: Vec<AffineMap>,
    /// What stands between them.
    pub activation: PathActivation,
    /// Lipschitz constant of the element-wise function after the last map.
    pub output_lipschitz: f64,
}

/// What is known of σ(x).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalePath {
    /// The same for every input.
    Constant,
    /// Lipschitz in L2 with this constant.
    Lipschitz(f64),
    /// Nothing that holds globally.
    Unknown,
}

/// The three networks of a VAE.
#[derive(Debug)]
pub struct NetworkPaths {
    /// μ.
    pub mean: NetworkPath,
    /// σ.
    pub scale: ScalePath,
    /// z ↦ E[x | z].
    pub decoder: NetworkPath,
}

impl NetworkPath {
    /// The linear layers of an ordinary network.
    pub fn of_linear<'a>(
        layers: impl IntoIterator<Item = &'a crate::Linear>,
        activation: Activation,
        output_lipschitz: f64,
    ) -> Self {
        let affine = |layer: &crate::Linear| AffineMap {
            weight: layer.weight().detach().to_kind(Kind::Double),
            bias: layer.bias().detach().to_kind(Kind::Double),
        };
        Self {
            layers: layers.into_iter().map(affine).collect(),
            activation: PathActivation::Elementwise(activation),
            output_lipschitz,
        }
    }

    /// ‖W‖₂ of every layer by singular values in f64.
    pub fn layer_norms(&self) -> Vec<f64> {
        let norm = |layer: &AffineMap| extreme_singular_values(&layer.weight).1;
        self.layers.iter().map(norm).collect()
    }

    /// A Lipschitz constant of the whole path in L2.
    ///
    /// # Formula
    /// ```text
    /// output constant · Π_l ‖W_l‖₂ · (constant of the activation)^(layers − 1)
    /// ```
    pub fn lipschitz(&self) -> f64 {
        let product: f64 = self.layer_norms().iter().product();
        let between = self.layers.len().saturating_sub(1) as i32;
        product * self.activation.lipschitz().powi(between) * self.output_lipschitz
    }

    /// The last map's answer, without what follows it.
    ///
    /// # Shapes
    /// x: `[B, in]` of kind Double → `[B, out]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let last = self.layers.len().saturating_sub(1);
        let mut h = x.shallow_clone();
        for (k, layer) in self.layers.iter().enumerate() {
            h = h.linear(&layer.weight, Some(&layer.bias));
            if k < last {
                h = self.activation.forward(&h);
            }
        }
        h
    }

    /// The Jacobian of the last map's answer for every row, by products of the
    /// layers from the output down: all rows and all outputs in the same matrix
    /// product, which is faster than one backward pass per output. Sorting has a
    /// permutation P(x) in the place of the slopes.
    ///
    /// # Formula
    /// ```text
    /// J(x) = W_L diag(f′(a_{L−1}(x))) W_{L−1} … diag(f′(a_1(x))) W_1
    /// ```
    ///
    /// # Shapes
    /// x: `[B, in]` → `[B, out, in]`, of the kind of x
    pub fn jacobian(&self, x: &Tensor) -> Tensor {
        let (batch, kind, device) = (x.size()[0], x.kind(), x.device());
        let of = |t: &Tensor| t.to_kind(kind).to_device(device);
        let weights: Vec<Tensor> = self.layers.iter().map(|l| of(&l.weight)).collect();
        let Some((last, lower)) = weights.split_last() else {
            let eye = Tensor::eye(x.size()[1], (kind, device));
            return eye.unsqueeze(0).repeat([batch, 1, 1]);
        };
        // f′ of every hidden unit, or its place in the order: one pass up.
        let mut derivatives = Vec::with_capacity(lower.len());
        let mut h = x.detach();
        for (weight, layer) in lower.iter().zip(&self.layers) {
            let a = h.linear(weight, Some(&of(&layer.bias)));
            derivatives.push(match self.activation {
                PathActivation::Elementwise(activation) => activation.derivative(&a),
                PathActivation::GroupSort(group) => group_order(&a, group),
            });
            h = no_grad(|| self.activation.forward(&a));
        }
        let (num_out, num_in) = (last.size()[0], x.size()[1]);
        let jacobian = Tensor::empty([batch, num_out, num_in], (kind, device));
        no_grad(|| {
            // Blocks of rows keep what lies between two products in the cache.
            for (start, len) in parts(batch, JACOBIAN_BLOCK) {
                let mut block = last.unsqueeze(0); // [1, out, hidden]
                for (weight, derivative) in lower.iter().zip(&derivatives).rev() {
                    let derivative = derivative.narrow(0, start, len).unsqueeze(1);
                    block = match self.activation {
                        PathActivation::Elementwise(_) => block * derivative,
                        PathActivation::GroupSort(_) => {
                            let shape = [len, num_out, weight.size()[0]];
                            let unsorted = Tensor::empty(shape, (kind, device));
                            unsorted.scatter(
                                2,
                                &derivative.expand(shape, false),
                                &block.expand(shape, false),
                            )
                        }
                    };
                    block = block.matmul(weight); // [len, out, below]
                }
                jacobian.narrow(0, start, len).copy_(&block);
            }
        });
        jacobian
    }
}

impl PathActivation {
    /// Lipschitz constant in L2.
    pub fn lipschitz(self) -> f64 {
        match self {
            Self::Elementwise(activation) => activation_lipschitz(activation),
            Self::GroupSort(_) => 1.0,
        }
    }

    /// The activation of every row.
    ///
    /// # Shapes
    /// x: `[B, n]` → the same
    pub fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Self::Elementwise(activation) => activation.forward(x),
            Self::GroupSort(group) => group_sort(x, group),
        }
    }
}

/// sup |f′| of an activation, rounded up in the third digit where it has no
/// closed form.
pub fn activation_lipschitz(activation: Activation) -> f64 {
    match activation {
        Activation::Identity
        | Activation::Relu
        | Activation::LeakyRelu
        | Activation::Tanh
        | Activation::Softplus
        | Activation::Elu => 1.0,
        Activation::Sigmoid => 0.25,
        Activation::Silu => 1.1,
        Activation::Gelu => 1.13,
    }
}

/// Lipschitz constant of E[x | z] as a function of the decoder's output: the
/// largest variance of a pixel under the likelihood, for the families with logits.
///
/// # Formula
/// ```text
/// Bernoulli 1/4    continuous Bernoulli 1/12    Gaussian 1
/// ```
pub fn mean_lipschitz(kind: LikelihoodKind) -> f64 {
    match kind {
        LikelihoodKind::Bernoulli => 0.25,
        // The variance is largest at logit 0, where the law is uniform.
        LikelihoodKind::ContinuousBernoulli => 1.0 / 12.0,
        LikelihoodKind::Gaussian { .. } => 1.0,
    }
}

/// Singular values of a matrix in f64, largest first.
///
/// # Shapes
/// matrix: `[m, n]` → min(m, n) values
pub fn singular_values(matrix: &Tensor) -> Vec<f64> {
    no_grad(|| {
        let matrix = matrix.to_kind(Kind::Double);
        to_f64_vec(&matrix.svd(true, false).1)
    })
}

/// Smallest and largest singular value.
pub(super) fn extreme_singular_values(matrix: &Tensor) -> (f64, f64) {
    let values = singular_values(matrix);
    let first = values.first().copied().unwrap_or(0.0);
    (values.last().copied().unwrap_or(0.0), first)
}
