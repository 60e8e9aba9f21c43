//! The fitted dSprites renderer: row intervals of each shape, rasterized as one word a row.
//!
//! A row's intervals do not depend on the horizontal position, so the bulk version computes them
//! once for 32 images. Both versions run the same code and agree bit for bit.

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::{FACTOR_SIZES, NUM_IMAGES};

/// Rows of an image.
pub const HEIGHT: usize = 64;
/// Pixels per row; bit `x` of a row's word is pixel `x`.
pub const WIDTH: usize = 64;
/// A binary image, one word per row.
pub type BitImage = [u64; HEIGHT];

/// Half the side of the square at scale 1.
const SQUARE_HALF: f64 = 9.599;
/// Half axes of the ellipse at scale 1.
const ELLIPSE_U: f64 = 12.765_893_1;
const ELLIPSE_V: f64 = 7.212_348_66;
/// Vertices of the heart's outline.
const HEART_POINTS: usize = 1200;
const HEART_U: f64 = 0.599_660_09;
const HEART_V: f64 = 0.662_177_69;
const HEART_SHIFT: f64 = 1.436_763_73;
/// A horizontal line meets a rotated heart in at most two intervals.
const MAX_INTERVALS: usize = 3;

/// Open intervals of one row, relative to the shape's center.
#[derive(Clone, Copy, Default)]
struct Intervals {
    count: usize,
    bounds: [(f64, f64); MAX_INTERVALS],
}

impl Intervals {
    fn push(&mut self, low: f64, high: f64) {
        if low < high && self.count < MAX_INTERVALS {
            self.bounds[self.count] = (low, high);
            self.count += 1;
        }
    }
}

/// Draws dSprites from factor classes.
///
/// # Formula
///
/// ```text
/// dx = x + 0.5 − 16 − 32·posX/31,  dy = y + 0.5 − 16 − 32·posY/31
/// s  = 0.5 + 0.1·scale,            t  = 2π·orientation/39
/// u  = (cos t·dx − sin t·dy)/s,    v  = (sin t·dx + cos t·dy)/s
/// square:  |u| < 9.599 and |v| < 9.599
/// ellipse: (u/12.7658931)² + (v/7.21234866)² < 1
/// heart:   inside the 1200-gon u = 0.59966009·16 sin³a,
///          v = −0.66217769·(13 cos a − 5 cos 2a − 2 cos 3a − cos 4a) − 1.43676373
/// ```
///
/// # References
///
/// Matthey, Higgins, Hassabis and Lerchner (2017), "dSprites"; the constants were fitted to the
/// frames that they published.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// Heart outlines by scale and orientation, in image axes around the center.
    hearts: Vec<Vec<(f64, f64)>>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

impl Renderer {
    /// Prepares the outlines.
    pub fn new() -> Self {
        let outline: Vec<(f64, f64)> = (0..HEART_POINTS)
            .map(|i| {
                let a = TAU * i as f64 / HEART_POINTS as f64;
                let v = 13.0 * a.cos()
                    - 5.0 * (2.0 * a).cos()
                    - 2.0 * (3.0 * a).cos()
                    - (4.0 * a).cos();
                (HEART_U * 16.0 * a.sin().powi(3), -HEART_V * v - HEART_SHIFT)
            })
            .collect();
        let hearts = (0..FACTOR_SIZES[2] * FACTOR_SIZES[3])
            .map(|i| {
                let (scale, cos, sin) = pose(i / FACTOR_SIZES[3], i % FACTOR_SIZES[3]);
                // The inverse of the rotation in the formula above.
                let place = |&(u, v): &(f64, f64)| {
                    (scale * (cos * u + sin * v), scale * (cos * v - sin * u))
                };
                outline.iter().map(place).collect()
            })
            .collect();
        Self { hearts }
    }

    /// Draws one image.
    ///
    /// # Panics
    ///
    /// When a factor class is at or above its number of values.
    pub fn image(&self, factors: [usize; 6]) -> BitImage {
        for (factor, size) in factors.into_iter().zip(FACTOR_SIZES) {
            assert!(factor < size, "dSprites factor {factor} of {size}");
        }
        let [_, shape, scale, orientation, pos_x, pos_y] = factors;
        rasterize(&self.rows(shape, scale, orientation, pos_y), pos_x)
    }

