//! How often the networks are asked: inputs share passes, and no number tells.

use std::cell::Cell;
use vaegis_attacks::Variant;
use vaegis_core::SeedTree;
use vaegis_eval::bounds::{BoundOptions, encoder_bounds, margin_bounds};
use vaegis_eval::robust::distances;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_nn::{LatentModel, LatentPath, Likelihood, Mode, Posterior};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_zoo::{NetworkConfig, Vae, VaeConfig};

const NUM_INPUTS: usize = 12;
/// Draws are rounded to f32 alike; sums in f64 are taken in another order in another batch.
const ROUNDING: f64 = 1e-12;

/// A model that counts its decoder's passes.
struct Counted(LinearGaussian, Cell<usize>);

impl LatentModel for Counted {
    fn input_shape(&self) -> [i64; 3] {
        self.0.input_shape()
    }
    fn bounds(&self) -> (f64, f64) {
        self.0.bounds()
    }
    fn latent_sizes(&self) -> Vec<i64> {
        self.0.latent_sizes()
    }
    fn params(&self) -> &ParamStore {
        LatentModel::params(&self.0)
    }
    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior {
        self.0.posterior(x, path, mode)
    }
    fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        self.1.set(self.1.get() + 1);
        self.0.decode(z, mode)
    }
    fn kl_terms(&self, posterior: &Posterior, mode: Mode) -> Vec<Tensor> {
        self.0.kl_terms(posterior, mode)
    }
}

#[test]
fn distances_of_many_inputs_share_passes_and_equal_those_of_each_alone() {
    let spec = LinearGaussianSpec::random(6, 2, &SeedTree::new(3));
    let model = Counted(LinearGaussian::new(Kind::Double, &spec), Cell::new(0));
    let noise = Noise::portable(SeedTree::new(4));
    let shape = [NUM_INPUTS as i64, 1, 1, 6];
    let images = |label: &str| {
        noise
            .child(label)
            .standard_normal(&shape, Kind::Double, Device::Cpu)
    };
    let (x, attacked) = (images("x"), images("attacked"));
    let keys: Vec<u64> = (0..NUM_INPUTS as u64).map(|i| i * 3 + 1).collect();
    // Few draws, so that many inputs fit into a pass; and so many that an input takes two.
    for (samples, most_passes) in [(10, 3), (8200, 4 * NUM_INPUTS + 1)] {
        for variant in [
            Variant::MeanOnly,
            Variant::SigmaOnly,
            Variant::Both,
            Variant::TwoSample,
        ] {
            let measure = |x: &Tensor, attacked: &Tensor, keys: &[u64]| {
                distances(&model, x, attacked, variant, samples, keys, &noise).expect("one layer")
            };
            model.1.set(0);
            let together = measure(&x, &attacked, &keys);
            assert!(
                model.1.get() <= most_passes,
                "{variant:?}: {}",
                model.1.get()
            );
            assert_eq!(together.len(), NUM_INPUTS);
            for row in [0, NUM_INPUTS - 1] {
                let one = |t: &Tensor| t.narrow(0, row as i64, 1);
                let alone = measure(&one(&x), &one(&attacked), &keys[row..=row]).remove(0);
                assert_eq!((alone.len(), together[row].len()), (samples, samples));
                for (a, b) in alone.iter().zip(&together[row]) {
                    assert!(
                        (a - b).abs() <= ROUNDING * a.max(1.0),
                        "{variant:?}: {a} {b}"
                    );
                }
            }
        }
    }
    let none = distances(&model, &x, &x, Variant::Both, 0, &keys, &noise).expect("one layer");
    assert_eq!(none, vec![Vec::<f64>::new(); NUM_INPUTS]);
}

/// What the encoder says of many inputs, in several passes, is what the bounds say of them.
#[test]
fn the_encoder_alone_gives_the_numbers_that_stand_in_the_bounds() {
    let config = VaeConfig {
        input: [1, 3, 3],
        latent: 3,
        network: NetworkConfig::mlp(&[12, 8]),
        ..VaeConfig::default()
    };
    let noise = Noise::portable(SeedTree::new(6));
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise.child("vae"));
    let model = Vae::new(&config, &store).expect("valid");
    store.set_trainable(false);
    let x = noise
        .child("x")
        .uniform(&[150, 1, 3, 3], Kind::Float, Device::Cpu);
    let options = BoundOptions {
        num_samples: 20,
        ..BoundOptions::default()
    };
    let bounds = margin_bounds(&model, &x, &options, &noise.child("bounds")).expect("one layer");
    let encoder = encoder_bounds(&model, &x).expect("one layer");
    assert_eq!(encoder.len(), 150);
    for (e, b) in encoder.iter().zip(&bounds) {
        for (found, want) in [
            (e.jacobian_frobenius, b.jacobian_frobenius),
            (e.jacobian_spectral, b.jacobian_spectral),
            (e.sigma_min, b.sigma_min),
            (e.at_p0_90.frobenius, b.at_p0_90.frobenius),
            (e.at_p0_90.mahalanobis, b.at_p0_90.mahalanobis),
        ] {
            // σ comes from f32 products whose order depends on the batch.
            assert!(
                want > 0.0 && (found / want - 1.0).abs() < 1e-5,
                "{found} for {want}"
            );
        }
    }
    let norms = encoder.iter().map(|e| e.jacobian_frobenius);
    let (low, high) = norms.fold((f64::MAX, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    assert!(high > 1.01 * low, "the encoder bends: {low} to {high}");
}
