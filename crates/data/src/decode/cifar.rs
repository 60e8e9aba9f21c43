//! CIFAR-10: the official binary batches, and PNG batches with one image per row.

use super::decode_picture;
use crate::error::DataError;
use crate::limits::Limits;

/// Pixels per channel of one image.
const PLANE: usize = 32 * 32;
/// Bytes of one image.
const IMAGE: usize = 3 * PLANE;
/// Class names in the order of the labels.
pub const CIFAR_CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Images `[N, 3, 32, 32]` and, where the format has them, their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CifarBatch {
    /// Channel-first bytes.
    pub images: Vec<u8>,
    /// Labels 0..9; empty for PNG batches.
    pub labels: Vec<u8>,
}

/// Decodes an official batch: records of one label byte and 3072 channel-first pixel bytes.
///
/// # Errors
///
/// [`DataError::Format`] for a length that is no multiple of 3073 or a label above 9.
pub fn decode_cifar_bin(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<CifarBatch, DataError> {
    const OP: &str = "decode CIFAR batch";
    const RECORD: usize = IMAGE + 1;
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let expected = format!("records of {RECORD} bytes");
        return Err(DataError::format(
            OP,
            name,
            expected,
            format!("{} bytes", bytes.len()),
        ));
    }
    limits.bytes(OP, name, bytes.len() as u128)?;
    let count = bytes.len() / RECORD;
    let mut batch = CifarBatch {
        images: Vec::with_capacity(count * IMAGE),
        labels: Vec::with_capacity(count),
    };
    for (i, record) in bytes.chunks_exact(RECORD).enumerate() {
        if usize::from(record[0]) >= CIFAR_CLASSES.len() {
            let found = format!("{} in record {i}", record[0]);
            return Err(DataError::format(OP, name, "labels 0 to 9", found));
        }
        batch.labels.push(record[0]);
        batch.images.extend_from_slice(&record[1..]);
    }
    Ok(batch)
}

/// Decodes a PNG batch: an RGB picture 1024 wide, each row one image in row-major pixel order.
///
/// # Errors
///
/// As [`decode_picture`], and [`DataError::Format`] for another width or a grey picture.
pub fn decode_cifar_png(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<CifarBatch, DataError> {
    let picture = decode_picture(name, bytes, limits)?;
    if (picture.width, picture.channels) != (PLANE, 3) {
        let found = format!("{} wide with {} channels", picture.width, picture.channels);
        let expected = "an RGB picture 1024 wide";
        return Err(DataError::format(
            "decode CIFAR picture",
            name,
            expected,
            found,
        ));
    }
    let mut images = vec![0_u8; picture.data.len()];
    for (image, row) in images
        .chunks_exact_mut(IMAGE)
        .zip(picture.data.chunks_exact(IMAGE))
    {
        let (red, rest) = image.split_at_mut(PLANE);
        let (green, blue) = rest.split_at_mut(PLANE);
        for (i, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
            [red[i], green[i], blue[i]] = *pixel;
        }
    }
    Ok(CifarBatch {
        images,
        labels: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_records_are_split_and_checked() {
        let limits = Limits::default();
        let mut bytes = vec![7_u8; 2 * 3073];
        bytes[0] = 9;
        bytes[3073] = 0;
        let batch = decode_cifar_bin("b", &bytes, &limits).expect("two records");
        assert_eq!(
            (batch.labels.as_slice(), batch.images.len()),
            (&[9, 0][..], 2 * 3072)
        );
        assert!(decode_cifar_bin("b", &bytes[1..], &limits).is_err());
        assert!(decode_cifar_bin("b", &[], &limits).is_err());
        bytes[0] = 10;
        let error = decode_cifar_bin("b", &bytes, &limits)
            .expect_err("label")
            .to_string();
        assert!(error.contains("10 in record 0"), "{error}");
    }

    #[test]
    fn picture_rows_become_channel_first() {
        let picture = image::RgbImage::from_fn(1024, 2, |x, y| {
            image::Rgb([y as u8, (x % 256) as u8, (x / 256) as u8])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .expect("writes to memory");
        let limits = Limits::default();
        let batch = decode_cifar_png("p", bytes.get_ref(), &limits).expect("decodes");
        assert_eq!(batch.images.len(), 2 * 3072);
        assert!(batch.images[3072..4096].iter().all(|&v| v == 1));
        assert_eq!(batch.images[1024 + 259], 3);
        assert_eq!(batch.images[2048 + 259], 1);
    }
}
