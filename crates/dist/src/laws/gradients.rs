//! Gradients against central differences.

use super::{Case, Support};
use crate::Distribution;
use vaegis_core::SeedTree;
use vaegis_tensor::{Noise, Tensor};

/// Step of the differences: small against a scale of 10⁻³, and large enough that rounding stays
/// at 10⁻¹⁰. The truncation is of fourth order in it.
const STEP: f64 = 6e-6;
/// Error that differences of smooth functions of order one show, with a margin.
const TOLERANCE: f64 = 2e-7;

/// Compares the gradient of the scalar `f` at `inputs` with central differences.
///
/// # Panics
/// If they differ anywhere, with `name` and the place.
pub fn assert_gradient(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    let leaves: Vec<Tensor> = inputs
        .iter()
        .map(|t| t.detach().copy().set_requires_grad(true))
        .collect();
    let references: Vec<&Tensor> = leaves.iter().collect();
    let gradients = vaegis_tensor::autograd::gradient(&f(&leaves), &references);
    for (number, (input, gradient)) in inputs.iter().zip(&gradients).enumerate() {
        for index in 0..i64::try_from(input.numel()).expect("invariant: a small tensor") {
            let at = |shift: f64| {
                let moved = input.detach().copy();
                let _ = moved.view(-1).narrow(0, index, 1).g_add_scalar_(shift);
                let all: Vec<Tensor> = inputs
                    .iter()
                    .enumerate()
                    .map(|(i, t)| {
                        if i == number {
                            moved.copy()
                        } else {
                            t.detach()
                        }
                    })
                    .collect();
                f(&all).double_value(&[])
            };
            // Richardson's combination of two central differences.
            let central = |step: f64| (at(step) - at(-step)) / (2.0 * step);
            let difference = (4.0 * central(STEP) - central(2.0 * STEP)) / 3.0;
            let found = gradient.reshape([-1]).double_value(&[index]);
            assert!(
                (found - difference).abs() <= TOLERANCE * (1.0 + difference.abs()),
                "{name}: gradient of input {number} at {index}: autograd {found}, \
                 central difference {difference}",
            );
        }
    }
}

/// The gradient of log p with respect to the parameters and, for smooth densities, the value.
///
/// # Panics
/// If it differs from central differences.
pub fn check_log_prob_gradient<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let noise = Noise::portable(seed.clone());
    let value = case.law().sample(&noise.child("value"), &[3]);
    let log_prob = case.law().log_prob(&value);
    let (kind, device) = case.law().options();
    let weights = noise
        .child("weights")
        .standard_normal(&log_prob.size(), kind, device);
    let sum = |t: Tensor| (t * &weights).sum(None);
    let name = format!("{}: log_prob", case.name);
    if case.smooth_in_value
        && let Support::Chart(chart) = &case.support
    {
        // The coordinates of the chart vary on one scale, unlike points near a border.
        let coordinates = (chart.project)(&value); // [3, B, d]
        let axes = coordinates.size()[2];
        let mut inputs: Vec<Tensor> = case.parameters.iter().map(Tensor::shallow_clone).collect();
        inputs.push(coordinates);
        assert_gradient(&name, &inputs, |all| {
            let (coordinates, parameters) = all.split_last().expect("invariant: just pushed");
            let (events, _) = (chart.embed)(&coordinates.reshape([-1, axes]));
            sum((case.build)(parameters).log_prob(&events.reshape(value.size())))
        });
    } else {
        assert_gradient(&name, &case.parameters, |all| {
            sum((case.build)(all).log_prob(&value))
        });
    }
}

/// The gradient of reparameterized samples with respect to the parameters.
///
/// # Panics
/// If it differs from central differences.
pub fn check_sample_gradient<D: Distribution>(case: &Case<D>, seed: &SeedTree) {
    let (Some(view), true) = (case.reparameterize, case.pathwise) else {
        return;
    };
    let law = case.law();
    let noise = Noise::portable(seed.clone());
    let (kind, device) = law.options();
    let shape = view(&law).noise_shape(&[3]);
    let eps = view(&law)
        .base_noise()
        .draw(&noise.child("eps"), &shape, kind, device);
    let sample = view(&law).from_noise(&eps);
    let weights = noise
        .child("weights")
        .standard_normal(&sample.size(), kind, device);
    let name = format!("{}: from_noise", case.name);
    assert_gradient(&name, &case.parameters, |all| {
        let law = (case.build)(all);
        (view(&law).from_noise(&eps) * &weights).sum(None)
    });
}
