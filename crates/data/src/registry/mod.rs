//! What data sets there are: their files with sizes and checksums, licence, origin, citation.
//!
//! Plain data and checks of files on disk; nothing here opens a connection.

mod cifar_png;
mod table;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::Digest;
use vaegis_core::CoreError;
use vaegis_core::hash::{hex, sha256_file};

use crate::error::DataError;
pub use table::REGISTRY;
pub(crate) use table::{CIFAR_TAR, DSPRITES_NPZ};

/// The published checksum of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256 in hexadecimal.
    Sha256(&'static str),
    /// MD5 in hexadecimal, for a file whose authors and users publish nothing better.
    Md5(&'static str),
    /// None: the authors publish no checksum, so only presence and size can be checked.
    Unpublished,
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sha256(digits) => write!(f, "sha256 {digits}"),
            Self::Md5(digits) => write!(f, "md5 {digits}"),
            Self::Unpublished => f.write_str("a checksum that is not published"),
        }
    }
}

impl Checksum {
    /// Computes the same kind of checksum of a file, with its prefix.
    pub(crate) fn of_file(self, path: &Path) -> Result<String, CoreError> {
        match self {
            Self::Sha256(_) => Ok(format!("sha256 {}", sha256_file(path)?.0)),
            Self::Md5(_) => {
                let io = |e| CoreError::io("read", path, e);
                let mut file = std::fs::File::open(path).map_err(io)?;
                let mut hasher = Md5::new();
                std::io::copy(&mut file, &mut hasher).map_err(io)?;
                Ok(format!("md5 {}", hex(&hasher.finalize())))
            }
            Self::Unpublished => Ok(self.to_string()),
        }
    }
}

/// One file of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Path below the data folder, with slashes.
    pub path: &'static str,
    /// Size, where it is published.
    pub bytes: Option<u64>,
    /// Checksum.
    pub checksum: Checksum,
    /// Where it can be fetched, best first; empty where no address serves these very bytes.
    pub urls: &'static [&'static str],
}

const fn unpublished(path: &'static str) -> FileSpec {
    FileSpec {
        path,
        bytes: None,
        checksum: Checksum::Unpublished,
        urls: &[],
    }
}

const fn file(
    path: &'static str,
    bytes: u64,
    sha256: &'static str,
    urls: &'static [&'static str],
) -> FileSpec {
    FileSpec {
        path,
        bytes: Some(bytes),
        checksum: Checksum::Sha256(sha256),
        urls,
    }
}

impl FileSpec {
    /// The size in words.
    pub(crate) fn size_text(&self) -> String {
        self.bytes
            .map_or("a size that is not published".to_owned(), |n| {
                format!("{n} bytes")
            })
    }
}

/// One complete way to have a data set: any one layout is enough.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// What the files are.
    pub title: &'static str,
    /// All of them are needed.
    pub files: &'static [FileSpec],
}

/// One data set.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name that `open` takes.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Shape of an item, in words.
    pub shape: &'static str,
    /// Number of training and test items, in words.
    pub size: &'static str,
    /// Licence.
    pub licence: &'static str,
    /// Who made it and where it comes from.
    pub origin: &'static str,
    /// How to cite it.
    pub citation: &'static str,
    /// The ways to have it; empty for a generated set.
    pub layouts: &'static [Layout],
    /// What a user must know; may be empty.
    pub note: &'static str,
}

/// Finds a data set by name.
///
/// # Errors
///
/// [`DataError::UnknownDataset`] that lists the names.
pub fn find(name: &str) -> Result<&'static Entry, DataError> {
    REGISTRY
        .iter()
        .find(|e| e.name == name)
        .ok_or_else(|| DataError::UnknownDataset {
            expected: names().join(", ") + ", folder:PATH, npz:PATH, npy:PATH",
            found: name.to_owned(),
        })
}

/// The names of all data sets, in the order of the registry.
pub fn names() -> Vec<&'static str> {
    REGISTRY.iter().map(|e| e.name).collect()
}

