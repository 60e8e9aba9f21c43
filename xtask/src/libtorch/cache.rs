//! The per-user cache of installed libtorch folders: where it is, what a
//! complete folder looks like, and who may change it.
//!
//! A folder counts as installed only if its `install.json` is there, names
//! the pinned wheels, and every library has its recorded size. That record
//! is written last, inside a folder that is renamed into place, so a folder
//! is either absent or whole.

use super::pins::{self, Variant, Wheel};
use crate::files;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const RECORD: &str = "install.json";
const MANIFEST: &str = "files.sha256";

/// `~/.cache/vaegis/libtorch`, or the same below `XDG_CACHE_HOME`.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    pub(crate) folder: PathBuf,
}

/// One unpacked file, as written down when it was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) path: String,
}

impl Entry {
    /// Parses `sha256  bytes  path`.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let mut parts = line.splitn(3, "  ");
        let (sha256, bytes, path) = (parts.next(), parts.next(), parts.next());
        let (Some(sha256), Some(bytes), Some(path)) = (sha256, bytes, path) else {
            bail!("not `sha256  bytes  path`: {line}");
        };
        let bytes = bytes
            .parse()
            .with_context(|| format!("not a number of bytes: {line}"))?;
        Ok(Self {
            sha256: sha256.to_owned(),
            bytes,
            path: path.to_owned(),
        })
    }

    fn line(&self) -> String {
        format!("{}  {}  {}\n", self.sha256, self.bytes, self.path)
    }
}

impl Cache {
    /// The cache of this user.
    pub(crate) fn locate() -> Result<Self> {
        Ok(Self {
            folder: user_cache()?.join("vaegis").join("libtorch"),
        })
    }

    /// Where a variant is, or would be.
    pub(crate) fn path(&self, variant: Variant) -> PathBuf {
        self.folder.join(variant.folder())
    }

    /// Quick look whether a variant is complete: sizes, not hashes.
    pub(crate) fn installed(&self, variant: Variant) -> bool {
        self.quick_check(variant).is_ok()
    }

    fn quick_check(&self, variant: Variant) -> Result<()> {
        let folder = self.path(variant);
        let record = read_record(&folder)?;
        ensure!(
            record["wheels"] == wheels_record(&pins::wheels(variant)?),
            "{} was made from other wheels",
            folder.display()
        );
        let libraries = record["libraries"]
            .as_object()
            .context("no list of libraries")?;
        ensure!(!libraries.is_empty(), "an empty list of libraries");
        for (path, bytes) in libraries {
            let found = folder.join(path).metadata().map(|m| m.len()).ok();
            ensure!(
                found == bytes.as_u64(),
                "{path} is missing or has another size"
            );
        }
        Ok(())
    }

    /// Compares every file with the hash written down at installation.
    /// Returns the number of files.
    pub(crate) fn verify(&self, variant: Variant) -> Result<usize> {
        self.quick_check(variant)?;
        verify_folder(&self.path(variant))
    }

    /// Takes the lock of the cache; says so where another process holds it.
    /// The lock ends with the process, however it ends.
    pub(crate) fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.folder).with_context(|| {
            format!(
                "making {}; choose another place with XDG_CACHE_HOME",
                self.folder.display()
            )
        })?;
        let path = self.folder.join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("another process is installing libtorch; waiting for it");
            file.lock()
                .with_context(|| format!("locking {}", path.display()))?;
        }
        Ok(file)
    }

    /// Removes what interrupted installations left. Call it with the lock held.
    pub(crate) fn sweep(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".staging-") || name.starts_with(".old-") {
                fs::remove_dir_all(entry.path())
                    .with_context(|| format!("removing {}", entry.path().display()))?;
            }
        }
        Ok(())
    }

    /// Writes the records into a finished folder and moves it into place,
    /// setting aside what was there.
    pub(crate) fn publish(
        &self,
        variant: Variant,
        folder: &Path,
        mut files: Vec<Entry>,
    ) -> Result<()> {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest: String = files.iter().map(Entry::line).collect();
        write_synced(&folder.join(MANIFEST), &manifest)?;
        verify_folder(folder)?;
        let libraries: serde_json::Map<String, Value> = files
            .iter()
            .filter(|entry| entry.path.contains(".so"))
            .map(|entry| (entry.path.clone(), json!(entry.bytes)))
            .collect();
        for path in libraries.keys() {
            File::open(folder.join(path))?.sync_all()?;
        }
        let record = json!({
            "version": pins::VERSION,
            "wheels": wheels_record(&pins::wheels(variant)?),
            "libraries": libraries,
        });
        write_synced(&folder.join(RECORD), &format!("{record:#}\n"))?;

        let destination = self.path(variant);
        let aside = self.folder.join(format!(".old-{}", std::process::id()));
        if destination.symlink_metadata().is_ok() {
            fs::rename(&destination, &aside)
                .with_context(|| format!("moving {} aside", destination.display()))?;
        }
        fs::rename(folder, &destination)
            .with_context(|| format!("moving the new folder to {}", destination.display()))?;
        if aside.is_dir() {
            // Programs that run keep the files they have open.
            fs::remove_dir_all(&aside)?;
        }
        Ok(())
    }
}

/// The user's cache folder by the XDG rules: a relative value is ignored.
pub(crate) fn user_cache() -> Result<PathBuf> {
    cache_folder(
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from),
        env::home_dir(),
    )
}

fn cache_folder(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(folder) = xdg.filter(|folder| folder.is_absolute()) {
        return Ok(folder);
    }
    let home = home.filter(|home| home.is_absolute());
    Ok(home
        .context("no home folder; set XDG_CACHE_HOME to a folder for caches")?
        .join(".cache"))
}

