//! All networks that some figures need, measured together, and how they are
//! asked for.

use super::config::{ChapterConfig, SetConfig, Setting};
use super::measure::{Bench, Measure, Network, TRAIN_UNITS};
use crate::RunCtx;
use crate::claims::smallest;
use crate::images::Images;
use crate::progress::Progress;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use vaegis_core::SeedTree;
use vaegis_tensor::workers;

/// What a figure asks of one data set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// Name of the data set.
    pub(super) set: &'static str,
    /// Which of its networks.
    pub(super) networks: Networks,
    /// What is measured on them.
    pub(super) measures: &'static [Measure],
}

/// Which networks of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Networks {
    /// Every network.
    All,
    /// Those without an offset on σ.
    Betas,
    /// Those at β = 1.
    Taus,
}

impl Networks {
    fn contains(self, setting: Setting) -> bool {
        match self {
            Self::All => true,
            Self::Betas => setting.tau == 0.0,
            Self::Taus => setting.beta == 1.0,
        }
    }
}

/// One data set with its measured networks.
pub(super) struct Set {
    pub(super) config: SetConfig,
    pub(super) images: Images,
    /// Test positions of the measured images.
    pub(super) positions: Vec<usize>,
    pub(super) networks: Vec<Network>,
}

/// Everything that the figures are drawn from.
pub(super) struct Study<'a> {
    pub(super) ctx: &'a RunCtx,
    pub(super) config: ChapterConfig,
    pub(super) seeds: Vec<u64>,
    pub(super) sets: Vec<Set>,
}

impl<'a> Study<'a> {
    /// Opens the data, trains what is not trained, and measures what is not
    /// measured.
    pub(super) fn run(ctx: &'a RunCtx, title: &str, requests: &[Request]) -> Result<Self> {
        let config = ChapterConfig::at(ctx.tier);
        let seeds = ctx.seeds(config.num_seeds);
        let mut sets = Vec::new();
        for set in &config.sets {
            if requests.iter().all(|r| r.set != set.name) {
                continue;
            }
            let images = Images::open(ctx, &set.request())
                .with_context(|| format!("the images of {}", set.name))?;
            let seed = SeedTree::new(ctx.seed).child(super::CHAPTER);
            let mut positions = vaegis_data::permutation(images.test.len(), &seed.child("images"));
            positions.truncate(config.images);
            sets.push(Set {
                config: set.clone(),
                images,
                positions,
                networks: Vec::new(),
            });
        }
        let mut jobs = Vec::new();
        for (position, set) in sets.iter().enumerate() {
            for &seed in &seeds {
                for setting in set.config.settings(&config) {
                    let asked = requests
                        .iter()
                        .filter(|r| r.set == set.config.name && r.networks.contains(setting));
                    let mut measures: BTreeSet<Measure> = BTreeSet::new();
                    let mut is_needed = false;
                    for request in asked {
                        is_needed = true;
                        measures.extend(request.measures);
                    }
                    if is_needed {
                        let measures: Vec<Measure> = measures.into_iter().collect();
                        jobs.push((position, seed, setting, measures));
                    }
                }
            }
        }
        let units = |measures: &[Measure]| measures.iter().map(|m| m.units()).sum::<f64>();
        let total: f64 = jobs.iter().map(|(_, _, _, m)| TRAIN_UNITS + units(m)).sum();
        let progress = Progress::unless(ctx.quiet, title, total);
        let networks = workers::run(&jobs, ctx.jobs, ctx.threads, |_, job| {
            let (position, seed, setting, measures) = job;
            let bench = sets[*position].bench(ctx, &config, &progress);
            bench.network(*setting, *seed, measures)
        })?;
        progress.finish();
        for ((position, ..), network) in jobs.iter().zip(networks) {
            sets[*position].networks.push(network);
        }
        Ok(Self {
            ctx,
            config,
            seeds,
            sets,
        })
    }

    /// The set of this name.
    ///
    /// # Errors
    /// The figure did not ask for it.
    pub(super) fn set(&self, name: &str) -> Result<&Set> {
        let found = self.sets.iter().find(|s| s.config.name == name);
        found.with_context(|| format!("the figure did not ask for {name}"))
    }
}

impl Set {
    /// What measures this set's networks.
    pub(super) fn bench<'b>(
        &'b self,
        ctx: &'b RunCtx,
        config: &'b ChapterConfig,
        progress: &'b Progress,
    ) -> Bench<'b> {
        Bench {
            ctx,
            config,
            set: &self.config,
            images: &self.images,
            positions: &self.positions,
            progress,
        }
    }

    /// The replicates of one setting.
    pub(super) fn at(&self, setting: Setting) -> Vec<&Network> {
        let networks = self.networks.iter();
        networks.filter(|n| n.setting == setting).collect()
    }

    /// The network of one setting and seed.
    pub(super) fn find(&self, setting: Setting, seed: u64) -> Option<&Network> {
        let mut networks = self.networks.iter();
        networks.find(|n| n.setting == setting && n.seed == seed)
    }

    /// The seeds, each once, in order.
    pub(super) fn seeds(&self) -> Vec<u64> {
        let seeds: BTreeSet<u64> = self.networks.iter().map(|n| n.seed).collect();
        seeds.into_iter().collect()
    }

    /// The settings of the measured networks, each once, in order.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        for network in &self.networks {
            if !settings.contains(&network.setting) {
                settings.push(network.setting);
            }
        }
        settings
    }

    /// What the images are: the data set, or its stand-in.
    pub(super) fn title(&self) -> String {
        self.images.test.spec().origin.clone()
    }

    /// One value per seed: `statistic` of one setting minus that of another.
    pub(super) fn rise(
        &self,
        (from, to): (Setting, Setting),
        statistic: impl Fn(&Network) -> f64,
    ) -> Vec<(u64, f64)> {
        self.smallest_rise(&[from, to], statistic)
    }

    /// One value per seed: the smallest difference of `statistic` between
    /// neighbors in `order`. Above 0 where it strictly rises.
    pub(super) fn smallest_rise(
        &self,
        order: &[Setting],
        statistic: impl Fn(&Network) -> f64,
    ) -> Vec<(u64, f64)> {
        let of = |setting: &Setting, seed| self.find(*setting, seed).map_or(f64::NAN, &statistic);
        let rise = |seed: u64| {
            let values: Vec<f64> = order.iter().map(|s| of(s, seed)).collect();
            let rises = values.windows(2).map(|pair| pair[1] - pair[0]);
            smallest(rises)
        };
        self.seeds().into_iter().map(|s| (s, rise(s))).collect()
    }

    /// One value per seed from all of the seed's networks.
    pub(super) fn pooled(&self, statistic: impl Fn(&[&Network]) -> f64) -> Vec<(u64, f64)> {
        let of = |seed: u64| {
            let networks: Vec<&Network> = self.networks.iter().filter(|n| n.seed == seed).collect();
            statistic(&networks)
        };
        self.seeds().into_iter().map(|s| (s, of(s))).collect()
    }
}
