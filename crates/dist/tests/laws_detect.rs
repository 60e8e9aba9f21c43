//! The laws reject laws that are a little wrong: a check that nothing fails
//! shows nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use vaegis_core::SeedTree;
use vaegis_dist::laws::{
    Case, Chart, Support, check_batching, check_cdf, check_log_prob_gradient, check_moments,
    check_normalization, check_reference, check_sample_gradient, check_samples, check_shapes,
    check_single_precision,
};
use vaegis_dist::{BaseNoise, Cdf, Distribution, Entropy, Mean, Normal, Reparameterize, Variance};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// A standard-scale Gaussian with one defect.
struct Flawed {
    exact: Normal,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    /// None: every check must pass.
    None,
    /// log_prob off by 10⁻⁶.
    Constant,
    /// Samples 6 % too wide.
    Width,
    /// log_prob cut from the graph of the parameters.
    Detached,
    /// A sample whose gradient lacks the scale.
    SampleGradient,
    /// log_prob of a law mixes in the other laws of the batch.
    Leaks,
    /// The distribution function of a scale 10⁻⁶ too large.
    Cdf,
    /// A mean off by 10⁻⁶.
    Mean,
    /// A variance off by 10⁻⁶.
    Variance,
    /// An entropy off by 10⁻⁶.
    Entropy,
    /// log_prob through a single-precision cancellation.
    Cancels,
    /// A sample that keeps its gradient.
    Attached,
}

impl Distribution for Flawed {
    fn batch_shape(&self) -> Vec<i64> {
        self.exact.batch_shape()
    }

    fn event_shape(&self) -> Vec<i64> {
        Vec::new()
    }

    fn log_prob(&self, value: &Tensor) -> Tensor {
        let exact = self.exact.log_prob(value);
        match self.flaw {
            Flaw::Constant => exact + 1e-6,
            Flaw::Detached => self.exact.loc() * 0.0 + self.exact.scale() * 0.0 + exact.detach(),
            Flaw::Leaks => exact + self.exact.loc().mean(None) * 1e-6,
            Flaw::Cancels => (exact + 1e5) - 1e5,
            _ => exact,
        }
    }

    fn sample(&self, noise: &Noise, sample_shape: &[i64]) -> Tensor {
        let sample = self.rsample(noise, sample_shape);
        if self.flaw == Flaw::Attached {
            return sample.detach().set_requires_grad(true);
        }
        sample.detach()
    }

    fn options(&self) -> (Kind, Device) {
        self.exact.options()
    }
}

impl Reparameterize for Flawed {
    fn base_noise(&self) -> BaseNoise {
        BaseNoise::StandardNormal
    }

    fn noise_shape(&self, sample_shape: &[i64]) -> Vec<i64> {
        self.exact.noise_shape(sample_shape)
    }

    fn from_noise(&self, eps: &Tensor) -> Tensor {
        match self.flaw {
            Flaw::Width => self.exact.from_noise(&(eps * 1.06)),
            Flaw::SampleGradient => {
                self.exact.loc() + self.exact.scale() * 0.0 + self.exact.scale().detach() * eps
            }
            _ => self.exact.from_noise(eps),
        }
    }
}

impl Mean for Flawed {
    fn mean(&self) -> Tensor {
        self.exact.mean() + if self.flaw == Flaw::Mean { 1e-6 } else { 0.0 }
    }
}

impl Variance for Flawed {
    fn variance(&self) -> Tensor {
        self.exact.variance()
            + if self.flaw == Flaw::Variance {
                1e-6
            } else {
                0.0
            }
    }
}

impl Entropy for Flawed {
    fn entropy(&self) -> Tensor {
        self.exact.entropy()
            + if self.flaw == Flaw::Entropy {
                1e-6
            } else {
                0.0
            }
    }
}

impl Cdf for Flawed {
    fn cdf(&self, value: &Tensor) -> Tensor {
        self.exact.cdf(
            &(value
                * if self.flaw == Flaw::Cdf {
                    1.000_001
                } else {
                    1.0
                }),
        )
    }
}

fn case(flaw: Flaw) -> Case<Flawed> {
    let parameters = vec![
        Tensor::from_slice(&[0.3, -1.0]),
        Tensor::from_slice(&[1.0, 0.8]),
    ];
    let edges = Chart::equal_panels(-10.0, 10.0, 50);
    Case::new(
        "flawed",
        parameters,
        move |p| {
            let exact = Normal::new(&p[0], &p[1]).expect("valid parameters");
            Flawed { exact, flaw }
        },
        Support::Chart(Chart::line(edges)),
        |p, x| {
            let (mu, sigma) = (p[0][0], p[1][0]);
            let norm = sigma * (2.0 * std::f64::consts::PI).sqrt();
            -0.5 * ((x[0] - mu) / sigma).powi(2) - norm.ln()
        },
    )
    .with_mean()
    .with_variance()
    .with_entropy()
    .with_cdf()
    .with_pathwise()
}

fn passes(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_ok()
}

/// Names of the checks that reject the flaw.
fn rejections(flaw: Flaw) -> Vec<&'static str> {
    let case = case(flaw);
    let seed = SeedTree::new(99);
    let outcomes = [
        ("shapes", passes(|| check_shapes(&case, &seed))),
        ("reference", passes(|| check_reference(&case, &seed))),
        ("normalization", passes(|| check_normalization(&case))),
        ("cdf", passes(|| check_cdf(&case))),
        ("moments", passes(|| check_moments(&case, &seed))),
        ("samples", passes(|| check_samples(&case, &seed))),
        (
            "log_prob gradient",
            passes(|| check_log_prob_gradient(&case, &seed)),
        ),
        (
            "sample gradient",
            passes(|| check_sample_gradient(&case, &seed)),
        ),
        ("batching", passes(|| check_batching(&case, &seed))),
        (
            "single precision",
            passes(|| check_single_precision(&case, &seed)),
        ),
    ];
    outcomes
        .into_iter()
        .filter(|(_, passed)| !passed)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn each_check_rejects_its_flaw() {
    assert_eq!(rejections(Flaw::None), Vec::<&str>::new());
    for (flaw, check) in [
        (Flaw::Constant, "reference"),
        (Flaw::Constant, "normalization"),
        (Flaw::Width, "samples"),
        (Flaw::Detached, "log_prob gradient"),
        (Flaw::SampleGradient, "sample gradient"),
        (Flaw::Leaks, "batching"),
        (Flaw::Cdf, "cdf"),
        (Flaw::Mean, "moments"),
        (Flaw::Variance, "moments"),
        (Flaw::Entropy, "moments"),
        (Flaw::Cancels, "single precision"),
        (Flaw::Attached, "shapes"),
    ] {
        let found = rejections(flaw);
        assert!(
            found.contains(&check),
            "{flaw:?} is rejected by {found:?}, not by {check}"
        );
    }
}
