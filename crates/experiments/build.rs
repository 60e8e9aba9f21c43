//! Lets `target/release/vaegis` find libtorch when it is started directly:
//! cargo sets the library path only for programs that it runs itself.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if let Ok(folder) = std::env::var("LIBTORCH") {
        // The link `.libtorch` is resolved, so that the program survives a
        // checkout that is moved or deleted.
        if let Ok(lib) = Path::new(&folder).join("lib").canonicalize() {
            println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{}", lib.display());
        }
    }
}
