//! The registry's file-based sets: which files make which split.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use vaegis_core::codec::{Bytes, read_limited};
use vaegis_core::hash::sha256_hex;

use crate::cache::{Decoded, cached};
use crate::dataset::{DatasetSpec, Split};
use crate::decode::{
    CIFAR_CLASSES, CifarBatch, NpyKind, decode_cifar_bin, decode_cifar_png, decode_idx_gz,
    decode_mat, decode_omniglot, decode_table, decode_tar, gunzip,
};
use crate::error::DataError;
use crate::limits::Limits;
use crate::options::OpenOptions;
use crate::registry::{Checksum, Entry, FileSpec};
use crate::resize::resize_bytes;
use crate::store::{ByteStore, Targets};

/// The bytes of the files of a set, with what is known of them.
pub(crate) struct Sources<'a> {
    entry: &'static Entry,
    root: &'a Path,
    limits: &'a Limits,
    /// `path sha256` of every file read.
    lines: Vec<String>,
    trust: Trust,
}

/// How the files read compare with the registry; the worst of all files counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    Verified,
    NotPublished,
    Differs,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(entry: &'static Entry, root: &'a Path, limits: &'a Limits) -> Self {
        Self {
            entry,
            root,
            limits,
            lines: Vec::new(),
            trust: Trust::Verified,
        }
    }

    fn spec(&self, path: &str) -> Option<&'static FileSpec> {
        self.entry
            .layouts
            .iter()
            .flat_map(|l| l.files)
            .find(|f| f.path == path)
    }

    /// Reads a file of the registry and notes its checksum.
    pub(crate) fn read(&mut self, path: &str) -> Result<(String, Vec<u8>), DataError> {
        let full = self.root.join(path);
        if !full.exists() {
            return Err(missing(self.entry, full, self.spec(path)));
        }
        let bytes = read_limited(&full, self.limits.max_bytes)?;
        let digest = sha256_hex(&bytes);
        let known = self.spec(path).map(|s| s.checksum);
        self.trust = self.trust.max(match known {
            Some(Checksum::Sha256(d)) if d == digest => Trust::Verified,
            Some(Checksum::Unpublished) => Trust::NotPublished,
            _ => Trust::Differs,
        });
        self.lines.push(format!("{path} {digest}"));
        Ok((full.display().to_string(), bytes))
    }

    /// Notes files that the registry does not list one by one.
    pub(crate) fn note_unlisted(&mut self, lines: Vec<String>) {
        self.trust = self.trust.max(Trust::NotPublished);
        self.lines.extend(lines);
    }

    pub(crate) fn checksum(&self) -> String {
        sha256_hex(self.lines.join("\n").as_bytes())
    }

    /// Joins decoded data into a data set.
    fn store(
        self,
        split: Split,
        decoded: Decoded,
        divisor: u8,
        num_classes: usize,
        factor_names: &[&str],
    ) -> Result<ByteStore, DataError> {
        let len = decoded.labels.len();
        self.join(
            split,
            decoded,
            len,
            divisor,
            Some(num_classes),
            factor_names,
        )
    }

    /// Joins bytes whose labels, where there are any, are the first factor.
    pub(crate) fn store_items(
        self,
        split: Split,
        decoded: Decoded,
        len: usize,
        factor_names: &[&str],
    ) -> Result<ByteStore, DataError> {
        let classes = decoded.labels.iter().max().map(|&m| m as usize + 1);
        self.join(split, decoded, len, 255, classes, factor_names)
    }

    fn join(
        self,
        split: Split,
        decoded: Decoded,
        len: usize,
        divisor: u8,
        num_classes: Option<usize>,
        factor_names: &[&str],
    ) -> Result<ByteStore, DataError> {
        let columns = factor_names.len();
        let kind = match self.trust {
            Trust::Verified => "real",
            Trust::NotPublished => "real; no checksum is published",
            Trust::Differs => "real; files differ from the registry's",
        };
        let factors = if columns == 0 {
            None
        } else {
            let table = Array2::from_shape_vec((len, columns), decoded.factors).map_err(|e| {
                DataError::format("join", self.entry.name, "one factor row an item", e)
            })?;
            Some(table)
        };
        let factor_sizes = (0..columns)
            .map(|c| {
                factors.as_ref().map_or(0, |f| {
                    f.column(c).fold(0.0, |m: f32, &v| m.max(v)) as usize + 1
                })
            })
            .collect();
        let spec = DatasetSpec {
            name: self.entry.name.to_owned(),
            item_shape: decoded.shape,
            value_range: (0.0, 1.0),
            num_classes,
            factor_names: factor_names.iter().map(|&n| n.to_owned()).collect(),
            factor_sizes,
            len,
            split,
            origin: format!("{} ({kind})", self.entry.title),
            checksum: self.checksum(),
        };
        let targets = Targets {
            labels: num_classes.map(|_| decoded.labels),
            factors,
        };
        ByteStore::new(spec, decoded.pixels.0, divisor, targets)
    }
}

