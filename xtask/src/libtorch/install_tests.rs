//! Unpacking, kept wheels and the plan of an installation, without a network.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use crate::files::scratch;

/// Makes a small zip file with Python; `None` where there is no Python.
fn archive(folder: &Path, members: &[(&str, &str)]) -> Option<PathBuf> {
    crate::process::which("python3")?;
    let path = folder.join("small-1-py3-none-any.whl");
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1], 'w')\n\
                  for m in sys.argv[2:]:\n    z.writestr(*m.split('|'))\nz.close()";
    let mut command = Command::new("python3");
    command.args(["-I", "-c", script]).arg(&path);
    command.args(members.iter().map(|(name, text)| format!("{name}|{text}")));
    assert!(command.status().unwrap().success());
    Some(path)
}

#[test]
fn unpacking_takes_what_the_rules_name() {
    let folder = scratch("unpack");
    let members = [
        ("a/lib/x.so.1", "one"),
        ("a/lib/x.a", "two"),
        ("a/include/x.h", "three"),
        ("b/y", "4"),
    ];
    let Some(wheel) = archive(&folder, &members) else {
        println!("skipped: no python3");
        return;
    };
    let cache = Cache {
        folder: folder.clone(),
    };
    let mut entries = Vec::new();
    let rules = ["lib:a/=out/".to_owned(), "b/y=z".to_owned()];
    unpack(
        &cache,
        "python3",
        &wheel,
        &folder.join("tree"),
        &rules,
        &mut |e| entries.push(e),
    )
    .unwrap();
    let paths: Vec<_> = entries.iter().map(|e| (e.path.as_str(), e.bytes)).collect();
    assert_eq!(paths, [("out/lib/x.so.1", 3), ("z", 1)]);
    assert_eq!(entries[0].sha256, files::sha256_text("one"));
    assert_eq!(files::read(&folder.join("tree/z")).unwrap(), "4");

    let nothing = ["c/=c/".to_owned()];
    let error = unpack(&cache, "python3", &wheel, &folder, &nothing, &mut |_| {}).unwrap_err();
    assert!(
        format!("{error:#}").contains("nothing matches"),
        "{error:#}"
    );
    let damaged = folder.join("damaged.whl");
    fs::write(&damaged, "no zip").unwrap();
    assert!(unpack(&cache, "python3", &damaged, &folder, &rules, &mut |_| {}).is_err());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_member_that_leaves_the_folder_is_refused() {
    let folder = scratch("escape");
    let Some(wheel) = archive(&folder, &[("a/../../evil", "x")]) else {
        println!("skipped: no python3");
        return;
    };
    let cache = Cache {
        folder: folder.clone(),
    };
    let tree = folder.join("tree");
    let error = unpack(
        &cache,
        "python3",
        &wheel,
        &tree,
        &["a/=".to_owned()],
        &mut |_| {},
    )
    .unwrap_err();
    assert!(format!("{error:#}").contains("refusing"), "{error:#}");
    assert!(!folder.join("evil").exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_kept_wheel_counts_only_with_its_hash() {
    let downloads = scratch("kept");
    let mut wheel = pins::wheels(Variant::Cpu).unwrap().remove(0);
    assert_eq!(present(&downloads, &wheel).unwrap(), None);
    let all = bytes_needed(&downloads, std::slice::from_ref(&wheel), Variant::Cpu);
    let path = downloads.join(format!("{}py3-none-any.whl", wheel.file_prefix()));
    fs::write(&path, "wheel").unwrap();
    let rest = bytes_needed(&downloads, std::slice::from_ref(&wheel), Variant::Cpu);
    assert_eq!(all - rest, wheel.bytes);
    wheel.sha256 = files::sha256_text("wheel");
    assert_eq!(present(&downloads, &wheel).unwrap(), Some(path.clone()));
    wheel.sha256 = files::sha256_text("other");
    assert_eq!(present(&downloads, &wheel).unwrap(), None);
    assert!(!path.exists(), "a wrong file must not stay");
    fs::remove_dir_all(downloads).unwrap();
}

#[test]
fn the_plan_lists_what_an_offline_user_has_to_copy() {
    let plan = plan(
        &Cache {
            folder: PathBuf::from("/cache"),
        },
        Variant::Cuda,
    )
    .unwrap();
    for wheel in pins::wheels(Variant::Cuda).unwrap() {
        assert!(
            plan.contains(&format!("{}=={}", wheel.name, wheel.version)),
            "{plan}"
        );
    }
    assert!(plan.contains("/cache/2.11.0-cuda"), "{plan}");
}
