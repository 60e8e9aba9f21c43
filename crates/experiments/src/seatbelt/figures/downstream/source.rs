//! The cells of the sources' table.

/// One cell as printed: attacked accuracy and its change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// Accuracy under attack.
    pub(super) attacked: f64,
    /// Attacked minus clean.
    pub(super) drop: f64,
}

const fn cell(attacked: f64, drop: f64) -> Cell {
    Cell { attacked, drop }
}

/// Cells of one data set: per task (MLP of reconstructions, convolutional net of reconstructions,
/// MLP of latents) the VAE, the β-TCVAE and the Seatbelt-VAE.
///
/// # References
/// Thesis table 5.1; paper table 1, where the rows of SVHN are missing.
pub(super) fn cells(set: &str) -> Option<[[Cell; 3]; 3]> {
    match set {
        "cifar10" => Some([
            [cell(0.17, -0.32), cell(0.25, -0.21), cell(0.38, -0.09)],
            [cell(0.07, -0.37), cell(0.32, -0.10), cell(0.34, -0.07)],
            [cell(0.16, -0.41), cell(0.26, -0.23), cell(0.39, -0.09)],
        ]),
        "svhn" => Some([
            [cell(0.17, -0.35), cell(0.22, -0.29), cell(0.35, -0.15)],
            [cell(0.13, -0.54), cell(0.36, -0.28), cell(0.41, -0.26)],
            [cell(0.15, -0.57), cell(0.46, -0.23), cell(0.57, -0.21)],
        ]),
        _ => None,
    }
}
