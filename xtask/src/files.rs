//! Files of the checkout, their hashes and sizes.

use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Folders that never hold sources; only used where git cannot be asked.
const NOT_SOURCES: [&str; 5] = ["target", ".git", ".libtorch", "__pycache__", "node_modules"];

/// Paths of all files that are tracked or could be, relative to the root and
/// with `/` between parts, sorted. Outside a git checkout it is every file.
pub(crate) fn of_checkout(workspace: &Workspace) -> Result<Vec<String>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(workspace.root());
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let found: BTreeSet<String> = match process::output(&mut git) {
        Ok(text) => text
            .split('\0')
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
            .collect(),
        Err(_no_git) => {
            let mut found = BTreeSet::new();
            walk(workspace.root(), "", &mut found)?;
            found
        }
    };
    // Git lists deleted files until the deletion is staged.
    Ok(found
        .into_iter()
        .filter(|path| workspace.path(path).is_file())
        .collect())
}

fn walk(root: &Path, below: &str, found: &mut BTreeSet<String>) -> Result<()> {
    let folder = root.join(below);
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_SOURCES.contains(&name.as_str()) {
            continue;
        }
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &path, found)?;
        } else if kind.is_file() {
            found.insert(path);
        }
    }
    Ok(())
}

/// The text of a file, with its path in the error.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// SHA-256 of a file's bytes in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        let count = file
            .read(&mut buffer)
            .with_context(|| format!("reading {}", path.display()))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hex(&hasher.finalize()))
}

/// SHA-256 of a text in hexadecimal.
pub(crate) fn sha256_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new empty folder for one test, under cargo's own temporary folder.
#[cfg(test)]
pub(crate) fn scratch(name: &str) -> std::path::PathBuf {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/xtask");
    let folder = base.join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the test folder can be made");
    folder
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn hash_of_a_known_text() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_text("abc"), expected);
        let folder = scratch("hash");
        fs::write(folder.join("abc"), "abc").unwrap();
        assert_eq!(sha256(&folder.join("abc")).unwrap(), expected);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn walking_skips_build_folders() {
        let folder = scratch("walk");
        fs::create_dir_all(folder.join("target")).unwrap();
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("target/x"), "").unwrap();
        fs::write(folder.join("src/lib.rs"), "").unwrap();
        let mut found = BTreeSet::new();
        walk(&folder, "", &mut found).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["src/lib.rs"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
