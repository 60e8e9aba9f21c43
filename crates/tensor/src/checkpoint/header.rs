//! The header of a safetensors file, with every length checked against the file before memory
//! is taken.

use super::{Limits, METADATA_KEY};
use crate::{Kind, TensorError};
use safetensors::tensor::{Dtype, Metadata};
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use vaegis_core::CoreError;

/// Bytes of the length that a file starts with.
const LENGTH_BYTES: u64 = 8;

/// Most dimensions of one tensor; libtorch itself stops at 64 in many kernels.
const MAX_DIMENSIONS: usize = 64;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderEntry {
    /// Name of the tensor.
    pub name: String,
    /// Sizes of its dimensions.
    pub shape: Vec<usize>,
    pub(super) dtype: Dtype,
    pub(super) range: Range<usize>,
}

impl HeaderEntry {
    /// The element type as the file names it, for example `F32`.
    pub fn dtype(&self) -> String {
        dtype_name(self.dtype)
    }
}

/// What a file says about itself before its values.
#[derive(Clone, Debug)]
pub struct Header {
    /// The tensors, sorted by name.
    pub entries: Vec<HeaderEntry>,
    /// The JSON text under our metadata key; none in files by other writers.
    pub raw_metadata: Option<String>,
    pub(super) data_bytes: usize,
}

/// A file that is open behind its checked header.
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) header: Header,
}

/// Reads names, element types and shapes without reading the values.
///
/// # Errors
/// A file that cannot be read, is longer than `limits` or is damaged.
pub fn read_header(path: &Path, limits: Limits) -> Result<Header, TensorError> {
    Ok(open(path, limits)?.header)
}

pub(super) fn open(path: &Path, limits: Limits) -> Result<OpenFile, TensorError> {
    let mut file = File::open(path).map_err(|e| io(path, e))?;
    let file_bytes = file.metadata().map_err(|e| io(path, e))?.len();
    if file_bytes > limits.file_bytes {
        return Err(too_large(path, file_bytes, limits.file_bytes));
    }
    if file_bytes < LENGTH_BYTES {
        let found = format!("{file_bytes} bytes");
        return Err(bad_file("file length", "at least 8 bytes", found, path));
    }
    let mut length = [0_u8; 8];
    file.read_exact(&mut length).map_err(|e| io(path, e))?;
    let header_bytes = u64::from_le_bytes(length);
    let rest = file_bytes - LENGTH_BYTES;
    if header_bytes > rest {
        let expected = format!("at most the {rest} bytes that follow");
        return Err(bad_file(
            "header length",
            expected,
            format!("{header_bytes} bytes"),
            path,
        ));
    }
    if header_bytes > limits.header_bytes {
        return Err(too_large(path, header_bytes, limits.header_bytes));
    }
    let mut text = vec![0_u8; usize::try_from(header_bytes).expect("invariant: within limits")];
    file.read_exact(&mut text).map_err(|e| io(path, e))?;
    let data_bytes = usize::try_from(rest - header_bytes).expect("invariant: within limits");
    let header = parse(&text, data_bytes, path)?;
    Ok(OpenFile { file, header })
}

fn parse(text: &[u8], data_bytes: usize, path: &Path) -> Result<Header, TensorError> {
    // Parsing into `Metadata` also checks that the ranges are contiguous and fit the shapes.
    let metadata: Metadata = serde_json::from_slice(text).map_err(|e| {
        bad_file(
            "header",
            "the JSON header of a safetensors file",
            e.to_string(),
            path,
        )
    })?;
    if metadata.data_len() != data_bytes {
        let expected = format!("the {} bytes that the header names", metadata.data_len());
        return Err(bad_file(
            "data section",
            expected,
            format!("{data_bytes} bytes"),
            path,
        ));
    }
    let mut entries = Vec::new();
    for name in metadata.offset_keys() {
        let info = metadata
            .info(&name)
            .expect("invariant: the key is in the header");
        if info.shape.len() > MAX_DIMENSIONS || info.shape.iter().any(|&n| n > i64::MAX as usize) {
            let found = format!("{} dimensions in tensor {name:?}", info.shape.len());
            let expected = format!("at most {MAX_DIMENSIONS} dimensions of a signed size");
            return Err(bad_file("shape", expected, found, path));
        }
        let (start, end) = info.data_offsets;
        let (shape, dtype) = (info.shape.clone(), info.dtype);
        entries.push(HeaderEntry {
            name,
            shape,
            dtype,
            range: start..end,
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let raw_metadata = metadata
        .metadata()
        .as_ref()
        .and_then(|map| map.get(METADATA_KEY))
        .cloned();
    Ok(Header {
        entries,
        raw_metadata,
        data_bytes,
    })
}

/// The element kinds that both sides know.
const KINDS: [(Kind, Dtype); 10] = [
    (Kind::Bool, Dtype::BOOL),
    (Kind::Uint8, Dtype::U8),
    (Kind::Int8, Dtype::I8),
    (Kind::Int16, Dtype::I16),
    (Kind::Int, Dtype::I32),
    (Kind::Int64, Dtype::I64),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
];

pub(super) fn dtype_of(kind: Kind) -> Option<Dtype> {
    KINDS
        .iter()
        .find(|(k, _)| *k == kind)
        .map(|(_, dtype)| *dtype)
}

pub(super) fn kind_of(dtype: Dtype) -> Option<Kind> {
    KINDS
        .iter()
        .find(|(_, d)| *d == dtype)
        .map(|(kind, _)| *kind)
}

pub(super) fn dtype_name(dtype: Dtype) -> String {
    format!("{dtype:?}")
}

pub(super) fn io(path: &Path, error: std::io::Error) -> TensorError {
    CoreError::io("read", path, error).into()
}

fn too_large(path: &Path, found: u64, limit: u64) -> TensorError {
    CoreError::TooLarge {
        name: path.display().to_string(),
        found,
        limit,
    }
    .into()
}

pub(super) fn bad_file(
    what: &'static str,
    expected: impl Into<String>,
    found: impl Into<String>,
    path: &Path,
) -> TensorError {
    TensorError::BadFile {
        what,
        expected: expected.into(),
        found: found.into(),
        path: path.to_owned(),
    }
}
