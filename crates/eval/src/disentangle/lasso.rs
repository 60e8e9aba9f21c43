//! Sparse linear regression by coordinate descent.

use ndarray::{ArrayView1, ArrayView2};

/// Largest change of a coefficient at which the descent stops, for standardized data.
const TOLERANCE: f64 = 1e-10;
/// Sweeps after which it stops in any case; standardized latents need tens.
const MAX_SWEEPS: usize = 10_000;

/// The minimizer of a least-squares loss with an absolute penalty.
///
/// # Formula
/// ```text
/// argmin over w of (1/2n) ‖y − X w‖² + α ‖w‖₁
/// ```
/// There is no intercept: give centered data.
///
/// # Shapes
/// x: `[n, d]`, y: `[n]` → `d` coefficients
///
/// # Panics
/// If the numbers of rows differ or are 0.
pub fn lasso(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, alpha: f64) -> Vec<f64> {
    assert!(x.nrows() == y.len() && !y.is_empty(), "lasso: rows");
    let n = y.len() as f64;
    let columns: Vec<Vec<f64>> = x.columns().into_iter().map(|c| c.to_vec()).collect();
    let squares: Vec<f64> = columns
        .iter()
        .map(|c| c.iter().map(|v| v * v).sum::<f64>() / n)
        .collect();
    let mut weights = vec![0.0; columns.len()];
    let mut residual = y.to_vec();
    for _ in 0..MAX_SWEEPS {
        let mut largest = 0.0_f64;
        for (j, column) in columns.iter().enumerate() {
            if squares[j] == 0.0 {
                continue;
            }
            let old = weights[j];
            let slope: f64 = column
                .iter()
                .zip(&residual)
                .map(|(a, r)| a * r)
                .sum::<f64>()
                / n;
            let target = slope + squares[j] * old;
            let new = target.signum() * (target.abs() - alpha).max(0.0) / squares[j];
            let change = new - old;
            if change != 0.0 {
                for (r, a) in residual.iter_mut().zip(column) {
                    *r -= change * a;
                }
                weights[j] = new;
                largest = largest.max(change.abs());
            }
        }
        if largest <= TOLERANCE {
            break;
        }
    }
    weights
}
