//! Lines and tables in the forms that the chapter's figures share.

use super::config::Setting;
use super::measure::{Network, Spread};
use super::study::Set;
use crate::claims::over_seeds;
use anyhow::Result;
use vaegis_report::{Axis, Cell, Figure, Line, Table};

/// A statistic of one network with its name.
pub(super) type Statistic<'a> = (&'a str, &'a dyn Fn(&Network) -> f64);

/// A line of means over images and seeds with a band of one standard deviation
/// over the images, as all bands of the sources.
pub(super) fn line_with_deviation(name: &str, x: &[f64], at: &[Spread]) -> Line {
    let end = |sign: f64| at.iter().map(|s| s.mean + sign * s.deviation).collect();
    Line::new(name, x.to_vec(), at.iter().map(|s| s.mean).collect()).with_band(end(-1.0), end(1.0))
}

/// Spread over all images of all replicates at each point of a curve.
/// `curve(network)` gives one vector of image values per point.
pub(super) fn spreads(
    networks: &[&Network],
    num_points: usize,
    curve: impl Fn(&Network, usize) -> Vec<f64>,
) -> Vec<Spread> {
    let at = |point: usize| {
        let values: Vec<f64> = networks.iter().flat_map(|n| curve(n, point)).collect();
        Spread::of(&values)
    };
    (0..num_points).map(at).collect()
}

/// A figure of one curve per setting.
pub(super) fn curves(
    set: &Set,
    settings: &[Setting],
    (id, title, caption): (&str, &str, &str),
    (x_axis, y_axis): (Axis, Axis),
    x: &[f64],
    curve: impl Fn(&Network, usize) -> Vec<f64>,
) -> Result<Figure> {
    let lines = settings.iter().map(|&setting| {
        let at = spreads(&set.at(setting), x.len(), &curve);
        line_with_deviation(&setting.label(), x, &at)
    });
    let figure = Figure::lines(id, title, x_axis, y_axis, lines.collect())?;
    Ok(figure.with_caption(&format!(
        "{caption} Means over images and seeds; bands are one standard deviation over the images."
    )))
}

/// A quantity against β, with bands of one standard deviation over the data set.
pub(super) fn against_beta(
    set: &Set,
    betas: &[Setting],
    (id, title, y): (&str, &str, Axis),
    statistic: impl Fn(&Network) -> Spread,
) -> Result<Figure> {
    let at: Vec<Spread> = betas
        .iter()
        .map(|&setting| {
            let all: Vec<Spread> = set.at(setting).into_iter().map(&statistic).collect();
            let mean = |pick: fn(&Spread) -> f64| crate::averages::mean(all.iter().map(pick));
            Spread {
                mean: mean(|s| s.mean),
                deviation: mean(|s| s.deviation),
            }
        })
        .collect();
    let x: Vec<f64> = betas.iter().map(|s| s.beta).collect();
    let line = line_with_deviation("mean over the data set", &x, &at);
    let figure = Figure::lines(id, title, Axis::log10("β"), y, vec![line])?;
    Ok(figure.with_caption("Means over seeds; the band is one standard deviation over the data."))
}

/// A table with one row per setting and an interval over seeds in each cell.
pub(super) fn setting_table(
    set: &Set,
    settings: &[Setting],
    (id, title, caption): (&str, &str, &str),
    columns: &[Statistic<'_>],
) -> Result<Table> {
    let names: Vec<&str> = std::iter::once("network")
        .chain(columns.iter().map(|(name, _)| *name))
        .collect();
    let mut table = Table::new(id, title, &names).with_caption(caption);
    for &setting in settings {
        let mut row = vec![Cell::from(setting.label())];
        for (_, statistic) in columns {
            let values: Vec<f64> = set.at(setting).iter().map(|n| statistic(n)).collect();
            let e = over_seeds(&values);
            row.push(Cell::from((e.value, e.lower, e.upper)));
        }
        table.push_row(row)?;
    }
    Ok(table)
}
