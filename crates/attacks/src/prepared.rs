//! An objective bound to a victim and to rows: everything that does not depend
//! on the distortion is computed once.

use crate::objective::Direction;
use crate::oracle::rows_per_pass;
use crate::{AttackRows, NoiseMode, Objective, Variant};
use vaegis_dist::{DiagNormal, KlTo, W2To};
use vaegis_nn::{LatentModel, LatentPath, Likelihood, Mode};
use vaegis_tensor::{Kind, Noise, Tensor, no_grad, parts};

/// Floor under a square root, so that the gradient exists where two posteriors
/// or reconstructions coincide.
const ROOT_FLOOR: f64 = 1e-12;

/// What the rows are compared with.
#[derive(Debug)]
enum Reference {
    /// Target images and the posteriors of the layers that count along each chain,
    /// batch `[N, S]`; S is 1 for the chain of means.
    Posteriors {
        images: Tensor,
        laws: Vec<(usize, DiagNormal)>,
    },
    /// Target images, `[N, C, H, W]`.
    Images(Tensor),
    /// Clean posterior and reference reconstructions `[N, 1 or S, D]`.
    Clean {
        posterior: DiagNormal,
        reconstructions: Tensor,
    },
}

/// An objective ready to be evaluated on any subset of its rows.
pub struct Prepared<'a> {
    victim: &'a dyn LatentModel,
    objective: Objective,
    reference: Reference,
    /// Base noise, one `[N, S, d_l]` per layer; empty where there is none.
    eps: Vec<Tensor>,
    noise: Noise,
    noise_mode: NoiseMode,
    keys: Vec<u64>,
    max_rows_per_pass: usize,
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("objective", &self.objective)
            .finish_non_exhaustive()
    }
}

impl<'a> Prepared<'a> {
    /// Binds `objective` to `rows`; the noise of row i is keyed by `rows.keys[i]`.
    /// All rows pass through the networks at once; [`Prepared::in_passes`] bounds them.
    ///
    /// # Panics
    /// As [`Prepared::in_passes`].
    pub fn new(
        victim: &'a dyn LatentModel,
        objective: Objective,
        rows: &AttackRows,
        noise: Noise,
        noise_mode: NoiseMode,
    ) -> Self {
        Self::in_passes(victim, objective, rows, noise, noise_mode, usize::MAX)
    }

    /// As [`Prepared::new`] with at most `max_rows_per_pass` network rows at once, counting every
    /// noise draw of a row, but at least those of one row. Equal to rounding for all passes.
    ///
    /// # Panics
    /// If the rows were not checked against the objective
    /// ([`AttackRows::check`]), or for a maximum-damage attack on a model with
    /// several latent layers.
    pub fn in_passes(
        victim: &'a dyn LatentModel,
        objective: Objective,
        rows: &AttackRows,
        noise: Noise,
        noise_mode: NoiseMode,
        max_rows_per_pass: usize,
    ) -> Self {
        let target = || {
            rows.target
                .as_ref()
                .expect("invariant: targeted rows have targets")
        };
        let eps = draw_eps(victim, &objective, &noise.child("eps"), &rows.keys);
        let reference = no_grad(|| match objective {
            Objective::LatentKl { .. } | Objective::LatentW2 { .. } => Reference::Posteriors {
                images: target().shallow_clone(),
                laws: target_chains(victim, &objective, target(), &eps, max_rows_per_pass),
            },
            Objective::OutputElbo { .. } | Objective::OutputL2 { .. } => {
                Reference::Images(target().shallow_clone())
            }
            Objective::MaxDamage { variant, .. } => {
                let num_rows = rows.len() as i64;
                let passes = parts(num_rows, max_rows_per_pass as i64);
                let clean = passes.map(|(start, len)| {
                    let part = rows.x.narrow(0, start, len);
                    let mut posterior = victim.posterior(&part, LatentPath::Mean, Mode::Eval);
                    assert_eq!(
                        posterior.layers.len(),
                        1,
                        "maximum damage needs one latent layer"
                    );
                    posterior.layers.remove(0)
                });
                let clean = joined(clean.collect::<Vec<_>>().iter());
                let z = if variant == Variant::TwoSample {
                    let other = draw_eps(victim, &objective, &noise.child("eps-clean"), &rows.keys);
                    clean.mean().unsqueeze(1) + clean.scale().unsqueeze(1) * &other[0]
                } else {
                    clean.mean().unsqueeze(1)
                };
                let per_pass = rows_per_pass(max_rows_per_pass, z.size()[1] as usize);
                let decoded = parts(num_rows, per_pass as i64)
                    .map(|(start, len)| decode_samples(victim, &z.narrow(0, start, len)));
                let reconstructions = Tensor::cat(&decoded.collect::<Vec<_>>(), 0);
                Reference::Clean {
                    posterior: clean,
                    reconstructions,
                }
            }
        });
        Self {
            victim,
            objective,
            reference,
            eps,
            noise,
            noise_mode,
            keys: rows.keys.clone(),
            max_rows_per_pass,
        }
    }

