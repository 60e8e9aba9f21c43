//! What has to be there before anything is downloaded: a C++ compiler and
//! Python 3 with pip. Every gap is an error that says what to do.

use crate::process;
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// What to do where a download finds no room.
pub(crate) const OTHER_CACHE: &str =
    "Make room, or choose a folder on another disk: XDG_CACHE_HOME=/other/disk cargo xtask setup";

/// The first pip that takes several `--platform` options.
const OLDEST_PIP: u32 = 21;

/// The C++ compiler that the build of torch-sys will call.
pub(crate) fn compiler() -> Result<String> {
    let name = env::var("CXX").ok().filter(|name| !name.trim().is_empty());
    compiler_in(name.as_deref(), env::var_os("PATH").as_deref())
}

fn compiler_in(cxx: Option<&str>, path: Option<&OsStr>) -> Result<String> {
    // CXX may hold arguments, and a wrapper such as ccache.
    let name = cxx
        .and_then(|words| words.split_whitespace().next())
        .unwrap_or("c++");
    if process::which_in(name, path).is_some() {
        return Ok(name.to_owned());
    }
    let because = if cxx.is_some() { " (named by CXX)" } else { "" };
    bail!(
        "no C++ compiler: `{name}`{because} was not found, and the bindings to libtorch are C++.\n\
         Install one:\n\
         - Debian, Ubuntu: sudo apt install g++\n\
         - Fedora: sudo dnf install gcc-c++\n\
         - Arch: sudo pacman -S gcc\n\
         or name yours in CXX. The crates without libtorch need none: \
         `cargo xtask test --torch-free`."
    )
}

/// The Python that torch-sys would ask: `python` inside an activated
/// environment, else `python3`.
pub(crate) fn python() -> Result<&'static str> {
    python_in(
        env::var_os("VIRTUAL_ENV").is_some(),
        env::var_os("PATH").as_deref(),
    )
}

fn python_in(environment: bool, path: Option<&OsStr>) -> Result<&'static str> {
    let name = if environment { "python" } else { "python3" };
    if process::which_in(name, path).is_some() {
        return Ok(name);
    }
    bail!(
        "`{name}` was not found. It is needed once, to download and unpack libtorch.\n\
         Install it:\n\
         - Debian, Ubuntu: sudo apt install python3 python3-pip\n\
         - Fedora: sudo dnf install python3 python3-pip\n\
         - Arch: sudo pacman -S python python-pip\n\
         or set LIBTORCH to the folder of a libtorch that you have."
    )
}

/// Checks that this Python has a pip that is new enough; returns its version.
pub(crate) fn pip(python: &str) -> Result<String> {
    pip_with(Command::new(python).args(["-m", "pip", "--version"]))
}

fn pip_with(command: &mut Command) -> Result<String> {
    let Ok(text) = process::output(command) else {
        bail!(
            "python3 has no pip, which is needed once to download libtorch.\n\
             Install it:\n\
             - Debian, Ubuntu: sudo apt install python3-pip\n\
             - Fedora: sudo dnf install python3-pip\n\
             - elsewhere: python3 -m ensurepip --user\n\
             or set LIBTORCH to the folder of a libtorch that you have."
        );
    };
    let version = text
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let major = version
        .split('.')
        .next()
        .and_then(|m| m.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST_PIP) {
        bail!(
            "pip {version} is too old (at least {OLDEST_PIP}.0 is needed); run\n  \
             python3 -m pip install --upgrade --user pip"
        );
    }
    Ok(version)
}

/// Turns what pip or the unpacking said into an error with advice.
pub(crate) fn explain_failure(what: &str, stderr: &str, cache: &Path) -> anyhow::Error {
    let lower = stderr.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let advice = if has(&["no space left", "errno 28", "disk quota exceeded"]) {
        format!(
            "The disk is full. Make room in {}, or choose another disk: \
             XDG_CACHE_HOME=/other/disk cargo xtask setup",
            cache.display()
        )
    } else if has(&["do not match the hashes"]) {
        "What arrived is not the file that this workspace pins. If a proxy or mirror changes \
         files, ask it for the original; otherwise do not use it."
            .to_owned()
    } else if has(&["permission denied", "read-only file system"]) {
        format!(
            "{} cannot be written; choose another folder with XDG_CACHE_HOME",
            cache.display()
        )
    } else if has(&[
        "failed to establish a new connection",
        "name resolution",
        "name or service not known",
        "network is unreachable",
        "connection refused",
        "connection reset",
        "timed out",
        "proxyerror",
        "sslerror",
        "could not find a version",
        "no matching distribution",
        "max retries",
    ]) {
        "The package index could not be reached, or does not have the file. Check the network and \
         pip's settings (HTTPS_PROXY, PIP_INDEX_URL). Without a network, copy the wheels that \
         `cargo xtask setup --dry-run` lists into a folder and run\n  \
         PIP_NO_INDEX=1 PIP_FIND_LINKS=/that/folder cargo xtask setup\n\
         or set LIBTORCH to the folder of a libtorch that you have."
            .to_owned()
    } else {
        "Run it again; files that arrived whole are not fetched twice.".to_owned()
    };
    let kept: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let tail = kept[kept.len().saturating_sub(4)..].join("\n  ");
    anyhow::anyhow!("{what} failed:\n  {tail}\n{advice}")
}

