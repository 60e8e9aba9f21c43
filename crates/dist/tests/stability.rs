//! Places where the textbook formula fails: extreme logits and scales, single
//! precision, nearly equal laws.

use vaegis_core::SeedTree;
use vaegis_dist::laws::assert_gradient;
use vaegis_dist::{
    Bernoulli, ContinuousBernoulli, DiagNormal, DiscretizedLogistic, Distribution, Entropy, KlTo,
    Laplace, Logistic, Mean, Quantile, RelaxedCategorical, Reparameterize, Variance,
    continuous_bernoulli,
};
use vaegis_tensor::{Kind, Noise, Tensor, autograd};

const VALID: &str = "the parameters of the test are valid";

/// Rounding of a handful of single-precision operations, relative.
const SINGLE: f64 = 4e-6;
/// Rounding of a handful of double-precision operations, relative.
const DOUBLE: f64 = 4e-15;

fn tensor(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

fn single(values: &[f64]) -> Tensor {
    tensor(values).to_kind(Kind::Float)
}

fn values(t: &Tensor) -> Vec<f64> {
    Vec::try_from(t.to_kind(Kind::Double).contiguous().view(-1)).expect("doubles")
}

fn assert_relative(what: &str, found: &Tensor, expected: &[f64], tolerance: f64) {
    let found = values(found);
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= tolerance * b.abs(),
            "{what}: found {a:e}, expected {b:e}"
        );
    }
}

fn assert_finite(what: &str, t: &Tensor) {
    assert!(
        values(t).iter().all(|v| v.is_finite()),
        "{what}: {t:?} is not finite"
    );
}

#[test]
fn bernoulli_at_logits_of_eighty() {
    for (kind, tolerance) in [(Kind::Float, SINGLE), (Kind::Double, DOUBLE)] {
        let logits = tensor(&[80.0, -80.0, 80.0, -80.0])
            .to_kind(kind)
            .set_requires_grad(true);
        let law = Bernoulli::new(&logits).expect(VALID);
        let log_prob = law.log_prob(&tensor(&[1.0, 0.0, 0.0, 1.0]).to_kind(kind));
        let tiny = -(-80.0_f64).exp().ln_1p();
        assert_relative(
            "log mass",
            &log_prob,
            &[tiny, tiny, -80.0 + tiny, -80.0 + tiny],
            tolerance,
        );
        let gradient = autograd::gradient(&log_prob, &[&logits]).remove(0);
        let small = (-80.0_f64).exp();
        assert_relative(
            "gradient",
            &gradient,
            &[small, -small, -1.0, 1.0],
            tolerance,
        );
        assert_relative(
            "entropy",
            &law.entropy(),
            &[81.0 * small; 4],
            40.0 * tolerance,
        );
    }
}

#[test]
fn bernoulli_takes_grey_levels() {
    let law = Bernoulli::new(&tensor(&[0.7, -21.0])).expect(VALID);
    let grey = [0.3, 0.6];
    let direct = |l: f64, x: f64| x * l - l.max(0.0) - (-l.abs()).exp().ln_1p();
    let expected = [direct(0.7, 0.3), direct(-21.0, 0.6)];
    assert_relative(
        "grey levels",
        &law.log_prob(&tensor(&grey)),
        &expected,
        1e-14,
    );
    // The textbook form x ℓ − softplus(ℓ), with libtorch's threshold, is wrong in the ninth digit.
    let logit = tensor(&[20.5]);
    let exact = Bernoulli::new(&logit)
        .expect(VALID)
        .log_prob(&tensor(&[1.0]));
    assert_relative(
        "just above the threshold",
        &exact,
        &[-(-20.5_f64).exp().ln_1p()],
        DOUBLE,
    );
    let naive = &logit - logit.softplus();
    assert!(values(&(naive - exact).abs())[0] > 1e-9);
}

/// log C, mean and variance to 1/ℓ-accuracy in doubles, for |ℓ| ≥ 1 where nothing cancels badly.
fn direct(l: f64) -> (f64, f64, f64) {
    let a = l.abs();
    let decay = (-a).exp();
    let upper = 1.0 / -(-a).exp_m1() - 1.0 / a;
    let lower = 1.0 / a - decay / -(-a).exp_m1();
    let variance = 1.0 / (a * a) - decay / (-a).exp_m1().powi(2);
    (
        (a / (a / 2.0).tanh()).ln(),
        if l > 0.0 { upper } else { lower },
        variance,
    )
}