    /// Network rows that one evaluation of a row takes.
    pub fn num_samples(&self) -> usize {
        self.objective.num_samples().max(1)
    }

    /// Whether the noise is drawn anew at every evaluation.
    pub fn is_fresh(&self) -> bool {
        self.noise_mode == NoiseMode::Fresh && !self.eps.is_empty()
    }

    /// Draws the noise of every row anew if the noise mode asks for it.
    /// `evaluation` numbers the draws.
    pub fn refresh(&mut self, evaluation: u64) {
        if self.is_fresh() {
            let noise = self.noise.child("fresh").index(evaluation);
            self.eps = draw_eps(self.victim, &self.objective, &noise, &self.keys);
            if let Reference::Posteriors { images, laws } = &mut self.reference {
                // Both inputs of a pair go through the same noise.
                *laws = no_grad(|| {
                    target_chains(
                        self.victim,
                        &self.objective,
                        images,
                        &self.eps,
                        self.max_rows_per_pass,
                    )
                });
            }
        }
    }

    /// The objective of some rows at attacked inputs, with gradient.
    ///
    /// # Shapes
    /// x: `[n, C, H, W]`, rows: `[n]` row numbers (Int64) → `[n]`
    pub fn value(&self, x: &Tensor, rows: &Tensor) -> Tensor {
        match (&self.objective, &self.reference) {
            (Objective::LatentKl { direction, .. }, Reference::Posteriors { laws, .. }) => self
                .sum_layers(x, rows, laws, |a, t| match direction {
                    Direction::Forward => a.kl_to(t),
                    Direction::Reverse => t.kl_to(a),
                    Direction::Symmetric => a.kl_to(t) + t.kl_to(a),
                }),
            (Objective::LatentW2 { squared, .. }, Reference::Posteriors { laws, .. }) => self
                .sum_layers(x, rows, laws, |a, t| {
                    let w2 = a.w2_squared_to(t);
                    if *squared {
                        w2
                    } else {
                        (w2 + ROOT_FLOOR).sqrt()
                    }
                }),
            (Objective::OutputElbo { samples }, Reference::Images(target)) => {
                self.output_elbo(x, &target.index_select(0, rows), rows, *samples)
            }
            (Objective::OutputL2 { samples }, Reference::Images(target)) => {
                let target = target.index_select(0, rows);
                self.output_l2(x, &target, rows, *samples)
            }
            (
                Objective::MaxDamage { variant, .. },
                Reference::Clean {
                    posterior: clean,
                    reconstructions,
                },
            ) => {
                let attacked = self.victim.posterior(x, LatentPath::Mean, Mode::Eval);
                let attacked = &attacked.layers[0];
                let mean_source = match variant {
                    Variant::SigmaOnly => clean.mean().index_select(0, rows),
                    _ => attacked.mean().shallow_clone(),
                };
                let log_scale_source = match variant {
                    Variant::MeanOnly => clean.log_scale().index_select(0, rows),
                    _ => attacked.log_scale().shallow_clone(),
                };
                let eps = self.eps[0].index_select(0, rows);
                let z = mean_source.unsqueeze(1) + log_scale_source.exp().unsqueeze(1) * eps;
                let difference =
                    decode_samples(self.victim, &z) - reconstructions.index_select(0, rows);
                -norm_last(&difference).mean_dim(1, false, None)
            }
            _ => unreachable!("the reference is built from the objective"),
        }
    }

