//! Fetching the pinned wheels with pip and unpacking the part that is used.
//!
//! Everything happens in a staging folder inside the cache, under its lock.
//! Wheels that arrived whole are kept until the installation is done, so an
//! interrupted one does not fetch them twice.

use super::cache::{Cache, Entry};
use super::pins::{self, VERSION, Variant, Wheel};
use super::preflight;
use super::progress::Progress;
use crate::{files, room};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

const UNPACK: &str = include_str!("unpack.py");

/// Platform tags of the pinned wheels, for pip.
const PLATFORMS: [&str; 6] = [
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_25_x86_64",
    "manylinux_2_18_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
];

/// Room for what the file system itself needs, on top of the files.
const SPARE_BYTES: u64 = 64 << 20;

/// Installs a variant unless another process did so meanwhile.
pub(crate) fn install(cache: &Cache, variant: Variant, force: bool) -> Result<()> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "libtorch is installed automatically only on Linux with an x86-64 processor; here, set \
         LIBTORCH to the folder of a libtorch {VERSION}, or LIBTORCH_USE_PYTORCH=1 to use the \
         PyTorch that python3 imports"
    );
    let python = preflight::python()?;
    preflight::pip(python)?;
    let _lock = cache.lock()?;
    if !force && cache.installed(variant) {
        return Ok(());
    }
    cache.sweep()?;
    let wheels = pins::wheels(variant)?;
    let downloads = cache.folder.join("downloads");
    fs::create_dir_all(&downloads)?;
    room::ask(
        &cache.folder,
        bytes_needed(&downloads, &wheels, variant),
        preflight::OTHER_CACHE,
    )?;

    let staging = cache
        .folder
        .join(format!(".staging-{}", std::process::id()));
    fs::create_dir(&staging).with_context(|| format!("making {}", staging.display()))?;
    eprintln!(
        "installing libtorch {VERSION} ({}) into {}",
        if variant == Variant::Cpu {
            "CPU"
        } else {
            "CUDA backend"
        },
        cache.path(variant).display()
    );
    let result = fill(cache, variant, python, &wheels, &downloads, &staging);
    if result.is_ok() {
        fs::remove_dir_all(&downloads)?;
    }
    // Also after an error: what is worth keeping is in the downloads.
    fs::remove_dir_all(&staging).with_context(|| format!("removing {}", staging.display()))?;
    result
}

fn fill(
    cache: &Cache,
    variant: Variant,
    python: &str,
    wheels: &[Wheel],
    downloads: &Path,
    staging: &Path,
) -> Result<()> {
    let mut paths = BTreeMap::new();
    for wheel in wheels {
        let path = match present(downloads, wheel)? {
            Some(path) => path,
            None => download(cache, python, wheel, downloads, staging)?,
        };
        paths.insert(wheel.name.as_str(), path);
    }
    if variant == Variant::Cuda {
        let torch = metadata(python, &paths["torch"], wheels, "torch", staging)?;
        let toolkit = metadata(
            python,
            &paths["cuda-toolkit"],
            wheels,
            "cuda-toolkit",
            staging,
        )?;
        pins::check_cuda_pins(&torch, &toolkit, wheels)?;
    }
    let tree = staging.join("tree");
    fs::create_dir_all(&tree)?;
    let mut progress = Progress::new(
        "unpacking",
        wheels.iter().map(|w| w.unpacked(variant)).sum(),
    );
    let mut entries = Vec::new();
    for wheel in wheels.iter().filter(|wheel| wheel.unpacked(variant) > 0) {
        let rules = rules(wheel, variant);
        unpack(
            cache,
            python,
            &paths[wheel.name.as_str()],
            &tree,
            &rules,
            &mut |entry| {
                entries.push(entry);
                progress.update(entries.iter().map(|entry: &Entry| entry.bytes).sum());
            },
        )?;
    }
    progress.finish();
    match variant {
        Variant::Cpu => {
            // torch-sys always links a library of this name. The real one
            // would ask for the CUDA libraries.
            symlink("libtorch_cpu.so", tree.join("lib/libtorch.so"))?;
            fs::write(tree.join("build-version"), format!("{VERSION}+cpu\n"))?;
        }
        // The same place as beside the CPU's libraries; paths relative to a
        // library still work, because the system follows the link first.
        Variant::Cuda => symlink("torch/lib", tree.join("lib"))?,
    }
    cache.publish(variant, &tree, entries)
}

