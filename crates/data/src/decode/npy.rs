//! NumPy arrays: .npy bytes to numbers of the kinds that data sets use.
//!
//! Pickled objects and structured types are refused, so nothing in a file can run code.

use super::npy_header::NpyHeader;
use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode npy";

/// Element types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NpyKind {
    /// `|b1`: one byte, 0 or 1.
    Bool,
    /// `i1`, `i2`, `i4`, `i8`, with the number of bytes.
    Int(u8),
    /// `u1`, `u2`, `u4`, `u8`, with the number of bytes.
    Uint(u8),
    /// `f4` or `f8`, with the number of bytes.
    Float(u8),
}

impl NpyKind {
    /// Parses a type string such as `<f4`; the second value says big-endian.
    pub(crate) fn parse(descr: &str) -> Option<(Self, bool)> {
        let mut chars = descr.chars();
        let order = chars.next()?;
        let kind = chars.next()?;
        let size: u8 = chars.as_str().parse().ok()?;
        let kind = match (kind, size) {
            ('b', 1) => Self::Bool,
            ('i', 1 | 2 | 4 | 8) => Self::Int(size),
            ('u', 1 | 2 | 4 | 8) => Self::Uint(size),
            ('f', 4 | 8) => Self::Float(size),
            _ => return None,
        };
        match order {
            '<' => Some((kind, false)),
            '>' => Some((kind, true)),
            '|' if size == 1 => Some((kind, false)),
            _ => None,
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Int(n) | Self::Uint(n) | Self::Float(n) => usize::from(n),
        }
    }
}

/// An array as it stood in the file, in row-major order and little-endian bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyArray {
    /// Element type.
    pub kind: NpyKind,
    /// Sizes of the dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The elements' bytes.
    pub bytes: Vec<u8>,
}

/// Decodes an .npy file.
///
/// # Errors
///
/// [`DataError::Format`] for damage, objects, or data that is shorter or longer than the header
/// says; [`DataError::TooLarge`] before anything is allocated for it.
pub fn decode_npy(name: &str, bytes: &[u8], limits: &Limits) -> Result<NpyArray, DataError> {
    let mut rest = bytes;
    let header = NpyHeader::read(name, &mut rest, limits)?;
    if rest.len() != header.num_bytes {
        let expected = format!(
            "{} bytes of data for shape {:?}",
            header.num_bytes, header.shape
        );
        return Err(DataError::format(
            OP,
            name,
            expected,
            format!("{} bytes", rest.len()),
        ));
    }
    Ok(assemble(header, rest.to_vec()))
}

/// Puts raw data into little-endian, row-major form.
pub(super) fn assemble(header: NpyHeader, mut bytes: Vec<u8>) -> NpyArray {
    let NpyHeader {
        kind,
        big_endian,
        fortran_order,
        shape,
        ..
    } = header;
    let size = kind.size();
    if big_endian {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    if fortran_order && shape.len() > 1 {
        bytes = to_row_major(&bytes, &shape, size);
    }
    NpyArray { kind, shape, bytes }
}

/// Reorders column-major elements; walks the output and steps through the input.
fn to_row_major(bytes: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1_usize;
    for &dim in shape {
        strides.push(stride);
        stride *= dim;
    }
    let mut index = vec![0_usize; shape.len()];
    let mut out = Vec::with_capacity(bytes.len());
    for _ in 0..bytes.len() / size {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        out.extend_from_slice(&bytes[at * size..(at + 1) * size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

impl NpyArray {
    /// The elements as f32.
    ///
    /// # Errors
    ///
    /// [`DataError::Format`] with the position of the first NaN or infinite element.
    pub fn to_f32(&self, name: &str) -> Result<Vec<f32>, DataError> {
        let bytes = &self.bytes;
        let values: Vec<f32> = match self.kind {
            NpyKind::Float(4) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f32::from_le_bytes(c))
                .collect(),
            NpyKind::Float(_) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f64::from_le_bytes(c) as f32)
                .collect(),
            NpyKind::Bool | NpyKind::Uint(1) => bytes.iter().map(|&b| f32::from(b)).collect(),
            NpyKind::Uint(8) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| u64::from_le_bytes(c) as f32)
                .collect(),
            NpyKind::Int(_) | NpyKind::Uint(_) => {
                self.to_i64(name)?.into_iter().map(|v| v as f32).collect()
            }
        };
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values),
            Some(at) => {
                let found = format!("{} at element {at}", values[at]);
                Err(DataError::format(OP, name, "finite numbers in f32", found))
            }
        }
    }

    /// The elements as i64.
    ///
    /// # Errors
    ///
    /// [`DataError::Format`] for floats and for values that do not fit.
    pub fn to_i64(&self, name: &str) -> Result<Vec<i64>, DataError> {
        let bytes = &self.bytes;
        let values = match self.kind {
            NpyKind::Bool | NpyKind::Uint(1) => bytes.iter().map(|&b| i64::from(b)).collect(),
            NpyKind::Int(1) => bytes.iter().map(|&b| i64::from(b as i8)).collect(),
            NpyKind::Int(2) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| i16::from_le_bytes(c).into())
                .collect(),
            NpyKind::Uint(2) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| u16::from_le_bytes(c).into())
                .collect(),
            NpyKind::Int(4) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| i32::from_le_bytes(c).into())
                .collect(),
            NpyKind::Uint(4) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| u32::from_le_bytes(c).into())
                .collect(),
            NpyKind::Int(_) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| i64::from_le_bytes(c))
                .collect(),
            NpyKind::Uint(_) | NpyKind::Float(_) => {
                let found = format!("{:?}", self.kind);
                return Err(DataError::format(
                    OP,
                    name,
                    "integers of at most 63 bits",
                    found,
                ));
            }
        };
        Ok(values)
    }
}

