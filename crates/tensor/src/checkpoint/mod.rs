//! Tensors in safetensors files: readable from Python, no code inside, checked on reading.
//!
//! One metadata key, [`METADATA_KEY`], holds JSON with the caller's metadata and a checksum over
//! names, kinds, shapes, values and that metadata. More than one key would make the bytes vary
//! from run to run, since the format stores keys in hash order. Files by other writers have no
//! such key; they are read without checksum and with null metadata.
//!
//! Not for whole training runs: a checkpoint folder belongs to the training crate.

mod header;

pub use header::{Header, HeaderEntry, read_header};

use crate::{Device, Kind, Tensor, TensorError};
use header::{bad_file, dtype_name, kind_of};
use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::path::Path;
use vaegis_core::codec::write_atomic;

/// The one metadata key of our files.
pub const METADATA_KEY: &str = "vaegis";

/// Version of the JSON under [`METADATA_KEY`].
const FORMAT: u32 = 1;

/// Sizes beyond which a file is refused before memory is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest header in bytes.
    pub header_bytes: u64,
    /// Longest file in bytes.
    pub file_bytes: u64,
}

impl Default for Limits {
    /// A header of 16 MiB (some 10⁵ tensors) and a file of 16 GiB.
    fn default() -> Self {
        Self {
            header_bytes: 16 << 20,
            file_bytes: 16 << 30,
        }
    }
}

/// What stands under [`METADATA_KEY`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    format: u32,
    meta: Value,
    sha256: String,
}

/// Writes tensors and metadata to `path`, replacing it atomically. Equal content gives equal
/// bytes, whatever the order of `tensors`.
///
/// # Errors
/// A repeated name, an element kind that the format does not know, or a failed write; an existing
/// file is untouched then.
pub fn save(path: &Path, tensors: &[(String, Tensor)], meta: &Value) -> Result<(), TensorError> {
    write_atomic(path, &to_bytes(path, tensors, meta)?)?;
    Ok(())
}

/// Reads the tensors of a file to the CPU, sorted by name, and its metadata (null for files by
/// other writers).
///
/// # Errors
/// A file that cannot be read, is longer than `limits`, is damaged or fails its checksum.
pub fn load(path: &Path, limits: Limits) -> Result<(Vec<(String, Tensor)>, Value), TensorError> {
    let mut file = header::open(path, limits)?;
    // The header was checked against the length of the file, so this allocates no more than that.
    let mut data = vec![0_u8; file.header.data_bytes];
    file.file
        .read_exact(&mut data)
        .map_err(|e| header::io(path, e))?;
    let envelope = match &file.header.raw_metadata {
        None => None,
        Some(text) => Some(serde_json::from_str::<Envelope>(text).map_err(|e| {
            bad_file(
                "metadata",
                "the metadata of a vaegis checkpoint",
                e.to_string(),
                path,
            )
        })?),
    };
    let mut meta = Value::Null;
    if let Some(envelope) = envelope {
        if envelope.format != FORMAT {
            return Err(bad_file(
                "metadata format",
                format!("version {FORMAT}"),
                format!(
                    "version {}: it was written by another release",
                    envelope.format
                ),
                path,
            ));
        }
        let rows = file.header.entries.iter().map(|e| {
            (
                e.name.as_str(),
                e.dtype,
                e.shape.as_slice(),
                &data[e.range.clone()],
            )
        });
        let found = checksum(rows, &envelope.meta);
        if found != envelope.sha256 {
            return Err(bad_file("checksum", envelope.sha256, found, path));
        }
        meta = envelope.meta;
    }
    let mut tensors = Vec::with_capacity(file.header.entries.len());
    for entry in &file.header.entries {
        let kind = kind_of(entry.dtype).ok_or_else(|| {
            let found = format!("{:?} in tensor {:?}", entry.dtype, entry.name);
            bad_file("element type", "one that libtorch reads", found, path)
        })?;
        let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
        let tensor = Tensor::f_from_data_size(&data[entry.range.clone()], &shape, kind)?;
        tensors.push((entry.name.clone(), tensor));
    }
    Ok((tensors, meta))
}

/// The file's bytes.
fn to_bytes(
    path: &Path,
    tensors: &[(String, Tensor)],
    meta: &Value,
) -> Result<Vec<u8>, TensorError> {
    let mut names = BTreeSet::new();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        if !names.insert(name) || name == "__metadata__" {
            return Err(TensorError::DuplicateParameter { name: name.clone() });
        }
        views.push((name.as_str(), HostTensor::new(name, tensor, path)?));
    }
    views.sort_by_key(|(name, _)| *name);
    let rows = views
        .iter()
        .map(|(name, v)| (*name, v.dtype, v.shape.as_slice(), &v.bytes[..]));
    let envelope = Envelope {
        format: FORMAT,
        meta: meta.clone(),
        sha256: checksum(rows, meta),
    };
    let text = serde_json::to_string(&envelope).expect("invariant: JSON values serialize");
    let info = HashMap::from([(METADATA_KEY.to_owned(), text)]);
    safetensors::serialize(views, Some(info))
        .map_err(|e| bad_file("tensors", "what the format can hold", e.to_string(), path))
}

/// The SHA-256 of everything in the file that has a meaning, in the order of the names.
fn checksum<'a>(
    rows: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
    meta: &Value,
) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // The length in front keeps two neighbors from being read as one.
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (name, dtype, shape, bytes) in rows {
        part(name.as_bytes());
        part(dtype_name(dtype).as_bytes());
        let sizes: Vec<u8> = shape
            .iter()
            .flat_map(|&n| (n as u64).to_le_bytes())
            .collect();
        part(&sizes);
        part(bytes);
    }
    part(meta.to_string().as_bytes());
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A tensor's bytes on the host.
struct HostTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl HostTensor {
    fn new(name: &str, tensor: &Tensor, path: &Path) -> Result<Self, TensorError> {
        let kind = tensor.kind();
        let dtype = header::dtype_of(kind).ok_or_else(|| {
            let found = format!("{kind:?} in tensor {name:?}");
            bad_file("element kind", "one that safetensors knows", found, path)
        })?;
        let host = tensor.detach().to_device(Device::Cpu).contiguous();
        let mut bytes = vec![0_u8; host.numel() * kind.elt_size_in_bytes()];
        host.f_copy_data_u8(&mut bytes, host.numel())?;
        let shape = host.size().iter().map(|&n| n as usize).collect();
        Ok(Self {
            dtype,
            shape,
            bytes,
        })
    }
}

impl View for HostTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Whether every value of every real tensor is finite, by one reduction and one
/// synchronization for all of them.
pub fn all_finite(tensors: &[(String, Tensor)]) -> bool {
    let real = |t: &&(String, Tensor)| {
        matches!(
            t.1.kind(),
            Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16
        )
    };
    let flags: Vec<Tensor> = tensors
        .iter()
        .filter(real)
        .map(|(_, t)| t.detach().isfinite().all())
        .collect();
    flags.is_empty() || Tensor::stack(&flags, 0).all().int64_value(&[]) == 1
}
