//! Checks that the configurations of several families share.

use crate::network::{Heads, NetworkConfig};
use std::fmt::Display;
use vaegis_core::config::Checks;
use vaegis_nn::{CONV_SIDES, LikelihoodKind};

/// Largest accepted size of a layer, side or latent space: beyond it a typing
/// error is likelier than a wish, and products of two still fit.
pub(crate) const MAX_SIZE: i64 = 1 << 20;
/// Largest accepted number of hidden layers in one network.
const MAX_DEPTH: usize = 64;

/// The shape of an image.
pub(crate) fn check_input(checks: &mut Checks, input: [i64; 3]) {
    for (name, size) in ["channels", "height", "width"].into_iter().zip(input) {
        require_size(checks, &format!("input ({name})"), size);
    }
    let pixels = input
        .iter()
        .try_fold(1_i64, |product, &side| product.checked_mul(side));
    checks.require(
        "input",
        pixels.is_some_and(|pixels| pixels <= MAX_SIZE),
        format!("at most {MAX_SIZE} values per image"),
        Listed(&input),
    );
}

/// The pixel range under the key `key`.
pub(crate) fn check_bounds(checks: &mut Checks, key: &str, (low, high): (f64, f64)) {
    checks.require(
        key,
        low.is_finite() && high.is_finite() && low < high,
        "two finite numbers, the lower one first",
        Listed(&[low, high]),
    );
}

/// A likelihood and the pixel range that it is for; `prefix` stands before both keys.
pub(crate) fn check_likelihood(
    checks: &mut Checks,
    prefix: &str,
    likelihood: LikelihoodKind,
    (low, high): (f64, f64),
) {
    match likelihood {
        LikelihoodKind::Bernoulli | LikelihoodKind::ContinuousBernoulli => {
            checks.require(
                &format!("{prefix}bounds"),
                (0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high),
                "numbers from 0 to 1 for this likelihood (use gaussian for other ranges)",
                Listed(&[low, high]),
            );
        }
        LikelihoodKind::Gaussian { sigma } => {
            checks.positive(&format!("{prefix}likelihood.sigma"), sigma);
        }
    }
}

/// The nets, for images of this shape.
pub(crate) fn check_network(checks: &mut Checks, network: &NetworkConfig, input: [i64; 3]) {
    let [_, height, width] = input;
    match network {
        NetworkConfig::Mlp {
            hidden,
            decoder_hidden,
            heads,
            ..
        } => {
            check_hidden(checks, "network.hidden", hidden);
            if let Some(hidden) = decoder_hidden {
                check_hidden(checks, "network.decoder-hidden", hidden);
            }
            checks.require(
                "network.hidden",
                *heads != Heads::SeparateLast || !hidden.is_empty(),
                "at least one hidden layer where heads = \"separate-last\"",
                "none",
            );
        }
        NetworkConfig::Conv { width: factor, .. } => {
            checks.require(
                "input",
                height == width && CONV_SIDES.contains(&height),
                format!(
                    "square images of side {} for a convolutional net",
                    Listed(&CONV_SIDES)
                ),
                format!("{height} × {width}"),
            );
            checks.require(
                "network.width",
                *factor > 0.0 && *factor <= 64.0,
                "a factor above 0 and at most 64",
                factor,
            );
        }
    }
}

/// A list of layer sizes.
pub(crate) fn check_hidden(checks: &mut Checks, key: &str, hidden: &[i64]) {
    checks.require(
        key,
        hidden.len() <= MAX_DEPTH,
        format!("at most {MAX_DEPTH} layers"),
        hidden.len(),
    );
    for (k, &units) in hidden.iter().enumerate() {
        require_size(checks, &format!("{key}[{k}]"), units);
    }
}

/// The size of a layer or of a latent space.
pub(crate) fn require_size(checks: &mut Checks, key: &str, size: i64) {
    let ok = (1..=MAX_SIZE).contains(&size);
    checks.require(
        key,
        ok,
        format!("a whole number from 1 to {MAX_SIZE}"),
        size,
    );
}

/// Shows a list as it stands in a file.
pub(crate) struct Listed<'a, T>(pub(crate) &'a [T]);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (k, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if k == 0 { "[" } else { ", " })?;
        }
        f.write_str("]")
    }
}