fn wheels_record(wheels: &[Wheel]) -> Value {
    wheels
        .iter()
        .map(|wheel| (wheel.name.clone(), json!(wheel.sha256)))
        .collect()
}

fn read_record(folder: &Path) -> Result<Value> {
    let text = files::read(&folder.join(RECORD))?;
    serde_json::from_str(&text).with_context(|| format!("{RECORD} of {}", folder.display()))
}

fn verify_folder(folder: &Path) -> Result<usize> {
    let text = files::read(&folder.join(MANIFEST))?;
    let mut count = 0;
    for line in text.lines() {
        let entry = Entry::parse(line)?;
        let path = folder.join(&entry.path);
        let found = files::sha256(&path)?;
        ensure!(
            found == entry.sha256,
            "{} changed since it was installed",
            path.display()
        );
        count += 1;
    }
    ensure!(count > 0, "{MANIFEST} of {} is empty", folder.display());
    Ok(count)
}

fn write_synced(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("writing {}", path.display()))?;
    file.sync_all()
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::files::{scratch, sha256_text};

    fn staged(cache: &Cache, name: &str, text: &str) -> (PathBuf, Vec<Entry>) {
        let folder = cache.folder.join(name);
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::write(folder.join("lib/libx.so"), text).unwrap();
        let entry = Entry {
            sha256: sha256_text(text),
            bytes: text.len() as u64,
            path: "lib/libx.so".to_owned(),
        };
        (folder, vec![entry])
    }

    #[test]
    fn a_folder_is_absent_or_whole() {
        let cache = Cache {
            folder: scratch("cache"),
        };
        assert!(!cache.installed(Variant::Cpu));
        let (folder, files) = staged(&cache, ".staging-1", "one");
        cache.publish(Variant::Cpu, &folder, files).unwrap();
        assert!(cache.installed(Variant::Cpu) && !cache.installed(Variant::Cuda));
        assert_eq!(cache.verify(Variant::Cpu).unwrap(), 1);

        // Same size, other bytes: only the full check can see that.
        let library = cache.path(Variant::Cpu).join("lib/libx.so");
        fs::write(&library, "two").unwrap();
        assert!(cache.installed(Variant::Cpu));
        let error = cache.verify(Variant::Cpu).unwrap_err().to_string();
        assert!(error.contains("libx.so changed"), "{error}");
        fs::write(&library, "longer").unwrap();
        assert!(!cache.installed(Variant::Cpu));

        // A new installation replaces the damaged one and leaves nothing behind.
        let (folder, files) = staged(&cache, ".staging-2", "three");
        cache.publish(Variant::Cpu, &folder, files).unwrap();
        assert_eq!(cache.verify(Variant::Cpu).unwrap(), 1);
        let names: Vec<_> = fs::read_dir(&cache.folder).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        fs::remove_dir_all(&cache.folder).unwrap();
    }

    #[test]
    fn a_wrong_copy_is_not_published() {
        let cache = Cache {
            folder: scratch("publish"),
        };
        let (folder, mut files) = staged(&cache, ".staging-1", "one");
        files[0].sha256 = sha256_text("other");
        assert!(cache.publish(Variant::Cpu, &folder, files).is_err());
        assert!(!cache.path(Variant::Cpu).exists());
        fs::remove_dir_all(&cache.folder).unwrap();
    }

    #[test]
    fn leftovers_are_swept_and_downloads_kept() {
        let cache = Cache {
            folder: scratch("sweep"),
        };
        for name in [".staging-7", ".old-7", "downloads", "2.0.0-cpu"] {
            fs::create_dir_all(cache.folder.join(name)).unwrap();
        }
        cache.sweep().unwrap();
        assert!(!cache.folder.join(".staging-7").exists() && !cache.folder.join(".old-7").exists());
        assert!(cache.folder.join("downloads").exists() && cache.folder.join("2.0.0-cpu").exists());
        fs::remove_dir_all(&cache.folder).unwrap();
    }

    #[test]
    fn a_folder_without_record_is_not_installed() {
        let cache = Cache {
            folder: scratch("record"),
        };
        let lib = cache.path(Variant::Cpu).join("lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("libtorch_cpu.so"), "half").unwrap();
        assert!(!cache.installed(Variant::Cpu));
        fs::write(cache.path(Variant::Cpu).join(RECORD), "{ torn").unwrap();
        assert!(!cache.installed(Variant::Cpu));
        fs::remove_dir_all(&cache.folder).unwrap();
    }

    #[test]
    fn the_cache_follows_the_xdg_rules() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            cache_folder(path("/x"), path("/h")).unwrap(),
            Path::new("/x")
        );
        assert_eq!(
            cache_folder(path("x"), path("/h")).unwrap(),
            Path::new("/h/.cache")
        );
        assert_eq!(
            cache_folder(None, path("/h")).unwrap(),
            Path::new("/h/.cache")
        );
        let error = cache_folder(None, None).unwrap_err().to_string();
        assert!(error.contains("XDG_CACHE_HOME"), "{error}");
    }

    #[test]
    fn manifest_lines_round_trip() {
        let entry = Entry::parse("ab  12  include/a b.h").unwrap();
        assert_eq!((entry.bytes, entry.path.as_str()), (12, "include/a b.h"));
        assert_eq!(entry.line(), "ab  12  include/a b.h\n");
        assert!(Entry::parse("ab 12 x").is_err() && Entry::parse("ab  x  y").is_err());
    }
}
