//! Rotation of a heart as an attack's target.

use crate::averages::mean;
use crate::claims::over_seeds;
use crate::images::Images;
use crate::page::{Page, block_id};
use crate::seatbelt::ChapterConfig;
use crate::seatbelt::bench::{
    Bench, Family, Measured, Nets, Setting, in_range, jobs, per_seed, progress, rise, training,
    values,
};
use crate::seatbelt::panels::{Chosen, GridConfig};
use crate::{RunCtx, Tier};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vaegis_core::SeedTree;
use vaegis_data::dsprites::{FACTOR_SIZES, NUM_IMAGES, factors_of, index_of};
use vaegis_data::{Dataset, OpenOptions, Split, Subset};
use vaegis_report::{Block, Cell, Table};
use vaegis_tensor::workers;
use vaegis_zoo::seatbelt::{GREY_SIZES, HIDDEN_SIZES};
use vaegis_zoo::{NetworkConfig, Pixels, Profile};

/// The models, in the order of the sources.
const MODELS: [Setting; 4] = [
    Setting::new(Family::BetaTcvae, 1.0),
    Setting::new(Family::BetaTcvae, 2.0),
    Setting::new(Family::Seatbelt(2), 1.0),
    Setting::new(Family::Seatbelt(2), 2.0),
];
/// Number of the heart among the shapes.
const HEART: usize = 2;
/// The orientation nearest half a turn: 39 steps are a whole one.
const HALF_TURN: usize = 20;
/// Largest change of a pixel that counts as "only a few" of 255 grey levels.
const FEW_LEVELS: f64 = 10.0;
/// Units of progress: about seconds at desk tier.
const TRAIN_UNITS: f64 = 80.0;
const ATTACK_UNITS: f64 = 10.0;
const SOURCE: &str = "thesis figure 5.5; paper figure 4";

/// What figure 5.5 depends on besides data and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RotationConfig {
    /// Models.
    pub nets: Nets,
    /// Which sprites there are, for training and for the attacks.
    pub sprites: Sprites,
    /// Training images, drawn at random.
    pub train_images: usize,
    /// Attacks.
    pub grid: GridConfig,
}

/// A part of dSprites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sprites {
    /// All of them, as in the sources.
    All,
    /// Hearts within two pixels of the image's middle. Where small networks see sprites
    /// everywhere they learn the place and draw a disc for each heart.
    MiddleHearts,
}

impl Sprites {
    /// The positions, horizontal and vertical, that belong to the part.
    fn places(self) -> std::ops::Range<usize> {
        match self {
            Self::All => 0..FACTOR_SIZES[4],
            Self::MiddleHearts => 14..18,
        }
    }

    fn contains(self, index: usize) -> bool {
        let [_, shape, _, _, x, y] = factors_of(index);
        let places = self.places();
        let is_shape = self == Self::All || shape == HEART;
        is_shape && places.contains(&x) && places.contains(&y)
    }

    fn label(self) -> &'static str {
        match self {
            Self::All => "all sprites",
            Self::MiddleHearts => {
                "hearts alone, of all scales and orientations, within two pixels of the image's \
                 middle (the sources train on all sprites)"
            }
        }
    }
}

impl RotationConfig {
    /// The configuration of a tier.
    pub(crate) fn at(tier: Tier) -> Self {
        let desk = Self {
            nets: Nets {
                network: NetworkConfig::mlp(&[256, 256]),
                latent: 64,
                z_sizes: GREY_SIZES.to_vec(),
                h_sizes: vec![256, 256, 128, 64],
                pixels: Pixels::of(Profile::AsPlotted),
                // Small batches: what a heart needs is many steps.
                train: training(64, 80),
            },
            sprites: Sprites::MiddleHearts,
            train_images: 20_000,
            grid: GridConfig::latent(6, 9, 100),
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => Self {
                nets: Nets {
                    network: NetworkConfig::mlp(&[16]),
                    h_sizes: vec![16, 16, 16, 16],
                    train: training(64, 2),
                    ..desk.nets
                },
                sprites: Sprites::MiddleHearts,
                train_images: 256,
                grid: GridConfig::latent(2, 3, 6),
            },
            Tier::Paper => Self {
                nets: Nets {
                    network: NetworkConfig::mlp(&[1200, 1200]),
                    h_sizes: HIDDEN_SIZES.to_vec(),
                    train: training(1024, 50),
                    ..desk.nets
                },
                sprites: Sprites::All,
                train_images: NUM_IMAGES,
                grid: GridConfig::full(10),
            },
        }
    }
}

