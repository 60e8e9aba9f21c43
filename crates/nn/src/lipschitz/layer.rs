//! A linear layer whose matrix is an orthonormal one times a gain.

use super::{AffineMap, Bjorck};
use crate::Mode;
use std::cell::RefCell;
use vaegis_tensor::{Init, Kind, ParamPath, Tensor, TensorError, no_grad};

/// x ↦ gain · x W̃ᵀ + b, where W̃ is the Björck iterate of the parameter `weight`.
///
/// In [`Mode::Train`] a few steps with gradient are made in every pass. In
/// [`Mode::Eval`] the map is frozen: many steps in f64, kept until the parameter
/// changes, and no gradient reaches the weight.
#[derive(Debug)]
pub struct BjorckLinear {
    weight: Tensor,
    bias: Tensor,
    gain: f64,
    bjorck: Bjorck,
    frozen: RefCell<Option<Frozen>>,
}

#[derive(Debug)]
struct Frozen {
    /// The parameter from which `effective` was made.
    parameter: Tensor,
    effective: Tensor,
}

impl BjorckLinear {
    /// Creates the parameters under `path`, the weight already orthonormal.
    ///
    /// # Errors
    /// A name below `path` is taken.
    ///
    /// # Panics
    /// If a size is not positive or the gain not finite and positive.
    pub fn new(
        path: &ParamPath,
        num_inputs: i64,
        num_outputs: i64,
        gain: f64,
        bjorck: Bjorck,
    ) -> Result<Self, TensorError> {
        assert!(
            num_inputs > 0 && num_outputs > 0 && gain.is_finite() && gain > 0.0,
            "BjorckLinear: {num_inputs} to {num_outputs} units, gain {gain}"
        );
        let init = Init::Normal { std: 1.0 };
        let mut weight = path.param("weight", &[num_outputs, num_inputs], init)?;
        let start = Bjorck {
            eval_steps: 100,
            ..Bjorck::default()
        };
        no_grad(|| {
            let orthonormal = start.freeze(&weight).to_kind(weight.kind());
            weight.copy_(&orthonormal);
        });
        Ok(Self {
            weight,
            bias: path.param("bias", &[num_outputs], Init::Constant(0.0))?,
            gain,
            bjorck,
            frozen: RefCell::new(None),
        })
    }

    /// The nominal Lipschitz constant of the layer.
    pub fn gain(&self) -> f64 {
        self.gain
    }

    /// The matrix that acts in this mode, gain included.
    ///
    /// # Shapes
    /// result: `[out, in]`
    pub fn effective_weight(&self, mode: Mode) -> Tensor {
        if mode == Mode::Train {
            return self.bjorck.orthonormalize(&self.weight) * self.gain;
        }
        let mut frozen = self.frozen.borrow_mut();
        // Optimizers write in place past autograd's version counter, so the
        // numbers themselves are compared; that costs less than one row's pass.
        let valid = frozen
            .as_ref()
            .filter(|f| f.parameter.equal(&self.weight))
            .map(|f| f.effective.shallow_clone());
        valid.unwrap_or_else(|| {
            no_grad(|| {
                let effective = self.bjorck.freeze(&self.weight) * self.gain;
                let effective = effective.to_kind(self.weight.kind());
                *frozen = Some(Frozen {
                    parameter: self.weight.detach().copy(),
                    effective: effective.shallow_clone(),
                });
                effective
            })
        })
    }

    /// The frozen map, for certificates.
    pub fn affine(&self) -> AffineMap {
        AffineMap {
            weight: self.effective_weight(Mode::Eval).to_kind(Kind::Double),
            bias: self.bias.detach().to_kind(Kind::Double),
        }
    }

    /// The affine map of every row.
    ///
    /// # Shapes
    /// x: `[B, in]` → `[B, out]`
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        x.linear(&self.effective_weight(mode), Some(&self.bias))
    }
}
