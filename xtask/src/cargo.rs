//! The commands that hand over to cargo and to the program: `test`,
//! `reproduce`, `report` and `fuzz`.

use crate::cli::{ReproduceArgs, TestArgs};
use crate::room::{self, Build};
use crate::tidy::layers;
use crate::workspace::Workspace;
use crate::{bench, doctor, libtorch, process};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The environment variable that the fuzz tests read.
const FUZZ_CASES: &str = "VAEGIS_FUZZ_CASES";
/// The environment variable that names a Python with PyTorch and safetensors.
const PYTHON: &str = "VAEGIS_PYTHON";

/// `--workspace`, or one `-p` for each crate that needs no libtorch.
pub(crate) fn package_arguments(torch_free: bool) -> Vec<OsString> {
    if !torch_free {
        return vec!["--workspace".into()];
    }
    layers::torch_free()
        .flat_map(|name| ["-p".into(), name.into()])
        .collect()
}

/// Runs the tests, doctests included.
pub(crate) fn test(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    let mut command = process::cargo(workspace);
    // One run tells of every failure, not only of those in the first crate that has some.
    command.args(["test", "--no-fail-fast"]);
    command.args(package_arguments(args.torch_free));
    if args.release {
        command.arg("--release");
    }
    if !args.filter.is_empty() {
        command.arg("--").args(&args.filter);
    }
    if !args.torch_free {
        libtorch::ensure_ready(workspace)?.configure(&mut command);
    }
    if std::env::var_os("VAEGIS_DATA").is_none() {
        println!("note: VAEGIS_DATA is not set, so tests on real images are skipped");
    }
    if doctor::browser().is_none() {
        println!("note: no browser is installed, so no report is opened in one");
    }
    // PyTorch opens our checkpoints where the environment of `bench --peers` has been made.
    match std::env::var_os(PYTHON)
        .map(PathBuf::from)
        .or_else(|| bench::python(workspace))
    {
        Some(python) => _ = command.env(PYTHON, python),
        None => println!(
            "note: {PYTHON} is not set and `bench --peers` was never run, so PyTorch opens our \
             checkpoints only if python3 has it"
        ),
    }
    room::for_build(workspace, Build::Tests)?;
    room::explain(workspace, process::run(&mut command))
}

/// Runs the program in place of this process: its exit code is ours, and
/// Ctrl-C reaches it directly.
pub(crate) fn reproduce(workspace: &Workspace, args: &ReproduceArgs) -> Result<ExitCode> {
    let mut command = program(workspace);
    command.args(program_arguments(args));
    libtorch::ensure_ready(workspace)?.configure(&mut command);
    room::for_build(workspace, Build::Release)?;
    process::exec(&mut command)
}

/// `cargo run` of the `vaegis` program, up to its own arguments.
pub(crate) fn program(workspace: &Workspace) -> Command {
    let mut command = process::cargo(workspace);
    command.args([
        "run",
        "--release",
        "-p",
        "vaegis-experiments",
        "--bin",
        "vaegis",
        "--",
    ]);
    stay_here(&mut command);
    command
}

/// Relative paths on the command line are meant from where the user stands.
fn stay_here(command: &mut Command) {
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
}

fn program_arguments(args: &ReproduceArgs) -> Vec<OsString> {
    if args.list {
        return vec!["list".into()];
    }
    let mut words: Vec<OsString> = vec!["run".into()];
    if args.ids.is_empty() {
        words.push("tour".into());
    }
    words.extend(args.ids.iter().map(OsString::from));
    let mut option = |name: &str, value: Option<OsString>| {
        if let Some(value) = value {
            words.push(format!("--{name}").into());
            words.push(value);
        }
    };
    option("tier", args.tier.map(|tier| tier.to_string().into()));
    option("seed", args.seed.map(|seed| seed.to_string().into()));
    option("seeds", args.seeds.map(|seeds| seeds.to_string().into()));
    option("device", args.device.as_ref().map(OsString::from));
    option("data", args.data.as_ref().map(OsString::from));
    option("jobs", args.jobs.map(|jobs| jobs.to_string().into()));
    option("out", args.out.as_ref().map(OsString::from));
    option(
        "threads",
        args.threads.map(|threads| threads.to_string().into()),
    );
    words
}

/// The record of a run that `vaegis-report` renders.
const RECORD: &str = "report.json";

/// Renders stored records; needs no libtorch.
pub(crate) fn report(workspace: &Workspace, dir: Option<&Path>, accept: bool) -> Result<ExitCode> {
    let default = workspace.path("target/reproduce");
    let dir = dir.unwrap_or(&default);
    ensure!(
        dir.is_dir(),
        "{} is not a folder; run `cargo xtask reproduce` first, or name the folder it wrote",
        dir.display()
    );
    let runs = runs(dir)?;
    if accept {
        ensure_distinct(&runs)?;
    }
    for run in runs {
        let start = |action: &str| {
            let mut command = process::cargo(workspace);
            command.args(["run", "--release", "-p", "vaegis-report", "--", action]);
            command.arg(&run);
            stay_here(&mut command);
            command
        };
        process::run(&mut start("render"))?;
        if accept {
            let destination = workspace.path("docs/results").join(experiment_of(&run));
            process::run(start("accept").arg(destination))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `dir` itself if it is a run's folder, otherwise the runs in it, by name.
fn runs(dir: &Path) -> Result<Vec<PathBuf>> {
    if dir.join(RECORD).is_file() {
        return Ok(vec![dir.to_owned()]);
    }
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.join(RECORD).is_file() {
            runs.push(path);
        }
    }
    ensure!(
        !runs.is_empty(),
        "neither {} nor a folder in it holds a {RECORD}; name the folder that `cargo xtask \
         reproduce` wrote",
        dir.display()
    );
    runs.sort();
    Ok(runs)
}

/// The experiment of a run's folder, which is named EXPERIMENT-TIER-SEED.
fn experiment_of(run: &Path) -> String {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let mut parts = name.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(seed), Some(_tier), Some(experiment)) if seed.parse::<u64>().is_ok() => {
            experiment.to_owned()
        }
        _ => name.into_owned(),
    }
}

