//! r-robustness margin and maximum damage of the linear-Gaussian model.

use super::LinearGaussian;
use vaegis_tensor::{Kind, Tensor};

/// The strongest perturbation of the mean reconstruction in an L2 ball.
#[derive(Clone, Debug)]
pub struct MaxDamage {
    /// Unit vector; its negative is as strong.
    pub direction: Vec<f64>,
    /// ‖g(μ(x + L · direction)) − g(μ(x))‖ = L ‖W A‖₂.
    pub damage: f64,
}

/// Deviation of WᵀW from a multiple of I, and of σ from a constant, up to which
/// the closed form of the margin is used; parameters may be stored in f32.
const ISOTROPY: f64 = 1e-5;
const NUM_BISECTIONS: usize = 200;

impl LinearGaussian {
    /// max ‖g(μ(x + d)) − g(μ(x))‖ over ‖d‖₂ ≤ `radius`, the same for every x.
    /// Also the maximizer of the expected squared damage under noise, which
    /// only adds Σⱼ σⱼ² ‖W eⱼ‖².
    pub fn max_damage(&self, radius: f64) -> MaxDamage {
        let a = Self::exact(&self.encoder_weight);
        let product = Self::exact(&self.decoder_weight).matmul(&a); // [d_x, d_x]
        let (gain, direction) = steepest(&product);
        MaxDamage {
            direction,
            damage: radius * gain,
        }
    }

    /// P(‖g(μ(x) + δ + σ ⊙ η) − g(μ(x))‖ ≤ r) for a latent shift of length
    /// `shift`; none where it depends on the direction of the shift.
    ///
    /// # Formula
    /// ```text
    /// WᵀW = c² I, σⱼ = σ:  P(χ'²(d_z; shift²/σ²) ≤ r²/(c σ)²)
    /// ```
    pub fn probability_within(&self, r: f64, shift: f64) -> Option<f64> {
        let (gain, sigma) = self.isotropy()?;
        let threshold = (r / (gain * sigma)).powi(2);
        let dimension = self.num_latents() as u32;
        Some(noncentral_chi2_cdf(
            threshold,
            dimension,
            (shift / sigma).powi(2),
        ))
    }

    /// The exact margin: the largest ρ such that every perturbation shorter
    /// than ρ keeps the reconstruction within r with probability above m. The
    /// same for every x, and the same whether or not σ moves with the input,
    /// because σ is constant. None where WᵀW or σ is not isotropic, for lack of
    /// a closed form; infinite for a constant encoder.
    ///
    /// # Formula
    /// ```text
    /// shift* / ‖A‖₂ with P(‖Δ‖ ≤ r | shift*) = m;  0 if p₀ ≤ m
    /// ```
    pub fn margin(&self, r: f64, m: f64) -> Option<f64> {
        if self.probability_within(r, 0.0)? <= m {
            return Some(0.0);
        }
        let (gain, sigma) = self.isotropy()?;
        // Beyond r/gain + 40σ the probability is zero to rounding.
        let (mut low, mut high) = (0.0, r / gain + 40.0 * sigma);
        for _ in 0..NUM_BISECTIONS {
            let middle = 0.5 * (low + high);
            if self.probability_within(r, middle)? > m {
                low = middle;
            } else {
                high = middle;
            }
        }
        let (gain, _) = steepest(&Self::exact(&self.encoder_weight));
        Some(0.5 * (low + high) / gain)
    }

    /// (c, σ) where WᵀW = c² I and all σⱼ = σ.
    fn isotropy(&self) -> Option<(f64, f64)> {
        let w = Self::exact(&self.decoder_weight);
        let gram = w.transpose(0, 1).matmul(&w);
        let square = gram.diagonal(0, 0, 1).mean(None).double_value(&[]);
        let identity = Tensor::eye(self.num_latents(), (Kind::Double, w.device()));
        let deviation = (gram - identity * square).abs().max().double_value(&[]);
        let log_sigma = Self::exact(&self.log_sigma);
        let spread = (log_sigma.max() - log_sigma.min()).double_value(&[]);
        let isotropic = deviation <= ISOTROPY * square && spread <= ISOTROPY;
        isotropic.then(|| (square.sqrt(), log_sigma.mean(None).double_value(&[]).exp()))
    }
}