    /// Draws all images in the published order, in parallel; takes 377 MB.
    pub fn all(&self) -> Vec<BitImage> {
        let [_, _, scales, orientations, columns, rows] = FACTOR_SIZES;
        let mut images = vec![[0_u64; HEIGHT]; NUM_IMAGES];
        images
            .par_chunks_exact_mut(columns * rows)
            .enumerate()
            .for_each(|(i, images)| {
                let (shape, i) = (i / (scales * orientations), i % (scales * orientations));
                for pos_y in 0..rows {
                    let spans = self.rows(shape, i / orientations, i % orientations, pos_y);
                    for pos_x in 0..columns {
                        images[pos_x * rows + pos_y] = rasterize(&spans, pos_x);
                    }
                }
            });
        images
    }

    /// The intervals of every row of a shape at a vertical position.
    fn rows(
        &self,
        shape: usize,
        scale: usize,
        orientation: usize,
        pos_y: usize,
    ) -> [Intervals; HEIGHT] {
        let mut rows = [Intervals::default(); HEIGHT];
        let base = offset(pos_y);
        let (size, cos, sin) = pose(scale, orientation);
        match shape {
            0 => {
                for (y, row) in rows.iter_mut().enumerate() {
                    square_row(row, y as f64 - base, size, cos, sin);
                }
            }
            1 => {
                for (y, row) in rows.iter_mut().enumerate() {
                    ellipse_row(row, y as f64 - base, size, cos, sin);
                }
            }
            _ => {
                let outline = &self.hearts[scale * FACTOR_SIZES[3] + orientation];
                polygon_rows(&mut rows, outline, base);
            }
        }
        rows
    }
}

/// Scale and direction of the factor classes.
fn pose(scale: usize, orientation: usize) -> (f64, f64, f64) {
    let (sin, cos) = (TAU * orientation as f64 / 39.0).sin_cos();
    (0.5 + 0.1 * scale as f64, cos, sin)
}

/// The number to subtract from a pixel index to get the distance to the shape's center.
fn offset(position: usize) -> f64 {
    16.0 + 32.0 * position as f64 / 31.0 - 0.5
}

fn square_row(row: &mut Intervals, dy: f64, size: f64, cos: f64, sin: f64) {
    let half = SQUARE_HALF * size;
    // Both conditions have the form |a·dx + b| < half.
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    for (a, b) in [(cos, -sin * dy), (sin, cos * dy)] {
        if a == 0.0 {
            if b.abs() >= half {
                return;
            }
            continue;
        }
        let (p, q) = ((-half - b) / a, (half - b) / a);
        low = low.max(p.min(q));
        high = high.min(p.max(q));
    }
    row.push(low, high);
}

fn ellipse_row(row: &mut Intervals, dy: f64, size: f64, cos: f64, sin: f64) {
    let (p, q) = (ELLIPSE_U.powi(-2), ELLIPSE_V.powi(-2));
    // a·dx² + 2b·dx + c < 0
    let a = cos * cos * p + sin * sin * q;
    let b = dy * cos * sin * (q - p);
    let c = dy * dy * (sin * sin * p + cos * cos * q) - size * size;
    let discriminant = b * b - a * c;
    if discriminant > 0.0 {
        let root = discriminant.sqrt();
        row.push((-b - root) / a, (-b + root) / a);
    }
}

