//! What the tests of several families share.

use vaegis_core::seed::SeedTree;
use vaegis_nn::{LossTerms, Objective, StepContext};
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, no_grad};

/// Half widths of central differences in f64; truncation and rounding stay below
/// 1e-7 for losses of order 10³.
const STEPS: [f64; 3] = [1e-5, 1e-6, 1e-7];
/// Relative error that the specification allows.
const DIFFERENCES: f64 = 1e-5;

/// A store whose initial values come from `seed`.
pub(crate) fn store(kind: Kind, seed: u64) -> ParamStore {
    let noise = Noise::portable(SeedTree::new(seed).child("init"));
    ParamStore::new(kind, Device::Cpu, noise)
}

/// Uniform pixels.
pub(crate) fn images(input: [i64; 3], batch: i64) -> Tensor {
    let [c, h, w] = input;
    let noise = Noise::portable(SeedTree::new(9).child("images"));
    noise.uniform(&[batch, c, h, w], Kind::Double, Device::Cpu)
}

/// The loss on a batch of a data set of this size, always with the same noise.
pub(crate) fn loss_of(model: &dyn Objective, x: &Tensor, dataset_size: usize) -> LossTerms {
    let noise = Noise::portable(SeedTree::new(4));
    let context = StepContext {
        step: 0,
        noise: &noise,
        dataset_size,
    };
    model.loss(x, None, &context)
}

/// Compares the gradient of the sum of `f` with central differences in `at`,
/// at up to `num_probes` entries.
pub(crate) fn check_differences(
    what: &str,
    f: &dyn Fn() -> Tensor,
    at: &Tensor,
    num_probes: usize,
) {
    let found = gradient(&f().sum(None), &[at]).remove(0).flatten(0, -1);
    let stride = (at.numel() / num_probes).max(1);
    for index in (0..at.numel() as i64).step_by(stride) {
        let value = |shift: f64| {
            no_grad(|| {
                let mut entry = at.flatten(0, -1).narrow(0, index, 1);
                entry += shift;
                let value = f().sum(None).double_value(&[]);
                entry -= shift;
                value
            })
        };
        let found = found.double_value(&[index]);
        // A rectifier's kink inside the interval spoils a difference; a wrong
        // slope disagrees at every step.
        let agrees = |step: f64| {
            let expected = (value(step) - value(-step)) / (2.0 * step);
            (found - expected).abs() < DIFFERENCES * expected.abs().max(1.0)
        };
        assert!(
            STEPS.into_iter().any(agrees),
            "{what} at {index}: {found} at no step"
        );
    }
}