    /// The divergences of the layers that count, averaged over the chains of each row.
    fn sum_layers(
        &self,
        x: &Tensor,
        rows: &Tensor,
        targets: &[(usize, DiagNormal)],
        divergence: impl Fn(&DiagNormal, &DiagNormal) -> Tensor,
    ) -> Tensor {
        let eps: Vec<Tensor> = self.eps.iter().map(|e| e.index_select(0, rows)).collect();
        let attacked = chains(self.victim, &self.objective, x, &eps);
        let pairs = attacked.iter().zip(targets);
        let terms = pairs.map(|((_, a), (_, t))| divergence(a, &t.index_select(rows)));
        let sum = terms.reduce(|a, b| a + b); // [n, S]
        sum.expect("invariant: at least one layer counts")
            .mean_dim(1, false, None)
    }

    /// −log p(xᵗ|z) + KL, averaged over the samples of each row. With several layers the
    /// divergence is the log-ratio at the very points at which the likelihood is taken.
    fn output_elbo(&self, x: &Tensor, target: &Tensor, rows: &Tensor, samples: usize) -> Tensor {
        let (repeated, eps) = self.repeat(x, rows, samples);
        let posterior = self
            .victim
            .posterior(&repeated, LatentPath::Noise(&eps), Mode::Eval);
        let likelihood = self.victim.decode(&posterior.z, Mode::Eval);
        let log_prob = likelihood.log_prob(&repeat_rows(target, samples));
        let kl = if posterior.layers.len() == 1 {
            self.victim.kl_terms(&posterior, Mode::Eval)
        } else {
            self.victim.log_ratio_terms(&posterior, Mode::Eval)
        };
        let value = kl.iter().fold(-log_prob, |sum, term| sum + term);
        value.reshape([-1, samples as i64]).mean_dim(1, false, None)
    }

    fn output_l2(&self, x: &Tensor, target: &Tensor, rows: &Tensor, samples: usize) -> Tensor {
        let squared = |likelihood: Likelihood, target: &Tensor| {
            (likelihood.mean() - target)
                .square()
                .flatten(1, -1)
                .sum_dim_intlist(1, false, None)
        };
        if samples == 0 {
            let posterior = self.victim.posterior(x, LatentPath::Mean, Mode::Eval);
            return squared(self.victim.decode(&posterior.z, Mode::Eval), target);
        }
        let (repeated, eps) = self.repeat(x, rows, samples);
        let posterior = self
            .victim
            .posterior(&repeated, LatentPath::Noise(&eps), Mode::Eval);
        let likelihood = self.victim.decode(&posterior.z, Mode::Eval);
        let value = squared(likelihood, &repeat_rows(target, samples));
        value.reshape([-1, samples as i64]).mean_dim(1, false, None)
    }

    /// Inputs repeated per sample, with the noise of each: `[n·S, …]`.
    fn repeat(&self, x: &Tensor, rows: &Tensor, samples: usize) -> (Tensor, Vec<Tensor>) {
        let eps = self
            .eps
            .iter()
            .map(|e| e.index_select(0, rows).flatten(0, 1))
            .collect();
        (repeat_rows(x, samples), eps)
    }
}

/// The posteriors of the layers that count, along the chain of means or along one chain per noise
/// draw, in f64 whatever the network's kind.
///
/// Near a target the terms of a divergence cancel: in f32 a KL of 10⁻³ nats moves in steps of
/// 10⁻⁶, on which an optimizer sees no decrease long before it is done.
///
/// # Shapes
/// x: `[n, C, H, W]`; eps: none, or one `[n, S, d_l]` per layer → batch `[n, S]`, event `[d_l]`
fn chains(
    victim: &dyn LatentModel,
    objective: &Objective,
    x: &Tensor,
    eps: &[Tensor],
) -> Vec<(usize, DiagNormal)> {
    let (Objective::LatentKl { layers, .. } | Objective::LatentW2 { layers, .. }) = objective
    else {
        unreachable!("only latent objectives compare posteriors")
    };
    let samples = objective.num_samples().max(1);
    let posterior = if eps.is_empty() {
        victim.posterior(x, LatentPath::Mean, Mode::Eval)
    } else {
        let flat: Vec<Tensor> = eps.iter().map(|e| e.flatten(0, 1)).collect();
        let x = repeat_rows(x, samples);
        victim.posterior(&x, LatentPath::Noise(&flat), Mode::Eval)
    };
    let num_layers = posterior.layers.len();
    let per_row = |t: &Tensor| t.to_kind(Kind::Double).unflatten(0, [-1, samples as i64]);
    let counted = posterior.layers.iter().enumerate();
    counted
        .filter(|(l, _)| layers.contains(*l, num_layers))
        .map(|(l, law)| {
            (
                l,
                DiagNormal::new(per_row(law.mean()), per_row(law.log_scale())),
            )
        })
        .collect()
}

