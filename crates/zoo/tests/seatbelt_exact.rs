//! SB-13: a two-layer model in which everything is Gaussian and linear, so that evidence, bound
//! and the sources' closed form can be computed by hand.

use approx::assert_relative_eq;
use std::f64::consts::PI;
use vaegis_core::SeedTree;
use vaegis_nn::{LatentModel, LatentPath, LikelihoodKind, Mode, Objective};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, no_grad};
use vaegis_zoo::{KlLower, NetworkConfig, Pixels, Seatbelt, SeatbeltConfig};

/// Draws of a Monte Carlo estimate, in batches.
const DRAWS: i64 = 1_000_000;
const BATCH: i64 = 100_000;
/// Standard errors that an estimate may be off: six false alarms in a thousand runs at two sides,
/// and the seed is fixed.
const ERRORS: f64 = 3.0;
/// Factor of one hidden layer of a conditional whose two units carry h and −h: the leaky rectifiers
/// of both add up to 1.01 |h| with the sign of h, after the running variance 1 and its floor.
const LAYER_GAIN: f64 = 1.01;

/// p(z²) = N(0, 1), p(z¹|z²) = N(z²/2, 1), p(x|z) = N(z¹ + z², 0.3²).
const ABOVE: f64 = 0.5;
const NOISE: f64 = 0.3;
const X: f64 = 1.0;
/// The values that the specification states.
const STATED_EVIDENCE: f64 = -1.671_624_5;
const STATED_ANALYTIC: f64 = -1.528_660_5;
const STATED_DIGITS: f64 = 1e-7;

/// q(z¹|x) = N(m, s²), q(z²|z¹, x) = N(a z¹ + b, t²) at one x.
#[derive(Clone, Copy, Debug)]
struct Inference {
    m: f64,
    s: f64,
    a: f64,
    b: f64,
    t: f64,
}

impl Inference {
    /// The exact posterior, from the precision of (z¹, z²) given x.
    fn exact() -> Self {
        let likelihood = 1.0 / (NOISE * NOISE);
        let (p11, p12, p22) = (
            1.0 + likelihood,
            likelihood - ABOVE,
            1.0 + ABOVE * ABOVE + likelihood,
        );
        let pull = X * likelihood;
        let determinant = p11 * p22 - p12 * p12;
        Self {
            m: pull * (p22 - p12) / determinant,
            s: (p22 / determinant).sqrt(),
            a: -p12 / p22,
            b: pull / p22,
            t: p22.sqrt().recip(),
        }
    }

    /// E (u z¹ + v z² + w)² under q.
    fn square(&self, u: f64, v: f64, w: f64) -> f64 {
        let (slope, offset) = (u + v * self.a, v * self.b + w);
        let mean = slope * self.m + offset;
        mean * mean + (slope * self.s).powi(2) + (v * self.t).powi(2)
    }

    fn expected_log_likelihood(&self) -> f64 {
        -self.square(1.0, 1.0, -X) / (2.0 * NOISE * NOISE) - NOISE.ln() - 0.5 * (2.0 * PI).ln()
    }

    /// The bound in closed form.
    fn elbo(&self) -> f64 {
        let priors = -0.5 * (self.square(0.0, 1.0, 0.0) + self.square(1.0, -ABOVE, 0.0));
        let entropy = self.s.ln() + self.t.ln() + 1.0; // the 2π of both sides cancel
        self.expected_log_likelihood() + priors + entropy
    }

    /// What the sources' closed form of the lower divergence gives in the bound's place.
    fn analytic(&self) -> f64 {
        let shift = self.m - ABOVE * (self.a * self.m + self.b);
        let gap = shift * shift + ABOVE * ABOVE * ((self.a * self.s).powi(2) + self.t.powi(2));
        let lower = 0.5 * (self.s * self.s + gap - 1.0) - self.s.ln();
        let top = 0.5 * (self.square(0.0, 1.0, 0.0) - 1.0) - self.t.ln();
        self.expected_log_likelihood() - lower - top
    }

    /// The model with exactly these conditionals in evaluation mode.
    fn model(&self) -> Seatbelt {
        let config = SeatbeltConfig {
            input: [1, 1, 1],
            layers: 2,
            z_sizes: vec![1, 1],
            h_sizes: vec![2],
            pixels: Pixels::custom((-10.0, 10.0), LikelihoodKind::Gaussian { sigma: NOISE }),
            network: NetworkConfig::mlp(&[]),
            ..SeatbeltConfig::default()
        };
        let noise = Noise::portable(SeedTree::new(1));
        let store = ParamStore::new(Kind::Double, Device::Cpu, noise);
        let model = Seatbelt::new(&config, &store).expect("valid");
        let floor = (1.0_f64 + 1e-5).sqrt();
        let slope = |wanted: f64| wanted * (floor / LAYER_GAIN).powi(2);
        let mut values: Vec<(String, Tensor)> = Objective::params(&model)
            .named_tensors()
            .into_iter()
            .map(|(name, tensor)| (name, tensor.copy()))
            .collect();
        let mut set = |name: &str, numbers: &[f64]| {
            let found = values.iter_mut().find(|(n, _)| n == name);
            let entry = found.expect("parameter");
            let shape = entry.1.size();
            entry.1 = Tensor::from_slice(numbers).reshape(shape);
        };
        set("mu.weight", &[0.0]);
        set("mu.bias", &[self.m]);
        set("log_sigma.weight", &[0.0]);
        set("log_sigma.bias", &[self.s.ln()]);
        set("decoder.0.weight", &[1.0, 1.0]);
        set("decoder.0.bias", &[0.0]);
        for (path, inputs, mean, offset, log_sigma) in [
            ("inference.0", 2, slope(self.a), self.b, self.t.ln()),
            ("generative.0", 1, slope(ABOVE), 0.0, 0.0),
        ] {
            let first: &[f64] = if inputs == 2 {
                &[1.0, 0.0, -1.0, 0.0] // the pixel plays no part at one x
            } else {
                &[1.0, -1.0]
            };
            set(&format!("{path}.net.0.weight"), first);
            set(&format!("{path}.net.0.bias"), &[0.0, 0.0]);
            // The difference of the two units comes first, so that the sum stays linear.
            set(&format!("{path}.net.3.weight"), &[1.0, -1.0, -1.0, 1.0]);
            set(&format!("{path}.net.3.bias"), &[0.0, 0.0]);
            set(&format!("{path}.mu.weight"), &[mean, -mean]);
            set(&format!("{path}.mu.bias"), &[offset]);
            set(&format!("{path}.log_sigma.weight"), &[0.0, 0.0]);
            set(&format!("{path}.log_sigma.bias"), &[log_sigma]);
        }
        Objective::params(&model).copy_from(&values).expect("fits");
        model
    }