/// The attacks on one model, one per heart.
type Attacks = Vec<Chosen>;

/// How far a reconstruction went over to the target: 1 at the target, −1 at the original.
fn fooled(chosen: &Chosen) -> f64 {
    let r = &chosen.record;
    (r.reconstruction_to_original - r.reconstruction_to_target) / r.input_to_target
}

fn average(attacks: &Attacks, statistic: impl Fn(&Chosen) -> f64) -> f64 {
    mean(attacks.iter().map(statistic))
}

/// Largest change of a pixel in 255 grey levels; pixels go from 0 to 1.
fn levels(chosen: &Chosen) -> f64 {
    255.0 * chosen.record.norm_linf
}

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let chapter = ChapterConfig::at(ctx.tier);
    let (config, seeds) = (&chapter.rotation, ctx.seeds(chapter.num_seeds));
    let pairs = hearts(ctx.seed, config);
    let images = open(ctx, config, &pairs)?;
    let jobs = jobs(&seeds, &MODELS);
    let progress = progress(ctx, id, jobs.len() as f64 * (TRAIN_UNITS + ATTACK_UNITS));
    let bench = Bench {
        ctx,
        nets: &config.nets,
        images: &images,
        progress: &progress,
        train_units: TRAIN_UNITS,
    };
    let all = workers::run(&jobs, ctx.jobs, ctx.threads, |_, &(seed, setting)| {
        let value = bench.attack_pairs((setting, seed), &config.grid, &pairs, ATTACK_UNITS)?;
        anyhow::Ok(Measured {
            seed,
            setting,
            value,
        })
    })?;
    progress.finish();
    page.used(images.provenance());
    page.section.push(Block::Text(format!(
        "An upright heart is attacked towards the same heart at the same place turned by \
         {HALF_TURN} of 39 steps ({:.0}°: half a turn is not among the orientations). {} hearts of \
         random scale and place, {} penalties each; full-size images of {} in [0, 1] with a \
         Bernoulli likelihood, as the published panels show. The models are trained on {} images \
         of {}. Neither heart of a pair is trained on, unless a model is trained on all images.",
        360.0 * HALF_TURN as f64 / 39.0,
        pairs.len(),
        config.grid.num_lambdas,
        images.test.spec().origin,
        images.train.len(),
        config.sprites.label(),
    )));
    for measured in all.iter().filter(|m| m.seed == seeds[0]) {
        let (setting, seed) = (measured.setting, measured.seed);
        let panel_id = block_id(id, &[&setting.id()]);
        let title = format!("A heart to be turned: {}", setting.label());
        let panel = bench.panel(
            (&panel_id, &title),
            (setting, seed),
            pairs[0],
            &measured.value[0],
        )?;
        page.section.push(panel);
    }
    page.section.push(table(&all, id)?);
    judge(&all, id, page);
    Ok(())
}

/// Pairs of an upright heart and the same heart turned; the first in the middle and large.
fn hearts(seed: u64, config: &RotationConfig) -> Vec<(usize, usize)> {
    let pair = |[scale, x, y]: [usize; 3]| {
        let at = |orientation| index_of([0, HEART, scale, orientation, x, y]);
        (at(0), at(HALF_TURN))
    };
    let [_, _, scales, _, columns, rows] = FACTOR_SIZES;
    let first = [scales - 1, columns / 2, rows / 2];
    let seed = SeedTree::new(seed).child("rotation").child("hearts");
    let order = vaegis_data::permutation(scales * columns * rows, &seed);
    let place = |i: usize| [i / (columns * rows), i / rows % columns, i % rows];
    let places = config.sprites.places();
    let others = order
        .into_iter()
        .map(place)
        .filter(|of| *of != first && places.contains(&of[1]) && places.contains(&of[2]));
    std::iter::once(first)
        .chain(others)
        .take(config.grid.num_pairs)
        .map(pair)
        .collect()
}

