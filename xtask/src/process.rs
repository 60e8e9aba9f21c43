//! Starting child processes: echo the command, run it, explain failure.
//!
//! Every command line is printed before it runs, so that a reader can repeat
//! it by hand.

use crate::workspace::Workspace;
use anyhow::{Context, Result, anyhow, bail};
use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A cargo of the same toolchain that started xtask, at the workspace root.
///
/// What `cargo run` says of the package xtask is kept from it: build scripts watch some of these
/// variables, and half the workspace would be built again whenever `cargo xtask` and plain cargo
/// take turns.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace.root());
    for (name, _) in env::vars_os() {
        if is_of_a_package(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// The command as one would type it, without its environment.
pub(crate) fn show(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args()).map(quote);
    words.collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains([' ', '"', '\'', '$', '*']) {
        format!("'{word}'")
    } else {
        word.into_owned()
    }
}

/// Runs with the terminal attached, after printing the command line.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    println!("$ {line}");
    let status = command
        .status()
        .map_err(|error| not_started(command, &error))?;
    if !status.success() {
        bail!("`{line}` failed ({status}); its own messages are above");
    }
    Ok(())
}

/// Runs and returns the standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed ({}): {}", output.status, message.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed non-UTF-8 text"))
}

/// Replaces this process, so that exit code and signals are the child's own.
pub(crate) fn exec(command: &mut Command) -> Result<std::process::ExitCode> {
    use std::os::unix::process::CommandExt;
    println!("$ {}", show(command));
    let error = command.exec();
    Err(not_started(command, &error))
}

fn not_started(command: &Command, error: &io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy();
    if error.kind() == io::ErrorKind::NotFound {
        anyhow!("the program `{program}` was not found; install it or add it to PATH")
    } else {
        anyhow!("the program `{program}` could not be started: {error}")
    }
}

/// The first executable of that name in the folders of `PATH`.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    which_in(name, env::var_os("PATH").as_deref())
}

/// The first file of that name in the folders of a given search path.
pub(crate) fn which_in(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |file: &PathBuf| {
        file.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(executable);
    }
    env::split_paths(path?)
        .map(|folder| folder.join(name))
        .find(executable)
}

/// The first line that a program prints when it is asked for its version.
pub(crate) fn version_line(program: &str) -> Option<String> {
    let text = output(Command::new(program).arg("--version")).ok()?;
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn cargo_does_not_hear_of_the_package_xtask() {
        let workspace = Workspace::find().expect("a workspace");
        let command = cargo(&workspace);
        // The test runner sets it, as `cargo run` does.
        assert!(env::var_os("CARGO_MANIFEST_DIR").is_some());
        let removed = |name: &str| {
            command
                .get_envs()
                .any(|(key, value)| key == name && value.is_none())
        };
        assert!(removed("CARGO_MANIFEST_DIR") && removed("CARGO_PKG_NAME"));
        assert!(!removed("PATH"));
    }

    #[test]
    fn a_command_is_shown_as_one_types_it() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "a b"]);
        assert_eq!(show(&command), "cargo test 'a b'");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-vaegis"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no-such-program-vaegis") && error.contains("PATH"),
            "{error}"
        );
    }

    #[test]
    fn a_failing_program_is_named() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("why") && error.contains('3'), "{error}");
    }

    #[test]
    fn search_needs_an_executable_file() {
        assert!(which("sh").is_some());
        assert!(which_in("sh", Some(OsStr::new("/nonexistent"))).is_none());
        assert!(
            which_in("passwd", Some(OsStr::new("/etc"))).is_none(),
            "not executable"
        );
    }
}
