//! PNG and JPEG pictures to bytes, with the size checked before the pixels are.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode picture";

/// A picture of one (grey) or three (RGB) interleaved byte channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `[height, width, channels]`, row-major.
    pub data: Vec<u8>,
}

impl Picture {
    /// The middle of the picture.
    ///
    /// # Panics
    ///
    /// When the picture is smaller than the part.
    pub(crate) fn middle(&self, height: usize, width: usize) -> Self {
        assert!(
            height <= self.height && width <= self.width,
            "the middle {height}x{width} of {}x{}",
            self.height,
            self.width
        );
        let (top, left) = ((self.height - height) / 2, (self.width - width) / 2);
        let data = self
            .data
            .chunks_exact((self.width * self.channels).max(1))
            .skip(top)
            .take(height)
            .flat_map(|row| &row[left * self.channels..(left + width) * self.channels])
            .copied()
            .collect();
        Self {
            width,
            height,
            channels: self.channels,
            data,
        }
    }

    /// One channel of the usual luma weights (ITU-R BT.601), in whole numbers as Pillow has them.
    pub(crate) fn into_grey(self) -> Self {
        if self.channels == 1 {
            return self;
        }
        let luma = |&[r, g, b]: &[u8; 3]| {
            let [r, g, b] = [r, g, b].map(u32::from);
            ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
        };
        let data = self.data.as_chunks().0.iter().map(luma).collect();
        Self {
            channels: 1,
            data,
            ..self
        }
    }

    /// Three channels, alike where there was one.
    pub(crate) fn into_color(self) -> Self {
        if self.channels == 3 {
            return self;
        }
        let data = self.data.iter().flat_map(|&v| [v; 3]).collect();
        Self {
            channels: 3,
            data,
            ..self
        }
    }
}

/// Decodes a PNG or a JPEG, told apart by their first bytes; an alpha channel is dropped, 16-bit
/// channels are rounded to 8.
///
/// # Errors
///
/// [`DataError::Format`] for damage or another format, [`DataError::TooLarge`] by the header.
pub fn decode_picture(name: &str, bytes: &[u8], limits: &Limits) -> Result<Picture, DataError> {
    let format = match bytes {
        [0x89, b'P', b'N', b'G', ..] => ImageFormat::Png,
        [0xff, 0xd8, ..] => ImageFormat::Jpeg,
        _ => {
            let found = format!("{:02x?}", &bytes[..bytes.len().min(4)]);
            return Err(DataError::format(OP, name, "a PNG or a JPEG", found));
        }
    };
    let bad = |e: image::ImageError| DataError::format(OP, name, "an undamaged picture", e);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allowed = image::Limits::no_limits();
    allowed.max_image_width = Some(limits.max_side);
    allowed.max_image_height = Some(limits.max_side);
    allowed.max_alloc = Some(limits.max_bytes);
    reader.limits(allowed);
    let decoder = reader.into_decoder().map_err(bad)?;
    let (width, height) = decoder.dimensions();
    limits.sides(OP, name, width, height)?;
    limits.bytes(OP, name, u128::from(decoder.total_bytes()))?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(bad)?;
    let (channels, data) = if decoded.color().has_color() {
        (3, decoded.into_rgb8().into_raw())
    } else {
        (1, decoded.into_luma8().into_raw())
    };
    Ok(Picture {
        width: width as usize,
        height: height as usize,
        channels,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x as u8, y as u8, (x ^ y) as u8])
        });
        let mut bytes = Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, ImageFormat::Png)
            .expect("writes to memory");
        bytes.into_inner()
    }

    #[test]
    fn decodes_color_and_grey() {
        let limits = Limits::default();
        let picture = decode_picture("c", &png(3, 2), &limits).expect("png");
        assert_eq!((picture.width, picture.height, picture.channels), (3, 2, 3));
        assert_eq!(picture.data[3..6], [1, 0, 1]);
        let mut bytes = Cursor::new(Vec::new());
        image::GrayImage::from_fn(8, 8, |_, _| image::Luma([77]))
            .write_to(&mut bytes, ImageFormat::Jpeg)
            .expect("writes to memory");
        let picture = decode_picture("g", bytes.get_ref(), &limits).expect("jpeg");
        assert_eq!((picture.channels, picture.data.len()), (1, 64));
        assert!(picture.data.iter().all(|&v| v.abs_diff(77) <= 1));
    }

    #[test]
    fn size_is_refused_from_the_header_and_damage_is_named() {
        let limits = Limits {
            max_side: 64,
            ..Limits::default()
        };
        let mut huge = png(8, 8);
        // Width 2^31 - 1 in IHDR, with the chunk's checksum made right again.
        huge[16..20].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&huge[12..29]);
        let crc = crc.sum().to_be_bytes();
        huge[29..33].copy_from_slice(&crc);
        assert!(decode_picture("huge.png", &huge, &limits).is_err());
        assert!(decode_picture("wide.png", &png(65, 1), &limits).is_err());
        let good = png(16, 16);
        let error = decode_picture("cut.png", &good[..good.len() - 20], &limits);
        assert!(
            error
                .expect_err("truncated")
                .to_string()
                .contains("cut.png")
        );
        let mut flipped = good.clone();
        flipped[60] ^= 0x10;
        assert!(decode_picture("flip.png", &flipped, &limits).is_err());
        assert!(decode_picture("gif", b"GIF89a", &limits).is_err());
        assert!(decode_picture("empty", b"", &limits).is_err());
    }
}
