//! Sensitivity of the likelihood to Gaussian noise on the input.

use crate::{EvalError, in_parts};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, Tensor, no_grad};

/// Rows of one network pass.
const ROWS_PER_PASS: usize = 1024;

/// log p(x | z*) with z* the mean encoding of x + ε, ε ~ N(0, σ² I), for every
/// variance σ². Nothing is clipped to the data's range.
///
/// An input has one draw of ε that all variances scale, so that its curve is
/// smooth.
///
/// # Shapes
/// x: `[N, C, H, W]`; variances: `V` → `V` vectors of `N` values in nats
///
/// # Errors
/// A variance that is negative or not finite.
///
/// # References
/// Figures 6.7, E.3(f) and E.4(f) of the thesis; r-robustness specification §4.7.
pub fn noise_sensitivity(
    model: &dyn LatentModel,
    x: &Tensor,
    variances: &[f64],
    noise: &Noise,
) -> Result<Vec<Vec<f64>>, EvalError> {
    if let Some(found) = variances.iter().find(|v| !(v.is_finite() && **v >= 0.0)) {
        return Err(EvalError::BadInput {
            name: "variances",
            expected: "finite values that are not negative".into(),
            found: found.to_string(),
        });
    }
    Ok(no_grad(|| {
        let eps = noisy_directions(x, noise);
        let at = |&variance: &f64| {
            let noisy = x + &eps * variance.sqrt();
            in_parts(&noisy, ROWS_PER_PASS, |start, part| {
                let clean = x.narrow(0, start as i64, part.size()[0]);
                let posterior = model.posterior(part, LatentPath::Mean, Mode::Eval);
                to_f64_vec(&model.decode(&posterior.z, Mode::Eval).log_prob(&clean))
            })
        };
        variances.iter().map(at).collect()
    }))
}

/// The unit-variance draw of every input.
fn noisy_directions(x: &Tensor, noise: &Noise) -> Tensor {
    let shape = x.size();
    let rows: Vec<Tensor> = (0..shape[0] as u64)
        .map(|row| {
            noise
                .index(row)
                .standard_normal(&shape[1..], Kind::Float, Device::Cpu)
        })
        .collect();
    Tensor::stack(&rows, 0)
        .to_kind(x.kind())
        .to_device(x.device())
}
