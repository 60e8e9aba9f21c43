//! The tour's claims as predicates over seeds.

use super::TourConfig;
use super::data::TourData;
use super::job::{ModelResult, average};
use crate::claims::{above, never};
use crate::{RunCtx, Tier};
use vaegis_attacks::record::AttackRecord;
use vaegis_eval::margin::FailingShare;
use vaegis_report::{Claim, ClaimResult};
use vaegis_theory::stats::{pearson, spearman};

/// Largest test −ELBO of a well-trained VAE of this size on MNIST, in nats, at
/// desk tier and after 50 epochs.
const MNIST_NATS: [(Tier, f64); 2] = [(Tier::Desk, 108.0), (Tier::Paper, 102.0)];
/// Penalties at which the attacker hardly pays.
pub(super) const CHEAP_LAMBDA: f64 = 1e-3;
/// Correlation of bound and margin that counts as reproduced.
const CORRELATION: f64 = 0.70;

/// What a statistic looks at.
pub(super) struct Models<'a>(pub(super) &'a [ModelResult]);

impl<'a> Models<'a> {
    /// The models of one β, by seed.
    pub(super) fn at(&self, beta: f64) -> Vec<&'a ModelResult> {
        self.0.iter().filter(|m| m.beta == beta).collect()
    }

    /// Seeds, each once, in order.
    fn seeds(&self) -> Vec<u64> {
        let mut seeds: Vec<u64> = self.0.iter().map(|m| m.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }

    /// One value per seed: `statistic` of the highest β minus that of the lowest.
    fn rise(
        &self,
        config: &TourConfig,
        statistic: impl Fn(&ModelResult) -> f64,
    ) -> Vec<(u64, f64)> {
        let (low, high) = (config.betas[0], config.betas[config.betas.len() - 1]);
        let find = |beta: f64, seed: u64| {
            let model = self.0.iter().find(|m| m.beta == beta && m.seed == seed);
            model.map_or(f64::NAN, &statistic)
        };
        self.seeds()
            .into_iter()
            .map(|s| (s, find(high, s) - find(low, s)))
            .collect()
    }

    /// One value per seed from all of the seed's models.
    fn pooled(&self, statistic: impl Fn(&[&ModelResult]) -> f64) -> Vec<(u64, f64)> {
        let of = |seed: u64| {
            let models: Vec<&ModelResult> = self.0.iter().filter(|m| m.seed == seed).collect();
            statistic(&models)
        };
        self.seeds()
            .into_iter()
            .map(|seed| (seed, of(seed)))
            .collect()
    }
}

/// Mean of a field over the records of one sweep.
pub(super) fn sweep_mean(
    model: &ModelResult,
    name: &str,
    keep: impl Fn(&AttackRecord) -> bool,
    value: impl Fn(&AttackRecord) -> f64,
) -> f64 {
    let sweep = model.sweeps.iter().find(|(n, _, _)| *n == name);
    let values: Vec<f64> = sweep
        .map(|(_, records, _)| records.iter().filter(|r| keep(r)).map(&value).collect())
        .unwrap_or_default();
    average(&values)
}

/// Success of the attacks of one sweep: the share of the way from "no attack" to
/// "perfect attack" that the mean likelihood of the target goes. A ratio of
/// means: single pairs whose two references nearly agree do not dominate it.
pub(super) fn sweep_success(
    model: &ModelResult,
    name: &str,
    keep: impl Fn(&AttackRecord) -> bool + Copy,
) -> f64 {
    let mean = |value: fn(&AttackRecord) -> f64| sweep_mean(model, name, keep, value);
    let no_attack = mean(|r| r.nll_target_no_attack);
    (no_attack - mean(|r| r.nll_target)) / (no_attack - mean(|r| r.nll_target_perfect))
}

/// Whether the attacker hardly pays in this record.
pub(super) fn cheap(record: &AttackRecord) -> bool {
    record.lambda <= CHEAP_LAMBDA
}

/// Mean margin of a model's images: lower ends of the brackets, the cap for
/// images at the cap, 0 for images that are not robust unperturbed.
pub(super) fn mean_margin(model: &ModelResult) -> f64 {
    average(
        &model
            .margins
            .iter()
            .map(|m| m.margin.value)
            .collect::<Vec<_>>(),
    )
}

/// Bound and margin of every image whose bound is positive and finite.
pub(super) fn bound_and_margin(model: &ModelResult) -> (Vec<f64>, Vec<f64>) {
    let both = model.bounds.iter().zip(&model.margins);
    both.map(|(b, m)| (b.plug_in.frobenius, m.margin.value))
        .filter(|(b, _)| b.is_finite() && *b > 0.0)
        .unzip()
}

