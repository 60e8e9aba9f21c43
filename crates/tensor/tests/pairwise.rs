//! The pairwise kernel does not depend on the number of threads. What it computes is tested where
//! the estimators are, against the dense composition.

use vaegis_core::SeedTree;
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::pairwise::{LogWeights, Objective, log_densities, means};
use vaegis_tensor::{Device, Kind, Noise, Tensor, device};

/// More rows than two tiles, and blocks that are not full.
const SAMPLES: i64 = 150;
const COMPONENTS: i64 = 45;
const COORDINATES: i64 = 11;

fn draw(label: &str, rows: i64, kind: Kind) -> Tensor {
    let noise = Noise::portable(SeedTree::new(1).child(label));
    noise.standard_normal(&[rows, COORDINATES], kind, Device::Cpu)
}

/// Every number that the kernel makes, as bits.
fn all_bits(kind: Kind) -> Vec<u64> {
    let (z, mu) = (draw("z", SAMPLES, kind), draw("mu", COMPONENTS, kind));
    let log_sigma = 0.2 * draw("log sigma", COMPONENTS, kind);
    let exceptions = (0..150).map(|k| [(k % 45, -1.0), ((k + 7) % 45, -2.5)]);
    let weights = LogWeights::with_exceptions(-4.0, exceptions.collect());
    let objectives = [(1.0, -1.0), (0.0, 1.0)];
    let objectives = objectives.map(|(joint, marginal)| Objective { joint, marginal });
    let found = means(&z, &mu, &log_sigma, &weights, &objectives);
    let (joint, marginals) = log_densities(&z, &mu, &log_sigma, &weights);
    let mut numbers = vec![found.joint, found.marginal];
    for tensor in found.gradients.iter().flatten().chain([&joint, &marginals]) {
        numbers.extend(to_f64_vec(tensor));
    }
    numbers.into_iter().map(f64::to_bits).collect()
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for kind in [Kind::Float, Kind::Double] {
        device::set_num_threads(1);
        let alone = all_bits(kind);
        device::set_num_threads(2);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let found = pool.expect("threads start").install(|| all_bits(kind));
            assert!(found == alone, "{kind:?} with {threads} threads");
        }
    }
}
