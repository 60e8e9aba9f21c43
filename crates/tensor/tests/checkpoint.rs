//! Checkpoints: round trip, exchange with PyTorch, and damage of every kind.

use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use vaegis_tensor::checkpoint::{Limits, all_finite, load, read_header, save};
use vaegis_tensor::{Device, Kind, Tensor, TensorError, convert};

fn tensors() -> Vec<(String, Tensor)> {
    let float = Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3]) / 7;
    vec![
        ("encoder.weight".to_owned(), float.shallow_clone()),
        ("encoder.strided".to_owned(), float.tr()),
        ("steps".to_owned(), Tensor::from(12_345_678_901_i64)),
        (
            "double".to_owned(),
            Tensor::from_slice(&[0.1_f64, 1e-300, f64::INFINITY]),
        ),
        (
            "half".to_owned(),
            Tensor::from_slice(&[0.5_f32, -65504.0]).to_kind(Kind::Half),
        ),
        ("mask".to_owned(), Tensor::from_slice(&[true, false, true])),
        ("pixels".to_owned(), Tensor::from_slice(&[0_u8, 128, 255])),
        (
            "empty".to_owned(),
            Tensor::zeros([0, 4], (Kind::Float, Device::Cpu)),
        ),
    ]
}

fn assert_same(found: &[(String, Tensor)], expected: &[(String, Tensor)]) {
    assert_eq!(found.len(), expected.len());
    for (name, tensor) in expected {
        let (_, value) = found
            .iter()
            .find(|(n, _)| n == name)
            .expect("the tensor is there");
        assert_eq!(value.kind(), tensor.kind(), "{name}");
        assert!(value.equal(tensor), "{name}");
    }
}

fn written() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("model.safetensors");
    save(&path, &tensors(), &json!({"epoch": 3, "name": "müsli"})).expect("saves");
    (folder, path)
}

fn load_bytes(bytes: &[u8]) -> Result<(Vec<(String, Tensor)>, Value), TensorError> {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("temp folder");
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("f.safetensors");
        std::fs::write(&path, bytes).expect("writes");
        load(&path, Limits::default())
    })
}

/// A file with this header and data, as any writer could make it.
fn file_of(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn everything_comes_back_and_bytes_do_not_vary() {
    let (folder, path) = written();
    let (found, meta) = load(&path, Limits::default()).expect("loads");
    assert_same(&found, &tensors());
    assert_eq!(meta, json!({"epoch": 3, "name": "müsli"}));
    assert!(found.is_sorted_by_key(|(name, _)| name.clone()));
    let mut reversed = tensors();
    reversed.reverse();
    let other = folder.path().join("other.safetensors");
    save(&other, &reversed, &json!({"name": "müsli", "epoch": 3})).expect("saves");
    assert_eq!(
        std::fs::read(&path).expect("reads"),
        std::fs::read(other).expect("reads")
    );
}

#[test]
fn header_lists_shapes_without_values() {
    let (_folder, path) = written();
    let header = read_header(&path, Limits::default()).expect("reads");
    let weight = header
        .entries
        .iter()
        .find(|e| e.name == "encoder.strided")
        .expect("there");
    assert_eq!(
        (weight.shape.as_slice(), weight.dtype()),
        (&[3, 2][..], "F32".to_owned())
    );
}

#[test]
fn repeated_names_are_refused_and_the_old_file_stays() {
    let (_folder, path) = written();
    let before = std::fs::read(&path).expect("reads");
    let one = Tensor::from(1.0_f32);
    for names in [["a", "a"], ["b", "__metadata__"]] {
        let twice = names.map(|name| (name.to_owned(), one.shallow_clone()));
        assert!(matches!(
            save(&path, &twice, &Value::Null),
            Err(TensorError::DuplicateParameter { .. })
        ));
    }
    let complex = [(
        "c".to_owned(),
        Tensor::zeros([1], (Kind::ComplexFloat, Device::Cpu)),
    )];
    let error = save(&path, &complex, &Value::Null).expect_err("no such element type");
    assert!(error.to_string().contains("\"c\""), "{error}");
    assert_eq!(std::fs::read(&path).expect("reads"), before);
}

#[test]
fn a_file_by_pytorch_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (found, meta) =
        load(&golden.join("pytorch.safetensors"), Limits::default()).expect("loads");
    assert_eq!(meta, Value::Null);
    let text = std::fs::read_to_string(golden.join("pytorch.json")).expect("reads");
    assert_described(
        &found,
        &serde_json::from_str(&text).expect("golden file parses"),
    );
}