/// How a file on disk compares with the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Size and checksum are right.
    Present,
    /// There is no such file.
    Missing,
    /// The size is another one.
    WrongSize {
        /// Size on disk.
        found: u64,
    },
    /// The checksum is another one.
    WrongChecksum {
        /// Checksum on disk, with its kind.
        found: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// One line of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Data set.
    pub dataset: &'static str,
    /// Layout within the data set.
    pub layout: &'static str,
    /// File on disk.
    pub path: PathBuf,
    /// What it should be.
    pub expected: FileSpec,
    /// What it is.
    pub state: FileState,
}

impl std::fmt::Display for FileStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        let FileSpec { checksum, .. } = self.expected;
        let size = self.expected.size_text();
        match &self.state {
            FileState::Present => write!(f, "ok       {path}"),
            FileState::Missing => write!(f, "missing  {path} (expected {size}, {checksum})"),
            FileState::WrongSize { found } => {
                write!(
                    f,
                    "damaged  {path}: expected {size}, found {found} bytes; replace it"
                )
            }
            FileState::WrongChecksum { found } => {
                write!(
                    f,
                    "damaged  {path}: expected {checksum}, found {found}; replace it"
                )
            }
            FileState::Unreadable { reason } => write!(f, "damaged  {path}: {reason}"),
        }
    }
}

/// Compares one file with its specification.
pub(crate) fn file_state(path: &Path, spec: &FileSpec) -> FileState {
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return FileState::Missing,
        Err(e) => {
            return FileState::Unreadable {
                reason: e.to_string(),
            };
        }
    };
    if spec.bytes.is_some_and(|bytes| bytes != length) {
        return FileState::WrongSize { found: length };
    }
    match spec.checksum.of_file(path) {
        Ok(found) if found == spec.checksum.to_string() => FileState::Present,
        Ok(found) => FileState::WrongChecksum { found },
        Err(e) => FileState::Unreadable {
            reason: e.to_string(),
        },
    }
}

/// Checks every file of the named data sets below `root`; no names means all of them.
///
/// A set is usable when all files of one of its layouts are present: see [`usable`].
///
/// # Errors
///
/// [`DataError::UnknownDataset`].
pub fn check(root: &Path, names: &[&str]) -> Result<Vec<FileStatus>, DataError> {
    let entries: Vec<&Entry> = if names.is_empty() {
        REGISTRY.iter().collect()
    } else {
        names
            .iter()
            .map(|name| find(name))
            .collect::<Result<_, _>>()?
    };
    let mut statuses = Vec::new();
    for entry in entries {
        for layout in entry.layouts {
            for spec in layout.files {
                let path = root.join(spec.path);
                let state = file_state(&path, spec);
                statuses.push(FileStatus {
                    dataset: entry.name,
                    layout: layout.title,
                    path,
                    expected: *spec,
                    state,
                });
            }
        }
    }
    Ok(statuses)
}

/// Whether a data set needs no files or one of its layouts is complete in a check.
pub fn usable(entry: &Entry, statuses: &[FileStatus]) -> bool {
    entry.layouts.is_empty()
        || entry.layouts.iter().any(|layout| {
            let mut files = statuses
                .iter()
                .filter(|s| s.dataset == entry.name && s.layout == layout.title);
            let mut any = false;
            files.all(|s| {
                any = true;
                s.state == FileState::Present
            }) && any
        })
}

/// The list that `vaegis data list` prints.
pub fn list_text() -> String {
    let mut text = String::new();
    for entry in REGISTRY {
        let Entry {
            name,
            title,
            shape,
            size,
            licence,
            ..
        } = entry;
        let needs = if entry.layouts.is_empty() {
            "generated"
        } else {
            "files"
        };
        writeln!(
            text,
            "{name:16} {needs:10} {shape:12} {size:26} {title} [{licence}]"
        )
        .expect("invariant: writing to a string");
    }
    text.push_str(
        "folder:PATH, npz:PATH, npy:PATH open your own pictures and arrays; a tenth of \
                   them is held out for testing\n",
    );
    text
}

