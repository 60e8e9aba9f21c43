//! The weight of every component in the mixture that one sample is scored under.

use crate::{Device, Kind, Tensor};

/// Logarithms of mixture weights: one number for all pairs, and at most two exceptions per sample.
#[derive(Clone, Debug, PartialEq)]
pub struct LogWeights {
    common: f64,
    /// (component, log weight); empty if no row has any. A later exception overrides an earlier.
    exceptions: Vec<[(usize, f64); 2]>,
}

impl LogWeights {
    /// The same log weight for every pair.
    pub fn uniform(common: f64) -> Self {
        Self {
            common,
            exceptions: Vec::new(),
        }
    }

    /// The log weight `common`, but for two components of every sample.
    ///
    /// # Shapes
    /// exceptions: one entry per sample, each (component, log weight) twice
    pub fn with_exceptions(common: f64, exceptions: Vec<[(usize, f64); 2]>) -> Self {
        Self { common, exceptions }
    }

    /// The log weight of every pair without an exception.
    pub fn common(&self) -> f64 {
        self.common
    }

    /// The exceptions of sample k.
    pub fn exceptions(&self, k: usize) -> &[(usize, f64)] {
        self.exceptions.get(k).map_or(&[], |pair| pair.as_slice())
    }

    /// All of them as a tensor that broadcasts against `[num_samples, num_components]`.
    ///
    /// # Shapes
    /// result: `[K, M]`, or `[1, 1]` for uniform weights
    ///
    /// # Panics
    /// If an exception names a component beyond `num_components`.
    pub fn to_tensor(&self, num_components: usize, kind: Kind, device: Device) -> Tensor {
        let (rows, columns) = match self.exceptions.len() {
            0 => (1, 1),
            n => (n, num_components),
        };
        let mut values = vec![self.common; rows * columns];
        for (row, pair) in values.chunks_exact_mut(columns).zip(&self.exceptions) {
            for &(component, log_weight) in pair {
                row[component] = log_weight;
            }
        }
        let shape = [rows, columns].map(|n| i64::try_from(n).expect("invariant: fits memory"));
        Tensor::from_slice(&values)
            .view(shape)
            .to_kind(kind)
            .to_device(device)
    }
}
