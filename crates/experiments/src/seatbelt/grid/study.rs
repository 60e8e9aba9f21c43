//! The models that a figure needs, trained and measured, and how they are asked for.

use super::config::{Family, GridConfig, GridSet, Group, Setting};
use super::measure::{Bench, Measure, Node, TRAIN_UNITS};
use crate::RunCtx;
use crate::images::Images;
use crate::page::{Page, block_id};
use crate::pictures::{in_unit_range, picture_row};
use crate::progress::Progress;
use crate::seatbelt::config::ChapterConfig;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use vaegis_attacks::grid::draw_pairs;
use vaegis_core::SeedTree;
use vaegis_report::ImageGrid;
use vaegis_tensor::{Tensor, no_grad, workers};

/// What a figure asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Names of the data sets.
    pub sets: &'static [&'static str],
    /// Which of their models.
    pub models: Models,
    /// What is measured on them.
    pub measures: &'static [Measure],
}

/// Which models of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Models {
    /// Every model.
    All,
    /// β-TCVAEs.
    Tcvae,
    /// Seatbelt-VAEs.
    Seatbelt,
    /// β-TCVAEs and the Seatbelt-VAEs that the sources compare them with.
    Main,
    /// One of each kind beside what it becomes without one of its parts.
    Parts,
}

impl Models {
    fn families(self, set: &GridSet) -> Vec<Family> {
        if self == Self::Parts {
            return set.parts();
        }
        let mut families = set.families();
        families.retain(|&family| match (self, family) {
            (Self::All, _) => true,
            (Self::Tcvae | Self::Main, Family::Tcvae(_)) => true,
            (Self::Seatbelt, Family::Seatbelt(_)) => true,
            (Self::Main, Family::Seatbelt(depth)) => Some(depth) == set.main_depth(),
            _ => false,
        });
        families
    }
}

/// One data set with its measured models.
pub(crate) struct Set {
    /// Sizes and training.
    pub config: GridSet,
    /// Models by setting and seed.
    pub nodes: Vec<Node>,
    pub(super) images: Images,
    pairs: Vec<(usize, usize)>,
}

/// Everything that a figure is drawn from.
pub(crate) struct Study {
    /// The grid's numbers.
    pub config: GridConfig,
    /// Data sets in the order of the request.
    pub sets: Vec<Set>,
}

impl Study {
    /// Opens the data, trains what is not trained, measures what is not measured, and notes on
    /// the page what was used.
    ///
    /// # Errors
    /// A set that the grid does not have, impossible models, disk errors.
    pub(crate) fn run(ctx: &RunCtx, id: &str, request: &Request, page: &mut Page) -> Result<Self> {
        let chapter = ChapterConfig::at(ctx.tier);
        let (config, seeds) = (chapter.grid, ctx.seeds(chapter.num_seeds));
        let mut sets = Vec::new();
        for &name in request.sets {
            let set = config.sets.iter().find(|s| s.name == name);
            let set = set.with_context(|| format!("the grid has no data set {name}"))?;
            let images = super::images::open(ctx, set)
                .with_context(|| format!("the images of {}", set.name))?;
            let seed = SeedTree::new(ctx.seed).child(super::GRID).child(name);
            let pairs = draw_pairs(images.test.len(), None, config.latent_pairs, &seed);
            sets.push(Set {
                config: set.clone(),
                nodes: Vec::new(),
                images,
                pairs,
            });
        }
        let measures: BTreeSet<Measure> = request.measures.iter().copied().collect();
        let measures: Vec<Measure> = measures.into_iter().collect();
        let mut jobs = Vec::new();
        for (position, set) in sets.iter().enumerate() {
            let families = request.models.families(&set.config);
            for &seed in &seeds {
                for &family in &families {
                    let setting = |&beta| (position, seed, Setting { family, beta });
                    jobs.extend(config.betas.iter().map(setting));
                }
            }
        }
        let each = TRAIN_UNITS + measures.iter().map(|m| m.units()).sum::<f64>();
        let progress = Progress::unless(ctx.quiet, id, each * jobs.len() as f64);
        let nodes = workers::run(&jobs, ctx.jobs, ctx.threads, |_, job| {
            let (position, seed, setting) = *job;
            let bench = sets[position].bench(ctx, &config, &progress);
            bench.node(setting, seed, &measures)
        })?;
        progress.finish();
        for ((position, ..), node) in jobs.iter().zip(nodes) {
            sets[*position].nodes.push(node);
        }
        for set in &sets {
            page.used(set.images.provenance());
            page.section.push(set.description(&config).as_str());
        }
        Ok(Self { config, sets })
    }

