//! The pictures of the tour: attacks as six panels, and reconstructions.

use super::TourConfig;
use super::data::TourData;
use super::job::{self, ModelResult};
use crate::RunCtx;
use crate::pictures::{attack_panel, picture_row};
use crate::progress::Progress;
use anyhow::Result;
use vaegis_attacks::select::most_successful;
use vaegis_report::ImageGrid;
use vaegis_tensor::{Noise, Tensor, no_grad};

/// Pairs shown per β.
const PAIRS_SHOWN: usize = 2;
/// Images in the grid of reconstructions.
const RECONSTRUCTIONS: usize = 10;

/// The pictures of the first seed's models.
pub(super) struct Pictures {
    pub(super) panels: Vec<ImageGrid>,
    pub(super) reconstructions: ImageGrid,
}

/// Draws the pictures; attacks come from the sweeps' files.
pub(super) fn make(
    ctx: &RunCtx,
    config: &TourConfig,
    data: &TourData,
    results: &[ModelResult],
) -> Result<Pictures> {
    let mut panels = Vec::new();
    let shown = RECONSTRUCTIONS.min(data.set.test.len());
    let positions: Vec<usize> = (0..shown).collect();
    let images = data.set.test_images(&positions, ctx)?;
    let columns: Vec<String> = positions.iter().map(|p| format!("test {p}")).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut grid = ImageGrid::new("reconstructions", "Reconstructions", &columns)
        .with_caption("Mean reconstructions g(μ(x)) of the first test images, by β.");
    grid.push_row("original", picture_row(&images)?)?;
    let (originals, targets) = data.pair_images(ctx)?;
    for result in results.iter().filter(|m| m.seed == results[0].seed) {
        let model = job::model(
            ctx,
            config,
            data,
            result.beta,
            result.seed,
            &Progress::hidden(),
        )?
        .model;
        let reconstruct = |x: &Tensor| no_grad(|| model.reconstruct(x));
        grid.push_row(
            &format!("β = {}", result.beta),
            picture_row(&reconstruct(&images))?,
        )?;
        let (name, records, folder) = &result.sweeps[0];
        // Finished sweeps are read back, not run again.
        let rows = job::sweep_rows(ctx, config, data, &result.key)?;
        let attack = config.attacks().into_iter().find(|(n, _)| n == name);
        let Some((_, attack)) = attack else { continue };
        let noise = Noise::portable(ctx.seed_tree("tour", result.seed).child("targeted"));
        let (_, distortions) =
            job::sweep(attack).run_resumable(&*model, &rows, &noise, folder, |_, _| ())?;
        for pair in 0..PAIRS_SHOWN.min(config.pairs) {
            let of_pair: Vec<usize> = (0..records.len())
                .filter(|&i| records[i].pair == pair)
                .collect();
            let candidates: Vec<_> = of_pair.iter().map(|&i| records[i].clone()).collect();
            let Some(best) = most_successful(&candidates) else {
                continue;
            };
            let record = &candidates[best];
            let at = |t: &Tensor| t.narrow(0, pair as i64, 1);
            let d = distortions
                .narrow(0, of_pair[best] as i64, 1)
                .to_device(ctx.device);
            let d = d.reshape(originals.narrow(0, 0, 1).size());
            let (x, target) = (at(&originals), at(&targets));
            let id = format!("attack-beta-{}-pair-{pair}", result.beta).replace('.', "-");
            let title = format!("Latent KL attack, β = {}, pair {pair}", result.beta);
            panels.push(attack_panel(
                &id,
                &title,
                &*model,
                (&x, &target, &d),
                record,
            )?);
        }
    }
    Ok(Pictures {
        panels,
        reconstructions: grid,
    })
}