/// Writes unsigned bytes as an .npy file of version 1.
///
/// # Panics
///
/// When the shape does not have as many elements as there are bytes.
pub fn encode_npy_u8(shape: &[usize], data: &[u8]) -> Vec<u8> {
    assert_eq!(
        shape.iter().product::<usize>(),
        data.len(),
        "encode_npy_u8: shape {shape:?}"
    );
    let dims: String = shape.iter().map(|d| format!("{d}, ")).collect();
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({dims}), }}");
    // NumPy aligns the data to 64 bytes; 11 are the magic, version, length and final line feed.
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ShapeBuilder, arr2};
    use ndarray_npy::WriteNpyExt;

    use super::*;

    fn written<T: ndarray_npy::WritableElement>(array: &Array2<T>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).expect("writes to memory");
        bytes
    }

    #[test]
    fn reads_what_another_writer_wrote() {
        let limits = Limits::default();
        let floats = arr2(&[[1.5_f32, -2.0, 3.25], [4.0, 5.0, 6.0]]);
        let array = decode_npy("a", &written(&floats), &limits).expect("f4");
        assert_eq!(
            (array.shape.as_slice(), array.kind),
            (&[2, 3][..], NpyKind::Float(4))
        );
        assert_eq!(
            array.to_f32("a").expect("finite"),
            [1.5, -2.0, 3.25, 4.0, 5.0, 6.0]
        );
        assert!(array.to_i64("a").is_err());
        let ints = arr2(&[[-1_i64, 2], [3, i64::MAX]]);
        let array = decode_npy("a", &written(&ints), &limits).expect("i8");
        assert_eq!(array.to_i64("a").expect("fits"), [-1, 2, 3, i64::MAX]);
        let mut fortran = Array2::<u16>::zeros((2, 3).f());
        fortran.assign(&arr2(&[[1, 2, 3], [4, 5, 600]]));
        let bytes = written(&fortran);
        assert!(String::from_utf8_lossy(&bytes).contains("'fortran_order': True"));
        let array = decode_npy("a", &bytes, &limits).expect("fortran order");
        assert_eq!(array.to_i64("a").expect("fits"), [1, 2, 3, 4, 5, 600]);
    }

    #[test]
    fn our_writer_is_read_back() {
        let bytes = encode_npy_u8(&[2, 2], &[1, 2, 3, 4]);
        let array = decode_npy("a", &bytes, &Limits::default()).expect("u1");
        assert_eq!((array.shape, array.bytes), (vec![2, 2], vec![1, 2, 3, 4]));
        let theirs: ndarray::Array2<u8> =
            ndarray_npy::ReadNpyExt::read_npy(&bytes[..]).expect("another reader");
        assert_eq!(theirs, arr2(&[[1, 2], [3, 4]]));
    }

    #[test]
    fn nan_is_named_with_its_position() {
        let bytes = written(&arr2(&[[1.0_f64, f64::NAN]]));
        let array = decode_npy("bad.npy", &bytes, &Limits::default()).expect("decodes");
        let error = array.to_f32("bad.npy").expect_err("NaN").to_string();
        assert!(
            error.contains("NaN at element 1") && error.contains("bad.npy"),
            "{error}"
        );
    }

    #[test]
    fn hostile_headers_are_refused() {
        let limits = Limits {
            max_bytes: 1 << 20,
            ..Limits::default()
        };
        let file = |header: &str, data: &[u8]| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend(data);
            bytes
        };
        let of = |descr: &str, shape: &str| {
            file(
                &format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"),
                &[],
            )
        };
        for (bytes, word) in [
            (of("'|O'", "(1,)"), "objects"),
            (of("'<f4'", "(1152921504606846976,)"), "2^32"),
            (of("'<f4'", "(4294967295, 4294967295, 4294967295)"), "limit"),
            (of("'<f4'", "(0, 18446744073709551615)"), "2^32"),
            (of("'<f4'", "(3,)"), "12 bytes of data"),
            (of("[('a', '<f4')]", "(3,)"), "dictionary"),
            (of("'<f4'", "(-1,)"), "dictionary"),
            (of("'<f4'", "(99999999999999999999999,)"), "dimension"),
            (file("{'descr': '<f4', 'descr': '<f4'}", &[]), "twice"),
            (file("{'descr': '<f4'}", &[]), "keys"),
            (file("{", &[]), "dictionary"),
            (file("{}x", &[]), "after"),
            (file("", &[]), "dictionary"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "65536"),
            (b"\x93NUMPY\x09\x00".to_vec(), "version"),
            (b"\x93NUMP".to_vec(), "magic"),
            (b"PK\x03\x04aaaa".to_vec(), "magic"),
        ] {
            let error = decode_npy("h.npy", &bytes, &limits)
                .expect_err(word)
                .to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
