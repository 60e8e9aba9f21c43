//! The chapter's pictures: figures 6.1, 6.8, E.6 and the samples of E.3 and E.4.

use super::table::quality;
use crate::averages::mean;
use crate::page::{Page, block_id};
use crate::pictures::pixels;
use crate::progress::Progress;
use crate::rrobust::config::Setting;
use crate::rrobust::measure::Network;
use crate::rrobust::reference::PUBLISHED_PANELS;
use crate::rrobust::statistics::mean_margin;
use crate::rrobust::study::{Set, Study};
use anyhow::Result;
use vaegis_attacks::{AttackRows, BoxBounds, Variant};
use vaegis_eval::channel::propagated;
use vaegis_nn::{LatentModel, Mode};
use vaegis_report::{Cell, ImageCell, ImageGrid, Picture, Table};
use vaegis_tensor::{Kind, Tensor, no_grad};

/// Norm of the attacks of figure 6.1, within the pixels' range. The recovered
/// picture has norms from 3.9 to 6.0.
const SHOWN_NORM: f64 = 4.0;
/// Images per row of figures 6.8 and E.6, and samples per row of E.3 and E.4.
const COLUMNS: usize = 8;
/// Standard deviation of the noise of figure E.6.
const NOISE_SIGMA: f64 = 0.5;
/// The β that the sources show.
const SHOWN_BETAS: [f64; 3] = [0.1, 1.0, 10.0];

/// Attacked inputs within the pixels' range.
fn attacked(
    study: &Study<'_>,
    set: &Set,
    model: &dyn LatentModel,
    x: &Tensor,
    norm: f64,
    seed: u64,
) -> Result<Tensor> {
    let mut attack = study.config.attack(Variant::Both);
    attack.constraint.bounds = BoxBounds::DataRange;
    let rows = AttackRows::untargeted(x.shallow_clone(), vec![norm; x.size()[0] as usize]);
    let progress = Progress::hidden();
    let noise = set
        .bench(study.ctx, &study.config, &progress)
        .noise(seed, "pictures");
    Ok(attack.run(model, &rows, &noise)?.attacked(x))
}

fn norm(d: &Tensor) -> f64 {
    let squared = d.to_kind(Kind::Double).square().sum(None);
    squared.sqrt().double_value(&[])
}

fn cell(set: &Set, image: &Tensor, caption: &str) -> Result<Option<ImageCell>> {
    let size = set.images.shape().map(|n| n as usize);
    let picture = Picture::from_unit(size, &pixels(&image.reshape([1, -1]))[0])?;
    Ok(Some(ImageCell::new(picture, caption)))
}

fn row(set: &Set, images: &Tensor) -> Result<Vec<Option<ImageCell>>> {
    labelled_row(set, images, |_| String::new())
}

/// A row whose pictures are labeled by their column.
fn labelled_row(
    set: &Set,
    images: &Tensor,
    label: impl Fn(usize) -> String,
) -> Result<Vec<Option<ImageCell>>> {
    (0..images.size()[0])
        .map(|i| cell(set, &images.get(i), &label(i as usize)))
        .collect()
}

/// The images with the norm of their distance from `x`.
fn moved_row(set: &Set, x: &Tensor, moved: &Tensor) -> Result<Vec<Option<ImageCell>>> {
    let change = moved - x;
    labelled_row(set, moved, |i| {
        format!("‖δ‖ = {:.2}", norm(&change.get(i as i64)))
    })
}

/// The label of a margin: that of one network on the image of a column.
fn margin_label(network: Option<&Network>, column: usize) -> String {
    let margin = network.and_then(|n| n.margins.get(column));
    margin.map_or_else(String::new, |m| format!("R = {:.2}", m.margin.value))
}

