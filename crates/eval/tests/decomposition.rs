//! The decomposition over a data set against the batch routine and the closed-form KL.

use vaegis_core::SeedTree;
use vaegis_dist::total_correlation::{self, Estimator};
use vaegis_eval::decomposition::decomposition;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_nn::{LatentModel as _, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Sums of a few thousand terms of order one.
const ROUNDING: f64 = 1e-10;
/// Standard errors that a Monte-Carlo estimate may be off: 1 in 10⁶ by chance.
const STANDARD_ERRORS: f64 = 5.0;

fn noise(label: &str) -> Noise {
    Noise::portable(SeedTree::new(8).child(label))
}

fn model() -> LinearGaussian {
    let spec = LinearGaussianSpec::random(6, 3, &SeedTree::new(8));
    LinearGaussian::new(Kind::Double, &spec)
}

#[test]
fn all_samples_give_what_the_batch_routine_gives() {
    let model = model();
    let x = noise("x").standard_normal(&[700, 1, 1, 6], Kind::Double, Device::Cpu);
    let found = decomposition(&model, &x, 700, &noise("draws"));
    assert_eq!((found.num_samples, found.num_posteriors), (700, 700));
    let eps = noise("draws")
        .child("chain")
        .index(0)
        .index(0)
        .standard_normal(&[700, 3], Kind::Double, Device::Cpu);
    let posterior = model.posterior(&x, LatentPath::Noise(&[eps]), Mode::Eval);
    let q = &posterior.layers[0];
    let expected = total_correlation::decomposition(
        &posterior.z[0],
        q.mean(),
        q.log_scale(),
        700.0,
        Estimator::Full,
    );
    for (found, expected) in [
        (found.mutual_information, expected.mutual_information),
        (found.total_correlation, expected.total_correlation),
        (found.dimension_wise, expected.dimension_wise),
    ] {
        let expected = expected.double_value(&[]);
        assert!((found - expected).abs() < ROUNDING, "{found}, {expected}");
    }
}

#[test]
fn the_parts_add_up_to_the_mean_kl() {
    // More data than one pass, fewer samples than data.
    let model = model();
    let x = noise("x").standard_normal(&[2100, 1, 1, 6], Kind::Double, Device::Cpu);
    let found = decomposition(&model, &x, 1500, &noise("draws"));
    let posterior = model.posterior(&x, LatentPath::Mean, Mode::Eval);
    let kl = to_f64_vec(&posterior.layers[0].kl_to_standard());
    let count = kl.len() as f64;
    let mean = kl.iter().sum::<f64>() / count;
    // The subset of the data spreads by the KL itself, the draw of z by about √(d/2).
    let variance = kl.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / count;
    let squares = Tensor::from_slice(&kl).mean(None).double_value(&[]);
    let spread = (variance + 2.0 * squares + 3.0).sqrt() / 1500_f64.sqrt();
    assert!(
        (found.kl() - mean).abs() < STANDARD_ERRORS * spread,
        "{} for {mean} ± {spread}",
        found.kl()
    );
    assert!(found.total_correlation > -spread && found.mutual_information > 0.0);
}
