//! The idx format of MNIST and Fashion-MNIST: unsigned bytes with big-endian dimensions.

use super::gunzip;
use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode idx";
/// Most dimensions that are read; images have 3, labels 1.
const MAX_RANK: usize = 4;

/// An array of unsigned bytes in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Sizes of the dimensions, outermost first.
    pub dims: Vec<usize>,
    /// The bytes.
    pub data: Vec<u8>,
}

/// Decodes an idx file of unsigned bytes.
///
/// # Errors
///
/// [`DataError::Format`] for another magic number, element type or length;
/// [`DataError::TooLarge`] when the dimensions ask for more than the limit.
pub fn decode_idx(name: &str, mut bytes: Vec<u8>, limits: &Limits) -> Result<Idx, DataError> {
    let (dims, header) = read_dims(name, &bytes, limits)?;
    bytes.drain(..header);
    Ok(Idx { dims, data: bytes })
}

/// Decompresses and decodes an idx.gz file.
///
/// # Errors
///
/// As [`gunzip`] and [`decode_idx`].
pub fn decode_idx_gz(name: &str, bytes: &[u8], limits: &Limits) -> Result<Idx, DataError> {
    decode_idx(name, gunzip(name, bytes, limits)?, limits)
}

/// Checks the header against the length; returns the dimensions and the header's length.
fn read_dims(name: &str, bytes: &[u8], limits: &Limits) -> Result<(Vec<usize>, usize), DataError> {
    let bad = |expected: &str, found: String| DataError::format(OP, name, expected, found);
    let Some(&[a, b, kind, rank]) = bytes.first_chunk::<4>() else {
        return Err(bad(
            "a magic number of 4 bytes",
            format!("{} bytes", bytes.len()),
        ));
    };
    let rank = usize::from(rank);
    if (a, b) != (0, 0) || kind != 8 || !(1..=MAX_RANK).contains(&rank) {
        let found = format!("{:02x?}", &bytes[..4]);
        return Err(bad(
            "magic 00 00 08 and 1 to 4 dimensions (unsigned bytes)",
            found,
        ));
    }
    let header = 4 + 4 * rank;
    let Some(words) = bytes.get(4..header) else {
        return Err(bad(
            &format!("{header} header bytes"),
            format!("{} bytes", bytes.len()),
        ));
    };
    let mut dims = Vec::with_capacity(rank);
    let mut product = 1_u128;
    for word in words.chunks_exact(4) {
        let dim = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        product = product.saturating_mul(u128::from(dim));
        dims.push(dim as usize);
    }
    let wanted = limits.bytes(OP, name, product)?;
    let found = bytes.len() - header;
    if wanted != found {
        let expected = format!("{wanted} bytes of data for dimensions {dims:?}");
        return Err(bad(&expected, format!("{found} bytes")));
    }
    Ok((dims, header))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        for dim in dims {
            bytes.extend(dim.to_be_bytes());
        }
        bytes.extend(data);
        bytes
    }

    #[test]
    fn decodes_labels_and_images() {
        let limits = Limits::default();
        let idx = decode_idx("x", file(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]), &limits).expect("images");
        assert_eq!(
            (idx.dims, idx.data),
            (vec![2, 1, 3], vec![1, 2, 3, 4, 5, 6])
        );
        assert_eq!(
            decode_idx("x", file(&[0], &[]), &limits)
                .expect("empty")
                .dims,
            [0]
        );
    }

    #[test]
    fn damage_is_named() {
        let limits = Limits {
            max_bytes: 1000,
            ..Limits::default()
        };
        for (bytes, word) in [
            (vec![], "0 bytes"),
            (vec![0, 0, 8], "3 bytes"),
            (vec![0, 0, 9, 1, 0, 0, 0, 0], "09"),
            (vec![0, 0, 8, 0], "magic"),
            (vec![0, 0, 8, 3, 0, 0], "16 header bytes"),
            (file(&[3], &[1, 2]), "3 bytes of data"),
            (file(&[1], &[1, 2]), "2 bytes"),
            (file(&[u32::MAX; 4], &[]), "limit"),
            (file(&[1001], &[]), "limit of 1000"),
        ] {
            let error = decode_idx("made.idx", bytes, &limits)
                .expect_err(word)
                .to_string();
            assert!(
                error.contains(word) && error.contains("made.idx"),
                "{error}"
            );
        }
    }
}
