//! What is written down about every attack.

use crate::prepared::draw_rows;
use crate::{
    Attack, AttackOutcome, AttackRows, Ball, Direction, HierMode, Layers, Penalty, RowStatus,
};
use serde::{Deserialize, Serialize};
use vaegis_core::SeedTree;
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Noise, Tensor, no_grad};

/// One attack, as a row of a result file. Distances are L2, likelihoods nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttackRecord {
    /// Key of the row; names its noise.
    pub key: u64,
    /// Seed of the job's noise; with the key it names every draw of the row.
    pub seed: SeedTree,
    /// Number of the image pair.
    pub pair: usize,
    /// Factor of the penalty.
    #[serde(with = "vaegis_core::codec::float")]
    pub lambda: f64,
    /// Kind of penalty.
    pub penalty: Penalty,
    /// Radius of the ball; +∞ without one.
    #[serde(with = "vaegis_core::codec::float", default = "no_limit")]
    pub radius: f64,
    /// Kind of ball.
    #[serde(default)]
    pub ball: Ball,
    /// Name of the objective.
    pub objective: String,
    /// Layers that enter a latent objective; none for the others.
    #[serde(default)]
    pub layers: Option<Layers>,
    /// How a latent objective goes through the lower layers; none for the others.
    #[serde(default)]
    pub hier_mode: Option<HierMode>,
    /// Order of the arguments of a Kullback-Leibler objective; none for the others.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// Name of the search.
    pub search: String,
    /// Δ: divergence plus penalty.
    #[serde(with = "vaegis_core::codec::float")]
    pub delta: f64,
    /// Divergence part.
    #[serde(with = "vaegis_core::codec::float")]
    pub divergence: f64,
    /// Divergence part without attack.
    #[serde(with = "vaegis_core::codec::float")]
    pub divergence_clean: f64,
    /// ‖d‖₂.
    #[serde(with = "vaegis_core::codec::float")]
    pub norm_l2: f64,
    /// ‖d‖∞.
    #[serde(with = "vaegis_core::codec::float")]
    pub norm_linf: f64,
    /// −log p(xᵗ|z*), large where the attack failed.
    #[serde(with = "vaegis_core::codec::float")]
    pub nll_target: f64,
    /// −log p(x|z*).
    #[serde(with = "vaegis_core::codec::float")]
    pub nll_original: f64,
    /// −log p(xᵗ|z) of the clean input: the reference "no attack".
    #[serde(with = "vaegis_core::codec::float")]
    pub nll_target_no_attack: f64,
    /// −log p(xᵗ|zᵗ): the reference "perfect attack".
    #[serde(with = "vaegis_core::codec::float")]
    pub nll_target_perfect: f64,
    /// ‖x̃* − xᵗ‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub reconstruction_to_target: f64,
    /// ‖x̃* − x‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub reconstruction_to_original: f64,
    /// ‖x* − xᵗ‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub attacked_to_target: f64,
    /// ‖x̃ᵗ − xᵗ‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub target_reconstruction_to_target: f64,
    /// ‖x̃ − x‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub clean_reconstruction_to_original: f64,
    /// ‖x̃ − xᵗ‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub clean_reconstruction_to_target: f64,
    /// ‖x − xᵗ‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub input_to_target: f64,
    /// Iterations of the search.
    pub iterations: usize,
    /// Evaluations of objective and gradient.
    pub evaluations: usize,
    /// Why the search ended.
    pub status: RowStatus,
    /// Restart that won.
    pub restart: usize,
}

/// The radius of records that were written before there were balls in sweeps.
fn no_limit() -> f64 {
    f64::INFINITY
}

impl AttackRecord {
    /// Share of the way from "no attack" to "perfect attack" in the target's
    /// likelihood: 0 nothing, 1 as good as encoding the target itself. NaN or
    /// infinite where the two references agree.
    ///
    /// # Formula
    /// ```text
    /// s = (ℓ₀ − ℓ*) / (ℓ₀ − ℓᵗ),  ℓ = −log p(xᵗ|z) with z from
    ///     x (ℓ₀, no attack), x + d (ℓ*), xᵗ (ℓᵗ, perfect attack)
    /// ```
    ///
    /// # References
    /// Seatbelt specification §8.
    pub fn success(&self) -> f64 {
        (self.nll_target_no_attack - self.nll_target)
            / (self.nll_target_no_attack - self.nll_target_perfect)
    }
}

/// Evaluates finished targeted attacks.
///
/// `samples` noise draws estimate the likelihoods; all four share their noise,
/// so that their differences are sharp. At most `attack.max_rows_per_pass`
/// images pass through the networks at once.
///
/// # Panics
/// If the rows have no targets or the lengths differ.
pub fn describe(
    victim: &dyn LatentModel,
    attack: &Attack,
    rows: &AttackRows,
    pairs: &[usize],
    outcome: &AttackOutcome,
    samples: usize,
    noise: &Noise,
) -> Vec<AttackRecord> {
    assert_eq!(pairs.len(), rows.len(), "describe: one pair number per row");
    let all: Vec<usize> = (0..rows.len()).collect();
    let per_pass = (attack.max_rows_per_pass / samples.max(1)).max(1);
    let judge = Judge {
        victim,
        samples,
        noise,
    };
    all.chunks(per_pass)
        .flat_map(|part| judge.records(attack, rows, pairs, outcome, part))
        .collect()
}