/// What is taken from a wheel, and where it goes.
fn rules(wheel: &Wheel, variant: Variant) -> Vec<String> {
    let same = |files: &[&str], from: &str, to: &str| -> Vec<String> {
        files
            .iter()
            .map(|file| format!("{from}{file}={to}{file}"))
            .collect()
    };
    match (variant, wheel.name.as_str()) {
        (Variant::Cpu, "torch") => {
            let libraries = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"];
            let mut rules = same(&libraries, "torch/lib/", "lib/");
            rules.push("torch/include/=include/".to_owned());
            rules
        }
        (Variant::Cpu, "nvidia-cuda-runtime") => {
            same(&["libcudart.so.13"], "nvidia/cu13/lib/", "lib/")
        }
        (Variant::Cpu, _) => same(&["libcupti.so.13"], "nvidia/cu13/lib/", "lib/"),
        // The folders stay as in a Python environment, because the libraries
        // find each other by paths relative to themselves. The kernels for
        // the processor stay out: a second copy of them must not be loaded.
        (Variant::Cuda, "torch") => same(
            &[
                "libtorch_cuda.so",
                "libtorch_cuda_linalg.so",
                "libtorch_nvshmem.so",
                "libc10_cuda.so",
                "libcaffe2_nvrtc.so",
            ],
            "torch/lib/",
            "torch/lib/",
        ),
        (Variant::Cuda, _) => vec!["lib:nvidia/=nvidia/".to_owned()],
    }
}

fn bytes_needed(downloads: &Path, wheels: &[Wheel], variant: Variant) -> u64 {
    let missing = wheels
        .iter()
        .filter(|wheel| find(downloads, wheel).is_none());
    let packed: u64 = missing.map(|wheel| wheel.bytes).sum();
    packed
        + wheels
            .iter()
            .map(|wheel| wheel.unpacked(variant))
            .sum::<u64>()
        + SPARE_BYTES
}

fn find(folder: &Path, wheel: &Wheel) -> Option<PathBuf> {
    let prefix = wheel.file_prefix();
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    entries.find_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name.starts_with(&prefix) && name.ends_with(".whl")).then(|| entry.path())
    })
}

/// A wheel that is there already, with the right hash; any other is removed.
fn present(downloads: &Path, wheel: &Wheel) -> Result<Option<PathBuf>> {
    let Some(path) = find(downloads, wheel) else {
        return Ok(None);
    };
    if files::sha256(&path)? == wheel.sha256 {
        return Ok(Some(path));
    }
    fs::remove_file(&path)?;
    Ok(None)
}

fn download(
    cache: &Cache,
    python: &str,
    wheel: &Wheel,
    downloads: &Path,
    staging: &Path,
) -> Result<PathBuf> {
    let label = format!("downloading {} {}", wheel.name, wheel.version);
    let list = staging.join("requirements.txt");
    fs::write(&list, wheel.requirement())?;
    let arriving = staging.join("arriving");
    fs::create_dir_all(&arriving)?;

    let mut pip = pip_download(python, &list, &arriving);
    // Temporary files of pip then lie on the disk whose space was checked,
    // and their growth is the progress.
    pip.env("TMPDIR", staging);
    let mut progress = Progress::new(&label, wheel.bytes);
    let (status, stderr) = run_watched(pip, || progress.update(largest_wheel(staging)))
        .with_context(|| format!("running {python} -m pip"))?;
    if !status.success() {
        eprintln!();
        return Err(preflight::explain_failure(&label, &stderr, &cache.folder));
    }
    progress.finish();
    let arrived = find(&arriving, wheel).with_context(|| {
        format!(
            "pip reported success but left no {}*.whl",
            wheel.file_prefix()
        )
    })?;
    let found = files::sha256(&arrived)?;
    ensure!(
        found == wheel.sha256,
        "{} has sha256 {found}, expected {}; nothing was installed",
        arrived.display(),
        wheel.sha256
    );
    let kept = downloads.join(
        arrived
            .file_name()
            .context("invariant: a wheel has a name")?,
    );
    fs::rename(&arrived, &kept)?;
    Ok(kept)
}

