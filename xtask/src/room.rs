//! Room on the disk: asked for before something large is written, and named as
//! the cause where a build failed without it. Linkers map their output into
//! memory, so on a full disk they die of a bus error that says nothing.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// A first build of all tests, without and with cargo's incremental files: 1.9
/// and 3.4 GB measured.
const TEST_BUILD: u64 = 2_500_000_000;
/// A first optimized build of the program: 1.7 GB measured.
const RELEASE_BUILD: u64 = 2_000_000_000;
/// With less than this left, a failed build is put down to the disk.
const FULL: u64 = 50_000_000;

/// What is about to be built.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Build {
    /// All tests, in cargo's folder `debug`.
    Tests,
    /// The program, in cargo's folder `release`.
    Release,
}

/// What to do about a disk that is too small for a build.
const ADVICE: &str = "Make room, or build on another disk: CARGO_TARGET_DIR=/other/disk cargo \
                      xtask ... (CARGO_INCREMENTAL=0 halves what a build of the tests takes)";

/// Refuses a first build that the disk has no room for.
pub(crate) fn for_build(workspace: &Workspace, build: Build) -> Result<()> {
    let target = workspace.target_dir()?;
    let (folder, needed) = match build {
        Build::Tests => ("debug", TEST_BUILD),
        Build::Release => ("release", RELEASE_BUILD),
    };
    if target.join(folder).exists() {
        return Ok(());
    }
    // The folder itself may not be there yet.
    let place = if target.exists() {
        &target
    } else {
        workspace.root()
    };
    ask(place, needed, ADVICE)
}

/// The result of a build or test run, with a full disk named as the cause of a failure.
pub(crate) fn explain<T>(workspace: &Workspace, result: Result<T>) -> Result<T> {
    result.map_err(|error| match free(workspace.root()) {
        Some(free) if free < FULL => error.context(format!(
            "the disk is full ({} left in {})\n{ADVICE}",
            megabytes(free),
            workspace.root().display()
        )),
        _ => error,
    })
}

/// Refuses to start where the disk would fill up. Free room that cannot be read
/// is no reason to stop.
pub(crate) fn ask(folder: &Path, needed: u64, advice: &str) -> Result<()> {
    match free(folder) {
        Some(free) => enough(folder, free, needed, advice),
        None => Ok(()),
    }
}

fn enough(folder: &Path, free: u64, needed: u64, advice: &str) -> Result<()> {
    if free >= needed {
        return Ok(());
    }
    bail!(
        "not enough room in {}: {} free, {} needed.\n{advice}",
        folder.display(),
        megabytes(free),
        megabytes(needed)
    )
}

/// Free bytes of the disk that holds the folder.
fn free(folder: &Path) -> Option<u64> {
    let text = process::output(Command::new("df").arg("-Pk").arg(folder));
    text.ok().as_deref().and_then(available)
}

/// Free bytes from the output of `df -Pk`: one heading, then one line whose
/// fourth column from the file system's name on is the number of free KiB.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().nth(1)?;
    // The name of the file system may hold blanks, so count from the percent sign.
    let words: Vec<&str> = line.split_whitespace().collect();
    let percent = words.iter().position(|word| word.ends_with('%'))?;
    words
        .get(percent.checked_sub(1)?)?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// A size for people.
pub(crate) fn megabytes(bytes: u64) -> String {
    let mega = bytes as f64 / 1e6;
    if mega < 10.0 {
        format!("{mega:.1} MB")
    } else {
        format!("{mega:.0} MB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_df() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                    /dev/vda 264212084 22886236 72399652 25% /\n";
        assert_eq!(available(text), Some(72_399_652 * 1024));
        let blanks = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                      my remote share 100 40 60 40% /mnt/a b\n";
        assert_eq!(available(blanks), Some(60 * 1024));
        assert_eq!(available("df: nothing here"), None);
        assert_eq!(available("h\n%"), None);
    }

    #[test]
    fn a_full_disk_says_how_much_and_what_to_do() {
        let error = enough(Path::new("/cache"), 5_000_000, 2_000_000_000, "Make room.");
        let text = error.expect_err("too little").to_string();
        for word in ["/cache", "5.0 MB", "2000 MB", "Make room."] {
            assert!(text.contains(word), "{word} is not in {text:?}");
        }
        enough(Path::new("/cache"), 10, 10, "").expect("just enough");
    }

    #[test]
    fn free_room_is_read_where_df_is_there() {
        if process::which("df").is_some() {
            assert!(free(Path::new(env!("CARGO_MANIFEST_DIR"))).is_some_and(|free| free > 0));
        }
    }
}
