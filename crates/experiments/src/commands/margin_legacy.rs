//! `vaegis margin --legacy`: the printed algorithms E.1 and E.2 beside our margins.
//!
//! For comparison with published numbers only: the algorithms are biased, and this module says how
//! wherever it shows what they return.

use super::margin::{ImageMargin, Margins};
use crate::progress::Progress;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::path::Path;
use vaegis_core::config::Checks;
use vaegis_eval::margin_legacy::{LegacyInput, LegacyOptions, legacy};
use vaegis_nn::LatentModel;
use vaegis_report::Cell;
use vaegis_tensor::{Noise, Tensor};
use vaegis_theory::legacy::{LegacyStop, MarginOptions, MinimalRadiusOptions, Source};

/// What is wrong with the printed algorithms, in the help and below every table of them.
pub(super) const DEFECTS: [&str; 6] = [
    "E.1 draws fresh samples at each step of r: it may stop early by luck, and rounds up to its \
     grid.",
    "E.2 lowers R before it tests the share: it returns one step less than the radius tested, or \
     less than 0 where no radius passes.",
    "The thesis' E.2 lowers R within its loop of restarts and keeps the share of the last restart: \
     earlier failures at larger radii are forgotten.",
    "The paper's algorithm 2 tries one random direction per sample: an average-case radius, no \
     margin.",
    "Both E.2 begin at R = 10, so larger margins are unknown to them, and take robustness to be \
     monotone; both use 1/2 whatever --m says, and so does the paper's algorithm 1.",
    "As printed they never end on an image that is not robust at rest: here E.2 stops once R is \
     not above 0, and both stop after --legacy-max-passes.",
];

/// The sources by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LegacySource {
    /// Attacks with 5 restarts, level m in E.1
    #[value(alias = "T")]
    Thesis,
    /// Random directions, level 1/2 in algorithm 1
    #[value(alias = "P")]
    Paper,
}

impl From<LegacySource> for Source {
    fn from(name: LegacySource) -> Self {
        match name {
            LegacySource::Thesis => Self::Thesis,
            LegacySource::Paper => Self::Paper,
        }
    }
}

/// Options of the printed algorithms.
#[derive(Clone, Debug, Args)]
pub struct LegacyArgs {
    /// Also run the printed algorithms E.1 and E.2 of these sources, for comparison with published
    /// numbers: biased, see below
    #[arg(
        id = "legacy",
        long = "legacy",
        value_name = "SOURCES",
        value_enum,
        value_delimiter = ','
    )]
    pub sources: Vec<LegacySource>,
    /// Step of r in E.1 and of R in E.2; no source states it
    #[arg(
        long = "legacy-step",
        allow_negative_numbers = true,
        value_name = "NORM",
        requires = "legacy",
        default_value_t = MarginOptions::default().step
    )]
    pub step: f64,
    /// Samples per test of E.2, each with an attack of its own; no source states them
    #[arg(
        long = "legacy-samples",
        value_name = "N",
        requires = "legacy",
        default_value_t = MarginOptions::default().num_samples
    )]
    pub num_samples: usize,
    /// Samples per step of E.1; no source states them
    #[arg(
        long = "legacy-clean-samples",
        value_name = "N",
        requires = "legacy",
        default_value_t = MinimalRadiusOptions::default().num_samples
    )]
    pub num_clean_samples: usize,
    /// Passes of a printed loop after which it gives up
    #[arg(
        long = "legacy-max-passes",
        value_name = "N",
        requires = "legacy",
        default_value_t = MarginOptions::default().max_iterations
    )]
    pub max_passes: usize,
}

impl LegacyArgs {
    /// Adds what is impossible here to the list.
    pub(super) fn check(&self, checks: &mut Checks) {
        checks
            .positive("--legacy-step", self.step)
            .at_least("--legacy-samples", self.num_samples, 1)
            .at_least("--legacy-clean-samples", self.num_clean_samples, 1)
            .at_least("--legacy-max-passes", self.max_passes, 1);
    }

    /// Settings per source, each source once; `steps` is that of all attacks of the command.
    pub(super) fn options(&self, r: f64, m: f64, steps: usize) -> Vec<LegacyOptions> {
        let mut all: Vec<LegacyOptions> = Vec::new();
        for &name in &self.sources {
            let mut options = LegacyOptions::of(name.into(), r, m, steps);
            options.minimal_radius.step = self.step;
            options.minimal_radius.num_samples = self.num_clean_samples;
            options.minimal_radius.max_iterations = self.max_passes;
            options.margin.step = self.step;
            options.margin.num_samples = self.num_samples;
            options.margin.max_iterations = self.max_passes;
            if !all.contains(&options) {
                all.push(options);
            }
        }
        all
    }
}