/// The error for a file that is not there, with its checksum and where it comes from.
pub(crate) fn missing(entry: &Entry, path: PathBuf, spec: Option<&FileSpec>) -> DataError {
    let expected = spec.map_or("a file of that name".to_owned(), |s| {
        format!("{}, {}", s.size_text(), s.checksum)
    });
    let fetchable = entry
        .layouts
        .iter()
        .flat_map(|l| l.files)
        .any(|f| !f.urls.is_empty());
    let advice = if fetchable {
        format!(
            "it comes from {}: run `vaegis data fetch {}`",
            entry.origin, entry.name
        )
    } else {
        format!("it comes from {}", entry.origin)
    };
    DataError::Missing {
        dataset: entry.name.to_owned(),
        path,
        expected,
        advice,
    }
}

/// MNIST and Fashion-MNIST.
pub(crate) fn idx_pair(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    limits: &Limits,
) -> Result<ByteStore, DataError> {
    let prefix = match split {
        Split::Train => "train",
        Split::Test => "t10k",
    };
    let mut sources = Sources::new(entry, root, limits);
    let folder = entry.name;
    let (name, bytes) = sources.read(&format!("{folder}/{prefix}-images-idx3-ubyte.gz"))?;
    let images = decode_idx_gz(&name, &bytes, limits)?;
    let &[count, height, width] = images.dims.as_slice() else {
        let found = format!("{:?}", images.dims);
        return Err(DataError::format(
            "decode images",
            &name,
            "3 dimensions",
            found,
        ));
    };
    let (name, bytes) = sources.read(&format!("{folder}/{prefix}-labels-idx1-ubyte.gz"))?;
    let labels = decode_idx_gz(&name, &bytes, limits)?;
    if labels.dims != [count] {
        let found = format!("{:?}", labels.dims);
        return Err(DataError::format(
            "decode labels",
            &name,
            format!("{count} labels"),
            found,
        ));
    }
    let decoded = Decoded {
        shape: [1, height, width],
        pixels: Bytes(images.data),
        labels: labels.data.iter().map(|&v| i64::from(v)).collect(),
        factors: vec![],
    };
    sources.store(split, decoded, 255, 10, &[])
}

/// The digits of UCI: train is tra then hol, test is tes.
pub(crate) fn optdigits(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    limits: &Limits,
) -> Result<ByteStore, DataError> {
    let parts: &[&str] = match split {
        Split::Train => &["tra", "hol"],
        Split::Test => &["tes"],
    };
    let mut sources = Sources::new(entry, root, limits);
    let mut decoded = Decoded {
        shape: [1, 8, 8],
        ..Decoded::default()
    };
    for part in parts {
        let (name, bytes) = sources.read(&format!("optdigits/optdigits.{part}.gz"))?;
        let table = decode_table(&name, &bytes, 65, 16, limits)?;
        for row in table.data.chunks_exact(65) {
            decoded.pixels.0.extend_from_slice(&row[..64]);
            decoded.labels.push(i64::from(row[64]));
        }
    }
    sources.store(split, decoded, 16, 10, &[])
}

