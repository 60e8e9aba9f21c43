//! Pictures in rows and columns: originals, reconstructions, attacks, and the six-panel display.
//!
//! Not for plots, and not for decoding files: pixels come in as numbers and leave as PNG.

use crate::error::ReportError;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};
use serde::{Deserialize, Serialize};

/// Largest side of one picture, in pixels.
pub const MAX_SIDE: usize = 4096;
/// Side in pixels that small pictures are enlarged to in PNG files.
const SHOWN_SIDE: usize = 112;
/// Space between pictures of one PNG file, in pixels.
const GAP: usize = 6;
/// Largest side of a composed PNG file, in pixels.
const MAX_COMPOSED: usize = 16_384;

/// An 8-bit picture, grey (1 channel) or RGB (3 channels).
///
/// # Shapes
/// `pixels: [height, width, channels]`, row-major, as in PNG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// The bytes; base64 in JSON.
    #[serde(with = "base64_bytes")]
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture from bytes.
    ///
    /// # Shapes
    /// `pixels: [height, width, channels]`.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] where the sizes do not fit together.
    pub fn from_bytes(
        width: usize,
        height: usize,
        channels: usize,
        pixels: Vec<u8>,
    ) -> Result<Self, ReportError> {
        let picture = Self {
            width,
            height,
            channels,
            pixels,
        };
        crate::record::refuse("Picture::from_bytes", picture.problems())?;
        Ok(picture)
    }

    /// A picture from intensities in `[0, 1]` in the order of datasets and networks.
    ///
    /// Values outside the range are clipped.
    ///
    /// # Shapes
    /// `values: [channels, height, width]`, given by `shape`.
    ///
    /// # Errors
    /// [`ReportError::Length`] for a wrong size, [`ReportError::Pixel`] for a value that is not a
    /// number, [`ReportError::Invalid`] for a shape that is no picture.
    pub fn from_unit(shape: [usize; 3], values: &[f32]) -> Result<Self, ReportError> {
        Self::from_chw("Picture::from_unit", shape, values, |v| v)
    }

    /// A picture whose smallest value is black and whose largest is white, as the distortion of
    /// the six-panel display is shown.
    ///
    /// A constant picture comes out mid-grey, because its contrast is nothing, not infinite.
    ///
    /// # Shapes
    /// `values: [channels, height, width]`, given by `shape`.
    ///
    /// # Errors
    /// As for [`Picture::from_unit`].
    pub fn rescaled(shape: [usize; 3], values: &[f32]) -> Result<Self, ReportError> {
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let span = f64::from(high) - f64::from(low);
        Self::from_chw("Picture::rescaled", shape, values, |v| {
            if span > 0.0 {
                ((f64::from(v) - f64::from(low)) / span) as f32
            } else {
                0.5
            }
        })
    }

    fn from_chw(
        op: &'static str,
        [channels, height, width]: [usize; 3],
        values: &[f32],
        map: impl Fn(f32) -> f32,
    ) -> Result<Self, ReportError> {
        let empty = Self {
            width,
            height,
            channels,
            pixels: Vec::new(),
        };
        crate::record::refuse(op, empty.shape_problems())?;
        let plane = height * width;
        if values.len() != channels * plane {
            let name = format!("values for a [{channels}, {height}, {width}] picture");
            let (expected, found) = (channels * plane, values.len());
            return Err(ReportError::Length {
                op,
                name,
                expected,
                found,
            });
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(ReportError::Pixel {
                op,
                index,
                found: values[index],
            });
        }
        let mut pixels = Vec::with_capacity(values.len());
        for position in 0..plane {
            for channel in 0..channels {
                let unit = map(values[channel * plane + position]).clamp(0.0, 1.0);
                pixels.push((unit * 255.0).round() as u8);
            }
        }
        Ok(Self { pixels, ..empty })
    }

    fn shape_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, side) in [("width", self.width), ("height", self.height)] {
            if side == 0 || side > MAX_SIDE {
                problems.push(format!("{name}: expected 1 to {MAX_SIDE}, found {side}"));
            }
        }
        if self.channels != 1 && self.channels != 3 {
            problems.push(format!(
                "channels: expected 1 or 3, found {}",
                self.channels
            ));
        }
        problems
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.shape_problems();
        let expected = self
            .width
            .checked_mul(self.height)
            .and_then(|n| n.checked_mul(self.channels));
        if expected != Some(self.pixels.len()) {
            problems.push(format!(
                "pixels: expected {}x{}x{} bytes, found {}",
                self.height,
                self.width,
                self.channels,
                self.pixels.len()
            ));
        }
        problems
    }

    /// The picture as a PNG file, every pixel repeated `zoom` times in both directions.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] for a picture that contradicts itself, [`ReportError::Png`] from
    /// the encoder.
    pub fn to_png(&self, zoom: usize) -> Result<Vec<u8>, ReportError> {
        crate::record::refuse("Picture::to_png", self.problems())?;
        let zoom = zoom.clamp(1, (MAX_COMPOSED / self.width.max(self.height)).max(1));
        let (width, height) = (self.width * zoom, self.height * zoom);
        let mut bytes = Vec::with_capacity(width * height * self.channels);
        for y in 0..height {
            for x in 0..width {
                let at = ((y / zoom) * self.width + x / zoom) * self.channels;
                bytes.extend_from_slice(&self.pixels[at..at + self.channels]);
            }
        }
        encode(width, height, self.channels == 3, &bytes)
    }

    fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * self.channels;
        let pixel = &self.pixels[at..at + self.channels];
        [pixel[0], pixel[pixel.len() / 2], pixel[pixel.len() - 1]]
    }
}