#[test]
fn continuous_bernoulli_at_extreme_logits() {
    for (kind, tolerance) in [(Kind::Float, SINGLE), (Kind::Double, 1e-13)] {
        let grid = [
            -1e4, -300.0, -80.0, -10.0, -1.0, 1.0, 10.0, 80.0, 300.0, 1e4,
        ];
        let logits = tensor(&grid).to_kind(kind).set_requires_grad(true);
        let expected: Vec<_> = grid.iter().map(|&l| direct(l)).collect();
        let column = |f: fn(&(f64, f64, f64)) -> f64| expected.iter().map(f).collect::<Vec<_>>();
        let mean = continuous_bernoulli::mean(&logits);
        assert_relative(
            "log C",
            &continuous_bernoulli::log_normalizer(&logits),
            &column(|e| e.0),
            tolerance,
        );
        assert_relative("mean", &mean, &column(|e| e.1), tolerance);
        let variance = continuous_bernoulli::variance(&logits);
        assert_relative("variance", &variance, &column(|e| e.2), 10.0 * tolerance);
        // The variance is the derivative of the mean, also through autograd.
        let slope = autograd::gradient(&mean, &[&logits]).remove(0);
        assert_relative(
            "slope of the mean",
            &slope,
            &column(|e| e.2),
            10.0 * tolerance,
        );
        let law = ContinuousBernoulli::new(&logits).expect(VALID);
        let u = logits.full_like(0.3).detach();
        let parts = [
            law.log_prob(&u),
            law.entropy(),
            law.quantile(&u),
            vaegis_dist::Cdf::cdf(&law, &u),
            law.quantile(&u.full_like(1.0)),
            law.quantile(&u.zeros_like()),
        ];
        for part in parts {
            assert_finite("value", &part);
            assert_finite("gradient", &autograd::gradient(&part, &[&logits])[0]);
        }
    }
}

#[test]
fn continuous_bernoulli_across_the_border_of_the_series() {
    // Expansions to the order that these logits need, from the Bernoulli numbers.
    let grid = [0.0, 1e-20, 1e-6, -1e-3, 0.01];
    let log_c = |l: f64| 2f64.ln() + l * l / 12.0 - 7.0 * l.powi(4) / 1440.0;
    let slope = |l: f64| l / 6.0 - 7.0 * l.powi(3) / 360.0 + 31.0 * l.powi(5) / 15_120.0;
    let mean = |l: f64| 0.5 + l / 12.0 - l.powi(3) / 720.0;
    for (kind, tolerance) in [(Kind::Float, SINGLE), (Kind::Double, 1e-11)] {
        let logits = tensor(&grid).to_kind(kind).set_requires_grad(true);
        let found = continuous_bernoulli::log_normalizer(&logits);
        assert_relative("log C", &found, &grid.map(log_c), tolerance);
        let gradient = autograd::gradient(&found, &[&logits]).remove(0);
        assert_relative("slope of log C", &gradient, &grid.map(slope), tolerance);
        let found = continuous_bernoulli::mean(&logits);
        assert_relative("mean", &found, &grid.map(mean), tolerance);
    }
    // Both sides of the border, and single precision against double.
    let border = [0.499_999, 0.500_001, -0.499_999, -0.500_001];
    type Function = fn(&Tensor) -> Tensor;
    let functions: [(Function, f64); 3] = [
        (continuous_bernoulli::log_normalizer, SINGLE),
        (continuous_bernoulli::mean, SINGLE),
        // Its slope is a third cumulant of −ℓ/120, left of two terms of size 2/ℓ³ = 16.
        (continuous_bernoulli::variance, 100.0 * SINGLE),
    ];
    for (f, slope_tolerance) in functions {
        let fine = values(&f(&tensor(&border)));
        assert!((fine[0] - fine[1]).abs() < 1e-6 && (fine[2] - fine[3]).abs() < 1e-6);
        let x = single(&border).set_requires_grad(true);
        let reference = x.detach().to_kind(Kind::Double).set_requires_grad(true);
        let (coarse, fine) = (f(&x), f(&reference));
        assert_relative("single precision", &coarse, &values(&fine), SINGLE);
        let coarse = autograd::gradient(&coarse, &[&x]).remove(0);
        let fine = autograd::gradient(&fine, &[&reference]).remove(0);
        assert_relative(
            "slope in single precision",
            &coarse,
            &values(&fine),
            slope_tolerance,
        );
    }
    // Second derivatives exist: the gradient of the slope of the mean is the third cumulant.
    let inputs = [tensor(&[-3.0, -0.2, 0.0, 0.3, 2.0])];
    assert_gradient("variance", &inputs, |p| {
        continuous_bernoulli::variance(&p[0]).sum(None)
    });
}

#[test]
fn discretized_logistic_keeps_masses_that_round_to_zero() {
    // A narrow law far from the level: both borders have σ = 1 in single precision.
    let grey = |loc: f64| DiscretizedLogistic::grey(&single(&[loc]), &single(&[-5.0]));
    let law = grey(0.1).expect(VALID);
    let level = single(&[200.0 / 255.0]);
    let log_prob = values(&law.log_prob(&level))[0];
    let s = (-5.0_f64).exp();
    let (a, b) = ((199.5 / 255.0 - 0.1) / s, (200.5 / 255.0 - 0.1) / s);
    // In the far tail σ(b) − σ(a) = e^(−a) − e^(−b) to all digits.
    let expected = -a + (-(a - b).exp()).ln_1p();
    assert!(
        (log_prob - expected).abs() < 1e-3,
        "{log_prob} against {expected}"
    );
    let cdf = |x: f64| {
        let argument = (x - 0.1) / s;
        single(&[argument]).sigmoid()
    };
    let naive = values(&(cdf(200.5 / 255.0) - cdf(199.5 / 255.0)).log())[0];
    assert!(
        naive.is_infinite(),
        "the difference of the rounded functions has no logarithm"
    );
    // All masses of an extreme law are finite and sum to one.
    for loc in [-3.0, 0.0, 0.5, 1.0, 4.0] {
        let law = DiscretizedLogistic::grey(&single(&[loc]), &single(&[-7.0])).expect(VALID);
        let log_probs = law.log_probs();
        assert_finite("log masses", &log_probs);
        assert!((values(&log_probs.exp().sum(Kind::Float))[0] - 1.0).abs() < SINGLE * 10.0);
    }
}

