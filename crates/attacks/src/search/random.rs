//! The best of random distortions of full norm: what an attack must beat.

use super::descent::Descent;
use super::{Found, positive};
use crate::oracle::Oracle;
use crate::{AttackError, Ball};
use serde::{Deserialize, Serialize};
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Options of the random search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RandomSearch {
    /// Number of directions tried.
    pub trials: usize,
}

impl Default for RandomSearch {
    fn default() -> Self {
        Self { trials: 100 }
    }
}

impl RandomSearch {
    pub(super) fn check(&self) -> Result<(), AttackError> {
        positive("search.trials", self.trials as f64)
    }

    pub(super) fn run(&self, oracle: &mut Oracle<'_>, noise: &Noise, keys: &[u64]) -> Found {
        let mut descent = Descent::new(oracle);
        for trial in 0..self.trials {
            let node = noise.child("direction").index(trial as u64);
            let directions = random_directions(oracle, &node, keys);
            let d = descent.project(oracle, &(&descent.radius * directions));
            descent.try_point(oracle, &d);
        }
        descent.finish(self.trials)
    }
}

/// One direction per row: uniform on the unit sphere, or random signs for L∞.
fn random_directions(oracle: &Oracle<'_>, noise: &Noise, keys: &[u64]) -> Tensor {
    let (kind, device) = oracle.options();
    let n = oracle.num_pixels() as i64;
    let rows: Vec<Tensor> = keys
        .iter()
        .map(|&key| {
            noise
                .index(key)
                .standard_normal(&[n], Kind::Double, Device::Cpu)
        })
        .collect();
    let normal = Tensor::stack(&rows, 0);
    let directions = match oracle.constraint().ball {
        Ball::LInf => normal.sign(),
        _ => super::descent::normalized(&normal),
    };
    directions.to_kind(kind).to_device(device)
}