/// Judges every claim of the tour.
pub(super) fn judge(
    ctx: &RunCtx,
    config: &TourConfig,
    data: &TourData,
    results: &[ModelResult],
) -> Vec<ClaimResult> {
    let judge = Judge {
        config,
        models: Models(results),
    };
    let limit = MNIST_NATS
        .iter()
        .find(|(tier, _)| *tier == ctx.tier && data.set.is_real);
    let mut claims: Vec<ClaimResult> = limit
        .map(|(_, nats)| judge.quality(*nats))
        .into_iter()
        .collect();
    claims.extend(judge.encoder());
    claims.extend(judge.attacks());
    claims.extend(judge.bounds());
    claims.extend(judge.margins());
    claims.extend(judge.damage());
    claims
}

/// The claims by what they speak of.
struct Judge<'a> {
    config: &'a TourConfig,
    models: Models<'a>,
}

impl Judge<'_> {
    /// Smallest and largest β.
    fn ends(&self) -> (f64, f64) {
        let betas = &self.config.betas;
        (betas[0], betas[betas.len() - 1])
    }

    /// "The statistic grows from the smallest β to the largest."
    fn rises(
        &self,
        id: &str,
        statement: &str,
        source: &str,
        what: &str,
        statistic: Of<'_>,
    ) -> ClaimResult {
        let (low, high) = self.ends();
        let between = format!("β = {high} minus β = {low}");
        let predicate = format!("{what}, {between}, per seed: the 95 % interval is above 0");
        above(
            Claim::new(id, statement, source, &predicate),
            &self.models.rise(self.config, statistic),
            0.0,
            &format!("{what}, {between}"),
        )
    }

    /// The VAE is trained well enough for the rest to mean anything.
    fn quality(&self, nats: f64) -> ClaimResult {
        let room: Vec<(u64, f64)> = self
            .models
            .at(self.ends().0)
            .iter()
            .map(|m| (m.seed, nats + m.quality.elbo.elbo()))
            .collect();
        // An acceptance value and no effect to be estimated: every seed has to meet it.
        let above_limit = room
            .iter()
            .filter(|(_, spare)| spare.is_nan() || *spare < 0.0)
            .count();
        let claim = Claim::new(
            "quality",
            &format!("the VAE's test −ELBO on MNIST is at most {nats} nats"),
            "the house's own acceptance value (784-400-400, 20 latents)",
            "no seed is above it; shown are the nats to spare",
        );
        never(claim, above_limit, room.len(), "seeds above it").with_seeds(room)
    }

    /// What β does to likelihood, σ and the encoder's Jacobian.
    fn encoder(&self) -> Vec<ClaimResult> {
        vec![
            self.rises(
                "elbo-falls",
                "a larger β costs likelihood",
                "Seatbelt paper, figure 6 (SB-38)",
                "−ELBO",
                &|m| -m.quality.elbo.elbo(),
            ),
            self.rises(
                "noise-grows",
                "the encoder's noise ‖σ‖ grows with β",
                "Seatbelt paper, figure 2; thesis figure 6.9 (SB-39)",
                "mean ‖σ‖",
                &|m| m.quality.usage.mean_sigma_norm,
            ),
            self.rises(
                "jacobian-shrinks",
                "the encoder's Jacobian ‖J‖_F shrinks as β grows",
                "thesis §6.5, equation 6.6",
                "−‖J‖_F",
                &|m| {
                    -average(
                        &m.bounds
                            .iter()
                            .map(|b| b.jacobian_frobenius)
                            .collect::<Vec<_>>(),
                    )
                },
            ),
        ]
    }

    /// Targeted attacks against β.
    fn attacks(&self) -> Vec<ClaimResult> {
        let mut claims = Vec::new();
        let low = self.ends().0;
        for (name, title) in [("kl", "KL"), ("w2", "Wasserstein"), ("output", "output")] {
            let success = self
                .models
                .at(low)
                .iter()
                .map(|m| (m.seed, sweep_success(m, name, cheap)))
                .collect::<Vec<_>>();
            claims.push(above(
                Claim::new(
                    &format!("fooled-{name}"),
                    &format!("the plain VAE is fooled by the {title} attack where distortion is cheap"),
                    "Seatbelt paper, figures 1 and 5",
                    &format!(
                        "success of the mean between the references no attack (0) and perfect attack (1) \
                         over λ ≤ {CHEAP_LAMBDA}: the 95 % interval is above 0.5"
                    ),
                ),
                &success,
                0.5,
                "success",
            ));
        }
        claims.push(self.rises(
            "delta-grows",
            "the attacker's loss Δ_KL grows with β (published for the β-TCVAE; tried here on the β-VAE, \
             whose latent scale shrinks with β and takes Δ with it)",
            "Seatbelt paper, figure 3 (SB-40)",
            "mean Δ_KL",
            &|m| sweep_mean(m, "kl", |_| true, |r| r.delta),
        ));
        claims.push(self.rises(
            "nll-target-grows",
            "the target stays less likely under attack as β grows",
            "Seatbelt paper, figure 5",
            "mean −log p(xᵗ|z*)",
            &|m| sweep_mean(m, "kl", |_| true, |r| r.nll_target),
        ));
        claims
    }

    /// The printed bound: attacked at its own radius, and beside the margin.
    fn bounds(&self) -> Vec<ClaimResult> {
        let mut claims = Vec::new();
        let m = self.config.bounds.m;
        for (id, what, tests) in [
            (
                "bound-holds",
                "the encoder's mean (V1, as the theorem assumes)",
                mean_only as Tests,
            ),
            (
                "bound-holds-v2",
                "mean and scale (V2, as the sources' algorithm does)",
                both,
            ),
        ] {
            let shares: Vec<&FailingShare> = self.models.0.iter().flat_map(tests).collect();
            let refuted = shares
                .iter()
                .filter(|share| share.radius > 0.0 && share.refutes(m))
                .count();
            let tested = shares.iter().filter(|share| share.radius > 0.0).count();
            let per_seed = self.models.pooled(|all| {
                let shares = all.iter().flat_map(|&model| tests(model));
                let refuted = shares.filter(|share| share.radius > 0.0 && share.refutes(m));
                refuted.count() as f64
            });
            let judged = never(
                Claim::new(
                    id,
                    &format!(
                        "no attack on {what} breaks r-robustness at the radius of the bound B_F"
                    ),
                    "thesis theorem 6.1 and figure 6.6 (first order: may fail)",
                    &format!(
                        "B_F from the Clopper-Pearson limit of p₀; at that radius no image has a share \
                         of draws within r below {m} by more than its interval, all limits at the \
                         family-wise level of all images of all models"
                    ),
                ),
                refuted,
                tested,
                "images refute it",
            );
            claims.push(judged.with_seeds(per_seed));
        }
        claims.push(above(
            Claim::new(
                "bound-correlates",
                "bound and margin correlate over networks of different β",
                "thesis figure 6.6 (published ρ .83 to .88)",
                &format!(
                    "Pearson ρ pooled over β, per seed: the 95 % interval is above {CORRELATION}"
                ),
            ),
            &self.models.pooled(|all| {
                let (bound, margin): (Vec<_>, Vec<_>) =
                    all.iter().map(|m| bound_and_margin(m)).unzip();
                pearson(&bound.concat(), &margin.concat()).unwrap_or(f64::NAN)
            }),
            CORRELATION,
            "pooled Pearson ρ",
        ));
        claims
    }

    /// Margins and the bound at a fixed p₀ against β.
    fn margins(&self) -> Vec<ClaimResult> {
        vec![
            self.rises(
                "margin-grows",
                &format!("the margin at r = {} grows with β", self.config.margins.r),
                "thesis figure 6.9",
                "mean R",
                &mean_margin,
            ),
            self.rises(
                "fixed-bound-grows",
                "the bound at p₀ = 0.9, which knows the encoder alone, grows with β",
                "thesis figures E.3 and E.4",
                "mean B_F at p₀ = .9",
                &|m| {
                    average(
                        &m.bounds
                            .iter()
                            .map(|b| b.at_p0_90.frobenius)
                            .collect::<Vec<_>>(),
                    )
                },
            ),
        ]
    }

    /// Maximum damage: against random directions, and against margins.
    fn damage(&self) -> Vec<ClaimResult> {
        vec![
            above(
                Claim::new(
                    "attack-beats-random",
                    "the maximum-damage attack does more harm than a random direction of the same norm",
                    "thesis §6.4",
                    "mean damage of the attack minus that of a random direction over all models and \
                 radii above 0, per seed: the 95 % interval is above 0",
                ),
                &self.models.pooled(|all| {
                    let points = all
                        .iter()
                        .flat_map(|m| &m.damage)
                        .filter(|p| p.radius > 0.0);
                    let gains: Vec<f64> = points
                        .map(|p| average(&p.attack) - average(&p.random))
                        .collect();
                    average(&gains)
                }),
                0.0,
                "mean gain in L2 distance",
            ),
            above(
                Claim::new(
                    "margin-predicts-damage",
                    "inputs with a larger margin suffer less likelihood degradation",
                    "thesis figure 6.7 (our reference: Spearman .47 at r = 4)",
                    "Spearman ρ of margin and signed degradation at the largest radius, pooled over β, \
                 per seed: the 95 % interval is above 0",
                ),
                &self.models.pooled(|all| {
                    let margin: Vec<f64> = all
                        .iter()
                        .flat_map(|m| m.margins.iter().map(|r| r.margin.value))
                        .collect();
                    let worst = |m: &ModelResult| -> Vec<f64> {
                        let last = m
                            .damage
                            .last()
                            .map(|p| p.degradation.as_slice())
                            .unwrap_or(&[]);
                        last.iter().map(|d| d.signed()).collect()
                    };
                    let degradation: Vec<f64> = all.iter().flat_map(|m| worst(m)).collect();
                    spearman(&margin, &degradation).unwrap_or(f64::NAN)
                }),
                0.0,
                "pooled Spearman ρ",
            ),
        ]
    }
}

type Of<'a> = &'a dyn Fn(&ModelResult) -> f64;

type Tests = fn(&ModelResult) -> &[FailingShare];

fn mean_only(model: &ModelResult) -> &[FailingShare] {
    &model.at_bound.mean_only
}

fn both(model: &ModelResult) -> &[FailingShare] {
    &model.at_bound.both
}
