//! Optima of latent-space attacks on the linear-Gaussian model.
//!
//! Every attack here minimizes h(½ (d−v)ᵀ M (d−v)) + λ · penalty(‖d‖) with an
//! increasing h. Its stationary points lie on the curve d(t) = (M + t I)⁻¹ M v,
//! along which ‖d‖ falls from ‖Pv‖ to 0, so one number t has to be found.

use super::LinearGaussian;
use vaegis_tensor::Tensor;

/// What the attack makes small between the two posteriors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatentDistance {
    /// KL(q(z|x+d) ‖ q(z|x_t)).
    Kl,
    /// The 2-Wasserstein distance.
    W2,
    /// Its square.
    W2Squared,
}

/// How the distortion is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Penalty {
    /// λ‖d‖₂
    L2,
    /// λ‖d‖₂²
    L2Squared,
}

/// The global optimum of a latent attack without a box.
#[derive(Clone, Debug)]
pub struct LatentAttackOptimum {
    /// d, `d_x` entries.
    pub distortion: Vec<f64>,
    /// Distance of the posteriors at d.
    pub distance: f64,
    /// Distance plus penalty at d.
    pub objective: f64,
    /// ‖d‖₂.
    pub norm: f64,
}

/// The problem in the eigenbasis of M.
struct Diagonal {
    /// Eigenvalues of M, not negative.
    eigenvalues: Vec<f64>,
    /// v in the eigenbasis.
    v: Vec<f64>,
    distance: LatentDistance,
    penalty: Penalty,
    lambda: f64,
}

impl LinearGaussian {
    /// The distortion d that minimizes `distance(x + d, target) + λ penalty(d)`
    /// over all of space (no pixel box).
    ///
    /// # Formula
    /// ```text
    /// M = Aᵀ diag(σ)⁻² A (KL) or 2 AᵀA (W₂);  v = target − x
    /// squared penalty, KL and W₂²: d = (M + 2λ I)⁻¹ M v
    /// plain penalty,   KL and W₂²: d = (M + t I)⁻¹ M v with t ‖d‖ = λ; d = 0 iff ‖M v‖ ≤ λ
    /// W₂: the same curve, t from d/dt of the objective
    /// ```
    ///
    /// # Panics
    /// If `x` or `target` has not `d_x` entries.
    pub fn latent_attack(
        &self,
        x: &[f64],
        target: &[f64],
        distance: LatentDistance,
        penalty: Penalty,
        lambda: f64,
    ) -> LatentAttackOptimum {
        let a = Self::exact(&self.encoder_weight);
        assert_eq!(x.len() as i64, self.num_inputs(), "number of pixels of x");
        assert_eq!(target.len(), x.len(), "number of pixels of the target");
        let weights = match distance {
            LatentDistance::Kl => (Self::exact(&self.log_sigma) * -2.0).exp(),
            LatentDistance::W2 | LatentDistance::W2Squared => {
                Self::exact(&self.log_sigma).full_like(2.0)
            }
        };
        let metric = a.transpose(0, 1).matmul(&(&a * weights.unsqueeze(1)));
        let (eigenvalues, basis) = metric.linalg_eigh("L");
        let v = Tensor::from_slice(target) - Tensor::from_slice(x);
        let problem = Diagonal {
            eigenvalues: to_vec(&eigenvalues.clamp_min(0.0)),
            v: to_vec(&basis.transpose(0, 1).mv(&v)),
            distance,
            penalty,
            lambda,
        };
        let best = problem.solve();
        let distortion = to_vec(&basis.mv(&Tensor::from_slice(&best)));
        LatentAttackOptimum {
            distortion,
            distance: problem.distance(&best),
            objective: problem.objective(&best),
            norm: norm(&best),
        }
    }
}

/// Number of halvings of log t: far below rounding.
const NUM_BISECTIONS: usize = 200;

impl Diagonal {
    /// d(t) in the eigenbasis.
    fn curve(&self, t: f64) -> Vec<f64> {
        let entries = self.eigenvalues.iter().zip(&self.v);
        entries
            .map(|(&e, &v)| if e > 0.0 { e * v / (e + t) } else { 0.0 })
            .collect()
    }

    /// ½ (d−v)ᵀ M (d−v).
    fn quadratic(&self, d: &[f64]) -> f64 {
        let entries = self.eigenvalues.iter().zip(d).zip(&self.v);
        entries
            .map(|((&e, &d), &v)| 0.5 * e * (d - v) * (d - v))
            .sum()
    }

    fn distance(&self, d: &[f64]) -> f64 {
        match self.distance {
            LatentDistance::Kl | LatentDistance::W2Squared => self.quadratic(d),
            LatentDistance::W2 => self.quadratic(d).sqrt(),
        }
    }

    fn objective(&self, d: &[f64]) -> f64 {
        let norm = norm(d);
        self.distance(d)
            + self.lambda
                * match self.penalty {
                    Penalty::L2 => norm,
                    Penalty::L2Squared => norm * norm,
                }
    }

    /// Positive where a larger t (a shorter d) lowers the objective: along the
    /// curve M(d − v) = −t d, so the slope in ‖d‖ is penalty' − t ‖d‖ h'.
    fn penalty_outweighs(&self, t: f64) -> bool {
        let d = self.curve(t);
        let norm = norm(&d);
        let outer = match self.distance {
            LatentDistance::Kl | LatentDistance::W2Squared => 1.0,
            LatentDistance::W2 => 0.5 / self.quadratic(&d).sqrt(),
        };
        let slope = match self.penalty {
            Penalty::L2 => self.lambda,
            Penalty::L2Squared => 2.0 * self.lambda * norm,
        };
        slope > t * norm * outer
    }

    /// Whether the plain penalty's kink at d = 0 holds the attack back.
    fn stays_at_zero(&self) -> bool {
        let pull: Vec<f64> = self
            .eigenvalues
            .iter()
            .zip(&self.v)
            .map(|(e, v)| e * v)
            .collect();
        let pull = norm(&pull);
        let outer = match self.distance {
            LatentDistance::Kl | LatentDistance::W2Squared => 1.0,
            LatentDistance::W2 => 0.5 / self.quadratic(&vec![0.0; self.v.len()]).sqrt(),
        };
        pull == 0.0 || (self.penalty == Penalty::L2 && pull * outer <= self.lambda)
    }

    fn solve(&self) -> Vec<f64> {
        let largest = self.eigenvalues.iter().copied().fold(0.0, f64::max);
        if self.stays_at_zero() {
            return vec![0.0; self.v.len()];
        }
        let (mut low, mut high) = ((largest * 1e-15).ln(), (largest * 1e15).ln());
        for _ in 0..NUM_BISECTIONS {
            let middle = 0.5 * (low + high);
            if self.penalty_outweighs(middle.exp()) {
                low = middle;
            } else {
                high = middle;
            }
        }
        // W₂ has a kink at distance zero, where the curve begins.
        let (inner, end) = (self.curve((0.5 * (low + high)).exp()), self.curve(0.0));
        if self.objective(&end) < self.objective(&inner) {
            end
        } else {
            inner
        }
    }
}

fn norm(d: &[f64]) -> f64 {
    d.iter().map(|d| d * d).sum::<f64>().sqrt()
}

fn to_vec(x: &Tensor) -> Vec<f64> {
    Vec::try_from(x.contiguous()).expect("invariant: a vector of f64")
}
