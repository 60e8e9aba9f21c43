//! r_min of networks: from the spectrum of the linearized decoder, and from draws.

use ndarray::Array2;
use vaegis_core::SeedTree;
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::autograd::per_example_jacobian_forward;
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, no_grad};
use vaegis_theory::r_min;
use vaegis_zoo::{NetworkConfig, Vae, VaeConfig};

const LATENT: i64 = 6;
const PIXELS: i64 = 25;
const NUM_IMAGES: i64 = 8;
const NUM_DRAWS: i64 = 40_000;
/// Posteriors are shrunk by this, so that the decoder is a line over them.
const SHRINK: f64 = 1e-4;
/// Probability that a true interval misses, per image.
const ALPHA: f64 = 1e-6;

fn noise(label: &str) -> Noise {
    Noise::portable(SeedTree::new(61).child(label))
}

fn network() -> Vae {
    let config = VaeConfig {
        input: [1, 5, 5],
        latent: LATENT,
        network: NetworkConfig::mlp(&[24, 16]),
        ..VaeConfig::default()
    };
    let store = ParamStore::new(Kind::Double, Device::Cpu, noise("weights"));
    let model = Vae::new(&config, &store).expect("valid");
    store.set_trainable(false);
    model
}

/// C6 and C7 on networks: the quantile of the linearized decoder's chi-square mixture is the
/// quantile of the draws of a tight posterior, and lies in the corrected band, below the printed
/// radius.
#[test]
fn the_linearized_radius_of_a_network_is_that_of_its_draws_and_lies_in_the_band() {
    let model = network();
    let x = noise("images").uniform(&[NUM_IMAGES, 1, 5, 5], Kind::Double, Device::Cpu);
    let posterior = no_grad(|| model.posterior(&x, LatentPath::Mean, Mode::Eval));
    let (mean, sigma) = (
        posterior.layers[0].mean().shallow_clone(),
        posterior.layers[0].scale() * SHRINK,
    );
    let images = |z: &Tensor| {
        model
            .decode(&[z.shallow_clone()], Mode::Eval)
            .mean()
            .flatten(1, -1)
    };
    let jacobians = per_example_jacobian_forward(images, &mean);
    assert_eq!(jacobians.size(), [NUM_IMAGES, PIXELS, LATENT]);
    for row in 0..NUM_IMAGES {
        let entries = to_f64_vec(&jacobians.get(row));
        let shape = (PIXELS as usize, LATENT as usize);
        let jacobian = Array2::from_shape_vec(shape, entries).expect("a matrix");
        let scales = to_f64_vec(&sigma.get(row));
        let spectrum = r_min::spectrum(jacobian.view(), &scales).expect("a spectrum");
        let trace = r_min::trace(jacobian.view(), &scales).expect("a trace");
        let linearized = r_min::linearized(&spectrum, 0.5).expect("a quantile");
        let (lower, upper) = r_min::median_band(trace);
        assert!(
            lower <= linearized && linearized < upper,
            "row {row}: {linearized} outside [{lower}, {upper})"
        );
        assert!(linearized < r_min::printed_proposition(trace) / 2_f64.sqrt() * (1.0 + 1e-12));

        let draws = noise("draws").index(row as u64).standard_normal(
            &[NUM_DRAWS, LATENT],
            Kind::Double,
            Device::Cpu,
        );
        let center = mean.get(row).unsqueeze(0);
        let moved = no_grad(|| images(&(&center + draws * sigma.get(row))) - images(&center));
        let distances = to_f64_vec(&moved.square().sum_dim_intlist(1, false, None).sqrt());
        let drawn = r_min::empirical(&distances, 0.5, ALPHA).expect("an estimate");
        // The interval of the draws; curvature adds at most the shrunken scale, relatively.
        let slack = SHRINK * linearized;
        assert!(
            drawn.lower - slack <= linearized && linearized <= drawn.upper + slack,
            "row {row}: {linearized} against {drawn:?}"
        );
    }
}
