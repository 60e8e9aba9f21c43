//! Writers killed at random moments: what is on disk is always one whole version.
//!
//! The test starts itself as a child that rewrites a file, a folder and a log without pause, kills
//! it (SIGKILL on Unix) and looks.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt;
use vaegis_core::codec::{
    JsonlWriter, read_jsonl, recover_folder, write_atomic, write_folder_atomic,
};
use vaegis_core::{CoreError, SeedTree};

const CHILD: &str = "VAEGIS_KILL_TEST_FOLDER";
const KILLS: u64 = 20;
/// Large enough that a plain write would be seen half done.
const BODY: usize = 300_000;

/// What the child does until it dies.
fn write_forever(root: &Path) -> Result<(), CoreError> {
    let mut log = JsonlWriter::open_append(&root.join("log.jsonl"))?;
    for version in 0_u64.. {
        let body = vec![b'a' + (version % 26) as u8; BODY];
        write_atomic(&root.join("file"), &body)?;
        write_folder_atomic(&root.join("folder"), |folder| {
            for name in ["one", "two"] {
                write_atomic(&folder.join(name), &body)?;
            }
            Ok::<(), CoreError>(())
        })?;
        log.append(&(version, "x".repeat(1000)))?;
    }
    Ok(())
}

/// The one letter that a whole file consists of.
fn letter(path: &Path) -> Option<u8> {
    let body = fs::read(path).ok()?;
    assert_eq!(body.len(), BODY, "{} is torn", path.display());
    assert!(
        body.iter().all(|&b| b == body[0]),
        "{} mixes versions",
        path.display()
    );
    Some(body[0])
}

#[test]
fn twenty_kills_leave_whole_files_folders_and_logs() {
    if let Some(root) = std::env::var_os(CHILD) {
        write_forever(Path::new(&root)).expect("writes until killed");
        return;
    }
    let dir = tempfile::tempdir().expect("temp folder");
    let root = dir.path();
    let mut rng = SeedTree::new(20).child("kill").rng();
    let mut rows = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("twenty_kills_leave_whole_files_folders_and_logs")
            .env(CHILD, root)
            .stdout(Stdio::null())
            .spawn()
            .expect("starts itself");
        std::thread::sleep(Duration::from_millis(rng.random_range(20..150)));
        child.kill().expect("kills");
        child.wait().expect("ends");
        letter(&root.join("file"));
        recover_folder(&root.join("folder")).expect("recovers");
        let pair = ["one", "two"].map(|name| letter(&root.join("folder").join(name)));
        assert_eq!(pair[0], pair[1], "the folder mixes versions");
        if root.join("log.jsonl").exists() {
            let log: Vec<(u64, String)> = read_jsonl(&root.join("log.jsonl")).expect("reads");
            assert!(log.len() >= rows, "{} rows after {rows}", log.len());
            assert!(log.iter().all(|(_, text)| text.len() == 1000));
            rows = log.len();
        }
    }
    assert!(rows > 0, "the child never wrote a row in {KILLS} lives");
}
