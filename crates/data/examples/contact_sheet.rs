//! Writes a sheet of a data set's pictures as PNG: `contact_sheet NAME OUT.png [SIDE [SPEED]]`.
//!
//! With a fourth argument it also tells how many pictures are drawn a second.

use std::path::Path;
use std::time::Instant;

use vaegis_data::{Dataset as _, OpenOptions, Split, default_root, open};

/// Pictures a row and a column.
const GRID: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, out, rest @ ..] = arguments.as_slice() else {
        return Err("usage: contact_sheet NAME OUT.png [SIDE [SPEED]]".into());
    };
    let options = OpenOptions {
        size: rest.first().map(|s| s.parse()).transpose()?,
        ..OpenOptions::default()
    };
    let root = default_root(None);
    let set = open(name, root.as_deref(), Split::Test, &options)?;
    let [channels, height, width] = set.spec().item_shape;
    let count = set.len().min(GRID * GRID);
    let batch = set.batch(&(0..count).collect::<Vec<_>>())?;
    let mut sheet = image::RgbImage::new((GRID * width) as u32, (GRID * height) as u32);
    for (i, item) in batch.x.outer_iter().enumerate() {
        for y in 0..height {
            for x in 0..width {
                let byte = |c: usize| (item[[c.min(channels - 1), y, x]] * 255.0 + 0.5) as u8;
                let (column, row) = (i % GRID * width + x, i / GRID * height + y);
                let pixel = image::Rgb([byte(0), byte(1), byte(2)]);
                sheet.put_pixel(column as u32, row as u32, pixel);
            }
        }
    }
    sheet.save(Path::new(out))?;
    if rest.len() > 1 {
        let fresh = open(name, root.as_deref(), Split::Test, &options)?;
        let indices: Vec<usize> = (0..fresh.len().min(4096)).collect();
        let start = Instant::now();
        fresh.batch(&indices)?;
        let rate = indices.len() as f64 / start.elapsed().as_secs_f64();
        std::fs::write(
            format!("{out}.txt"),
            format!("{rate:.0} pictures a second\n"),
        )?;
    }
    Ok(())
}
