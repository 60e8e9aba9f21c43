//! Numbers of one network that several figures show or judge.

use super::measure::Network;
use crate::averages::mean;
use vaegis_eval::degradation::Degradation;
use vaegis_eval::margin::InputMargin;

/// Lower ends of the brackets; the cap for images at the cap, 0 for images that
/// are not robust at rest.
pub(super) fn values(margins: &[InputMargin]) -> Vec<f64> {
    margins.iter().map(|m| m.margin.value).collect()
}

/// Mean adversarial margin at the data set's r.
pub(super) fn mean_margin(network: &Network) -> f64 {
    mean(values(&network.margins))
}

/// Mean adversarial margin at the other r of this number.
pub(super) fn mean_other_margin(network: &Network, which: usize) -> f64 {
    let margins = network.other_margins.get(which);
    margins.map_or(f64::NAN, |m| mean(values(m)))
}

/// Mean p₀ at the other r of this number.
pub(super) fn mean_other_p0(network: &Network, which: usize) -> f64 {
    let margins = network.other_margins.get(which);
    margins.map_or(f64::NAN, |all| mean(all.iter().map(|m| m.p0.value())))
}

/// Mean ‖J_μ‖_F.
pub(super) fn jacobian(network: &Network) -> f64 {
    mean(network.encoder.iter().map(|b| b.jacobian_frobenius))
}

/// Mean smallest usable r.
pub(super) fn r_min(network: &Network) -> f64 {
    mean(network.bounds.iter().map(|b| b.r_min.value))
}

/// Mean B_F at the data set's r.
pub(super) fn bound(network: &Network) -> f64 {
    mean(network.bounds.iter().map(|b| b.plug_in.frobenius))
}

/// Mean B_F at p₀ = 0.9, which knows the encoder alone.
pub(super) fn fixed_bound(network: &Network) -> f64 {
    mean(network.encoder.iter().map(|b| b.at_p0_90.frobenius))
}

/// Mean over the test set of σ.
pub(super) fn sigma(network: &Network) -> f64 {
    network.quality.as_ref().map_or(f64::NAN, |q| q.sigma.mean)
}

/// Mean ‖x − g(μ(x))‖.
pub(super) fn distortion(network: &Network) -> f64 {
    network
        .quality
        .as_ref()
        .map_or(f64::NAN, |q| q.distortion.mean)
}

/// E log p(x|z) in nats.
pub(super) fn log_likelihood(network: &Network) -> f64 {
    let quality = network.quality.as_ref();
    quality.map_or(f64::NAN, |q| q.elbo.log_likelihood)
}

/// KL of the posterior to the prior in nats.
pub(super) fn kl(network: &Network) -> f64 {
    network.quality.as_ref().map_or(f64::NAN, |q| q.elbo.kl)
}

/// Mean log p(x | z*) at the position of a norm.
pub(super) fn attacked_likelihood(network: &Network, at: usize) -> f64 {
    let point = network.damage.get(at);
    point.map_or(f64::NAN, |p| {
        mean(p.rows.iter().map(|r| r.degradation.attacked))
    })
}

/// Signed degradation of every image at the position of a norm.
pub(super) fn degradations(network: &Network, at: usize) -> Vec<f64> {
    each_degradation(network, at, Degradation::signed)
}

/// The same as the text prints it.
pub(super) fn printed_degradations(network: &Network, at: usize) -> Vec<f64> {
    each_degradation(network, at, Degradation::printed)
}

fn each_degradation(network: &Network, at: usize, of: fn(&Degradation) -> f64) -> Vec<f64> {
    let point = network.damage.get(at);
    point.map_or_else(Vec::new, |p| {
        p.rows.iter().map(|r| of(&r.degradation)).collect()
    })
}

/// Bound and margin of every image whose bound is positive and finite.
pub(super) fn bound_and_margin(network: &Network) -> (Vec<f64>, Vec<f64>) {
    beside_bound(network, &network.margins)
}

/// The same with the margin along a random direction.
pub(super) fn bound_and_random_margin(network: &Network) -> (Vec<f64>, Vec<f64>) {
    let rays = network.rays.as_ref();
    beside_bound(network, rays.map_or(&[], |rays| &rays.margins))
}

fn beside_bound(network: &Network, margins: &[InputMargin]) -> (Vec<f64>, Vec<f64>) {
    let both = network.bounds.iter().zip(margins);
    both.map(|(b, m)| (b.plug_in.frobenius, m.margin.value))
        .filter(|(b, _)| b.is_finite() && *b > 0.0)
        .unzip()
}

/// Images whose margin's bracket ends below the bound, and images judged.
pub(super) fn refutations(networks: &[&Network]) -> (usize, usize) {
    let pairs = networks
        .iter()
        .flat_map(|n| n.bounds.iter().zip(&n.margins))
        .filter(|(b, _)| b.plug_in.frobenius > 0.0);
    let (mut refuted, mut judged) = (0, 0);
    for (bound, margin) in pairs {
        judged += 1;
        refuted += usize::from(margin.margin.upper < bound.plug_in.frobenius);
    }
    (refuted, judged)
}
