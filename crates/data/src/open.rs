//! Opening a data set by name.

use std::path::{Path, PathBuf};

use crate::dataset::{Dataset, Split};
use crate::dsprites::Dsprites;
use crate::error::DataError;
use crate::options::OpenOptions;
use crate::preprocess::{Mapped, Step};
use crate::{files, own, pictures, registry, sprites, synthetic, toys};

/// The folder of the data sets: the command line's, else that of `VAEGIS_DATA`, else none.
pub fn default_root(cli: Option<&Path>) -> Option<PathBuf> {
    match cli {
        Some(path) => Some(path.to_owned()),
        None => std::env::var_os("VAEGIS_DATA")
            .filter(|v| !v.is_empty())
            .map(PathBuf::from),
    }
}

/// The folder for decoded copies of sets that are slow to decode (pictures, archives of them): that
/// of `VAEGIS_DECODED`, else none. A copy is keyed by the checksums of its sources and made again
/// when it does not fit; it can be deleted at any time.
pub fn decoded_cache() -> Option<PathBuf> {
    std::env::var_os("VAEGIS_DECODED")
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
}

/// Opens a registry set, or `folder:PATH`, `npz:PATH` or `npy:PATH`.
///
/// Nothing is downloaded. `root` is needed by sets that consist of files; dSprites uses its
/// published file where `root` has it and draws the images otherwise.
///
/// # Errors
///
/// [`DataError`] that names the file, its checksum and where it comes from when one is missing.
pub fn open(
    name: &str,
    root: Option<&Path>,
    split: Split,
    options: &OpenOptions,
) -> Result<Box<dyn Dataset>, DataError> {
    if let Some(path) = name.strip_prefix("folder:") {
        return Ok(Box::new(own::folder(Path::new(path), split, options)?));
    }
    if let Some(path) = name.strip_prefix("npz:") {
        return own::npz(Path::new(path), split, options);
    }
    if let Some(path) = name.strip_prefix("npy:") {
        return own::npy(Path::new(path), split, options);
    }
    let entry = registry::find(name)?;
    let limits = &options.limits;
    let needed = || {
        root.ok_or_else(|| DataError::NoRoot {
            name: name.to_owned(),
        })
    };
    let set: Box<dyn Dataset> = match name {
        "mnist" | "fashion-mnist" => Box::new(files::idx_pair(entry, needed()?, split, limits)?),
        "cifar10" => Box::new(files::cifar10(entry, needed()?, split, options)?),
        "svhn" => Box::new(files::svhn(entry, needed()?, split, limits)?),
        "celeba" => Box::new(pictures::celeba(entry, needed()?, split, options)?),
        "chairs" => Box::new(pictures::chairs(entry, needed()?, split, options)?),
        "faces" => Box::new(pictures::faces(entry, needed()?, split, options)?),
        "optdigits" => Box::new(files::optdigits(entry, needed()?, split, limits)?),
        "omniglot" => return Ok(Box::new(files::omniglot(entry, needed()?, split, options)?)),
        "sprites" => return Ok(Box::new(sprites::sprites(split, options)?)),
        "toy-faces" => return Ok(Box::new(toys::faces(split, options)?)),
        "toy-chairs" => return Ok(Box::new(toys::chairs(split, options)?)),
        "swiss-roll" => return Ok(Box::new(synthetic::swiss_roll(split, options)?)),
        "linear-gaussian" => return Ok(Box::new(synthetic::linear_gaussian(split, options)?)),
        "blobs" => return Ok(Box::new(synthetic::blobs(split, options)?)),
        _ => {
            let file = root
                .map(|r| r.join(registry::DSPRITES_NPZ))
                .filter(|p| p.exists());
            Box::new(match file {
                Some(path) => Dsprites::published(&path, split, limits)?,
                None => Dsprites::rendered(split),
            })
        }
    };
    match options.size {
        Some(side) if set.spec().item_shape[1..] != [side, side] => Ok(Box::new(Mapped::new(
            set,
            vec![Step::Resize {
                height: side,
                width: side,
            }],
        )?)),
        _ => Ok(set),
    }
}
