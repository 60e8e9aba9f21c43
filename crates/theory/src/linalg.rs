//! Small dense linear algebra in f64: Gram matrices, Jacobi eigenvalues, Cholesky.
//!
//! For matrices of latent size (d_z up to a few hundred). The spectral norm of a d_z × d_x
//! Jacobian comes from its d_z × d_z Gram matrix, so nothing of pixel size is ever decomposed.
//! Not for large matrices: libtorch has those.

use ndarray::{Array2, ArrayView2, Axis};

use crate::error::{Result, TheoryError, invalid};

/// Sweeps after which Jacobi gives up; it converges quadratically and needs about ten.
const MAX_SWEEPS: usize = 100;
/// Relative asymmetry that is still rounding of a computed Gram matrix, even from f32 products.
const ASYMMETRY: f64 = 1e-5;

/// Eigenvalues in ascending order with their orthonormal eigenvectors.
#[derive(Clone, Debug, PartialEq)]
pub struct SymmetricEigen {
    /// Eigenvalues, ascending.
    pub values: Vec<f64>,
    /// Eigenvectors as columns, in the order of the values.
    pub vectors: Array2<f64>,
}

/// Eigendecomposition of a symmetric matrix by cyclic Jacobi rotations.
///
/// # Shapes
/// `matrix` `[n, n]` → values `[n]`, vectors `[n, n]`.
///
/// # Errors
/// When the matrix is empty, not square, not finite or not symmetric.
///
/// # References
/// Golub and Van Loan, "Matrix Computations", section 8.5.
pub fn symmetric_eigen(matrix: ArrayView2<'_, f64>) -> Result<SymmetricEigen> {
    let mut a = checked_symmetric("symmetric_eigen", matrix)?;
    let mut v = Array2::eye(a.nrows());
    rotate_to_diagonal(&mut a, Some(&mut v))?;
    let mut order: Vec<usize> = (0..a.nrows()).collect();
    order.sort_by(|&i, &j| a[[i, i]].total_cmp(&a[[j, j]]));
    let values = order.iter().map(|&i| a[[i, i]]).collect();
    Ok(SymmetricEigen {
        values,
        vectors: v.select(Axis(1), &order),
    })
}

/// Eigenvalues of a symmetric matrix in ascending order.
///
/// # Errors
/// As for [`symmetric_eigen`].
pub fn symmetric_eigenvalues(matrix: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
    let mut a = checked_symmetric("symmetric_eigenvalues", matrix)?;
    rotate_to_diagonal(&mut a, None)?;
    let mut values: Vec<f64> = a.diag().to_vec();
    values.sort_unstable_by(f64::total_cmp);
    Ok(values)
}

/// Gram matrix of the rows, A Aᵀ, accumulated in f64.
///
/// # Shapes
/// `[n, d]` → `[n, n]`.
#[must_use]
pub fn gram_rows<T: Copy + Into<f64>>(matrix: ArrayView2<'_, T>) -> Array2<f64> {
    let a = matrix.mapv(Into::into);
    a.dot(&a.t())
}

/// Gram matrix of the columns, Aᵀ A, accumulated in f64.
///
/// # Shapes
/// `[d, n]` → `[n, n]`.
#[must_use]
pub fn gram_columns<T: Copy + Into<f64>>(matrix: ArrayView2<'_, T>) -> Array2<f64> {
    let a = matrix.mapv(Into::into);
    a.t().dot(&a)
}

/// Frobenius norm, the root of the sum of squares.
#[must_use]
pub fn frobenius_norm<T: Copy + Into<f64>>(matrix: ArrayView2<'_, T>) -> f64 {
    let squares: f64 = matrix.iter().map(|&x| Into::<f64>::into(x).powi(2)).sum();
    squares.sqrt()
}

/// Spectral norm, the largest singular value, from the smaller of the two Gram matrices.
///
/// # Errors
/// When the matrix is empty or not finite.
pub fn spectral_norm<T: Copy + Into<f64>>(matrix: ArrayView2<'_, T>) -> Result<f64> {
    let gram = if matrix.nrows() <= matrix.ncols() {
        gram_rows(matrix)
    } else {
        gram_columns(matrix)
    };
    largest_root(&symmetric_eigenvalues(gram.view())?)
}

/// Square root of the largest eigenvalue of a positive semidefinite matrix.
pub(crate) fn largest_root(ascending: &[f64]) -> Result<f64> {
    // A Gram matrix of zeros may leave −1e-17; its norm is zero.
    ascending
        .last()
        .map(|largest| largest.max(0.0).sqrt())
        .ok_or_else(|| invalid("largest_root", "eigenvalues", "non-empty", "none"))
}

