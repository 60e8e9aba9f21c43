//! Networks and inputs with fixed seeds, made on the spot.

use vaegis_core::seed::SeedTree;
use vaegis_nn::LikelihoodKind;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_zoo::{Model, ModelConfig, NetworkConfig, VaeConfig, ZooError, build};

/// The seed of everything that benchmarks draw.
pub fn seed() -> SeedTree {
    SeedTree::new(20_240_611)
}

/// The fully connected VAE for 28 × 28 images: 784-400-400, 20 latents, Bernoulli.
pub fn mlp() -> VaeConfig {
    VaeConfig::default()
}

/// The convolutional VAE for 32 × 32 color images, 64 latents, Gaussian.
pub fn conv() -> VaeConfig {
    VaeConfig {
        input: [3, 32, 32],
        latent: 64,
        likelihood: LikelihoodKind::Gaussian { sigma: 0.1 },
        network: NetworkConfig::conv(1.0),
        ..VaeConfig::default()
    }
}

/// A small fully connected VAE for 8 × 8 images.
pub fn small() -> VaeConfig {
    VaeConfig {
        input: [1, 8, 8],
        latent: 8,
        network: NetworkConfig::mlp(&[64]),
        ..VaeConfig::default()
    }
}

/// A freshly initialized model of this kind on the processor.
///
/// # Errors
/// An impossible configuration.
pub fn fresh(config: &VaeConfig, kind: Kind) -> Result<Box<dyn Model>, ZooError> {
    let noise = Noise::portable(seed().child("init"));
    let store = ParamStore::new(kind, Device::Cpu, noise);
    build(&ModelConfig::Vae(config.clone()), &store)
}

/// Images of uniform noise, `[count, C, H, W]` in f32.
pub fn noise_images(config: &VaeConfig, count: i64, label: &str) -> Tensor {
    let [c, h, w] = config.input;
    let noise = Noise::portable(seed().child("images").child(label));
    noise.uniform(&[count, c, h, w], Kind::Float, Device::Cpu)
}

/// A pool of this many threads, for work without tensors.
///
/// # Panics
/// If the operating system gives no thread.
pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads can be started")
}

/// Sets the threads of libtorch's operations and of our own parallel loops, for the whole process.
///
/// # Panics
/// If parallel loops already ran, since their threads cannot be changed any more.
pub fn set_threads(threads: usize) {
    vaegis_tensor::device::set_num_threads(threads);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .expect("the threads are set first of all");
}
