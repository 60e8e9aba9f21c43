//! The tempered posterior is the optimum, its variance need not grow with β, and Equation 6.6 is
//! the objective at the optimal covariance.

use crate::common::{normal_matrix, normals, uniforms};
use ndarray::{Array1, Array2, ArrayView1};
use vaegis_core::seed::SeedTree;
use vaegis_theory::linalg::{symmetric_eigen, symmetric_eigenvalues};
use vaegis_theory::tempered::{
    CodePenalty, CovarianceForm, Quadrature, TemperedPosterior, jacobian_objective,
    tempered_linear_gaussian,
};

/// Sums over a few thousand nodes.
const QUADRATURE: f64 = 1e-8;
/// Identities between matrices of three columns: a dozen f64 operations (V17).
const EXACT: f64 = 1e-13;

fn line() -> Quadrature {
    Quadrature::line(10.0, 4001).expect("valid")
}

/// ln N(x; mean, 1).
fn unit_gaussian(x: f64, mean: f64) -> f64 {
    -0.5 * ((x - mean).powi(2) + (2.0 * std::f64::consts::PI).ln())
}

fn cubic(beta: f64) -> TemperedPosterior {
    let decoder = |z: ArrayView1<'_, f64>| unit_gaussian(0.7, z[0].powi(3) - z[0]);
    TemperedPosterior::on_grid(line(), decoder, beta).expect("valid")
}

#[test]
fn theorem_6_2_the_tempered_posterior_is_the_optimum() {
    let seed = SeedTree::new(15);
    for beta in [0.1, 1.0, 4.0, 100.0] {
        let posterior = cubic(beta);
        let density = posterior.density();
        let best = posterior.objective(&density).expect("valid");
        assert!(
            (best - posterior.beta_log_z()).abs() < QUADRATURE * best.abs().max(1.0),
            "β = {beta}"
        );
        for i in 0..200 {
            // A smooth random tilt; white noise on the grid would be an easy opponent.
            let waves = normals(&seed.index(i), 4);
            let size = uniforms(&seed.index(i).child("size"), 1, 0.001, 1.0)[0];
            let tilted: Vec<f64> = (0..density.len())
                .map(|k| {
                    let z = -10.0 + k as f64 * 0.005;
                    let tilt: f64 = (0..4)
                        .map(|w| waves[w] * ((w as f64 + 1.0) * z).sin())
                        .sum();
                    density[k] * (size * tilt).exp()
                })
                .collect();
            let other = posterior.objective(&tilted).expect("valid");
            assert!(
                other < best,
                "β = {beta}: perturbation {i} reaches {other} above {best}"
            );
        }
    }
}

#[test]
fn large_beta_gives_the_prior_and_the_mean_log_likelihood() {
    let posterior = cubic(1e7);
    assert!((posterior.variance()[0] - 1.0).abs() < 1e-5 && posterior.mean()[0].abs() < 1e-5);
    // E over z of ln N(0.7; z³ − z, 1): E(z³−z)² = 15 − 6 + 1 = 10.
    let mean = -0.5 * ((2.0 * std::f64::consts::PI).ln() + 10.0 + 0.49);
    assert!((posterior.beta_log_z() - mean).abs() < 1e-4);
}

#[test]
fn variance_of_a_bimodal_posterior_falls_with_beta() {
    let table = [
        (0.5, 8.72),
        (1.0, 8.44),
        (2.0, 7.87),
        (5.0, 6.00),
        (10.0, 3.37),
        (30.0, 1.52),
        (100.0, 1.13),
    ];
    let mut previous = f64::INFINITY;
    for (beta, want) in table {
        let decoder = |z: ArrayView1<'_, f64>| unit_gaussian(9.0, z[0] * z[0]);
        let posterior = TemperedPosterior::on_grid(line(), decoder, beta).expect("valid");
        let variance = posterior.variance()[0];
        assert!((variance - want).abs() < 0.00501, "β = {beta}: {variance}");
        assert!(variance < previous);
        previous = variance;
    }
}

#[test]
fn linear_gaussian_closed_form_agrees_with_the_grid_and_grows_with_beta() {
    let seed = SeedTree::new(62);
    let decoder = normal_matrix(&seed.child("w"), 3, 2);
    let (offset, x) = (normals(&seed.child("c"), 3), normals(&seed.child("x"), 3));
    let variance = 0.6;
    let mut previous: Option<Array2<f64>> = None;
    for beta in [0.5, 1.0, 3.0, 10.0] {
        let closed = tempered_linear_gaussian(decoder.view(), &offset, variance, &x, beta);
        let closed = closed.expect("valid");
        let log_likelihood = |z: ArrayView1<'_, f64>| {
            let at = decoder.dot(&z);
            (0..3)
                .map(|i| {
                    let gap = x[i] - offset[i] - at[i];
                    -0.5 * (gap * gap / variance + (2.0 * std::f64::consts::PI * variance).ln())
                })
                .sum()
        };
        let square = Quadrature::square(9.0, 361).expect("valid");
        let grid = TemperedPosterior::on_grid(square, log_likelihood, beta).expect("valid");
        assert!(
            (grid.beta_log_z() - closed.beta_log_z).abs() < QUADRATURE,
            "β = {beta}"
        );
        for axis in 0..2 {
            assert!((grid.mean()[axis] - closed.mean[axis]).abs() < QUADRATURE);
            assert!((grid.variance()[axis] - closed.covariance[[axis, axis]]).abs() < QUADRATURE);
        }
        if let Some(previous) = &previous {
            let growth = &closed.covariance - previous;
            assert!(symmetric_eigenvalues(growth.view()).expect("valid")[0] > 0.0);
        }
        previous = Some(closed.covariance);
    }
}

