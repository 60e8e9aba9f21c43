//! One writer per folder or cache entry, over threads and processes.
//!
//! The lock is the operating system's (advisory, on a file of its own), so it ends with the process
//! that holds it, also when that is killed. Whoever gives the lock back takes the file away; who
//! then gets a lock on a file that is no longer there, or no longer the same, tries again.
//! Not for readers of finished entries.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::CoreError;

/// Name of the lock file within a folder that has one writer at a time.
pub const LOCK_FILE: &str = "lock";

/// The right to write an entry, until it is dropped.
#[derive(Debug)]
pub struct EntryLock {
    /// Closing the file gives the lock back.
    _file: File,
    path: PathBuf,
}

impl Drop for EntryLock {
    fn drop(&mut self) {
        // Still locked here, so nobody else holds this name. A file that stays is no harm: the
        // next one locks it again.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl EntryLock {
    /// Takes the lock on the file `path`, which is created where it is missing. `waiting` is called
    /// once if another holds it.
    ///
    /// # Errors
    ///
    /// [`CoreError::Io`] when the file cannot be created or locked.
    pub fn acquire(path: &Path, waiting: impl FnOnce()) -> Result<Self, CoreError> {
        let mut waiting = Some(waiting);
        loop {
            let (file, is_free) = attempt(path)?;
            if !is_free {
                if let Some(waiting) = waiting.take() {
                    waiting();
                }
                file.lock().map_err(|e| CoreError::io("lock", path, e))?;
            }
            if let Some(lock) = Self::held(file, path)? {
                return Ok(lock);
            }
        }
    }

    /// Takes the lock on the file `path` as [`EntryLock::acquire`], or none if another holds it.
    ///
    /// # Errors
    ///
    /// As [`EntryLock::acquire`].
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, CoreError> {
        loop {
            let (file, is_free) = attempt(path)?;
            if !is_free {
                return Ok(None);
            }
            if let Some(lock) = Self::held(file, path)? {
                return Ok(Some(lock));
            }
        }
    }

    /// The lock, if the locked file is the one that `path` names now.
    fn held(file: File, path: &Path) -> Result<Option<Self>, CoreError> {
        let io = |e| CoreError::io("lock", path, e);
        let own = file.metadata().map_err(io)?;
        let named = match std::fs::metadata(path) {
            Ok(named) => named,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        };
        let is_same = (own.dev(), own.ino()) == (named.dev(), named.ino());
        Ok(is_same.then(|| Self {
            _file: file,
            path: path.to_owned(),
        }))
    }
}

/// The open lock file, and whether it is locked now.
fn attempt(path: &Path) -> Result<(File, bool), CoreError> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|e| CoreError::io("make", parent, e))?;
    }
    let io = |e| CoreError::io("lock", path, e);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok((file, true)),
        Err(TryLockError::WouldBlock) => Ok((file, false)),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_waits_until_the_first_lets_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("made").join(LOCK_FILE);
        let first = EntryLock::acquire(&path, || panic!("nobody holds it")).expect("free");
        assert!(EntryLock::try_acquire(&path).expect("no error").is_none());
        let (say, hear) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let waits = || say.send("waits").expect("heard");
                let _second = EntryLock::acquire(&path, waits).expect("in the end");
                say.send("has it").expect("heard");
            });
            assert_eq!(hear.recv(), Ok("waits"));
            assert!(
                hear.try_recv().is_err(),
                "it has the lock although the first holds it"
            );
            drop(first);
            assert_eq!(hear.recv(), Ok("has it"));
        });
        assert!(EntryLock::try_acquire(&path).expect("no error").is_some());
    }

    #[test]
    fn many_take_turns_and_leave_no_file() {
        const TURNS: usize = 200;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(LOCK_FILE);
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..TURNS {
                        let lock = EntryLock::acquire(&path, || ()).expect("in the end");
                        let order = std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(inside.fetch_add(1, order), 0, "two hold the lock");
                        std::thread::yield_now();
                        inside.fetch_sub(1, order);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!path.exists(), "the file is left");
    }

    #[test]
    fn a_lock_that_cannot_be_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = EntryLock::try_acquire(folder.path()).expect_err("a folder is no file");
        let name = folder.path().display().to_string();
        assert!(error.to_string().contains(&name), "{error}");
    }
}
