//! Posterior, log evidence and ELBO of the linear-Gaussian model.

use super::{F64, LinearGaussian};
use std::f64::consts::PI;
use vaegis_tensor::Tensor;

impl LinearGaussian {
    /// The exact posterior p(z|x): means and the covariance, which is the same
    /// for all inputs.
    ///
    /// # Formula
    /// ```text
    /// C = (I + WᵀW/s²)⁻¹,  m(x) = C Wᵀ(x − b)/s²
    /// ```
    ///
    /// # Shapes
    /// x: `[B, 1, 1, d_x]` → `[B, d_z]`, `[d_z, d_z]` in f64
    pub fn exact_posterior(&self, x: &Tensor) -> (Tensor, Tensor) {
        let w = Self::exact(&self.decoder_weight);
        let variance = self.observation_sigma.powi(2);
        let gram = w.transpose(0, 1).matmul(&w) / variance;
        let covariance = (gram + Tensor::eye(self.num_latents(), F64)).inverse();
        let centered = self.rows(x) - Self::exact(&self.decoder_bias);
        let mean = centered.matmul(&w).matmul(&covariance) / variance;
        (mean, covariance)
    }

    /// log p(x) in nats.
    ///
    /// # Formula
    /// ```text
    /// log N(x; b, W Wᵀ + s² I)
    /// ```
    ///
    /// # Shapes
    /// x: `[B, 1, 1, d_x]` → `[B]` in f64
    pub fn log_evidence(&self, x: &Tensor) -> Tensor {
        let w = Self::exact(&self.decoder_weight);
        let noise = Tensor::eye(self.num_inputs(), F64) * self.observation_sigma.powi(2);
        let covariance = w.matmul(&w.transpose(0, 1)) + noise;
        let factor = covariance.linalg_cholesky(false);
        let centered = self.rows(x) - Self::exact(&self.decoder_bias);
        let white = factor.linalg_solve_triangular(&centered.transpose(0, 1), false, true, false);
        let half_log_det = factor.diagonal(0, 0, 1).log().sum(None);
        let constant = 0.5 * self.num_inputs() as f64 * (2.0 * PI).ln();
        white.square().sum_dim_intlist(0, false, None) * -0.5 - half_log_det - constant
    }

    /// The evidence lower bound with β = 1, its expectation taken exactly, in nats.
    ///
    /// # Formula
    /// ```text
    /// −[‖x − b − W μ‖² + Σⱼ σⱼ² ‖W eⱼ‖²]/(2s²) − (d_x/2) log(2π s²) − KL(q ‖ N(0, I))
    /// ```
    ///
    /// # Shapes
    /// x: `[B, 1, 1, d_x]` → `[B]` in f64
    pub fn elbo(&self, x: &Tensor) -> Tensor {
        let variance = self.observation_sigma.powi(2);
        let rows = self.rows(x);
        let mu = rows.matmul(&Self::exact(&self.encoder_weight).transpose(0, 1))
            + Self::exact(&self.encoder_bias);
        let log_sigma = Self::exact(&self.log_sigma);
        let w = Self::exact(&self.decoder_weight);
        let residual = rows - Self::exact(&self.decoder_bias) - mu.matmul(&w.transpose(0, 1));
        let spread =
            ((&log_sigma * 2.0).exp() * w.square().sum_dim_intlist(0, false, None)).sum(None);
        let squares = residual.square().sum_dim_intlist(1, false, None) + spread;
        let constant = 0.5 * self.num_inputs() as f64 * (2.0 * PI * variance).ln();
        let kl = (mu.square() + (&log_sigma * 2.0).exp() - 1.0 - &log_sigma * 2.0)
            .sum_dim_intlist(1, false, None)
            * 0.5;
        squares * (-0.5 / variance) - constant - kl
    }
}
