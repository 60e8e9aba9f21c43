//! Closed-form optimum of the linear β-VAE, the test bed on which trends can be read exactly.
//!
//! For: what happens to σ, ‖J‖, r_min, the bounds and the distortion when β grows, with nothing
//! trained. Not a statement about deep networks: it shows which claims fail even here.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check_positive, check_sample, invalid};
use crate::margin::{AcceptanceProbability, EncoderGeometry, MarginBounds, bounds};
use crate::r_min;

/// Optimal linear β-VAE for Gaussian data N(0, U Λ Uᵀ).
///
/// With β' = β s² (s² the observation variance) and the active set {i ≤ d_z : λᵢ > β'}:
///
/// # Formula
/// ```text
/// W = U(Λ−β')₊^½,  B = Λ⁻¹(Λ−β')₊^½ Uᵀ,  σᵢ² = min(β'/λᵢ, 1)
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearBetaVae {
    /// All data variances, descending.
    eigenvalues: Vec<f64>,
    latent_dim: usize,
    /// β s².
    threshold: f64,
    observation_variance: f64,
}

impl LinearBetaVae {
    /// Optimum for data variances `eigenvalues` (any order) and `latent_dim` latents.
    ///
    /// # Errors
    /// When a variance, `beta` or `observation_variance` is not finite and positive, or
    /// `latent_dim` is 0 or above the number of variances.
    pub fn new(
        eigenvalues: &[f64],
        latent_dim: usize,
        beta: f64,
        observation_variance: f64,
    ) -> Result<Self> {
        const OP: &str = "LinearBetaVae::new";
        check_sample(OP, "eigenvalues", eigenvalues, 1)?;
        eigenvalues
            .iter()
            .try_for_each(|&l| check_positive(OP, "eigenvalues", l))?;
        check_positive(OP, "beta", beta)?;
        check_positive(OP, "observation_variance", observation_variance)?;
        if latent_dim == 0 || latent_dim > eigenvalues.len() {
            return Err(invalid(
                OP,
                "latent_dim",
                "between 1 and the data dimension",
                latent_dim,
            ));
        }
        let mut eigenvalues = eigenvalues.to_vec();
        eigenvalues.sort_unstable_by(|a, b| b.total_cmp(a));
        let threshold = beta * observation_variance;
        Ok(Self {
            eigenvalues,
            latent_dim,
            threshold,
            observation_variance,
        })
    }

    /// Standard deviations σᵢ of the posterior, `[d_z]`.
    #[must_use]
    pub fn sigma(&self) -> Vec<f64> {
        self.latents()
            .map(|l| (self.threshold / l).min(1.0).sqrt())
            .collect()
    }

    /// Singular values of the encoder B, `[d_z]`.
    #[must_use]
    pub fn encoder_gains(&self) -> Vec<f64> {
        self.latents().map(|l| self.excess(l).sqrt() / l).collect()
    }

    /// Singular values of the decoder W, `[d_z]`.
    #[must_use]
    pub fn decoder_gains(&self) -> Vec<f64> {
        self.latents().map(|l| self.excess(l).sqrt()).collect()
    }

    /// ‖B‖_F = √Σ (λᵢ−β')₊/λᵢ².
    #[must_use]
    pub fn jacobian_frobenius(&self) -> f64 {
        self.encoder_gains()
            .iter()
            .map(|gain| gain * gain)
            .sum::<f64>()
            .sqrt()
    }

    /// Eigenvalues β'(λᵢ−β')₊/λᵢ of the reconstruction covariance Σ, `[d_z]`.
    #[must_use]
    pub fn decoder_spectrum(&self) -> Vec<f64> {
        self.latents()
            .map(|l| self.threshold * self.excess(l) / l)
            .collect()
    }

    /// Smallest radius at level m; 0 once every latent has collapsed.
    ///
    /// # Errors
    /// When `m` is not in (0, 1).
    pub fn r_min(&self, m: f64) -> Result<f64> {
        r_min::linearized(&self.decoder_spectrum(), m)
    }

    /// √(2 Tr Σ), the radius of Proposition E.1 as printed.
    #[must_use]
    pub fn printed_r_min(&self) -> f64 {
        r_min::printed_proposition(self.decoder_spectrum().iter().sum())
    }

    /// Margin bounds with r chosen so that the unperturbed probability is `p0`, at m = ½.
    ///
    /// Labeled as a theorem without approximation, because μ is linear and σ constant.
    ///
    /// # Errors
    /// When `p0` is outside [0, 1].
    pub fn bounds(&self, p0: f64) -> Result<MarginBounds> {
        let gains = self.encoder_gains();
        let mut gram = ndarray::Array2::zeros((self.latent_dim, self.latent_dim));
        gram.diag_mut()
            .assign(&ndarray::Array1::from_iter(gains.iter().map(|g| g * g)));
        let geometry = EncoderGeometry::from_gram(&self.sigma(), gram.view())?.affine();
        bounds(&geometry, &AcceptanceProbability::exact(p0)?, 0.5)
    }

    /// Expected squared distance E‖x − g(μ(x))‖² of the noise-free reconstruction.
    ///
    /// # Formula
    /// ```text
    /// Σ_{i≤d_z} min(β'²/λᵢ, λᵢ) + Σ_{i>d_z} λᵢ
    /// ```
    #[must_use]
    pub fn residual(&self) -> f64 {
        let kept: f64 = self
            .latents()
            .map(|l| (self.threshold * self.threshold / l).min(l))
            .sum();
        kept + self.dropped()
    }

    /// Optimal β-VAE objective (negative log-likelihood without its constant, plus β KL), nats.
    ///
    /// # Formula
    /// ```text
    /// (1/2s²) [Σ_active β'(1 + ln(λᵢ/β')) + Σ_rest λᵢ]
    /// ```
    #[must_use]
    pub fn objective(&self) -> f64 {
        let latent = |l: f64| {
            if l > self.threshold {
                self.threshold * (1.0 + (l / self.threshold).ln())
            } else {
                l
            }
        };
        let kept: f64 = self.latents().map(latent).sum();
        0.5 * (kept + self.dropped()) / self.observation_variance
    }

    fn latents(&self) -> impl Iterator<Item = f64> + '_ {
        self.eigenvalues[..self.latent_dim].iter().copied()
    }

    fn dropped(&self) -> f64 {
        self.eigenvalues[self.latent_dim..].iter().sum()
    }

    fn excess(&self, eigenvalue: f64) -> f64 {
        (eigenvalue - self.threshold).max(0.0)
    }
}
