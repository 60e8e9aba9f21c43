//! An attack as a composition, and how it is run with restarts.

use crate::constraint::{add_penalty, project};
use crate::oracle::{Oracle, rows_per_pass};
use crate::parallel;
use crate::prepared::Prepared;
use crate::search::Found;
use crate::{
    AttackError, AttackOutcome, AttackRows, Ball, BoxBounds, Constraint, NoiseMode, Objective,
    Penalty, Search,
};
use serde::{Deserialize, Serialize};
use vaegis_nn::LatentModel;
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};

/// Objective, constraint, search and restarts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Attack {
    /// What is minimized.
    pub objective: Objective,
    /// Penalty, ball and box.
    pub constraint: Constraint,
    /// How the minimum is looked for.
    pub search: Search,
    /// Whether the objective's noise is drawn once or at every evaluation.
    #[serde(default)]
    pub noise_mode: NoiseMode,
    /// Starts per row; the best one is kept. The first starts at (nearly) zero,
    /// the others at random points.
    #[serde(default = "one")]
    pub restarts: usize,
    /// Fresh noise draws with which restarts are compared and the result is
    /// reported; 0 reports the value under the search's own noise.
    #[serde(default)]
    pub score_samples: usize,
    /// Half width of the first start around zero, per pixel.
    #[serde(default = "tiny")]
    pub start_spread: f64,
    /// Network rows of one pass, counting every noise draw of a row; bounds memory.
    #[serde(default = "most_rows_per_pass")]
    pub max_rows_per_pass: usize,
}

fn one() -> usize {
    1
}

fn tiny() -> f64 {
    1e-8
}

fn most_rows_per_pass() -> usize {
    1024
}

/// Spread of random starts, in units of the pixel range, where no ball says
/// how far to go.
const FREE_START_SPREAD: f64 = 0.1;

/// Stops gradients for the parameters during an attack. If any parameter was
/// trainable, all are afterwards.
struct Frozen<'a> {
    params: &'a ParamStore,
    was_trainable: bool,
}

impl<'a> Frozen<'a> {
    fn new(params: &'a ParamStore) -> Self {
        let was_trainable = params.trainable().iter().any(|(_, t)| t.requires_grad());
        if was_trainable {
            params.set_trainable(false);
        }
        Self {
            params,
            was_trainable,
        }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if self.was_trainable {
            self.params.set_trainable(true);
        }
    }
}

impl Attack {
    /// An attack with one start and common random numbers.
    pub fn new(objective: Objective, constraint: Constraint, search: Search) -> Self {
        Self {
            objective,
            constraint,
            search,
            noise_mode: NoiseMode::Common,
            restarts: 1,
            score_samples: 0,
            start_spread: tiny(),
            max_rows_per_pass: most_rows_per_pass(),
        }
    }

    /// The targeted attack of the Seatbelt paper: L-BFGS-B with penalty λ‖d‖₂ in
    /// the data's box.
    pub fn penalized(objective: Objective) -> Self {
        Self::new(
            objective,
            Constraint::PENALIZED,
            Search::Lbfgs(Default::default()),
        )
    }

    /// The maximum-damage attack in an L2 ball by projected gradient with three
    /// starts, scored on 50 fresh draws (r-robustness specification, §4.4).
    pub fn max_damage(variant: crate::Variant) -> Self {
        let objective = Objective::MaxDamage {
            variant,
            samples: 4,
        };
        Self {
            noise_mode: NoiseMode::Fresh,
            restarts: 3,
            score_samples: 50,
            ..Self::new(
                objective,
                Constraint::L2_BALL,
                Search::Pgd(Default::default()),
            )
        }
    }

    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// Parts that exclude each other, or numbers out of range.
    pub fn check(&self) -> Result<(), AttackError> {
        self.objective.check()?;
        self.search.check(&self.constraint)?;
        if self.restarts == 0 {
            return Err(AttackError::BadInput {
                name: "attack.restarts",
                expected: "at least 1".into(),
                found: "0".into(),
            });
        }
        let noisy = self.objective.num_samples() > 0;
        if self.restarts > 1 && noisy && self.score_samples == 0 {
            // Restarts have noise of their own: the lowest value would be the luckiest draw.
            return Err(AttackError::BadInput {
                name: "attack.score-samples",
                expected: "at least 1 where restarts of a noisy objective are compared".into(),
                found: "0".into(),
            });
        }
        let compares_values = matches!(self.search, Search::Lbfgs(_) | Search::Apgd(_));
        if self.noise_mode == NoiseMode::Fresh && compares_values && noisy {
            return Err(AttackError::Incompatible {
                what: self.search.name().into(),
                with: "fresh noise at every evaluation".into(),
                hint: "it compares values of one function: use common random numbers, or pgd",
            });
        }
        if !(self.start_spread.is_finite() && self.start_spread >= 0.0) {
            return Err(AttackError::BadInput {
                name: "attack.start-spread",
                expected: "a number that is not negative".into(),
                found: self.start_spread.to_string(),
            });
        }
        if self.constraint.bounds == BoxBounds::UnitLegacy && self.constraint.ball != Ball::None {
            return Err(AttackError::Incompatible {
                what: "the box unit-legacy".into(),
                with: "a ball".into(),
                hint: "no distortion may lie in the box then: use a penalty",
            });
        }
        Ok(())
    }

