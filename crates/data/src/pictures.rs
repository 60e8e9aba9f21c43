//! CelebA, the rendered chairs and 3D Faces: published folders with their published crops, or one
//! tensor file `[N, C, H, W]` of bytes made from them.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use vaegis_core::codec::{Bytes, read_limited};
use vaegis_core::hash::sha256_hex;
use vaegis_core::{CoreError, SeedTree};

use crate::cache::{Decoded, cached};
use crate::dataset::Split;
use crate::decode::{NpyKind, decode_npy, decode_picture};
use crate::error::DataError;
use crate::files::{Sources, missing};
use crate::options::OpenOptions;
use crate::plan::hold_out;
use crate::registry::Entry;
use crate::resize::resize_bytes;
use crate::store::ByteStore;
use crate::toys::FACE_FACTOR_SIZES;

const OP: &str = "open pictures";
/// Side where none is asked for: that of the networks.
const DEFAULT_SIDE: usize = 64;
/// Last training, last validation and last test picture of CelebA's own partition.
const CELEBA_PARTS: [usize; 3] = [162_770, 182_637, 202_599];

/// How the pictures of a set become items.
struct Rule {
    /// Height and width that every picture must have.
    size: (usize, usize),
    /// Side of the middle square that is kept.
    crop: usize,
    is_grey: bool,
}

/// Aligned CelebA portraits: the middle 148 by 148 of 218 by 178, in color.
const CELEBA: Rule = Rule {
    size: (218, 178),
    crop: 148,
    is_grey: false,
};
/// Rendered chairs: the middle 400 by 400 of 600 by 600, grey.
const CHAIRS: Rule = Rule {
    size: (600, 600),
    crop: 400,
    is_grey: true,
};

/// One picture of a folder and what its name says.
struct Item {
    path: PathBuf,
    factors: Vec<f32>,
}

