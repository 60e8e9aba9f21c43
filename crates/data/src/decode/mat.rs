//! MATLAB version 5 files: numeric arrays, plain or compressed; no cells, structures or objects.
//!
//! Only what data sets are published in: little-endian files with real, dense arrays. Arrays of
//! other classes are passed over, so a file may hold more than is read.

use super::gz::inflate;
use super::npy::{NpyArray, NpyKind, assemble};
use super::npy_header::NpyHeader;
use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode mat";
/// Text, offset, version and byte order before the first element.
const HEADER_BYTES: usize = 128;
/// Element types of the format.
const TYPE_INT8: u32 = 1;
const TYPE_INT32: u32 = 5;
const TYPE_UINT32: u32 = 6;
const TYPE_MATRIX: u32 = 14;
const TYPE_COMPRESSED: u32 = 15;
/// Array classes that hold plain numbers: double to 64-bit integers.
const NUMERIC_CLASSES: std::ops::RangeInclusive<u8> = 6..=15;
/// Bit of the flags byte that announces an imaginary part.
const COMPLEX: u8 = 0x08;
/// MATLAB names have at most 63 characters.
const MAX_NAME_BYTES: usize = 63;
/// Data sets have 4; NumPy itself stops at 64.
const MAX_RANK: usize = 32;

/// One numeric array of a file, in the file's column-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatArray {
    /// Name of the variable.
    pub name: String,
    /// Type in which the numbers are stored, which may be narrower than the variable's class.
    pub kind: NpyKind,
    /// Sizes of the dimensions; the first varies fastest.
    pub shape: Vec<usize>,
    /// The elements' bytes, little-endian.
    pub bytes: Vec<u8>,
}

impl MatArray {
    /// The same array with the last dimension varying fastest.
    pub fn into_row_major(self) -> NpyArray {
        let header = NpyHeader {
            kind: self.kind,
            big_endian: false,
            fortran_order: true,
            num_bytes: self.bytes.len(),
            shape: self.shape,
        };
        assemble(header, self.bytes)
    }
}

/// Decodes the numeric arrays of a file, in their order.
///
/// # Errors
///
/// [`DataError::Format`] for damage, for big-endian, version 4 and version 7.3 (HDF5) files and
/// for complex arrays; [`DataError::TooLarge`] when all arrays together pass the limit.
pub fn decode_mat(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<MatArray>, DataError> {
    let Some((header, body)) = bytes.split_at_checked(HEADER_BYTES) else {
        let found = format!("{} bytes", bytes.len());
        return Err(DataError::format(OP, name, "a header of 128 bytes", found));
    };
    if header[124..] != [0x00, 0x01, b'I', b'M'] {
        let found = format!("{:02x?}", &header[124..]);
        let expected = "a little-endian file of version 5 (00 01 49 4d at byte 124)";
        return Err(DataError::format(OP, name, expected, found));
    }
    let mut left = limits.max_bytes;
    let mut count = 0;
    let mut arrays = Vec::new();
    let mut reader = Reader { name, rest: body };
    while !reader.rest.is_empty() {
        count += 1;
        limits.entries(OP, name, count)?;
        let (kind, data) = reader.element()?;
        let array = if kind == TYPE_COMPRESSED {
            let allowed = Limits {
                max_bytes: left,
                ..*limits
            };
            let plain = inflate(name, data, &allowed)?;
            let mut inner = Reader { name, rest: &plain };
            let (kind, data) = inner.element()?;
            inner.end()?;
            left = left.saturating_sub(plain.len() as u64);
            matrix(name, kind, data)?
        } else {
            limits.bytes(OP, name, data.len() as u128)?;
            matrix(name, kind, data)?
        };
        arrays.extend(array);
    }
    Ok(arrays)
}

/// Cuts tagged elements off the front of bytes.
struct Reader<'a> {
    name: &'a str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], DataError> {
        let Some((front, rest)) = self.rest.split_at_checked(count) else {
            let expected = format!("{count} bytes of {what}");
            let found = format!("{} bytes", self.rest.len());
            return Err(DataError::format(OP, self.name, expected, found));
        };
        self.rest = rest;
        Ok(front)
    }

    fn word(&mut self) -> Result<u32, DataError> {
        let bytes = self.take(4, "a tag")?;
        let bytes = bytes.try_into().expect("invariant: four bytes were taken");
        Ok(u32::from_le_bytes(bytes))
    }

    /// The type and the data of the next element.
    fn element(&mut self) -> Result<(u32, &'a [u8]), DataError> {
        let first = self.word()?;
        if first >> 16 != 0 {
            // The small form: type and size in one word, up to four bytes of data in the other.
            let (kind, size) = (first & 0xffff, (first >> 16) as usize);
            let data = self.take(4, "a small element")?;
            let Some(data) = data.get(..size) else {
                let expected = "at most 4 bytes in a small element";
                return Err(DataError::format(OP, self.name, expected, size));
            };
            return Ok((kind, data));
        }
        let size = self.word()? as usize;
        let data = self.take(size, "an element")?;
        // All elements but compressed ones fill whole blocks of 8 bytes. Some writers leave the
        // last filling out.
        if first != TYPE_COMPRESSED {
            let filling = (size.wrapping_neg() % 8).min(self.rest.len());
            self.take(filling, "filling")?;
        }
        Ok((first, data))
    }

    /// The data of the next element, which must have the given type.
    fn expect(&mut self, kind: u32, what: &str) -> Result<&'a [u8], DataError> {
        let (found, data) = self.element()?;
        if found != kind {
            let expected = format!("{what} of type {kind}");
            let found = format!("type {found}");
            return Err(DataError::format(OP, self.name, expected, found));
        }
        Ok(data)
    }

    fn end(&self) -> Result<(), DataError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let found = format!("{} bytes after it", self.rest.len());
        Err(DataError::format(OP, self.name, "the end", found))
    }
}