/// Release and folder of the PyTorch that Python imports.
pub(crate) fn pytorch(python: &str) -> Result<(String, String)> {
    let script = "import torch, os; print(torch.__version__); \
                  print(os.path.dirname(os.path.abspath(torch.__file__)))";
    let text = process::output(Command::new(python).args(["-c", script])).with_context(|| {
        format!(
            "LIBTORCH_USE_PYTORCH is set, but `{python}` cannot import torch; install \
             torch=={} into it, activate the environment that has it, or unset the variable",
            super::pins::VERSION
        )
    })?;
    let mut lines = text.lines().rev();
    let folder = lines.next().context("python printed no folder")?.to_owned();
    let version = lines.next().context("python printed no version")?;
    Ok((
        version.split('+').next().unwrap_or(version).to_owned(),
        folder,
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    const EMPTY_PATH: Option<&str> = Some("/nonexistent");

    fn assert_mentions(error: &anyhow::Error, words: &[&str]) {
        let text = format!("{error:#}");
        for word in words {
            assert!(text.contains(word), "{word:?} not in: {text}");
        }
    }

    #[test]
    fn a_missing_compiler_says_what_to_install() {
        let error = compiler_in(None, EMPTY_PATH.map(OsStr::new)).unwrap_err();
        assert_mentions(
            &error,
            &["C++ compiler", "apt install g++", "CXX", "--torch-free"],
        );
        let error = compiler_in(Some("my-cxx -O2"), EMPTY_PATH.map(OsStr::new)).unwrap_err();
        assert_mentions(&error, &["`my-cxx`", "named by CXX"]);
    }

    #[test]
    fn a_missing_python_says_what_to_install() {
        let error = python_in(false, EMPTY_PATH.map(OsStr::new)).unwrap_err();
        assert_mentions(&error, &["python3", "apt install", "LIBTORCH"]);
    }

    #[test]
    fn a_python_without_pip_says_what_to_install() {
        // The shell stands for a Python that ends with "No module named pip".
        let fail = "echo No module named pip >&2; exit 1";
        let error = pip_with(Command::new("sh").args(["-c", fail])).unwrap_err();
        assert_mentions(
            &error,
            &["no pip", "apt install python3-pip", "ensurepip", "LIBTORCH"],
        );
    }

    #[test]
    fn an_old_pip_says_how_to_upgrade() {
        let error =
            pip_with(Command::new("sh").args(["-c", "echo pip 20.0.2 from x"])).unwrap_err();
        assert_mentions(&error, &["20.0.2", "--upgrade"]);
        let new = pip_with(Command::new("sh").args(["-c", "echo pip 25.1 from x"])).unwrap();
        assert_eq!(new, "25.1");
    }

    #[test]
    fn failures_of_pip_are_told_apart() {
        let explain = |text: &str| explain_failure("downloading torch", text, Path::new("/cache"));
        assert_mentions(
            &explain("OSError: [Errno 28] No space left on device"),
            &["disk is full"],
        );
        assert_mentions(
            &explain("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE"),
            &["not the file that this workspace pins"],
        );
        assert_mentions(
            &explain("Temporary failure in name resolution\nERROR: No matching distribution found"),
            &[
                "No matching distribution",
                "HTTPS_PROXY",
                "PIP_FIND_LINKS",
                "LIBTORCH",
            ],
        );
        assert_mentions(
            &explain("Permission denied: '/cache/x'"),
            &["XDG_CACHE_HOME"],
        );
        assert_mentions(
            &explain("something new"),
            &["something new", "Run it again"],
        );
    }
}
