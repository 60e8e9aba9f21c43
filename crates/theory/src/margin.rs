//! Lower bounds on the margin of an input: Theorem 6.1 and its strengthened and sound forms.
//!
//! For: turning σ(x), the encoder Jacobian and the probability p₀ of staying inside the ball into
//! B_F ≤ B_2 ≤ B_M, each labelled with what it is worth. Not for estimating p₀ or J, and not for
//! the perturbed-σ (mean and σ) variant, which the theorem does not cover: with σ(x+δ) in the
//! samples a margin can fall below these bounds.
//!
//! See `docs/theory/margin-bounds.md` for proofs and for what is wrong in print.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::error::{
    Result, check_non_negative, check_open_unit, check_positive, check_same_len, invalid,
};
use crate::evidence::Evidence;
use crate::linalg::{cholesky, gram_rows, largest_root, solve_lower, symmetric_eigenvalues};
use crate::special::probit;
use crate::stats::{clopper_pearson_lower, clopper_pearson_upper};

/// Latent safety radius in units of σ, clamped at zero; NaN when an argument is NaN.
///
/// # Formula
/// ```text
/// κ = max(0, Φ⁻¹(p₀) − Φ⁻¹(m))
/// ```
///
/// # References
/// Theorem 6.1 at m = ½; the level term is tight for half-spaces.
#[must_use]
pub fn kappa(p0: f64, m: f64) -> f64 {
    clamp_at_zero(probit(p0) - probit(m))
}

/// `f64::max` would turn a NaN into a zero that looks like a measured margin.
fn clamp_at_zero(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

/// Where a value of p₀ comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "source")]
pub enum ProbabilitySource {
    /// Known exactly, or fixed by choice of r.
    Exact,
    /// Estimate p̂ clipped away from 0 and 1; for figures only.
    PlugIn {
        /// Samples inside the ball.
        num_inside: u64,
        /// Samples drawn.
        num_samples: u64,
    },
    /// One-sided lower Clopper-Pearson limit; for certificates.
    ClopperPearson {
        /// Samples inside the ball.
        num_inside: u64,
        /// Samples drawn.
        num_samples: u64,
        /// Risk that the limit exceeds the true probability.
        alpha: f64,
    },
}

impl ProbabilitySource {
    /// Label of a statement that is exact apart from this probability.
    #[must_use]
    pub fn evidence(self) -> Evidence {
        match self {
            Self::Exact => Evidence::Sound,
            Self::PlugIn { .. } => Evidence::Empirical,
            Self::ClopperPearson { alpha, .. } => Evidence::SoundWithConfidence {
                confidence: 1.0 - alpha,
            },
        }
    }
}

/// Probability p₀ that an unperturbed reconstruction stays inside the ball, and its complement.
///
/// Both tails are kept, because Φ⁻¹ near one needs the failure probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptanceProbability {
    value: f64,
    failure: f64,
    source: ProbabilitySource,
}

impl AcceptanceProbability {
    /// A probability that is known or chosen.
    ///
    /// # Errors
    /// When `p0` is outside [0, 1].
    pub fn exact(p0: f64) -> Result<Self> {
        if (0.0..=1.0).contains(&p0) {
            Ok(Self {
                value: p0,
                failure: 1.0 - p0,
                source: ProbabilitySource::Exact,
            })
        } else {
            Err(invalid(
                "AcceptanceProbability::exact",
                "p0",
                "in [0, 1]",
                p0,
            ))
        }
    }

    /// The estimate itself, clipped to [1/(2N), 1 − 1/(2N)] so that a sample without failures
    /// gives a finite number. It proves nothing: use it for figures, never for a certificate.
    ///
    /// # Errors
    /// When N = 0 or more samples are inside than were drawn.
    pub fn plug_in(num_inside: u64, num_samples: u64) -> Result<Self> {
        const OP: &str = "AcceptanceProbability::plug_in";
        if num_samples == 0 || num_inside > num_samples {
            let found = format!("{num_inside} of {num_samples}");
            return Err(invalid(
                OP,
                "num_inside",
                "at most num_samples, which is at least 1",
                found,
            ));
        }
        let n = num_samples as f64;
        let clip = |count: u64| (count as f64).clamp(0.5, n - 0.5) / n;
        let source = ProbabilitySource::PlugIn {
            num_inside,
            num_samples,
        };
        let (value, failure) = (clip(num_inside), clip(num_samples - num_inside));
        Ok(Self {
            value,
            failure,
            source,
        })
    }

