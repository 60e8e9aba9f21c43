//! Attacked images of a VAE, a β-TCVAE and a Seatbelt-VAE.

use super::encoder_noise::TRAIN_UNITS;
use crate::averages::mean;
use crate::claims::over_seeds;
use crate::page::{Page, block_id};
use crate::seatbelt::ChapterConfig;
use crate::seatbelt::bench::{
    Bench, Family, Measured, Setting, jobs, per_seed, progress, rise, smaller, values,
};
use crate::seatbelt::panels::{Chosen, GridConfig};
use crate::{RunCtx, Tier};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use vaegis_attacks::BoxBounds;
use vaegis_attacks::grid::draw_pairs;
use vaegis_core::SeedTree;
use vaegis_report::{Block, Cell, Table};
use vaegis_tensor::workers;

/// The models, in the order of the sources.
const MODELS: [Setting; 3] = [
    Setting::new(Family::Vae, 1.0),
    Setting::new(Family::BetaTcvae, 10.0),
    Setting::new(Family::Seatbelt(4), 10.0),
];
/// Units of progress: about seconds at desk tier.
const ATTACK_UNITS: f64 = 6.0;
const SOURCE: &str = "thesis figure 5.1; paper figure 1";

/// Mean squared errors of the sources' panels and the norms of their distortions, model by model.
const PUBLISHED: [[f64; 4]; 3] = [
    [0.0102, 0.039, 0.199, 48.0],
    [0.0118, 0.597, 0.519, 82.0],
    [0.0052, 0.252, 0.114, 38.0],
];

/// What figure 5.1 depends on besides images, models and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttackPicturesConfig {
    /// Attacks in the data's box, and once more in the box of the published panels.
    pub grid: GridConfig,
}

impl AttackPicturesConfig {
    /// The configuration of a tier.
    pub(crate) fn at(tier: Tier) -> Self {
        let grid = match tier {
            Tier::Desk => GridConfig::latent(8, 9, 100),
            Tier::Smoke => GridConfig::latent(2, 3, 6),
            Tier::Paper => GridConfig::full(10),
        };
        Self { grid }
    }
}

impl AttackPicturesConfig {
    /// The same attacks with attacked inputs in [0, 1] although the data is in [−1, 1], as the
    /// published panels were made.
    fn unit_box(&self) -> GridConfig {
        let mut grid = self.grid.clone();
        grid.attack.constraint.bounds = BoxBounds::UnitLegacy;
        grid
    }
}

/// The attacks on one model, one per pair, in one box.
type Attacks = Vec<Chosen>;