#[test]
fn logistic_and_laplace_in_the_tails() {
    let zero = single(&[0.0, 0.0]);
    let one = single(&[1.0, 1.0]);
    let logistic = Logistic::new(&zero, &one).expect(VALID);
    let far = single(&[-200.0, 200.0]);
    assert_relative(
        "logistic tail",
        &logistic.log_prob(&far),
        &[-200.0, -200.0],
        SINGLE,
    );
    let laplace = Laplace::new(&zero, &one).expect(VALID);
    // Noise that single precision has rounded to an end still gives finite samples.
    let ends = single(&[0.0, 1.0]);
    for sample in [logistic.from_noise(&ends), laplace.from_noise(&ends)] {
        assert_finite("sample", &sample);
    }
    let u = tensor(&[1e-12, 1e-12]);
    let exact = Laplace::new(&tensor(&[0.0]), &tensor(&[1.0, 1.0]))
        .expect(VALID)
        .quantile(&u);
    assert_relative("laplace quantile", &exact, &[2e-12_f64.ln(); 2], DOUBLE);
}

#[test]
fn gaussian_divergences_of_nearly_equal_laws() {
    // (σ_a/σ_b)² − 1 − 2 log(σ_a/σ_b) in single precision: the naive sum loses every digit.
    let delta = 1e-3;
    let a = DiagNormal::new(single(&[0.0]), single(&[delta]));
    let b = DiagNormal::new(single(&[0.0]), single(&[0.0]));
    let r = f64::from(delta as f32);
    let expected = 0.5 * ((2.0 * r).exp_m1() - 2.0 * r);
    let found = values(&a.kl_to(&b))[0];
    assert!(
        (found - expected).abs() < 1e-3 * expected,
        "{found:e} against {expected:e}"
    );
    let ratio = a.scale();
    let naive = (ratio.square() - 1.0 - ratio.log() * 2.0) * 0.5;
    let naive = values(&naive)[0];
    assert!(
        (naive - expected).abs() > 0.01 * expected,
        "{naive:e} against {expected:e}"
    );
    // Divergences of attacked posteriors stay finite.
    let wild = DiagNormal::new(single(&[1e4]), single(&[8.0]));
    assert_finite(
        "large divergence",
        &wild.kl_to(&DiagNormal::new(single(&[0.0]), single(&[-2.0]))),
    );
}

#[test]
fn relaxed_categorical_at_low_temperature() {
    let logits = single(&[0.0, 3.0, -2.0]).set_requires_grad(true);
    let law = RelaxedCategorical::new(&logits, 0.02).expect(VALID);
    let noise = Noise::portable(SeedTree::new(3));
    let (value, log_prob) = law.rsample_and_log_prob(&noise, &[500]);
    let underflows = value.le(0.0).any().int64_value(&[]);
    assert_eq!(
        underflows, 1,
        "some coordinates underflow, else this test shows nothing"
    );
    assert_finite("log density through the logarithm", &log_prob);
    assert_finite("log density of the value", &law.log_prob(&value));
    assert_finite(
        "gradient",
        &autograd::gradient(&log_prob.sum(None), &[&logits])[0],
    );
    // Doubles do not underflow here and give the reference.
    let fine = RelaxedCategorical::new(&logits.detach().to_kind(Kind::Double), 0.02).expect(VALID);
    let (_, reference) = fine.rsample_and_log_prob(&noise, &[500]);
    let gap = (log_prob.to_kind(Kind::Double) - &reference).abs() / (reference.abs() + 1.0);
    assert!(values(&gap.max())[0] < 1e-3, "{gap:?}");
}

#[test]
fn moments_in_single_precision() {
    let law = ContinuousBernoulli::new(&single(&[-40.0, 0.2, 40.0])).expect(VALID);
    let fine = ContinuousBernoulli::new(&tensor(&[-40.0, f64::from(0.2_f32), 40.0])).expect(VALID);
    assert_relative("mean", &law.mean(), &values(&fine.mean()), SINGLE);
    assert_relative(
        "variance",
        &law.variance(),
        &values(&fine.variance()),
        SINGLE,
    );
    assert_relative(
        "entropy",
        &law.entropy(),
        &values(&fine.entropy()),
        10.0 * SINGLE,
    );
}
