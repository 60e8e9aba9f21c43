//! Empirical margins against the Lipschitz constant, beside the estimates of certifiably robust
//! VAEs.

use super::config::CONSTANTS;
use super::job::{Bench, ModelRecord, ModelResult};
use super::tables::{by_name, stem};
use anyhow::Result;
use vaegis_attacks::Variant;
use vaegis_eval::margin::InputMargin;
use vaegis_report::{Cell, Table};
use vaegis_theory::stats::{mean, median};

/// Modes of the estimated margins for L = 5 to 10 and for an ordinary VAE, read off a published
/// picture (specification §7.4).
const READ_OFF: [f64; 6] = [5.8, 4.3, 2.7, 2.5, 1.5, 1.4];
const READ_OFF_ORDINARY: f64 = 1.0;

/// One row per model.
pub(super) fn table(bench: &Bench<'_>, results: &[ModelResult]) -> Result<Table> {
    let columns = [
        "model",
        "‖x − g(μ)‖",
        "median margin V1",
        "median margin V3",
        "estimated margin, read off",
        "median certificate V1",
        "median certificate V3",
    ];
    let mut table = Table::new(
        &stem("margins", bench),
        "Margins and certificates by the Lipschitz constant",
        &columns,
    )
    .with_caption(&format!(
        "Encoder and decoder have the constant L, γ = 0.1, r = {}. Margins are empirical, of {} \
         images over all seeds, at most {}. Read off: modes of the estimates of certifiably robust \
         VAEs (V3; wider networks, trained longer). Certificates with a sigmoid counted as \
         ¼-Lipschitz.",
        bench.set().r,
        bench.set().attacked_images,
        bench.config.margins.cap,
    ));
    for (name, records) in by_name(results, bench.set) {
        let position = CONSTANTS.iter().position(|(known, _)| *known == name);
        let distances: Vec<f64> = records.iter().flat_map(|r| r.distortions.clone()).collect();
        let of = |margins: fn(&ModelRecord) -> &[InputMargin]| {
            let all = records.iter().flat_map(|r| margins(r));
            median(&all.map(|m| m.margin.value).collect::<Vec<_>>())
        };
        table.push_row(vec![
            name.into(),
            mean(&distances)?.into(),
            of(|r| &r.margins)?.into(),
            of(|r| &r.two_sample_margins)?.into(),
            position.map_or(READ_OFF_ORDINARY, |at| READ_OFF[at]).into(),
            certificate(&records, Variant::MeanOnly)?,
            certificate(&records, Variant::TwoSample)?,
        ])?;
    }
    Ok(table)
}

/// Median certificate of a variant; nothing where none is certified.
fn certificate(records: &[&ModelRecord], variant: Variant) -> Result<Cell> {
    let inputs = records.iter().flat_map(|r| &r.inputs);
    let radii: Vec<f64> = inputs
        .flat_map(|i| &i.certificates)
        .filter(|c| c.variant == variant)
        .map(|c| c.best.radius)
        .collect();
    Ok(if radii.is_empty() {
        Cell::Missing
    } else {
        median(&radii)?.into()
    })
}
