//! Disentanglement, completeness and informativeness.

use super::{Codes, lasso};
use crate::EvalError;
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

/// How the regressors are fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DciOptions {
    /// Weight of the penalty, for standardized latents and factors.
    pub alpha: f64,
}

impl Default for DciOptions {
    fn default() -> Self {
        Self { alpha: 0.02 }
    }
}

/// The three scores and the importances behind them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dci {
    /// Whether a latent stands for one factor, weighted by its importance.
    pub disentanglement: f64,
    /// Whether a factor is in one latent, mean over the factors.
    pub completeness: f64,
    /// R² of each factor on inputs that were not fitted; may be negative.
    pub informativeness: Vec<f64>,
    /// Importance of each latent for each factor, `[d][F]`.
    pub importance: Vec<Vec<f64>>,
}

/// The scores by lasso regressors on posterior means.
///
/// Even inputs are fitted, odd ones judged, both in the scale of the even ones. The importance of
/// a latent is the size of its coefficient; a categorical factor has one regressor per class,
/// whose importances are added.
///
/// # Errors
/// Codes whose parts do not fit, or a penalty that is negative or not finite.
///
/// # References
/// Eastwood and Williams (2018), section 2.
pub fn dci(codes: &Codes, options: &DciOptions) -> Result<Dci, EvalError> {
    codes.check()?;
    if !(options.alpha >= 0.0 && options.alpha.is_finite()) {
        return Err(EvalError::BadInput {
            name: "alpha",
            expected: "a number of at least 0".into(),
            found: options.alpha.to_string(),
        });
    }
    let rows = |first: usize| (first..codes.len()).step_by(2).collect::<Vec<_>>();
    let (fitted, judged) = (rows(0), rows(1));
    let scales: Vec<(f64, f64)> = codes
        .mean
        .columns()
        .into_iter()
        .map(|c| scale_of(fitted.iter().map(|&r| c[r])))
        .collect();
    let standard = |rows: &[usize]| {
        let mut x = codes.mean.select(Axis(0), rows);
        for (mut column, &(mean, deviation)) in x.columns_mut().into_iter().zip(&scales) {
            column.mapv_inplace(|v| (v - mean) / deviation);
        }
        x
    };
    let (x, x_judged) = (standard(&fitted), standard(&judged));
    let mut importance = Array2::zeros((codes.num_latents(), codes.num_factors()));
    let mut informativeness = Vec::with_capacity(codes.num_factors());
    for factor in 0..codes.num_factors() {
        let classes = codes.factors.column(factor);
        let targets: Vec<Box<dyn Fn(usize) -> f64>> = if codes.is_categorical[factor] {
            (0..codes.sizes[factor])
                .map(|k| Box::new(move |c: usize| f64::from(u8::from(c == k))) as _)
                .collect()
        } else {
            vec![Box::new(|c: usize| c as f64)]
        };
        let (mut error, mut spread) = (0.0, 0.0);
        for target in targets {
            let values = |rows: &[usize]| -> Array1<f64> {
                rows.iter().map(|&r| target(classes[r])).collect()
            };
            let y = values(&fitted);
            let (mean, deviation) = scale_of(y.iter().copied());
            let y = y.mapv(|v| (v - mean) / deviation);
            let weights = Array1::from(lasso(x.view(), y.view(), options.alpha));
            let mut column = importance.column_mut(factor);
            column += &weights.mapv(f64::abs);
            let truth = values(&judged).mapv(|v| (v - mean) / deviation);
            let center = truth.mean().unwrap_or(0.0);
            error += (&truth - &x_judged.dot(&weights)).mapv(|v| v * v).sum();
            spread += truth.mapv(|v| (v - center).powi(2)).sum();
        }
        informativeness.push(if spread > 0.0 {
            1.0 - error / spread
        } else {
            0.0
        });
    }
    Ok(Dci {
        disentanglement: disentanglement(&importance),
        completeness: completeness(&importance),
        informativeness,
        importance: importance.rows().into_iter().map(|r| r.to_vec()).collect(),
    })
}

/// Disentanglement of an importance table.
///
/// # Formula
/// ```text
/// Pᵢ = Rᵢ / Σⱼ Rᵢⱼ,  Dᵢ = 1 − H(Pᵢ) / log F,  D = Σᵢ Dᵢ Σⱼ Rᵢⱼ / Σ R
/// ```
/// A table of zeros has disentanglement 0.
///
/// # Shapes
/// importance: `[d, F]`, not negative
pub fn disentanglement(importance: &Array2<f64>) -> f64 {
    let total = importance.sum();
    if total == 0.0 {
        return 0.0;
    }
    let rows = importance.rows().into_iter();
    rows.map(|row| concentration(row.iter().copied()) * row.sum() / total)
        .sum()
}

/// Completeness of an importance table.
///
/// # Formula
/// ```text
/// P̃ⱼ = R·ⱼ / Σᵢ Rᵢⱼ,  Cⱼ = 1 − H(P̃ⱼ) / log d,  C = mean over the factors
/// ```
/// A factor without any importance has completeness 0.
///
/// # Shapes
/// importance: `[d, F]`, not negative
pub fn completeness(importance: &Array2<f64>) -> f64 {
    let columns = importance.columns().into_iter();
    let sum: f64 = columns.map(|c| concentration(c.iter().copied())).sum();
    sum / importance.ncols() as f64
}

/// 1 minus the entropy of normalized weights in units of its largest value; 1 for one weight.
fn concentration(weights: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let total: f64 = weights.clone().sum();
    if total == 0.0 {
        return 0.0;
    }
    if weights.len() == 1 {
        return 1.0;
    }
    let highest = (weights.len() as f64).ln();
    let entropy: f64 = weights
        .map(|w| w / total)
        .filter(|&p| p > 0.0)
        .map(|p| -p * p.ln())
        .sum();
    1.0 - entropy / highest
}

/// Mean and standard deviation; a constant has deviation 1, so that it becomes 0.
fn scale_of(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let is_constant = variance <= f64::EPSILON * mean * mean;
    (mean, if is_constant { 1.0 } else { variance.sqrt() })
}
