//! Mutual information, total correlation and dimension-wise KL of the top layer over a data set.
//!
//! For one layer the aggregate posterior is enumerated, so no minibatch offset is left to remove;
//! only the expectation over z is sampled. With layers below, the aggregate of the top layer is an
//! infinite mixture, of which one chain per input is drawn, the sample's own among them: mutual
//! information then comes out at most log N, so it is biased down, and the other two parts up.

use serde::{Deserialize, Serialize};
use vaegis_dist::total_correlation::FullData;
use vaegis_dist::{DiagNormal, Distribution as _};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::{Kind, Noise, Tensor, no_grad};

/// Rows of one network pass, and posteriors of one pass over the samples.
const ROWS_PER_PASS: usize = 1024;

/// The mean KL(q(z|x) ‖ p(z)) of the top layer in three parts, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatentDecomposition {
    /// I_q of the data (with the layers below, if there are any) and the top layer.
    pub mutual_information: f64,
    /// KL(q(z) ‖ Π_j q(z_j)).
    pub total_correlation: f64,
    /// Σ_j KL(q(z_j) ‖ p(z_j)) with a standard normal prior.
    pub dimension_wise: f64,
    /// Samples of z that the expectation was taken over.
    pub num_samples: usize,
    /// Posteriors that the aggregate consists of.
    pub num_posteriors: usize,
}

impl LatentDecomposition {
    /// The sum of the parts: the sampled mean KL divergence of the top layer from its prior.
    pub fn kl(&self) -> f64 {
        self.mutual_information + self.total_correlation + self.dimension_wise
    }
}

/// The decomposition for the top layer of a model, over all of x.
///
/// Every data point contributes one posterior. In a hierarchy that is the top conditional at the
/// end of one sampled chain. The expectation over z is taken over the samples of at most
/// `num_samples` data points, drawn without replacement; 10 000 are plenty.
///
/// # Formula
/// ```text
/// q(z) = 1/N Σ_n q(z|x_n),      expectation over z ~ q(z|x_k), k in a random subset
/// ```
///
/// # Shapes
/// x: `[N, C, H, W]`
///
/// # Panics
/// If there are no data or no samples are asked for.
///
/// # References
/// Chen, Li, Grosse and Duvenaud 2018, equation 2 and appendix C.
pub fn decomposition(
    model: &dyn LatentModel,
    x: &Tensor,
    num_samples: usize,
    noise: &Noise,
) -> LatentDecomposition {
    let num_posteriors = usize::try_from(x.size()[0]).expect("invariant: not negative");
    assert!(
        num_posteriors > 0 && num_samples > 0,
        "decomposition: needs data and samples"
    );
    no_grad(|| {
        let passes = crate::in_parts(x, ROWS_PER_PASS, |start, part| {
            vec![top_layer(
                model,
                part,
                &noise.child("chain").index(start as u64),
            )]
        });
        let join = |pick: fn(&TopLayer) -> &Tensor| {
            Tensor::cat(&passes.iter().map(pick).collect::<Vec<_>>(), 0)
        };
        let (z, log_own) = (join(|p| &p.z), join(|p| &p.log_own));
        let num_samples = num_samples.min(num_posteriors);
        let order = noise
            .child("subset")
            .uniform(&[x.size()[0]], Kind::Double, x.device())
            .argsort(0, false)
            .narrow(0, 0, num_samples as i64);
        let mut full = FullData::new(&z.index_select(0, &order));
        for pass in &passes {
            full.push(&pass.mu, &pass.log_sigma);
        }
        let parts = full.decomposition(&log_own.index_select(0, &order));
        LatentDecomposition {
            mutual_information: parts.mutual_information.double_value(&[]),
            total_correlation: parts.total_correlation.double_value(&[]),
            dimension_wise: parts.dimension_wise.double_value(&[]),
            num_samples,
            num_posteriors,
        }
    })
}

/// The top layer of a batch along one chain.
struct TopLayer {
    mu: Tensor,
    log_sigma: Tensor,
    z: Tensor,
    /// log q(z_k|x_k), f64 `[B]`.
    log_own: Tensor,
}

fn top_layer(model: &dyn LatentModel, x: &Tensor, noise: &Noise) -> TopLayer {
    let eps = crate::layer_noise(model, x.size()[0], x, noise);
    let posterior = model.posterior(x, LatentPath::Noise(&eps), Mode::Eval);
    let top = posterior
        .layers
        .last()
        .expect("invariant: at least one layer");
    let z = posterior.z.last().expect("invariant: one point per layer");
    let double = |t: &Tensor| t.to_kind(Kind::Double);
    let law = DiagNormal::new(double(top.mean()), double(top.log_scale()));
    TopLayer {
        mu: top.mean().shallow_clone(),
        log_sigma: top.log_scale().shallow_clone(),
        log_own: law.log_prob(&double(z)),
        z: z.shallow_clone(),
    }
}
