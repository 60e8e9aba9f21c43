//! Which PyTorch release a libtorch folder holds.

use super::pins::VERSION;
use anyhow::{Result, bail};
use std::fs;
use std::path::Path;

/// Files that name the release, newest layout first, below the libtorch folder.
const FILES: [&str; 3] = [
    "build-version",
    "include/torch/headeronly/version.h",
    "include/torch/csrc/api/include/torch/version.h",
];

/// The release of a libtorch folder, without the part after `+`.
pub(crate) fn of_folder(libtorch: &Path) -> Option<String> {
    FILES
        .iter()
        .find_map(|file| of_text(&fs::read_to_string(libtorch.join(file)).ok()?))
}

/// The release from the text of `build-version` or of a `version.h`.
fn of_text(text: &str) -> Option<String> {
    let written = match text.split_once("define TORCH_VERSION ") {
        // The value may stand on a continuation line.
        Some((_, rest)) => rest.split('"').nth(1)?,
        None if text.contains('#') => return None,
        None => text.trim(),
    };
    let release = written.split('+').next()?.trim();
    let plausible = release.split('.').count() >= 2
        && release.starts_with(|c: char| c.is_ascii_digit())
        && !release.contains(char::is_whitespace);
    plausible.then(|| release.to_owned())
}

/// Refuses any release but the pinned one, unless the user said otherwise.
///
/// `place` names where it was found, `bypass` is whether
/// `LIBTORCH_BYPASS_VERSION_CHECK` is set.
pub(crate) fn check(found: Option<&str>, place: &str, bypass: bool) -> Result<()> {
    if found == Some(VERSION) {
        return Ok(());
    }
    let found = found.unwrap_or("of unknown version");
    if bypass {
        eprintln!(
            "warning: libtorch {found} at {place}, expected {VERSION}; going on because \
             LIBTORCH_BYPASS_VERSION_CHECK is set"
        );
        return Ok(());
    }
    bail!(
        "{place} holds libtorch {found}, but this workspace needs {VERSION}.\n\
         Do one of these:\n\
         - unset LIBTORCH and LIBTORCH_USE_PYTORCH, and run `cargo xtask setup`, which installs \
         {VERSION} for you;\n\
         - point LIBTORCH at a libtorch {VERSION};\n\
         - set LIBTORCH_BYPASS_VERSION_CHECK=1 to try it anyway (the build may fail)."
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::files::scratch;

    #[test]
    fn texts_that_name_a_release() {
        let header =
            "#pragma once\n#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION \\\n  \"2.11.0\"\n";
        assert_eq!(of_text(header).as_deref(), Some("2.11.0"));
        assert_eq!(of_text("2.10.1+cu130\n").as_deref(), Some("2.10.1"));
        assert_eq!(of_text("#include <torch/headeronly/version.h>\n"), None);
        assert_eq!(of_text(""), None);
        assert_eq!(of_text("<html>404</html>"), None);
    }

    #[test]
    fn a_folder_is_asked_for_its_files_in_turn() {
        let folder = scratch("version");
        assert_eq!(of_folder(&folder), None);
        let header = folder.join(FILES[2]);
        fs::create_dir_all(header.parent().unwrap()).unwrap();
        fs::write(&header, "#define TORCH_VERSION \"2.7.0\"\n").unwrap();
        assert_eq!(of_folder(&folder).as_deref(), Some("2.7.0"));
        fs::write(folder.join(FILES[0]), "2.11.0+cpu").unwrap();
        assert_eq!(of_folder(&folder).as_deref(), Some("2.11.0"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn another_release_is_refused_with_advice() {
        check(Some(VERSION), "/opt/libtorch", false).unwrap();
        for found in [Some("2.7.0"), None] {
            let error = check(found, "/opt/libtorch", false)
                .unwrap_err()
                .to_string();
            for word in ["/opt/libtorch", VERSION, "cargo xtask setup", "BYPASS"] {
                assert!(error.contains(word), "{word} not in: {error}");
            }
            check(found, "/opt/libtorch", true).unwrap();
        }
    }
}
