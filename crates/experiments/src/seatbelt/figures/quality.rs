//! Figure 5.7: the bound at β = 1 of β-TCVAEs and of Seatbelt-VAEs against β, and portraits at a
//! large β.

use super::encoder_noise::TRAIN_UNITS;
use crate::RunCtx;
use crate::claims::smallest;
use crate::page::{Page, block_id};
use crate::pictures::{in_unit_range, picture_row};
use crate::seatbelt::ChapterConfig;
use crate::seatbelt::bench::{self, Bench, Family};
use crate::seatbelt::grid::plots::{BAND, Column, against_beta, model_table, of_models};
use crate::seatbelt::grid::reference;
use crate::seatbelt::grid::{Group, Measure, Models, Node, Request, Set, Study};
use anyhow::Result;
use vaegis_report::{Axis, ImageGrid, Table};
use vaegis_tensor::{Tensor, no_grad, workers};

/// Images in the grid of reconstructions.
const SHOWN: usize = 8;

const REQUEST: Request = Request {
    sets: &["faces", "chairs"],
    models: Models::All,
    measures: &[Measure::Quality],
};

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let study = Study::run(ctx, id, &REQUEST, page)?;
    for set in &study.sets {
        let bound = |n: &Node| elbo(n).into_iter().collect::<Vec<f64>>();
        let mut groups = vec![Group::Tcvae];
        groups.extend(set.config.depths.iter().map(|&l| Group::Layers(l)));
        let curves: Vec<_> = groups
            .iter()
            .map(|&g| (g.label(), g, &bound as _))
            .collect();
        page.section.push(against_beta(
            set,
            (
                &set.id(id, &["elbo"]),
                &format!("ELBO at β = 1, {}", set.name()),
                &format!("One value a model, over the test images. {BAND}"),
            ),
            Axis::linear("ELBO in nats"),
            &curves,
        )?);
        page.section.push(quality_table(set, &groups, id)?);
        page.section.push(pictures(ctx, &study, set, id)?);
        judge(set, id, page)?;
    }
    let portraits = portraits(ctx, id, page)?;
    page.section.push(portraits);
    Ok(())
}

/// The sources' portraits: both families at β = 20.
const PORTRAITS: [bench::Setting; 2] = [
    bench::Setting::new(Family::BetaTcvae, 20.0),
    bench::Setting::new(Family::Seatbelt(4), 20.0),
];