/// Lower Cholesky factor L with L Lᵀ = `matrix`.
///
/// # Shapes
/// `[n, n]` → `[n, n]`.
///
/// # Errors
/// When the matrix is not symmetric positive definite.
pub fn cholesky(matrix: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    const OP: &str = "cholesky";
    let a = checked_symmetric(OP, matrix)?;
    let n = a.nrows();
    let mut factor = Array2::<f64>::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| factor[[i, k]] * factor[[j, k]]).sum();
            let rest = a[[i, j]] - dot;
            if i == j {
                if rest <= 0.0 {
                    return Err(invalid(OP, "matrix", "positive definite", rest));
                }
                factor[[i, i]] = rest.sqrt();
            } else {
                factor[[i, j]] = rest / factor[[j, j]];
            }
        }
    }
    Ok(factor)
}

/// Solves L X = B for lower triangular L by forward substitution.
///
/// # Shapes
/// L `[n, n]`, B `[n, d]` → X `[n, d]`.
///
/// # Panics
/// When the row counts differ.
#[must_use]
pub fn solve_lower(lower: &Array2<f64>, rhs: &Array2<f64>) -> Array2<f64> {
    assert_eq!(
        lower.nrows(),
        rhs.nrows(),
        "solve_lower: rows of L and B must agree"
    );
    let mut x = rhs.clone();
    for i in 0..lower.nrows() {
        for k in 0..i {
            let scale = lower[[i, k]];
            let (solved, mut rest) = x.view_mut().split_at(Axis(0), i);
            rest.row_mut(0).scaled_add(-scale, &solved.row(k));
        }
        let pivot = lower[[i, i]];
        x.row_mut(i).mapv_inplace(|value| value / pivot);
    }
    x
}

/// Copies a symmetric matrix, averaging away the rounding of its two halves.
fn checked_symmetric(op: &'static str, matrix: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let (rows, cols) = matrix.dim();
    if rows != cols || rows == 0 {
        let found = format!("[{rows}, {cols}]");
        return Err(TheoryError::Shape {
            op,
            name: "matrix",
            expected: "[n, n]".into(),
            found,
        });
    }
    if matrix.iter().any(|x| !x.is_finite()) {
        return Err(invalid(
            op,
            "matrix",
            "finite everywhere",
            "a NaN or an infinity",
        ));
    }
    let largest = matrix.iter().fold(0.0_f64, |acc, x| acc.max(x.abs()));
    let mut a = matrix.to_owned();
    for i in 0..rows {
        for j in 0..i {
            let gap = (matrix[[i, j]] - matrix[[j, i]]).abs();
            if gap > ASYMMETRY * largest {
                return Err(invalid(
                    op,
                    "matrix",
                    "symmetric",
                    format!("gap {gap} at [{i}, {j}]"),
                ));
            }
            let middle = 0.5 * (matrix[[i, j]] + matrix[[j, i]]);
            a[[i, j]] = middle;
            a[[j, i]] = middle;
        }
    }
    Ok(a)
}

/// Rotates `a` until its off-diagonal part is negligible, applying the rotations to `v` as well.
fn rotate_to_diagonal(a: &mut Array2<f64>, mut v: Option<&mut Array2<f64>>) -> Result<()> {
    let n = a.nrows();
    let total: f64 = a.iter().map(|x| x * x).sum();
    // Off-diagonal mass below (ε ‖A‖)² moves no eigenvalue by more than ε ‖A‖.
    let target = total * f64::EPSILON * f64::EPSILON;
    let mut off = off_diagonal(a);
    for _ in 0..MAX_SWEEPS {
        if off <= target {
            return Ok(());
        }
        for p in 0..n {
            for q in p + 1..n {
                let Some((c, s)) = rotation(a[[p, p]], a[[q, q]], a[[p, q]]) else {
                    continue;
                };
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    a[[k, p]] = c * x - s * y;
                    a[[k, q]] = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (a[[p, k]], a[[q, k]]);
                    a[[p, k]] = c * x - s * y;
                    a[[q, k]] = s * x + c * y;
                }
                // Zero by construction; the computed value is rounding that would never vanish.
                a[[p, q]] = 0.0;
                a[[q, p]] = 0.0;
                if let Some(v) = v.as_deref_mut() {
                    for k in 0..n {
                        let (x, y) = (v[[k, p]], v[[k, q]]);
                        v[[k, p]] = c * x - s * y;
                        v[[k, q]] = s * x + c * y;
                    }
                }
            }
        }
        off = off_diagonal(a);
    }
    if off <= target {
        return Ok(());
    }
    Err(TheoryError::NotConverged {
        op: "symmetric_eigen",
        name: "off-diagonal mass",
        expected: format!("{target:e}"),
        found: format!("{off:e}"),
    })
}

/// Cosine and sine that zero the (p, q) entry, or nothing when it is zero already.
fn rotation(app: f64, aqq: f64, apq: f64) -> Option<(f64, f64)> {
    if apq == 0.0 {
        return None;
    }
    let theta = (aqq - app) / (2.0 * apq);
    // The smaller root keeps the angle below π/4, which is what makes the sweep converge.
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = t.hypot(1.0).recip();
    Some((c, t * c))
}

fn off_diagonal(a: &Array2<f64>) -> f64 {
    a.indexed_iter()
        .filter(|((i, j), _)| i != j)
        .map(|(_, x)| x * x)
        .sum()
}
