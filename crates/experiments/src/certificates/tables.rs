//! Tables and figures of the certificate experiment.

use super::config::Family;
use super::constants;
use super::counterexamples::{Example, table as example_table};
use super::job::{Bench, FROBENIUS, MAHALANOBIS, ModelRecord, ModelResult, certificate_claim};
use super::judge::{count, listed_margins};
use crate::variants::short_name;
use anyhow::Result;
use vaegis_eval::certificate::{Term, TermRadius};
use vaegis_report::{Axis, Cell, Figure, Line, Section, Table};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::stats::{mean, median};

/// Id of a block about one set.
pub(super) fn stem(what: &str, bench: &Bench<'_>) -> String {
    format!(
        "{what}-{}",
        bench.set().label.replace(", ", "-").replace(' ', "-")
    )
}

/// Refuted claims of one kind of model, data set by data set.
fn violations(benches: &[Bench<'_>], results: &[ModelResult]) -> Result<Table> {
    let m = benches[0].config.bounds.m;
    let sets: Vec<&str> = benches.iter().map(|b| b.set().label.as_str()).collect();
    let mut columns = vec!["claim", "model", "worth", "trials", "refuted", "share ≤ m"];
    columns.extend(&sets);
    let mut table = Table::new("violations", "What the hunt found", &columns).with_caption(&format!(
        "Attacked at the claimed radius by three searches with restarts, judged on {} fresh draws, \
         all seeds. Worth: the evidence of the winning terms, with how many; a confidence is that \
         of one input's limit of p₀, by {} draws. Refuted: the share within r is below m beyond \
         the error of the draws. The last columns: refuted of trials per data set.",
        benches[0].config.hunt.num_draws, benches[0].config.bounds.num_samples,
    ));
    let mut rows: Vec<(&str, bool, &str)> = Vec::new();
    for result in results {
        for hunt in &result.record.hunts {
            let row = (hunt.claim.as_str(), hunt.is_sound, result.name);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    rows.sort_by_key(|&(claim, is_sound, _)| (!is_sound, claim));
    for (claim, is_sound, model) in rows {
        let of = |set: Option<usize>| {
            let part = results
                .iter()
                .filter(|r| r.name == model && set.is_none_or(|set| set == r.set));
            count(part, m, |h| h.claim == claim)
        };
        let (refuted, below, trials) = of(None);
        let mut row = vec![
            Cell::from(claim),
            Cell::from(model),
            Cell::from(if is_sound {
                worth(claimed(results, model, claim))
            } else {
                Evidence::FirstOrder.to_string()
            }),
            Cell::from(trials),
            Cell::from(refuted),
            Cell::from(below),
        ];
        row.extend((0..benches.len()).map(|set| {
            let (refuted, _, trials) = of(Some(set));
            if trials == 0 {
                Cell::Missing
            } else {
                Cell::from(format!("{refuted} of {trials}"))
            }
        }));
        table.push_row(row)?;
    }
    Ok(table)
}

/// The winning terms behind one claim, input by input.
fn claimed<'a>(
    results: &'a [ModelResult],
    model: &'a str,
    claim: &'a str,
) -> impl Iterator<Item = TermRadius> + 'a {
    let inputs = results
        .iter()
        .filter(move |r| r.name == model)
        .flat_map(|r| &r.record.inputs);
    inputs
        .flat_map(|input| &input.certificates)
        .filter(move |c| certificate_claim(c.variant) == claim)
        .map(|c| c.best)
}

/// What a radius of 0 is worth.
const NOTHING: &str = "nothing certified";

/// Each kind of evidence with how often it stands, in the order of its first place.
fn worth(all: impl Iterator<Item = TermRadius>) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for term in all {
        let evidence = if term.radius > 0.0 {
            term.evidence.to_string()
        } else {
            NOTHING.to_owned()
        };
        match counts.iter_mut().find(|(e, _)| *e == evidence) {
            Some((_, count)) => *count += 1,
            None => counts.push((evidence, 1)),
        }
    }
    counts.sort_by_key(|(evidence, _)| evidence == NOTHING);
    let each = counts.iter().map(|(e, count)| format!("{e}: {count}"));
    each.collect::<Vec<_>>().join("; ")
}

/// Results of one model, all seeds, in the order of the models.
pub(super) fn by_name(
    results: &[ModelResult],
    set: usize,
) -> Vec<(&'static str, Vec<&ModelRecord>)> {
    let mut groups: Vec<(&str, Vec<&ModelRecord>)> = Vec::new();
    for result in results.iter().filter(|r| r.set == set) {
        match groups.iter_mut().find(|g| g.0 == result.name) {
            Some(group) => group.1.push(&result.record),
            None => groups.push((result.name, vec![&result.record])),
        }
    }
    groups
}

