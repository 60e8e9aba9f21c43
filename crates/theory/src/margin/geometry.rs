//! What the bounds need of the encoder at one input: σ_min and three norms of its Jacobian.
//!
//! Not for computing Jacobians.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::error::{Result, check_positive, check_same_len};
use crate::linalg::{cholesky, gram_rows, largest_root, solve_lower, symmetric_eigenvalues};

/// What the bounds need to know of the encoder at one input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderGeometry {
    sigma_min: f64,
    jacobian_frobenius: f64,
    jacobian_spectral: f64,
    whitened_spectral: f64,
    affine: bool,
}

impl EncoderGeometry {
    /// Diagonal Gaussian encoder with standard deviations `sigma` and mean Jacobian `jacobian`.
    ///
    /// # Shapes
    /// `sigma` `[d_z]`, `jacobian` `[d_z, d_x]` in f32 or f64.
    ///
    /// # Errors
    /// When the shapes differ, a sigma is not finite and positive, or the Jacobian is not finite.
    pub fn diagonal<T: Copy + Into<f64>>(
        sigma: &[f64],
        jacobian: ArrayView2<'_, T>,
    ) -> Result<Self> {
        Self::from_gram(sigma, gram_rows(jacobian).view())
    }

    /// Diagonal Gaussian encoder, from the Gram matrix J Jᵀ of the mean Jacobian.
    ///
    /// # Shapes
    /// `sigma` `[d_z]`, `gram` `[d_z, d_z]`.
    ///
    /// # Errors
    /// When the shapes differ, a sigma is not finite and positive, or the Gram matrix is not
    /// finite and symmetric.
    pub fn from_gram(sigma: &[f64], gram: ArrayView2<'_, f64>) -> Result<Self> {
        const OP: &str = "EncoderGeometry::from_gram";
        check_same_len(OP, "sigma", gram.nrows(), sigma.len())?;
        sigma
            .iter()
            .try_for_each(|&s| check_positive(OP, "sigma", s))?;
        let spectral = largest_root(&symmetric_eigenvalues(gram)?)?;
        let mut whitened = gram.to_owned();
        whitened
            .indexed_iter_mut()
            .for_each(|((i, j), value)| *value /= sigma[i] * sigma[j]);
        let whitened = largest_root(&symmetric_eigenvalues(whitened.view())?)?;
        let sigma_min = sigma.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(Self::ordered(
            sigma_min,
            gram.diag().sum().max(0.0).sqrt(),
            spectral,
            whitened,
        ))
    }

    /// Gaussian encoder with any covariance L Lᵀ; σ_min becomes √λ_min of the covariance.
    ///
    /// # Shapes
    /// `covariance` `[d_z, d_z]`, `jacobian` `[d_z, d_x]`.
    ///
    /// # Errors
    /// When the covariance is not symmetric positive definite, the shapes differ, or the Jacobian
    /// is not finite.
    pub fn full_covariance<T: Copy + Into<f64>>(
        covariance: ArrayView2<'_, f64>,
        jacobian: ArrayView2<'_, T>,
    ) -> Result<Self> {
        const OP: &str = "EncoderGeometry::full_covariance";
        check_same_len(OP, "jacobian", covariance.nrows(), jacobian.nrows())?;
        let factor = cholesky(covariance)?;
        let variances = symmetric_eigenvalues(covariance)?;
        let sigma_min = variances[0].max(0.0).sqrt();
        check_positive(OP, "smallest eigenvalue of covariance", sigma_min)?;
        let jacobian = jacobian.mapv(Into::into);
        let gram = gram_rows(jacobian.view());
        let spectral = largest_root(&symmetric_eigenvalues(gram.view())?)?;
        let whitened = gram_rows(solve_lower(&factor, &jacobian).view());
        let whitened = largest_root(&symmetric_eigenvalues(whitened.view())?)?;
        Ok(Self::ordered(
            sigma_min,
            gram.diag().sum().max(0.0).sqrt(),
            spectral,
            whitened,
        ))
    }

    /// Promises that, on the input ball in question, μ is exactly affine and σ constant (or only
    /// the mean is perturbed), so that no O(ε) term is dropped.
    #[must_use]
    pub fn affine(self) -> Self {
        Self {
            affine: true,
            ..self
        }
    }

    /// Smallest encoder standard deviation in any direction.
    #[must_use]
    pub fn sigma_min(&self) -> f64 {
        self.sigma_min
    }

    /// ‖J‖_F.
    #[must_use]
    pub fn jacobian_frobenius(&self) -> f64 {
        self.jacobian_frobenius
    }

    /// ‖J‖₂.
    #[must_use]
    pub fn jacobian_spectral(&self) -> f64 {
        self.jacobian_spectral
    }

    /// ‖L⁻¹J‖₂, for a diagonal encoder ‖diag(1/σ) J‖₂.
    #[must_use]
    pub fn whitened_spectral(&self) -> f64 {
        self.whitened_spectral
    }

    /// Whether [`EncoderGeometry::affine`] was promised.
    #[must_use]
    pub fn is_affine(&self) -> bool {
        self.affine
    }

    /// Whether the mean does not move with the input at all.
    #[must_use]
    pub fn is_degenerate(&self) -> bool {
        self.jacobian_spectral == 0.0
    }

    /// Restores ‖J‖₂ ≤ ‖J‖_F and ‖L⁻¹J‖₂ ≤ ‖J‖₂/σ_min, which rounding can break by one unit when
    /// they are equalities.
    fn ordered(sigma_min: f64, frobenius: f64, spectral: f64, whitened: f64) -> Self {
        Self {
            sigma_min,
            jacobian_frobenius: frobenius.max(spectral),
            jacobian_spectral: spectral,
            whitened_spectral: whitened.min(spectral / sigma_min),
            affine: false,
        }
    }
}
