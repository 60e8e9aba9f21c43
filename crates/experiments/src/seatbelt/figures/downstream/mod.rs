//! Downstream classification under attack: table 5.1, and the same under attacks of equal norm.

mod config;
mod measure;
mod source;

pub(crate) use config::DownstreamConfig;

use crate::RunCtx;
use crate::claims::over_seeds;
use crate::images::{ImageRequest, Images, at_hand};
use crate::page::{Page, block_id};
use crate::seatbelt::ChapterConfig;
use crate::seatbelt::bench::{
    Bench, Family, Measured, Setting, in_range, jobs, progress, rise, smaller, values,
};
use anyhow::Result;
use measure::{Outcome, TASKS, measure};
use vaegis_report::{Axis, Block, Cell, Figure, Line, Table};
use vaegis_tensor::workers;

/// The models, in the order of the columns.
const MODELS: [Setting; 3] = [
    Setting::new(Family::Vae, 1.0),
    Setting::new(Family::BetaTcvae, 10.0),
    Setting::new(Family::Seatbelt(4), 10.0),
];
/// The data sets; only the first has a stand-in.
const SETS: [&str; 2] = ["cifar10", "svhn"];
/// Side of the stand-in's images.
const SIDE: usize = 32;
/// Largest spread of clean accuracies over the models of one task in the sources.
const CLEAN_SPREAD: f64 = 0.09;
/// Units of progress: about seconds at desk tier.
const TRAIN_UNITS: f64 = 60.0;
const MEASURE_UNITS: f64 = 60.0;
const TASK_IDS: [&str; 3] = ["mlp-x", "conv-x", "mlp-z"];
const SOURCE: &str = "thesis table 5.1; paper table 1";

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let chapter = ChapterConfig::at(ctx.tier);
    let (config, seeds) = (&chapter.downstream, ctx.seeds(chapter.num_seeds));
    page.section.push(Block::Text(format!(
        "Classifiers learn on what a frozen model gives for clean images: the reconstruction x̃ of \
         one sample, or that sample z of all layers. Each of {} test images is then attacked in \
         latent space towards an image of another label, with λ = {} as in the sources, and with \
         the same bound on ‖d‖ for every model: λ weighs ‖d‖ against a divergence whose scale is \
         the model's own, so the sources' attack is not equally strong on all models.",
        config.test_images, config.lambda
    )));
    for (position, name) in SETS.into_iter().enumerate() {
        if position > 0 && !at_hand(ctx, name)? {
            page.section.push(not_at_hand(id, name)?);
            continue;
        }
        let request = ImageRequest {
            name,
            side: SIDE,
            train: config.train_images,
            test: config.test_images,
        };
        let images = in_range(Images::open(ctx, &request)?, config.nets.pixels)?;
        let jobs = jobs(&seeds, &MODELS);
        let units = jobs.len() as f64 * (TRAIN_UNITS + MEASURE_UNITS);
        let progress = progress(ctx, id, units);
        let bench = Bench {
            ctx,
            nets: &config.nets,
            images: &images,
            progress: &progress,
            train_units: TRAIN_UNITS,
        };
        let all = workers::run(&jobs, ctx.jobs, ctx.threads, |_, &(seed, setting)| {
            let cached = bench.model(setting, seed)?;
            let options = ("downstream", SETS[position], config);
            let what = ("downstream", seed, MEASURE_UNITS);
            let value = bench.keep(&cached, what, &options, |model| {
                let noise = bench.noise(seed, "downstream");
                measure(ctx, config, &images, model, &noise)
            })?;
            anyhow::Ok(Measured {
                seed,
                setting,
                value,
            })
        })?;
        progress.finish();
        page.used(images.provenance());
        let set = Set {
            name,
            title: images.test.spec().origin.clone(),
            is_real: images.is_real,
            config,
            all,
        };
        set.show(id, page)?;
        set.judge(id, page);
    }
    Ok(())
}

fn not_at_hand(id: &str, name: &str) -> Result<Table> {
    let columns = [
        "task",
        "model",
        "attacked",
        "change",
        "sources: attacked",
        "sources: change",
    ];
    let title = format!("Accuracy under attack on {name}: the data set is not at hand");
    let mut table = Table::new(&block_id(id, &[name]), &title, &columns);
    for (task, cells) in TASKS.iter().zip(source::cells(name).into_iter().flatten()) {
        for (model, cell) in MODELS.iter().zip(cells) {
            table.push_row(vec![
                (*task).into(),
                model.label().into(),
                "not at hand".into(),
                "not at hand".into(),
                cell.attacked.into(),
                cell.drop.into(),
            ])?;
        }
    }
    Ok(table)
}

/// One data set with its measured models.
struct Set<'a> {
    name: &'static str,
    title: String,
    is_real: bool,
    config: &'a DownstreamConfig,
    all: Vec<Measured<Outcome>>,
}