/// Refuses stored results of a source that was run with other settings.
pub(super) fn refuse_others(path: &Path, margins: &Margins, asked: &[LegacyOptions]) -> Result<()> {
    for stored in &margins.settings.legacy {
        let other = asked.iter().find(|o| o.source() == stored.source());
        if other.is_some_and(|options| options != stored) {
            bail!(
                "{} has the printed algorithms of the {} with other settings: choose another --out \
                 or remove it",
                path.display(),
                name(stored.source())
            );
        }
    }
    Ok(())
}

/// Runs what was asked and is not there yet. What an image gives depends on the seed and its
/// position alone, not on the images beside it.
pub(super) fn add(
    margins: &mut Margins,
    asked: &[LegacyOptions],
    model: &dyn LatentModel,
    x: &Tensor,
    noise: &Noise,
    quiet: bool,
) -> Result<()> {
    let known: Vec<Source> = margins
        .settings
        .legacy
        .iter()
        .map(LegacyOptions::source)
        .collect();
    let new: Vec<LegacyOptions> = asked
        .iter()
        .copied()
        .filter(|o| !known.contains(&o.source()))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    // An attack costs its steps; a random direction costs one pass.
    let cost = |options: &LegacyOptions| match options.source() {
        Source::Thesis => (options.steps * options.margin.num_restarts) as f64,
        Source::Paper => 1.0,
    };
    let per_image: f64 = new.iter().map(cost).sum();
    let num_images = margins.rows.len();
    let progress = Progress::unless(quiet, "printed algorithms", per_image * num_images as f64);
    for (at, row) in margins.rows.iter_mut().enumerate() {
        let image = x.narrow(0, at as i64, 1);
        for options in &new {
            let source = name(options.source());
            let noise = noise.child(source).index(row.image as u64);
            row.legacy.push(legacy(model, &image, options, &noise)?);
            let message = format!("image {} of {num_images}, {source}", at + 1);
            progress.advance(cost(options), &message);
        }
    }
    progress.finish();
    margins.settings.legacy.extend(new);
    Ok(())
}

/// The source in messages and column names.
pub(super) fn name(source: Source) -> &'static str {
    match source {
        Source::Thesis => "thesis",
        Source::Paper => "paper",
    }
}

/// The word for the end of a loop.
fn word(stop: LegacyStop) -> &'static str {
    match stop {
        LegacyStop::Condition => "condition",
        LegacyStop::NonPositiveRadius => "not above 0",
        LegacyStop::MaxIterations => "gave up",
    }
}

/// Columns of one source.
pub(super) fn columns(source: Source) -> Vec<String> {
    ["r_min", "r_min_stop", "margin", "margin_stop", "evidence"]
        .map(|column| format!("legacy_{}_{column}", name(source)))
        .to_vec()
}

/// The cells of [`columns`].
pub(super) fn cells(found: &LegacyInput) -> Vec<Cell> {
    vec![
        found.minimal_radius.radius.into(),
        word(found.minimal_radius.stop).into(),
        found.margin.radius.into(),
        word(found.margin.stop).into(),
        found.evidence.to_string().into(),
    ]
}

/// Printed beside ours for the first images, the means over all, and what is wrong with them.
pub(super) fn lines(margins: &Margins, num_shown: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, options) in margins.settings.legacy.iter().enumerate() {
        lines.push(format!(
            "printed algorithms of the {}: step {}, {} and {} samples, {} steps per attack",
            name(options.source()),
            options.margin.step,
            options.minimal_radius.num_samples,
            options.margin.num_samples,
            options.steps
        ));
        lines.push(format!(
            "{:>8} {:>10} {:>14} {:>16} {:>14} {:>12}",
            "image", "r_min", "printed r_min", "margin", "printed margin", "ended by"
        ));
        for row in margins.rows.iter().take(num_shown) {
            let (ours, printed) = (&row.margin.margin, &row.legacy[at]);
            lines.push(format!(
                "{:>8} {:>10.3} {:>14.3} {:>16} {:>14.3} {:>12}",
                row.image,
                row.bounds.r_min.value,
                printed.minimal_radius.radius,
                format!("[{:.2}, {:.2}]", ours.value, ours.upper),
                printed.margin.radius,
                word(printed.margin.stop),
            ));
        }
        let mean = |value: &dyn Fn(&ImageMargin) -> f64| {
            margins.rows.iter().map(value).sum::<f64>() / margins.rows.len() as f64
        };
        lines.push(format!(
            "means: r_min {:.3}, printed {:.3}; margin (lower ends) {:.3}, printed {:.3}",
            mean(&|row| row.bounds.r_min.value),
            mean(&|row| row.legacy[at].minimal_radius.radius),
            mean(&|row| row.margin.margin.value),
            mean(&|row| row.legacy[at].margin.radius),
        ));
    }
    if !lines.is_empty() {
        lines.push("known defects of the printed algorithms:".to_owned());
        lines.extend(DEFECTS.iter().map(|defect| format!("  - {defect}")));
    }
    lines
}