    /// Attacks every row.
    ///
    /// The victim's parameters are frozen meanwhile and its running statistics
    /// do not change. `noise` and each row's key determine the result: many rows
    /// are attacked in groups, by as many threads as libtorch is set to use, and
    /// a row's last bits depend on its group.
    ///
    /// # Errors
    /// Parts that do not fit, or rows that do not fit the victim.
    pub fn run(
        &self,
        victim: &dyn LatentModel,
        rows: &AttackRows,
        noise: &Noise,
    ) -> Result<AttackOutcome, AttackError> {
        self.check()?;
        rows.check(victim, &self.objective)?;
        if !self.objective.is_targeted() && victim.latent_sizes().len() != 1 {
            return Err(AttackError::Incompatible {
                what: "maximum damage".into(),
                with: format!("{} latent layers", victim.latent_sizes().len()),
                hint: "its variants are defined for one layer: use a targeted objective",
            });
        }
        if self.constraint.ball != Ball::None && rows.radius.iter().any(|r| r.is_infinite()) {
            return Err(AttackError::BadInput {
                name: "radius",
                expected: "a finite radius for a ball".into(),
                found: "infinity".into(),
            });
        }
        parallel::run(self, victim, rows, noise)
    }

    /// Attacks rows that were checked, on this thread.
    pub(crate) fn run_group(
        &self,
        victim: &dyn LatentModel,
        rows: &AttackRows,
        noise: &Noise,
    ) -> Result<AttackOutcome, AttackError> {
        let _frozen = Frozen::new(victim.params());
        let num_rows = rows.len();
        let mut tiled = rows.tiled(self.restarts);
        for (position, key) in tiled.keys.iter_mut().enumerate() {
            // The noise of a restart is its own, and none of it depends on the batch.
            let restart = (position / num_rows) as u64;
            *key = noise
                .child("row")
                .index(*key)
                .index(restart)
                .seed()
                .seed_u64();
        }
        let prepared = Prepared::in_passes(
            victim,
            self.objective,
            &tiled,
            noise.clone(),
            self.noise_mode,
            self.max_rows_per_pass,
        );
        let mut oracle = Oracle::new(
            victim,
            prepared,
            &tiled,
            self.constraint,
            self.max_rows_per_pass,
        );
        let start = self.start(&oracle, noise, &tiled.keys, num_rows);
        let found = self
            .search
            .run(&mut oracle, &start, &noise.child("search"), &tiled.keys)?;
        Ok(self.finish(victim, rows, &mut oracle, found, noise))
    }

    /// First points: nearly zero for the first restart, random for the others.
    fn start(&self, oracle: &Oracle<'_>, noise: &Noise, keys: &[u64], num_rows: usize) -> Tensor {
        let n = oracle.num_pixels() as i64;
        let (low, high) = oracle.pixel_range();
        let width = if (high - low).is_finite() {
            high - low
        } else {
            1.0
        };
        let rows: Vec<Tensor> = keys
            .iter()
            .enumerate()
            .map(|(position, &key)| {
                let node = noise.child("start").index(key);
                let radius = oracle.radius()[position];
                let uniform = || node.uniform(&[n], Kind::Double, Device::Cpu) * 2.0 - 1.0;
                if position < num_rows {
                    return uniform() * self.start_spread;
                }
                match self.constraint.ball {
                    Ball::None => uniform() * (FREE_START_SPREAD * width),
                    Ball::LInf => uniform() * radius,
                    Ball::L2 => {
                        let normal = node.standard_normal(&[n], Kind::Double, Device::Cpu);
                        let norm = normal.square().sum(None).sqrt();
                        normal / norm * radius
                    }
                }
            })
            .collect();
        Tensor::stack(&rows, 0)
    }

