//! Margins as one row per image, and as lines for the terminal.

use super::margin::Margins;
use super::margin_legacy;
use crate::variants::{long_name, short_name};
use anyhow::Result;
use vaegis_attacks::Variant;
use vaegis_eval::margin::MarginDirection;
use vaegis_report::{Cell, Table};
use vaegis_theory::bisection::MarginStatus;

/// Images printed on the terminal.
const SHOWN: usize = 10;
/// Hexadecimal digits of the weights' SHA-256 that name a network.
const NETWORK_DIGITS: usize = 16;

/// What identifies a network: the beginning of its weights' SHA-256.
pub(super) fn network(margins: &Margins) -> &str {
    let digest = &margins.settings.model_sha256;
    digest.get(..NETWORK_DIGITS).unwrap_or(digest)
}

/// What the radii are.
fn what(direction: MarginDirection) -> &'static str {
    match direction {
        MarginDirection::Attack => "margins",
        MarginDirection::Random => "radii over random directions, which are no margins,",
        MarginDirection::Fixed => "radii along fixed random directions, which are no margins,",
    }
}

fn direction(direction: MarginDirection) -> &'static str {
    match direction {
        MarginDirection::Attack => "attack",
        MarginDirection::Random => "random",
        MarginDirection::Fixed => "fixed",
    }
}

/// Which random vector stays within r, by the names of `--variant`.
fn mode(variant: Variant) -> &'static str {
    match variant {
        Variant::MeanOnly => "mean-only",
        Variant::SigmaOnly => "sigma-only",
        Variant::Both => "both",
        Variant::TwoSample => "two-sample",
    }
}

/// The word for a status.
fn word(status: MarginStatus) -> &'static str {
    match status {
        MarginStatus::Bracketed { .. } => "bracketed",
        MarginStatus::AtCap => "at cap",
        MarginStatus::NotRobustUnperturbed => "not robust at 0",
        MarginStatus::Unresolved => "unresolved",
    }
}

/// One row per image with everything that a figure needs to place it.
pub(super) fn table(margins: &Margins) -> Result<Table> {
    let names = [
        "network",
        "image",
        "label",
        "seed",
        "r",
        "m",
        "mode",
        "direction",
        "search",
        "status",
        "margin_lower",
        "margin_upper",
        "margin_evidence",
        "p0",
        "p0_lower",
        "p0_upper",
        "bound_frobenius",
        "bound_spectral",
        "bound_mahalanobis",
        "bound_evidence",
        "bound_frobenius_confident",
        "bound_confident_evidence",
        "bound_frobenius_at_p0_90",
        "cell_radius",
        "r_min",
        "jacobian_frobenius",
        "jacobian_spectral",
        "sigma_min",
    ];
    let settings = &margins.settings;
    let legacy = settings.legacy.iter();
    let legacy: Vec<String> = legacy
        .flat_map(|options| margin_legacy::columns(options.source()))
        .collect();
    let names: Vec<&str> = names
        .into_iter()
        .chain(legacy.iter().map(String::as_str))
        .collect();
    let mut table = Table::new("margins", "Margins and bounds", &names);
    let options = &settings.margin;
    for row in &margins.rows {
        let (margin, bounds) = (&row.margin.margin, &row.bounds);
        let p0 = bounds.p0.interval(settings.bound.alpha)?;
        let mut cells: Vec<Cell> = vec![
            network(margins).into(),
            row.image.into(),
            row.label.into(),
            // A seed beyond the integers of tables stays exact as text.
            i64::try_from(settings.seed)
                .map_or_else(|_| settings.seed.to_string().into(), Cell::from),
            options.r.into(),
            options.m.into(),
            mode(options.variant).into(),
            direction(options.direction).into(),
            options.scan_step.map_or("bisection", |_| "scan").into(),
            word(margin.status).into(),
            margin.value.into(),
            margin.upper.into(),
            row.margin.evidence.to_string().into(),
            bounds.p0.value().into(),
            p0.lower.into(),
            p0.upper.into(),
            bounds.plug_in.frobenius.into(),
            bounds.plug_in.spectral.into(),
            bounds.plug_in.mahalanobis.into(),
            bounds.plug_in.evidence.to_string().into(),
            bounds.confident.frobenius.into(),
            bounds.confident.evidence.to_string().into(),
            bounds.at_p0_90.frobenius.into(),
            row.cell.map(|cell| cell.radius).into(),
            bounds.r_min.value.into(),
            bounds.jacobian_frobenius.into(),
            bounds.jacobian_spectral.into(),
            bounds.sigma_min.into(),
        ];
        cells.extend(row.legacy.iter().flat_map(margin_legacy::cells));
        table.push_row(cells)?;
    }
    Ok(table)
}

