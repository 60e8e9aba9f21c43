//! Finding libtorch, installing it where there is none, and the environment
//! that makes cargo and the programs it starts use it.
//!
//! Order of the search: `LIBTORCH_USE_PYTORCH`, then `LIBTORCH`, then the
//! per-user cache, which is filled if it is empty. Whatever is found is also
//! linked as `.libtorch`, where `.cargo/config.toml` points, so that plain
//! cargo commands work from then on.

mod cache;
mod install;
mod pins;
pub(crate) mod preflight;
mod progress;
mod version;

pub(crate) use cache::{Cache, user_cache};
pub(crate) use pins::{VERSION, Variant};

use crate::cli::SetupArgs;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The link in the checkout that `.cargo/config.toml` names.
const LINK: &str = ".libtorch";

/// Names the folder from which the program opens `libtorch_cuda.so`.
pub(crate) const CUDA_VARIABLE: &str = "VAEGIS_TORCH_CUDA";

/// The folder of the CUDA backend that `setup --cuda` installed, if it did.
pub(crate) fn cuda_libraries() -> Option<PathBuf> {
    let cache = Cache::locate().ok()?;
    cache
        .installed(Variant::Cuda)
        .then(|| cache.path(Variant::Cuda).join("torch/lib"))
}

/// Where libtorch comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The PyTorch that Python imports.
    Python,
    /// The folder in `LIBTORCH`.
    Folder(PathBuf),
    /// Our own installation.
    Cache,
}

/// A libtorch that is ready to be linked.
#[derive(Clone, Debug)]
pub(crate) struct Libtorch {
    /// The folder with `lib` and `include`.
    pub(crate) folder: PathBuf,
    /// The folder of the libraries, as children are to see it.
    pub(crate) libraries: PathBuf,
}

impl Libtorch {
    /// Sets the library path of a child. `LIBTORCH` itself needs no help: the
    /// child inherits the user's, or cargo sets it as it does for plain cargo
    /// commands. A different spelling of the same folder would rebuild
    /// torch-sys on every change between the two.
    pub(crate) fn configure(&self, command: &mut Command) {
        command.env(
            "LD_LIBRARY_PATH",
            with_first(&self.libraries, env::var_os("LD_LIBRARY_PATH").as_deref()),
        );
        // The program looks beside the linked libtorch by itself; this also
        // covers a libtorch of the user's own.
        if env::var_os(CUDA_VARIABLE).is_none()
            && let Some(folder) = cuda_libraries()
        {
            command.env(CUDA_VARIABLE, folder);
        }
    }
}

/// A search path with one folder in front, once.
fn with_first(first: &Path, path: Option<&OsStr>) -> OsString {
    let mut folders = vec![first.to_path_buf()];
    if let Some(path) = path {
        let rest = env::split_paths(path).filter(|f| f != first && !f.as_os_str().is_empty());
        folders.extend(rest);
    }
    // Joining fails only for a folder with a colon, which cannot be listed.
    env::join_paths(folders).unwrap_or_else(|_| first.as_os_str().to_owned())
}

/// Which libtorch the environment asks for.
pub(crate) fn source(workspace: &Workspace) -> Source {
    // As in torch-sys, any value of the first counts, an empty one too.
    let use_pytorch = env::var_os("LIBTORCH_USE_PYTORCH").is_some();
    choose(
        workspace,
        use_pytorch,
        env::var_os("LIBTORCH").map(PathBuf::from),
    )
}

fn choose(workspace: &Workspace, use_pytorch: bool, libtorch: Option<PathBuf>) -> Source {
    if use_pytorch {
        return Source::Python;
    }
    match libtorch {
        // Cargo itself sets the variable to the link for programs it starts.
        Some(folder) if folder != workspace.path(LINK) => Source::Folder(folder),
        _ => Source::Cache,
    }
}

fn bypass() -> bool {
    env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_some()
}

/// Finds libtorch without installing anything; `None` if it is to be installed.
pub(crate) fn find(workspace: &Workspace) -> Result<Option<Libtorch>> {
    match source(workspace) {
        Source::Python => {
            let python = preflight::python()?;
            let (version, folder) = preflight::pytorch(python)?;
            version::check(
                Some(&version),
                &format!("the PyTorch of {python}"),
                bypass(),
            )?;
            let folder = PathBuf::from(folder);
            let libraries = folder.join("lib");
            Ok(Some(Libtorch { folder, libraries }))
        }
        Source::Folder(folder) => check_folder(&folder, bypass()).map(Some),
        Source::Cache => {
            let cache = Cache::locate()?;
            let found = cache.installed(Variant::Cpu).then(|| Libtorch {
                folder: cache.path(Variant::Cpu),
                libraries: workspace.path(LINK).join("lib"),
            });
            Ok(found)
        }
    }
}

/// Checks a folder that the user named.
fn check_folder(folder: &Path, bypass: bool) -> Result<Libtorch> {
    let advice = "correct LIBTORCH, or unset it and run `cargo xtask setup`";
    let shown = folder.display();
    ensure!(
        folder.is_absolute(),
        "LIBTORCH={shown} is a relative path; make it absolute"
    );
    ensure!(
        folder.is_dir(),
        "LIBTORCH={shown} is not a folder; {advice}"
    );
    let elsewhere = |name: &str| env::var_os(name).map_or(folder.to_path_buf(), PathBuf::from);
    let libraries = elsewhere("LIBTORCH_LIB").join("lib");
    let include = elsewhere("LIBTORCH_INCLUDE").join("include");
    for needed in [
        libraries.join("libtorch.so"),
        libraries.join("libtorch_cpu.so"),
        include,
    ] {
        ensure!(
            needed.exists(),
            "LIBTORCH={shown} is no complete libtorch: {} is missing; {advice}",
            needed.display()
        );
    }
    version::check(
        version::of_folder(folder).as_deref(),
        &format!("LIBTORCH={shown}"),
        bypass,
    )?;
    Ok(Libtorch {
        folder: folder.to_path_buf(),
        libraries,
    })
}

