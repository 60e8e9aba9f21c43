//! Bad input: each a clear error on stderr, an exit code that is not 0, and a folder tree that is
//! exactly what it was before.

#[path = "../common/mod.rs"]
mod common;
mod configurations;
mod data;
mod makers;
mod models;

use common::{run, snapshot, succeed};
use makers::{TRAIN, TRAIN_ON_DATA, WEIGHTS, config, in_training, mnist, own_npz, pictures};
use std::path::Path;

/// What the cases start from is whole, so that the damage alone is refused.
#[test]
fn the_undamaged_inputs_are_accepted() {
    let makers: [fn(&Path); 4] = [mnist, |f| own_npz(f, 0.5), pictures, |f| config(f, |t| t)];
    for prepare in makers {
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        succeed(folder.path(), TRAIN_ON_DATA);
        assert!(folder.path().join(WEIGHTS).exists());
    }
    let folder = tempfile::tempdir().expect("a folder");
    in_training(folder.path());
    assert!(succeed(folder.path(), "show m").contains("unfinished"));
    succeed(folder.path(), TRAIN);
}

/// A wrong command line is clap's: exit code 2 and a hint.
#[test]
fn a_wrong_command_line_has_its_own_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    for words in [
        "train",
        "train c.toml",
        "attack m --objective k2",
        "margin",
        "margin m --direction sideways",
        "fly",
    ] {
        let output = run(folder.path(), words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {stderr}");
        assert!(stderr.contains("--help"), "{words}: {stderr}");
    }
    assert!(snapshot(folder.path()).is_empty());
}
