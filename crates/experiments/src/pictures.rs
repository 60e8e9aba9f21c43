//! Attacks as pictures, for every report that shows some.

use anyhow::Result;
use vaegis_attacks::record::AttackRecord;
use vaegis_nn::LatentModel;
use vaegis_report::{ImageCell, ImageGrid, Picture, SixPanel};
use vaegis_tensor::{Device, Kind, Tensor, no_grad};

/// Six panels of one attack: original, adversarial input and target above their reconstructions
/// and the distortion.
///
/// # Shapes
/// x, target, d: `[1, C, H, W]`
///
/// # Errors
/// Pixels that are not finite.
pub fn attack_panel(
    id: &str,
    title: &str,
    model: &dyn LatentModel,
    (x, target, d): (&Tensor, &Tensor, &Tensor),
    record: &AttackRecord,
) -> Result<ImageGrid> {
    let size = model.input_shape().map(|n| n as usize);
    let reconstruct = |x: &Tensor| no_grad(|| model.reconstruct(x));
    let adversarial = x + d;
    let cell = |t: &Tensor, caption: String| -> Result<ImageCell> {
        let unit = in_unit_range(model, t);
        Ok(ImageCell::new(
            Picture::from_unit(size, &pixels(&unit)[0])?,
            &caption,
        ))
    };
    let panel = SixPanel {
        original: cell(x, String::new())?,
        original_rec: cell(
            &reconstruct(x),
            format!("‖x̃ − x‖ = {:.2}", record.clean_reconstruction_to_original),
        )?,
        adversarial: cell(&adversarial, format!("‖d‖ = {:.2}", record.norm_l2))?,
        target: cell(target, format!("‖x − xᵗ‖ = {:.2}", record.input_to_target))?,
        adversarial_rec: cell(
            &reconstruct(&adversarial),
            format!("‖x̃* − xᵗ‖ = {:.2}", record.reconstruction_to_target),
        )?,
        distortion: ImageCell::new(
            Picture::rescaled(size, &pixels(d)[0])?,
            "rescaled to [0, 1]",
        ),
    };
    Ok(
        ImageGrid::six_panel(id, title, panel).with_caption(&format!(
            "λ = {:.2e}: the largest penalty at which the reconstruction is at most as far from \
             the target as the mean over the grid. Success {:.2}.",
            record.lambda,
            record.success()
        )),
    )
}

/// One row of a grid of pictures, from intensities between 0 and 1.
///
/// # Shapes
/// images: `[N, C, H, W]` → `N` cells
///
/// # Errors
/// Pixels that are not finite.
pub fn picture_row(images: &Tensor) -> Result<Vec<Option<ImageCell>>> {
    let size = images.size();
    let size = [1, 2, 3].map(|axis| size[axis] as usize);
    let cell = |image: &Vec<f32>| Ok(Some(ImageCell::new(Picture::from_unit(size, image)?, "")));
    pixels(images).iter().map(cell).collect()
}

/// Values of a model's pixel range as intensities from 0 to 1.
///
/// # Shapes
/// t: any → the same
pub fn in_unit_range(model: &dyn LatentModel, t: &Tensor) -> Tensor {
    let (low, high) = model.bounds();
    (t - low) / (high - low)
}

/// Pixels of each image of a batch.
///
/// # Shapes
/// images: `[N, C, H, W]` → `N` rows
pub fn pixels(images: &Tensor) -> Vec<Vec<f32>> {
    let rows = images
        .to_kind(Kind::Float)
        .to_device(Device::Cpu)
        .flatten(1, -1);
    let width = rows.size()[1] as usize;
    let flat = Vec::<f32>::try_from(&rows.flatten(0, -1)).expect("invariant: flat f32 on the host");
    flat.chunks_exact(width).map(<[f32]>::to_vec).collect()
}
