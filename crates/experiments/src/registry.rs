//! All experiments, in the order in which they are listed.

use crate::{RunCtx, Tier};
use anyhow::{Result, bail};
use vaegis_report::Report;

/// Something that can be reproduced by its id.
pub trait Experiment: Sync {
    /// Id on the command line and in folders.
    fn id(&self) -> &'static str;

    /// One line for lists.
    fn title(&self) -> &'static str;

    /// Where in the sources it comes from.
    fn sources(&self) -> &'static str;

    /// Data sets that it uses, and what it does without them.
    fn datasets(&self) -> &'static str;

    /// About how long a tier takes on two cores.
    fn duration(&self, tier: Tier) -> &'static str;

    /// Runs it and returns the report.
    ///
    /// # Errors
    /// Anything that keeps the experiment from being carried out. A claim that
    /// does not hold is not an error.
    fn run(&self, ctx: &RunCtx) -> Result<Report>;
}

/// The registry.
pub const EXPERIMENTS: &[&dyn Experiment] = &[
    &crate::tour::Tour,
    &crate::certificates::Certificates,
    &crate::seatbelt::Chapter,
    &crate::seatbelt::Figure::at(0),
    &crate::seatbelt::Figure::at(1),
    &crate::seatbelt::Figure::at(2),
    &crate::seatbelt::Figure::at(3),
    &crate::seatbelt::Figure::at(4),
    &crate::seatbelt::Figure::at(5),
    &crate::seatbelt::Figure::at(6),
    &crate::seatbelt::Figure::at(7),
    &crate::seatbelt::Figure::at(8),
    &crate::seatbelt::Figure::at(9),
    &crate::seatbelt::Figure::at(10),
    &crate::seatbelt::Figure::at(11),
    &crate::seatbelt::Figure::at(12),
    &crate::seatbelt::Figure::at(13),
    &crate::rrobust::Chapter,
    &crate::rrobust::Figure::at(0),
    &crate::rrobust::Figure::at(1),
    &crate::rrobust::Figure::at(2),
    &crate::rrobust::Figure::at(3),
    &crate::rrobust::Figure::at(4),
    &crate::rrobust::Figure::at(5),
    &crate::rrobust::Figure::at(6),
    &crate::rrobust::Figure::at(7),
    &crate::rrobust::Figure::at(8),
    &crate::rrobust::Figure::at(9),
    &crate::rrobust::Figure::at(10),
    &crate::rrobust::Figure::at(11),
    &crate::rrobust::Figure::at(12),
    &crate::rrobust::Figure::at(13),
    &crate::rrobust::Figure::at(14),
    &crate::entropy::EntropyFigure::B3,
    &crate::entropy::EntropyFigure::B4,
    &crate::entropy::EntropyFigure::B5,
];

/// The experiment with this id.
///
/// # Errors
/// An unknown id; the message lists the known ones.
pub fn find(id: &str) -> Result<&'static dyn Experiment> {
    let known: Vec<&str> = EXPERIMENTS.iter().map(|e| e.id()).collect();
    match EXPERIMENTS.iter().find(|e| e.id() == id) {
        Some(experiment) => Ok(*experiment),
        None => bail!(
            "there is no experiment {id:?}; there are: {}",
            known.join(", ")
        ),
    }
}

/// The table of `vaegis list`.
pub fn list_text() -> String {
    let mut text = String::new();
    let width = EXPERIMENTS.iter().map(|e| e.id().len()).max().unwrap_or(0);
    for e in EXPERIMENTS {
        text += &format!("{:<width$} {}\n", e.id(), e.title());
        text += &format!("{:<width$} sources: {}\n", "", e.sources());
        text += &format!("{:<width$} data: {}\n", "", e.datasets());
        for tier in [Tier::Smoke, Tier::Desk, Tier::Paper] {
            text += &format!(
                "{:<width$} --tier {:<6} {}\n",
                "",
                tier.name(),
                e.duration(tier)
            );
        }
    }
    text
}

/// The page docs/reproduction.md.
pub fn list_markdown() -> String {
    let mut text = String::from(
        "# What can be reproduced\n\n\
         Run one with `cargo xtask reproduce ID [--tier smoke|desk|paper]`; without an ID the tour runs.\n\n\
         | id | what | sources | data | smoke | desk | paper |\n|---|---|---|---|---|---|---|\n",
    );
    for e in EXPERIMENTS {
        text += &format!(
            "| `{}` | {} | {} | {} | {} | {} | {} |\n",
            e.id(),
            e.title(),
            e.sources(),
            e.datasets(),
            e.duration(Tier::Smoke),
            e.duration(Tier::Desk),
            e.duration(Tier::Paper),
        );
    }
    text
}