/// Both boxes.
struct Boxes {
    data: Attacks,
    unit: Attacks,
}

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let chapter = ChapterConfig::at(ctx.tier);
    let (portraits, grid) = (&chapter.portraits, &chapter.attack_pictures.grid);
    let seeds = ctx.seeds(chapter.num_seeds);
    let images = portraits.open(ctx)?;
    let seed = SeedTree::new(ctx.seed).child("attack-pictures");
    let pairs = draw_pairs(images.test.len(), None, grid.num_pairs, &seed);
    let jobs = jobs(&seeds, &MODELS);
    let progress = progress(
        ctx,
        id,
        jobs.len() as f64 * (TRAIN_UNITS + 2.0 * ATTACK_UNITS),
    );
    let unit_box = chapter.attack_pictures.unit_box();
    let bench = Bench {
        ctx,
        nets: &portraits.nets,
        images: &images,
        progress: &progress,
        train_units: TRAIN_UNITS,
    };
    let all = workers::run(&jobs, ctx.jobs, ctx.threads, |_, &(seed, setting)| {
        let attack = |grid| bench.attack_pairs((setting, seed), grid, &pairs, ATTACK_UNITS);
        let value = Boxes {
            data: attack(grid)?,
            unit: attack(&unit_box)?,
        };
        anyhow::Ok(Measured {
            seed,
            setting,
            value,
        })
    })?;
    progress.finish();
    page.used(images.provenance());
    let title = images.test.spec().origin.clone();
    page.section.push(Block::Text(format!(
        "{} pairs of {title} with {} penalties each; attacked inputs stay in the data's range. \
         The published panels were made in [0, 1] although the data had [−1, 1]: every dark pixel \
         was lifted to mid-grey before the first step, which is a part of their norms. The second \
         row of each model and the last panel repeat that.{}",
        pairs.len(),
        grid.num_lambdas,
        if images.is_real {
            ""
        } else {
            " The sources use CelebA, which is not at hand."
        }
    )));
    for measured in all.iter().filter(|m| m.seed == seeds[0]) {
        let (setting, seed) = (measured.setting, measured.seed);
        let panel_id = block_id(id, &[&setting.id()]);
        let title = format!("Latent attack on {title}: {}", setting.label());
        let at = (setting, seed);
        let shown = &measured.value.data[0];
        page.section
            .push(bench.panel((&panel_id, &title), at, pairs[0], shown)?);
    }
    if let Some(first) = all.first() {
        let (at, shown) = ((first.setting, first.seed), &first.value.unit[0]);
        let title = format!("The same in the box [0, 1]: {}", first.setting.label());
        let panel_id = block_id(id, &[&first.setting.id(), "unit-box"]);
        page.section
            .push(bench.panel((&panel_id, &title), at, pairs[0], shown)?);
    }
    let num_pixels = images.shape().iter().product::<i64>() as f64;
    let statistics = Statistics {
        all: &all,
        num_pixels,
    };
    page.section.push(statistics.table(&title, id)?);
    statistics.judge(id, page);
    Ok(())
}

/// Numbers of the attacks on each model.
struct Statistics<'a> {
    all: &'a [Measured<Boxes>],
    num_pixels: f64,
}

