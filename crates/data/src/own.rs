//! A user's own data: folders of pictures and NumPy arrays.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use vaegis_core::CoreError;
use vaegis_core::codec::{Bytes, read_limited};
use vaegis_core::hash::sha256_hex;

use crate::cache::{Decoded, cached};
use crate::dataset::{Dataset, DatasetSpec, Split};
use crate::decode::{NpyArray, NpyKind, decode_npy, decode_npz, decode_picture};
use crate::error::DataError;
use crate::options::OpenOptions;
use crate::resize::resize_bytes;
use crate::store::{ByteStore, FloatStore, Targets};

/// Side of pictures where none is asked for.
const DEFAULT_SIDE: usize = 64;

/// Opens all PNG and JPEG pictures of a folder and its direct subfolders, which are the classes.
///
/// Pictures are cropped to their middle square and resized; the set is grey only if all are.
///
/// # Errors
///
/// [`DataError`] when there are no pictures, too many, or a damaged one.
pub fn folder(path: &Path, split: Split, options: &OpenOptions) -> Result<ByteStore, DataError> {
    let limits = &options.limits;
    let side = options.size.unwrap_or(DEFAULT_SIDE);
    let name = path.display().to_string();
    let mut classes: Vec<PathBuf> = list(path)?.into_iter().filter(|p| p.is_dir()).collect();
    classes.sort();
    let labeled = !classes.is_empty();
    if !labeled {
        classes.push(path.to_owned());
    }
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let mut pictures: Vec<PathBuf> =
            list(class)?.into_iter().filter(|p| is_picture(p)).collect();
        pictures.sort();
        files.extend(pictures.into_iter().map(|p| (p, label as i64)));
    }
    limits.entries("open folder", &name, files.len() as u64)?;
    let decoded_size = files.len() as u128 * (side as u128 * side as u128 * 3);
    limits.bytes("open folder", &name, decoded_size)?;
    if files.is_empty() || side == 0 {
        let found = format!("{} pictures at side {side}", files.len());
        return Err(DataError::format(
            "open folder",
            &name,
            "PNG or JPEG files",
            found,
        ));
    }
    let hashes: Vec<String> = files
        .par_iter()
        .map(|(file, _)| Ok(sha256_hex(&read_limited(file, limits.max_bytes)?)))
        .collect::<Result<_, CoreError>>()?;
    let checksum = sha256_hex(hashes.join("\n").as_bytes());
    let key = format!("folder {side} {checksum}");
    let decoded = cached(options.cache.as_deref(), &key, limits, || {
        decode_files(&files, side, options)
    })?;
    let spec = DatasetSpec {
        name: format!("folder:{name}"),
        item_shape: decoded.shape,
        value_range: (0.0, 1.0),
        num_classes: labeled.then_some(classes.len()),
        factor_names: vec![],
        factor_sizes: vec![],
        len: files.len(),
        split,
        origin: format!("pictures of {name}"),
        checksum,
    };
    let labels = labeled.then(|| files.iter().map(|f| f.1).collect());
    ByteStore::new(
        spec,
        decoded.pixels.0,
        255,
        Targets {
            labels,
            factors: None,
        },
    )
}

fn decode_files(
    files: &[(PathBuf, i64)],
    side: usize,
    options: &OpenOptions,
) -> Result<Decoded, DataError> {
    let pictures: Vec<(usize, Vec<u8>)> = files
        .par_iter()
        .map(|(file, _)| {
            let name = file.display().to_string();
            let bytes = read_limited(file, options.limits.max_bytes)?;
            let picture = decode_picture(&name, &bytes, &options.limits)?;
            let (square, channels) = (picture.height.min(picture.width), picture.channels);
            let middle = picture.middle(square, square);
            Ok((
                channels,
                resize_bytes(&middle.data, (square, square, channels), (side, side)),
            ))
        })
        .collect::<Result<_, DataError>>()?;
    let channels = pictures.iter().map(|p| p.0).max().unwrap_or(1);
    let mut pixels = Vec::with_capacity(pictures.len() * channels * side * side);
    for (own, picture) in pictures {
        // A grey picture among colored ones repeats its channel.
        for _ in 0..channels / own {
            pixels.extend_from_slice(&picture);
        }
    }
    Ok(Decoded {
        shape: [channels, side, side],
        pixels: Bytes(pixels),
        ..Decoded::default()
    })
}