/// SVHN's cropped digits.
pub(crate) fn svhn(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    limits: &Limits,
) -> Result<ByteStore, DataError> {
    let mut sources = Sources::new(entry, root, limits);
    let (name, bytes) = sources.read(&format!("svhn/{}_32x32.mat", split.name()))?;
    let arrays = decode_mat(&name, &bytes, limits)?;
    drop(bytes);
    let (mut images, mut labels) = (None, None);
    for array in arrays {
        match array.name.as_str() {
            "X" => images = Some(array),
            "y" => labels = Some(array),
            _ => {}
        }
    }
    let bad =
        |expected: String, found: String| DataError::format("decode SVHN", &name, expected, found);
    let (Some(images), Some(labels)) = (images, labels) else {
        return Err(bad(
            "arrays X and y".to_owned(),
            "a file without one".to_owned(),
        ));
    };
    let (&[32, 32, 3, count], NpyKind::Uint(1)) = (images.shape.as_slice(), images.kind) else {
        let found = format!("{:?} of shape {:?}", images.kind, images.shape);
        return Err(bad("bytes X of shape [32, 32, 3, N]".to_owned(), found));
    };
    if labels.shape != [count, 1] {
        let found = format!("{:?}", labels.shape);
        return Err(bad(format!("labels y of shape [{count}, 1]"), found));
    }
    let mut labels = labels.into_row_major().to_i64(&name)?;
    if let Some(at) = labels.iter().position(|l| !(1..=10).contains(l)) {
        let found = format!("{} at item {at}", labels[at]);
        return Err(bad("labels 1 to 10".to_owned(), found));
    }
    // The authors number the digit 0 as 10.
    labels.iter_mut().for_each(|l| *l %= 10);
    let mut pixels = images.bytes;
    // In the file the row varies fastest within a plane; here it is the column.
    pixels.par_chunks_exact_mut(32 * 32).for_each(|plane| {
        for row in 0..32 {
            for column in 0..row {
                plane.swap(row * 32 + column, column * 32 + row);
            }
        }
    });
    let decoded = Decoded {
        shape: [3, 32, 32],
        pixels: Bytes(pixels),
        labels,
        factors: vec![],
    };
    sources.store(split, decoded, 255, 10, &[])
}