/// Figure 6.1.
pub(super) fn robust_and_not(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let progress = Progress::hidden();
    for name in [super::MNIST, super::FASHION] {
        let set = study.set(name)?;
        let columns = ["original", "attacked", "reconstruction of the attacked"];
        let mut grid = ImageGrid::new(
            &block_id(id, &[name]),
            &format!("Robust and non-robust networks on {}", set.title()),
            &columns,
        )
        .with_caption(&format!(
            "Per seed the networks with the smallest and the largest mean margin, and the image on \
             which their margins differ most. Attacks of norm at most {SHOWN_NORM} in the pixels' \
             range; a robust network keeps its reconstruction.",
        ));
        let mut gains = Vec::new();
        let mut panels = Vec::new();
        for &seed in &study.seeds {
            let of_seed = set.networks.iter().filter(|n| n.seed == seed);
            let mut ordered: Vec<&Network> = of_seed.collect();
            ordered.sort_by(|a, b| mean_margin(a).total_cmp(&mean_margin(b)));
            let (Some(&weak), Some(&strong)) = (ordered.first(), ordered.last()) else {
                continue;
            };
            let margin = |n: &Network, image: usize| n.margins[image].margin.value;
            let image = (0..set.positions.len()).max_by(|&a, &b| {
                let gap = |i: usize| margin(strong, i) - margin(weak, i);
                gap(a).total_cmp(&gap(b))
            });
            let Some(image) = image else { continue };
            let x = set.images.test_images(&[set.positions[image]], study.ctx)?;
            let mut damages = Vec::new();
            for (word, network) in [("non-robust", weak), ("robust", strong)] {
                let bench = set.bench(study.ctx, &study.config, &progress);
                let cached = bench.model(network.setting, seed)?;
                let model: &dyn LatentModel = &*cached.model;
                let moved = attacked(study, set, model, &x, SHOWN_NORM, seed)?;
                let samples = study.config.damage_samples;
                let noise = bench.noise(seed, "pictures").child("judge");
                let damage = propagated(model, &x, &moved, samples, &noise)?[0].both;
                damages.push(damage);
                let change = norm(&(&moved - &x));
                panels.push(Panel {
                    word,
                    seed,
                    network: network.setting.label(),
                    margin: margin(network, image),
                    change,
                    damage,
                });
                if seed != study.seeds[0] {
                    continue;
                }
                let reconstruction = no_grad(|| model.reconstruct(&moved));
                let label = format!("{word}, {}", network.setting.label());
                let r = format!("R = {:.2}", margin(network, image));
                let d = format!("‖δ‖ = {change:.2}");
                let cells = vec![
                    cell(set, &x, &r)?,
                    cell(set, &moved, &d)?,
                    cell(set, &reconstruction, &format!("damage {damage:.2}"))?,
                ];
                grid.push_row(&label, cells)?;
            }
            gains.push((seed, damages[0] - damages[1]));
        }
        page.section.push(grid);
        page.section.push(panel_table(set, &panels, id)?);
        page.claim_above(
            (
                &format!("{id}-{name}"),
                &format!(
                    "on {name}, the same attack does more damage to the image of small margin than \
                     to that of large margin"
                ),
                "thesis figure 6.1 (an example, chosen by its margins)",
            ),
            &gains,
            0.0,
            "damage to the non-robust minus damage to the robust",
        );
    }
    Ok(())
}

/// One network of figure 6.1 on its image.
struct Panel {
    word: &'static str,
    seed: u64,
    network: String,
    margin: f64,
    change: f64,
    damage: f64,
}

/// The numbers of figure 6.1 of every seed beside those printed in the sources'
/// picture.
fn panel_table(set: &Set, panels: &[Panel], id: &str) -> Result<Table> {
    let names = ["whose", "panel", "network", "margin R", "‖δ‖", "damage"];
    let mut table = Table::new(
        &block_id(id, &[&set.config.name, "panels"]),
        &format!("Margins and attacks on {}: ours and published", set.title()),
        &names,
    )
    .with_caption(
        "Damage: mean ‖g(z*) − g(μ(x))‖ of the attacked image. Published: printed in the \
         recovered picture; r and the networks behind it are not stated.",
    );
    for panel in panels {
        table.push_row(vec![
            format!("ours, seed {}", panel.seed).into(),
            panel.word.into(),
            panel.network.clone().into(),
            panel.margin.into(),
            panel.change.into(),
            panel.damage.into(),
        ])?;
    }
    let published = PUBLISHED_PANELS.iter().find(|p| p.set == set.config.name);
    if let Some(p) = published.filter(|_| set.images.is_real) {
        for (word, (margin, change)) in [("non-robust", p.weak), ("robust", p.strong)] {
            table.push_row(vec![
                "published".into(),
                word.into(),
                Cell::Missing,
                margin.into(),
                change.into(),
                Cell::Missing,
            ])?;
        }
    }
    Ok(table)
}

fn shown(study: &Study<'_>) -> Vec<Setting> {
    let mut betas = study.config.betas();
    betas.retain(|s| SHOWN_BETAS.contains(&s.beta));
    betas
}

/// The first measured images.
fn columns(study: &Study<'_>, set: &Set) -> Result<(Tensor, Vec<String>)> {
    let positions = &set.positions[..COLUMNS.min(set.positions.len())];
    let x = set.images.test_images(positions, study.ctx)?;
    Ok((x, positions.iter().map(|p| format!("test {p}")).collect()))
}

