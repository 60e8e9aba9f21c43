//! Lets every program that cargo starts (tests, doctests, examples, binaries)
//! find libtorch without an environment variable.
//!
//! Cargo puts native search folders of build scripts on the library path of the
//! programs it runs, but only folders inside the target folder. So libtorch's
//! libraries are linked into `OUT_DIR`, and that is named as a search folder.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Some(libtorch) = env::var_os("LIBTORCH") else {
        return;
    };
    let libraries = Path::new(&libtorch).join("lib");
    println!("cargo:rerun-if-changed={}", libraries.display());
    let Some(out) = env::var_os("OUT_DIR") else {
        return;
    };
    let links = PathBuf::from(out).join("libtorch");
    if let Err(error) = link_libraries(&libraries, &links) {
        // Not fatal: the system's loader may know the libraries.
        println!("cargo:warning=libtorch's libraries cannot be linked: {error}");
        return;
    }
    println!("cargo:rustc-link-search=native={}", links.display());
}

#[cfg(unix)]
fn link_libraries(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_string_lossy().contains(".so") && !name.to_string_lossy().contains(".dylib") {
            continue;
        }
        let link = to.join(&name);
        if link.symlink_metadata().is_ok() {
            std::fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(entry.path().canonicalize()?, link)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn link_libraries(_from: &Path, _to: &Path) -> std::io::Result<()> {
    Ok(())
}