/// Omniglot's two small background sets: one is train, the other is test.
pub(crate) fn omniglot(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<ByteStore, DataError> {
    let limits = &options.limits;
    let number = match split {
        Split::Train => 1,
        Split::Test => 2,
    };
    let mut sources = Sources::new(entry, root, limits);
    let (name, bytes) = sources.read(&format!("omniglot/images_background_small{number}.zip"))?;
    let side = options.size.unwrap_or(105);
    let key = format!("omniglot {side} {}", sources.checksum());
    let decoded = cached(options.cache.as_deref(), &key, limits, || {
        let batch = decode_omniglot(&name, &bytes, limits)?;
        let mut decoded = Decoded {
            shape: [1, side, side],
            ..Decoded::default()
        };
        let mut alphabets = 0_i64;
        let mut characters = 0_i64;
        for (i, character) in batch.characters.iter().enumerate() {
            // The drawings come sorted by alphabet and character, so a change is a new one.
            if let Some(previous) = i.checked_sub(1).map(|p| &batch.characters[p]) {
                characters += i64::from(previous != character);
                let alphabet = |c: &str| c.split('/').next().map(str::to_owned);
                alphabets += i64::from(alphabet(previous) != alphabet(character));
            }
            decoded.labels.push(characters);
            let drawer = batch.drawers[i].saturating_sub(1);
            decoded
                .factors
                .extend([alphabets as f32, characters as f32, drawer as f32]);
        }
        decoded.pixels.0 = resized(batch.images, (105, 105, 1), side);
        Ok(decoded)
    })?;
    let classes = decoded.labels.last().map_or(0, |&l| l as usize + 1);
    sources.store(
        split,
        decoded,
        255,
        classes,
        &["alphabet", "character", "drawer"],
    )
}

/// CIFAR-10 from the archive, from the unpacked folder or from PNG batches, in this order.
pub(crate) fn cifar10(
    entry: &'static Entry,
    root: &Path,
    split: Split,
    options: &OpenOptions,
) -> Result<ByteStore, DataError> {
    let limits = &options.limits;
    let mut sources = Sources::new(entry, root, limits);
    let batch = if root.join(crate::registry::CIFAR_TAR).exists() {
        cifar_archive(&mut sources, split)?
    } else if root.join("cifar10/cifar-10-batches-bin").exists() {
        let mut whole = CifarBatch::default();
        for name in cifar_bin_names(split) {
            let (name, bytes) = sources.read(&format!("cifar10/cifar-10-batches-bin/{name}"))?;
            append(&mut whole, decode_cifar_bin(&name, &bytes, limits)?);
        }
        whole
    } else {
        cifar_pictures(&mut sources, split, options)?
    };
    let decoded = Decoded {
        shape: [3, 32, 32],
        pixels: Bytes(batch.images),
        labels: batch.labels.iter().map(|&v| i64::from(v)).collect(),
        factors: vec![],
    };
    sources.store(split, decoded, 255, CIFAR_CLASSES.len(), &[])
}

fn cifar_bin_names(split: Split) -> Vec<String> {
    match split {
        Split::Train => (1..=5).map(|i| format!("data_batch_{i}.bin")).collect(),
        Split::Test => vec!["test_batch.bin".to_owned()],
    }
}

fn append(whole: &mut CifarBatch, part: CifarBatch) {
    whole.images.extend_from_slice(&part.images);
    whole.labels.extend_from_slice(&part.labels);
}

fn cifar_archive(sources: &mut Sources<'_>, split: Split) -> Result<CifarBatch, DataError> {
    let limits = sources.limits;
    let (name, bytes) = sources.read(crate::registry::CIFAR_TAR)?;
    let tar = gunzip(&name, &bytes, limits)?;
    let files = decode_tar(&name, &tar, limits)?;
    let mut whole = CifarBatch::default();
    for wanted in cifar_bin_names(split) {
        let path = format!("cifar-10-batches-bin/{wanted}");
        let Some((_, body)) = files.iter().find(|(p, _)| *p == path) else {
            let found = format!("{:?}", files.iter().map(|f| &f.0).collect::<Vec<_>>());
            return Err(DataError::format("decode tar", &name, path, found));
        };
        append(
            &mut whole,
            decode_cifar_bin(&format!("{name}:{path}"), body, limits)?,
        );
    }
    Ok(whole)
}

fn cifar_pictures(
    sources: &mut Sources<'_>,
    split: Split,
    options: &OpenOptions,
) -> Result<CifarBatch, DataError> {
    let limits = sources.limits;
    let numbers = match split {
        Split::Train => 0..50,
        Split::Test => 50..51,
    };
    let (labels_name, bytes) = sources.read("cifar10/labels-idx1-ubyte.gz")?;
    let labels = decode_idx_gz(&labels_name, &bytes, limits)?;
    let files: Vec<(String, Vec<u8>)> = numbers
        .clone()
        .map(|i| sources.read(&format!("cifar10/cifar10_batch_{i:02}.png")))
        .collect::<Result<_, _>>()?;
    let key = format!("cifar10 png {}", sources.checksum());
    let decoded = cached(options.cache.as_deref(), &key, limits, || {
        let parts: Vec<CifarBatch> = files
            .par_iter()
            .map(|(name, bytes)| decode_cifar_png(name, bytes, limits))
            .collect::<Result<_, _>>()?;
        let mut decoded = Decoded::default();
        parts
            .iter()
            .for_each(|p| decoded.pixels.0.extend_from_slice(&p.images));
        Ok(decoded)
    })?;
    let (start, count) = (numbers.start * 1000, decoded.pixels.0.len() / 3072);
    let Some(labels) = labels.data.get(start..start + count) else {
        let expected = format!("labels of images {start} to {}", start + count);
        let found = format!("{} labels", labels.data.len());
        return Err(DataError::format(
            "join labels",
            &labels_name,
            expected,
            found,
        ));
    };
    Ok(CifarBatch {
        images: decoded.pixels.0,
        labels: labels.to_vec(),
    })
}

/// Resizes every image of a `[N, h, w, c]` block to channel-first squares.
pub(crate) fn resized(data: Vec<u8>, from: (usize, usize, usize), side: usize) -> Vec<u8> {
    if from == (side, side, 1) {
        return data;
    }
    let images: Vec<Vec<u8>> = data
        .par_chunks_exact(from.0 * from.1 * from.2)
        .map(|image| resize_bytes(image, from, (side, side)))
        .collect();
    images.concat()
}