/// Certified radii beside empirical margins of one kind of model, over seeds and images.
fn radii(bench: &Bench<'_>, results: &[ModelResult]) -> Result<Table> {
    let set = bench.set();
    let budget = format!(
        "Networks with hidden layers of {}, trained for {} epochs on {} images",
        bench.config.hidden,
        bench.config.train.epochs,
        bench.images.train.len(),
    );
    let columns = [
        "model",
        "variant",
        "a",
        "b",
        "‖x − g(μ)‖",
        "median radius",
        "largest",
        "winning terms",
        "worth",
        "median B_F",
        "median margin",
        "median radius / margin",
        "radius above margin",
    ];
    let mut table = Table::new(
        &stem("radii", bench),
        &format!(
            "Certified radii, {}: {}, r = {}",
            set.label,
            bench.images.test.spec().origin,
            set.r
        ),
        &columns,
    )
    .with_caption(&format!(
        "Over images and seeds. {budget}. a, b: Lipschitz constants of decoder and encoder mean by \
         singular values, means over seeds. A large certificate of a model that reconstructs badly \
         is worth little. Margin: the empirical margin on the mean (V1), an estimate from above by \
         bisection with restarts, of the first images; B_F with the lower limit of p₀. Radius \
         above margin: images whose certificate exceeds the upper end of the margin's bracket.",
    ));
    for (name, records) in by_name(results, bench.set) {
        for (position, certificate) in records[0].inputs[0].certificates.iter().enumerate() {
            let inputs = || records.iter().flat_map(|r| &r.inputs);
            let best = || inputs().map(|i| i.certificates[position].best);
            let radii: Vec<f64> = best().map(|t| t.radius).collect();
            let distances: Vec<f64> = records.iter().flat_map(|r| r.distortions.clone()).collect();
            let constant = |of: fn(&ModelRecord) -> f64| {
                mean(&records.iter().map(|r| of(r)).collect::<Vec<_>>())
            };
            let won = Term::ALL.map(|term| (term, best().filter(|t| t.term == term).count()));
            let won: Vec<String> = won
                .iter()
                .filter(|(_, n)| *n > 0)
                .map(|(term, n)| format!("{} {n}", term.name()))
                .collect();
            let mut row = vec![
                Cell::from(name),
                Cell::from(short_name(certificate.variant)),
                Cell::from(constant(|r| r.constants.decoder)?),
                Cell::from(constant(|r| r.constants.mean)?),
                Cell::from(mean(&distances)?),
                Cell::from(median(&radii)?),
                Cell::from(radii.iter().copied().fold(0.0, f64::max)),
                Cell::from(won.join(", ")),
                Cell::from(worth(best())),
            ];
            row.extend(beside_margins(&records, position)?);
            table.push_row(row)?;
        }
    }
    Ok(table)
}

/// Median B_F, median margin, median ratio of certificate to margin, and certificates above the
/// margin's bracket; margins are those of V1 and say nothing of other variants.
fn beside_margins(records: &[&ModelRecord], position: usize) -> Result<[Cell; 4]> {
    if position > 0 {
        return Ok([const { Cell::Missing }; 4]);
    }
    let pairs = || records.iter().flat_map(|r| r.inputs.iter().zip(&r.margins));
    let bounds: Vec<f64> = pairs().map(|(i, _)| i.bounds.confident.frobenius).collect();
    let margins: Vec<f64> = pairs().map(|(_, m)| m.margin.value).collect();
    let ratios: Vec<f64> = pairs()
        .filter(|(_, m)| m.margin.value > 0.0)
        .map(|(i, m)| i.mean_only().best.radius / m.margin.value)
        .collect();
    let above = pairs()
        .filter(|(i, m)| i.mean_only().best.radius > m.margin.upper)
        .count();
    Ok([
        median(&bounds)?.into(),
        median(&margins)?.into(),
        if ratios.is_empty() {
            Cell::Missing
        } else {
            median(&ratios)?.into()
        },
        format!("{above} of {}", margins.len()).into(),
    ])
}

