//! The closed-form linear β-VAE against its table and against its own objective.

use crate::common::{normal_matrix, normals};
use ndarray::{Array1, Array2, Zip};
use vaegis_core::seed::SeedTree;
use vaegis_lbfgsb::{Options, minimize};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::linear_beta_vae::LinearBetaVae;
use vaegis_theory::stats::mean;

/// Equalities of the theory, up to rounding.
const EXACT: f64 = 1e-12;
/// Half a unit of the last printed digit, for numbers quoted with three to five decimals.
const fn half_unit(decimals: i32) -> f64 {
    let mut unit = 0.5;
    let mut i = 0;
    while i < decimals {
        unit /= 10.0;
        i += 1;
    }
    unit * (1.0 + 1e-9)
}

#[test]
#[expect(
    clippy::approx_constant,
    reason = "0.7071 is a printed entry that happens to be 1/√2"
)]
fn linear_beta_vae_reproduces_its_table() {
    // β, ‖J‖_F, σ_min, mean σ, r_min, √(2 Tr Σ), B_F at p₀ = 0.9, residual.
    let table = [
        (0.1, 1.4839, 0.1291, 0.2309, 0.5615, 0.8670, 0.1115, 0.024),
        (0.3, 1.3315, 0.2236, 0.3999, 0.9057, 1.4018, 0.2152, 0.217),
        (0.5, 1.1592, 0.2887, 0.5162, 1.0716, 1.6708, 0.3191, 0.604),
        (1.0, 0.7638, 0.4082, 0.7005, 1.1832, 1.9149, 0.6850, 1.967),
        (2.0, 0.4714, 0.5774, 0.8485, 1.1554, 2.0000, 1.5696, 4.300),
        (3.0, 0.2887, 0.7071, 0.9268, 0.8261, 1.7321, 3.1391, 6.800),
        (5.0, 0.1667, 0.9129, 0.9782, 0.6157, 1.2910, 7.0193, 9.467),
        (5.9, 0.0527, 0.9916, 0.9979, 0.2115, 0.4435, 24.112, 11.102),
    ];
    for (beta, jacobian, sigma_min, sigma_mean, r, printed, bound, residual) in table {
        let vae = LinearBetaVae::new(&[6.0, 3.0, 1.5, 0.8], 4, beta, 1.0).expect("valid");
        let sigma = vae.sigma();
        let close = |got: f64, want: f64, decimals: i32, what: &str| {
            assert!(
                (got - want).abs() < half_unit(decimals),
                "β {beta} {what}: {got} {want}"
            );
        };
        close(vae.jacobian_frobenius(), jacobian, 4, "‖J‖_F");
        close(
            sigma.iter().copied().fold(f64::INFINITY, f64::min),
            sigma_min,
            4,
            "σ_min",
        );
        close(mean(&sigma).expect("four"), sigma_mean, 4, "mean σ");
        close(vae.r_min(0.5).expect("valid"), r, 4, "r_min");
        close(vae.printed_r_min(), printed, 4, "printed");
        let b = vae.bounds(0.9).expect("valid");
        close(b.frobenius, bound, if bound > 20.0 { 3 } else { 4 }, "B_F");
        assert_eq!(b.evidence, Evidence::Sound);
        close(vae.residual(), residual, 3, "residual");
    }
    let collapsed = LinearBetaVae::new(&[0.8, 6.0, 1.5, 3.0], 4, 6.5, 1.0).expect("valid");
    assert_eq!(collapsed.r_min(0.5).expect("valid"), 0.0);
    assert!(
        collapsed
            .bounds(0.9)
            .expect("valid")
            .frobenius
            .is_infinite()
    );
    assert!(
        (collapsed.residual() - 11.3).abs() < EXACT,
        "it reconstructs nothing"
    );
}

