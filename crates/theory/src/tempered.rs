//! The optimal posterior of the β-VAE objective and what it says about Jacobians.
//!
//! For: Theorem 6.2 on a quadrature grid and in its linear-Gaussian closed form, and the two
//! readings of Equation 6.6. Not for amortised encoders: a Gaussian encoder only reaches the
//! projection of the optimal posterior onto its family.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::{Result, TheoryError, check_positive, check_same_len, check_sample, invalid};
use crate::linalg::{cholesky, gram_columns, solve_lower};

/// ln 2π.
const LN_2PI: f64 = 1.837_877_066_409_345_5;

/// Nodes and weights of a quadrature over a latent space of one or two dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Quadrature {
    /// Nodes `[n, d_z]`.
    pub nodes: Array2<f64>,
    /// Weights `[n]`.
    pub weights: Vec<f64>,
}

impl Quadrature {
    /// Trapezoidal rule on [−reach, reach].
    ///
    /// The integrands fall like Gaussians, for which this rule converges faster than any power.
    ///
    /// # Errors
    /// When `reach` is not positive or there are fewer than two points.
    pub fn line(reach: f64, num_points: usize) -> Result<Self> {
        let (nodes, weights) = trapezoid(reach, num_points)?;
        let nodes = Array2::from_shape_fn((num_points, 1), |(i, _)| nodes[i]);
        Ok(Self { nodes, weights })
    }

    /// Product of two trapezoidal rules on [−reach, reach]².
    ///
    /// # Errors
    /// As for [`Quadrature::line`].
    pub fn square(reach: f64, num_points: usize) -> Result<Self> {
        let (line, line_weights) = trapezoid(reach, num_points)?;
        let nodes = Array2::from_shape_fn((num_points * num_points, 2), |(i, axis)| {
            if axis == 0 {
                line[i / num_points]
            } else {
                line[i % num_points]
            }
        });
        let weights = (0..num_points * num_points)
            .map(|i| line_weights[i / num_points] * line_weights[i % num_points])
            .collect();
        Ok(Self { nodes, weights })
    }

    /// Nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }
}

fn trapezoid(reach: f64, num_points: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    const OP: &str = "Quadrature";
    check_positive(OP, "reach", reach)?;
    if num_points < 2 {
        return Err(invalid(OP, "num_points", "at least 2", num_points));
    }
    let width = 2.0 * reach / (num_points - 1) as f64;
    let nodes = (0..num_points).map(|i| i as f64 * width - reach).collect();
    let weights = (0..num_points)
        .map(|i| {
            if i == 0 || i + 1 == num_points {
                0.5 * width
            } else {
                width
            }
        })
        .collect();
    Ok((nodes, weights))
}

/// The tempered posterior q* of one data point on a grid.
///
/// # Formula
/// ```text
/// q*(z|x) = p(z) p(x|z)^{1/β} / Z(x),   objective(q) = −β KL(q‖q*) + β ln Z(x)
/// ```
///
/// # References
/// Theorem 6.2, (E.23) to (E.29).
#[derive(Clone, Debug, PartialEq)]
pub struct TemperedPosterior {
    quadrature: Quadrature,
    log_likelihood: Vec<f64>,
    log_prior: Vec<f64>,
    beta: f64,
    log_z: f64,
}

impl TemperedPosterior {
    /// Tempered posterior under the standard normal prior, for a log-likelihood ln p(x|z).
    ///
    /// # Errors
    /// When `beta` is not positive, or the log-likelihood is NaN or +∞ at a node.
    pub fn on_grid(
        quadrature: Quadrature,
        log_likelihood: impl Fn(ArrayView1<'_, f64>) -> f64,
        beta: f64,
    ) -> Result<Self> {
        const OP: &str = "TemperedPosterior::on_grid";
        check_positive(OP, "beta", beta)?;
        let rows = || quadrature.nodes.rows().into_iter();
        let values: Vec<f64> = rows().map(&log_likelihood).collect();
        if let Some(bad) = values.iter().find(|l| l.is_nan() || **l == f64::INFINITY) {
            return Err(invalid(OP, "log_likelihood", "a number below +inf", bad));
        }
        let dim = quadrature.nodes.ncols() as f64;
        let log_prior: Vec<f64> = rows().map(|z| -0.5 * (z.dot(&z) + dim * LN_2PI)).collect();
        let terms: Vec<f64> = values
            .iter()
            .zip(&log_prior)
            .zip(&quadrature.weights)
            .map(|((l, p), w)| w.ln() + p + l / beta)
            .collect();
        let log_z = log_sum_exp(&terms);
        if !log_z.is_finite() {
            return Err(invalid(OP, "log_likelihood", "finite somewhere", log_z));
        }
        Ok(Self {
            quadrature,
            log_likelihood: values,
            log_prior,
            beta,
            log_z,
        })
    }

    /// ln Z(x).
    #[must_use]
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// β ln Z(x), the largest value of the objective over all posteriors, in nats.
    #[must_use]
    pub fn beta_log_z(&self) -> f64 {
        self.beta * self.log_z
    }

    /// Density q* at the nodes `[n]`.
    #[must_use]
    pub fn density(&self) -> Vec<f64> {
        self.log_prior
            .iter()
            .zip(&self.log_likelihood)
            .map(|(p, l)| (p + l / self.beta - self.log_z).exp())
            .collect()
    }

    /// Mean of q* `[d_z]`.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        self.moment(|z| z)
    }