fn list(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |e| CoreError::io("list", path, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    path.is_file() && matches!(extension.as_str(), "png" | "jpg" | "jpeg")
}

/// Opens an .npy array `[N, D]`, `[N, H, W]` or `[N, C, H, W]` as a data set.
///
/// Bytes become `[0, 1]` by division by 255, or by 1 where they are only 0 and 1; floats and
/// wider integers stay as they are.
///
/// # Errors
///
/// [`DataError`] for damage, another shape or a value that is not finite.
pub fn npy(
    path: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<Box<dyn Dataset>, DataError> {
    let bytes = read_limited(path, options.limits.max_bytes)?;
    let name = path.display().to_string();
    let array = decode_npy(&name, &bytes, &options.limits)?;
    array_set(
        "npy",
        &name,
        sha256_hex(&bytes),
        array,
        Targets::default(),
        split,
    )
}

/// Opens an .npz archive: items in `x`, `imgs`, `images`, `data` or the only array, labels in
/// `y`, `labels` or `targets`, factors in `latents_classes` or `factors`.
///
/// # Errors
///
/// As [`npy`], and when there is no array of items or counts disagree.
pub fn npz(
    path: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<Box<dyn Dataset>, DataError> {
    let bytes = read_limited(path, options.limits.max_bytes)?;
    let name = path.display().to_string();
    let mut arrays = decode_npz(&name, &bytes, &options.limits)?;
    let take = |arrays: &mut std::collections::BTreeMap<String, NpyArray>, keys: &[&str]| {
        keys.iter().find_map(|&key| arrays.remove(key))
    };
    let labels = match take(&mut arrays, &["y", "labels", "targets"]) {
        Some(array) => Some(array.to_i64(&name)?),
        None => None,
    };
    let factors = match take(&mut arrays, &["latents_classes", "factors"]) {
        Some(array) if array.shape.len() == 2 => {
            let shape = (array.shape[0], array.shape[1]);
            let values = array.to_f32(&name)?;
            let table = ndarray::Array2::from_shape_vec(shape, values)
                .map_err(|e| DataError::format("open npz", &name, "a table of factors", e))?;
            Some(table)
        }
        Some(array) => {
            let found = format!("{:?}", array.shape);
            return Err(DataError::format(
                "open npz",
                &name,
                "factors of shape [N, F]",
                found,
            ));
        }
        None => None,
    };
    let only = (arrays.len() == 1)
        .then(|| arrays.keys().next().cloned())
        .flatten();
    let items = take(&mut arrays, &["x", "imgs", "images", "data"])
        .or_else(|| only.and_then(|key| arrays.remove(&key)));
    let Some(items) = items else {
        let keys = format!("{:?}", arrays.keys().collect::<Vec<_>>());
        return Err(DataError::format(
            "open npz",
            &name,
            "an array x, imgs, images or data",
            keys,
        ));
    };
    array_set(
        "npz",
        &name,
        sha256_hex(&bytes),
        items,
        Targets { labels, factors },
        split,
    )
}

fn array_set(
    kind: &str,
    name: &str,
    checksum: String,
    array: NpyArray,
    targets: Targets,
    split: Split,
) -> Result<Box<dyn Dataset>, DataError> {
    let (len, item_shape) = match *array.shape.as_slice() {
        [n, d] => (n, [1, 1, d]),
        [n, h, w] => (n, [1, h, w]),
        [n, c, h, w] => (n, [c, h, w]),
        _ => {
            let found = format!("{:?}", array.shape);
            let expected = "items of shape [N, D], [N, H, W] or [N, C, H, W]";
            return Err(DataError::format("open array", name, expected, found));
        }
    };
    let classes = targets
        .labels
        .as_ref()
        .map(|l| l.iter().max().map_or(0, |&m| m.max(0) + 1));
    let factor_count = targets.factors.as_ref().map_or(0, ndarray::Array2::ncols);
    let spec = DatasetSpec {
        name: format!("{kind}:{name}"),
        item_shape,
        value_range: (0.0, 1.0),
        num_classes: classes.and_then(|c| usize::try_from(c).ok()),
        factor_names: (0..factor_count).map(|i| format!("factor{i}")).collect(),
        factor_sizes: vec![0; factor_count],
        len,
        split,
        origin: format!("array of {name}"),
        checksum,
    };
    if matches!(array.kind, NpyKind::Uint(1) | NpyKind::Bool) {
        let divisor = if array.bytes.iter().all(|&b| b <= 1) {
            1
        } else {
            255
        };
        return Ok(Box::new(ByteStore::new(
            spec,
            array.bytes,
            divisor,
            targets,
        )?));
    }
    let values = array.to_f32(name)?;
    Ok(Box::new(FloatStore::new(spec, values, targets)?))
}