#[test]
fn linear_beta_vae_objective_is_its_own_definition_and_a_minimum() {
    // Objective of a diagonal linear VAE with gains b, w and variances v, per latent:
    // [λ(1−wb)² + w²v]/2s² + β/2 (v + λb² − ln v − 1).
    let (lambdas, beta, s2): ([f64; 3], f64, f64) = ([4.0, 1.7, 0.6], 0.8, 1.3);
    let vae = LinearBetaVae::new(&lambdas, 3, beta, s2).expect("valid");
    let value = |b: &[f64], w: &[f64], sigma: &[f64]| -> f64 {
        (0..3)
            .map(|i| {
                let v = sigma[i] * sigma[i];
                let miss = lambdas[i] * (1.0 - w[i] * b[i]).powi(2) + w[i] * w[i] * v;
                0.5 * miss / s2 + 0.5 * beta * (v + lambdas[i] * b[i] * b[i] - v.ln() - 1.0)
            })
            .sum()
    };
    let (b, w, sigma) = (vae.encoder_gains(), vae.decoder_gains(), vae.sigma());
    let optimum = value(&b, &w, &sigma);
    assert!(
        (optimum - vae.objective()).abs() < EXACT,
        "{optimum} {}",
        vae.objective()
    );
    let seed = SeedTree::new(11);
    for i in 0..200 {
        let noise = normals(&seed.index(i), 9);
        let shift = |xs: &[f64], from: usize| -> Vec<f64> {
            xs.iter()
                .zip(&noise[from..])
                .map(|(x, e)| (x + 0.1 * e).abs().max(1e-3))
                .collect()
        };
        assert!(value(&shift(&b, 0), &shift(&w, 3), &shift(&sigma, 6)) >= optimum);
    }
}

/// Adam with the usual constants, on one array.
struct Adam {
    first: Array2<f64>,
    second: Array2<f64>,
}

impl Adam {
    fn new(shape: (usize, usize)) -> Self {
        Self {
            first: Array2::zeros(shape),
            second: Array2::zeros(shape),
        }
    }

    fn step(&mut self, x: &mut Array2<f64>, gradient: &Array2<f64>, lr: f64, step: i32) {
        self.first = &self.first * 0.9 + gradient * 0.1;
        self.second = &self.second * 0.999 + gradient.mapv(|g| g * g) * 0.001;
        let (a, b) = (1.0 - 0.9_f64.powi(step), 1.0 - 0.999_f64.powi(step));
        Zip::from(x)
            .and(&self.first)
            .and(&self.second)
            .for_each(|x, m, v| *x -= lr * (m / a) / ((v / b).sqrt() + 1e-8));
    }
}

/// Data variances of the linear β-VAEs that are optimized here; as many latents.
const VARIANCES: [f64; 4] = [6.0, 3.0, 1.5, 0.8];

/// A linear β-VAE with full matrices: what an optimizer moves.
struct Parameters {
    decoder: Array2<f64>,
    encoder: Array2<f64>,
    log_variance: Array2<f64>,
}

impl Parameters {
    fn random(seed: &SeedTree) -> Self {
        Self {
            decoder: normal_matrix(&seed.child("w"), 4, 4) * 0.5,
            encoder: normal_matrix(&seed.child("b"), 4, 4) * 0.5,
            log_variance: Array2::zeros((1, 4)),
        }
    }

    fn miss(&self) -> Array2<f64> {
        Array2::eye(4) - self.decoder.dot(&self.encoder)
    }

    /// The exact expected objective on data N(0, Λ) with unit observation variance, and its
    /// gradients in the order of the fields.
    fn objective(&self, beta: f64) -> (f64, [Array2<f64>; 3]) {
        let Self {
            decoder,
            encoder,
            log_variance,
        } = self;
        let spectrum = Array2::from_diag(&Array1::from(VARIANCES.to_vec()));
        let variance = log_variance.mapv(f64::exp);
        let miss = self.miss();
        let weighted = miss.dot(&spectrum);
        let columns: Vec<f64> = decoder.columns().into_iter().map(|w| w.dot(&w)).collect();
        let columns = Array2::from_shape_vec((1, 4), columns).expect("four");
        let objective = 0.5 * (&weighted * &miss).sum()
            + 0.5 * (&columns * &variance).sum()
            + 0.5 * beta * (variance.sum() - log_variance.sum() - 4.0)
            + 0.5 * beta * (encoder.dot(&spectrum) * encoder).sum();
        let by_decoder = decoder * &variance - weighted.dot(&encoder.t());
        let by_encoder = encoder.dot(&spectrum) * beta - decoder.t().dot(&weighted);
        let by_variance = ((&columns + beta) * &variance - beta) * 0.5;
        (objective, [by_decoder, by_encoder, by_variance])
    }

    fn to_vec(&self) -> Vec<f64> {
        let fields = [&self.decoder, &self.encoder, &self.log_variance];
        fields.into_iter().flatten().copied().collect()
    }

    fn of(values: &[f64]) -> Self {
        let matrix = |rows: usize, part: &[f64]| {
            Array2::from_shape_vec((rows, 4), part.to_vec()).expect("lengths agree")
        };
        Self {
            decoder: matrix(4, &values[..16]),
            encoder: matrix(4, &values[16..32]),
            log_variance: matrix(1, &values[32..]),
        }
    }
}

