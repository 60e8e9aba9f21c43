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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use vaegis_attacks::record::describe;
    use vaegis_attacks::{Attack, AttackOutcome, AttackRows, Objective, RowStatus};
    use vaegis_core::SeedTree;
    use vaegis_dist::DiagNormal;
    use vaegis_nn::{LatentPath, Likelihood, LikelihoodKind, Mode, Posterior};
    use vaegis_tensor::{Noise, ParamStore};

    /// Pixels from −1 to 1 that come back with the other sign.
    pub(crate) struct Negative(ParamStore);

    impl Negative {
        pub(crate) fn new(noise: &Noise) -> Self {
            Self(ParamStore::new(
                Kind::Float,
                Device::Cpu,
                noise.child("init"),
            ))
        }
    }

    impl LatentModel for Negative {
        fn input_shape(&self) -> [i64; 3] {
            [1, 1, 2]
        }
        fn bounds(&self) -> (f64, f64) {
            (-1.0, 1.0)
        }
        fn latent_sizes(&self) -> Vec<i64> {
            vec![2]
        }
        fn params(&self) -> &ParamStore {
            &self.0
        }
        fn posterior(&self, x: &Tensor, path: LatentPath<'_>, _mode: Mode) -> Posterior {
            let mean = x.flatten(1, -1);
            let layer = DiagNormal::new(mean.shallow_clone(), mean.full_like(-20.0));
            let z = vec![path.point(0, &layer)];
            let layers = vec![layer];
            Posterior { layers, z }
        }
        fn decode(&self, z: &[Tensor], _mode: Mode) -> Likelihood {
            Likelihood {
                kind: LikelihoodKind::Gaussian { sigma: 1.0 },
                parameter: z[0].neg().unflatten(1, [1, 1, 2]),
            }
        }
        fn kl_terms(&self, posterior: &Posterior, _mode: Mode) -> Vec<Tensor> {
            vec![posterior.layers[0].kl_to_standard()]
        }
    }

    #[test]
    fn sb32_every_panel_shows_its_own_image() {
        let noise = Noise::portable(SeedTree::new(32));
        let model = Negative::new(&noise);
        let image = |pixels: [f32; 2]| Tensor::from_slice(&pixels).reshape([1, 1, 1, 2]);
        let (x, target) = (image([-1.0, 0.0]), image([0.6, -0.6]));
        let d = image([0.5, 0.25]);
        let rows = AttackRows::targeted(x.shallow_clone(), target.shallow_clone(), vec![0.125]);
        let outcome = AttackOutcome {
            distortion: d.to_kind(Kind::Double).flatten(1, -1),
            objective: vec![1.0],
            divergence: vec![1.0],
            divergence_clean: vec![2.0],
            norm_l2: vec![0.3125_f64.sqrt()],
            norm_linf: vec![0.5],
            iterations: vec![1],
            evaluations: vec![1],
            status: vec![RowStatus::ConvergedGradient],
            restart: vec![0],
            pixel_range: model.bounds(),
        };
        let attack = Attack::penalized(Objective::LATENT_KL);
        let record = describe(&model, &attack, &rows, &[0], &outcome, 1, &noise).remove(0);
        let panel = attack_panel("pair-0", "Pair 0", &model, (&x, &target, &d), &record);
        let panel = panel.expect("finite pixels");
        // (v + 1) / 2 of 255, and −v for reconstructions; x + d = (−0.5, 0.25).
        let expected: [[(&str, [u8; 2], &str); 3]; 2] = [
            [
                ("Original", [0, 128], ""),
                ("Original rec.", [255, 128], "‖x̃ − x‖ = 2.00"),
                ("Adversarial", [64, 159], "‖d‖ = 0.56"),
            ],
            [
                // ‖(−1.6, 0.6)‖, and ‖(0.5, −0.25) − (0.6, −0.6)‖ = ‖(−0.1, 0.35)‖.
                ("Target", [204, 51], "‖x − xᵗ‖ = 1.71"),
                ("Adversarial rec.", [191, 96], "‖x̃* − xᵗ‖ = 0.36"),
                ("Distortion", [255, 0], "rescaled to [0, 1]"),
            ],
        ];
        assert_eq!(panel.cells.len(), 2);
        for (cells, expected) in panel.cells.iter().zip(expected) {
            assert_eq!(cells.len(), 3);
            for (cell, (name, bytes, note)) in cells.iter().zip(expected) {
                let cell = cell.as_ref().expect("a picture");
                assert_eq!(cell.picture.pixels, bytes, "{name}");
                assert!(cell.caption.starts_with(name), "{}", cell.caption);
                assert!(cell.caption.ends_with(note), "{}", cell.caption);
            }
        }
        assert!(
            panel.caption.starts_with("λ = 1.25e-1"),
            "{}",
            panel.caption
        );
    }
}
