//! Every law of `vaegis_dist::laws` for every distribution, on small batches
//! whose rows differ in their parameters.

use std::f64::consts::PI;
use vaegis_dist::laws::{Case, Chart, Support, check_distribution};
use vaegis_dist::{
    Bernoulli, Categorical, ContinuousBernoulli, DiagNormal, DiscretizedLogistic, Independent,
    Laplace, Levels, Logistic, Mixture, Normal, RelaxedCategorical, StraightThrough, Uniform,
};
use vaegis_tensor::{Kind, Tensor};

/// The constructors here get parameters that are valid by construction.
const VALID: &str = "the parameters of a test case are valid";

fn tensor(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

fn rows(values: &[f64], columns: i64) -> Tensor {
    tensor(values).reshape([-1, columns])
}

/// Even panels with the kinks of all laws of the batch as further edges.
fn line(low: f64, high: f64, panels: u32, kinks: &[f64]) -> Support {
    let mut edges = Chart::equal_panels(low, high, panels);
    edges.extend_from_slice(kinks);
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    Support::Chart(Chart::line(edges))
}

fn normal_density(x: f64, mu: f64, sigma: f64) -> f64 {
    -0.5 * ((x - mu) / sigma).powi(2) - (sigma * (2.0 * PI).sqrt()).ln()
}

fn logistic_cdf(x: f64, mu: f64, s: f64) -> f64 {
    1.0 / (1.0 + (-(x - mu) / s).exp())
}

/// The first two coordinates of an event over the line are the event itself.
fn squeeze_vector() -> Support {
    let edges = Chart::equal_panels(-12.0, 12.0, 60);
    Support::Chart(Chart {
        edges: vec![edges],
        embed: |x| (x.shallow_clone(), x.zeros_like().squeeze_dim(-1)),
        project: Tensor::shallow_clone,
    })
}

#[test]
fn normal() {
    let parameters = vec![tensor(&[0.3, -1.0, 2.0]), tensor(&[1.0, 0.5, 1.3])];
    check_distribution(
        &Case::new(
            "Normal",
            parameters,
            |p| Normal::new(&p[0], &p[1]).expect(VALID),
            line(-9.0, 12.0, 60, &[]),
            |p, x| normal_density(x[0], p[0][0], p[1][0]),
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_quantile()
        .with_cdf()
        .with_pathwise(),
    );
}

#[test]
fn diag_normal_on_the_line() {
    let parameters = vec![rows(&[0.3, -1.0], 1), rows(&[0.2, -0.7], 1)];
    check_distribution(
        &Case::new(
            "DiagNormal over one coordinate",
            parameters,
            |p| DiagNormal::try_new(p[0].shallow_clone(), p[1].shallow_clone()).expect(VALID),
            squeeze_vector(),
            |p, x| normal_density(x[0], p[0][0], p[1][0].exp()),
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_pathwise(),
    );
}

#[test]
fn diag_normal_in_the_plane() {
    let parameters = vec![
        rows(&[0.3, -1.0, 0.5, 0.1], 2),
        rows(&[0.2, -0.7, 0.0, 0.4], 2),
    ];
    let edges = || Chart::equal_panels(-10.0, 10.0, 30);
    check_distribution(
        &Case::new(
            "DiagNormal over two coordinates",
            parameters,
            |p| DiagNormal::try_new(p[0].shallow_clone(), p[1].shallow_clone()).expect(VALID),
            Support::Chart(Chart::plane(edges(), edges())),
            |p, x| {
                (0..2)
                    .map(|j| normal_density(x[j], p[0][j], p[1][j].exp()))
                    .sum()
            },
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_pathwise(),
    );
}

#[test]
fn bernoulli() {
    check_distribution(
        &Case::new(
            "Bernoulli",
            vec![tensor(&[-2.0, 0.0, 1.5])],
            |p| Bernoulli::new(&p[0]).expect(VALID),
            Support::Atoms(tensor(&[0.0, 1.0])),
            |p, x| {
                let one = 1.0 / (1.0 + (-p[0][0]).exp());
                if x[0] > 0.5 {
                    one.ln()
                } else {
                    (1.0 - one).ln()
                }
            },
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_cdf(),
    );
}

#[test]
fn continuous_bernoulli() {
    // Rows inside the series, at its border on both sides, and far out.
    let logits = [-30.0, -3.0, -0.4999, -0.5001, 0.0, 1e-3, 0.3, 0.7, 12.0];
    check_distribution(
        &Case::new(
            "ContinuousBernoulli",
            vec![tensor(&logits)],
            |p| ContinuousBernoulli::new(&p[0]).expect(VALID),
            line(0.0, 1.0, 40, &[]),
            |p, x| {
                let l = p[0][0];
                let log_integral = if l == 0.0 { 0.0 } else { (l.exp_m1() / l).ln() };
                l * x[0] - log_integral
            },
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_cdf()
        .with_quantile()
        .with_pathwise(),
    );
}

#[test]
fn categorical() {
    check_distribution(
        &Case::new(
            "Categorical",
            vec![rows(&[0.1, -1.0, 2.0, 0.5, 0.0, 0.0, 0.0, -3.0], 4)],
            |p| Categorical::new(&p[0]).expect(VALID),
            Support::Atoms(Tensor::arange(4, (Kind::Int64, vaegis_tensor::Device::Cpu))),
            |p, x| {
                let total: f64 = p[0].iter().map(|l| l.exp()).sum();
                // The event is a small whole number.
                p[0][x[0] as usize] - total.ln()
            },
        )
        .with_entropy(),
    );
}

#[test]
fn relaxed_categorical() {
    // The coordinates are log ratios, whose scale is one over the temperature.
    let edges = || Chart::equal_panels(-60.0, 60.0, 80);
    let parameters = vec![rows(&[0.1, -1.0, 0.5, 0.0, 0.7, -0.3], 3)];
    check_distribution(
        &Case::new(
            "RelaxedCategorical",
            parameters,
            |p| RelaxedCategorical::new(&p[0], 0.8).expect(VALID),
            Support::Chart(Chart::simplex(edges(), edges())),
            |p, y| {
                // Maddison et al. 2017, Definition 1, with K = 3 and τ = 0.8.
                let tau = 0.8_f64;
                let total: f64 = p[0].iter().map(|l| l.exp()).sum();
                let alpha: Vec<f64> = p[0].iter().map(|l| l.exp() / total).collect();
                let norm: f64 = alpha.iter().zip(y).map(|(a, y)| a * y.powf(-tau)).sum();
                let product: f64 = alpha
                    .iter()
                    .zip(y)
                    .map(|(a, y)| a * y.powf(-tau - 1.0) / norm)
                    .product();
                (2.0 * tau * tau * product).ln()
            },
        )
        .with_pathwise(),
    );
}

#[test]
fn straight_through() {
    check_distribution(
        &Case::new(
            "StraightThrough",
            vec![rows(&[0.1, -1.0, 0.5, 0.0, 0.7, -0.3], 3)],
            |p| StraightThrough::from_logits(&p[0], 0.5).expect(VALID),
            Support::Atoms(Tensor::eye(3, (Kind::Double, vaegis_tensor::Device::Cpu))),
            |p, x| {
                let total: f64 = p[0].iter().map(|l| l.exp()).sum();
                p[0].iter().zip(x).map(|(l, x)| x * (l - total.ln())).sum()
            },
        )
        .with_mean()
        .with_entropy()
        .with_noise_map(),
    );
}

#[test]
fn laplace() {
    let loc = [0.3, -1.0, 0.0];
    check_distribution(
        &Case::new(
            "Laplace",
            vec![tensor(&loc), tensor(&[1.0, 0.5, 0.8])],
            |p| Laplace::new(&p[0], &p[1]).expect(VALID),
            line(-30.0, 30.0, 150, &loc),
            |p, x| ((-(x[0] - p[0][0]).abs() / p[1][0]).exp() / (2.0 * p[1][0])).ln(),
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_cdf()
        .with_quantile()
        .with_pathwise(),
    );
}

#[test]
fn logistic() {
    check_distribution(
        &Case::new(
            "Logistic",
            vec![tensor(&[0.3, -1.0]), tensor(&[1.0, 0.4])],
            |p| Logistic::new(&p[0], &p[1]).expect(VALID),
            line(-45.0, 45.0, 150, &[]),
            |p, x| {
                let z = (x[0] - p[0][0]) / p[1][0];
                ((-z).exp() / (p[1][0] * (1.0 + (-z).exp()).powi(2))).ln()
            },
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_cdf()
        .with_quantile()
        .with_pathwise(),
    );
}

#[test]
fn discretized_logistic() {
    // A law in the middle, one that spills over the top and one narrower than a level.
    let grey: Vec<f64> = (0..256).map(|k| f64::from(k) / 255.0).collect();
    check_distribution(
        &Case::new(
            "DiscretizedLogistic on grey levels",
            vec![tensor(&[0.5, 0.97, 0.2]), tensor(&[-3.0, -2.0, -6.5])],
            |p| DiscretizedLogistic::grey(&p[0], &p[1]).expect(VALID),
            Support::Atoms(tensor(&grey)),
            |p, x| {
                let (mu, s, half) = (p[0][0], p[1][0].exp(), 0.5 / 255.0);
                let upper = if x[0] > 1.0 - half {
                    1.0
                } else {
                    logistic_cdf(x[0] + half, mu, s)
                };
                let lower = if x[0] < half {
                    0.0
                } else {
                    logistic_cdf(x[0] - half, mu, s)
                };
                (upper - lower).ln()
            },
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_cdf(),
    );
}

#[test]
fn discretized_logistic_on_few_levels() {
    let levels = Levels {
        count: 5,
        low: -1.0,
        high: 1.0,
    };
    check_distribution(
        &Case::new(
            "DiscretizedLogistic on five levels",
            vec![tensor(&[0.1, -2.0]), tensor(&[0.3, 0.8])],
            move |p| {
                let logistic = Logistic::new(&p[0], &p[1]).expect(VALID);
                DiscretizedLogistic::new(logistic, levels).expect(VALID)
            },
            Support::Atoms(tensor(&[-1.0, -0.5, 0.0, 0.5, 1.0])),
            |p, x| {
                let cdf = |x: f64| logistic_cdf(x, p[0][0], p[1][0]);
                let upper = if x[0] > 0.75 { 1.0 } else { cdf(x[0] + 0.25) };
                let lower = if x[0] < -0.75 { 0.0 } else { cdf(x[0] - 0.25) };
                (upper - lower).ln()
            },
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_cdf(),
    );
}

#[test]
fn uniform() {
    check_distribution(
        &Case::new(
            "Uniform",
            vec![tensor(&[-1.0, 0.5]), tensor(&[2.0, 0.75])],
            |p| Uniform::new(&p[0], &p[1]).expect(VALID),
            line(-1.5, 2.5, 16, &[-1.0, 2.0, 0.5, 0.75]),
            |p, _| -(p[1][0] - p[0][0]).ln(),
        )
        .flat()
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_cdf()
        .with_quantile()
        .with_pathwise(),
    );
}

#[test]
fn independent() {
    let kinks: Vec<f64> = vec![0.3, -1.0, 0.5, 0.1];
    let edges = || {
        let mut edges = Chart::equal_panels(-16.0, 16.0, 50);
        edges.extend_from_slice(&kinks);
        edges.sort_by(f64::total_cmp);
        edges
    };
    check_distribution(
        &Case::new(
            "Independent Laplace",
            vec![
                rows(&[0.3, -1.0, 0.5, 0.1], 2),
                rows(&[0.6, 0.5, 0.4, 0.7], 2),
            ],
            |p| Independent::new(Laplace::new(&p[0], &p[1]).expect(VALID), 1).expect(VALID),
            Support::Chart(Chart::plane(edges(), edges())),
            |p, x| {
                let part = |j: usize| (x[j] - p[0][j]).abs() / p[1][j] + (2.0 * p[1][j]).ln();
                -(part(0) + part(1))
            },
        )
        .with_mean()
        .with_variance()
        .with_entropy()
        .with_pathwise(),
    );
}

#[test]
fn mixture_of_normals() {
    let parameters = vec![
        rows(&[0.1, -1.0, 0.5, 0.0, 0.7, -0.3], 3),
        rows(&[-2.0, 0.0, 3.0, 1.0, 1.5, -4.0], 3),
        rows(&[0.5, 1.0, 0.3, 0.4, 1.0, 0.7], 3),
    ];
    check_distribution(
        &Case::new(
            "Mixture of Normal",
            parameters,
            |p| {
                let components = Normal::new(&p[1], &p[2]).expect(VALID);
                Mixture::new(Categorical::new(&p[0]).expect(VALID), components).expect(VALID)
            },
            line(-12.0, 12.0, 120, &[]),
            |p, x| {
                let total: f64 = p[0].iter().map(|l| l.exp()).sum();
                let density: f64 = (0..3)
                    .map(|k| p[0][k].exp() / total * normal_density(x[0], p[1][k], p[2][k]).exp())
                    .sum();
                density.ln()
            },
        )
        .with_mean()
        .with_variance()
        .with_cdf(),
    );
}

#[test]
fn mixture_of_vectors() {
    let parameters = vec![
        rows(&[0.1, -1.0, 0.5, 0.0], 2),
        rows(&[-2.0, 0.0, 1.0, 1.0, 1.5, -1.0, 0.0, 0.3], 4).reshape([2, 2, 2]),
        rows(&[-0.5, 0.0, 0.3, 0.1, -0.2, 0.0, 0.2, -0.1], 4).reshape([2, 2, 2]),
    ];
    let edges = || Chart::equal_panels(-12.0, 12.0, 40);
    check_distribution(
        &Case::new(
            "Mixture of DiagNormal",
            parameters,
            |p| {
                let components = DiagNormal::new(p[1].shallow_clone(), p[2].shallow_clone());
                Mixture::new(Categorical::new(&p[0]).expect(VALID), components).expect(VALID)
            },
            Support::Chart(Chart::plane(edges(), edges())),
            |p, x| {
                let total: f64 = p[0].iter().map(|l| l.exp()).sum();
                let density = |k: usize| {
                    let part =
                        |j: usize| normal_density(x[j], p[1][2 * k + j], p[2][2 * k + j].exp());
                    p[0][k].exp() / total * (part(0) + part(1)).exp()
                };
                (density(0) + density(1)).ln()
            },
        )
        .with_mean()
        .with_variance(),
    );
}