#[test]
fn beta_log_z_is_above_every_gaussian_objective() {
    let seed = SeedTree::new(12);
    let posterior = cubic(2.0);
    for i in 0..100 {
        let (mean, sigma) = (
            normals(&seed.index(i), 1)[0],
            uniforms(&seed.index(i), 1, 0.1, 2.0)[0],
        );
        let density: Vec<f64> = (0..4001)
            .map(|k| (-0.5 * ((-10.0 + f64::from(k) * 0.005 - mean) / sigma).powi(2)).exp())
            .collect();
        let value = posterior.objective(&density).expect("valid");
        assert!(value <= posterior.beta_log_z() + QUADRATURE);
    }
}

/// ½‖x−Wμ‖² + ½Tr(WᵀWΣ) + (β/2)(TrΣ + ‖μ‖² − ln|Σ| − d), the objective with nothing inserted.
fn full_objective(
    decoder: &Array2<f64>,
    mean: &Array1<f64>,
    covariance: &Array2<f64>,
    x: &Array1<f64>,
    beta: f64,
) -> f64 {
    let gap = x - &decoder.dot(mean);
    let gram = decoder.t().dot(decoder);
    let log_det: f64 = symmetric_eigenvalues(covariance.view())
        .expect("valid")
        .iter()
        .map(|v| v.ln())
        .sum();
    let penalty = covariance.diag().sum() + mean.dot(mean) - log_det - mean.len() as f64;
    0.5 * (gap.dot(&gap) + (&gram * covariance).sum() + beta * penalty)
}

#[test]
fn equation_6_6_is_the_objective_at_the_optimal_covariance() {
    let seed = SeedTree::new(17);
    let decoder = normal_matrix(&seed.child("w"), 7, 3);
    let encoder = normal_matrix(&seed.child("b"), 3, 7);
    let x = Array1::from(normals(&seed.child("x"), 7));
    let mean = encoder.dot(&x);
    let residual = (&x - &decoder.dot(&mean)).to_vec();
    let code = CodePenalty::Mean(mean.as_slice().expect("contiguous"));
    let printed = CodePenalty::JacobianTimesInput {
        jacobian: encoder.view(),
        x: x.as_slice().expect("contiguous"),
    };
    for beta in [0.3, 1.0, 4.0] {
        let at = |code, form| {
            jacobian_objective(&residual, code, decoder.view(), beta, form)
                .expect("valid")
                .total()
        };
        let optimum = tempered_linear_gaussian(decoder.view(), &[0.0; 7], 1.0, &x.to_vec(), beta);
        let covariance = optimum.expect("valid").covariance;
        let want = full_objective(&decoder, &mean, &covariance, &x, beta);
        let full = at(code, CovarianceForm::Full);
        assert!(
            (full - want).abs() < EXACT * want.abs(),
            "β = {beta}: {full} against {want}"
        );
        // Without biases the printed form is the same number.
        assert!((at(printed, CovarianceForm::Full) - full).abs() < EXACT * want.abs());
        let columns: Array1<f64> = decoder.columns().into_iter().map(|w| w.dot(&w)).collect();
        let diagonal = Array2::from_diag(&columns.mapv(|norm| beta / (beta + norm)));
        let want = full_objective(&decoder, &mean, &diagonal, &x, beta);
        let got = at(code, CovarianceForm::Diagonal);
        assert!(
            (got - want).abs() < EXACT * want.abs(),
            "β = {beta}: {got} against {want}"
        );
        assert!(got >= full, "Hadamard");
        // Any other covariance is worse than the full optimum.
        for i in 0..20 {
            let root = normal_matrix(&seed.index(i), 3, 3) * 0.2;
            let eigen =
                symmetric_eigen((&covariance + &root.dot(&root.t())).view()).expect("valid");
            let other = eigen
                .vectors
                .dot(&Array2::from_diag(&Array1::from(eigen.values.to_vec())));
            let other = other.dot(&eigen.vectors.t());
            assert!(full_objective(&decoder, &mean, &other, &x, beta) > full);
        }
    }
    // With a bias the mean is not J x, and the two forms part.
    let shifted = (&mean + 1.0).to_vec();
    let form = CovarianceForm::Full;
    let derived = jacobian_objective(
        &residual,
        CodePenalty::Mean(&shifted),
        decoder.view(),
        1.0,
        form,
    );
    let printed = jacobian_objective(&residual, printed, decoder.view(), 1.0, form);
    assert!((derived.expect("valid").code - printed.expect("valid").code).abs() > 0.01);
}

#[test]
fn tempered_functions_refuse_nonsense() {
    assert!(Quadrature::line(0.0, 10).is_err() && Quadrature::line(1.0, 1).is_err());
    assert!(TemperedPosterior::on_grid(line(), |_| f64::NAN, 1.0).is_err());
    assert!(TemperedPosterior::on_grid(line(), |_| 0.0, 0.0).is_err());
    let posterior = cubic(1.0);
    assert!(posterior.objective(&[1.0]).is_err());
    assert!(posterior.objective(&vec![0.0; 4001]).is_err());
}
