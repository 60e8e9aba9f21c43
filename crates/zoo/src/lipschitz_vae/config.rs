//! The choices that make a Lipschitz VAE, and which of them are impossible.

use serde::{Deserialize, Serialize};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_nn::LikelihoodKind;
use vaegis_nn::lipschitz::{Bjorck, mean_lipschitz};

/// Largest accepted size of a layer; the orthonormalization costs its cube.
const MAX_UNITS: i64 = 1 << 14;
/// Largest accepted number of hidden layers in one network.
const MAX_DEPTH: usize = 64;

/// Distance that the projection of σ keeps from the radius at which the
/// first-moment margin becomes trivial.
pub const SIGMA_MARGIN: f64 = 1e-4;

/// Configuration of a [`LipschitzVae`](super::LipschitzVae). The default is the
/// published net for 28 × 28 grey images: 784-512-512-10 and back, continuous
/// Bernoulli, constant 8 everywhere, σ = 0.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct LipschitzVaeConfig {
    /// Channels, height and width of an image.
    pub input: [i64; 3],
    /// Lowest and highest valid pixel value.
    pub bounds: (f64, f64),
    /// Number of latents.
    pub latent: i64,
    /// Units of the encoder's hidden layers; the decoder has them backwards.
    pub hidden: Vec<i64>,
    /// Weight of the KL term.
    pub beta: f64,
    /// Lipschitz constant of μ.
    pub encoder_lipschitz: f64,
    /// Lipschitz constant of the decoder before the likelihood's mean function.
    pub decoder_lipschitz: f64,
    /// The encoder's standard deviation.
    pub sigma: SigmaConfig,
    /// Neighbors sorted together by the activation.
    pub group: i64,
    /// The iteration that makes layers orthonormal.
    pub bjorck: Bjorck,
    /// p(x | z).
    pub likelihood: LikelihoodKind,
}

/// How σ(x) is made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum SigmaConfig {
    /// σ = γ for every input and latent: the margin is then global.
    Constant {
        /// γ.
        gamma: f64,
    },
    /// A network of its own with a sigmoid at its end, projected onto the ball in
    /// which the first-moment margin at `r` is not trivial.
    Network {
        /// Lipschitz constant before the sigmoid.
        lipschitz: f64,
        /// Radius in reconstruction space for which the ball is made.
        r: f64,
    },
}

impl Default for LipschitzVaeConfig {
    fn default() -> Self {
        Self {
            input: [1, 28, 28],
            bounds: (0.0, 1.0),
            latent: 10,
            hidden: vec![512, 512],
            beta: 1.0,
            encoder_lipschitz: 8.0,
            decoder_lipschitz: 8.0,
            sigma: SigmaConfig::Constant { gamma: 0.1 },
            group: 2,
            bjorck: Bjorck::default(),
            likelihood: LikelihoodKind::ContinuousBernoulli,
        }
    }
}

impl LipschitzVaeConfig {
    /// Pixels times channels of one image.
    pub fn num_pixels(&self) -> i64 {
        self.input.iter().product()
    }

    /// Nominal Lipschitz constant a of z ↦ E[x | z].
    pub fn reconstruction_lipschitz(&self) -> f64 {
        self.decoder_lipschitz * mean_lipschitz(self.likelihood)
    }

    /// Radius of the ball in which ‖σ(x)‖ is kept; none where σ is constant.
    ///
    /// # Formula
    /// ```text
    /// r / (√8 a) − 10⁻⁴
    /// ```
    pub fn sigma_radius(&self) -> Option<f64> {
        match self.sigma {
            SigmaConfig::Constant { .. } => None,
            SigmaConfig::Network { r, .. } => {
                Some(r / (8f64.sqrt() * self.reconstruction_lipschitz()) - SIGMA_MARGIN)
            }
        }
    }
}

impl Validate for LipschitzVaeConfig {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        let sizes = self.input.into_iter().chain([self.latent, self.group]);
        checks.require(
            "input, latent, group",
            sizes.clone().all(|n| (1..=MAX_UNITS).contains(&n)),
            format!("whole numbers from 1 to {MAX_UNITS}"),
            format!("{:?}", sizes.collect::<Vec<_>>()),
        );
        let pixels = self
            .input
            .iter()
            .try_fold(1_i64, |product, &side| product.checked_mul(side));
        checks.require(
            "input",
            pixels.is_some_and(|pixels| pixels <= MAX_UNITS),
            format!("at most {MAX_UNITS} values per image"),
            format!("{:?}", self.input),
        );
        let hidden_fit = self.hidden.len() <= MAX_DEPTH
            && self
                .hidden
                .iter()
                .all(|&n| (1..=MAX_UNITS).contains(&n) && self.group > 0 && n % self.group == 0);
        checks.require(
            "hidden",
            hidden_fit,
            format!(
                "at most {MAX_DEPTH} layers of 1 to {MAX_UNITS} units, each divisible by group = {}",
                self.group
            ),
            format!("{:?}", self.hidden),
        );
        let (low, high) = self.bounds;
        let gaussian = matches!(self.likelihood, LikelihoodKind::Gaussian { .. });
        let unit = (0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high);
        checks.require(
            "bounds",
            low.is_finite() && high.is_finite() && low < high && (gaussian || unit),
            "two finite numbers, the lower one first, from 0 to 1 unless the likelihood is gaussian",
            format!("[{low}, {high}]"),
        );
        checks
            .non_negative("beta", self.beta)
            .positive("encoder-lipschitz", self.encoder_lipschitz)
            .positive("decoder-lipschitz", self.decoder_lipschitz);
        if let LikelihoodKind::Gaussian { sigma } = self.likelihood {
            checks.positive("likelihood.sigma", sigma);
        }
        match self.sigma {
            SigmaConfig::Constant { gamma } => {
                checks.positive("sigma.gamma", gamma);
            }
            SigmaConfig::Network { lipschitz, r } => {
                checks
                    .positive("sigma.lipschitz", lipschitz)
                    .positive("sigma.r", r);
                let radius = self.sigma_radius().unwrap_or(f64::NAN);
                checks.require(
                    "sigma.r",
                    radius > 0.0,
                    "large enough that r/(√8 a) exceeds 0.0001, a the decoder's constant",
                    r,
                );
            }
        }
        let order = self.bjorck.order;
        checks.require(
            "bjorck.order",
            (1..=Bjorck::MAX_ORDER).contains(&order),
            "1, 2, 3 or 4",
            order,
        );
        for (key, steps) in [
            ("bjorck.train-steps", self.bjorck.train_steps),
            ("bjorck.eval-steps", self.bjorck.eval_steps),
        ] {
            checks.require(key, (1..=1000).contains(&steps), "1 to 1000", steps);
        }
        checks.into_violations()
    }
}