fn encode(width: usize, height: usize, rgb: bool, bytes: &[u8]) -> Result<Vec<u8>, ReportError> {
    let side = |n: usize| u32::try_from(n).expect("invariant: sides are limited by MAX_COMPOSED");
    let color = if rgb {
        ExtendedColorType::Rgb8
    } else {
        ExtendedColorType::L8
    };
    let mut out = Vec::new();
    PngEncoder::new_with_quality(&mut out, CompressionType::Best, FilterType::Adaptive)
        .write_image(bytes, side(width), side(height), color)
        .map_err(|source| ReportError::Png {
            op: "encoding a PNG",
            source,
        })?;
    Ok(out)
}

/// One picture of an [`ImageGrid`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageCell {
    /// The picture.
    pub picture: Picture,
    /// Text below it, such as a distance; may be empty.
    pub caption: String,
}

impl ImageCell {
    /// A picture with a caption.
    #[must_use]
    pub fn new(picture: Picture, caption: &str) -> Self {
        Self {
            picture,
            caption: caption.to_owned(),
        }
    }
}

/// The pictures of one attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SixPanel {
    /// The input that is attacked.
    pub original: ImageCell,
    /// Its reconstruction.
    pub original_rec: ImageCell,
    /// Original plus distortion.
    pub adversarial: ImageCell,
    /// What the attacker wants the reconstruction to be.
    pub target: ImageCell,
    /// The reconstruction of the adversarial input.
    pub adversarial_rec: ImageCell,
    /// The distortion, rescaled to the range of grey levels.
    pub distortion: ImageCell,
}

/// Names of the six panels, row by row.
pub const SIX_PANEL_NAMES: [[&str; 3]; 2] = [
    ["Original", "Original rec.", "Adversarial"],
    ["Target", "Adversarial rec.", "Distortion"],
];

/// Pictures in rows and columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageGrid {
    /// File stem and anchor: see [`check_id`](crate::record::check_id).
    pub id: String,
    /// Heading.
    pub title: String,
    /// What the reader should see.
    pub caption: String,
    /// One label per row, or none at all.
    pub row_labels: Vec<String>,
    /// One label per column, or none at all.
    pub column_labels: Vec<String>,
    /// The pictures; rows of equal length, holes allowed.
    pub cells: Vec<Vec<Option<ImageCell>>>,
}

