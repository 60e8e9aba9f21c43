//! Where a result comes from: code, libraries, machine, data, seeds and time.
//!
//! Collected once at the start of a run. What cannot be found out is recorded as "unknown", never
//! guessed, and never stops a run.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::time::now_rfc3339;

/// Stands where something could not be found out.
pub const UNKNOWN: &str = "unknown";

/// The machine that a result was made on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Model name of the processor.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: usize,
    /// Operating system, its release and the architecture.
    pub os: String,
    /// Main memory in bytes, 0 where unknown.
    pub memory_bytes: u64,
}

impl Host {
    /// Looks at the present machine.
    pub fn detect() -> Self {
        let release = read_line("/proc/sys/kernel/osrelease");
        let os = format!(
            "{} {release} {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        Self {
            cpu: proc_field("/proc/cpuinfo", "model name").unwrap_or_else(|| UNKNOWN.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os,
            memory_bytes: memory_bytes(),
        }
    }
}

/// A data set that a result used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetUse {
    /// Registry name.
    pub name: String,
    /// Whether it is real, regenerated or procedural, in words.
    pub origin: String,
    /// SHA-256 over the files or the generator's parameters.
    pub checksum: String,
}

/// Everything that is recorded beside a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Commit of the source tree, or "unknown" outside a checkout.
    pub git_revision: String,
    /// Whether tracked files differed from that commit; `None` where git could not say.
    pub git_dirty: Option<bool>,
    /// Version of the workspace's crates.
    pub crate_version: String,
    /// Version of libtorch, or "none" in a program without it.
    pub libtorch: String,
    /// Device of the tensors (`cpu`, `cuda:0`).
    pub device: String,
    /// Threads within one tensor operation.
    pub threads: usize,
    /// The machine.
    pub host: Host,
    /// Start of the run, RFC 3339 in UTC.
    pub started_at: String,
    /// Length of the run in seconds; 0 until it has ended.
    pub wall_seconds: f64,
    /// Root seeds, in the order of use.
    pub seeds: Vec<u64>,
    /// Tier of the run (smoke, desk, paper), or empty outside an experiment.
    pub tier: String,
    /// Data sets, in the order of use.
    pub datasets: Vec<DatasetUse>,
    /// Revisions at which the results were computed, where some were read from earlier runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed_at: Vec<String>,
}

/// What the caller knows and this crate cannot find out.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// Version of libtorch; empty means none.
    pub libtorch: String,
    /// Device of the tensors.
    pub device: String,
    /// Threads within one tensor operation.
    pub threads: usize,
    /// Root seeds.
    pub seeds: Vec<u64>,
    /// Tier of the run.
    pub tier: String,
}

impl Provenance {
    /// Collects the provenance at the start of a run; `source` is the folder of the checkout.
    pub fn collect(source: &Path, facts: RunFacts) -> Self {
        let RunFacts {
            libtorch,
            device,
            threads,
            seeds,
            tier,
        } = facts;
        let revision = git(source, &["rev-parse", "HEAD"]);
        let status = git(source, &["status", "--porcelain", "--untracked-files=no"]);
        Self {
            git_revision: revision.unwrap_or_else(|| UNKNOWN.to_owned()),
            git_dirty: status.map(|text| !text.is_empty()),
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: if libtorch.is_empty() {
                "none".to_owned()
            } else {
                libtorch
            },
            device,
            threads,
            host: Host::detect(),
            started_at: now_rfc3339(),
            wall_seconds: 0.0,
            seeds,
            tier,
            datasets: Vec::new(),
            computed_at: Vec::new(),
        }
    }

    /// Records the length of the run, counted from `start`.
    pub fn finish(&mut self, start: Instant) {
        self.wall_seconds = start.elapsed().as_secs_f64();
    }
}

/// Standard output of a git command without its last line feed, or `None` when git fails.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .ok()?;
    let text = output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.trim_end().to_owned())
}

fn read_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or(UNKNOWN).to_owned()
}

/// The value behind `key :` in a file of such lines.
fn proc_field(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

fn memory_bytes() -> u64 {
    let field = proc_field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kib: u64 = field
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    kib * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_and_survives_json() {
        let facts = RunFacts {
            device: "cpu".to_owned(),
            seeds: vec![1, 2],
            ..RunFacts::default()
        };
        let start = Instant::now();
        let mut provenance = Provenance::collect(Path::new(env!("CARGO_MANIFEST_DIR")), facts);
        provenance.finish(start);
        assert!(provenance.host.cores >= 1 && provenance.wall_seconds > 0.0);
        assert_eq!(provenance.libtorch, "none");
        let json = serde_json::to_string(&provenance).expect("writes");
        assert_eq!(
            serde_json::from_str::<Provenance>(&json).expect("reads"),
            provenance
        );
    }

    #[test]
    fn revision_and_dirty_flag_follow_the_checkout() {
        let dir = tempfile::tempdir().expect("temp folder");
        let collect = || Provenance::collect(dir.path(), RunFacts::default());
        let outside = collect();
        assert_eq!(
            (outside.git_revision.as_str(), outside.git_dirty),
            (UNKNOWN, None)
        );
        let run = |arguments: &[&str]| git(dir.path(), arguments);
        if run(&["init", "-q"]).is_none() {
            // Without git the first half of this test is the whole behavior.
            return;
        }
        std::fs::write(dir.path().join("a"), "1").expect("writes");
        run(&["add", "a"]).expect("adds");
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let commit = [
            &identity[..],
            &["commit", "-q", "--no-verify", "-m", "first"],
        ]
        .concat();
        run(&commit).expect("commits");
        let clean = collect();
        assert_eq!(
            (clean.git_revision.len(), clean.git_dirty),
            (40, Some(false))
        );
        std::fs::write(dir.path().join("a"), "2").expect("writes");
        assert_eq!(collect().git_dirty, Some(true));
    }
}