/// The spectral norm of a matrix and the unit vector that reaches it.
fn steepest(matrix: &Tensor) -> (f64, Vec<f64>) {
    // libtorch's bindings cannot ask for the SVD of a CPU tensor (they always name a CUDA driver).
    let (values, vectors) = matrix.transpose(0, 1).matmul(matrix).linalg_eigh("L");
    let direction = vectors.select(1, -1).contiguous();
    let direction = Vec::try_from(direction).expect("invariant: a column of f64");
    (values.double_value(&[-1]).max(0.0).sqrt(), direction)
}

/// P(χ'²_d(λ) ≤ x): a Poisson(λ/2) mixture of central laws.
///
/// # Formula
/// ```text
/// Σⱼ Poisson(j; λ/2) P(d/2 + j, x/2),  P the regularized lower incomplete gamma function
/// ```
pub(super) fn noncentral_chi2_cdf(x: f64, dimension: u32, noncentrality: f64) -> f64 {
    let (half_x, half_lambda) = (0.5 * x, 0.5 * noncentrality);
    if half_x <= 0.0 {
        return 0.0;
    }
    // The Poisson weights are negligible this far above their mean.
    let num_terms = (half_lambda + 12.0 * half_lambda.sqrt() + 60.0) as usize;
    let shape = |j: usize| 0.5 * f64::from(dimension) + j as f64;
    // P(a, y) = P(a+1, y) + y^a e^{-y}/Γ(a+1): downwards, all terms are positive.
    let mut log_term =
        shape(num_terms) * half_x.ln() - half_x - ln_gamma_half(shape(num_terms) + 1.0);
    let mut gamma = incomplete_gamma_series(shape(num_terms), half_x, log_term);
    let mut log_weight = if half_lambda > 0.0 {
        num_terms as f64 * half_lambda.ln() - half_lambda - ln_gamma_half(num_terms as f64 + 1.0)
    } else {
        f64::NEG_INFINITY
    };
    let mut sum = 0.0;
    for j in (0..=num_terms).rev() {
        if half_lambda == 0.0 && j == 0 {
            log_weight = 0.0;
        }
        sum += log_weight.exp() * gamma;
        if j > 0 {
            log_term += shape(j).ln() - half_x.ln();
            gamma += log_term.exp();
            log_weight += (j as f64).ln() - half_lambda.max(f64::MIN_POSITIVE).ln();
        }
    }
    sum.min(1.0)
}

/// P(a, y) by its series, given log(y^a e^{-y} / Γ(a+1)).
fn incomplete_gamma_series(a: f64, y: f64, log_first: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    while term > 1e-17 * sum {
        n += 1.0;
        term *= y / n;
        sum += term;
    }
    (log_first + sum.ln()).exp().min(1.0)
}

/// log Γ at a positive multiple of one half, by its recurrence.
fn ln_gamma_half(a: f64) -> f64 {
    let (mut sum, mut a) = (0.0, a);
    while a > 1.25 {
        a -= 1.0;
        sum += a.ln();
    }
    // What remains is Γ(1/2) = √π or Γ(1) = 1.
    if a < 0.75 {
        sum + 0.5 * std::f64::consts::PI.ln()
    } else {
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values carry 15 digits; recurrences over a thousand terms lose four.
    const TOLERANCE: f64 = 1e-11;

    #[test]
    fn noncentral_chi_square_agrees_with_scipy() {
        // scipy.stats.ncx2.cdf and chi2.cdf, see tests/golden/ncx2.py.
        let text = include_str!("../../tests/golden/ncx2.json");
        let table: Vec<(f64, u32, f64, f64)> = serde_json::from_str(text).expect("golden file");
        assert!(table.len() > 20);
        for (x, dimension, noncentrality, expected) in table {
            let found = noncentral_chi2_cdf(x, dimension, noncentrality);
            let message = format!("x {x}, d {dimension}, λ {noncentrality}: {found} {expected}");
            assert!((found - expected).abs() < TOLERANCE, "{message}");
        }
    }
}
