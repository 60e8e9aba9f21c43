//! Device choice as a value: parsed from text, resolved once in the program; threads and the
//! version of libtorch.
//!
//! The program links only the CPU half of libtorch. The CUDA half is opened at run time when a
//! CUDA device is asked for, which registers its kernels, so one build serves both.

use crate::{Device, TensorError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

/// A device as the user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// The processor.
    Cpu,
    /// The CUDA device with this number.
    Cuda(usize),
    /// The first CUDA device if there is one, else the processor.
    Auto,
}

impl FromStr for DeviceSpec {
    type Err = TensorError;

    fn from_str(text: &str) -> Result<Self, TensorError> {
        let bad = || TensorError::Device {
            requested: text.to_owned(),
            reason: "expected cpu, auto, cuda or cuda:N".to_owned(),
        };
        match text {
            "cpu" => Ok(Self::Cpu),
            "auto" => Ok(Self::Auto),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(bad)?;
                // `parse` alone would take a plus sign.
                let digits = number.bytes().all(|c| c.is_ascii_digit());
                number
                    .parse()
                    .ok()
                    .filter(|_| digits)
                    .map(Self::Cuda)
                    .ok_or_else(bad)
            }
        }
    }
}

impl std::fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Auto => write!(f, "auto"),
        }
    }
}

impl DeviceSpec {
    /// The libtorch device, after opening the CUDA half of libtorch where it is needed.
    ///
    /// # Errors
    /// A CUDA device that was asked for by name and cannot be used; the message says what to do.
    pub fn resolve(self) -> Result<Device, TensorError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(number) => cuda_device(number).map_err(|reason| TensorError::Device {
                requested: self.to_string(),
                reason,
            }),
            Self::Auto => Ok(cuda_device(0).unwrap_or(Device::Cpu)),
        }
    }
}

/// The CUDA device with this number, or why there is none.
fn cuda_device(number: usize) -> Result<Device, String> {
    if !tch::Cuda::is_available() {
        load_cuda(&cuda_folders(|name| std::env::var_os(name)))?;
    }
    if !tch::Cuda::is_available() {
        return Err(
            "libtorch_cuda.so was opened but finds no usable CUDA device: check that \
                    `nvidia-smi` lists one and that its driver is new enough"
                .to_owned(),
        );
    }
    let count = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
    if number >= count {
        return Err(format!(
            "this machine has {count} CUDA device(s), numbered from 0: choose one of them"
        ));
    }
    Ok(Device::Cuda(number))
}

/// The folders in which the CUDA half of libtorch may lie, most specific first.
fn cuda_folders(env: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    folders.extend(env("VAEGIS_TORCH_CUDA").map(PathBuf::from));
    if let Some(root) = env("LIBTORCH")
        .filter(|root| !root.is_empty())
        .map(PathBuf::from)
    {
        folders.push(root.join("lib-cuda"));
        // `.libtorch` is a link into the per-user cache: the sibling is beside its target. A
        // folder named for the CPU has a twin named for CUDA.
        let real = std::fs::canonicalize(&root).unwrap_or_else(|_| root.clone());
        if let Some(name) = real.file_name().map(|n| n.to_string_lossy().into_owned()) {
            let twin = format!("{}-cuda", name.strip_suffix("-cpu").unwrap_or(&name));
            folders.push(real.with_file_name(twin).join("lib"));
            folders.push(real.with_file_name(format!("{name}-cuda")).join("lib"));
        }
    }
    folders.extend(
        env("LD_LIBRARY_PATH")
            .iter()
            .flat_map(std::env::split_paths),
    );
    folders.retain(|folder| !folder.as_os_str().is_empty());
    folders
}

/// Opens the first libtorch_cuda.so found, once per process.
fn load_cuda(folders: &[PathBuf]) -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(|| open_first(folders)).clone()
}

fn open_first(folders: &[PathBuf]) -> Result<(), String> {
    const NAME: &str = "libtorch_cuda.so";
    let Some(path) = folders
        .iter()
        .map(|folder| folder.join(NAME))
        .find(|path| path.exists())
    else {
        let searched: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        return Err(format!(
            "{NAME} was not found: run `cargo xtask setup --cuda`, or set VAEGIS_TORCH_CUDA to \
             the torch/lib folder of a PyTorch 2.11.0 with CUDA (searched: {})",
            if searched.is_empty() {
                "nothing".to_owned()
            } else {
                searched.join(", ")
            }
        ));
    };
    open_global(&path).map_err(|reason| {
        format!(
            "{} cannot be opened ({reason}): run `cargo xtask setup --cuda`, or point \
             VAEGIS_TORCH_CUDA to the torch/lib folder of a PyTorch 2.11.0 with CUDA",
            path.display()
        )
    })?;
    // libtorch opens these later by bare name, and finds them then only if they
    // are in the process already. What needs them says so if they are missing.
    for companion in ["libtorch_cuda_linalg.so", "libcaffe2_nvrtc.so"] {
        let _ = open_global(&path.with_file_name(companion));
    }
    Ok(())
}

