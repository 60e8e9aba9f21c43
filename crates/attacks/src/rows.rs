//! The rows of one batch of attacks.

use crate::{AttackError, Layers, Objective};
use vaegis_nn::LatentModel;
use vaegis_tensor::Tensor;

/// Inputs, targets and per-row numbers of a batch of independent attacks.
#[derive(Debug)]
pub struct AttackRows {
    /// Clean inputs, `[N, C, H, W]`.
    pub x: Tensor,
    /// Target inputs, `[N, C, H, W]`, for targeted objectives.
    pub target: Option<Tensor>,
    /// Factor of the penalty per row.
    pub lambda: Vec<f64>,
    /// Radius of the ball per row.
    pub radius: Vec<f64>,
    /// Key of each row's noise and start. Rows with equal keys see the same
    /// numbers, whatever batch they run in.
    pub keys: Vec<u64>,
}

impl AttackRows {
    /// Targeted rows with a penalty factor each; keys are row numbers.
    pub fn targeted(x: Tensor, target: Tensor, lambda: Vec<f64>) -> Self {
        let num_rows = lambda.len();
        let keys = (0..num_rows as u64).collect();
        Self {
            x,
            target: Some(target),
            radius: vec![f64::INFINITY; num_rows],
            lambda,
            keys,
        }
    }

    /// Untargeted rows with a radius each; keys are row numbers.
    pub fn untargeted(x: Tensor, radius: Vec<f64>) -> Self {
        let num_rows = radius.len();
        let keys = (0..num_rows as u64).collect();
        Self {
            x,
            target: None,
            lambda: vec![0.0; num_rows],
            radius,
            keys,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.lambda.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.lambda.is_empty()
    }

    /// The rows at these positions.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let index: Vec<i64> = positions.iter().map(|&p| p as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.x.device());
        Self {
            x: self.x.index_select(0, &index),
            target: self.target.as_ref().map(|t| t.index_select(0, &index)),
            lambda: positions.iter().map(|&p| self.lambda[p]).collect(),
            radius: positions.iter().map(|&p| self.radius[p]).collect(),
            keys: positions.iter().map(|&p| self.keys[p]).collect(),
        }
    }

    /// Every row repeated `times` times, copy by copy: row r of copy c is at
    /// `c * N + r`.
    #[must_use]
    pub(crate) fn tiled(&self, times: usize) -> Self {
        let positions: Vec<usize> = (0..times).flat_map(|_| 0..self.len()).collect();
        self.select(&positions)
    }

    /// Checks the rows against the victim and the objective.
    ///
    /// # Errors
    /// Wrong shapes or lengths, non-finite inputs, negative λ or radius, a
    /// missing target.
    pub fn check(
        &self,
        victim: &dyn LatentModel,
        objective: &Objective,
    ) -> Result<(), AttackError> {
        let bad = |name, expected: String, found: String| {
            Err(AttackError::BadInput {
                name,
                expected,
                found,
            })
        };
        if self.is_empty() {
            return bad("rows", "at least one row".into(), "none".into());
        }
        let [c, h, w] = victim.input_shape();
        let expected = vec![self.len() as i64, c, h, w];
        for (name, tensor) in [("x", Some(&self.x)), ("target", self.target.as_ref())] {
            let Some(tensor) = tensor else { continue };
            if tensor.size() != expected {
                return bad(
                    name,
                    format!("shape {expected:?}"),
                    format!("{:?}", tensor.size()),
                );
            }
            if !bool::try_from(tensor.isfinite().all()).unwrap_or(false) {
                return bad(name, "finite values".into(), "NaN or infinity".into());
            }
        }
        if self.target.is_none() && objective.is_targeted() {
            return bad(
                "target",
                format!("a target for {}", objective.name()),
                "none".into(),
            );
        }
        let num_layers = victim.latent_sizes().len();
        let largest = objective.layers().and_then(Layers::largest);
        if let Some(largest) = largest.filter(|&largest| largest > num_layers) {
            return bad(
                "objective.layers",
                format!("layer numbers up to {num_layers}"),
                largest.to_string(),
            );
        }
        for (name, values) in [("lambda", &self.lambda), ("radius", &self.radius)] {
            if values.len() != self.len() {
                return bad(
                    name,
                    format!("{} values", self.len()),
                    values.len().to_string(),
                );
            }
            if let Some(v) = values.iter().find(|v| v.is_nan() || **v < 0.0) {
                return bad(name, "values that are not negative".into(), v.to_string());
            }
        }
        if let Some(v) = self.lambda.iter().find(|v| v.is_infinite()) {
            return bad("lambda", "finite values".into(), v.to_string());
        }
        if self.keys.len() != self.len() {
            return bad(
                "keys",
                format!("{} values", self.len()),
                self.keys.len().to_string(),
            );
        }
        Ok(())
    }
}
