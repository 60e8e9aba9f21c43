//! Björck's iteration towards the nearest matrix with orthonormal rows or columns.

use serde::{Deserialize, Serialize};
use vaegis_tensor::{Kind, Tensor, no_grad};

/// How far a singular value of a layer called orthonormal may be from 1.
///
/// Iterates are rounded to f32 in the end, which moves singular values of a
/// matrix of thousand rows by some 10⁻⁶.
pub const ORTHONORMAL_TOLERANCE: f64 = 1e-5;

/// Largest |WᵀW − I| at which the f64 iteration stops early: one more step
/// would square it.
const CONVERGED: f64 = 1e-13;

/// Matrix-vector products with which the largest singular value is estimated
/// while training: an underestimate by less than a factor of 1.45 is harmless for
/// every order (√3 for the first).
const POWER_STEPS: usize = 6;

/// What the matrix is divided by before the first step. A positive factor does
/// not change the limit, only whether and how fast it is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BjorckScaling {
    /// Nothing: converges to the wrong place or not at all where a singular
    /// value is above √3 (order 1), √(7/3) (order 2) or about 1.49 (order 4).
    None,
    /// √(rows · columns), safe while no entry exceeds 1, but the first steps are
    /// then spent on growing tiny singular values by 3/2 each.
    Size,
    /// The largest singular value: exact when frozen, by power iteration in training.
    #[default]
    Spectral,
}

/// Order, lengths and scaling of the iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bjorck {
    /// Order of the Taylor polynomial of 1/√ per step, 1 to 4.
    pub order: usize,
    /// Steps in every training pass.
    pub train_steps: usize,
    /// Steps, at most, when the layer is frozen for evaluation.
    pub eval_steps: usize,
    /// What the matrix is divided by first.
    pub scaling: BjorckScaling,
}

impl Default for Bjorck {
    fn default() -> Self {
        Self {
            order: 1,
            train_steps: 3,
            eval_steps: 50,
            scaling: BjorckScaling::Spectral,
        }
    }
}

impl Bjorck {
    /// Largest order with coefficients.
    pub const MAX_ORDER: usize = 4;

    /// Coefficients of s, s³, s⁵, … in the map of singular values, the truncated
    /// series s (1 − (1 − s²))^(−½).
    ///
    /// # Panics
    /// If the order is not 1 to 4.
    pub fn coefficients(&self) -> &'static [f64] {
        match self.order {
            1 => &[1.5, -0.5],
            2 => &[15.0 / 8.0, -5.0 / 4.0, 3.0 / 8.0],
            3 => &[35.0 / 16.0, -35.0 / 16.0, 21.0 / 16.0, -5.0 / 16.0],
            4 => &[
                315.0 / 128.0,
                -105.0 / 32.0,
                189.0 / 64.0,
                -45.0 / 32.0,
                35.0 / 128.0,
            ],
            order => panic!("Björck iteration of order {order}: there are orders 1 to 4"),
        }
    }

    /// What one step does to a singular value.
    ///
    /// # Formula
    /// ```text
    /// order 1:  f(s) = 1.5 s − 0.5 s³
    /// ```
    /// For every order f(1) = 1, and |f(s)| ≤ 1 for 0 ≤ s ≤ 1; order 1 keeps
    /// that up to s = 2.
    ///
    /// # Panics
    /// If the order is not 1 to 4.
    ///
    /// # References
    /// Björck and Bowie (1971); Anil, Lucas and Grosse (2019), section 4.2.1.
    pub fn map(&self, s: f64) -> f64 {
        let square = s * s;
        let polynomial = self.coefficients().iter().rev();
        s * polynomial.fold(0.0, |sum, c| sum * square + c)
    }

    /// `train_steps` steps with gradient; the divisor is a constant.
    ///
    /// # Shapes
    /// weight: `[out, in]` → the same
    ///
    /// # Panics
    /// If the order is not 1 to 4.
    pub fn orthonormalize(&self, weight: &Tensor) -> Tensor {
        let mut w = match self.scaling {
            BjorckScaling::None => weight.shallow_clone(),
            BjorckScaling::Size => weight / size_divisor(weight),
            BjorckScaling::Spectral => weight / no_grad(|| power_iteration(weight)),
        };
        for _ in 0..self.train_steps {
            w = self.step(&w, &gram(&w));
        }
        w
    }

    /// At most `eval_steps` steps in f64 without gradient, stopped early where
    /// WᵀW is I to rounding.
    ///
    /// # Shapes
    /// weight: `[out, in]` → the same, of kind Double
    ///
    /// # Panics
    /// If the order is not 1 to 4.
    pub fn freeze(&self, weight: &Tensor) -> Tensor {
        no_grad(|| {
            let mut w = weight.to_kind(Kind::Double);
            w = match self.scaling {
                BjorckScaling::None => w,
                BjorckScaling::Size => &w / size_divisor(&w),
                BjorckScaling::Spectral => {
                    let (_, largest) = super::path::extreme_singular_values(&w);
                    if largest > 0.0 { &w / largest } else { w }
                }
            };
            let side = w.size().into_iter().min().unwrap_or(0);
            let identity = Tensor::eye(side, (Kind::Double, w.device()));
            for _ in 0..self.eval_steps {
                let gram = gram(&w);
                let error = (&gram - &identity).abs().max().double_value(&[]);
                if error <= CONVERGED {
                    break;
                }
                w = self.step(&w, &gram);
            }
            w
        })
    }

    /// W p(WᵀW) or p(WWᵀ) W, whichever Gram matrix is smaller.
    fn step(&self, w: &Tensor, gram: &Tensor) -> Tensor {
        let [constant, rest @ ..] = self.coefficients() else {
            unreachable!("invariant: every order has coefficients")
        };
        // Horner in the Gram matrix; the constant term never becomes a matrix.
        let mut powers = rest.iter().rev();
        let highest = *powers.next().expect("invariant: two coefficients or more");
        let mut polynomial = gram * highest;
        for &coefficient in powers {
            polynomial = gram.matmul(&polynomial) + gram * coefficient;
        }
        let product = if is_wide(w) {
            polynomial.matmul(w)
        } else {
            w.matmul(&polynomial)
        };
        product + w * *constant
    }
}

fn is_wide(w: &Tensor) -> bool {
    let size = w.size();
    size[0] <= size[1]
}

fn gram(w: &Tensor) -> Tensor {
    let t = w.transpose(0, 1);
    if is_wide(w) {
        w.matmul(&t)
    } else {
        t.matmul(w)
    }
}

fn size_divisor(w: &Tensor) -> f64 {
    (w.numel() as f64).sqrt()
}

/// An estimate of ‖W‖₂ from below, 1 for a zero matrix.
fn power_iteration(w: &Tensor) -> Tensor {
    let gram = gram(w);
    let side = gram.size()[0];
    // A start without symmetry: no singular vector is orthogonal to it by design.
    let mut v = Tensor::arange(side, (w.kind(), w.device())).sin() + 1.0;
    for _ in 0..POWER_STEPS {
        let norm = v.norm().clamp_min(f64::from(f32::MIN_POSITIVE));
        v = gram.mv(&(v / norm));
    }
    // ‖G v‖ for the unit vector before it is λ from below, and s = √λ.
    let estimate = v.norm().sqrt();
    let is_zero = estimate.le(0.0);
    estimate.masked_fill(&is_zero, 1.0)
}