/// Compares with what tests/golden/checkpoint.py says about a file.
fn assert_described(found: &[(String, Tensor)], expected: &Value) {
    assert_eq!(found.len(), expected.as_object().expect("an object").len());
    for (name, tensor) in found {
        let e = &expected[name];
        assert_eq!(json!(tensor.size()), e["shape"], "{name}");
        let kind = match e["dtype"].as_str().expect("a string") {
            "float32" => Kind::Float,
            "float64" => Kind::Double,
            "float16" => Kind::Half,
            "int64" => Kind::Int64,
            "uint8" => Kind::Uint8,
            "bool" => Kind::Bool,
            other => panic!("{name}: {other}"),
        };
        assert_eq!(tensor.kind(), kind, "{name}");
        for (i, value) in convert::to_f64_vec(tensor).iter().enumerate() {
            // Python writes an infinity as the bare word Infinity, which no number matches.
            let expected = e["values"][i].as_f64().unwrap_or(f64::INFINITY);
            assert!(
                value.to_bits() == expected.to_bits(),
                "{name}[{i}]: {value} {expected}"
            );
        }
    }
}

#[test]
fn pytorch_reads_our_files() {
    let python = std::env::var("VAEGIS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let ready = Command::new(&python)
        .args(["-c", "import torch, safetensors.torch"])
        .output();
    if !ready.is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: {python} has no torch and safetensors (set VAEGIS_PYTHON)");
        return;
    }
    let (folder, path) = written();
    // JSON has no infinity: leave that tensor out.
    let finite: Vec<_> = tensors()
        .into_iter()
        .filter(|(name, _)| name != "double")
        .collect();
    save(&path, &finite, &json!({"epoch": 3})).expect("saves");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoint.py");
    let mut command = Command::new(&python);
    // Python brings its own libtorch; ours in the path would be taken instead.
    command
        .env_remove("LD_LIBRARY_PATH")
        .arg(script)
        .arg(folder.path())
        .arg(&path);
    let output = command.output().expect("python runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_described(&finite, &told["tensors"]);
    let meta: Value =
        serde_json::from_str(told["metadata"]["vaegis"].as_str().expect("our key")).expect("JSON");
    assert_eq!(meta["meta"], json!({"epoch": 3}));
}

#[test]
fn impossible_headers_are_clear_errors() {
    let huge = |length: u64| {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        bytes
    };
    let entry = |dtype: &str, shape: &str, range: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{range}}}}}"#)
    };
    let overlap = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
        "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let many_dimensions = format!("[{}1]", "1,".repeat(70));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty file", vec![], "file length"),
        ("seven bytes", vec![0; 7], "file length"),
        ("2^60-byte header", huge(1 << 60), "header length"),
        ("2^64-byte header", huge(u64::MAX), "header length"),
        ("no JSON", file_of("{", &[]), "header"),
        (
            "not UTF-8",
            [&2_u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(),
            "header",
        ),
        ("overlap", file_of(overlap, &[0; 12]), "header"),
        (
            "hole",
            file_of(&entry("F32", "[1]", "[4,8]"), &[0; 8]),
            "header",
        ),
        (
            "backwards",
            file_of(&entry("F32", "[1]", "[4,0]"), &[0; 4]),
            "header",
        ),
        (
            "unknown type",
            file_of(&entry("F99", "[1]", "[0,4]"), &[0; 4]),
            "header",
        ),
        (
            "unreadable type",
            file_of(&entry("F8_E4M3", "[1]", "[0,1]"), &[0; 1]),
            "element type",
        ),
        (
            "wrong size",
            file_of(&entry("F64", "[1]", "[0,4]"), &[0; 4]),
            "header",
        ),
        (
            "overflow",
            file_of(
                &entry("F32", "[4294967296,4294967296,16]", "[0,4]"),
                &[0; 4],
            ),
            "header",
        ),
        (
            "negative",
            file_of(&entry("F32", "[-1]", "[0,4]"), &[0; 4]),
            "header",
        ),
        (
            "signed",
            file_of(&entry("F32", "[0,18446744073709551615]", "[0,0]"), &[]),
            "shape",
        ),
        (
            "dimensions",
            file_of(&entry("F32", &many_dimensions, "[0,4]"), &[0; 4]),
            "shape",
        ),
        (
            "short data",
            file_of(&entry("F32", "[2]", "[0,8]"), &[0; 7]),
            "data section",
        ),
        (
            "long data",
            file_of(&entry("F32", "[2]", "[0,8]"), &[0; 9]),
            "data section",
        ),
        (
            "foreign metadata",
            file_of(r#"{"__metadata__":{"vaegis":"3"}}"#, &[]),
            "metadata",
        ),
    ];
    for (what, bytes, word) in cases {
        let error = load_bytes(&bytes).expect_err(what).to_string();
        assert!(
            error.starts_with(word) && error.contains("f.safetensors"),
            "{what}: {error}"
        );
    }
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let (_folder, path) = written();
    let header = Limits {
        header_bytes: 10,
        ..Limits::default()
    };
    let file = Limits {
        file_bytes: 10,
        ..Limits::default()
    };
    for limits in [header, file] {
        let error = load(&path, limits).expect_err("too large").to_string();
        assert!(error.contains("at most 10"), "{error}");
    }
    // A sparse file of 8 GiB whose header claims all of it: refused by the header's limit.
    let folder = tempfile::tempdir().expect("temp folder");
    let sparse = folder.path().join("sparse.safetensors");
    let length: u64 = 8 << 30;
    std::fs::write(&sparse, (length - 8).to_le_bytes()).expect("writes");
    let file = std::fs::File::options()
        .write(true)
        .open(&sparse)
        .expect("opens");
    file.set_len(length).expect("a sparse file");
    assert!(load(&sparse, Limits::default()).is_err());
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("small.safetensors");
    let small = [("a.b".to_owned(), Tensor::from_slice(&[1.5_f32, -2.0]))];
    save(&path, &small, &json!({"k": [1, 2]})).expect("saves");
    let good = std::fs::read(&path).expect("reads");
    load_bytes(&good).expect("the undamaged file loads");
    for cut in 0..good.len() {
        assert!(load_bytes(&good[..cut]).is_err(), "cut to {cut} bytes");
    }
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match load_bytes(&bad) {
            Err(_) => {}
            // A flip that hides our key or leaves the meaning as it was (white space, an escape)
            // may load; the values must then be the right ones under the right name, or the file
            // one without our checksum.
            Ok((found, meta)) => {
                let same = found.len() == 1
                    && found[0].0 == "a.b"
                    && found[0].1.equal(&small[0].1)
                    && meta == json!({"k": [1, 2]});
                assert!(same || meta == Value::Null, "bit {bit}");
            }
        }
    }
}

#[test]
fn finite_values_are_told_from_others() {
    let with = |value: f32| {
        vec![
            ("steps".to_owned(), Tensor::from(3_i64)),
            ("w".to_owned(), Tensor::from_slice(&[1.0, value, 2.0])),
        ]
    };
    assert!(all_finite(&with(0.0)) && all_finite(&[]));
    assert!(!all_finite(&with(f32::NAN)) && !all_finite(&with(f32::INFINITY)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No bytes lead to a panic; tests/fuzz.rs tries many more.
    #[test]
    fn hostile_bytes_never_panic(
        length in prop_oneof![0_u64..64, any::<u64>()],
        text in r#"(\{"a":\{"dtype":"(F32|I64|U8)","shape":\[[0-9]{0,3}\],"data_offsets":\[0,[0-9]{1,2}\]\}\}|[ -~]{0,60})"#,
        data in proptest::collection::vec(any::<u8>(), 0..40),
        honest in any::<bool>(),
    ) {
        let mut bytes = file_of(&text, &data);
        if !honest {
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        if let Ok((tensors, _)) = load_bytes(&bytes) {
            prop_assert!(tensors.len() <= 1);
        }
    }
}