    /// Mean and standard error of log p(x|z) minus the sum of the divergences in this form.
    fn estimate(
        &self,
        divergences: impl Fn(&Seatbelt, &vaegis_nn::Posterior) -> Vec<Tensor>,
    ) -> (f64, f64) {
        let model = self.model();
        let x = Tensor::full([BATCH, 1, 1, 1], X, (Kind::Double, Device::Cpu));
        let noise = Noise::portable(SeedTree::new(3));
        let (mut sum, mut squares) = (0.0, 0.0);
        no_grad(|| {
            for batch in 0..(DRAWS / BATCH) as u64 {
                let draw = |layer: u64| {
                    let node = noise.index(batch).index(layer);
                    node.standard_normal(&[BATCH, 1], Kind::Double, Device::Cpu)
                };
                let eps = [draw(0), draw(1)];
                let posterior = model.posterior(&x, LatentPath::Noise(&eps), Mode::Eval);
                let log_prob = model.decode(&posterior.z, Mode::Eval).log_prob(&x);
                let terms = divergences(&model, &posterior);
                let value = terms.iter().fold(log_prob, |sum, k| sum - k);
                sum += value.sum(None).double_value(&[]);
                squares += value.square().sum(None).double_value(&[]);
            }
        });
        let n = DRAWS as f64;
        let mean = sum / n;
        (mean, ((squares / n - mean * mean).max(0.0) / n).sqrt())
    }
}

fn evidence() -> f64 {
    let variance = (1.0 + ABOVE).powi(2) + 1.0 + NOISE * NOISE;
    -0.5 * ((2.0 * PI * variance).ln() + X * X / variance)
}

#[test]
fn sb13_the_bound_of_the_exact_posterior_is_the_evidence() {
    let exact = Inference::exact();
    for (found, stated) in [
        (exact.m, 0.523_952),
        (exact.s, 0.577_134),
        (exact.a, -0.858_427),
        (exact.b, 0.898_876),
        (exact.t, 0.284_427),
    ] {
        assert_relative_eq!(found, stated, epsilon = 1e-6, max_relative = 1e-6);
    }
    assert!((evidence() - STATED_EVIDENCE).abs() < STATED_DIGITS);
    assert_relative_eq!(exact.elbo(), evidence(), max_relative = 1e-12);
    // With log-ratios in all layers every single draw gives the evidence.
    let (mean, error) =
        exact.estimate(|model, posterior| model.log_ratio_terms(posterior, Mode::Eval));
    assert_relative_eq!(mean, evidence(), max_relative = 1e-9);
    assert!(error < 1e-6, "the log-ratio varies by {error:e}");
    let (mean, error) = exact.estimate(|model, posterior| model.kl_terms(posterior, Mode::Eval));
    assert!(
        (mean - evidence()).abs() < ERRORS * error,
        "{mean} ± {error}"
    );
}

#[test]
fn sb13_other_posteriors_stay_below_the_evidence_and_meet_their_closed_form() {
    let exact = Inference::exact();
    for (m, s, a, t) in [
        (0.3, 0.8, -0.4, 0.5),
        (-0.2, 0.3, 0.6, 0.284),
        (0.52, 0.58, -0.86, 0.9),
    ] {
        let q = Inference {
            m,
            s,
            a,
            t,
            ..exact
        };
        assert!(q.elbo() < evidence());
        let (mean, error) = q.estimate(|model, posterior| model.kl_terms(posterior, Mode::Eval));
        assert!(
            (mean - q.elbo()).abs() < ERRORS * error,
            "{mean} ± {error}, {}",
            q.elbo()
        );
    }
}

#[test]
fn sb13_the_analytic_form_lies_above_the_evidence() {
    let exact = Inference::exact();
    assert!((exact.analytic() - STATED_ANALYTIC).abs() < STATED_DIGITS);
    assert!(exact.analytic() > evidence());
    let (mean, error) = exact
        .estimate(|model, posterior| model.divergences(posterior, KlLower::Analytic, Mode::Eval));
    assert!(
        (mean - exact.analytic()).abs() < ERRORS * error,
        "{mean} ± {error}"
    );
}