    /// Lower Clopper-Pearson limit: the true p₀ is at least this with confidence 1 − α.
    ///
    /// N must have been fixed before sampling.
    ///
    /// # Errors
    /// When N = 0, more samples are inside than were drawn, or `alpha` is not in (0, 1).
    ///
    /// # References
    /// Clopper and Pearson (1934); Cohen et al. (2019), section 3.2.2.
    pub fn clopper_pearson(num_inside: u64, num_samples: u64, alpha: f64) -> Result<Self> {
        let value = clopper_pearson_lower(num_inside, num_samples, alpha)?;
        let failure = clopper_pearson_upper(num_samples - num_inside, num_samples, alpha)?;
        let source = ProbabilitySource::ClopperPearson {
            num_inside,
            num_samples,
            alpha,
        };
        Ok(Self {
            value,
            failure,
            source,
        })
    }

    /// p₀.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// 1 − p₀, accurate when it is small.
    #[must_use]
    pub fn failure(&self) -> f64 {
        self.failure
    }

    /// Where the value comes from.
    #[must_use]
    pub fn source(&self) -> ProbabilitySource {
        self.source
    }

    /// κ at risk level m, from whichever tail is smaller.
    ///
    /// # Errors
    /// When `m` is not in (0, 1).
    pub fn kappa(&self, m: f64) -> Result<f64> {
        check_open_unit("AcceptanceProbability::kappa", "m", m)?;
        let quantile = if self.failure < self.value {
            -probit(self.failure)
        } else {
            probit(self.value)
        };
        Ok(clamp_at_zero(quantile - probit(m)))
    }
}

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

/// Why a set of bounds is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundStatus {
    /// p₀ > m and J ≠ 0.
    Regular,
    /// p₀ ≤ m: the margin is 0 by definition and so are the bounds.
    NotRobustUnperturbed,
    /// J = 0 and p₀ > m: no perturbation moves the mean, the bounds are +∞.
    DegenerateJacobian,
}

/// The three lower bounds on the margin R(x), in input units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginBounds {
    /// B_F, the bound of Theorem 6.1.
    #[serde(with = "crate::extended_real")]
    pub frobenius: f64,
    /// B_2, with the spectral in place of the Frobenius norm.
    #[serde(with = "crate::extended_real")]
    pub spectral: f64,
    /// B_M, with the Jacobian whitened by the encoder covariance; the largest.
    #[serde(with = "crate::extended_real")]
    pub mahalanobis: f64,
    /// κ.
    #[serde(with = "crate::extended_real")]
    pub kappa: f64,
    /// p₀ as it entered κ.
    pub p0: f64,
    /// Risk level m.
    pub m: f64,
    /// Origin of p₀.
    pub source: ProbabilitySource,
    /// What the bounds are worth.
    pub evidence: Evidence,
    /// Which case applies.
    pub status: BoundStatus,
}

/// Bounds of Theorem 6.1 at risk level m, with the two strengthened forms.
///
/// # Formula
/// ```text
/// B_F = σ_min κ / ‖J‖_F  ≤  B_2 = σ_min κ / ‖J‖₂  ≤  B_M = κ / ‖L⁻¹J‖₂
/// ```
///
/// # Errors
/// When `m` is not in (0, 1).
///
/// # References
/// Theorem 6.1, (6.4); m = ½ is the printed form.
pub fn bounds(
    geometry: &EncoderGeometry,
    p0: &AcceptanceProbability,
    m: f64,
) -> Result<MarginBounds> {
    let kappa = p0.kappa(m)?;
    let status = if kappa == 0.0 {
        BoundStatus::NotRobustUnperturbed
    } else if geometry.is_degenerate() {
        BoundStatus::DegenerateJacobian
    } else {
        BoundStatus::Regular
    };
    // Dividing κ by three ordered numbers keeps the order of the bounds in floating point.
    let bound = |stiffness: f64| match status {
        BoundStatus::NotRobustUnperturbed => 0.0,
        BoundStatus::DegenerateJacobian => f64::INFINITY,
        BoundStatus::Regular => kappa / stiffness,
    };
    let evidence = if geometry.affine {
        p0.source.evidence()
    } else {
        Evidence::FirstOrder
    };
    Ok(MarginBounds {
        frobenius: bound(geometry.jacobian_frobenius / geometry.sigma_min),
        spectral: bound(geometry.jacobian_spectral / geometry.sigma_min),
        mahalanobis: bound(geometry.whitened_spectral),
        kappa,
        p0: p0.value,
        m,
        source: p0.source,
        evidence,
        status,
    })
}