    /// Variance of every coordinate under q* `[d_z]`.
    #[must_use]
    pub fn variance(&self) -> Vec<f64> {
        let squares = self.moment(|z| z * z);
        squares
            .iter()
            .zip(self.mean())
            .map(|(square, mean)| square - mean * mean)
            .collect()
    }

    /// β-VAE objective E_q[ln p(x|z)] − β KL(q‖p) of a density given at the nodes.
    ///
    /// The density is normalized on the grid first.
    ///
    /// # Errors
    /// When the length differs, a value is negative or not finite, or all are zero.
    pub fn objective(&self, density: &[f64]) -> Result<f64> {
        const OP: &str = "TemperedPosterior::objective";
        check_same_len(OP, "density", self.quadrature.len(), density.len())?;
        check_sample(OP, "density", density, 1)?;
        let mass: f64 = density
            .iter()
            .zip(&self.quadrature.weights)
            .map(|(q, w)| q * w)
            .sum();
        if density.iter().any(|&q| q < 0.0) || mass <= 0.0 {
            return Err(invalid(
                OP,
                "density",
                "non-negative and not all zero",
                mass,
            ));
        }
        let mut total = 0.0;
        for (i, &q) in density.iter().enumerate() {
            let q = q / mass;
            if q > 0.0 {
                let gain = self.log_likelihood[i] - self.beta * (q.ln() - self.log_prior[i]);
                total += self.quadrature.weights[i] * q * gain;
            }
        }
        Ok(total)
    }

    fn moment(&self, power: impl Fn(f64) -> f64) -> Vec<f64> {
        let density = self.density();
        let column = |axis: usize| {
            self.quadrature
                .nodes
                .column(axis)
                .iter()
                .zip(density.iter().zip(&self.quadrature.weights))
                .map(|(&z, (q, w))| w * q * power(z))
                .sum()
        };
        (0..self.quadrature.nodes.ncols()).map(column).collect()
    }
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_finite() {
        largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln()
    } else {
        largest
    }
}

/// Gaussian tempered posterior of a linear-Gaussian decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianPosterior {
    /// μ_q `[d_z]`.
    pub mean: Array1<f64>,
    /// Σ_q `[d_z, d_z]`.
    pub covariance: Array2<f64>,
    /// β ln Z(x).
    pub beta_log_z: f64,
}

/// Tempered posterior for p(x|z) = N(Wz + c, s²I) under the standard normal prior.
///
/// # Formula
/// ```text
/// Σ_q = (I + WᵀW/(βs²))⁻¹,   μ_q = Σ_q Wᵀ(x−c)/(βs²)
/// ```
///
/// # Shapes
/// `decoder` `[d_x, d_z]`, `offset` `[d_x]`, `x` `[d_x]`.
///
/// # Errors
/// When the shapes differ, or `variance` or `beta` is not positive.
///
/// # References
/// Theorem 6.2 in the linear-Gaussian case.
pub fn tempered_linear_gaussian(
    decoder: ArrayView2<'_, f64>,
    offset: &[f64],
    variance: f64,
    x: &[f64],
    beta: f64,
) -> Result<GaussianPosterior> {
    const OP: &str = "tempered_linear_gaussian";
    check_same_len(OP, "offset", decoder.nrows(), offset.len())?;
    check_same_len(OP, "x", decoder.nrows(), x.len())?;
    check_positive(OP, "variance", variance)?;
    check_positive(OP, "beta", beta)?;
    let scale = beta * variance;
    let factor = cholesky(precision(decoder, scale).view())?;
    let residual: Array1<f64> = x.iter().zip(offset).map(|(x, c)| x - c).collect();
    let pull = decoder.t().dot(&residual) / scale;
    let inverse = solve_lower(&factor, &Array2::eye(decoder.ncols()));
    let covariance = inverse.t().dot(&inverse);
    let mean = covariance.dot(&pull);
    let normalizer = -0.5 * x.len() as f64 * (LN_2PI + variance.ln());
    let beta_log_z = normalizer - 0.5 * residual.dot(&residual) / variance
        + 0.5 * beta * (pull.dot(&mean) - log_det(&factor));
    Ok(GaussianPosterior {
        mean,
        covariance,
        beta_log_z,
    })
}