/// The page `docs/datasets.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Data sets\n\nGenerated from the registry in `crates/data`; do not edit.\n\
         Files are looked for below `--data DIR` or `VAEGIS_DATA`. \
         `vaegis data fetch NAME` downloads a set that lists an address; nothing is ever \
         downloaded on its own.\n\n\
         | name | what | item | train / test | licence | source |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    let expect = "invariant: writing to a string";
    for e in REGISTRY {
        let Entry {
            name,
            title,
            shape,
            size,
            licence,
            origin,
            ..
        } = e;
        writeln!(
            text,
            "| `{name}` | {title} | {shape} | {size} | {licence} | {origin} |"
        )
        .expect(expect);
    }
    text.push_str(
        "| `folder:PATH` | PNG and JPEG pictures below a folder | chosen | 9/10 / 1/10, or its \
         folders `train` / `test` | yours | |\n\
         | `npz:PATH`, `npy:PATH` | NumPy arrays | `[N, ...]` | 9/10 / 1/10 | yours | |\n\n\
         Your own data has no published split, so a random tenth of the items (rounded up, of two \
         items at least) is held out for testing: always the same one for the same number of \
         items, never trained on. A folder with the subfolders `train` and `test` keeps to those; \
         otherwise subfolders are classes.\n",
    );
    for e in REGISTRY {
        write!(text, "\n## {}\n\n{}.\n", e.name, e.citation).expect(expect);
        if !e.note.is_empty() {
            writeln!(text, "{}", e.note).expect(expect);
        }
        for layout in e.layouts {
            write!(
                text,
                "\n{}:\n\n| file | bytes | checksum | from |\n",
                layout.title
            )
            .expect(expect);
            text.push_str("| --- | ---: | --- | --- |\n");
            for FileSpec {
                path,
                bytes,
                checksum,
                urls,
            } in layout.files
            {
                let from = urls.first().map_or(String::new(), |u| format!("<{u}>"));
                let bytes = bytes.map_or("-".to_owned(), |n| n.to_string());
                writeln!(text, "| `{path}` | {bytes} | {checksum} | {from} |").expect(expect);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entries_are_complete_and_unambiguous() {
        let mut seen = BTreeSet::new();
        let mut paths = BTreeSet::new();
        for entry in REGISTRY {
            assert!(seen.insert(entry.name));
            for text in [
                entry.title,
                entry.shape,
                entry.size,
                entry.licence,
                entry.citation,
            ] {
                assert!(!text.is_empty(), "{}", entry.name);
            }
            for file in entry.layouts.iter().flat_map(|l| l.files) {
                assert!(paths.insert(file.path), "{} twice", file.path);
                let (digits, length) = match file.checksum {
                    Checksum::Sha256(d) => (d, 64),
                    Checksum::Md5(d) => (d, 32),
                    // What cannot be checked must not be fetched.
                    Checksum::Unpublished => {
                        assert!(file.urls.is_empty(), "{}", file.path);
                        ("", 0)
                    }
                };
                assert_eq!(digits.len(), length, "{}", file.path);
                assert!(
                    digits
                        .bytes()
                        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                );
                assert!(file.bytes != Some(0) && !file.path.contains(".."));
                assert!(
                    file.urls.iter().all(|u| u.starts_with("https://")),
                    "{}",
                    file.path
                );
            }
        }
    }

    #[test]
    fn check_tells_missing_short_and_changed_files_apart() {
        let dir = tempfile::tempdir().expect("temp folder");
        let folder = dir.path().join("optdigits");
        std::fs::create_dir(&folder).expect("makes");
        std::fs::write(folder.join("optdigits.tra.gz"), "short").expect("writes");
        std::fs::write(folder.join("optdigits.hol.gz"), vec![0; 24_720]).expect("writes");
        let statuses = check(dir.path(), &["optdigits"]).expect("known");
        let lines: Vec<String> = statuses.iter().map(FileStatus::to_string).collect();
        assert!(lines[0].contains("found 5"), "{lines:?}");
        assert!(lines[1].contains("found sha256"), "{lines:?}");
        assert!(
            lines[2].starts_with("missing") && lines[2].contains("sha256"),
            "{lines:?}"
        );
        assert!(!usable(find("optdigits").expect("known"), &statuses));
        let error = check(dir.path(), &["mnsit"])
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("mnsit") && error.contains("fashion-mnist"),
            "{error}"
        );
    }

    #[test]
    fn texts_name_every_set() {
        for name in names() {
            assert!(list_text().contains(name) && markdown().contains(&format!("## {name}\n")));
        }
    }
}
