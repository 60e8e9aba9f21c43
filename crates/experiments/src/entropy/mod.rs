//! Figures B.3 to B.5: how low the entropy of a categorical layer can get.
//!
//! Arithmetic alone: no data, no network. The curves come from
//! `vaegis_theory::entropy`, the random codebooks from `vaegis_theory::sphere`.
//! Every report judges all that the sources say of the matter, V1 to V9.

mod curves;
mod learnt;
mod simulation;
mod thresholds;
mod verdicts;

use crate::registry::Experiment;
use crate::{RunCtx, Tier};
use anyhow::Result;
use std::time::Instant;
use vaegis_report::{Claim, ClaimResult, Report, RunManifest, Section, Verdict};

/// Codes of the figures; the sources state them for B.5 only.
const NUM_CODES: usize = 256;
/// Numbers of codes for which curves are drawn.
const CODE_COUNTS: [usize; 5] = [2, 16, 64, NUM_CODES, 1024];
/// Random codebooks with learnt variances, per seed.
const NUM_LEARNT: usize = 100;
const NUM_LEARNT_SMOKE: usize = 10;
/// What has to stand next to every plot.
const SCALES: &str = "d is the Euclidean norm of a vector, ℓ a single logit: outputs with entries \
     of size v in 32 dimensions have d = 5.66 v, so curves over d and over ℓ share no axis.";

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
        let mut provenance = ctx.provenance(&seeds);
        provenance.device = "none".to_owned();
        let mut claims = match self {
            Self::B3 => curves::vector_quantizer(&mut section)?,
            Self::B4 => curves::softmax(&mut section)?,
            Self::B5 => simulation::draw(ctx, &seeds, &mut section)?,
        };
        let num_learnt = if ctx.tier == Tier::Smoke {
            NUM_LEARNT_SMOKE
        } else {
            NUM_LEARNT
        };
        let learnt = learnt::measure(num_learnt, &seeds)?;
        section.push(learnt::table(&learnt)?);
        claims.extend(verdicts::judge(&learnt)?);
        ctx.finish(&mut provenance, start);
        let manifest = RunManifest::new(self.id(), ctx.tier.name())
            .with_command(&ctx.command)
            .with_seeds(&seeds)
            .with_provenance(&provenance)?;
        let mut report = Report::new(self.title(), manifest);
        report.summary = vec![
            format!("Entropies in nats, with {NUM_CODES} codes unless said otherwise."),
            "V1 to V9 are what the sources state; each is judged in every one of these reports. \
             The corollary that rVQ is calmer than a softmax concerns δ < 1 (V6); the figures have \
             δ = 1 and c = 0, where it is not (V7), and unit variances, where learnt ones would be \
             sharper (V8)."
                .to_owned(),
            SCALES.to_owned(),
        ];
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
