//! Figures B.3 to B.5: how low the entropy of a categorical layer can get.
//!
//! Arithmetic alone: no data, no network. The curves come from
//! `vaegis_theory::entropy`, the random codebooks from `vaegis_theory::sphere`.

mod curves;
mod simulation;

use crate::registry::Experiment;
use crate::{RunCtx, Tier};
use anyhow::Result;
use std::time::Instant;
use vaegis_report::{Claim, ClaimResult, Report, RunManifest, Section, Verdict};

/// Codes of the figures; the sources state them for B.5 only.
const NUM_CODES: usize = 256;

/// One of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntropyFigure {
    /// rVQ: exact and to first order.
    B3,
    /// Softmax: exact and to first order.
    B4,
    /// Simulated codebooks beside the worst case.
    B5,
}

impl Experiment for EntropyFigure {
    fn id(&self) -> &'static str {
        match self {
            Self::B3 => "fig-b.3",
            Self::B4 => "fig-b.4",
            Self::B5 => "fig-b.5",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::B3 => "worst-case entropy of the relaxed vector quantizer, exact and first order",
            Self::B4 => "worst-case entropy of a softmax, exact and first order",
            Self::B5 => "entropy over random codebooks beside the worst case",
        }
    }

    fn sources(&self) -> &'static str {
        match self {
            Self::B3 => "thesis figure B.3; theorem 3.1",
            Self::B4 => "thesis figure B.4; theorem 3.2",
            Self::B5 => "thesis figure B.5",
        }
    }

    fn datasets(&self) -> &'static str {
        "none"
    }

    fn duration(&self, tier: Tier) -> &'static str {
        match (self, tier) {
            (Self::B5, Tier::Desk | Tier::Paper) => "about a minute",
            _ => "seconds",
        }
    }

    fn run(&self, ctx: &RunCtx) -> Result<Report> {
        let start = Instant::now();
        let mut section = Section::new("figure", self.title());
        let seeds = ctx.seeds(3);
        let claims = match self {
            Self::B3 => curves::vector_quantizer(&mut section)?,
            Self::B4 => curves::softmax(&mut section)?,
            Self::B5 => simulation::draw(ctx, &seeds, &mut section)?,
        };
        let mut provenance = ctx.provenance(&seeds);
        provenance.device = "none".to_owned();
        provenance.finish(start);
        let manifest = RunManifest::new(self.id(), ctx.tier.name())
            .with_command(&ctx.command)
            .with_seeds(&seeds)
            .with_provenance(&provenance)?;
        let mut report = Report::new(self.title(), manifest);
        report.summary = vec![format!("{} codes; entropies in nats.", NUM_CODES)];
        report.claims = claims;
        report.sections = vec![section];
        Ok(report)
    }
}

/// The verdict of a claim about exact numbers.
fn judged(
    (id, statement, source, predicate): (&str, &str, &str, &str),
    holds: bool,
    observed: &str,
) -> ClaimResult {
    let verdict = if holds {
        Verdict::Holds
    } else {
        Verdict::Fails
    };
    ClaimResult::new(
        Claim::new(id, statement, source, predicate),
        verdict,
        observed,
    )
}
