//! Files and folders that are either the old ones or the new ones, also after a kill.
//!
//! New content goes to a temporary name in the same folder, is flushed to the disk, and takes the
//! final name in one rename. Not for appending: see the JSONL writer.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::error::CoreError;

/// Replaces a file's content atomically and durably, making missing parent folders.
///
/// # Errors
///
/// [`CoreError::Io`]; the old file, if any, is then untouched and no temporary file remains.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), CoreError> {
    let folder = parent_of(path)?;
    remove_stale(&folder, &temporary_prefix(path));
    let mut builder = tempfile::Builder::new();
    let prefix = own_prefix(path);
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The default of a temporary file is private; results are meant to be read by others.
        // The process's umask still applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder
        .tempfile_in(&folder)
        .map_err(|e| CoreError::io("make a file in", &folder, e))?;
    file.write_all(bytes)
        .map_err(|e| CoreError::io("write", path, e))?;
    file.as_file()
        .sync_all()
        .map_err(|e| CoreError::io("flush", path, e))?;
    file.persist(path)
        .map_err(|e| CoreError::io("replace", path, e.error))?;
    sync_folder(&folder)
}

/// Replaces a folder atomically: `fill` writes into a temporary folder that then takes the name.
///
/// Where the folder exists, Linux exchanges the two names in one step. Elsewhere the old folder
/// steps aside first, and [`recover_folder`] brings it back after a kill in between.
///
/// # Errors
///
/// Whatever `fill` returns, or [`CoreError::Io`]; the old folder is then untouched.
pub fn write_folder_atomic<E: From<CoreError>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    recover_folder(path)?;
    let parent = parent_of(path)?;
    remove_stale(&parent, &temporary_prefix(path));
    let temporary = tempfile::Builder::new()
        .prefix(&own_prefix(path))
        .suffix(".tmp")
        .tempdir_in(&parent)
        .map_err(|e| CoreError::io("make a folder in", &parent, e))?;
    #[cfg(unix)]
    open_permissions(temporary.path())?;
    fill(temporary.path())?;
    sync_tree(temporary.path())?;
    replace_folder(temporary.path(), path)?;
    // After an exchange the temporary name holds the old content, which its guard removes; after
    // a plain rename there is nothing left to remove.
    drop(temporary);
    sync_folder(&parent)?;
    Ok(())
}

/// Brings back a folder that a kill left under its stepped-aside name, and removes what killed
/// processes left of its replacements; does nothing otherwise.
///
/// # Errors
///
/// [`CoreError::Io`] when the rename fails.
pub fn recover_folder(path: &Path) -> Result<(), CoreError> {
    if let Some(parent) = path.parent() {
        // After the last replacement of a run there is no next one to clean up behind it.
        let empty = parent.as_os_str().is_empty();
        let parent = if empty { Path::new(".") } else { parent };
        remove_stale(parent, &temporary_prefix(path));
    }
    let aside = aside_name(path);
    if aside.exists() {
        if path.exists() {
            remove_any(&aside).map_err(|e| CoreError::io("remove", &aside, e))?;
        } else {
            fs::rename(&aside, path).map_err(|e| CoreError::io("recover", path, e))?;
        }
    }
    Ok(())
}

