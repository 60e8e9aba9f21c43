//! Omniglot: a zip of 105x105 one-bit PNGs in folders by alphabet and character.

use std::collections::BTreeMap;
use std::io::Read;

use super::{decode_picture, open_archive, open_entry};
use crate::error::DataError;
use crate::limits::{Limits, too_large};

const OP: &str = "decode Omniglot";
/// Pixels per side.
const SIDE: usize = 105;
/// Largest PNG entry: an uncompressed 8-bit picture would be a tenth of this.
const MAX_ENTRY_BYTES: u64 = 1 << 17;

/// Drawings in the order of their paths, ink as 255 on 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OmniglotBatch {
    /// `[N, 105, 105]` bytes.
    pub images: Vec<u8>,
    /// `alphabet/character` of each drawing.
    pub characters: Vec<String>,
    /// Number of the person who drew it, counted from 1.
    pub drawers: Vec<u32>,
}

/// Decodes an Omniglot zip.
///
/// The files hold black ink on white; they are inverted so that ink is bright, as in MNIST.
///
/// # Errors
///
/// [`DataError::Format`] for damage, another picture size or an unexpected path;
/// [`DataError::TooLarge`] when all pictures together pass the limit.
pub fn decode_omniglot(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<OmniglotBatch, DataError> {
    let mut archive = open_archive(name, bytes, limits)?;
    let mut entries = BTreeMap::new();
    for index in 0..archive.len() {
        let path = open_entry(name, &mut archive, index, |full, _, _| Ok(full.to_owned()))?;
        // macOS adds shadow entries to zips; they are no drawings.
        if path.ends_with(".png") && !path.contains("__MACOSX") {
            entries.insert(path, index);
        }
    }
    let total = entries.len() as u128 * (SIDE * SIDE) as u128;
    limits.bytes(OP, name, total)?;
    let mut batch = OmniglotBatch::default();
    for (path, &index) in &entries {
        let (character, drawer) = split_path(path)?;
        let file = open_entry(name, &mut archive, index, |full, size, stream| {
            read_entry(full, size, stream)
        })?;
        let picture = decode_picture(path, &file, limits)?;
        if (picture.width, picture.height, picture.channels) != (SIDE, SIDE, 1) {
            let found = format!("{}x{}x{}", picture.width, picture.height, picture.channels);
            return Err(DataError::format(
                OP,
                path,
                "a grey picture of 105x105",
                found,
            ));
        }
        batch.images.extend(picture.data.iter().map(|v| 255 - v));
        batch.characters.push(character);
        batch.drawers.push(drawer);
    }
    if batch.drawers.is_empty() {
        return Err(DataError::format(OP, name, "PNG entries", "none"));
    }
    Ok(batch)
}

/// Reads a small entry whole; its checksum is verified at its end.
fn read_entry(name: &str, size: u64, stream: &mut dyn Read) -> Result<Vec<u8>, DataError> {
    let too_big = |n| too_large(OP, name, "entry size", MAX_ENTRY_BYTES, u128::from(n));
    if size > MAX_ENTRY_BYTES {
        return Err(too_big(size));
    }
    let mut file = Vec::new();
    stream
        .take(MAX_ENTRY_BYTES + 1)
        .read_to_end(&mut file)
        .map_err(|e| DataError::format(OP, name, "a whole entry with a right checksum", e))?;
    if file.len() as u64 > MAX_ENTRY_BYTES {
        Err(too_big(file.len() as u64))
    } else {
        Ok(file)
    }
}

/// Splits `.../Greek/character03/0394_07.png` into `Greek/character03` and 7.
fn split_path(path: &str) -> Result<(String, u32), DataError> {
    let parts: Vec<&str> = path.rsplit('/').collect();
    let drawer = parts
        .first()
        .and_then(|file| file.strip_suffix(".png"))
        .and_then(|stem| stem.split_once('_'))
        .and_then(|(_, number)| number.parse().ok());
    match (parts.as_slice(), drawer) {
        ([_, character, alphabet, ..], Some(drawer)) => {
            Ok((format!("{alphabet}/{character}"), drawer))
        }
        _ => Err(DataError::format(
            OP,
            path,
            "alphabet/character/number_drawer.png",
            path,
        )),
    }
}