/// A random part of the set for training, and the whole set to take hearts from.
fn open(ctx: &RunCtx, config: &RotationConfig, pairs: &[(usize, usize)]) -> Result<Images> {
    let root = ctx.data_root.as_deref();
    let open = |split| -> Result<Arc<dyn Dataset>> {
        let options = OpenOptions::default();
        Ok(Arc::from(vaegis_data::open(
            "dsprites", root, split, &options,
        )?))
    };
    let whole = open(Split::Train)?;
    let train: Arc<dyn Dataset> = if config.train_images < whole.len() {
        let seed = SeedTree::new(ctx.seed).child("rotation").child("training");
        let mut chosen = vaegis_data::permutation(whole.len(), &seed);
        chosen.retain(|&i| {
            let is_attacked = pairs.iter().any(|pair| pair.0 == i || pair.1 == i);
            config.sprites.contains(i) && !is_attacked
        });
        chosen.truncate(config.train_images);
        Arc::new(Subset::new(whole, chosen)?)
    } else {
        whole
    };
    let images = Images {
        train,
        test: open(Split::Test)?,
        is_real: true,
    };
    in_range(images, config.nets.pixels)
}

fn table(all: &[Measured<Attacks>], id: &str) -> Result<Table> {
    type Statistic = fn(&Chosen) -> f64;
    let columns: [(&str, Statistic); 8] = [
        ("went over", fooled),
        ("‖x̃* − xᵗ‖", |c| c.record.reconstruction_to_target),
        ("‖x̃* − x‖", |c| c.record.reconstruction_to_original),
        ("‖x̃ − x‖", |c| {
            c.record.clean_reconstruction_to_original
        }),
        ("‖x − xᵗ‖", |c| c.record.input_to_target),
        ("‖d‖", |c| c.record.norm_l2),
        ("largest change [of 255]", levels),
        ("success", |c| c.record.success()),
    ];
    let names: Vec<&str> = std::iter::once("model")
        .chain(columns.map(|c| c.0))
        .collect();
    let title = "Attacks that turn a heart";
    let mut table = Table::new(&block_id(id, &["numbers"]), title, &names).with_caption(
        "Means over the hearts, then over seeds, with 95 % t intervals. Went over: \
         (‖x̃* − x‖ − ‖x̃* − xᵗ‖) / ‖x − xᵗ‖, 1 where the reconstruction is the target and −1 \
         where it is the original. Of each heart the attack with the largest penalty whose \
         reconstruction is at most as far from the target as the mean over the penalties.",
    );
    for setting in MODELS {
        let mut row = vec![Cell::from(setting.label())];
        for (_, statistic) in columns {
            let e = over_seeds(&values(all, setting, |a| average(a, statistic)));
            row.push(Cell::from((e.value, e.lower, e.upper)));
        }
        table.push_row(row)?;
    }
    Ok(table)
}

fn judge(all: &[Measured<Attacks>], id: &str, page: &mut Page) {
    let over = |setting| per_seed(all, setting, |a| average(a, fooled));
    for setting in [MODELS[0], MODELS[2]] {
        page.claim_above(
            (
                &format!("{id}-{}-fooled", setting.id()),
                &format!(
                    "{} is fooled: it reconstructs the turned heart",
                    setting.label()
                ),
                SOURCE,
            ),
            &over(setting),
            0.0,
            "how far the reconstruction went over to the target",
        );
    }
    let (tc, seatbelt) = (MODELS[1], MODELS[3]);
    let kept: Vec<(u64, f64)> = over(seatbelt).into_iter().map(|(s, v)| (s, -v)).collect();
    page.claim_above(
        (
            &format!("{id}-{}-upright", seatbelt.id()),
            &format!("{} keeps the heart upright", seatbelt.label()),
            SOURCE,
        ),
        &kept,
        0.0,
        "how far the reconstruction stayed with the original",
    );
    page.claim_above(
        (
            &format!("{id}-families"),
            "at β = 2, Seatbelt goes over to the target less than the β-TCVAE",
            SOURCE,
        ),
        &rise(all, (seatbelt, tc), |a| average(a, fooled)),
        0.0,
        "how far the β-TCVAE went over more than Seatbelt",
    );
    page.claim_above(
        (
            &format!("{id}-{}-levels", seatbelt.id()),
            &format!(
                "the best distortion found against {} is a few grey levels (at most {FEW_LEVELS})",
                seatbelt.label()
            ),
            SOURCE,
        ),
        &per_seed(all, seatbelt, |a| FEW_LEVELS - average(a, levels)),
        0.0,
        &format!("{FEW_LEVELS} minus the largest change of a pixel in 255 grey levels"),
    );
}