/// Aligned and cropped CelebA.
pub(crate) fn celeba(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<ByteStore, DataError> {
    let folder = root.join("celeba/img_align_celeba");
    if root.join("celeba/celeba.npy").exists() || !folder.is_dir() {
        return tensor(entry, root, split, options);
    }
    let wanted = match split {
        Split::Train => 1..=CELEBA_PARTS[0],
        Split::Test => CELEBA_PARTS[1] + 1..=CELEBA_PARTS[2],
    };
    let items = list(&folder)?
        .into_iter()
        .filter(|path| number(path).is_some_and(|n| wanted.contains(&n)))
        .map(|path| Item {
            path,
            factors: vec![],
        })
        .collect();
    read_folder(entry, root, split, options, &CELEBA, items, &[])
}

/// Rendered chairs, a folder a model.
pub(crate) fn chairs(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<ByteStore, DataError> {
    let folder = root.join("chairs/rendered_chairs");
    if root.join("chairs/chairs.npy").exists() || !folder.is_dir() {
        return tensor(entry, root, split, options);
    }
    let mut views = Vec::new();
    let models: Vec<PathBuf> = list(&folder)?
        .into_iter()
        .map(|model| model.join("renders"))
        .filter(|renders| renders.is_dir())
        .collect();
    for (identity, renders) in models.iter().enumerate() {
        for path in list(renders)?.into_iter().filter(|p| is_png(p)) {
            let (elevation, azimuth) = view(&path)?;
            views.push((path, identity, azimuth, elevation));
        }
    }
    let classes = |of: fn(&(PathBuf, usize, u32, u32)) -> u32| {
        let mut values: Vec<u32> = views.iter().map(of).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let (azimuths, elevations) = (classes(|v| v.2), classes(|v| v.3));
    let class = |values: &[u32], value: u32| values.partition_point(|&v| v < value) as f32;
    let mut items: Vec<Option<Item>> = views
        .into_iter()
        .map(|(path, identity, azimuth, elevation)| {
            let azimuth = class(&azimuths, azimuth);
            let factors = vec![identity as f32, azimuth, class(&elevations, elevation)];
            Some(Item { path, factors })
        })
        .collect();
    let items = split_of(entry.name, items.len(), split)
        .into_iter()
        .filter_map(|i| items[i].take())
        .collect();
    let names = ["identity", "azimuth", "elevation"];
    read_folder(entry, root, split, options, &CHAIRS, items, &names)
}

/// Renders of the Basel face model, as one tensor file.
pub(crate) fn faces(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<ByteStore, DataError> {
    tensor(entry, root, split, options)
}

/// Numbers of the items of a split among `count`.
fn split_of(name: &str, count: usize, split: Split) -> Vec<usize> {
    if name == "celeba" && count == CELEBA_PARTS[2] {
        return match split {
            Split::Train => (0..CELEBA_PARTS[0]).collect(),
            Split::Test => (CELEBA_PARTS[1]..count).collect(),
        };
    }
    // The split is part of the set's definition, so it does not follow the options' seed.
    hold_out(count, split, &SeedTree::new(0).child(name).child("split"))
}

/// The set as `NAME/NAME.npy`, bytes `[N, C, H, W]`.
fn tensor(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<ByteStore, DataError> {
    let mut sources = Sources::new(entry, root, &options.limits);
    let (name, bytes) = sources.read(&format!("{0}/{0}.npy", entry.name))?;
    let array = decode_npy(&name, &bytes, &options.limits)?;
    drop(bytes);
    let (&[count, c, h, w], NpyKind::Uint(1)) = (array.shape.as_slice(), array.kind) else {
        let found = format!("{:?} of shape {:?}", array.kind, array.shape);
        return Err(DataError::format(OP, &name, "bytes [N, C, H, W]", found));
    };
    let mut chosen = split_of(entry.name, count, split);
    chosen.truncate(options.samples.unwrap_or(usize::MAX));
    let size = c * h * w;
    let mut pixels = Vec::with_capacity(chosen.len() * size);
    for &i in &chosen {
        pixels.extend_from_slice(&array.bytes[i * size..(i + 1) * size]);
    }
    // The published renders stand in the order of their factors; other counts say nothing.
    let is_whole = entry.name == "faces" && count == FACE_FACTOR_SIZES.iter().product::<usize>();
    let factors: Vec<f32> = chosen
        .iter()
        .filter(|_| is_whole)
        .flat_map(|&i| {
            let [_, azimuths, elevations, lights] = FACE_FACTOR_SIZES;
            [
                i / (azimuths * elevations * lights),
                i / (elevations * lights) % azimuths,
                i / lights % elevations,
                i % lights,
            ]
        })
        .map(|class| class as f32)
        .collect();
    let names: &[&str] = if is_whole {
        &["identity", "azimuth", "elevation", "light"]
    } else {
        &[]
    };
    let decoded = Decoded {
        shape: [c, h, w],
        pixels: Bytes(pixels),
        labels: factors.iter().step_by(4).map(|&v| v as i64).collect(),
        factors,
    };
    sources.store_items(split, decoded, chosen.len(), names)
}

/// Reads, crops and shrinks the pictures of a folder.
fn read_folder(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    options: &OpenOptions,
    rule: &Rule,
    mut items: Vec<Item>,
    names: &[&str],
) -> Result<ByteStore, DataError> {
    let limits = &options.limits;
    let side = options.size.unwrap_or(DEFAULT_SIDE);
    items.truncate(options.samples.unwrap_or(usize::MAX));
    let channels = if rule.is_grey { 1 } else { 3 };
    limits.entries(OP, entry.name, items.len() as u64)?;
    let size = items.len() as u128 * (channels * side * side) as u128;
    limits.bytes(OP, entry.name, size)?;
    if items.is_empty() || side == 0 {
        return Err(missing(entry, root.join(entry.name), None));
    }
    let lines: Vec<String> = items
        .par_iter()
        .map(|item| {
            let bytes = read_limited(&item.path, limits.max_bytes)?;
            let file = item.path.strip_prefix(root).unwrap_or(&item.path);
            Ok(format!("{} {}", file.display(), sha256_hex(&bytes)))
        })
        .collect::<Result<_, CoreError>>()?;
    let mut sources = Sources::new(entry, root, limits);
    sources.note_unlisted(lines);
    let key = format!("{} {side} {}", entry.name, sources.checksum());
    let decoded = cached(options.cache.as_deref(), &key, limits, || {
        let pixels: Vec<Vec<u8>> = items
            .par_iter()
            .map(|item| {
                let bytes = read_limited(&item.path, limits.max_bytes)?;
                prepare(
                    &item.path.display().to_string(),
                    &bytes,
                    rule,
                    side,
                    options,
                )
            })
            .collect::<Result<_, DataError>>()?;
        let factors: Vec<f32> = items.iter().flat_map(|i| &i.factors).copied().collect();
        let identity = items.iter().filter_map(|i| i.factors.first());
        Ok(Decoded {
            shape: [channels, side, side],
            pixels: Bytes(pixels.concat()),
            labels: identity.map(|&v| v as i64).collect(),
            factors,
        })
    })?;
    sources.store_items(split, decoded, items.len(), names)
}

/// Turns one file into `[C, side, side]`.
fn prepare(
    name: &str,
    bytes: &[u8],
    rule: &Rule,
    side: usize,
    options: &OpenOptions,
) -> Result<Vec<u8>, DataError> {
    let picture = decode_picture(name, bytes, &options.limits)?;
    if (picture.height, picture.width) != rule.size {
        let expected = format!("a picture of {} by {} rows", rule.size.1, rule.size.0);
        let found = format!("{} by {}", picture.width, picture.height);
        return Err(DataError::format(OP, name, expected, found));
    }
    let middle = picture.middle(rule.crop, rule.crop);
    let middle = if rule.is_grey {
        middle.into_grey()
    } else {
        middle.into_color()
    };
    let from = (rule.crop, rule.crop, middle.channels);
    Ok(resize_bytes(&middle.data, from, (side, side)))
}

/// The entries of a folder, sorted.
fn list(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |e| CoreError::io("list", path, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn is_png(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("png"))
}

/// The number that a CelebA file is named by.
fn number(path: &Path) -> Option<usize> {
    let known = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("png"));
    path.file_stem()?.to_str()?.parse().ok().filter(|_| known)
}

/// Elevation and azimuth in `image_NNN_pELEVATION_tAZIMUTH_rDISTANCE.png`, in degrees.
fn view(path: &Path) -> Result<(u32, u32), DataError> {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
    let field = |letter: char| {
        let value = |part: &str| part.strip_prefix(letter)?.parse().ok();
        stem.split('_').find_map(value)
    };
    match (field('p'), field('t')) {
        (Some(elevation), Some(azimuth)) => Ok((elevation, azimuth)),
        _ => {
            let expected = "a name such as image_000_p020_t011_r096.png";
            let name = path.display().to_string();
            Err(DataError::format(OP, &name, expected, stem))
        }
    }
}