    /// Projects, scores and keeps the best restart of every row.
    fn finish(
        &self,
        victim: &dyn LatentModel,
        rows: &AttackRows,
        oracle: &mut Oracle<'_>,
        found: Found,
        noise: &Noise,
    ) -> AttackOutcome {
        let (num_rows, n) = (rows.len(), oracle.num_pixels());
        let x = oracle.x().to_kind(Kind::Double).to_device(Device::Cpu);
        let radius = Tensor::from_slice(oracle.radius()).unsqueeze(1);
        let range = oracle.pixel_range();
        let mut distortion = project(self.constraint.ball, range, &found.d, &x, &radius);
        let zero = project(
            self.constraint.ball,
            range,
            &found.d.zeros_like(),
            &x,
            &radius,
        );

        let [clean, mut divergence] = self.score(victim, rows, oracle, [&zero, &distortion], noise);
        let penalties = |d: &Tensor| -> Vec<f64> {
            let d = to_f64_vec(d);
            let each = d.chunks_exact(n).zip(oracle.lambda());
            let mut unused = vec![0.0; n];
            each.map(|(d, &lambda)| add_penalty(self.constraint.penalty, lambda, d, &mut unused))
                .collect()
        };
        let (penalty, zero_penalty) = (penalties(&distortion), penalties(&zero));
        let mut total: Vec<f64> = divergence
            .iter()
            .zip(&penalty)
            .map(|(a, b)| a + b)
            .collect();
        // The attacker may always do nothing: no attack is worse than none.
        if self.constraint.penalty != Penalty::None {
            let mut keep = vec![1.0; total.len()];
            for row in 0..total.len() {
                let nothing = clean[row] + zero_penalty[row];
                if nothing <= total[row] || !total[row].is_finite() {
                    (total[row], divergence[row], keep[row]) = (nothing, clean[row], 0.0);
                }
            }
            let keep = Tensor::from_slice(&keep).unsqueeze(1);
            distortion = distortion.where_self(&keep.gt(0.5), &zero);
        }

        let better = |a: usize, b: usize| total[a] < total[b] || total[b].is_nan();
        let mut winner: Vec<usize> = (0..num_rows).collect();
        for candidate in num_rows..total.len() {
            let row = candidate % num_rows;
            if better(candidate, winner[row]) {
                winner[row] = candidate;
            }
        }
        let pick = Tensor::from_slice(&winner.iter().map(|&w| w as i64).collect::<Vec<_>>());
        let distortion = distortion.index_select(0, &pick);
        let take = |values: &[f64]| winner.iter().map(|&w| values[w]).collect::<Vec<_>>();
        AttackOutcome {
            norm_l2: to_f64_vec(&distortion.square().sum_dim_intlist(1, false, None).sqrt()),
            norm_linf: to_f64_vec(&distortion.abs().amax(1, false)),
            objective: take(&total),
            divergence: take(&divergence),
            divergence_clean: take(&clean),
            iterations: winner.iter().map(|&w| found.iterations[w]).collect(),
            evaluations: winner.iter().map(|&w| found.evaluations[w]).collect(),
            status: winner.iter().map(|&w| found.status[w]).collect(),
            restart: winner.iter().map(|&w| w / num_rows).collect(),
            pixel_range: range,
            distortion,
        }
    }

    /// Divergence part of every restart at each of the distortions: the search's own, or on
    /// fresh noise that all restarts of a row share.
    fn score(
        &self,
        victim: &dyn LatentModel,
        rows: &AttackRows,
        oracle: &mut Oracle<'_>,
        distortions: [&Tensor; 2],
        noise: &Noise,
    ) -> [Vec<f64>; 2] {
        let (kind, device) = oracle.options();
        let distortions = distortions.map(|d| d.to_kind(kind).to_device(device));
        let num_rows = oracle.num_rows();
        let all =
            |oracle: &Oracle<'_>| oracle.row_index(&(0..oracle.num_rows()).collect::<Vec<_>>());
        if self.score_samples == 0 || self.objective.num_samples() == 0 {
            let rows = all(oracle);
            return distortions.map(|d| to_f64_vec(&oracle.divergence_value(&rows, &d)));
        }
        let objective = self.objective.with_samples(self.score_samples);
        let tiled = rows.tiled(self.restarts);
        // A judge holds what its rows are compared with; rows with many such draws get one
        // judge after the other, so that those of all rows are never in memory together.
        let block = rows_per_pass(self.max_rows_per_pass, objective.reference_samples());
        let mut scores = [(); 2].map(|()| Vec::with_capacity(num_rows));
        for start in (0..num_rows).step_by(block) {
            let positions: Vec<usize> = (start..num_rows.min(start + block)).collect();
            let part = tiled.select(&positions);
            let prepared = Prepared::in_passes(
                victim,
                objective,
                &part,
                noise.child("score"),
                NoiseMode::Common,
                self.max_rows_per_pass,
            );
            let mut judge = Oracle::new(
                victim,
                prepared,
                &part,
                self.constraint,
                self.max_rows_per_pass,
            );
            let rows = all(&judge);
            for (scores, d) in scores.iter_mut().zip(&distortions) {
                let d = d.narrow(0, start as i64, part.len() as i64);
                scores.extend(to_f64_vec(&judge.divergence_value(&rows, &d)));
            }
        }
        scores
    }
}
