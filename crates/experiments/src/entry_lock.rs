//! One writer per cache entry, over threads and processes.
//!
//! The lock is the operating system's (advisory, on a file beside the entry), so it ends with the
//! process that holds it, also when that is killed. Not for readers of finished entries.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// The right to write an entry, until it is dropped.
#[derive(Debug)]
pub(crate) struct EntryLock {
    /// Closing the file gives the lock back.
    _file: File,
}

impl EntryLock {
    /// Takes the lock on `path`, which is created where it is missing. `waiting` is called once if
    /// another holds it.
    ///
    /// # Errors
    /// The file cannot be created or locked.
    pub(crate) fn acquire(path: &Path, waiting: impl FnOnce()) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_waits_until_the_first_lets_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("entry.lock");
        let first = EntryLock::acquire(&path, || panic!("nobody holds it")).expect("free");
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
        EntryLock::acquire(&path, || panic!("both are gone")).expect("free again");
    }
}
