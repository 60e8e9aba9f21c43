//! The published dSprites file, streamed out of its archive and packed to one bit a pixel.
//!
//! Unpacked, the images take 3 GB; as bits they take 377 MB.

use std::io::Read;
use std::path::Path;

use vaegis_core::codec::read_limited;
use vaegis_core::hash::sha256_hex;

use super::{FACTOR_SIZES, HEIGHT, NUM_IMAGES, WIDTH, render::BitImage};
use crate::decode::{NpyHeader, NpyKind, open_archive, open_entry};
use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode dSprites";

/// Reads the images and the file's checksum.
pub(super) fn read(path: &Path, limits: &Limits) -> Result<(Vec<BitImage>, String), DataError> {
    let bytes = read_limited(path, limits.max_bytes)?;
    let name = path.display().to_string();
    let images = decode(&name, &bytes, NUM_IMAGES, limits)?;
    Ok((images, sha256_hex(&bytes)))
}

/// Decodes `count` images and checks that the factors stand in the published order.
fn decode(
    name: &str,
    bytes: &[u8],
    count: usize,
    limits: &Limits,
) -> Result<Vec<BitImage>, DataError> {
    let mut archive = open_archive(name, bytes, limits)?;
    let at = crate::decode::find_npz_entry(name, &archive, "imgs")?;
    let images = open_entry(name, &mut archive, at, |full, _, stream| {
        read_images(full, stream, count, limits)
    })?;
    let classes = crate::decode::decode_npz_entry(name, bytes, "latents_classes", limits)?;
    if classes.shape != [count, FACTOR_SIZES.len()] {
        let expected = format!("latents_classes of shape [{count}, 6]");
        return Err(DataError::format(
            OP,
            name,
            expected,
            format!("{:?}", classes.shape),
        ));
    }
    let values = classes.to_i64(name)?;
    for (index, row) in values.as_chunks::<6>().0.iter().enumerate() {
        if super::factors_of(index).map(|f| f as i64) != *row {
            let found = format!("{row:?} at image {index}");
            return Err(DataError::format(
                OP,
                name,
                "factors in the published order",
                found,
            ));
        }
    }
    Ok(images)
}

fn read_images(
    name: &str,
    stream: &mut dyn Read,
    count: usize,
    limits: &Limits,
) -> Result<Vec<BitImage>, DataError> {
    let header = NpyHeader::read(name, stream, limits)?;
    let right_shape = header.shape == [count, HEIGHT, WIDTH] && !header.fortran_order;
    if header.kind != NpyKind::Uint(1) || !right_shape {
        let expected = format!("bytes of shape [{count}, {HEIGHT}, {WIDTH}]");
        let found = format!("{:?} of shape {:?}", header.kind, header.shape);
        return Err(DataError::format(OP, name, expected, found));
    }
    let mut images = Vec::new();
    let mut pixels = vec![0_u8; HEIGHT * WIDTH];
    for index in 0..count {
        stream
            .read_exact(&mut pixels)
            .map_err(|e| DataError::format(OP, name, format!("image {index}"), e))?;
        if pixels.iter().any(|&p| p > 1) {
            let found = format!("another value in image {index}");
            return Err(DataError::format(OP, name, "pixels 0 and 1", found));
        }
        let mut image = [0_u64; HEIGHT];
        for (word, row) in image.iter_mut().zip(pixels.chunks_exact(WIDTH)) {
            *word = row
                .iter()
                .rev()
                .fold(0, |bits, &p| (bits << 1) | u64::from(p));
        }
        images.push(image);
    }
    // Reading on to the end makes the archive verify the checksum.
    let rest = std::io::copy(&mut stream.take(1), &mut std::io::sink())
        .map_err(|e| DataError::format(OP, name, "a right checksum", e))?;
    if rest > 0 {
        return Err(DataError::format(
            OP,
            name,
            "the end of the images",
            "more bytes",
        ));
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Renderer, factors_of};
    use super::*;
    use crate::decode::encode_npy_u8;

    /// A small archive of the published layout with the first `count` images.
    fn archive(count: usize, spoil: impl Fn(&mut [u8], &mut [u8])) -> Vec<u8> {
        let renderer = Renderer::new();
        let mut pixels = Vec::new();
        let mut classes = Vec::new();
        for index in 0..count {
            for word in renderer.image(factors_of(index)) {
                pixels.extend((0..WIDTH).map(|x| ((word >> x) & 1) as u8));
            }
            classes.extend(factors_of(index).map(|f| f as u8));
        }
        spoil(&mut pixels, &mut classes);
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for (key, shape, data) in [
            ("imgs.npy", vec![count, HEIGHT, WIDTH], pixels),
            ("latents_classes.npy", vec![count, 6], classes),
        ] {
            zip.start_file(key, options).expect("memory");
            zip.write_all(&encode_npy_u8(&shape, &data))
                .expect("memory");
        }
        zip.finish().expect("memory").into_inner()
    }

    #[test]
    fn packs_what_the_renderer_drew() {
        let bytes = archive(5, |_, _| {});
        let images = decode("d.npz", &bytes, 5, &Limits::default()).expect("decodes");
        let renderer = Renderer::new();
        for (index, image) in images.iter().enumerate() {
            assert_eq!(*image, renderer.image(factors_of(index)));
        }
    }

    #[test]
    fn wrong_counts_values_and_orders_are_errors() {
        let limits = Limits::default();
        let good = archive(3, |_, _| {});
        assert!(
            decode("d", &good, 4, &limits)
                .expect_err("count")
                .to_string()
                .contains("[4")
        );
        let grey = archive(3, |pixels, _| pixels[5000] = 2);
        assert!(
            decode("d", &grey, 3, &limits)
                .expect_err("grey")
                .to_string()
                .contains("image 1")
        );
        let order = archive(3, |_, classes| classes[11] = 5);
        let error = decode("d", &order, 3, &limits)
            .expect_err("order")
            .to_string();
        assert!(error.contains("published order"), "{error}");
        let cut = &good[..good.len() / 2];
        assert!(decode("d", cut, 3, &limits).is_err());
    }
}