impl ImageGrid {
    /// An empty grid with column labels.
    #[must_use]
    pub fn new(id: &str, title: &str, column_labels: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: String::new(),
            row_labels: Vec::new(),
            column_labels: column_labels
                .iter()
                .map(|&label| label.to_owned())
                .collect(),
            cells: Vec::new(),
        }
    }

    /// Sets the caption.
    #[must_use]
    pub fn with_caption(mut self, caption: &str) -> Self {
        caption.clone_into(&mut self.caption);
        self
    }

    /// Adds a labeled row of pictures.
    ///
    /// # Errors
    /// [`ReportError::Length`] where the row is not as long as the columns' labels (or, without
    /// labels, as the first row).
    pub fn push_row(
        &mut self,
        label: &str,
        row: Vec<Option<ImageCell>>,
    ) -> Result<(), ReportError> {
        let expected = match (self.column_labels.len(), self.cells.first()) {
            (0, Some(first)) => first.len(),
            (0, None) => row.len(),
            (n, _) => n,
        };
        if row.len() != expected {
            let name = format!("row '{label}' of pictures '{}'", self.id);
            let found = row.len();
            return Err(ReportError::Length {
                op: "ImageGrid::push_row",
                name,
                expected,
                found,
            });
        }
        self.row_labels.push(label.to_owned());
        self.cells.push(row);
        Ok(())
    }

    /// The six-panel attack display.
    ///
    /// Top row Original, Original rec., Adversarial; bottom row Target, Adversarial rec.,
    /// Distortion. The panels' names become part of the captions.
    #[must_use]
    pub fn six_panel(id: &str, title: &str, panels: SixPanel) -> Self {
        let rows = [
            [panels.original, panels.original_rec, panels.adversarial],
            [panels.target, panels.adversarial_rec, panels.distortion],
        ];
        let mut grid = Self::new(id, title, &[]);
        for (cells, names) in rows.into_iter().zip(SIX_PANEL_NAMES) {
            let named = cells.into_iter().zip(names).map(|(cell, name)| {
                let caption = match cell.caption.as_str() {
                    "" => name.to_owned(),
                    more => format!("{name}: {more}"),
                };
                Some(ImageCell { caption, ..cell })
            });
            grid.cells.push(named.collect());
        }
        grid
    }

    /// Every problem of this grid, in words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let columns = self
            .cells
            .first()
            .map_or(self.column_labels.len(), Vec::len);
        if !self.column_labels.is_empty() && self.column_labels.len() != columns {
            let found = self.column_labels.len();
            problems.push(format!("column_labels: expected {columns}, found {found}"));
        }
        if !self.row_labels.is_empty() && self.row_labels.len() != self.cells.len() {
            let (expected, found) = (self.cells.len(), self.row_labels.len());
            problems.push(format!("row_labels: expected {expected}, found {found}"));
        }
        for (i, row) in self.cells.iter().enumerate() {
            if row.len() != columns {
                problems.push(format!(
                    "row {i}: expected {columns} cells, found {}",
                    row.len()
                ));
            }
            for (j, cell) in row.iter().enumerate() {
                if let Some(cell) = cell {
                    let inner = cell.picture.problems();
                    problems.extend(
                        inner
                            .into_iter()
                            .map(|text| format!("cell ({i}, {j}): {text}")),
                    );
                }
            }
        }
        problems
    }

    /// What the cell at a row and column shows, in words, for people who do not see it.
    #[must_use]
    pub fn alt_text(&self, row: usize, column: usize) -> String {
        let caption = self
            .cells
            .get(row)
            .and_then(|cells| cells.get(column))
            .and_then(|cell| cell.as_ref());
        let parts = [
            self.row_labels.get(row).map(String::as_str),
            self.column_labels.get(column).map(String::as_str),
            caption.map(|cell| cell.caption.as_str()),
        ];
        let parts: Vec<&str> = parts
            .into_iter()
            .flatten()
            .filter(|text| !text.is_empty())
            .collect();
        if parts.is_empty() {
            format!("Picture in row {}, column {}", row + 1, column + 1)
        } else {
            parts.join(", ")
        }
    }

    /// All pictures side by side in one PNG file, enlarged by whole factors; holes stay white.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] for a grid that contradicts itself or is larger than 16384 pixels,
    /// [`ReportError::Png`] from the encoder.
    pub fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        let op = format!("pictures '{}'", self.id);
        crate::record::refuse(&op, self.problems())?;
        let cells: Vec<&Picture> = self
            .cells
            .iter()
            .flatten()
            .flatten()
            .map(|cell| &cell.picture)
            .collect();
        let side = cells
            .iter()
            .map(|p| p.width.max(p.height))
            .max()
            .unwrap_or(1);
        let zoom = SHOWN_SIDE.div_ceil(side).max(1);
        let widest = cells.iter().map(|p| p.width).max().unwrap_or(1) * zoom;
        let tallest = cells.iter().map(|p| p.height).max().unwrap_or(1) * zoom;
        let columns = self.cells.first().map_or(1, Vec::len).max(1);
        let width = columns * (widest + GAP) + GAP;
        let height = self.cells.len().max(1) * (tallest + GAP) + GAP;
        if width.max(height) > MAX_COMPOSED {
            let problem =
                format!("expected at most {MAX_COMPOSED} pixels a side, found {width}x{height}");
            return Err(ReportError::Invalid {
                op,
                problems: vec![problem],
            });
        }
        let mut canvas = vec![255_u8; width * height * 3];
        for (i, row) in self.cells.iter().enumerate() {
            for (j, cell) in row.iter().enumerate() {
                let Some(ImageCell { picture, .. }) = cell else {
                    continue;
                };
                let (left, top) = (GAP + j * (widest + GAP), GAP + i * (tallest + GAP));
                for y in 0..picture.height * zoom {
                    for x in 0..picture.width * zoom {
                        let at = ((top + y) * width + left + x) * 3;
                        canvas[at..at + 3].copy_from_slice(&picture.rgb(x / zoom, y / zoom));
                    }
                }
            }
        }
        encode(width, height, true, &canvas)
    }
}

/// Bytes as base64 in text formats: a tenth of the size of a list of numbers.
mod base64_bytes {
    use super::BASE64;
    use base64::Engine as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        BASE64.decode(text).map_err(serde::de::Error::custom)
    }
}
