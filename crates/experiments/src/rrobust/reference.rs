//! Numbers from elsewhere that stand beside ours.
//!
//! Neither source has a table of results for this chapter. What is known of the
//! published plots was read off pictures in the first author's blog repository;
//! the rest is an independent reproduction on MNIST (20 epochs, one seed).

/// A published scatter of bound against margin, read off its picture (markers
/// that could be told apart; ± 0.01 in the bound, ± 0.02 in the margin).
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    /// Data set.
    pub(super) set: &'static str,
    /// Printed Pearson correlation.
    pub(super) correlation: f64,
    /// Slope of the fitted line.
    pub(super) slope: f64,
    /// Intercept of the fitted line.
    pub(super) intercept: f64,
    /// Smallest, median and largest ratio of margin to bound where the bound
    /// exceeds 0.05.
    pub(super) ratios: [f64; 3],
    /// Markers below y = x.
    pub(super) below: usize,
}

/// Figure 6.6(a-c) of the thesis.
pub(super) const PUBLISHED: [Published; 3] = [
    Published {
        set: "mnist",
        correlation: 0.840,
        slope: 3.6,
        intercept: 0.0,
        ratios: [1.47, 2.8, 8.0],
        below: 0,
    },
    Published {
        set: "fashion-mnist",
        correlation: 0.831,
        slope: 5.2,
        intercept: 0.0,
        ratios: [1.66, 3.9, 10.6],
        below: 0,
    },
    Published {
        set: "cifar10",
        correlation: 0.879,
        slope: 3.8,
        intercept: 0.17,
        ratios: [1.91, 3.8, 7.7],
        below: 0,
    },
];

/// The paper's scatter of bound against the margin along a random direction,
/// read off in the same way; it ends at a cap near 12.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublishedRandom {
    /// Data set.
    pub(super) set: &'static str,
    /// Printed Pearson correlation.
    pub(super) correlation: f64,
    /// Slope of the fitted line.
    pub(super) slope: f64,
    /// Intercept of the fitted line.
    pub(super) intercept: f64,
    /// Median ratio of margin to bound.
    pub(super) median_ratio: f64,
    /// Markers below y = x.
    pub(super) below: usize,
}

/// Figure 4(a) of the paper.
pub(super) const PUBLISHED_RANDOM: PublishedRandom = PublishedRandom {
    set: "mnist",
    correlation: 0.924,
    slope: 17.0,
    intercept: 0.6,
    median_ratio: 20.0,
    below: 3,
};

/// A published scatter of margin against signed degradation, read off.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublishedDegradation {
    /// Data set.
    pub(super) set: &'static str,
    /// Worst degradation, near a margin of 0.
    pub(super) worst: f64,
    /// Range where the margin exceeds 2.
    pub(super) at_large_margin: (f64, f64),
}

/// Figure 6.6(d-f) of the thesis.
pub(super) const PUBLISHED_DEGRADATION: [PublishedDegradation; 3] = [
    PublishedDegradation {
        set: "mnist",
        worst: -5.9,
        at_large_margin: (-0.5, 0.3),
    },
    PublishedDegradation {
        set: "fashion-mnist",
        worst: -5.1,
        at_large_margin: (-0.8, 0.55),
    },
    PublishedDegradation {
        set: "cifar10",
        worst: -3.8,
        at_large_margin: (-1.0, -0.3),
    },
];

/// The two networks of one panel of figure 6.1: margin R and norm of the attack,
/// as printed in the recovered picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublishedPanel {
    /// Data set.
    pub(super) set: &'static str,
    /// R and ‖δ‖ of the network called non-robust.
    pub(super) weak: (f64, f64),
    /// R and ‖δ‖ of the network called robust.
    pub(super) strong: (f64, f64),
}

/// Figure 6.1 of the thesis.
pub(super) const PUBLISHED_PANELS: [PublishedPanel; 2] = [
    PublishedPanel {
        set: "mnist",
        weak: (0.5, 6.0),
        strong: (7.1, 4.1),
    },
    PublishedPanel {
        set: "fashion-mnist",
        weak: (0.3, 4.2),
        strong: (5.9, 3.9),
    },
];

/// One MNIST network of the independent reproduction (r = 4, 25 images).
#[derive(Clone, Copy, Debug)]
pub(super) struct Reproduced {
    /// β or τ as in the tables.
    pub(super) label: &'static str,
    /// E log p(x|z) in nats.
    pub(super) log_likelihood: f64,
    /// KL in nats.
    pub(super) kl: f64,
    /// ‖x − g(μ)‖.
    pub(super) distortion: f64,
    /// Mean σ.
    pub(super) sigma: f64,
    /// ‖J‖_F.
    pub(super) jacobian: f64,
    /// r_min at m = ½.
    pub(super) r_min: f64,
    /// B_F at p₀ = 0.9.
    pub(super) fixed_bound: f64,
    /// B_F.
    pub(super) bound: f64,
    /// Adversarial margin.
    pub(super) margin: f64,
    /// Adversarial margin at r = 2, where it is known.
    pub(super) margin_at_2: Option<f64>,
    /// Margin along a random direction (cap 12).
    pub(super) random_margin: f64,
    /// Damage at norm 10 of attacks on μ, on σ, and on both.
    pub(super) damage: [f64; 3],
}

/// The seven networks.
pub(super) const REPRODUCED: [Reproduced; 7] = [
    row(
        "β = 0.1",
        [-67.9, 53.2, 2.36, 0.090, 13.8],
        [0.583, 0.0054, 0.0155, 0.545],
        Some(0.236),
        8.3,
        [15.7, 10.0, 15.6],
    ),
    row(
        "β = 1",
        [-84.5, 19.4, 3.02, 0.544, 7.7],
        [1.322, 0.0158, 0.0455, 0.638],
        Some(0.210),
        11.5,
        [14.8, 9.5, 14.7],
    ),
    row(
        "β = 5",
        [-119.9, 7.0, 4.31, 0.802, 2.75],
        [1.757, 0.0853, 0.195, 0.789],
        Some(0.129),
        12.0,
        [12.4, 8.8, 12.4],
    ),
    row(
        "β = 10",
        [-153.7, 3.0, 5.34, 0.905, 1.50],
        [1.938, 0.225, 0.347, 0.992],
        Some(0.067),
        12.0,
        [11.8, 5.4, 11.8],
    ),
    row(
        "τ = 0.1",
        [-86.3, 18.7, 3.13, 0.570, 7.0],
        [1.273, 0.0202, 0.0571, 0.634],
        None,
        11.6,
        [14.5, 10.9, 14.5],
    ),
    row(
        "τ = 0.5",
        [-93.9, 18.7, 3.09, 0.652, 8.8],
        [1.973, 0.0754, 0.174, 0.769],
        Some(0.046),
        12.0,
        [13.7, 7.7, 13.7],
    ),
    row(
        "τ = 1",
        [-109.6, 22.7, 3.48, 1.001, 8.9],
        [2.399, 0.146, 0.211, 0.893],
        Some(0.025),
        12.0,
        [12.9, 2.5, 12.9],
    ),
];

const fn row(
    label: &'static str,
    [log_likelihood, kl, distortion, sigma, jacobian]: [f64; 5],
    [r_min, fixed_bound, bound, margin]: [f64; 4],
    margin_at_2: Option<f64>,
    random_margin: f64,
    damage: [f64; 3],
) -> Reproduced {
    Reproduced {
        label,
        log_likelihood,
        kl,
        distortion,
        sigma,
        jacobian,
        r_min,
        fixed_bound,
        bound,
        margin,
        margin_at_2,
        random_margin,
        damage,
    }
}
