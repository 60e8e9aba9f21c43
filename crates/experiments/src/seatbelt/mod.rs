//! The chapter on robust VAEs: figures 5.1 to 5.7, table 5.1 and appendix D, each
//! an experiment of its own, and the whole chapter as one.
//!
//! The figures share models through the model cache and measurements through
//! the stages beside them, so the chapter costs less than its parts.

mod bench;
mod config;
mod figures;
mod grid;
mod panels;

pub use config::ChapterConfig;
pub use grid::{GridConfig, GridSet};

use crate::claims::tally;
use crate::page::{Page, about, heading};
use crate::registry::Experiment;
use crate::{RunCtx, Tier};
use anyhow::{Context as _, Result};
use figures::{FIGURES, Spec};
use std::time::Instant;
use vaegis_report::{Report, RunManifest};

/// Name of the chapter in seeds and on the command line.
const CHAPTER: &str = "chapter-5";

/// One figure or table of the chapter.
#[derive(Clone, Copy, Debug)]
pub struct Figure(usize);

/// The chapter in one report.
#[derive(Clone, Copy, Debug)]
pub struct Chapter;

impl Figure {
    /// The figure at this position in the order of the sources.
    pub const fn at(position: usize) -> Self {
        Self(position)
    }

    fn spec(&self) -> &'static Spec {
        &FIGURES[self.0]
    }
}

impl Experiment for Figure {
    fn id(&self) -> &'static str {
        self.spec().id
    }

    fn title(&self) -> &'static str {
        self.spec().title
    }

    fn sources(&self) -> &'static str {
        self.spec().sources
    }

    fn datasets(&self) -> &'static str {
        self.spec().datasets
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Smoke => "under a minute",
            Tier::Desk => about(self.spec().minutes),
            Tier::Paper => "days; better on a GPU",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        let spec = self.spec();
        report(ctx, spec.id, spec.title, std::slice::from_ref(spec))
    }
}

impl Experiment for Chapter {
    fn id(&self) -> &'static str {
        CHAPTER
    }

    fn title(&self) -> &'static str {
        "robust VAEs: every figure and table of the chapter and its appendix"
    }

    fn sources(&self) -> &'static str {
        "thesis chapter 5 and appendix D; Seatbelt paper"
    }

    fn datasets(&self) -> &'static str {
        "toy-faces, toy-chairs, dsprites, Swiss roll (all made here), CIFAR-10; CelebA and SVHN where they are at hand"
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Smoke => "under three minutes",
            Tier::Desk => about(60),
            Tier::Paper => "weeks; needs a GPU",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        report(
            ctx,
            CHAPTER,
            "Robust VAEs: the chapter's figures and table",
            FIGURES,
        )
    }
}

/// Draws the figures into one report.
fn report(ctx: &RunCtx, id: &str, title: &str, figures: &[Spec]) -> Result<Report> {
    let start = Instant::now();
    let config = ChapterConfig::at(ctx.tier);
    let seeds = ctx.seeds(config.num_seeds);
    let mut provenance = ctx.provenance(&seeds);
    let mut all = Page::new(id, title);
    let mut sections = Vec::new();
    for (position, figure) in figures.iter().enumerate() {
        tracing::info!(
            "{} ({} of {}): {}, {} with nothing in the cache",
            figure.id,
            position + 1,
            figures.len(),
            figure.title,
            about(figure.minutes),
        );
        let mut page = Page::new(figure.id, figure.title);
        (figure.draw)(ctx, figure.id, &mut page).with_context(|| format!("in {}", figure.id))?;
        all.used(page.datasets);
        all.claims.extend(page.claims);
        all.summary.extend(page.summary);
        sections.push(page.section);
    }
    provenance.datasets = all.datasets;
    ctx.finish(&mut provenance, start);
    let manifest = RunManifest::new(id, ctx.tier.name())
        .with_command(&ctx.command)
        .with_seeds(&seeds)
        .with_config(&config)?
        .with_provenance(&provenance)?;
    let mut report = Report::new(&heading(title), manifest);
    all.summary.push(tally(&all.claims));
    report.summary = all.summary;
    report.claims = all.claims;
    report.sections = sections;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::OVER_AN_HOUR;

    #[test]
    fn every_figure_is_registered_once() {
        let ids: Vec<&str> = crate::registry::EXPERIMENTS
            .iter()
            .map(|e| e.id())
            .collect();
        for figure in FIGURES {
            let times = ids.iter().filter(|id| **id == figure.id).count();
            assert_eq!(times, 1, "{}", figure.id);
            assert_ne!(about(figure.minutes), OVER_AN_HOUR, "{}", figure.id);
        }
        assert!(ids.contains(&CHAPTER));
    }
}