/// Makes libtorch ready for a command that links it: checks the compiler,
/// installs if needed, links it into the checkout.
pub(crate) fn ensure_ready(workspace: &Workspace) -> Result<Libtorch> {
    preflight::compiler()?;
    let libtorch = match find(workspace)? {
        Some(libtorch) => libtorch,
        None => {
            install::install(&Cache::locate()?, Variant::Cpu, false)?;
            find(workspace)?.context("libtorch was installed but is not found")?
        }
    };
    link(workspace, &libtorch.folder)?;
    Ok(libtorch)
}

/// Points the link of the checkout at a folder. Replacing it is one rename,
/// so a build that runs at the same time sees the old or the new one.
fn link(workspace: &Workspace, folder: &Path) -> Result<()> {
    let path = workspace.path(LINK);
    match path.symlink_metadata() {
        Ok(found) if !found.is_symlink() => anyhow::bail!(
            "{} is in the way: a link belongs there; move it away and run this again",
            path.display()
        ),
        Ok(_) if fs::read_link(&path).is_ok_and(|target| target == folder) => return Ok(()),
        _ => {}
    }
    let fresh = workspace.path(&format!("{LINK}.{}", std::process::id()));
    symlink(folder, &fresh).with_context(|| format!("making the link {}", fresh.display()))?;
    fs::rename(&fresh, &path).with_context(|| format!("making the link {}", path.display()))
}

/// The `setup` command.
pub(crate) fn setup(workspace: &Workspace, args: &SetupArgs) -> Result<()> {
    let cache = Cache::locate()?;
    let source = source(workspace);
    if args.dry_run {
        if source == Source::Cache {
            print!("{}", install::plan(&cache, Variant::Cpu)?);
        } else {
            println!("libtorch itself is not downloaded: the environment names one");
        }
        if args.cuda {
            print!("{}", install::plan(&cache, Variant::Cuda)?);
        }
        return Ok(());
    }
    preflight::compiler()?;
    if source == Source::Cache {
        install_and_verify(&cache, Variant::Cpu, args.force)?;
    }
    let libtorch = ensure_ready(workspace)?;
    println!("libtorch {VERSION}: {}", libtorch.folder.display());
    if args.cuda {
        install_and_verify(&cache, Variant::Cuda, args.force)?;
        println!(
            "CUDA backend: {}",
            cache.path(Variant::Cuda).join("torch/lib").display()
        );
    }
    Ok(())
}

fn install_and_verify(cache: &Cache, variant: Variant, force: bool) -> Result<()> {
    if !force && cache.path(variant).exists() {
        match cache.verify(variant) {
            Ok(_) => return Ok(()),
            Err(why) => eprintln!("installing again: {why:#}"),
        }
        return install::install(cache, variant, true);
    }
    install::install(cache, variant, force)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::files::scratch;

    #[test]
    fn the_users_choice_comes_first_and_cargos_own_value_does_not_count() {
        let workspace = Workspace::at(Path::new("/w"));
        let folder = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            choose(&workspace, true, folder("/opt/libtorch")),
            Source::Python
        );
        assert_eq!(
            choose(&workspace, false, folder("/opt/libtorch")),
            Source::Folder(PathBuf::from("/opt/libtorch"))
        );
        assert_eq!(
            choose(&workspace, false, folder("/w/.libtorch")),
            Source::Cache
        );
        assert_eq!(choose(&workspace, false, None), Source::Cache);
    }

    #[test]
    fn a_bad_libtorch_folder_says_what_is_wrong() {
        let folder = scratch("folder").canonicalize().unwrap();
        let error = |path: &Path| check_folder(path, false).unwrap_err().to_string();
        assert!(error(Path::new("libtorch")).contains("relative"));
        assert!(error(&folder.join("none")).contains("not a folder"));
        assert!(error(&folder).contains("libtorch.so is missing"));
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::create_dir_all(folder.join("include")).unwrap();
        for name in ["libtorch.so", "libtorch_cpu.so"] {
            fs::write(folder.join("lib").join(name), "").unwrap();
        }
        assert!(error(&folder).contains("unknown version"));
        fs::write(folder.join("build-version"), "2.10.0+cpu\n").unwrap();
        let wrong = error(&folder);
        assert!(
            wrong.contains("2.10.0") && wrong.contains("cargo xtask setup"),
            "{wrong}"
        );
        assert!(check_folder(&folder, true).is_ok());
        fs::write(folder.join("build-version"), format!("{VERSION}+cpu\n")).unwrap();
        assert_eq!(
            check_folder(&folder, false).unwrap().libraries,
            folder.join("lib")
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_link_is_made_once_moved_and_never_replaces_a_folder() {
        let root = scratch("link");
        let workspace = Workspace::at(&root);
        for target in ["/a", "/a", "/b"] {
            link(&workspace, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(root.join(LINK)).unwrap(), Path::new(target));
        }
        fs::remove_file(root.join(LINK)).unwrap();
        fs::create_dir(root.join(LINK)).unwrap();
        assert!(
            link(&workspace, Path::new("/a"))
                .unwrap_err()
                .to_string()
                .contains("in the way")
        );
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_library_path_keeps_the_users_folders() {
        let path = |text: &str| Some(OsString::from(text));
        let joined = |old: Option<OsString>| with_first(Path::new("/t/lib"), old.as_deref());
        assert_eq!(joined(None), "/t/lib");
        assert_eq!(joined(path("/a:/t/lib::/b")), "/t/lib:/a:/b");
    }
}