/// Bounds when r is chosen per input so that p₀ has a fixed value, at m = ½.
///
/// Independent of the decoder and of r: 1.2815516 σ_min/‖J‖_F at p₀ = 0.9.
///
/// # Errors
/// When `p0` is outside [0, 1].
///
/// # References
/// Figures E.3(i), E.4(i), E.5(c).
pub fn bounds_at_fixed_p0(geometry: &EncoderGeometry, p0: f64) -> Result<MarginBounds> {
    bounds(geometry, &AcceptanceProbability::exact(p0)?, 0.5)
}

/// A radius with its label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Radius {
    /// Radius in input units; may be +∞.
    #[serde(with = "crate::extended_real")]
    pub value: f64,
    /// What it is worth.
    pub evidence: Evidence,
}

/// B_M cut at the distance to the nearest kink of a piecewise-linear encoder, which removes the
/// O(ε) term.
///
/// Holds for perturbed means with σ frozen, or constant σ.
///
/// # Formula
/// ```text
/// R ≥ min(B_M, ρ_cell),   ρ_cell = min_k |a_k(x)| / ‖∇a_k(x)‖
/// ```
///
/// # Errors
/// When `cell_radius` is negative or NaN.
pub fn cell_certificate(bounds: &MarginBounds, cell_radius: f64) -> Result<Radius> {
    // An affine encoder has no kink, so an infinite cell is a legal answer.
    if cell_radius.is_nan() || cell_radius < 0.0 {
        return Err(invalid(
            "cell_certificate",
            "cell_radius",
            "at least 0",
            cell_radius,
        ));
    }
    let value = bounds.mahalanobis.min(cell_radius);
    Ok(Radius {
        value,
        evidence: bounds.source.evidence(),
    })
}

/// Sound radius from a Lipschitz constant of the encoder mean that holds on the ball.
///
/// # Formula
/// ```text
/// R ≥ σ_min κ / b
/// ```
///
/// # Errors
/// When `sigma_min` is not positive, `lipschitz` is negative or not finite, or `m` is not in
/// (0, 1).
pub fn lipschitz_certificate(
    sigma_min: f64,
    lipschitz: f64,
    p0: &AcceptanceProbability,
    m: f64,
) -> Result<Radius> {
    const OP: &str = "lipschitz_certificate";
    check_positive(OP, "sigma_min", sigma_min)?;
    check_non_negative(OP, "lipschitz", lipschitz)?;
    let kappa = p0.kappa(m)?;
    // Zero first: an encoder that never moves is still not robust when p₀ ≤ m.
    let value = if kappa == 0.0 {
        0.0
    } else {
        sigma_min * kappa / lipschitz
    };
    Ok(Radius {
        value,
        evidence: p0.source.evidence(),
    })
}

/// Sound radius from a bound H on the Hessian norm of the encoder mean that holds on the ball.
///
/// # Formula
/// ```text
/// ρ = (−‖J‖₂ + √(‖J‖₂² + 2Hσ_min κ)) / H
/// ```
///
/// # Errors
/// When `hessian_bound` is negative or not finite, or `m` is not in (0, 1).
pub fn second_order_certificate(
    geometry: &EncoderGeometry,
    hessian_bound: f64,
    p0: &AcceptanceProbability,
    m: f64,
) -> Result<Radius> {
    check_non_negative("second_order_certificate", "hessian_bound", hessian_bound)?;
    let reach = geometry.sigma_min * p0.kappa(m)?;
    let slope = geometry.jacobian_spectral;
    // The rationalised root has no cancellation and includes H = 0.
    let denominator = slope + (slope * slope + 2.0 * hessian_bound * reach).sqrt();
    let value = if reach == 0.0 {
        0.0
    } else {
        2.0 * reach / denominator
    };
    Ok(Radius {
        value,
        evidence: p0.source.evidence(),
    })
}