/// V18: L-BFGS from eight random starts ends at the closed form every time.
#[test]
fn l_bfgs_from_eight_starts_arrives_at_the_closed_form() {
    /// Agreement of the objective with its closed form.
    const OBJECTIVE: f64 = 1e-9;
    /// Agreement of the minimizer, where the objective is flat.
    const MINIMIZER: f64 = 1e-7;
    let options = Options {
        factr: 0.0,
        pgtol: 1e-11,
        max_iterations: 20_000,
        max_evaluations: 40_000,
        ..Options::default()
    };
    let free = [f64::INFINITY; 36];
    let minus_free = free.map(|bound| -bound);
    for beta in [0.5, 2.0] {
        let vae = LinearBetaVae::new(&VARIANCES, 4, beta, 1.0).expect("valid");
        let mut want: Vec<f64> = vae.sigma().iter().map(|s| s * s).collect();
        want.sort_unstable_by(f64::total_cmp);
        for start in 0..8 {
            let start = Parameters::random(&SeedTree::new(21).index(start)).to_vec();
            let evaluate = |values: &[f64], gradient: &mut [f64]| {
                let (objective, gradients) = Parameters::of(values).objective(beta);
                let flat = gradients.iter().flatten();
                gradient.iter_mut().zip(flat).for_each(|(g, v)| *g = *v);
                objective
            };
            let found = minimize(evaluate, &start, &minus_free, &free, &options).expect("runs");
            assert!(
                (found.value - vae.objective()).abs() <= OBJECTIVE,
                "β {beta}: {} for {}",
                found.value,
                vae.objective()
            );
            let end = Parameters::of(&found.x);
            let mut variances: Vec<f64> = end.log_variance.iter().map(|s| s.exp()).collect();
            variances.sort_unstable_by(f64::total_cmp);
            for (got, want) in variances.iter().zip(&want) {
                assert!(
                    (got - want).abs() <= MINIMIZER,
                    "β {beta} σ²: {got} for {want}"
                );
            }
            let norm = (&end.encoder * &end.encoder).sum().sqrt();
            let wanted = vae.jacobian_frobenius();
            assert!(
                (norm - wanted).abs() <= MINIMIZER,
                "β {beta} ‖B‖_F: {norm} for {wanted}"
            );
        }
    }
}

#[test]
fn a_trained_linear_beta_vae_arrives_at_the_closed_form() {
    // Full matrices from random starts, on the exact expected objective.
    const NUM_STEPS: i32 = 6000;
    /// What a trained network may differ by from the closed form.
    const TRAINED: f64 = 0.05;
    for (start, beta) in [(0, 0.5), (1, 1.0), (2, 2.0)] {
        let mut vae = Parameters::random(&SeedTree::new(18).index(start));
        let mut adams = [Adam::new((4, 4)), Adam::new((4, 4)), Adam::new((1, 4))];
        let mut objective = f64::INFINITY;
        for step in 1..=NUM_STEPS {
            let (value, [by_decoder, by_encoder, by_variance]) = vae.objective(beta);
            objective = value;
            let lr = 0.02 * (1.0 - f64::from(step) / f64::from(NUM_STEPS + 1));
            adams[0].step(&mut vae.decoder, &by_decoder, lr, step);
            adams[1].step(&mut vae.encoder, &by_encoder, lr, step);
            adams[2].step(&mut vae.log_variance, &by_variance, lr, step);
        }
        let trained = vae;
        let vae = LinearBetaVae::new(&VARIANCES, 4, beta, 1.0).expect("valid");
        let near = |got: f64, want: f64, what: &str| {
            assert!(
                (got - want).abs() <= TRAINED * want,
                "β {beta} {what}: {got} for {want}"
            );
        };
        assert!(objective >= vae.objective() - EXACT, "nothing is better");
        near(objective, vae.objective(), "objective");
        let norm = (&trained.encoder * &trained.encoder).sum().sqrt();
        near(norm, vae.jacobian_frobenius(), "‖B‖_F");
        let miss = trained.miss();
        let spectrum = Array2::from_diag(&Array1::from(VARIANCES.to_vec()));
        near(
            (miss.dot(&spectrum) * &miss).sum(),
            vae.residual(),
            "residual",
        );
        let mut sigma: Vec<f64> = trained
            .log_variance
            .iter()
            .map(|s| (0.5 * s).exp())
            .collect();
        sigma.sort_unstable_by(f64::total_cmp);
        let mut want = vae.sigma();
        want.sort_unstable_by(f64::total_cmp);
        for (got, want) in sigma.iter().zip(want) {
            near(*got, want, "σ");
        }
    }
}