/// Reads a whole file of at most `max_bytes`.
///
/// # Errors
///
/// [`CoreError::TooLarge`] without reading more than the limit, or [`CoreError::Io`].
pub fn read_limited(path: &Path, max_bytes: u64) -> Result<Vec<u8>, CoreError> {
    let io = |e| CoreError::io("read", path, e);
    let file = File::open(path).map_err(io)?;
    let too_large = |found| CoreError::TooLarge {
        name: path.display().to_string(),
        found,
        limit: max_bytes,
    };
    let length = file.metadata().map_err(io)?.len();
    if length > max_bytes {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // The file may grow, or be a pipe without a length: the limit holds for what is read, too.
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Gives the folder at `temporary` the name `path`.
fn replace_folder(temporary: &Path, path: &Path) -> Result<(), CoreError> {
    if fs::symlink_metadata(path).is_err() {
        return fs::rename(temporary, path).map_err(|e| CoreError::io("rename into", path, e));
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        // Some file systems do not know the exchange; they take the path below.
        if renameat_with(CWD, temporary, CWD, path, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    let aside = aside_name(path);
    fs::rename(path, &aside).map_err(|e| CoreError::io("move aside", path, e))?;
    if let Err(e) = fs::rename(temporary, path) {
        recover_folder(path)?;
        return Err(CoreError::io("rename into", path, e));
    }
    remove_any(&aside).map_err(|e| CoreError::io("remove", &aside, e))
}

/// The folder that a path lies in, made if it is missing.
fn parent_of(path: &Path) -> Result<PathBuf, CoreError> {
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(|e| CoreError::io("make", &parent, e))?;
    Ok(parent)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// What the temporary names of a path begin with; a dot hides them.
fn temporary_prefix(path: &Path) -> String {
    format!(".{}.writing-", file_name(path))
}

/// The prefix with this process's number, by which leftovers of dead processes are known.
fn own_prefix(path: &Path) -> String {
    format!("{}{}-", temporary_prefix(path), std::process::id())
}

fn aside_name(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.replaced", file_name(path)))
}

/// Removes temporary entries whose process is dead. Best effort: a leftover does no harm.
fn remove_stale(folder: &Path, prefix: &str) {
    // Without /proc there is no cheap way to know that a process is dead.
    if !Path::new("/proc/self").exists() {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix(prefix)) else {
            continue;
        };
        let Some((pid, _)) = rest.split_once('-') else {
            continue;
        };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            remove_any(&entry.path()).ok();
        }
    }
}

fn remove_any(path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// Flushes every file below a folder, then the folders, so that the rename cannot come first.
fn sync_tree(folder: &Path) -> Result<(), CoreError> {
    let io = |e| CoreError::io("flush", folder, e);
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let kind = fs::symlink_metadata(&path).map_err(io)?;
        if kind.is_dir() {
            sync_tree(&path)?;
        } else if kind.is_file() {
            File::open(&path).and_then(|f| f.sync_all()).map_err(io)?;
        }
    }
    sync_folder(folder)
}

/// Flushes a folder's entries, where the system can open folders.
fn sync_folder(folder: &Path) -> Result<(), CoreError> {
    if cfg!(unix) {
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| CoreError::io("flush", folder, e))?;
    }
    Ok(())
}

/// Gives a temporary folder the permissions of an ordinary one: those of its parent.
#[cfg(unix)]
fn open_permissions(folder: &Path) -> Result<(), CoreError> {
    let io = |e| CoreError::io("set the permissions of", folder, e);
    let parent = folder
        .parent()
        .expect("invariant: a temporary folder lies in a folder");
    let mode = fs::metadata(parent).map_err(io)?.permissions();
    fs::set_permissions(folder, mode).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("folder")
            .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_replaced_whole_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("deep/er/file.json");
        write_atomic(&path, b"old").expect("writes");
        write_atomic(&path, b"new").expect("replaces");
        assert_eq!(read_limited(&path, 3).expect("reads"), b"new");
        assert_eq!(names(path.parent().expect("parent")), ["file.json"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("taken");
        fs::create_dir(&path).expect("a folder in the way");
        fs::write(path.join("x"), "kept").expect("writes");
        let error = write_atomic(&path, b"new").expect_err("a folder is in the way");
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(fs::read(path.join("x")).expect("kept"), b"kept");
        assert_eq!(names(dir.path()), ["taken"]);
    }

    #[test]
    fn recovery_removes_what_dead_processes_left_and_nothing_else() {
        let dir = tempfile::tempdir().expect("temp folder");
        // Above the largest process number of Linux, so certainly of a dead process.
        let dead = dir.path().join(".state.writing-4194305-x.tmp");
        let own = format!(".state.writing-{}-x.tmp", std::process::id());
        fs::create_dir(&dead).expect("makes");
        fs::write(dead.join("x"), "old").expect("writes");
        fs::create_dir(dir.path().join(&own)).expect("makes");
        recover_folder(&dir.path().join("state")).expect("recovers");
        let dead_are_known = Path::new("/proc/self").exists();
        assert_eq!(dead.exists(), !dead_are_known);
        assert!(names(dir.path()).contains(&own));
    }

    #[test]
    fn limits_hold_for_files_and_for_endless_streams() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("big");
        fs::write(&path, [0_u8; 100]).expect("writes");
        assert!(matches!(
            read_limited(&path, 99),
            Err(CoreError::TooLarge { found: 100, .. })
        ));
        assert_eq!(read_limited(&path, 100).expect("fits").len(), 100);
        if cfg!(target_os = "linux") {
            let endless = read_limited(Path::new("/dev/zero"), 1000);
            assert!(matches!(endless, Err(CoreError::TooLarge { .. })));
        }
    }

    #[test]
    fn folders_are_replaced_whole() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("checkpoint");
        let fill = |name: &'static str| {
            move |folder: &Path| -> Result<(), CoreError> {
                fs::create_dir(folder.join("sub")).expect("makes");
                fs::write(folder.join("sub").join(name), name).expect("writes");
                Ok(())
            }
        };
        write_folder_atomic(&path, fill("one")).expect("writes");
        write_folder_atomic(&path, fill("two")).expect("replaces");
        assert_eq!(names(&path.join("sub")), ["two"]);
        assert_eq!(names(dir.path()), ["checkpoint"]);
        let failed: Result<(), CoreError> = write_folder_atomic(&path, |folder| {
            fs::write(folder.join("half"), "x").expect("writes");
            Err(CoreError::io(
                "test",
                folder,
                std::io::Error::other("stopped"),
            ))
        });
        assert!(failed.is_err());
        assert_eq!(names(&path.join("sub")), ["two"]);
        assert_eq!(names(dir.path()), ["checkpoint"]);
    }

    #[test]
    fn a_stepped_aside_folder_comes_back() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("run");
        fs::create_dir(aside_name(&path)).expect("makes");
        recover_folder(&path).expect("recovers");
        assert_eq!(names(dir.path()), ["run"]);
        fs::create_dir(aside_name(&path)).expect("makes");
        recover_folder(&path).expect("removes the replaced one");
        assert_eq!(names(dir.path()), ["run"]);
    }
}