/// The first images, the numbers over all, and the printed algorithms.
pub(super) fn lines(margins: &Margins) -> Vec<String> {
    let options = &margins.settings.margin;
    let mut lines = vec![
        format!(
            "{} {} at r = {}, m = {}; the bounds are of {}",
            what(options.direction),
            long_name(options.variant),
            options.r,
            options.m,
            long_name(Variant::MeanOnly),
        ),
        format!(
            "{:>8} {:>16} {:>16} {:>8} {:>8} {:>8} {:>8}",
            "image", "status", "margin", "B_F", "B_2", "B_M", "p0"
        ),
    ];
    for row in margins.rows.iter().take(SHOWN) {
        let (margin, bounds) = (&row.margin.margin, &row.bounds);
        let bracket = format!("[{:.2}, {:.2}]", margin.value, margin.upper);
        lines.push(format!(
            "{:>8} {:>16} {:>16} {:>8.3} {:>8.3} {:>8.3} {:>8.3}",
            row.image,
            word(margin.status),
            bracket,
            bounds.plug_in.frobenius,
            bounds.plug_in.spectral,
            bounds.plug_in.mahalanobis,
            bounds.p0.value(),
        ));
    }
    if margins.rows.len() > SHOWN {
        lines.push(format!("     ... and {} more", margins.rows.len() - SHOWN));
    }
    lines.extend(summary_lines(margins));
    lines.extend(margin_legacy::lines(margins, SHOWN));
    lines
}

/// The margins over all images, where a summary is stored.
pub(super) fn summary_lines(margins: &Margins) -> Vec<String> {
    let percent = |share: f64| 100.0 * share;
    let variant = margins.settings.margin.variant;
    let mut lines = Vec::new();
    if let Some(summary) = &margins.summary {
        let all = &summary.margins;
        lines.push(format!(
            "margins {} of {} images ({}): mean {:.3}, quartiles {:.3}, {:.3}, {:.3}, smallest {:.3}",
            long_name(variant),
            all.num_inputs,
            all.evidence,
            all.mean,
            all.lower_quartile,
            all.median,
            all.upper_quartile,
            all.minimum,
        ));
        lines.push(format!(
            "at the cap {:.1} %, not robust at rest {:.1} %, bracket from 0 {:.1} %",
            percent(all.share_at_cap),
            percent(all.share_not_robust),
            percent(all.share_bracketed_at_zero),
        ));
        let bound = &summary.bound;
        if bound.num_pairs > 0 {
            let correlation = bound.pearson.map_or_else(
                || "no correlation (a constant, or one image)".to_owned(),
                |rho| format!("correlation {rho:.3}"),
            );
            lines.push(format!(
                "margin {} on B_F of V1: {correlation}, {} of {} brackets below the bound",
                short_name(variant),
                bound.num_below,
                bound.num_pairs
            ));
            if variant != Variant::MeanOnly {
                lines.push(
                    "the bound holds for V1, which has no general order with other definitions: \
                     ask for --variant mean-only to judge it"
                        .to_owned(),
                );
            }
        }
    }
    lines
}