/// I + WᵀW/scale.
fn precision(decoder: ArrayView2<'_, f64>, scale: f64) -> Array2<f64> {
    Array2::<f64>::eye(decoder.ncols()) + gram_columns(decoder) / scale
}

/// ln det(L Lᵀ).
fn log_det(factor: &Array2<f64>) -> f64 {
    2.0 * factor.diag().iter().map(|d| d.ln()).sum::<f64>()
}

/// Covariance family that the posterior's optimum is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CovarianceForm {
    /// Any covariance: ln |I + JᵀJ/β|, as printed.
    Full,
    /// Diagonal covariance: Σⱼ ln(1 + ‖J eⱼ‖²/β), never smaller (Hadamard).
    Diagonal,
}

/// What is penalized in Equation 6.6.
#[derive(Clone, Copy, Debug)]
pub enum CodePenalty<'a> {
    /// ‖μ(x)‖², which the derivation gives.
    Mean(&'a [f64]),
    /// ‖J^μ(x) x‖² as printed; the same only for a piecewise-linear encoder without biases.
    JacobianTimesInput {
        /// J^μ(x) `[d_z, d_x]`.
        jacobian: ArrayView2<'a, f64>,
        /// x `[d_x]`.
        x: &'a [f64],
    },
}

/// The three terms of Equation 6.6, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct JacobianObjective {
    /// ½‖x − g(μ(x))‖².
    pub distortion: f64,
    /// (β/2)‖μ(x)‖², or the printed (β/2)‖J^μ x‖².
    pub code: f64,
    /// (β/2) ln |I + J_θᵀJ_θ/β|, or its diagonal variant.
    pub volume: f64,
}

impl JacobianObjective {
    /// Their sum.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.distortion + self.code + self.volume
    }
}

/// Equation 6.6: the β-VAE objective at its first-order optimal posterior covariance.
///
/// For unit observation variance, up to the constant of the likelihood. Exact for a linear
/// decoder. The determinant is taken in the latent space, which Sylvester's identity allows.
///
/// # Formula
/// ```text
/// ½‖x − g(μ)‖² + (β/2)‖μ‖² + (β/2) ln |I + J_θᵀJ_θ/β|
/// ```
///
/// # Shapes
/// `residual` = x − g(μ(x)) `[d_x]`, `decoder_jacobian` `[d_x, d_z]`.
///
/// # Errors
/// When the shapes differ, a number is not finite, or `beta` is not positive.
///
/// # References
/// (6.6) of the thesis, (7) of the paper, after Kumar and Poole (2020).
pub fn jacobian_objective(
    residual: &[f64],
    code: CodePenalty<'_>,
    decoder_jacobian: ArrayView2<'_, f64>,
    beta: f64,
    form: CovarianceForm,
) -> Result<JacobianObjective> {
    const OP: &str = "jacobian_objective";
    check_positive(OP, "beta", beta)?;
    check_sample(OP, "residual", residual, 1)?;
    check_same_len(OP, "residual", decoder_jacobian.nrows(), residual.len())?;
    let latent_dim = decoder_jacobian.ncols();
    let code_norm: f64 = match code {
        CodePenalty::Mean(mean) => {
            check_same_len(OP, "mean", latent_dim, mean.len())?;
            mean.iter().map(|m| m * m).sum()
        }
        CodePenalty::JacobianTimesInput { jacobian, x } => {
            if jacobian.dim() != (latent_dim, x.len()) {
                return Err(TheoryError::Shape {
                    op: OP,
                    name: "jacobian",
                    expected: format!("[{latent_dim}, {}]", x.len()),
                    found: format!("{:?}", jacobian.shape()),
                });
            }
            let moved = jacobian.dot(&ArrayView1::from(x));
            moved.dot(&moved)
        }
    };
    let log_volume = match form {
        CovarianceForm::Full => log_det(&cholesky(precision(decoder_jacobian, beta).view())?),
        CovarianceForm::Diagonal => decoder_jacobian
            .columns()
            .into_iter()
            .map(|column| (column.dot(&column) / beta).ln_1p())
            .sum(),
    };
    Ok(JacobianObjective {
        distortion: 0.5 * residual.iter().map(|e| e * e).sum::<f64>(),
        code: 0.5 * beta * code_norm,
        volume: 0.5 * beta * log_volume,
    })
}