/// [`chains`] in passes of at most `max_rows` network rows.
fn target_chains(
    victim: &dyn LatentModel,
    objective: &Objective,
    x: &Tensor,
    eps: &[Tensor],
    max_rows: usize,
) -> Vec<(usize, DiagNormal)> {
    let per_pass = rows_per_pass(max_rows, objective.num_samples());
    let passes = parts(x.size()[0], per_pass as i64).map(|(start, len)| {
        let eps: Vec<Tensor> = eps.iter().map(|e| e.narrow(0, start, len)).collect();
        chains(victim, objective, &x.narrow(0, start, len), &eps)
    });
    let passes: Vec<_> = passes.collect();
    let counted = passes[0].iter().enumerate();
    counted
        .map(|(i, &(layer, _))| (layer, joined(passes.iter().map(|part| &part[i].1))))
        .collect()
}

/// The laws of consecutive parts as one batch.
fn joined<'l>(parts: impl Iterator<Item = &'l DiagNormal>) -> DiagNormal {
    let (means, log_scales): (Vec<_>, Vec<_>) = parts.map(|l| (l.mean(), l.log_scale())).unzip();
    DiagNormal::new(Tensor::cat(&means, 0), Tensor::cat(&log_scales, 0))
}

/// ‖·‖₂ over the last axis with a finite gradient at zero.
fn norm_last(difference: &Tensor) -> Tensor {
    (difference.square().sum_dim_intlist(-1, false, None) + ROOT_FLOOR).sqrt()
}

/// `[n, …]` → `[n·S, …]`, copies of one row next to each other.
fn repeat_rows(x: &Tensor, samples: usize) -> Tensor {
    if samples == 1 {
        x.shallow_clone()
    } else {
        x.repeat_interleave_self_int(samples as i64, 0, None)
    }
}

/// Decodes `[n, S, d]` into mean images `[n, S, D]`.
pub(crate) fn decode_samples(victim: &dyn LatentModel, z: &Tensor) -> Tensor {
    let (num_rows, samples) = (z.size()[0], z.size()[1]);
    let mean = victim.decode(&[z.flatten(0, 1)], Mode::Eval).mean();
    mean.reshape([num_rows, samples, -1])
}

/// Base noise of every row, keyed by row: one `[N, S, d_l]` per layer.
fn draw_eps(
    victim: &dyn LatentModel,
    objective: &Objective,
    noise: &Noise,
    keys: &[u64],
) -> Vec<Tensor> {
    let samples = objective.num_samples();
    if samples == 0 {
        return Vec::new();
    }
    draw_rows(victim, noise, keys, samples)
}

/// Standard normal noise `[N, S, d_l]` per layer; row i depends on `keys[i]` alone.
pub(crate) fn draw_rows(
    victim: &dyn LatentModel,
    noise: &Noise,
    keys: &[u64],
    samples: usize,
) -> Vec<Tensor> {
    let (kind, device) = (victim.params().kind(), victim.params().device());
    let draw = |layer: usize, size: i64| {
        let rows: Vec<Tensor> = keys
            .iter()
            .map(|&key| {
                let node = noise.index(key).index(layer as u64);
                node.standard_normal(&[samples as i64, size], kind, vaegis_tensor::Device::Cpu)
            })
            .collect();
        Tensor::stack(&rows, 0).to_device(device)
    };
    victim
        .latent_sizes()
        .iter()
        .enumerate()
        .map(|(layer, &size)| draw(layer, size))
        .collect()
}