impl Statistics<'_> {
    /// Mean over the pairs of a squared distance per pixel.
    fn error(&self, attacks: &Attacks, distance: fn(&Chosen) -> f64) -> f64 {
        let squared = attacks
            .iter()
            .map(|c| distance(c).powi(2) / self.num_pixels);
        mean(squared)
    }

    fn table(&self, title: &str, id: &str) -> Result<Table> {
        let columns = [
            "model",
            "whose",
            "clean rec. to original",
            "adv. rec. to target",
            "adv. rec. to original",
            "‖d‖",
            "‖d‖ / ‖x − xᵗ‖",
            "success",
        ];
        let title = format!("Mean squared errors on {title}");
        let mut table = Table::new(&block_id(id, &["errors"]), &title, &columns).with_caption(
            "Per pixel, in units in which pixels go from −1 to 1. Ours: means over pairs, then \
             over seeds with 95 % t intervals. The sources': one published picture of CelebA per \
             model, measured from its panels (target to original 0.250, ‖x − xᵗ‖ = 55.5). \
             Success: share of the way to the target's own likelihood.",
        );
        for (setting, published) in MODELS.into_iter().zip(PUBLISHED) {
            type Pick = fn(&Boxes) -> &Attacks;
            let boxes: [(&str, Pick); 2] =
                [("ours", |b| &b.data), ("ours, box [0, 1]", |b| &b.unit)];
            for (whose, attacks) in boxes {
                let over = |statistic: &dyn Fn(&Attacks) -> f64| {
                    let e = over_seeds(&values(self.all, setting, |b| statistic(attacks(b))));
                    Cell::from((e.value, e.lower, e.upper))
                };
                let mean = |statistic: fn(&Chosen) -> f64| over(&move |a| average(a, statistic));
                table.push_row(vec![
                    setting.label().into(),
                    whose.into(),
                    over(&|a| self.error(a, clean)),
                    over(&|a| self.error(a, to_target)),
                    over(&|a| self.error(a, to_original)),
                    mean(norm),
                    mean(|c| c.record.norm_l2 / c.record.input_to_target),
                    mean(|c| c.record.success()),
                ])?;
            }
            let [clean, target, original, norm] = published;
            table.push_row(vec![
                setting.label().into(),
                "sources".into(),
                clean.into(),
                target.into(),
                original.into(),
                norm.into(),
                (norm / 55.5).into(),
                Cell::Missing,
            ])?;
        }
        Ok(table)
    }

    /// One value per seed: by how much the nearest of the others is farther than `model`.
    fn lead(&self, model: usize, distance: fn(&Chosen) -> f64) -> Vec<(u64, f64)> {
        let others = (0..MODELS.len()).filter(|&other| other != model);
        let gaps = others.map(|other| {
            let pair = (MODELS[model], MODELS[other]);
            rise(self.all, pair, |b| self.error(&b.data, distance))
        });
        gaps.reduce(|a, b| smaller(&a, &b)).unwrap_or_default()
    }

    fn judge(&self, id: &str, page: &mut Page) {
        type Distance = fn(&Chosen) -> f64;
        let claims: [(&str, &str, usize, Distance); 3] = [
            (
                "target",
                "the adversarial reconstruction of the VAE is the nearest to the target",
                0,
                to_target,
            ),
            (
                "original",
                "the adversarial reconstruction of Seatbelt is the nearest to the original",
                2,
                to_original,
            ),
            (
                "sharpest",
                "the clean reconstruction of Seatbelt is the nearest to the original",
                2,
                clean,
            ),
        ];
        for (part, statement, model, distance) in claims {
            page.claim_above(
                (&format!("{id}-{part}"), statement, SOURCE),
                &self.lead(model, distance),
                0.0,
                "mean squared error of the nearest other model minus its own",
            );
        }
        page.claim_above(
            (
                &format!("{id}-unit-box"),
                "keeping the attacked inputs in [0, 1] makes the distortions of the VAE larger",
                "specification §2.2: the published panels' box on data from −1 to 1",
            ),
            &per_seed(self.all, MODELS[0], |b| {
                average(&b.unit, norm) - average(&b.data, norm)
            }),
            0.0,
            "mean ‖d‖ in the box [0, 1] minus that in the data's box",
        );
        let [vae, _, seatbelt] = MODELS;
        let ahead = |attacks: fn(&Boxes) -> &Attacks| {
            rise(self.all, (seatbelt, vae), move |b| {
                average(attacks(b), |c| c.record.success())
            })
        };
        let (in_unit, in_data) = (ahead(|b| &b.unit), ahead(|b| &b.data));
        page.claim_above(
            (
                &format!("{id}-unit-box-seatbelt"),
                "in the box [0, 1], attacks succeed less on Seatbelt than on the VAE",
                "thesis figure 5.1; paper figure 1, made in that box",
            ),
            &in_unit,
            0.0,
            "mean success on the VAE minus that on Seatbelt, box [0, 1]",
        );
        let by_box = in_unit.iter().zip(&in_data);
        page.claim_above(
            (
                &format!("{id}-box-matters"),
                "the box [0, 1] makes Seatbelt's lead over the VAE larger than the data's box does",
                "ours: what the published box does to the comparison",
            ),
            &by_box
                .map(|((seed, unit), (_, data))| (*seed, unit - data))
                .collect::<Vec<_>>(),
            0.0,
            "lead in success on the VAE over that on Seatbelt, box [0, 1] minus the data's box",
        );
    }
}

/// Mean over the pairs.
fn average(attacks: &Attacks, statistic: fn(&Chosen) -> f64) -> f64 {
    mean(attacks.iter().map(statistic))
}

fn norm(chosen: &Chosen) -> f64 {
    chosen.record.norm_l2
}

fn clean(chosen: &Chosen) -> f64 {
    chosen.record.clean_reconstruction_to_original
}

fn to_target(chosen: &Chosen) -> f64 {
    chosen.record.reconstruction_to_target
}

fn to_original(chosen: &Chosen) -> f64 {
    chosen.record.reconstruction_to_original
}
