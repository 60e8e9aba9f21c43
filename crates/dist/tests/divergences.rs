//! Properties of divergences, the worked example of two Gaussians, and the
//! estimators against the closed forms.

use proptest::prelude::*;
use vaegis_core::SeedTree;
use vaegis_dist::laws::{STANDARD_ERRORS, assert_gradient};
use vaegis_dist::{
    Bernoulli, Categorical, ContinuousBernoulli, DiagNormal, Estimate, Independent, KlTo, Laplace,
    Logistic, Normal, RelaxedCategorical, StraightThrough, Uniform, W2To,
    energy_distance_monte_carlo, kl_monte_carlo, kl_monte_carlo_pathwise, w2,
    w2_squared_from_samples,
};
use vaegis_tensor::{Kind, Noise, Tensor};

const VALID: &str = "the parameters of the test are valid";

/// Digits that the worked example is printed with.
const PRINTED: f64 = 1e-9;
/// Rounding of sums of a few terms of order 100.
const ROUNDING: f64 = 1e-12;
/// An affine map of two coordinates and its way back through exponentials and differences.
const MAPPED: f64 = 1e-10;
/// A divergence between laws whose parameters differ by 0.01 or more is far above this.
const CLEARLY_POSITIVE: f64 = 1e-9;

fn tensor(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

fn diagonal(mean: &[f64], scale: &[f64]) -> DiagNormal {
    DiagNormal::try_new(tensor(mean), tensor(scale).log()).expect(VALID)
}

fn number(t: &Tensor) -> f64 {
    t.double_value(&[])
}

fn noise(label: &str) -> Noise {
    Noise::portable(SeedTree::new(7).child(label))
}

#[test]
fn worked_example() {
    let a = diagonal(&[0.5, -1.0], &[0.4, 0.6]);
    let b = diagonal(&[-0.5, 1.0], &[0.8, 0.3]);
    assert!((number(&a.kl_to(&b)) - 24.128_472_222).abs() < PRINTED);
    assert!((number(&w2(&a, &b)) - 2.291_287_847).abs() < PRINTED);
    assert!((number(&a.kl_to_standard()) - 1.312_116_356).abs() < PRINTED);
    let standard = DiagNormal::standard(&[2], Kind::Double, vaegis_tensor::Device::Cpu);
    assert!((number(&a.kl_to(&standard)) - number(&a.kl_to_standard())).abs() < ROUNDING);
}

#[test]
fn w2_has_a_gradient_at_coincidence() {
    let mean = tensor(&[0.3, -0.2]).set_requires_grad(true);
    let a = DiagNormal::new(mean.shallow_clone(), tensor(&[0.1, 0.2]));
    let distance = w2(&a, &a.detach());
    assert!(
        (number(&distance) - 1e-6).abs() < 1e-15,
        "the root of the epsilon"
    );
    let gradient = vaegis_tensor::autograd::gradient(&distance, &[&mean]);
    assert!(gradient[0].equal(&mean.zeros_like()));
}

/// Two laws of one family from four numbers each in (−3, 3).
type Pair = ([f64; 4], [f64; 4]);

fn pairs() -> impl Strategy<Value = Pair> {
    let four = || prop::array::uniform4(-3.0..3.0_f64);
    (four(), four())
}

/// KL in both directions must be positive for this pair, and zero of each law to itself.
fn check_kl<D: KlTo<D>>(make: impl Fn(&[f64; 4]) -> D, (a, b): &Pair) -> Result<(), TestCaseError> {
    let (p, q) = (make(a), make(b));
    for (x, y) in [(&p, &q), (&q, &p)] {
        let kl = x.kl_to(y).sum(Kind::Double);
        prop_assert!(
            number(&kl) > CLEARLY_POSITIVE,
            "KL = {kl:?} for {a:?}, {b:?}"
        );
    }
    for law in [&p, &q] {
        let own = number(&law.kl_to(law).sum(Kind::Double));
        prop_assert!(own.abs() <= ROUNDING, "KL to itself is {own}");
    }
    Ok(())
}

fn far_apart((a, b): &Pair) -> bool {
    a.iter().zip(b).any(|(x, y)| (x - y).abs() > 0.05)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        rng_seed: prop::test_runner::RngSeed::Fixed(11),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn kl_is_positive_and_zero_iff_equal(pair in pairs()) {
        prop_assume!(far_apart(&pair));
        let half = |v: &[f64; 4]| (tensor(&v[..2]), tensor(&v[2..]));
        check_kl(|v| { let (m, s) = half(v); DiagNormal::new(m, s) }, &pair)?;
        check_kl(|v| { let (m, s) = half(v); Normal::from_log_scale(&m, &s).expect(VALID) }, &pair)?;
        check_kl(|v| { let (m, s) = half(v); Laplace::from_log_scale(&m, &s).expect(VALID) }, &pair)?;
        check_kl(|v| Bernoulli::new(&tensor(v)).expect(VALID), &pair)?;
        check_kl(|v| ContinuousBernoulli::new(&tensor(v)).expect(VALID), &pair)?;
        check_kl(
            |v| Independent::new(Bernoulli::new(&tensor(v)).expect(VALID), 1).expect(VALID),
            &pair,
        )?;
    }

    /// z ↦ c z + s in each coordinate, with a factor and an offset of its own.
    #[test]
    fn kl_is_invariant_under_affine_maps_of_each_coordinate_and_w2_is_not(
        pair in pairs(),
        logs in prop::array::uniform2(-2.0..2.0_f64),
        signs in prop::array::uniform2(prop::bool::ANY),
        offsets in prop::array::uniform2(-5.0..5.0_f64),
    ) {
        let plain = |v: &[f64; 4]| DiagNormal::new(tensor(&v[..2]), tensor(&v[2..]));
        let sign = tensor(&signs.map(|s| if s { 1.0 } else { -1.0 }));
        let factor = tensor(&logs).exp() * sign;
        let mapped = |v: &[f64; 4]| {
            let mean = tensor(&v[..2]) * &factor + tensor(&offsets);
            DiagNormal::new(mean, tensor(&v[2..]) + tensor(&logs))
        };
        let (a, b) = (plain(&pair.0), plain(&pair.1));
        let (c, d) = (mapped(&pair.0), mapped(&pair.1));
        let (before, after) = (number(&a.kl_to(&b)), number(&c.kl_to(&d)));
        prop_assert!((before - after).abs() <= MAPPED * (1.0 + before), "{before} and {after}");
        // W₂² weighs each coordinate by the square of its factor.
        let squares = (a.mean() - b.mean()).square() + (a.scale() - b.scale()).square();
        let weighted = number(&(squares * factor.square()).sum(Kind::Double));
        let (before, after) = (number(&a.w2_squared_to(&b)), number(&c.w2_squared_to(&d)));
        prop_assert!((weighted - after).abs() <= MAPPED * (1.0 + weighted));
        if logs.iter().all(|log| *log > 0.05) && far_apart(&pair) {
            // Every factor is above e^0.05, and its square above e^0.1.
            prop_assert!(after > 1.1 * before, "{before} and {after}");
        }
    }

    #[test]
    fn kl_of_categorical_laws(pair in pairs()) {
        // A common shift of the logits is the same law, so the first logit is pinned.
        let pin = |v: &[f64; 4]| [0.0, v[1], v[2], v[3]];
        let pair = (pin(&pair.0), pin(&pair.1));
        prop_assume!(far_apart(&pair));
        check_kl(|v| Categorical::new(&tensor(v)).expect(VALID), &pair)?;
        check_kl(|v| StraightThrough::from_logits(&tensor(v), 0.5).expect(VALID), &pair)?;
    }

    #[test]
    fn kl_of_nested_intervals(low in -3.0..3.0_f64, width in 0.1..2.0_f64, margin in 0.01..1.0_f64) {
        let make = |a: f64, b: f64| Uniform::new(&tensor(&[a]), &tensor(&[b])).expect(VALID);
        let (inner, outer) = (make(low, low + width), make(low - margin, low + width + margin));
        prop_assert!(number(&inner.kl_to(&outer).sum(Kind::Double)) > CLEARLY_POSITIVE);
        prop_assert!(number(&inner.kl_to(&inner).sum(Kind::Double)).abs() <= ROUNDING);
        prop_assert!(number(&outer.kl_to(&inner).sum(Kind::Double)).is_infinite());
    }
}

#[test]
fn w2_is_a_metric_on_a_thousand_random_triples() {
    let draw = |label: &str| {
        let shape = [1000, 3];
        let device = vaegis_tensor::Device::Cpu;
        let mean = noise(label)
            .child("mean")
            .standard_normal(&shape, Kind::Double, device);
        let log_scale = noise(label)
            .child("scale")
            .standard_normal(&shape, Kind::Double, device);
        DiagNormal::new(mean * 3.0, log_scale)
    };
    let (a, b, c) = (draw("a"), draw("b"), draw("c"));
    assert!(w2(&a, &b).equal(&w2(&b, &a)), "symmetry");
    let slack = w2(&a, &b) + w2(&b, &c) - w2(&a, &c);
    assert!(number(&slack.min()) >= -ROUNDING, "triangle inequality");
    assert!(
        number(&w2(&a, &b).min()) > CLEARLY_POSITIVE,
        "distinct laws have a distance"
    );
    assert!(
        number(&a.w2_squared_to(&a).max()).abs() <= 0.0,
        "the distance to itself is zero"
    );
}

#[test]
fn products_add_up() {
    let (m, s) = (tensor(&[0.3, -1.0]), tensor(&[0.5, 0.8]));
    let (n, t) = (tensor(&[-0.3, 0.4]), tensor(&[1.5, 0.7]));
    let product =
        |m: &Tensor, s: &Tensor| Independent::new(Normal::new(m, s).expect(VALID), 1).expect(VALID);
    let vector = |m: &Tensor, s: &Tensor| DiagNormal::new(m.copy(), s.log());
    let (a, b) = (product(&m, &s), product(&n, &t));
    let (u, v) = (vector(&m, &s), vector(&n, &t));
    assert!((number(&a.kl_to(&b)) - number(&u.kl_to(&v))).abs() < ROUNDING);
    assert!((number(&a.w2_squared_to(&b)) - number(&u.w2_squared_to(&v))).abs() < ROUNDING);
}

fn assert_estimates(what: &str, estimate: &Estimate, exact: &Tensor) {
    let excess = (&estimate.value - exact).abs() - &estimate.standard_error * STANDARD_ERRORS;
    assert!(
        number(&excess.max()) <= 0.0,
        "{what}: {estimate:?} against {exact:?}"
    );
    let relative = number(&(&estimate.standard_error / exact.abs()).max());
    assert!(
        relative < 0.1,
        "{what}: the standard error is too large to mean anything"
    );
}

#[test]
fn monte_carlo_agrees_with_closed_forms() {
    let num_samples = 20_000;
    let normal = Normal::new(&tensor(&[0.3, -1.0]), &tensor(&[0.5, 0.8])).expect(VALID);
    let other = Normal::new(&tensor(&[0.9, 0.4]), &tensor(&[1.0, 0.6])).expect(VALID);
    let laplace = Laplace::new(&tensor(&[0.9, 0.4]), &tensor(&[1.0, 0.6])).expect(VALID);
    let uniform = Uniform::new(&tensor(&[0.0, -1.0]), &tensor(&[2.0, 1.5])).expect(VALID);
    let kl = |q: &dyn vaegis_dist::Reparameterize,
              p: &dyn vaegis_dist::Distribution,
              exact: &Tensor,
              name: &str| {
        let pathwise = kl_monte_carlo_pathwise(q, p, &noise(name), num_samples);
        assert_estimates(name, &pathwise, exact);
    };
    kl(&normal, &other, &normal.kl_to(&other), "normal to normal");
    kl(
        &normal,
        &laplace,
        &normal.kl_to(&laplace),
        "normal to laplace",
    );
    kl(
        &laplace,
        &other,
        &laplace.kl_to(&other),
        "laplace to normal",
    );
    kl(
        &uniform,
        &other,
        &uniform.kl_to(&other),
        "uniform to normal",
    );

    let plain = kl_monte_carlo(&normal, &laplace, &noise("plain"), num_samples);
    assert_estimates("plain", &plain, &normal.kl_to(&laplace));
    let p = Categorical::new(&tensor(&[0.1, 2.0, -1.0])).expect(VALID);
    let q = Categorical::new(&tensor(&[1.0, 0.0, 0.5])).expect(VALID);
    let discrete = kl_monte_carlo(&p, &q, &noise("discrete"), num_samples);
    assert_estimates("discrete", &discrete, &p.kl_to(&q));
}

#[test]
fn the_pathwise_estimate_has_the_whole_gradient() {
    let inputs = [tensor(&[0.3]), tensor(&[0.4]), tensor(&[0.9])];
    assert_gradient("kl_monte_carlo_pathwise", &inputs, |p| {
        let q = Normal::from_log_scale(&p[0], &p[1]).expect(VALID);
        let target = Laplace::new(&p[2], &tensor(&[1.0])).expect(VALID);
        kl_monte_carlo_pathwise(&q, &target, &noise("gradient"), 3)
            .value
            .sum(None)
    });
    // The plain estimate holds the samples fixed: its gradient at the optimum is the mean score.
    let loc = tensor(&[0.3]).set_requires_grad(true);
    let q = Normal::new(&loc, &tensor(&[1.0])).expect(VALID);
    let own = kl_monte_carlo_pathwise(&q, &q, &noise("own"), 3)
        .value
        .sum(None);
    let gradient = vaegis_tensor::autograd::gradient(&own, &[&loc]);
    assert!(
        number(&gradient[0].abs().max()) < ROUNDING,
        "KL(q ‖ q) is zero along q"
    );
}

#[test]
fn samples_estimate_w2() {
    // The bias of sorted samples is a few variances over S; half of 10 % is far outside it.
    let tolerance = 0.05;
    let a = Logistic::new(&tensor(&[0.0, 1.0]), &tensor(&[0.5, 1.0])).expect(VALID);
    let b = Logistic::new(&tensor(&[1.0, -1.0]), &tensor(&[1.0, 0.3])).expect(VALID);
    let exact = a.w2_squared_to(&b);
    let found = w2_squared_from_samples(&a, &b, &noise("w2"), 50_000);
    assert!(number(&((found - &exact) / exact).abs().max()) < tolerance);

    // W₂² of coins is the difference of their probabilities.
    let a = Bernoulli::new(&tensor(&[0.3, -2.0])).expect(VALID);
    let b = Bernoulli::new(&tensor(&[-1.0, 1.0])).expect(VALID);
    let exact = a.w2_squared_to(&b);
    let found = w2_squared_from_samples(&a, &b, &noise("coins"), 50_000);
    assert!(number(&((found - &exact) / exact).abs().max()) < tolerance);
}

#[test]
fn energy_distance_matches_unit_normals() {
    // For N(0,1) and N(d,1): 2 E|d + √2 z| − 4/√π, with the folded normal mean.
    let d = 1.5_f64;
    let make = |loc: f64| Normal::new(&tensor(&[loc]), &tensor(&[1.0])).expect(VALID);
    let erf = number(&tensor(&[d / 2.0]).erf().sum(Kind::Double));
    let between = 2.0 / std::f64::consts::PI.sqrt() * (-d * d / 4.0).exp() + d * erf;
    let exact = tensor(&[2.0 * between - 4.0 / std::f64::consts::PI.sqrt()]);
    let (a, b) = (make(0.0), make(d));
    let estimate = energy_distance_monte_carlo(&a, &b, &noise("energy"), 40_000);
    assert_estimates("energy distance", &estimate, &exact);

    let a = diagonal(&[0.0, 1.0], &[1.0, 0.5]);
    let same = energy_distance_monte_carlo(&a, &a, &noise("same"), 20_000);
    let worst = number(&(same.value.abs() - same.standard_error * STANDARD_ERRORS));
    assert!(worst <= 0.0, "equal laws have no distance");
}

#[test]
fn relaxed_laws_compare_by_samples() {
    let logits = tensor(&[0.3, -1.0, 0.5]);
    let q = RelaxedCategorical::new(&logits, 0.7).expect(VALID);
    let p = RelaxedCategorical::new(&logits.flip([0]), 0.7).expect(VALID);
    let to_other = kl_monte_carlo_pathwise(&q, &p, &noise("relaxed"), 20_000);
    let lower = number(&(&to_other.value - &to_other.standard_error * STANDARD_ERRORS));
    assert!(lower > 0.0, "distinct laws have a divergence");
    let to_itself = kl_monte_carlo_pathwise(&q, &q, &noise("relaxed"), 20_000);
    assert!(number(&to_itself.value.abs()) < ROUNDING);
}