    /// The first `num` test images of a set above their mean reconstructions by some of its
    /// models of one seed.
    ///
    /// # Errors
    /// Disk errors, pixels that are not finite.
    pub(crate) fn reconstructions(
        &self,
        ctx: &RunCtx,
        (set, seed): (&Set, u64),
        settings: &[Setting],
        (id, title, num): (&str, &str, usize),
    ) -> Result<ImageGrid> {
        let shown: Vec<usize> = (0..num.min(set.images.test.len())).collect();
        let columns: Vec<String> = shown.iter().map(|p| format!("test {p}")).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut grid = ImageGrid::new(id, title, &columns)
            .with_caption(&format!("Mean reconstructions g(μ(x)), seed {seed}."));
        // Models belong to the number of threads that they were trained with.
        let rows = workers::run(settings, 1, ctx.threads, |_, &setting| {
            let progress = Progress::hidden();
            let cached = set
                .bench(ctx, &self.config, &progress)
                .model(setting, seed)?;
            let x = set.images.test_images(&shown, ctx)?;
            let of = |x: &Tensor| picture_row(&in_unit_range(&*cached.model, x));
            anyhow::Ok((of(&x)?, of(&no_grad(|| cached.model.reconstruct(&x)))?))
        })?;
        for (k, (setting, (original, row))) in settings.iter().zip(rows).enumerate() {
            if k == 0 {
                grid.push_row("original", original)?;
            }
            grid.push_row(&setting.label(), row)?;
        }
        Ok(grid)
    }
}

impl Set {
    /// What measures this set's models.
    pub(super) fn bench<'b>(
        &'b self,
        ctx: &'b RunCtx,
        config: &'b GridConfig,
        progress: &'b Progress,
    ) -> Bench<'b> {
        Bench {
            ctx,
            config,
            set: &self.config,
            images: &self.images,
            pairs: &self.pairs,
            progress,
        }
    }

    /// What the images are: the data set, or its stand-in.
    pub(crate) fn title(&self) -> String {
        self.images.test.spec().origin.clone()
    }

    /// The name of the data set as its figures' headings have it.
    pub(crate) fn name(&self) -> &str {
        // The regenerated dSprites have a long origin.
        if self.config.name == "dsprites" {
            "dSprites"
        } else {
            &self.images.test.spec().origin
        }
    }

    /// Stem of blocks' ids.
    pub(crate) fn id(&self, figure: &str, parts: &[&str]) -> String {
        block_id(figure, &[&[self.config.name.as_str()], parts].concat())
    }

    /// The group of the main depth.
    ///
    /// # Errors
    /// The set has no Seatbelt-VAE.
    pub(crate) fn main(&self) -> Result<Group> {
        let depth = self.config.main_depth();
        let depth = depth.with_context(|| format!("{} has no Seatbelt-VAE", self.config.name))?;
        Ok(Group::Layers(depth))
    }

    /// The seeds, each once, in order.
    pub(crate) fn seeds(&self) -> Vec<u64> {
        let seeds: BTreeSet<u64> = self.nodes.iter().map(|n| n.seed).collect();
        seeds.into_iter().collect()
    }

    /// The weights at which the group has models, in ascending order.
    pub(crate) fn betas(&self, group: Group) -> Vec<f64> {
        let members = self
            .nodes
            .iter()
            .filter(|n| group.contains(n.setting.family));
        let mut betas: Vec<f64> = members.map(|n| n.setting.beta).collect();
        betas.sort_by(f64::total_cmp);
        betas.dedup();
        betas
    }

    /// The models of a group at one β; of one seed where it is given.
    pub(crate) fn members(&self, group: Group, beta: f64, seed: Option<u64>) -> Vec<&Node> {
        let nodes = self.nodes.iter();
        nodes
            .filter(|n| group.contains(n.setting.family) && n.setting.beta == beta)
            .filter(|n| seed.is_none_or(|s| n.seed == s))
            .collect()
    }

    /// One value per seed.
    pub(crate) fn per_seed(&self, value: impl Fn(u64) -> f64) -> Vec<(u64, f64)> {
        self.seeds().into_iter().map(|s| (s, value(s))).collect()
    }

    fn description(&self, config: &GridConfig) -> String {
        let test = self.images.test.spec();
        let layers: Vec<String> = self.config.depths.iter().map(usize::to_string).collect();
        let seatbelt = if layers.is_empty() {
            String::new()
        } else {
            format!("; Seatbelt-VAEs of {} layers", layers.join(", "))
        };
        let length = match self.config.train.max_steps {
            Some(steps) => format!("{steps} steps"),
            None => format!("{} epochs", self.config.train.epochs),
        };
        let real = if test.name.contains(&self.config.name) && !test.name.contains("toy") {
            ""
        } else {
            " This is a stand-in, not the sources' data set."
        };
        format!(
            "{}: {} images of {} × {} pixels for training, {} for testing.{real} β-TCVAEs with {} \
             latents{seatbelt}; {length} at batch {}. Pixels in [0, 1], Bernoulli likelihood \
             (profile as-plotted); box of attacks [0, 1]; plain norm penalty; {} pairs, the same \
             for all models, {} penalties from 2⁻²⁰ to 2²⁰, at most {} iterations.",
            test.origin,
            self.images.train.len(),
            test.item_shape[1],
            test.item_shape[2],
            test.len,
            self.config
                .latents
                .iter()
                .map(i64::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            self.config.train.batch_size,
            config.pairs,
            config.lambdas,
            config.iterations,
        )
    }
}