/// Every certified pair of a model of one data set and an image, for files.
fn pairs(bench: &Bench<'_>, results: &[ModelResult]) -> Result<Table> {
    let columns = [
        "model",
        "seed",
        "image",
        "distortion",
        "p0",
        "b_f_confident",
        "b_m_confident",
        "rho_cell",
        "jacobian_spectral",
        "radius_v1",
        "term_v1",
        "worth_v1",
        "radius_v2",
        "radius_v3",
        "margin_lower",
        "margin_upper",
        "status",
        "share_at_b_f",
        "share_at_b_m",
    ];
    let mut table = Table::new(
        &stem("pairs", bench),
        &format!("Every certified pair on {}", bench.set().label),
        &columns,
    )
    .with_caption(
        "One row per model, seed and image: bounds with the lower limit of p₀, certificates, \
             the bracket of the empirical margin (V1), and the share within r that the hunt left \
             at the first-order bounds.",
    )
    .for_files();
    for result in results.iter().filter(|r| r.set == bench.set) {
        let record = &result.record;
        for (i, input) in record.inputs.iter().enumerate() {
            let radius = |name: &str| -> Cell {
                let mut all = input.certificates.iter();
                let of = all.find(|c| short_name(c.variant) == name);
                of.map(|c| c.best.radius).into()
            };
            let share = |claim: &str| -> Cell {
                let hunt = record.hunts.iter().find(|h| h.claim == claim);
                let trial = hunt.and_then(|h| h.trials.iter().find(|t| t.row == i));
                trial.map(|t| t.share.value()).into()
            };
            let margin = record.margins.get(i).map(|m| &m.margin);
            table.push_row(vec![
                result.name.into(),
                result.seed.to_string().into(),
                bench.positions[i].into(),
                record.distortions[i].into(),
                input.bounds.p0.value().into(),
                input.bounds.confident.frobenius.into(),
                input.bounds.confident.mahalanobis.into(),
                input.cell_radius.into(),
                input.bounds.jacobian_spectral.into(),
                radius("V1"),
                input.mean_only().best.term.name().into(),
                input.mean_only().best.evidence.to_string().into(),
                radius("V2"),
                radius("V3"),
                margin.map(|m| m.value).into(),
                margin.map(|m| m.upper).into(),
                margin.map_or(Cell::Missing, |m| format!("{:?}", m.status).into()),
                share(FROBENIUS),
                share(MAHALANOBIS),
            ])?;
        }
    }
    Ok(table)
}

fn listed_table() -> Result<Table> {
    let columns = [
        "L",
        "m₁",
        "tight Markov",
        "m₂ (tail)",
        "exact V3",
        "exact V1",
    ];
    let mut table = Table::new("listed-margins", "Margins from constants alone", &columns)
        .with_caption("γ = 0.1, d_z = 10, r = 8, a = b = L; computed, with the listed value.");
    for margins in listed_margins()? {
        let mut row = vec![Cell::from(margins.lipschitz)];
        let each = margins.listed.iter().zip(margins.found);
        row.extend(each.map(|(listed, found)| Cell::from(format!("{found:.4} ({listed:.4})"))));
        table.push_row(row)?;
    }
    Ok(table)
}

/// Share of images certified at a radius or more, one line per kind of model.
fn certified_share(bench: &Bench<'_>, results: &[ModelResult]) -> Result<Figure> {
    let lines = by_name(results, bench.set)
        .into_iter()
        .map(|(name, records)| {
            let inputs = records.iter().flat_map(|r| &r.inputs);
            let mut radii: Vec<f64> = inputs.map(|i| i.mean_only().best.radius).collect();
            radii.sort_by(f64::total_cmp);
            let n = radii.len() as f64;
            let share = (0..radii.len()).map(|k| 1.0 - k as f64 / n).collect();
            Line::new(name, radii, share)
        });
    let figure = Figure::lines(
        &stem("certified-share", bench),
        &format!(
            "Share of test images certified at a radius, {}: {}",
            bench.set().label,
            bench.images.test.spec().origin
        ),
        Axis::log10("radius of the input ball (V1)"),
        Axis::linear("share certified").with_range(0.0, 1.0),
        lines.collect(),
    )?;
    Ok(figure)
}

/// The sections of the report.
pub(super) fn sections(
    benches: &[Bench<'_>],
    results: &[ModelResult],
    examples: &[Example],
) -> Result<Vec<Section>> {
    let mut hunt = Section::new("hunt", "The hunt for violations");
    hunt.push(violations(benches, results)?);
    hunt.push(example_table(examples)?);
    let mut certified = Section::new("radii", "Certified radii");
    for bench in benches {
        certified.push(certified_share(bench, results)?);
        certified.push(radii(bench, results)?);
    }
    certified.push(listed_table()?);
    for bench in benches {
        if bench.set().family == Family::Constants {
            certified.push(constants::table(bench, results)?);
        }
    }
    for bench in benches {
        certified.push(pairs(bench, results)?);
    }
    Ok(vec![hunt, certified])
}
