//! Keyed noise: every draw is a pure function of a seed-tree node and a shape.
//!
//! Nothing here advances a hidden state. Drawing twice from one node gives the
//! same numbers twice, so callers take a fresh child per draw:
//! `noise.child("z").index(step)`. Resuming a run therefore needs no saved
//! generator state.

use crate::{Device, Kind, Tensor};
use rand_distr::{Distribution as _, Open01, StandardNormal};
use std::sync::{Mutex, PoisonError};
use vaegis_core::seed::SeedTree;

/// Where the numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseSource {
    /// ChaCha8 on the host, copied to the device: the same numbers on every
    /// machine. For tests, attacks and evaluation.
    Portable,
    /// libtorch's own generator, seeded from the node before each draw: fast,
    /// and the same on one device with one libtorch. For training.
    Native,
}

/// A node of the seed tree from which tensors of noise are drawn.
#[derive(Clone, Debug)]
pub struct Noise {
    seed: SeedTree,
    source: NoiseSource,
}

impl Noise {
    /// Noise at `seed`, drawn from `source`.
    pub fn new(seed: SeedTree, source: NoiseSource) -> Self {
        Self { seed, source }
    }

    /// Portable noise at `seed`.
    pub fn portable(seed: SeedTree) -> Self {
        Self::new(seed, NoiseSource::Portable)
    }

    /// Native noise at `seed`.
    pub fn native(seed: SeedTree) -> Self {
        Self::new(seed, NoiseSource::Native)
    }

    /// The child node with this label.
    pub fn child(&self, label: &str) -> Self {
        Self {
            seed: self.seed.child(label),
            source: self.source,
        }
    }

    /// The child node with this number.
    pub fn index(&self, index: u64) -> Self {
        Self {
            seed: self.seed.index(index),
            source: self.source,
        }
    }

    /// The node itself.
    pub fn seed(&self) -> &SeedTree {
        &self.seed
    }

    /// The source of the numbers.
    pub fn source(&self) -> NoiseSource {
        self.source
    }

    /// Independent standard normal numbers.
    ///
    /// # Shapes
    /// output: `shape`
    pub fn standard_normal(&self, shape: &[i64], kind: Kind, device: Device) -> Tensor {
        match self.source {
            NoiseSource::Portable => {
                self.fill(shape, kind, device, |rng| StandardNormal.sample(rng))
            }
            NoiseSource::Native => self.seeded(|| Tensor::randn(shape, (kind, device))),
        }
    }

    /// Independent numbers uniform on the open interval (0, 1).
    ///
    /// # Shapes
    /// output: `shape`
    pub fn uniform(&self, shape: &[i64], kind: Kind, device: Device) -> Tensor {
        match self.source {
            NoiseSource::Portable => self.fill(shape, kind, device, |rng| Open01.sample(rng)),
            NoiseSource::Native => {
                let draws = self.seeded(|| Tensor::rand(shape, (kind, device)));
                // libtorch draws from [0, 1); the clamp keeps log(u) finite.
                draws.clamp_min(f64::from(f32::MIN_POSITIVE))
            }
        }
    }

    /// Independent standard Gumbel numbers, −log(−log u).
    ///
    /// # Shapes
    /// output: `shape`
    pub fn gumbel(&self, shape: &[i64], kind: Kind, device: Device) -> Tensor {
        let u = self.uniform(shape, kind, device);
        // f32 rounding may take u to 1, where −log u = 0 has an infinite log.
        let minus_log_u = (-u.log()).clamp_min(f64::from(f32::MIN_POSITIVE));
        -minus_log_u.log()
    }

    fn fill(
        &self,
        shape: &[i64],
        kind: Kind,
        device: Device,
        mut draw: impl FnMut(&mut rand_chacha::ChaCha8Rng) -> f64,
    ) -> Tensor {
        let len = usize::try_from(shape.iter().product::<i64>()).expect("invariant: shape >= 0");
        let mut rng = self.seed.rng();
        let values: Vec<f64> = (0..len).map(|_| draw(&mut rng)).collect();
        Tensor::from_slice(&values)
            .to_kind(kind)
            .reshape(shape)
            .to_device(device)
    }

    /// Seeds libtorch's generator from this node and draws.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that may seed libtorch"
    )]
    fn seeded(&self, draw: impl FnOnce() -> Tensor) -> Tensor {
        // libtorch's generator is shared by the whole process: without the lock
        // another thread could draw between the seeding and the draw.
        static GENERATOR: Mutex<()> = Mutex::new(());
        let _guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
        tch::manual_seed(i64::from_ne_bytes(self.seed.seed_u64().to_ne_bytes()));
        draw()
    }
}