#[cfg(unix)]
fn open_global(path: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: opening a library runs its initializers. Those of libtorch_cuda.so register kernels
    // with libtorch_cpu.so, which this process links and has initialized, and need nothing else
    // of the caller; libtorch guards the registry by a lock.
    #[expect(unsafe_code, reason = "a library's initializers are foreign code")]
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    // The kernels stay registered until the process ends, so the library must, too.
    library.map(std::mem::forget).map_err(|e| e.to_string())
}

#[cfg(not(unix))]
fn open_global(_path: &Path) -> Result<(), String> {
    Err("opening libtorch's CUDA half at run time needs a Unix system".to_owned())
}

/// Sets the number of threads of libtorch's operations on the calling thread, and on threads
/// that have not used libtorch yet. Results on the CPU are bit-equal only
/// between runs with the same number.
///
/// # Panics
/// If `threads` is 0.
pub fn set_num_threads(threads: usize) {
    assert!(threads > 0, "at least one thread is needed");
    // The number is each thread's own, but a thread's first operation takes over the number that any
    // thread set last: asking for it first lets that happen before, not after.
    let _ = tch::get_num_threads();
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
}

/// The number of threads of libtorch's operations.
pub fn num_threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// The version of the libtorch that this process runs with, for example `2.11.0`: asked of the
/// loaded library, not of the headers that the program was built with.
pub fn libtorch_version() -> String {
    #[expect(unsafe_code, reason = "a foreign function")]
    unsafe extern "C" {
        /// Declared in torch/csrc/inductor/aoti_torch/c/shim.h, part of libtorch's stable C ABI.
        safe fn aoti_torch_abi_version() -> u64;
    }
    // One byte each for major, minor and patch, from the top.
    let [major, minor, patch, ..] = aoti_torch_abi_version().to_be_bytes();
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for text in ["cpu", "auto", "cuda:0", "cuda:7"] {
            assert_eq!(text.parse::<DeviceSpec>().expect("valid").to_string(), text);
        }
        assert_eq!(
            "cuda".parse::<DeviceSpec>().expect("valid"),
            DeviceSpec::Cuda(0)
        );
        for text in [
            "", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "CPU ", "cuda:1:2",
        ] {
            let error = text.parse::<DeviceSpec>().expect_err(text).to_string();
            assert!(error.contains("cuda:N"), "{error}");
        }
    }

    #[test]
    fn folders_are_searched_from_the_most_specific() {
        let env = |name: &str| match name {
            "VAEGIS_TORCH_CUDA" => Some(OsString::from("/chosen")),
            "LIBTORCH" => Some(OsString::from("/nowhere/2.11.0-cpu")),
            "LD_LIBRARY_PATH" => Some(OsString::from("/a::/b")),
            _ => None,
        };
        let expected = [
            "/chosen",
            "/nowhere/2.11.0-cpu/lib-cuda",
            "/nowhere/2.11.0-cuda/lib",
            "/nowhere/2.11.0-cpu-cuda/lib",
            "/a",
            "/b",
        ];
        assert_eq!(cuda_folders(env), expected.map(PathBuf::from));
        assert!(cuda_folders(|_| None).is_empty());
    }

    #[test]
    fn a_missing_library_says_what_to_do() {
        let error = open_first(&[PathBuf::from("/nowhere")]).expect_err("no such folder");
        assert!(
            error.contains("cargo xtask setup --cuda") && error.contains("/nowhere"),
            "{error}"
        );
        assert!(
            open_first(&[])
                .expect_err("no folder")
                .contains("searched: nothing")
        );
    }

    #[test]
    fn a_broken_library_is_named() {
        let folder = tempfile::tempdir().expect("temp folder");
        std::fs::write(folder.path().join("libtorch_cuda.so"), "not a library").expect("writes");
        let error = open_first(&[folder.path().to_owned()]).expect_err("not a library");
        assert!(
            error.contains("cannot be opened") && error.contains("setup --cuda"),
            "{error}"
        );
    }

    #[test]
    fn a_cuda_device_is_usable_or_a_clear_error() {
        match DeviceSpec::Cuda(0).resolve() {
            Ok(device) => assert_eq!(device, Device::Cuda(0)),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("cuda:0") && text.len() > 60, "{text}");
                assert_eq!(DeviceSpec::Auto.resolve().expect("falls back"), Device::Cpu);
            }
        }
        assert!(DeviceSpec::Cuda(4096).resolve().is_err());
        assert_eq!(
            DeviceSpec::Cpu.resolve().expect("always there"),
            Device::Cpu
        );
    }

    #[test]
    fn version_is_that_of_the_locked_release() {
        assert_eq!(libtorch_version(), "2.11.0");
    }

    #[test]
    fn thread_count_can_be_set() {
        let before = num_threads();
        set_num_threads(1);
        assert_eq!(num_threads(), 1);
        set_num_threads(before);
    }
}
