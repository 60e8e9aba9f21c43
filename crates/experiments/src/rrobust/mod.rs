//! The r-robustness chapter: figures 6.1 to 6.9 and appendix E, each an experiment
//! of its own, and the whole chapter as one.
//!
//! The figures share networks and measurements: a network is trained once into
//! the model cache, a measurement is made once beside it, and a figure draws and
//! judges what it asked for. Figures 6.2, 6.3 and E.1 of the thesis are sketches;
//! here they are computed for a linear example and need no network.

mod at_bounds;
mod config;
mod figures;
mod measure;
mod plots;
mod reference;
mod statistics;
mod study;

pub use config::ChapterConfig;

use crate::claims::tally;
use crate::page::{Page, about, heading};
use crate::registry::Experiment;
use crate::{RunCtx, Tier};
use anyhow::Result;
use figures::{FIGURES, Spec};
use std::time::Instant;
use study::{Request, Study};
use vaegis_report::{Report, RunManifest};

/// Name of the chapter in seeds and on the command line.
const CHAPTER: &str = "chapter-6";

/// One figure of the chapter.
#[derive(Clone, Copy, Debug)]
pub struct Figure(usize);

/// All figures of the chapter in one report.
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
        datasets(self.spec().requests)
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match tier {
            _ if self.spec().requests.is_empty() => "seconds",
            Tier::Smoke => "under a minute",
            Tier::Desk => about(self.spec().minutes),
            Tier::Paper => "hours",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        report(
            ctx,
            self.id(),
            self.title(),
            std::slice::from_ref(self.spec()),
        )
    }
}

impl Experiment for Chapter {
    fn id(&self) -> &'static str {
        CHAPTER
    }

    fn title(&self) -> &'static str {
        "r-robustness: every figure of the chapter and its appendix"
    }

    fn sources(&self) -> &'static str {
        "thesis chapter 6 and appendix E; r-robustness paper"
    }

    fn datasets(&self) -> &'static str {
        "MNIST, Fashion-MNIST, CIFAR-10; procedural sprites for each that is not at hand"
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Smoke => "about a minute",
            Tier::Desk => about(110),
            Tier::Paper => "days; better on a GPU",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        report(
            ctx,
            CHAPTER,
            "r-robustness of VAEs: the chapter's figures",
            FIGURES,
        )
    }
}

/// The data sets that these requests name, in words.
fn datasets(requests: &[Request]) -> &'static str {
    if requests.is_empty() {
        return "none";
    }
    let has = |name: &str| requests.iter().any(|r| r.set == name);
    match (has("mnist"), has("fashion-mnist"), has("cifar10")) {
        (true, true, true) => "MNIST, Fashion-MNIST, CIFAR-10 (else sprites)",
        (true, true, false) => "MNIST, Fashion-MNIST (else sprites)",
        (false, true, _) => "Fashion-MNIST (else sprites)",
        (false, false, true) => "CIFAR-10 (else sprites)",
        _ => "MNIST (else sprites)",
    }
}

/// Measures what the figures need and draws them into one report.
fn report(ctx: &RunCtx, id: &str, title: &str, figures: &[Spec]) -> Result<Report> {
    let start = Instant::now();
    // At the start, so that it says when and at which revision the run began.
    let mut provenance = ctx.provenance(&[]);
    let requests: Vec<Request> = figures.iter().flat_map(|f| f.requests).copied().collect();
    let study = Study::run(ctx, id, &requests)?;
    let mut sections = Vec::new();
    let mut claims = Vec::new();
    for figure in figures {
        let mut page = Page::new(figure.id, figure.title);
        (figure.draw)(&study, figure.id, &mut page)?;
        sections.push(page.section);
        claims.extend(page.claims);
    }
    provenance.seeds.clone_from(&study.seeds);
    provenance.datasets = study
        .sets
        .iter()
        .flat_map(|s| s.images.provenance())
        .collect();
    ctx.finish(&mut provenance, start);
    let manifest = RunManifest::new(id, ctx.tier.name())
        .with_command(&ctx.command)
        .with_seeds(&study.seeds)
        .with_config(&study.config)?
        .with_provenance(&provenance)?;
    let mut report = Report::new(&heading(title), manifest);
    report.summary = summary(&study, &claims);
    report.claims = claims;
    report.sections = sections;
    Ok(report)
}

fn summary(study: &Study<'_>, claims: &[vaegis_report::ClaimResult]) -> Vec<String> {
    let mut paragraphs: Vec<String> = study
        .sets
        .iter()
        .map(|set| {
            let settings: Vec<String> = set.settings().iter().map(|s| s.label()).collect();
            format!(
                "{}: {} networks ({}; {} seeds), MLP with hidden layers {:?}, {} latents, {} \
                 epochs on {} training images.",
                set.title(),
                set.networks.len(),
                settings.join(", "),
                set.seeds().len(),
                set.config.hidden,
                set.config.latent,
                set.config.train.epochs,
                set.images.train.len(),
            )
        })
        .collect();
    paragraphs.push(tally(claims));
    paragraphs
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
            let is_known = about(figure.minutes) != OVER_AN_HOUR;
            assert!(is_known || figure.requests.is_empty(), "{}", figure.id);
        }
        assert!(ids.contains(&CHAPTER));
    }
}
