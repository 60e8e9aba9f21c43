//! A user's own data: folders of pictures and NumPy arrays.
//!
//! Nobody has split such data, so a tenth is held out for testing ([`hold_out`]), unless a folder
//! says itself what is what. Not for published sets, which have splits of their own.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use vaegis_core::codec::{Bytes, read_limited};
use vaegis_core::hash::sha256_hex;
use vaegis_core::{CoreError, SeedTree};

use crate::cache::{Decoded, cached};
use crate::dataset::{Dataset, DatasetSpec, Split};
use crate::decode::{NpyArray, NpyKind, decode_npy, decode_npz, decode_picture};
use crate::error::DataError;
use crate::options::OpenOptions;
use crate::plan::hold_out;
use crate::resize::resize_bytes;
use crate::store::{ByteStore, FloatStore, Targets};
use crate::subset::Subset;

/// Side of pictures where none is asked for.
const DEFAULT_SIDE: usize = 64;

/// How data that nobody has split is split, for a set's origin.
const HELD_OUT: &str = "a random tenth held out for testing";

/// The part of `count` items that a split is, the same wherever the data lies.
///
/// Order within a split is that of the items.
fn part(name: &str, count: usize, split: Split) -> Result<Vec<usize>, DataError> {
    let chosen = hold_out(count, split, &SeedTree::new(0).child("own").child("split"));
    if split == Split::Test && chosen.is_empty() {
        let expected = "at least 2 items, one of which is held out for testing";
        return Err(DataError::format(
            "hold out test items",
            name,
            expected,
            count,
        ));
    }
    Ok(chosen)
}

/// A picture of a folder with its class and, where the folder says it, its split.
struct Picture {
    path: PathBuf,
    class: Option<String>,
    split: Option<Split>,
}

/// The pictures of `path`, or of its direct subfolders, which are then the classes.
fn pictures(path: &Path, split: Option<Split>) -> Result<Vec<Picture>, DataError> {
    let mut classes: Vec<(PathBuf, Option<String>)> = list(path)?
        .into_iter()
        .filter(|p| p.is_dir())
        .map(|p| {
            let name = p.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            (p, Some(name))
        })
        .collect();
    classes.sort();
    if classes.is_empty() {
        classes.push((path.to_owned(), None));
    }
    let mut found = Vec::new();
    for (folder, class) in classes {
        let mut files: Vec<PathBuf> = list(&folder)?
            .into_iter()
            .filter(|p| is_picture(p))
            .collect();
        files.sort();
        found.extend(files.into_iter().map(|path| Picture {
            path,
            class: class.clone(),
            split,
        }));
    }
    if found.is_empty() {
        let (name, expected) = (path.display().to_string(), "PNG or JPEG files");
        return Err(DataError::format("open folder", &name, expected, "none"));
    }
    Ok(found)
}

/// All pictures: those of the subfolders `train` and `test` where both are there.
fn all_pictures(path: &Path) -> Result<Vec<Picture>, DataError> {
    let [train, test] = [Split::Train, Split::Test].map(|s| (path.join(s.name()), s));
    if !(train.0.is_dir() && test.0.is_dir()) {
        return pictures(path, None);
    }
    let mut found = pictures(&train.0, Some(train.1))?;
    found.extend(pictures(&test.0, Some(test.1))?);
    let labeled = found.iter().filter(|p| p.class.is_some()).count();
    if labeled != 0 && labeled != found.len() {
        let name = path.display().to_string();
        let expected = "classes as subfolders of both train and test, or of neither";
        return Err(DataError::format(
            "open folder",
            &name,
            expected,
            "those of one",
        ));
    }
    Ok(found)
}

/// Opens all PNG and JPEG pictures of a folder and its direct subfolders, which are the classes.
///
/// Where there are subfolders `train` and `test`, these are the splits, each with its pictures or
/// its classes; elsewhere a random tenth is held out for testing, always the same one. Pictures
/// are cropped to their middle square and resized; the set is grey only if all of both splits are.
///
/// # Errors
///
/// [`DataError`] when there are no pictures, too many, or a damaged one; for the test split of a
/// folder with a single one.
pub fn folder(
    path: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<Subset<ByteStore>, DataError> {
    let limits = &options.limits;
    let side = options.size.unwrap_or(DEFAULT_SIDE);
    let name = path.display().to_string();
    let pictures = all_pictures(path)?;
    limits.entries("open folder", &name, pictures.len() as u64)?;
    let decoded_size = pictures.len() as u128 * (side as u128 * side as u128 * 3);
    limits.bytes("open folder", &name, decoded_size)?;
    if side == 0 {
        return Err(DataError::format(
            "open folder",
            &name,
            "a side of at least 1",
            side,
        ));
    }
    let files: Vec<&Path> = pictures.iter().map(|p| p.path.as_path()).collect();
    let hashes: Vec<String> = files
        .par_iter()
        .map(|file| Ok(sha256_hex(&read_limited(file, limits.max_bytes)?)))
        .collect::<Result<_, CoreError>>()?;
    let checksum = sha256_hex(hashes.join("\n").as_bytes());
    let key = format!("folder {side} {checksum}");
    let decoded = cached(options.cache.as_deref(), &key, limits, || {
        decode_files(&files, side, options)
    })?;
    // Numbered over both splits, so that a class has the same number in each.
    let mut classes: Vec<&String> = pictures.iter().filter_map(|p| p.class.as_ref()).collect();
    classes.sort();
    classes.dedup();
    let number = |p: &Picture| Some(classes.binary_search(&p.class.as_ref()?).ok()? as i64);
    let (chosen, how) = if pictures.iter().all(|p| p.split.is_some()) {
        let of_split = |&i: &usize| pictures[i].split == Some(split);
        let chosen = (0..pictures.len()).filter(of_split).collect();
        (chosen, "its folders train and test")
    } else {
        (part(&name, pictures.len(), split)?, HELD_OUT)
    };
    let spec = DatasetSpec {
        name: format!("folder:{name}"),
        item_shape: decoded.shape,
        value_range: (0.0, 1.0),
        num_classes: (!classes.is_empty()).then_some(classes.len()),
        factor_names: vec![],
        factor_sizes: vec![],
        len: pictures.len(),
        split,
        origin: format!("pictures of {name}, {how}"),
        checksum,
    };
    let labels = pictures.iter().map(number).collect();
    let targets = Targets {
        labels,
        factors: None,
    };
    Subset::new(
        ByteStore::new(spec, decoded.pixels.0, 255, targets)?,
        chosen,
    )
}

fn decode_files(files: &[&Path], side: usize, options: &OpenOptions) -> Result<Decoded, DataError> {
    let pictures: Vec<(usize, Vec<u8>)> = files
        .par_iter()
        .map(|file| {
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
/// wider integers stay as they are. A random tenth is held out for testing, always the same one;
/// the value range is that of all items.
///
/// # Errors
///
/// [`DataError`] for damage, another shape or a value that is not finite; for the test split of a
/// single item.
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
    let chosen = part(name, len, split)?;
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
        origin: format!("array of {name}, {HELD_OUT}"),
        checksum,
    };
    if matches!(array.kind, NpyKind::Uint(1) | NpyKind::Bool) {
        let divisor = if array.bytes.iter().all(|&b| b <= 1) {
            1
        } else {
            255
        };
        let whole = ByteStore::new(spec, array.bytes, divisor, targets)?;
        return Ok(Box::new(Subset::new(whole, chosen)?));
    }
    let values = array.to_f32(name)?;
    let whole = FloatStore::new(spec, values, targets)?;
    Ok(Box::new(Subset::new(whole, chosen)?))
}