/// Refuses runs of one experiment, whose accepted results would take each other's place.
fn ensure_distinct(runs: &[PathBuf]) -> Result<()> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for run in runs {
        let group = groups.entry(experiment_of(run)).or_default();
        group.push(run.display().to_string());
    }
    let shared: Vec<String> = groups
        .iter()
        .filter(|(_, group)| group.len() > 1)
        .map(|(experiment, group)| format!("docs/results/{experiment}: {}", group.join(", ")))
        .collect();
    ensure!(
        shared.is_empty(),
        "--accept takes one run of an experiment, found several for {}; name the run's folder",
        shared.join("; ")
    );
    Ok(())
}

/// Runs the test `fuzz` of every crate that has one.
pub(crate) fn fuzz(workspace: &Workspace, cases: u64) -> Result<()> {
    let has_one = |krate: &&layers::Layer| workspace.path(&krate.path("tests/fuzz.rs")).is_file();
    let crates: Vec<_> = layers::LAYERS.iter().filter(has_one).collect();
    ensure!(!crates.is_empty(), "no crate has a tests/fuzz.rs");
    for krate in crates {
        let mut command = process::cargo(workspace);
        command.args(["test", "--release", "-p", krate.name, "--test", "fuzz"]);
        command.args(["--", "--nocapture"]);
        command.env(FUZZ_CASES, cases.to_string());
        println!("{FUZZ_CASES}={cases}");
        if krate.torch {
            libtorch::ensure_ready(workspace)?.configure(&mut command);
        }
        process::run(&mut command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Tier;

    #[test]
    fn folders_of_runs_name_their_experiment() {
        for (folder, experiment) in [
            ("target/reproduce/tour-desk-0", "tour"),
            ("out/fig-b.3-smoke-12", "fig-b.3"),
            ("out/mine", "mine"),
            ("out/a-b-c", "a-b-c"),
        ] {
            assert_eq!(experiment_of(Path::new(folder)), experiment);
        }
    }

    #[test]
    fn runs_that_would_replace_each_other_are_not_accepted() {
        let paths = |names: &[&str]| -> Vec<PathBuf> {
            names
                .iter()
                .map(|name| Path::new("out").join(name))
                .collect()
        };
        let each_its_own = ["fig-6.1-desk-0", "tour-desk-0", "mine"];
        ensure_distinct(&paths(&each_its_own)).expect("one run of each experiment");
        for (names, destination) in [
            (
                ["fig-6.1-desk-0", "tour-desk-0", "tour-smoke-0"],
                "docs/results/tour: out/tour-desk-0, out/tour-smoke-0;",
            ),
            (
                ["fig-6.1-desk-0", "fig-6.1-desk-1", "tour-desk-0"],
                "docs/results/fig-6.1: out/fig-6.1-desk-0, out/fig-6.1-desk-1;",
            ),
        ] {
            let error = ensure_distinct(&paths(&names)).expect_err("two runs of one experiment");
            let message = error.to_string();
            assert!(message.contains(destination), "{message}");
            assert!(message.ends_with("name the run's folder"), "{message}");
        }
    }

    #[test]
    fn a_folder_without_runs_is_an_error_that_says_what_is_missing() {
        let error = runs(Path::new(env!("CARGO_MANIFEST_DIR"))).expect_err("no runs there");
        assert!(error.to_string().contains(RECORD));
    }

    #[test]
    fn no_experiment_means_the_tour() {
        assert_eq!(
            program_arguments(&ReproduceArgs::default()),
            ["run", "tour"]
        );
    }

    #[test]
    fn options_are_passed_through() {
        let args = ReproduceArgs {
            ids: vec!["a".to_owned(), "b".to_owned()],
            tier: Some(Tier::Smoke),
            seed: Some(7),
            threads: Some(2),
            data: Some("/data".into()),
            ..ReproduceArgs::default()
        };
        let expected = [
            "run",
            "a",
            "b",
            "--tier",
            "smoke",
            "--seed",
            "7",
            "--data",
            "/data",
            "--threads",
            "2",
        ];
        assert_eq!(program_arguments(&args), expected);
        let list = ReproduceArgs { list: true, ..args };
        assert_eq!(program_arguments(&list), ["list"]);
    }

    #[test]
    fn the_torch_free_set_is_named_crate_by_crate() {
        let words = package_arguments(true);
        assert!(words.contains(&"vaegis-theory".into()) && !words.contains(&"vaegis-nn".into()));
        assert_eq!(package_arguments(false), ["--workspace"]);
    }
}
