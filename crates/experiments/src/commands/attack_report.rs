//! What `vaegis attack` leaves for people: the table of records, curves by penalty, pictures.

use super::attack::{AtLevel, AttackArgs, AttackSummary};
use super::model_folder::Loaded;
use crate::pictures::attack_panel;
use anyhow::Result;
use vaegis_attacks::record::AttackRecord;
use vaegis_attacks::select::most_successful;
use vaegis_attacks::{Attack, Ball, BoxBounds, HierMode};
use vaegis_data::Dataset;
use vaegis_nn::LatentModel;
use vaegis_report::{Axis, Block, Cell, Figure, Line, Report, RunManifest, Section, Table};
use vaegis_tensor::Tensor;

/// A column of `records.csv`.
type Column = (&'static str, fn(&AttackRecord) -> Cell);

const COLUMNS: [Column; 32] = [
    ("pair", |r| r.pair.into()),
    ("lambda", |r| r.lambda.into()),
    ("penalty", |r| kebab(&format!("{:?}", r.penalty)).into()),
    ("radius", |r| r.radius.into()),
    ("ball", |r| kebab(&format!("{:?}", r.ball)).into()),
    ("objective", |r| r.objective.as_str().into()),
    ("layers", |r| {
        r.layers.map(|l| kebab(&format!("{l:?}"))).into()
    }),
    ("direction", |r| {
        r.direction.map(|d| kebab(&format!("{d:?}"))).into()
    }),
    ("hier_mode", |r| {
        r.hier_mode
            .map(|mode| match mode {
                HierMode::Mean => "mean".to_owned(),
                HierMode::Crn { samples } => format!("crn-{samples}"),
            })
            .into()
    }),
    ("seed", |r| r.seed.to_string().into()),
    ("search", |r| r.search.as_str().into()),
    ("success", |r| r.success().into()),
    ("delta", |r| r.delta.into()),
    ("divergence", |r| r.divergence.into()),
    ("divergence_clean", |r| r.divergence_clean.into()),
    ("norm_l2", |r| r.norm_l2.into()),
    ("norm_linf", |r| r.norm_linf.into()),
    ("nll_target", |r| r.nll_target.into()),
    ("nll_original", |r| r.nll_original.into()),
    ("nll_target_no_attack", |r| r.nll_target_no_attack.into()),
    ("nll_target_perfect", |r| r.nll_target_perfect.into()),
    ("reconstruction_to_target", |r| {
        r.reconstruction_to_target.into()
    }),
    ("reconstruction_to_original", |r| {
        r.reconstruction_to_original.into()
    }),
    ("attacked_to_target", |r| r.attacked_to_target.into()),
    ("target_reconstruction_to_target", |r| {
        r.target_reconstruction_to_target.into()
    }),
    ("clean_reconstruction_to_original", |r| {
        r.clean_reconstruction_to_original.into()
    }),
    ("clean_reconstruction_to_target", |r| {
        r.clean_reconstruction_to_target.into()
    }),
    ("input_to_target", |r| r.input_to_target.into()),
    ("iterations", |r| r.iterations.into()),
    ("evaluations", |r| r.evaluations.into()),
    ("status", |r| kebab(&format!("{:?}", r.status)).into()),
    ("restart", |r| r.restart.into()),
];

/// `MaxIterations` as `max-iterations`, the spelling of `records.jsonl`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// `random` holds what noise of each attack's norm does, in the same order.
pub(super) fn csv(records: &[AttackRecord], random: &[AttackRecord]) -> Result<String> {
    let mut names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    names.push("nll_target_random");
    let mut table = Table::new("records", "Attacks", &names);
    for (record, random) in records.iter().zip(random) {
        let mut row: Vec<Cell> = COLUMNS.iter().map(|(_, cell)| cell(record)).collect();
        row.push(random.nll_target.into());
        table.push_row(row)?;
    }
    Ok(table.to_csv()?)
}

/// The attack to show of each of the first pairs.
pub(super) fn panels(
    args: &AttackArgs,
    model: &dyn LatentModel,
    (originals, targets, distortions): (&Tensor, &Tensor, &Tensor),
    records: &[AttackRecord],
    num_levels: usize,
) -> Result<Vec<Block>> {
    let mut panels = Vec::new();
    let by_pair = records.chunks(num_levels).enumerate();
    for (pair, of_pair) in by_pair.take(args.pictures) {
        let Some(best) = most_successful(of_pair) else {
            continue;
        };
        let at = |t: &Tensor| t.narrow(0, pair as i64, 1);
        let (x, target) = (at(originals), at(targets));
        let row = (pair * num_levels + best) as i64;
        let d = distortions.narrow(0, row, 1).to_device(x.device());
        let d = d.reshape(x.size());
        let panel = attack_panel(
            &format!("pair-{pair}"),
            &format!("{} attack on pair {pair}", args.attack.objective.name()),
            model,
            (&x, &target, &d),
            &of_pair[best],
        )?;
        panels.push(panel.into());
    }
    Ok(panels)
}

pub(super) fn report(
    args: &AttackArgs,
    attack: &Attack,
    (victim, test): (&Loaded, &dyn Dataset),
    manifest: RunManifest,
    summary: &AttackSummary,
    pictures: Vec<Block>,
) -> Result<Report> {
    let mut report = Report::new("Targeted attacks on a trained model", manifest);
    report.summary = vec![format!(
        "{} {} attacks on a {} of {} parameters: {} pairs of {} × {} {}, batched {} in {}. \
         Mean area under the distortion-distance curve {:.3} (large = robust).",
        summary.attacks,
        args.attack.objective.name(),
        victim.model.family(),
        victim.model.store().num_parameters(),
        args.pairs,
        test.spec().origin,
        summary.by_level.len(),
        match attack.constraint.ball {
            Ball::None => "penalties",
            Ball::L2 => "radii of L2 balls",
            Ball::LInf => "radii of L∞ balls",
        },
        attack.search.name(),
        match attack.constraint.bounds {
            BoxBounds::DataRange => "the data's box",
            BoxBounds::UnitLegacy => "the box [0, 1] of the published panels",
            BoxBounds::Free => "no box",
        },
        summary.auddc,
    )];
    if summary.not_finite > 0 {
        report.summary.push(format!(
            "{} attacks have no share of success, because no attack and a perfect one are equally \
             good; means leave them out.",
            summary.not_finite
        ));
    }
    let mut pictures_section = Section::new("pictures", "What an attack looks like");
    pictures_section.blocks = pictures;
    let (what, symbol) = match attack.constraint.ball {
        Ball::None => ("penalty", "λ"),
        Ball::L2 | Ball::LInf => ("radius", "radius"),
    };
    let mut curves = Section::new("curves", &format!("By {what}"));
    // λ = 0 has no place on a logarithmic axis; the table shows it.
    let shown = || summary.by_level.iter().filter(|a| a.level > 0.0);
    let column = |value: fn(&AtLevel) -> f64| -> Vec<f64> { shown().map(value).collect() };
    let level = || match attack.constraint.ball {
        Ball::None => Axis::log10("penalty λ"),
        Ball::L2 => Axis::log10("radius of the L2 ball"),
        Ball::LInf => Axis::log10("radius of the L∞ ball"),
    };
    let named = |name: &str, value| Line::new(name, column(|a| a.level), column(value));
    let line = |value| vec![named(args.attack.objective.name(), value)];
    curves.push(
        Figure::lines(
            "success",
            &format!("Success against {what}"),
            level(),
            Axis::linear("success"),
            line(|a| a.success),
        )?
        .with_horizontal("perfect attack", 1.0)
        .with_horizontal("no attack", 0.0),
    );
    curves.push(Figure::lines(
        "nll",
        "The target's likelihood under the attacked posterior",
        level(),
        Axis::linear("mean −log p(xᵗ|z), nats"),
        vec![
            named("attack", |a| a.nll_target),
            named("no attack", |a| a.nll_target_no_attack),
            named("random noise of equal norm", |a| a.nll_target_random),
            named("perfect attack", |a| a.nll_target_perfect),
        ],
    )?);
    curves.push(Figure::lines(
        "norm",
        &format!("Distortion against {what}"),
        level(),
        Axis::linear("mean ‖d‖₂"),
        line(|a| a.norm_l2),
    )?);
    curves.push(Figure::lines(
        "delta",
        &format!("The attacker's loss against {what}"),
        level(),
        Axis::log10("mean Δ"),
        line(|a| a.delta),
    )?);
    let names = [
        symbol,
        "success",
        "‖d‖₂",
        "Δ",
        "−log p(xᵗ|z*)",
        "no attack",
        "random",
        "perfect",
    ];
    let mut table = Table::new("by-level", "Means over the pairs", &names).with_caption(
        "The last three columns are −log p(xᵗ|z) without attack, after random noise of the \
         attack's norm, and for the target itself.",
    );
    for a in &summary.by_level {
        let row = [
            a.level,
            a.success,
            a.norm_l2,
            a.delta,
            a.nll_target,
            a.nll_target_no_attack,
            a.nll_target_random,
            a.nll_target_perfect,
        ];
        table.push_row(row.map(Cell::from).to_vec())?;
    }
    curves.push(table);
    report.sections = vec![pictures_section, curves];
    Ok(report)
}

/// At most nine lines of the grid, the first and the last among them.
pub(super) fn short_table(summary: &AttackSummary) -> Vec<String> {
    const LINES: usize = 9;
    let all = &summary.by_level;
    let shown = LINES.min(all.len());
    let mut lines = vec![format!(
        "{:>10} {:>9} {:>9} {:>12} {:>14} {:>10} {:>10} {:>10}",
        summary.level, "success", "‖d‖", "Δ", "−log p(xᵗ|z*)", "no attack", "random", "perfect"
    )];
    for i in 0..shown {
        let a = &all[i * (all.len() - 1) / (shown - 1).max(1)];
        lines.push(format!(
            "{:>10.2e} {:>9.3} {:>9.3} {:>12.4e} {:>14.3} {:>10.3} {:>10.3} {:>10.3}",
            a.level,
            a.success,
            a.norm_l2,
            a.delta,
            a.nll_target,
            a.nll_target_no_attack,
            a.nll_target_random,
            a.nll_target_perfect
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_attacks::RowStatus;

    #[test]
    fn statuses_are_spelled_as_in_the_records() {
        for status in [RowStatus::ConvergedGradient, RowStatus::NonFinite] {
            let json = serde_json::to_string(&status).expect("serializes");
            assert_eq!(json, format!("\"{}\"", kebab(&format!("{status:?}"))));
        }
    }
}
