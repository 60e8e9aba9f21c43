//! Grids of penalties on a few pairs of images, of which the most successful attack per pair is
//! shown: what the figures of attacked images share.

use super::bench::{Bench, Setting, hash};
use crate::pictures::attack_panel;
use crate::progress::Progress;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use vaegis_attacks::grid::lambda_grid;
use vaegis_attacks::record::AttackRecord;
use vaegis_attacks::search::Lbfgs;
use vaegis_attacks::select::most_successful;
use vaegis_attacks::sweep::{Sweep, SweepRows};
use vaegis_attacks::{Attack, Objective, Search};
use vaegis_report::ImageGrid;
use vaegis_tensor::{Tensor, convert::to_f64_vec};

/// The grid of penalties behind one picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GridConfig {
    /// The attack.
    pub attack: Attack,
    /// Penalties from 2⁻²⁰ to 2²⁰.
    pub num_lambdas: usize,
    /// Pairs of images.
    pub num_pairs: usize,
    /// Noise draws per recorded likelihood.
    pub samples: usize,
}

impl GridConfig {
    /// The latent attack by L-BFGS-B with so many iterations.
    pub(super) fn latent(num_pairs: usize, num_lambdas: usize, max_iterations: usize) -> Self {
        let lbfgs = Lbfgs {
            max_iterations,
            max_evaluations: max_iterations * 3 / 2,
            ..Lbfgs::default()
        };
        Self {
            attack: Attack {
                search: Search::Lbfgs(lbfgs),
                ..Attack::penalized(Objective::LATENT_KL)
            },
            num_lambdas,
            num_pairs,
            samples: 8,
        }
    }

    /// The sources' grid and optimizer.
    pub(super) fn full(num_pairs: usize) -> Self {
        Self {
            attack: Attack::penalized(Objective::LATENT_KL),
            num_lambdas: vaegis_attacks::grid::NUM_LAMBDAS,
            num_pairs,
            samples: 8,
        }
    }
}

/// The attack that is shown of one pair.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// What it came to.
    pub(super) record: AttackRecord,
    /// Its distortion, flat.
    pub(super) d: Vec<f64>,
}

impl Bench<'_> {
    /// Attacks every pair (original, target) of test positions of one model at every penalty, or
    /// reads it back, and chooses one attack per pair.
    ///
    /// # Errors
    /// As [`Sweep::run_resumable`].
    pub(super) fn attack_pairs(
        &self,
        (setting, seed): (Setting, u64),
        grid: &GridConfig,
        pairs: &[(usize, usize)],
        units: f64,
    ) -> Result<Vec<Chosen>> {
        let cached = self.model(setting, seed)?;
        let lambdas = lambda_grid(grid.num_lambdas);
        let (x, target) = self.pair_images(pairs)?;
        let test = &self.images.test.spec().checksum;
        let context = hash(&(&cached.key, test, pairs, seed))?;
        let rows = SweepRows::grid(&x, &target, &lambdas, context.clone());
        let sweep = Sweep {
            attack: grid.attack,
            chunk_rows: lambdas.len(),
            samples: grid.samples,
        };
        let name = hash(&(&sweep, &context, &lambdas))?;
        let folder = self.folder(&cached).join(format!("pairs-{}", &name[..12]));
        std::fs::create_dir_all(&folder)?;
        let (label, mut counted, mut first) = (self.label(setting, seed), 0.0, true);
        let report = |done: usize, all: usize| {
            let new = units * done as f64 / all as f64 - counted;
            counted += new;
            let what = format!("{label}: attacks");
            // The first call tells what an earlier process had done.
            if std::mem::take(&mut first) {
                self.progress.skip(new, &what);
            } else {
                self.progress.advance(new, &what);
            }
        };
        let noise = self.noise(seed, "pairs");
        let (records, distortions) =
            sweep.run_resumable(&*cached.model, &rows, &noise, &folder, report)?;
        let choose = |pair: usize| {
            let start = pair * lambdas.len();
            let of_pair = &records[start..start + lambdas.len()];
            let best = most_successful(of_pair).context("an attack with a finite distance")?;
            let d = distortions.get((start + best) as i64);
            anyhow::Ok(Chosen {
                record: of_pair[best].clone(),
                d: to_f64_vec(&d),
            })
        };
        (0..pairs.len()).map(choose).collect()
    }

    /// Originals and targets.
    fn pair_images(&self, pairs: &[(usize, usize)]) -> Result<(Tensor, Tensor)> {
        let (originals, targets): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
        let images = |positions: &[usize]| self.images.test_images(positions, self.ctx);
        Ok((images(&originals)?, images(&targets)?))
    }

    /// The six panels of one attack on one pair.
    ///
    /// # Errors
    /// Pixels that are not finite.
    pub(super) fn panel(
        &self,
        (id, title): (&str, &str),
        (setting, seed): (Setting, u64),
        pair: (usize, usize),
        chosen: &Chosen,
    ) -> Result<ImageGrid> {
        let hidden = Progress::hidden();
        let quiet = Bench {
            progress: &hidden,
            ..*self
        };
        let model = quiet.model(setting, seed)?.model;
        let (x, target) = self.pair_images(&[pair])?;
        let d = Tensor::from_slice(&chosen.d).reshape(x.size());
        let d = d.to_kind(x.kind()).to_device(x.device());
        attack_panel(id, title, &*model, (&x, &target, &d), &chosen.record)
    }
}
