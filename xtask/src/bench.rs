//! The `bench` command: criterion with a dated summary, and the comparison
//! with PyTorch and SciPy in a Python environment of its own.

use crate::bench_summary::{self, Machine};
use crate::libtorch::{self, preflight, user_cache};
use crate::workspace::Workspace;
use crate::{date, files, process, room};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const REQUIREMENTS: &str = "benches/peers/requirements.txt";
const FOLDER: &str = "docs/benchmarks";
/// The mark of an environment that was made to its end.
const COMPLETE: &str = "complete";

/// Room for PyTorch with its libraries, and for pip's copy while it installs.
const PEERS_BYTES: u64 = 9_000_000_000;

/// Runs the criterion benchmarks and stores what they measured.
pub(crate) fn criterion(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let start = SystemTime::now();
    let mut command = process::cargo(workspace);
    command.args(["bench", "-p", "vaegis-benches", "--benches"]);
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
    libtorch::ensure_ready(workspace)?.configure(&mut command);
    process::run(&mut command)?;
    let results = workspace.target_dir()?.join("criterion");
    let rows = bench_summary::read(&results, start)?;
    ensure!(
        !rows.is_empty(),
        "no benchmark ran; is the filter the name of one?"
    );
    let name = match filter {
        None => format!("{FOLDER}/{}-criterion.md", date::today()),
        Some(filter) => format!(
            "{FOLDER}/{}-criterion-{}.md",
            date::today(),
            file_name(filter)
        ),
    };
    let machine = Machine::of(workspace);
    let text = bench_summary::markdown(&rows, &machine, filter);
    fs::create_dir_all(workspace.path(FOLDER))?;
    fs::write(workspace.path(&name), &text)?;
    println!("{text}\nstored as {name}");
    Ok(())
}

fn file_name(filter: &str) -> String {
    filter
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// The Python of the comparison's environment, if that has been made.
pub(crate) fn python(workspace: &Workspace) -> Option<PathBuf> {
    let folder = environment_folder(workspace).ok()?;
    let python = folder.join("bin/python");
    (folder.join(COMPLETE).is_file() && python.exists()).then_some(python)
}

/// Where the environment belongs, named by its contents: other pins make another one.
fn environment_folder(workspace: &Workspace) -> Result<PathBuf> {
    let text = files::read(&workspace.path(REQUIREMENTS))?;
    let name = format!("peers-{}", &files::sha256_text(&text)[..12]);
    Ok(user_cache()?.join("vaegis").join(name))
}

/// Measures against PyTorch and SciPy.
pub(crate) fn peers(workspace: &Workspace, filter: Option<&str>, quick: bool) -> Result<()> {
    let mut command = process::cargo(workspace);
    command.args([
        "run",
        "--release",
        "-p",
        "vaegis-benches",
        "--bin",
        "peers",
        "--",
        "--python",
    ]);
    command.arg(environment(workspace)?);
    command.arg("--out").arg(workspace.path(FOLDER));
    command.args(quick.then_some("--quick"));
    command.args(
        filter
            .map(|filter| ["--filter", filter])
            .into_iter()
            .flatten(),
    );
    libtorch::ensure_ready(workspace)?.configure(&mut command);
    process::run(&mut command)
}

/// The Python of the environment with the pinned peers, made if needed.
fn environment(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.path(REQUIREMENTS);
    let folder = environment_folder(workspace)?;
    let parent = user_cache()?.join("vaegis");
    fs::create_dir_all(&parent).with_context(|| format!("making {}", parent.display()))?;
    let python = folder.join("bin/python");
    // An environment cannot be moved after it was made, so it is not renamed
    // into place; the mark is written last.
    let complete = folder.join(COMPLETE);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(parent.join(".peers.lock"))
        .context("opening the lock of the Python environments")?;
    lock.lock().context("locking the Python environments")?;
    if complete.is_file() && python.exists() {
        return Ok(python);
    }
    room::ask(&parent, PEERS_BYTES, preflight::OTHER_CACHE)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let base = preflight::python()?;
    println!("making a Python environment in {} (once)", folder.display());
    process::run(Command::new(base).args(["-m", "venv"]).arg(&folder)).context(
        "python3 could not make an environment; on Debian and Ubuntu: sudo apt install python3-venv",
    )?;
    install(&python, &requirements, &parent)?;
    File::create(&complete)?.sync_all()?;
    Ok(python)
}

fn install(python: &Path, requirements: &Path, cache: &Path) -> Result<()> {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
    ]);
    pip.args(["--only-binary=:all:", "--requirement"])
        .arg(requirements);
    pip.env("TMPDIR", cache);
    process::run(&mut pip).with_context(|| {
        format!(
            "installing {REQUIREMENTS}: check the network, pip's settings and the room in {}",
            cache.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_makes_a_file_name() {
        assert_eq!(file_name("jacobian/256 rows"), "jacobian-256-rows");
    }

    #[test]
    fn the_peers_are_pinned() {
        let workspace = Workspace::find().expect("the tests run inside the checkout");
        let text = files::read(&workspace.path(REQUIREMENTS)).expect("the list is there");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        for line in lines {
            assert!(line.contains("=="), "not pinned: {line}");
        }
        assert!(text.contains(&format!("torch=={}", libtorch::VERSION)));
    }
}