/// Even-odd scan conversion: an edge counts for rows from its lower end up to, but not at, its
/// upper end, so that shared vertices count once.
fn polygon_rows(rows: &mut [Intervals; HEIGHT], outline: &[(f64, f64)], base: f64) {
    let mut crossings = [[0.0_f64; 2 * MAX_INTERVALS]; HEIGHT];
    let mut counts = [0_usize; HEIGHT];
    let mut previous = outline[outline.len() - 1];
    for &point in outline {
        let (low, high) = if previous.1 <= point.1 {
            (previous, point)
        } else {
            (point, previous)
        };
        previous = point;
        let first = (low.1 + base).ceil().max(0.0) as usize;
        for y in first..HEIGHT {
            let dy = y as f64 - base;
            if dy >= high.1 {
                break;
            }
            if dy < low.1 {
                // The addition of `base` rounded the row down onto the edge's end.
                continue;
            }
            let t = (dy - low.1) / (high.1 - low.1);
            if counts[y] < 2 * MAX_INTERVALS {
                crossings[y][counts[y]] = low.0 + t * (high.0 - low.0);
                counts[y] += 1;
            }
        }
    }
    for ((row, xs), count) in rows.iter_mut().zip(&mut crossings).zip(counts) {
        xs[..count].sort_unstable_by(f64::total_cmp);
        for pair in xs[..count].chunks_exact(2) {
            row.push(pair[0], pair[1]);
        }
    }
}

/// Sets the bits of the pixels whose centers lie strictly inside an interval.
fn rasterize(rows: &[Intervals; HEIGHT], pos_x: usize) -> BitImage {
    let base = offset(pos_x);
    let mut image = [0_u64; HEIGHT];
    for (word, row) in image.iter_mut().zip(rows) {
        for &(low, high) in &row.bounds[..row.count] {
            let first = ((low + base).floor() + 1.0).max(0.0);
            let last = ((high + base).ceil() - 1.0).min(WIDTH as f64 - 1.0);
            if first <= last {
                let (first, last) = (first as u32, last as u32);
                *word |= (u64::MAX << first) & (u64::MAX >> (63 - last));
            }
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::super::{factors_of, index_of};
    use super::*;

    /// The formula of the type's docs, pixel by pixel.
    fn reference(factors: [usize; 6]) -> BitImage {
        let [_, shape, scale, orientation, pos_x, pos_y] = factors;
        let (size, cos, sin) = pose(scale, orientation);
        let outline: Vec<(f64, f64)> = (0..1200)
            .map(|i| {
                let a = TAU * f64::from(i) / 1200.0;
                let v = 13.0 * a.cos()
                    - 5.0 * (2.0 * a).cos()
                    - 2.0 * (3.0 * a).cos()
                    - (4.0 * a).cos();
                (
                    0.599_660_09 * 16.0 * a.sin().powi(3),
                    -0.662_177_69 * v - 1.436_763_73,
                )
            })
            .collect();
        let mut image = [0_u64; HEIGHT];
        for (y, word) in image.iter_mut().enumerate() {
            for x in 0..WIDTH {
                let dx = x as f64 + 0.5 - 16.0 - 32.0 * pos_x as f64 / 31.0;
                let dy = y as f64 + 0.5 - 16.0 - 32.0 * pos_y as f64 / 31.0;
                let (u, v) = ((cos * dx - sin * dy) / size, (sin * dx + cos * dy) / size);
                let inside = match shape {
                    0 => u.abs() < 9.599 && v.abs() < 9.599,
                    1 => (u / 12.765_893_1).powi(2) + (v / 7.212_348_66).powi(2) < 1.0,
                    _ => {
                        let mut odd = false;
                        for i in 0..outline.len() {
                            let (p, q) = (outline[i], outline[(i + 1) % outline.len()]);
                            if (p.1 > v) != (q.1 > v)
                                && u < p.0 + (v - p.1) / (q.1 - p.1) * (q.0 - p.0)
                            {
                                odd = !odd;
                            }
                        }
                        odd
                    }
                };
                *word |= u64::from(inside) << x;
            }
        }
        image
    }

    #[test]
    fn intervals_equal_the_formula_pixel_by_pixel() {
        let renderer = Renderer::new();
        // A stride that is prime to every factor size walks through all their combinations.
        for index in (0..NUM_IMAGES).step_by(2477) {
            let factors = factors_of(index);
            assert_eq!(index_of(factors), index);
            assert_eq!(renderer.image(factors), reference(factors), "{factors:?}");
        }
    }

    #[test]
    fn bulk_equals_single_images() {
        let renderer = Renderer::new();
        let all = renderer.all();
        assert_eq!(all.len(), NUM_IMAGES);
        for index in (0..NUM_IMAGES).step_by(97) {
            assert_eq!(all[index], renderer.image(factors_of(index)), "{index}");
        }
    }
}