/// Portraits with the reconstructions of one model of each kind.
fn portraits(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<ImageGrid> {
    let config = ChapterConfig::at(ctx.tier).portraits;
    let images = config.open(ctx)?;
    let seed = ctx.seeds(1)[0];
    let units = PORTRAITS.len() as f64 * TRAIN_UNITS;
    let progress = bench::progress(ctx, &format!("{id}, portraits"), units);
    let bench = Bench {
        ctx,
        nets: &config.nets,
        images: &images,
        progress: &progress,
        train_units: TRAIN_UNITS,
    };
    let rows = workers::run(&PORTRAITS, ctx.jobs, ctx.threads, |_, &setting| {
        let model = bench.model(setting, seed)?.model;
        let x = images.first_test_images(SHOWN, ctx)?;
        let of = |x: &Tensor| picture_row(&in_unit_range(&*model, x));
        anyhow::Ok((of(&x)?, of(&no_grad(|| model.reconstruct(&x)))?))
    })?;
    progress.finish();
    page.used(images.provenance());
    let title = images.test.spec().origin.clone();
    let columns: Vec<String> = (0..SHOWN.min(images.test.len()))
        .map(|p| format!("test {p}"))
        .collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut grid = ImageGrid::new(
        &block_id(id, &["portraits"]),
        &format!("Reconstructions at β = 20, {title}"),
        &columns,
    )
    .with_caption(&format!(
        "Mean reconstructions g(μ(x)), seed {seed}, as panel (c) of the sources, whose portraits \
         are CelebA."
    ));
    for (k, (setting, (original, row))) in PORTRAITS.iter().zip(rows).enumerate() {
        if k == 0 {
            grid.push_row("original", original)?;
        }
        grid.push_row(&setting.label(), row)?;
    }
    Ok(grid)
}

/// Originals with the reconstructions of one model of each kind, at the smallest and the largest β.
fn pictures(ctx: &RunCtx, study: &Study, set: &Set, id: &str) -> Result<ImageGrid> {
    let main = set.main()?;
    let seed = set.seeds().first().copied().unwrap_or(ctx.seed);
    let mut settings = Vec::new();
    for group in [Group::Tcvae, main] {
        let betas = set.betas(group);
        for beta in [betas.first(), betas.last()].into_iter().flatten() {
            let models = set.members(group, *beta, Some(seed));
            // The largest β-TCVAE stands for its family.
            settings.extend(models.last().map(|n| n.setting));
        }
    }
    let title = format!("Reconstructions, {}", set.name());
    study.reconstructions(
        ctx,
        (set, seed),
        &settings,
        (&set.id(id, &["reconstructions"]), &title, SHOWN),
    )
}

/// The bound of one model, where it was measured.
pub(super) fn elbo(node: &Node) -> Option<f64> {
    node.quality.as_ref().map(|q| q.elbo.elbo())
}

/// Bound, parts of the top layer's divergence and use of every layer, a row per group and β.
pub(super) fn quality_table(set: &Set, groups: &[Group], id: &str) -> Result<Table> {
    let depth = set.config.depths.iter().max().copied().unwrap_or(1);
    let number = |of: &dyn Fn(&Node) -> Option<f64>, place| of_models(set, place, of);
    let name = set.config.name.as_str();
    let layer_names: Vec<[String; 3]> = (1..=depth)
        .map(|l| {
            [
                format!("K{l}"),
                format!("active units {l}"),
                format!("mean σ {l}"),
            ]
        })
        .collect();
    let quality = |n: &Node| n.quality.clone();
    let elbo_of = |g, b, s| number(&elbo, (g, b, s));
    let recon = |g, b, s| number(&|n| Some(quality(n)?.elbo.log_likelihood), (g, b, s));
    let mi = |g, b, s| number(&|n| Some(quality(n)?.top.mutual_information), (g, b, s));
    let tc = |g, b, s| number(&|n| Some(quality(n)?.top.total_correlation), (g, b, s));
    let dw = |g, b, s| number(&|n| Some(quality(n)?.top.dimension_wise), (g, b, s));
    let distance = |g, b, s| number(&|n| Some(quality(n)?.distortion), (g, b, s));
    let published = |g, beta, _| match g {
        Group::Tcvae => reference::elbo(name, false, beta),
        Group::Layers(_) => reference::elbo(name, true, beta),
        Group::Latent(_) | Group::Of(_) => f64::NAN,
    };
    let mut columns: Vec<Column<'_>> = vec![
        ("ELBO", &elbo_of),
        ("log p(x|z)", &recon),
        ("‖x − x̃‖", &distance),
        ("MI of the top", &mi),
        ("TC of the top", &tc),
        ("DW of the top", &dw),
    ];
    type Number<'a> = Box<dyn Fn(Group, f64, u64) -> f64 + 'a>;
    let by_layer: Vec<[Number<'_>; 3]> = (0..depth)
        .map(|l| -> [Number<'_>; 3] {
            [
                Box::new(move |g, b, s| {
                    of_models(set, (g, b, s), |n| {
                        n.quality.as_ref()?.elbo.layers.get(l).copied()
                    })
                }),
                Box::new(move |g, b, s| {
                    let active = |n: &Node| n.quality.as_ref()?.active.get(l).map(|&a| a as f64);
                    of_models(set, (g, b, s), active)
                }),
                Box::new(move |g, b, s| {
                    of_models(set, (g, b, s), |n| {
                        n.quality.as_ref()?.sigma.get(l).copied()
                    })
                }),
            ]
        })
        .collect();
    for (names, numbers) in layer_names.iter().zip(&by_layer) {
        for (name, number) in names.iter().zip(numbers) {
            columns.push((name, &**number));
        }
    }
    columns.push(("published ELBO", &published));
    let title = format!("Quality over the test images: {}", set.title());
    let caption = "Bound at β = 1 without free bits, one draw an image; K is the cost of a layer, \
                   bottom first (a log-ratio below the top, which may be negative), MI, TC and DW \
                   are the parts of the top layer's KL over all test images. Published: read off \
                   the sources' plots of 64 × 64 images.";
    model_table(
        set,
        groups,
        (&set.id(id, &["table"]), &title, caption),
        &columns,
    )
}

/// The second largest rise between neighboring weights: above 0 if two rise.
pub(super) fn second_rise(values: &[f64]) -> f64 {
    let mut rises: Vec<f64> = values.windows(2).map(|w| w[1] - w[0]).collect();
    rises.sort_by(|a, b| b.total_cmp(a));
    rises.get(1).or(rises.first()).copied().unwrap_or(f64::NAN)
}

fn judge(set: &Set, id: &str, page: &mut Page) -> Result<()> {
    let name = &set.config.name;
    let seatbelt = set.main()?;
    let betas = set.betas(seatbelt);
    let (first, last) = (betas[0], betas[betas.len() - 1]);
    let at = |group, beta, seed| of_models(set, (group, beta, seed), elbo);
    for (group, short) in [(Group::Tcvae, "tcvae"), (seatbelt, "seatbelt")] {
        page.claim_above(
            (
                &format!("{id}-{name}-{short}-falls"),
                &format!(
                    "on {name}, the ELBO of the {} falls as β grows, with at most one exception",
                    group.label()
                ),
                "thesis figure 5.7; paper figure 6 (SB-38)",
            ),
            &set.per_seed(|seed| {
                let curve: Vec<f64> = betas.iter().map(|&b| at(group, b, seed)).collect();
                -second_rise(&curve)
            }),
            0.0,
            "minus the second largest rise between neighboring β in nats",
        );
        page.claim_above(
            (
                &format!("{id}-{name}-{short}-ends"),
                &format!(
                    "on {name}, the ELBO of the {} is lower at the largest β than at β = 1",
                    group.label()
                ),
                "thesis figure 5.7; paper figure 6 (SB-38)",
            ),
            &set.per_seed(|seed| at(group, first, seed) - at(group, last, seed)),
            0.0,
            "nats lost",
        );
    }
    let gap = |beta, seed| at(seatbelt, beta, seed) - at(Group::Tcvae, beta, seed);
    page.claim_above(
        (
            &format!("{id}-{name}-largest"),
            &format!("on {name}, at the largest β the Seatbelt-VAE has the higher ELBO"),
            "thesis figure 5.7; paper figure 6 (SB-41)",
        ),
        &set.per_seed(|seed| gap(last, seed)),
        0.0,
        "nats gained over the β-TCVAE",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-every"),
            &format!("on {name}, at every β the Seatbelt-VAE has the higher ELBO"),
            "thesis figure 5.7; paper figure 6",
        ),
        &set.per_seed(|seed| smallest(betas.iter().map(|&b| gap(b, seed)))),
        0.0,
        "smallest number of nats gained over the β-TCVAE",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-widens"),
            &format!("on {name}, the gap between the two widens with β"),
            "thesis figure 5.7; paper figure 6",
        ),
        &set.per_seed(|seed| gap(last, seed) - gap(first, seed)),
        0.0,
        "gap at the largest β minus gap at β = 1 in nats",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::second_rise;

    #[test]
    fn one_inversion_is_allowed_and_two_are_not() {
        assert!(second_rise(&[-1.0, -2.0, -1.5, -3.0]) < 0.0);
        assert!(second_rise(&[-1.0, -0.5, -2.0, -1.5]) > 0.0);
        assert!((second_rise(&[-1.0, -3.0]) + 2.0).abs() < 1e-12);
    }
}