/// Decodes one array; none for a class that does not hold plain numbers.
fn matrix(name: &str, kind: u32, data: &[u8]) -> Result<Option<MatArray>, DataError> {
    let bad = |expected: &str, found: &dyn std::fmt::Display| {
        Err(DataError::format(OP, name, expected, found))
    };
    if kind != TYPE_MATRIX {
        return bad("an array (type 14)", &format!("type {kind}"));
    }
    let mut reader = Reader { name, rest: data };
    let flags = reader.expect(TYPE_UINT32, "array flags")?;
    let &[class, flag_bits, _, _, _, _, _, _] = flags else {
        return bad("8 bytes of array flags", &flags.len());
    };
    if !NUMERIC_CLASSES.contains(&class) {
        return Ok(None);
    }
    if flag_bits & COMPLEX != 0 {
        return bad("real numbers", &"a complex array");
    }
    let sizes = reader.expect(TYPE_INT32, "dimensions")?;
    if sizes.len() % 4 != 0 || !(2..=MAX_RANK).contains(&(sizes.len() / 4)) {
        return bad("2 to 32 dimensions of 4 bytes", &sizes.len());
    }
    let mut shape = Vec::with_capacity(sizes.len() / 4);
    for &size in sizes.as_chunks::<4>().0 {
        let size = i32::from_le_bytes(size);
        match usize::try_from(size) {
            Ok(size) => shape.push(size),
            Err(_) => return bad("dimensions that are not negative", &size),
        }
    }
    let label = reader.expect(TYPE_INT8, "a name")?;
    let plain = label
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    if !plain || label.len() > MAX_NAME_BYTES {
        return bad("a name of letters, digits and _", &format!("{label:02x?}"));
    }
    let (stored, values) = reader.element()?;
    reader.end()?;
    let Some(kind) = storage(stored) else {
        return bad("numbers", &format!("elements of type {stored}"));
    };
    let wanted = shape
        .iter()
        .try_fold(kind.size(), |n, &size| n.checked_mul(size));
    if wanted != Some(values.len()) {
        let expected = format!("data of {kind:?} for shape {shape:?}");
        return bad(&expected, &format!("{} bytes", values.len()));
    }
    Ok(Some(MatArray {
        name: label.iter().map(|&b| char::from(b)).collect(),
        kind,
        shape,
        bytes: values.to_vec(),
    }))
}

/// The number type behind an element type.
fn storage(kind: u32) -> Option<NpyKind> {
    Some(match kind {
        1 => NpyKind::Int(1),
        2 => NpyKind::Uint(1),
        3 => NpyKind::Int(2),
        4 => NpyKind::Uint(2),
        5 => NpyKind::Int(4),
        6 => NpyKind::Uint(4),
        7 => NpyKind::Float(4),
        9 => NpyKind::Float(8),
        12 => NpyKind::Int(8),
        13 => NpyKind::Uint(8),
        _ => return None,
    })
}

