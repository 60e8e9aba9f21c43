//! NumPy archives: a zip of .npy entries, with bounds on entries and decoded sizes.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::npy::assemble;
use super::{NpyArray, NpyHeader};
use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode npz";

/// Opens a zip archive from bytes.
pub(crate) fn open_archive<'a>(
    name: &str,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<ZipArchive<Cursor<&'a [u8]>>, DataError> {
    let archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| DataError::format("open zip", name, "a whole zip archive", e))?;
    limits.entries("open zip", name, archive.len() as u64)?;
    Ok(archive)
}

/// Calls `body` with the name, the decoded size and the stream of entry `index`.
pub(crate) fn open_entry<T>(
    name: &str,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    body: impl FnOnce(&str, u64, &mut dyn Read) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let bad = |e: &dyn std::fmt::Display| {
        DataError::format(
            "open zip",
            &format!("{name} (entry {index})"),
            "a readable entry",
            e,
        )
    };
    let mut entry = archive.by_index(index).map_err(|e| bad(&e))?;
    let full = format!("{name}:{}", entry.name().map_err(|e| bad(&e))?);
    let size = entry.size();
    body(&full, size, &mut entry)
}

/// Decodes every array of an .npz file, by name without the `.npy`.
///
/// # Errors
///
/// [`DataError::Format`] for damage or a repeated name; [`DataError::TooLarge`] when the arrays
/// together pass the limit.
pub fn decode_npz(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<BTreeMap<String, NpyArray>, DataError> {
    let mut archive = open_archive(name, bytes, limits)?;
    let mut arrays = BTreeMap::new();
    let mut left = *limits;
    for index in 0..archive.len() {
        let (key, array) = open_entry(name, &mut archive, index, |full, size, stream| {
            let key = full.rsplit(':').next().unwrap_or(full);
            let key = key.strip_suffix(".npy").unwrap_or(key).to_owned();
            Ok((key, read_array(full, size, stream, &left)?))
        })?;
        left.max_bytes -= array.bytes.len() as u64;
        if arrays.insert(key.clone(), array).is_some() {
            return Err(DataError::format(OP, name, "entry names that differ", key));
        }
    }
    Ok(arrays)
}

/// Decodes the one array `key` of an .npz file and leaves the others alone.
///
/// # Errors
///
/// As [`decode_npz`]; a missing key is an error that lists the keys that exist.
pub fn decode_npz_entry(
    name: &str,
    bytes: &[u8],
    key: &str,
    limits: &Limits,
) -> Result<NpyArray, DataError> {
    let mut archive = open_archive(name, bytes, limits)?;
    let index = find_entry(name, &archive, key)?;
    open_entry(name, &mut archive, index, |full, size, stream| {
        read_array(full, size, stream, limits)
    })
}

/// Index of `key.npy` in an archive.
pub(crate) fn find_entry(
    name: &str,
    archive: &ZipArchive<Cursor<&[u8]>>,
    key: &str,
) -> Result<usize, DataError> {
    archive
        .index_for_name(&format!("{key}.npy"))
        .ok_or_else(|| {
            let mut keys: Vec<String> = archive
                .file_names()
                .flatten()
                .take(20)
                .map(|n| n.into_owned())
                .collect();
            keys.sort();
            DataError::format(OP, name, format!("an array {key:?}"), format!("{keys:?}"))
        })
}

/// Reads one array from an entry's stream; a wrong checksum shows at the end of the stream.
fn read_array(
    name: &str,
    size: u64,
    stream: &mut dyn Read,
    limits: &Limits,
) -> Result<NpyArray, DataError> {
    limits.bytes(OP, name, u128::from(size))?;
    let header = NpyHeader::read(name, stream, limits)?;
    // The stream may be far shorter than its header says: memory grows with what arrives.
    let mut data = Vec::with_capacity(header.num_bytes.min(1 << 20));
    stream
        .take(header.num_bytes as u64)
        .read_to_end(&mut data)
        .map_err(|e| DataError::format(OP, name, "a whole array with a right checksum", e))?;
    let mut tail = [0_u8; 1];
    let more = stream
        .read(&mut tail)
        .map_err(|e| DataError::format(OP, name, "a whole array with a right checksum", e))?;
    if data.len() != header.num_bytes || more > 0 {
        let expected = format!(
            "{} bytes of data for shape {:?}",
            header.num_bytes, header.shape
        );
        let found = if more > 0 {
            "more".to_owned()
        } else {
            data.len().to_string()
        };
        return Err(DataError::format(OP, name, expected, found));
    }
    Ok(assemble(header, data))
}