/// Figure 6.8.
pub(super) fn attacked_by_beta(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::MNIST)?;
    let progress = Progress::hidden();
    let (x, names) = columns(study, set)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut grid = ImageGrid::new(&block_id(id, &["grid"]), "Attacked images by β", &names)
        .with_caption(&format!(
            "Maximum-damage attacks of norm at most {SHOWN_NORM} in the pixels' range on the \
             networks of the first seed, and the mean reconstructions of clean and attacked images; \
             R is the network's margin on the image.",
        ));
    grid.push_row("original", row(set, &x)?)?;
    let seed = study.seeds[0];
    for setting in shown(study) {
        let cached = set
            .bench(study.ctx, &study.config, &progress)
            .model(setting, seed)?;
        let model: &dyn LatentModel = &*cached.model;
        let moved = attacked(study, set, model, &x, SHOWN_NORM, seed)?;
        let label = setting.label();
        let reconstruct = |x: &Tensor| no_grad(|| model.reconstruct(x));
        grid.push_row(
            &format!("{label}: clean reconstruction"),
            row(set, &reconstruct(&x))?,
        )?;
        let network = set.find(setting, seed);
        grid.push_row(&format!("{label}: attacked"), moved_row(set, &x, &moved)?)?;
        grid.push_row(
            &format!("{label}: reconstruction"),
            labelled_row(set, &reconstruct(&moved), |i| margin_label(network, i))?,
        )?;
    }
    page.section.push(grid);
    let betas = study.config.betas();
    page.section.push(quality(set, &betas, id)?);
    let damage = |n: &Network| {
        let last = n.damage.last();
        last.map_or(f64::NAN, |p| mean(p.rows.iter().map(|r| r.distance)))
    };
    page.claim_above(
        (
            &format!("{id}-damage"),
            "an attack of the same norm does less damage at a larger β",
            "thesis figure 6.8",
        ),
        &set.rise((betas[0], betas[betas.len() - 1]), |n| -damage(n)),
        0.0,
        "fall of the mean damage at the largest norm from the lowest to the highest β",
    );
    Ok(())
}

/// Figure E.6.
pub(super) fn noisy_by_beta(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::FASHION)?;
    let progress = Progress::hidden();
    let bench = set.bench(study.ctx, &study.config, &progress);
    let (x, names) = columns(study, set)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let seed = study.seeds[0];
    let noise = bench.noise(seed, "noisy-pictures");
    let noisy = &x + noise.standard_normal(&x.size(), x.kind(), x.device()) * NOISE_SIGMA;
    let mut grid = ImageGrid::new(&block_id(id, &["grid"]), "Noisy images by β", &names)
        .with_caption(&format!(
            "Gaussian noise of standard deviation {NOISE_SIGMA} on every pixel, and mean \
             reconstructions by the networks of the first seed; δ is the noise, R the network's \
             margin on the image."
        ));
    grid.push_row("original", row(set, &x)?)?;
    grid.push_row("noisy", moved_row(set, &x, &noisy)?)?;
    for setting in shown(study) {
        let cached = bench.model(setting, seed)?;
        let reconstruction = no_grad(|| cached.model.reconstruct(&noisy));
        let network = set.find(setting, seed);
        let cells = labelled_row(set, &reconstruction, |i| margin_label(network, i))?;
        grid.push_row(&setting.label(), cells)?;
    }
    page.section.push(grid);
    let betas = study.config.betas();
    page.section.push(quality(set, &betas, id)?);
    let at = study.config.noise_variances.iter();
    let at = at
        .clone()
        .position(|v| (v - NOISE_SIGMA * NOISE_SIGMA).abs() < 1e-9);
    let drop = |n: &Network| {
        let mean_at = |i: usize| {
            n.input_noise
                .get(i)
                .map_or(f64::NAN, |v| mean(v.iter().copied()))
        };
        at.map_or(f64::NAN, |at| mean_at(0) - mean_at(at))
    };
    page.claim_above(
        (
            &format!("{id}-noise"),
            "noise of this size costs less likelihood at a larger β",
            "thesis figure E.6",
        ),
        &set.rise((betas[betas.len() - 1], betas[0]), drop),
        0.0,
        "nats that the noise costs at the lowest β more than at the highest",
    );
    Ok(())
}

/// Samples of the prior, decoded: figures E.3(a-e) and E.4(a-e).
pub(super) fn prior_samples(study: &Study<'_>, set: &Set, id: &str) -> Result<ImageGrid> {
    let progress = Progress::hidden();
    let bench = set.bench(study.ctx, &study.config, &progress);
    let names: Vec<String> = (1..=COLUMNS).map(|i| format!("sample {i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut grid = ImageGrid::new(
        &block_id(id, &["samples"]),
        "Decoded samples of the prior",
        &names,
    )
    .with_caption(
        "Mean images of the same latents z ~ N(0, I) under the networks of the first seed. The \
             sources show five β without saying which.",
    );
    let seed = study.seeds[0];
    for setting in study.config.betas() {
        let cached = bench.model(setting, seed)?;
        let model: &dyn LatentModel = &*cached.model;
        let shape = [COLUMNS as i64, set.config.latent];
        let kind = model.params().kind();
        let z = bench
            .noise(seed, "prior")
            .standard_normal(&shape, kind, study.ctx.device);
        let images = no_grad(|| model.decode(&[z], Mode::Eval).mean());
        grid.push_row(&setting.label(), row(set, &images)?)?;
    }
    Ok(grid)
}
