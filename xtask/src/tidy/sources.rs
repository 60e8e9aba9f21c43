//! Rules about the text of single files.

use super::Findings;

/// Lines of a Rust file from which it is worth splitting, and the limit.
const LONG_FILE: usize = 500;
const LONGEST_FILE: usize = 600;

/// Text that must not be in a Rust file, and what to do instead. Written in
/// two halves, so that this file passes its own check.
const FORBIDDEN_IN_RUST: [(&str, &str); 4] = [
    (concat!("todo", "!("), "finish it or leave it out"),
    (concat!("unimplemented", "!("), "finish it or leave it out"),
    (
        concat!("#[", "ignore"),
        "make the test fast; slow runs are experiments",
    ),
    (
        concat!("FIX", "ME"),
        "fix it, or describe the limit in a sentence",
    ),
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

/// Hosts of package registries: where packages come from is the user's
/// setting, not this repository's. Cargo writes its own into Cargo.lock.
const REGISTRY_HOSTS: [&str; 3] = [
    concat!("python", "hosted"),
    concat!("py", "pi.org"),
    concat!("static.crates", ".io"),
];

/// Checks one text file.
pub(crate) fn check(path: &str, text: &str, found: &mut Findings) {
    if path.ends_with(".rs") {
        check_rust(path, text, found);
    }
    if path == "Cargo.lock" {
        return;
    }
    for (number, line) in numbered(text) {
        for place in MACHINE_PATHS.iter().filter(|place| names_path(line, place)) {
            found.errors.push(format!(
                "{path}:{number}: a path of one machine ({place}..)"
            ));
        }
        for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
            found.errors.push(format!(
                "{path}:{number}: names a package registry ({host})"
            ));
        }
    }
}

fn check_rust(path: &str, text: &str, found: &mut Findings) {
    if !text.starts_with("//!") {
        found.errors.push(format!(
            "{path}: must begin with //!, saying what it is for"
        ));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        found.errors.push(format!(
            "{path}: {lines} lines; split it (at most {LONGEST_FILE})"
        ));
    } else if lines > LONG_FILE {
        found
            .notes
            .push(format!("{path}: {lines} lines; worth splitting"));
    }
    for (number, line) in numbered(text) {
        for (word, advice) in FORBIDDEN_IN_RUST {
            if line.contains(word) {
                found
                    .errors
                    .push(format!("{path}:{number}: `{word}`: {advice}"));
            }
        }
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Whether a line holds an absolute path: `/x/` that does not continue a
/// relative path, a variable or an address.
fn names_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~}*)/>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> Vec<String> {
        let mut found = Findings::default();
        check(path, text, &mut found);
        found.errors
    }

    #[test]
    fn a_plain_file_passes() {
        assert!(errors("a.rs", "//! What it is for.\nfn main() {}\n").is_empty());
        // Put together here, so that this file does not hold what it looks for.
        let folder = "work";
        let text = format!("See docs/{folder}/x, $HOME/{folder}/ and https://x.org/home/y.\n");
        assert!(errors("a.md", &text).is_empty());
    }

    #[test]
    fn rust_files_need_module_docs() {
        assert!(errors("a.rs", "fn main() {}\n")[0].contains("//!"));
        assert!(errors("a.py", "x = 1\n").is_empty());
    }

    #[test]
    fn unfinished_code_is_found_with_its_line() {
        for (word, _) in FORBIDDEN_IN_RUST {
            let found = errors("a.rs", &format!("//! Docs.\n    {word}\n"));
            assert!(
                found.len() == 1 && found[0].starts_with("a.rs:2"),
                "{found:?}"
            );
        }
    }

    #[test]
    fn machine_paths_and_registries_are_found() {
        for place in MACHINE_PATHS {
            assert_eq!(
                errors("a.toml", &format!("x = \"{place}y\"\n")).len(),
                1,
                "{place}"
            );
            assert_eq!(errors("a.toml", &format!("{place}y\n")).len(), 1, "{place}");
        }
        for host in REGISTRY_HOSTS {
            assert_eq!(
                errors("a.txt", &format!("https://{host}/x\n")).len(),
                1,
                "{host}"
            );
            assert!(errors("Cargo.lock", &format!("https://{host}/x\n")).is_empty());
        }
    }

    #[test]
    fn long_files_are_noted_then_refused() {
        let file = |lines: usize| format!("//! Docs.\n{}", "\n".repeat(lines - 1));
        let mut found = Findings::default();
        check("a.rs", &file(LONG_FILE), &mut found);
        assert!(found.errors.is_empty() && found.notes.is_empty());
        check("a.rs", &file(LONG_FILE + 1), &mut found);
        assert!(found.errors.is_empty() && found.notes.len() == 1);
        check("a.rs", &file(LONGEST_FILE + 1), &mut found);
        assert_eq!(found.errors.len(), 1);
    }
}