/// A one-byte array as an uncompressed element, for tests of what reads it.
#[cfg(test)]
pub(crate) fn encode_element(name: &str, shape: &[i32], data: &[u8]) -> Vec<u8> {
    let element = |kind: u32, data: &[u8]| {
        let mut out = kind.to_le_bytes().to_vec();
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    };
    let sizes: Vec<u8> = shape.iter().flat_map(|s| s.to_le_bytes()).collect();
    let parts = [
        element(TYPE_UINT32, &[9, 0, 0, 0, 0, 0, 0, 0]),
        element(TYPE_INT32, &sizes),
        element(TYPE_INT8, name.as_bytes()),
        element(2, data),
    ];
    element(TYPE_MATRIX, &parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by SciPy, see the script beside it.
    const GOLDEN: &[u8] = include_bytes!("../../tests/golden/mat.mat");

    fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![b' '; 116];
        bytes.extend([0; 8]);
        bytes.extend([0x00, 0x01, b'I', b'M']);
        bytes.extend(elements.concat());
        bytes
    }

    #[test]
    fn reads_what_scipy_wrote() {
        let arrays = decode_mat("golden", GOLDEN, &Limits::default()).expect("decodes");
        let names: Vec<&str> = arrays.iter().map(|a| a.name.as_str()).collect();
        // The structure and the text of the file are passed over.
        assert_eq!(names, ["X", "y", "table", "wide", "empty"]);
        let x = arrays[0].clone().into_row_major();
        assert_eq!(
            (x.kind, x.shape.as_slice()),
            (NpyKind::Uint(1), &[4, 3, 2, 5][..])
        );
        let expected: Vec<u8> = (0..120_u32).map(|i| (i * 7 % 256) as u8).collect();
        assert_eq!(x.bytes, expected);
        let table = arrays[2]
            .clone()
            .into_row_major()
            .to_f32("t")
            .expect("floats");
        assert_eq!(table, [0.5, -1.25, 3.0, 1e10, 0.0, -2.0]);
        let wide = arrays[3]
            .clone()
            .into_row_major()
            .to_i64("w")
            .expect("integers");
        assert_eq!(wide, [-3, 70_000, 1 << 40]);
        assert_eq!(arrays[4].shape, [0, 0]);
    }

    #[test]
    fn damage_and_foreign_versions_are_named() {
        let limits = Limits::default();
        let good = file(&[encode_element("a", &[2, 3], &[1, 2, 3, 4, 5, 6])]);
        let arrays = decode_mat("f", &good, &limits).expect("decodes");
        assert_eq!(arrays[0].clone().into_row_major().bytes, [1, 3, 5, 2, 4, 6]);
        for cut in 129..good.len() {
            let result = decode_mat("f", &good[..cut], &limits);
            assert!(result.is_err(), "cut at {cut}");
        }
        let cases = [
            (file(&[encode_element("a", &[2, 4], &[0; 6])]), "[2, 4]"),
            (file(&[encode_element("a", &[-1, 6], &[0; 6])]), "-1"),
            (file(&[encode_element("a b", &[2, 3], &[0; 6])]), "a name"),
            (file(&[encode_element("a", &[6], &[0; 6])]), "dimensions"),
            (good[..100].to_vec(), "128"),
            (b"MATLAB 7.3 MAT-file, Platform".repeat(9), "version 5"),
        ];
        for (bytes, word) in cases {
            let error = decode_mat("f", &bytes, &limits)
                .expect_err(word)
                .to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
        let mut flipped = GOLDEN.to_vec();
        flipped[200] ^= 0x20;
        assert!(decode_mat("f", &flipped, &limits).is_err());
    }

    #[test]
    fn limits_hold_for_plain_and_compressed_arrays() {
        let few = Limits {
            max_bytes: 100,
            ..Limits::default()
        };
        let error = decode_mat("golden", GOLDEN, &few).expect_err("compressed");
        assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
        let plain = file(&[encode_element("a", &[20, 10], &[0; 200])]);
        let error = decode_mat("plain", &plain, &few).expect_err("plain");
        assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
        let one = Limits {
            max_entries: 1,
            ..Limits::default()
        };
        let two = encode_element("a", &[1, 1], &[0]);
        let error = decode_mat("two", &file(&[two.clone(), two]), &one).expect_err("two");
        assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
    }
}
