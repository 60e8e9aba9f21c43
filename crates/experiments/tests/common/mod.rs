//! The real program on a tiny model in a temporary folder.

#![expect(dead_code, reason = "every test uses a part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// A model of a few thousand parameters on 8 × 8 sprites: trains in well under a second.
pub(crate) const TINY: &str = r#"
[dataset]
name = "sprites"
size = 8
train-items = 256
test-items = 48
[model]
family = "vae"
input = [1, 8, 8]
latent = 3
[model.network]
kind = "mlp"
hidden = [16]
[train]
batch-size = 32
epochs = 4
log-every = 5
checkpoint-every-steps = 4
"#;

/// The program in the folder `cwd`, one thread, without the surroundings' settings.
pub(crate) fn vaegis(cwd: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaegis"));
    command.current_dir(cwd).env_remove("VAEGIS_DATA");
    command
        .env("VAEGIS_LOG", "warn")
        .env_remove("RUST_BACKTRACE");
    command
}

/// Runs the program with these words and returns what it said.
pub(crate) fn run(cwd: &Path, words: &str) -> Output {
    let output = vaegis(cwd).args(words.split_whitespace()).output();
    output.expect("the program starts")
}

/// Runs the program, which must succeed.
pub(crate) fn succeed(cwd: &Path, words: &str) -> String {
    let output = run(cwd, words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "vaegis {words}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

/// Every file below a folder with its content, by relative name; folders end with a slash.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below the root");
            let name = name.to_str().expect("text").to_owned();
            if path.is_dir() {
                files.insert(format!("{name}/"), Vec::new());
                collect(root, &path, files);
            } else {
                files.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files);
    files
}

/// The files whose bytes are results: without times, the report's page (it shows the times), and
/// with the report's record freed of its provenance.
pub(crate) fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = snapshot(folder);
    files.retain(|name, _| !name.ends_with("provenance.json") && !name.ends_with("report.html"));
    for (name, bytes) in &mut files {
        if name.ends_with("report.json") {
            let mut report: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
            report["manifest"]["provenance"] = serde_json::Value::Null;
            *bytes = report.to_string().into_bytes();
        }
        if name.ends_with("trained.json") {
            let mut trained: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
            trained["seconds"] = serde_json::Value::Null;
            *bytes = trained.to_string().into_bytes();
        }
    }
    files
}

/// Asserts that two sets of files have the same names and bytes.
pub(crate) fn assert_same(expected: &BTreeMap<String, Vec<u8>>, found: &BTreeMap<String, Vec<u8>>) {
    let missing: Vec<_> = expected
        .keys()
        .filter(|n| !found.contains_key(*n))
        .collect();
    let additional: Vec<_> = found
        .keys()
        .filter(|n| !expected.contains_key(*n))
        .collect();
    assert!(
        missing.is_empty() && additional.is_empty(),
        "missing {missing:?}, additional {additional:?}"
    );
    for (name, bytes) in expected {
        let shown =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned();
        assert!(
            *bytes == found[name],
            "{name} differs:\n{}\n{}",
            shown(bytes),
            shown(&found[name])
        );
    }
}

/// Copies a folder with all below it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for (name, bytes) in snapshot(from) {
        let path = to.join(&name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).expect("a folder");
        } else {
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, bytes).expect("written");
        }
    }
}
