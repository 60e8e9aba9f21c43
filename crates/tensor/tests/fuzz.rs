//! Mutated checkpoint files against the safetensors decoder: no panic, no more values than the
//! file has bytes, no long loop.
//!
//! `VAEGIS_FUZZ_CASES` is the number of cases (default 2000):
//!
//! ```text
//! VAEGIS_FUZZ_CASES=1000000 cargo test --release -p vaegis-tensor --test fuzz -- --nocapture
//! ```
//!
//! Mutations come from a seed tree, so a failure is repeated by running again. The length in front
//! of the header is made right again for most of the cases, so that the code behind it is reached.

use rand::{Rng, RngExt};
use serde_json::json;
use std::io::{Seek as _, Write as _};
use std::time::{Duration, Instant};
use vaegis_core::SeedTree;
use vaegis_tensor::checkpoint::{Limits, load, read_header, save};
use vaegis_tensor::{Device, Kind, Tensor};

/// No case may loop; the slowest honest one takes well under a millisecond on an idle machine.
const SLOWEST: Duration = Duration::from_secs(5);

/// What breaks parsers of numbers.
const NUMBERS: [&str; 9] = [
    "0",
    "1",
    "-1",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "0.5",
];

/// Pieces of headers in places where they do not belong.
const PIECES: [&str; 16] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "[[[[",
    "\"F64\"",
    "\"BOOL\"",
    "\"F8_E4M3\"",
    "\"shape\":[",
    "\"data_offsets\":[0,",
    "\\ud800",
    "\"__metadata__\":{\"vaegis\":\"",
];

/// Header and data of a file.
#[derive(Clone)]
struct Parts {
    header: Vec<u8>,
    data: Vec<u8>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize;
        Self {
            header: rest[..length].to_vec(),
            data: rest[length..].to_vec(),
        }
    }

    fn bytes(&self, length: u64) -> Vec<u8> {
        [&length.to_le_bytes()[..], &self.header, &self.data].concat()
    }
}

/// Valid files: by our writer with its checksum, and as other programs write them.
fn seeds() -> Vec<Parts> {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("seed.safetensors");
    let tensors = vec![
        (
            "a.weight".to_owned(),
            Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3]),
        ),
        ("b".to_owned(), Tensor::from_slice(&[0.1_f64, f64::NAN])),
        ("c".to_owned(), Tensor::from_slice(&[true, false])),
        ("d".to_owned(), Tensor::from(7_i64)),
    ];
    save(&path, &tensors, &json!({"epoch": 3})).expect("saves");
    let ours = Parts::of(&std::fs::read(&path).expect("reads"));
    let foreign = |header: &str, data: &[u8]| Parts {
        header: header.as_bytes().to_vec(),
        data: data.to_vec(),
    };
    vec![
        ours,
        foreign(
            r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}"#,
            &[1; 11],
        ),
        foreign(
            r#"{"__metadata__":{"format":"pt"},"e":{"dtype":"BF16","shape":[0,4],"data_offsets":[0,0]}}"#,
            &[],
        ),
        foreign(
            r#"{"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#,
            &[255; 8],
        ),
        foreign("{}", &[]),
    ]
}

/// One to six changes of kinds that break parsers.
fn mutate(parts: &mut Parts, rng: &mut impl Rng) {
    for _ in 0..rng.random_range(1..=6) {
        let Parts { header, data } = parts;
        let at = rng.random_range(0..=header.len());
        let end = (at + rng.random_range(0..24)).min(header.len());
        match rng.random_range(0..9) {
            0 if at < header.len() => header[at] ^= 1 << rng.random_range(0..8),
            1 if at < header.len() => header[at] = rng.random(),
            2 => header.truncate(at),
            3 => drop(header.drain(at..end)),
            4 => {
                let copy = header[at..end].to_vec();
                let to = rng.random_range(0..=header.len());
                header.splice(to..to, copy);
            }
            5 => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                header.splice(at..at, piece.bytes());
            }
            // A whole number gives way to another one, which keeps the JSON valid.
            6 | 7 => {
                let is_digit = |i: &usize| header[*i].is_ascii_digit();
                let Some(start) = (at..header.len()).find(is_digit) else {
                    continue;
                };
                let length = header[start..]
                    .iter()
                    .take_while(|b| b.is_ascii_digit())
                    .count();
                let number = if rng.random() {
                    NUMBERS[rng.random_range(0..NUMBERS.len())].to_owned()
                } else {
                    rng.random_range(0..20).to_string()
                };
                header.splice(start..start + length, number.bytes());
            }
            _ => data.resize(rng.random_range(0..24), rng.random()),
        }
    }
}

#[test]
fn hostile_checkpoints_never_panic() {
    let cases: u64 = std::env::var("VAEGIS_FUZZ_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(2000);
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("f.safetensors");
    let mut file = std::fs::File::create(&path).expect("created");
    let seeds = seeds();
    let (mut loaded, start) = (0_u64, Instant::now());
    for case in 0..cases {
        let rng = &mut SeedTree::new(9).child("safetensors").index(case).rng();
        let mut parts = seeds[rng.random_range(0..seeds.len())].clone();
        // The undamaged files come first, so that the harness itself is tested.
        if case < seeds.len() as u64 {
            parts = seeds[case as usize].clone();
        } else {
            mutate(&mut parts, rng);
        }
        let honest = case < seeds.len() as u64 || rng.random_range(0..8) > 0;
        let length = if honest {
            parts.header.len() as u64
        } else {
            rng.random::<u64>() >> rng.random_range(0..64)
        };
        let bytes = parts.bytes(length);
        file.rewind().expect("rewinds");
        file.write_all(&bytes).expect("writes");
        file.set_len(bytes.len() as u64).expect("cuts");

        let began = Instant::now();
        let outcome = load(&path, Limits::default());
        let listed = read_header(&path, Limits::default());
        assert!(began.elapsed() < SLOWEST, "case {case} takes too long");
        match outcome {
            Ok((tensors, _)) => {
                loaded += 1;
                let values: usize = tensors
                    .iter()
                    .map(|(_, t)| t.numel() * t.kind().elt_size_in_bytes())
                    .sum();
                assert!(values <= bytes.len(), "case {case}: values from nowhere");
                assert_eq!(
                    listed
                        .expect("a file that loads has a header")
                        .entries
                        .len(),
                    tensors.len(),
                    "case {case}"
                );
            }
            Err(error) => {
                assert!(case >= seeds.len() as u64, "undamaged file {case}: {error}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
    // Changes that leave a file valid (another number of the same size, more space) must exist,
    // or the mutations are so wild that nothing behind the parser is reached.
    assert!(loaded * 1000 > cases, "only {loaded} of {cases} files load");
    eprintln!(
        "safetensors: {cases} cases, {loaded} load, {:.1} s",
        start.elapsed().as_secs_f64()
    );
}