/// The pip that fetches exactly the wheels of a requirements file with hashes into a folder,
/// for our platform whatever Python runs it.
fn pip_download(python: &str, requirements: &Path, folder: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download"]);
    pip.args(["--no-input", "--disable-pip-version-check"]);
    // Our cache makes pip's own superfluous, and it would take the space twice.
    pip.arg("--no-cache-dir");
    pip.args(["--progress-bar", "off"]);
    pip.args(["--only-binary=:all:", "--no-deps"]);
    pip.args(["--python-version", "3.12"]);
    pip.args(["--implementation", "cp", "--abi", "cp312"]);
    pip.args(PLATFORMS.iter().flat_map(|tag| ["--platform", tag]));
    pip.arg("--require-hashes");
    pip.arg("--requirement").arg(requirements);
    pip.arg("--dest").arg(folder);
    pip
}

/// Runs a program to its end and calls `watch` meanwhile; its status and standard error.
fn run_watched(mut program: Command, mut watch: impl FnMut()) -> Result<(ExitStatus, String)> {
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = program.spawn()?;
    let mut stderr = child
        .stderr
        .take()
        .context("invariant: standard error is a pipe")?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        watch();
        thread::sleep(Duration::from_millis(150));
    };
    Ok((status, reader.join().unwrap_or_default()))
}

/// Size of the largest wheel below a folder: pip writes one file at a time,
/// to a place that depends on its version.
fn largest_wheel(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => largest_wheel(&entry.path()),
        Ok(_) if entry.file_name().to_string_lossy().ends_with(".whl") => {
            entry.metadata().map_or(0, |m| m.len())
        }
        _ => 0,
    });
    sizes.max().unwrap_or(0)
}

/// The METADATA text of a wheel.
fn metadata(
    python: &str,
    path: &Path,
    wheels: &[Wheel],
    name: &str,
    staging: &Path,
) -> Result<String> {
    let wheel = wheels
        .iter()
        .find(|w| w.name == name)
        .context("invariant: a pinned wheel")?;
    let member = format!(
        "{}dist-info/METADATA",
        wheel.file_prefix().replace(
            &format!("-{}-", wheel.version),
            &format!("-{}.", wheel.version)
        )
    );
    let folder = staging.join("metadata");
    let rules = [format!("{member}={name}")];
    unpack(
        &Cache {
            folder: staging.to_path_buf(),
        },
        python,
        path,
        &folder,
        &rules,
        &mut |_| {},
    )?;
    files::read(&folder.join(name))
}

fn unpack(
    cache: &Cache,
    python: &str,
    wheel: &Path,
    folder: &Path,
    rules: &[String],
    each: &mut dyn FnMut(Entry),
) -> Result<()> {
    // -I: neither the user's packages nor PYTHON variables can interfere.
    let mut command = Command::new(python);
    command
        .args(["-I", "-c", UNPACK])
        .arg(wheel)
        .arg(folder)
        .args(rules);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("starting {python}"))?;
    let stdout = child
        .stdout
        .take()
        .context("invariant: standard output is a pipe")?;
    for line in BufReader::new(stdout).lines() {
        each(Entry::parse(&line?)?);
    }
    let mut stderr = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_string(&mut stderr)?;
    }
    if !child.wait()?.success() {
        let what = format!("unpacking {}", wheel.display());
        bail!(preflight::explain_failure(&what, &stderr, &cache.folder));
    }
    Ok(())
}

/// What an installation would do, for `setup --dry-run`.
pub(crate) fn plan(cache: &Cache, variant: Variant) -> Result<String> {
    let wheels = pins::wheels(variant)?;
    let mut text = format!("{} from these wheels:\n", cache.path(variant).display());
    for wheel in &wheels {
        let size = room::megabytes(wheel.bytes);
        text += &format!(
            "  {:>9}  {}=={}  sha256 {}\n",
            size, wheel.name, wheel.version, wheel.sha256
        );
    }
    let packed = wheels.iter().map(|wheel| wheel.bytes).sum();
    let unpacked = wheels.iter().map(|wheel| wheel.unpacked(variant)).sum();
    text += &format!(
        "  to download: {}, on the disk afterwards: {}\n",
        room::megabytes(packed),
        room::megabytes(unpacked)
    );
    Ok(text)
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
