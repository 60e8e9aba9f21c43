//! The `doctor` command: what is there, what is missing, what to do about it.

use crate::libtorch::{self, Cache, Source, VERSION, Variant, preflight};
use crate::process;
use crate::workspace::Workspace;
use anyhow::Result;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Programs that can open the report without a screen.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

enum Finding {
    /// As it should be.
    Good(String),
    /// Works without; says what is lost.
    Note(String),
    /// A command will fail; says what to do.
    Bad(String),
}
use Finding::{Bad, Good, Note};

/// Prints all findings; fails if something necessary is missing.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let findings = [
        ("rust", rust(workspace)),
        ("C++ compiler", compiler()),
        ("python and pip", python_and_pip(workspace)),
        ("libtorch", libtorch(workspace)),
        ("checkout link", link(workspace)),
        ("GPU", gpu()),
        ("CUDA backend", cuda()),
        ("data", data()),
        ("browser", browser_finding()),
        ("cargo-deny", cargo_deny()),
    ];
    let mut failed = false;
    for (name, finding) in findings {
        let (mark, text) = match finding {
            Good(text) => ("ok  ", text),
            Note(text) => ("note", text),
            Bad(text) => {
                failed = true;
                ("BAD ", text)
            }
        };
        println!("{mark}  {name}: {}", text.replace('\n', "\n      "));
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn rust(workspace: &Workspace) -> Finding {
    let mut cargo = process::cargo(workspace);
    match process::output(cargo.arg("--version")) {
        Ok(version) => Good(version.trim().to_owned()),
        Err(error) => Bad(format!("{error:#}")),
    }
}

fn compiler() -> Finding {
    match preflight::compiler() {
        Ok(name) => Good(process::version_line(&name).unwrap_or(name)),
        Err(error) => Bad(format!("{error:#}")),
    }
}

/// Only needed until libtorch is installed, and for `bench --peers`.
fn python_and_pip(workspace: &Workspace) -> Finding {
    let found = preflight::python().and_then(|python| Ok((python, preflight::pip(python)?)));
    match found {
        Ok((python, pip)) => {
            let version = process::version_line(python).unwrap_or_else(|| python.to_owned());
            Good(format!("{version}, pip {pip}"))
        }
        Err(error) if matches!(libtorch::find(workspace), Ok(Some(_))) => {
            Note(format!("only `bench --peers` needs it now: {error:#}"))
        }
        Err(error) => Bad(format!("{error:#}")),
    }
}

fn libtorch(workspace: &Workspace) -> Finding {
    let source = libtorch::source(workspace);
    match libtorch::find(workspace) {
        Ok(Some(found)) => {
            let place = found.folder.display();
            match source {
                Source::Python => Good(format!("{VERSION}, the PyTorch in {place}")),
                Source::Folder(_) => Good(format!("{VERSION}, LIBTORCH={place}")),
                Source::Cache => match Cache::locate().and_then(|c| c.verify(Variant::Cpu)) {
                    Ok(files) => Good(format!("{VERSION} in {place}, {files} files checked")),
                    Err(why) => Bad(format!("{why:#}; run `cargo xtask setup`")),
                },
            }
        }
        Ok(None) => Note(
            "not installed yet; the first command that needs it installs it, or `cargo xtask setup`"
                .to_owned(),
        ),
        Err(error) => Bad(format!("{error:#}")),
    }
}

/// Plain cargo commands go through the link.
fn link(workspace: &Workspace) -> Finding {
    let path = workspace.path(".libtorch");
    if !path.join("lib/libtorch_cpu.so").exists() {
        return Note(
            ".libtorch leads nowhere yet, so plain cargo commands cannot link; run `cargo xtask setup`"
                .to_owned(),
        );
    }
    let target = fs::read_link(&path).unwrap_or(path);
    Good(format!(".libtorch -> {}", target.display()))
}

fn gpu() -> Finding {
    let query = [
        "--query-gpu=name,memory.total,driver_version",
        "--format=csv,noheader",
    ];
    match process::output(Command::new("nvidia-smi").args(query)) {
        Ok(text) if !text.trim().is_empty() => Good(text.trim().to_owned()),
        _ => Note("none found by nvidia-smi; everything runs on the processor".to_owned()),
    }
}

fn cuda() -> Finding {
    if let Some(folder) = env::var_os(libtorch::CUDA_VARIABLE).map(PathBuf::from) {
        let library = folder.join("libtorch_cuda.so");
        return if library.is_file() {
            Good(format!("{}={}", libtorch::CUDA_VARIABLE, folder.display()))
        } else {
            Bad(format!(
                "{} is set, but there is no {}; correct or unset it",
                libtorch::CUDA_VARIABLE,
                library.display()
            ))
        };
    }
    match libtorch::cuda_libraries() {
        Some(folder) => Good(folder.display().to_string()),
        None => Note(
            "not installed; for --device cuda:0 run `cargo xtask setup --cuda`, or set \
             VAEGIS_TORCH_CUDA to the torch/lib folder of a PyTorch with CUDA"
                .to_owned(),
        ),
    }
}

fn data() -> Finding {
    let Some(folder) = env::var_os("VAEGIS_DATA").map(PathBuf::from) else {
        return Note(
            "VAEGIS_DATA is not set: experiments use generated images, tests on real images are \
             skipped; point it at a folder with mnist/ and others, see README.md"
                .to_owned(),
        );
    };
    match folders_in(&folder) {
        Ok(sets) if sets.is_empty() => Bad(format!(
            "VAEGIS_DATA={} holds no folder of a data set",
            folder.display()
        )),
        Ok(sets) => Good(format!(
            "{}: {} (to check the files: cargo run --release --bin vaegis -- data check)",
            folder.display(),
            sets.join(", ")
        )),
        Err(error) => Bad(format!(
            "VAEGIS_DATA={}: {error}; correct or unset it",
            folder.display()
        )),
    }
}

fn folders_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A browser that can open the report, if one is installed.
pub(crate) fn browser() -> Option<PathBuf> {
    BROWSERS.iter().find_map(|name| process::which(name))
}

fn browser_finding() -> Finding {
    match browser() {
        Some(path) => Good(path.display().to_string()),
        None => {
            Note("none of chromium, google-chrome: the report is not opened in tests".to_owned())
        }
    }
}

fn cargo_deny() -> Finding {
    match process::which("cargo-deny") {
        Some(path) => Good(path.display().to_string()),
        None => {
            Note("optional; `cargo install cargo-deny` to check licences and advisories".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::files::scratch;

    #[test]
    fn data_sets_are_folders_in_order() {
        let folder = scratch("data");
        for name in ["mnist", "cifar10"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        fs::write(folder.join("README.md"), "").unwrap();
        assert_eq!(folders_in(&folder).unwrap(), ["cifar10", "mnist"]);
        assert!(folders_in(&folder.join("none")).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