/// The victim, and the draws by which its likelihoods are estimated.
struct Judge<'a> {
    victim: &'a dyn LatentModel,
    samples: usize,
    noise: &'a Noise,
}

impl Judge<'_> {
    /// Mean of −log p(image | z), z ~ q(z|input), over the draws of every row.
    ///
    /// # Shapes
    /// input, each image: `[N, C, H, W]` → per image, `N` numbers
    fn nll(&self, input: &Tensor, images: &[&Tensor], keys: &[u64]) -> Vec<Vec<f64>> {
        let samples = self.samples as i64;
        let repeat = |t: &Tensor| t.repeat_interleave_self_int(samples, 0, None);
        let eps: Vec<Tensor> = draw_rows(self.victim, &self.noise.child("nll"), keys, self.samples)
            .iter()
            .map(|e| e.flatten(0, 1))
            .collect();
        let path = LatentPath::Noise(&eps);
        let posterior = self.victim.posterior(&repeat(input), path, Mode::Eval);
        let likelihood = self.victim.decode(&posterior.z, Mode::Eval);
        let each = images.iter().map(|image| {
            let log_prob = likelihood.log_prob(&repeat(image)).reshape([-1, samples]);
            to_f64_vec(&(-log_prob.mean_dim(1, false, None)))
        });
        each.collect()
    }

    /// [`describe`] for the rows at the positions `part`, which are consecutive.
    fn records(
        &self,
        attack: &Attack,
        rows: &AttackRows,
        pairs: &[usize],
        outcome: &AttackOutcome,
        part: &[usize],
    ) -> Vec<AttackRecord> {
        let first = part[0];
        let part = rows.select(part);
        let target = part
            .target
            .as_ref()
            .expect("invariant: targeted rows have targets");
        no_grad(|| {
            let attacked = outcome.attacked_part(&part.x, first);
            let nll = |input: &Tensor, images: &[&Tensor]| self.nll(input, images, &part.keys);
            let attacked_nll = nll(&attacked, &[target, &part.x]);
            let no_attack = nll(&part.x, &[target]);
            let perfect = nll(target, &[target]);
            let distance = |a: &Tensor, b: &Tensor| {
                to_f64_vec(
                    &(a - b)
                        .square()
                        .flatten(1, -1)
                        .sum_dim_intlist(1, false, None)
                        .sqrt(),
                )
            };
            let reconstruction = self.victim.reconstruct(&attacked);
            let clean = self.victim.reconstruct(&part.x);
            let target_reconstruction = self.victim.reconstruct(target);
            let reconstruction_to_target = distance(&reconstruction, target);
            let reconstruction_to_original = distance(&reconstruction, &part.x);
            let attacked_to_target = distance(&attacked, target);
            let target_to_target = distance(&target_reconstruction, target);
            let clean_to_original = distance(&clean, &part.x);
            let clean_to_target = distance(&clean, target);
            let input_to_target = distance(&part.x, target);
            let record = |i: usize| AttackRecord {
                key: part.keys[i],
                seed: self.noise.seed().clone(),
                pair: pairs[first + i],
                lambda: part.lambda[i],
                penalty: attack.constraint.penalty,
                radius: part.radius[i],
                ball: attack.constraint.ball,
                objective: attack.objective.name().to_owned(),
                layers: attack.objective.layers(),
                hier_mode: attack.objective.hier_mode(),
                direction: attack.objective.direction(),
                search: attack.search.name().to_owned(),
                delta: outcome.objective[first + i],
                divergence: outcome.divergence[first + i],
                divergence_clean: outcome.divergence_clean[first + i],
                norm_l2: outcome.norm_l2[first + i],
                norm_linf: outcome.norm_linf[first + i],
                nll_target: attacked_nll[0][i],
                nll_original: attacked_nll[1][i],
                nll_target_no_attack: no_attack[0][i],
                nll_target_perfect: perfect[0][i],
                reconstruction_to_target: reconstruction_to_target[i],
                reconstruction_to_original: reconstruction_to_original[i],
                attacked_to_target: attacked_to_target[i],
                target_reconstruction_to_target: target_to_target[i],
                clean_reconstruction_to_original: clean_to_original[i],
                clean_reconstruction_to_target: clean_to_target[i],
                input_to_target: input_to_target[i],
                iterations: outcome.iterations[first + i],
                evaluations: outcome.evaluations[first + i],
                status: outcome.status[first + i],
                restart: outcome.restart[first + i],
            };
            (0..part.len()).map(record).collect()
        })
    }
}