impl Set<'_> {
    fn over(&self, setting: Setting, statistic: impl Fn(&Outcome) -> f64) -> Cell {
        let e = over_seeds(&values(&self.all, setting, statistic));
        Cell::from((e.value, e.lower, e.upper))
    }

    fn mean(&self, setting: Setting, statistic: impl Fn(&Outcome) -> f64) -> f64 {
        over_seeds(&values(&self.all, setting, statistic)).value
    }

    fn show(&self, id: &str, page: &mut Page) -> Result<()> {
        page.section.push(self.accuracies(id)?);
        page.section.push(self.strengths(id)?);
        for task in 0..TASKS.len() {
            page.section.push(self.curve(id, task)?);
        }
        page.section.push(Block::Text(self.explanation()));
        Ok(())
    }

    /// The sources' table with theirs beside ours.
    fn accuracies(&self, id: &str) -> Result<Table> {
        let columns = [
            "task",
            "model",
            "clean",
            "attacked",
            "change",
            "sources: clean",
            "sources: attacked",
            "sources: change",
        ];
        let mut table = Table::new(
            &block_id(id, &[self.name]),
            &format!(
                "Accuracy under attack with λ = {} on {}",
                self.config.lambda, self.title
            ),
            &columns,
        )
        .with_caption(
            "Means over seeds with 95 % t intervals; every model of a seed meets the same images \
             and targets. The sources do not state sizes, counts or intervals.",
        );
        let known = source::cells(self.name).filter(|_| self.is_real);
        for (task, name) in TASKS.iter().enumerate() {
            for (column, &setting) in MODELS.iter().enumerate() {
                let cell = known.map(|cells| cells[task][column]);
                table.push_row(vec![
                    (*name).into(),
                    setting.label().into(),
                    self.over(setting, |o| clean(o, task)),
                    self.over(setting, |o| attacked(o, task, 0)),
                    self.over(setting, |o| change(o, task, 0)),
                    cell.map(|c| c.attacked - c.drop).into(),
                    cell.map(|c| c.attacked).into(),
                    cell.map(|c| c.drop).into(),
                ])?;
            }
        }
        Ok(table)
    }

    /// How strong the attacks were.
    fn strengths(&self, id: &str) -> Result<Table> {
        let columns = [
            "attack",
            "model",
            "‖d‖",
            "success",
            "KL to the target before",
            "after",
            "E log p(x|z)",
            "KL to the prior",
        ];
        let mut table = Table::new(
            &block_id(id, &[self.name, "strength"]),
            &format!("Strength of the attacks on {}", self.title),
            &columns,
        )
        .with_caption(
            "Means over the images and seeds. Success: how much of the way from no attack to the \
             target's own encoding the target's likelihood went (1: all of it). Nats; norms in \
             units in which pixels go from −1 to 1. The last two columns are those of the clean \
             images.",
        );
        let mut names = vec![format!("λ = {}", self.config.lambda)];
        names.extend(self.config.norms.iter().map(|norm| format!("‖d‖ ≤ {norm}")));
        for (attack, name) in names.iter().enumerate() {
            for &setting in &MODELS {
                table.push_row(vec![
                    name.as_str().into(),
                    setting.label().into(),
                    self.over(setting, |o| o.attacks[attack].norm),
                    self.over(setting, |o| o.attacks[attack].success),
                    self.over(setting, |o| o.attacks[attack].before),
                    self.over(setting, |o| o.attacks[attack].after),
                    self.over(setting, |o| o.quality.log_likelihood),
                    self.over(setting, |o| o.quality.kl),
                ])?;
            }
        }
        Ok(table)
    }

    /// Accuracy against the norm that the attack may have.
    fn curve(&self, id: &str, task: usize) -> Result<Figure> {
        let x: Vec<f64> = std::iter::once(0.0)
            .chain(self.config.norms.iter().copied())
            .collect();
        let lines = MODELS.iter().map(|&setting| {
            let at = (0..x.len()).map(|i| {
                over_seeds(&values(&self.all, setting, |o| match i {
                    0 => clean(o, task),
                    _ => attacked(o, task, i),
                }))
            });
            let at: Vec<_> = at.collect();
            let line = Line::new(
                &setting.label(),
                x.clone(),
                at.iter().map(|e| e.value).collect(),
            );
            // One seed has no interval, and accuracies lie in [0, 1].
            let low = at.iter().map(|e| {
                if e.lower.is_finite() {
                    e.lower.max(0.0)
                } else {
                    e.value
                }
            });
            let high = at.iter().map(|e| {
                if e.upper.is_finite() {
                    e.upper.min(1.0)
                } else {
                    e.value
                }
            });
            line.with_band(low.collect(), high.collect())
        });
        let figure = Figure::lines(
            &block_id(id, &[self.name, TASK_IDS[task], "norm"]),
            &format!("{} under attacks of equal norm", TASKS[task]),
            Axis::linear("largest ‖d‖"),
            Axis::linear("accuracy"),
            lines.collect(),
        )?;
        Ok(figure.with_caption(
            "The latent attack by projected gradients within the same norm for every model, and \
             the clean accuracy at 0. Bands are 95 % t intervals over seeds.",
        ))
    }

    /// What the sources' λ comes to on each model.
    fn explanation(&self) -> String {
        let of = |&setting: &Setting| {
            let before = self.mean(setting, |o| o.attacks[0].before);
            let after = self.mean(setting, |o| o.attacks[0].after);
            format!(
                "{}: a distortion of norm {:.2} lowers the divergence to the target from {before:.0} \
                 to {after:.0} nats ({:.0} % of it) and reaches a success of {:.2}",
                setting.label(),
                self.mean(setting, |o| o.attacks[0].norm),
                100.0 * (1.0 - after / before),
                self.mean(setting, |o| o.attacks[0].success),
            )
        };
        let parts: Vec<String> = MODELS.iter().map(of).collect();
        format!(
            "What λ = {} comes to here. {}. Where these differ, the accuracies under that attack \
             compare attacks as much as models; the curves against the norm do not.",
            self.config.lambda,
            parts.join("; ")
        )
    }

    fn judge(&self, id: &str, page: &mut Page) {
        let (pairs, last) = ([(0, 1), (1, 2)], self.config.norms.len());
        let on = if self.is_real {
            ""
        } else {
            " (on the stand-in)"
        };
        for (task, name) in TASKS.iter().enumerate() {
            let stem = format!("{id}-{}-{}", self.name, TASK_IDS[task]);
            let mut steps = Vec::new();
            for (low, high) in pairs {
                let models = (MODELS[low], MODELS[high]);
                let (worse, better) = (models.0.label(), models.1.label());
                page.claim_above(
                    (
                        &format!("{stem}-{}", MODELS[high].id()),
                        &format!(
                            "{name}: under the attack, {better} keeps a higher accuracy than {worse}{on}"
                        ),
                        SOURCE,
                    ),
                    &rise(&self.all, models, |o| attacked(o, task, 0)),
                    0.0,
                    &format!("attacked accuracy, {better} minus {worse}"),
                );
                page.claim_above(
                    (
                        &format!("{stem}-{}-norm", MODELS[high].id()),
                        &format!(
                            "{name}: the same under attacks of equal norm, {better} above {worse}{on}"
                        ),
                        "ours: the comparison of the table at equal strength",
                    ),
                    &rise(&self.all, models, |o| attacked(o, task, last)),
                    0.0,
                    &format!("accuracy at the largest norm, {better} minus {worse}"),
                );
                steps.push(rise(&self.all, models, |o| change(o, task, 0)));
            }
            page.claim_above(
                (
                    &format!("{stem}-drop"),
                    &format!("{name}: the drop is largest for the VAE and least for Seatbelt{on}"),
                    SOURCE,
                ),
                &smaller(&steps[0], &steps[1]),
                0.0,
                "smaller step of the drop along VAE, β-TCVAE, Seatbelt",
            );
            let spread: Vec<(u64, f64)> = self.clean_spread(task);
            page.claim_above(
                (
                    &format!("{stem}-clean"),
                    &format!(
                        "{name}: clean accuracies are similar, within the sources' spread of \
                         {CLEAN_SPREAD}{on}"
                    ),
                    SOURCE,
                ),
                &spread,
                0.0,
                &format!("{CLEAN_SPREAD} minus the spread of the clean accuracies"),
            );
        }
    }

    fn clean_spread(&self, task: usize) -> Vec<(u64, f64)> {
        let of = |s: Setting| crate::seatbelt::bench::per_seed(&self.all, s, |o| clean(o, task));
        let [a, b, c] = MODELS.map(of);
        let spread = |i: usize| {
            let all = [a[i].1, b[i].1, c[i].1];
            let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let low = all.iter().copied().fold(f64::INFINITY, f64::min);
            (a[i].0, CLEAN_SPREAD - (high - low))
        };
        (0..a.len()).map(spread).collect()
    }
}

fn clean(outcome: &Outcome, task: usize) -> f64 {
    outcome.accuracy[task][0].clean.value()
}

fn attacked(outcome: &Outcome, task: usize, attack: usize) -> f64 {
    outcome.accuracy[task][attack].attacked.value()
}

fn change(outcome: &Outcome, task: usize, attack: usize) -> f64 {
    outcome.accuracy[task][attack].drop.value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clean accuracies of the sources follow from their cells; the spread that counts as
    /// similar is theirs.
    #[test]
    fn similar_is_what_the_sources_call_similar() {
        let mut largest: f64 = 0.0;
        for set in SETS {
            for task in source::cells(set).expect("known") {
                let clean = task.map(|c| c.attacked - c.drop);
                let high = clean.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let low = clean.iter().copied().fold(f64::INFINITY, f64::min);
                largest = largest.max(high - low);
            }
        }
        assert!((largest - CLEAN_SPREAD).abs() < 1e-9, "{largest}");
    }
}
