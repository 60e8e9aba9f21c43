//! Mutated files against every decoder: no panic, no allocation beyond a bound, no long loop.
//!
//! `VAEGIS_FUZZ_CASES` is the number of cases per decoder (default 2000). A million in all:
//!
//! ```text
//! VAEGIS_FUZZ_CASES=80000 cargo test --release -p vaegis-data --test fuzz -- --nocapture
//! ```
//!
//! Mutations come from a seed tree, so a failure is repeated by running again. Checksums inside
//! the formats are made right again for half of the cases, so that the code behind them is
//! reached.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::io::{Cursor, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use vaegis_core::SeedTree;
use vaegis_core::codec::{ArtifactKind, Bytes, decode_artifact, encode_artifact};
use vaegis_data::Limits;
use vaegis_data::decode::*;

/// Counts live bytes and their peak.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Held by each test, so that none counts the other's memory.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn grew(size: usize) {
    let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "counting allocations needs an allocator")]
// SAFETY: every call is passed on unchanged to the system allocator, which upholds the contract;
// the counters are plain atomics and never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller upholds `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller upholds `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // A moving growth holds both blocks for a moment; count it so.
        grew(size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds `realloc`'s contract.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds `dealloc`'s contract.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What decoders may decode to in this test.
const LIMITS: Limits = Limits {
    max_bytes: 256 << 10,
    max_side: 256,
    max_entries: 100,
};
/// Fixed costs that do not grow with the input: decompressor windows, picture buffers, serde's
/// cautious first megabyte, text of errors.
const FIXED_BYTES: usize = 3 << 20;
/// Index structures of archives per input byte.
const PER_INPUT_BYTE: usize = 64;
/// No case may loop; the slowest honest one takes milliseconds also on a busy machine.
const SLOWEST: Duration = Duration::from_secs(5);

type Repair = fn(Vec<u8>) -> Vec<u8>;
type Decode = fn(&[u8]) -> bool;

struct Target {
    name: &'static str,
    /// Valid files.
    seeds: Vec<Vec<u8>>,
    /// Wraps or repairs checksums after a mutation.
    repair: Repair,
    decode: Decode,
}

#[derive(Serialize, Deserialize)]
struct Record {
    name: String,
    numbers: Vec<f64>,
    blob: Bytes,
    nested: Vec<Vec<u16>>,
    choice: Option<(bool, char)>,
}

fn gzip(bytes: Vec<u8>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn idx(dims: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend((0..dims.iter().product::<u32>()).map(|i| i as u8));
    bytes
}

fn picture(width: u32, height: u32, format: image::ImageFormat, grey: bool) -> Vec<u8> {
    let color = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8])
    });
    let picture = image::DynamicImage::ImageRgb8(color);
    let picture = if grey { picture.grayscale() } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("memory");
    bytes.into_inner()
}

fn zip_of(files: &[(&str, Vec<u8>)], deflate: bool) -> Vec<u8> {
    let method = if deflate {
        zip::CompressionMethod::Deflated
    } else {
        zip::CompressionMethod::Stored
    };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, body) in files {
        zip.start_file(*name, options).expect("memory");
        zip.write_all(body).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

/// Makes the checksum of every PNG chunk right.
fn repair_png(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 8_usize;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().expect("4 bytes")) as usize;
        let Some(end) = at.checked_add(8 + length).filter(|e| e + 4 <= bytes.len()) else {
            break;
        };
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[at + 4..end]);
        let sum = crc.sum().to_be_bytes();
        bytes[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
    bytes
}

/// Puts a mutated payload behind a right header.
fn repair_artifact(mut bytes: Vec<u8>) -> Vec<u8> {
    let header = vaegis_core::codec::ARTIFACT_HEADER_LEN;
    if bytes.len() >= header {
        let unit = encode_artifact(ArtifactKind::Scratch, 1, &()).expect("unit");
        let payload = bytes.split_off(header);
        bytes = unit;
        bytes[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        let digest = vaegis_core::hash::sha256_hex(&payload);
        for (i, byte) in bytes[24..56].iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digest[2 * i..2 * i + 2], 16).expect("hex");
        }
        bytes.extend(payload);
    }
    bytes
}

fn wrap_npz(bytes: Vec<u8>) -> Vec<u8> {
    zip_of(&[("imgs.npy", bytes.clone()), ("y.npy", bytes)], false)
}

fn wrap_omniglot(bytes: Vec<u8>) -> Vec<u8> {
    zip_of(
        &[("small/Greek/character01/0394_01.png", repair_png(bytes))],
        true,
    )
}

/// A MATLAB file of one uncompressed 2 by 3 array of bytes.
fn mat_plain() -> Vec<u8> {
    let mut bytes = vec![b' '; 128];
    bytes[124..].copy_from_slice(&[0, 1, b'I', b'M']);
    let element = |kind: u32, data: &[u8]| {
        let mut out = kind.to_le_bytes().to_vec();
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    };
    let parts = [
        element(6, &[9, 0, 0, 0, 0, 0, 0, 0]),
        element(5, &[2, 0, 0, 0, 3, 0, 0, 0]),
        element(1, b"abc"),
        element(2, &[1, 2, 3, 4, 5, 6]),
    ];
    bytes.extend(element(14, &parts.concat()));
    bytes
}

/// Compresses what stands behind the header.
fn wrap_mat(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 128 {
        let body = bytes.split_off(128);
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&body).expect("memory");
        let packed = encoder.finish().expect("memory");
        bytes.extend(15_u32.to_le_bytes());
        bytes.extend((packed.len() as u32).to_le_bytes());
        bytes.extend(packed);
    }
    bytes
}

fn accepts_mat(bytes: &[u8]) -> bool {
    decode_mat("f", bytes, &LIMITS).is_ok_and(|arrays| {
        let mut rows = arrays.into_iter().map(MatArray::into_row_major);
        rows.any(|a| a.to_f32("f").is_ok() | a.to_i64("f").is_ok())
    })
}

fn targets() -> Vec<Target> {
    let same: Repair = |b| b;
    let npy = vec![encode_npy_u8(&[4, 5], &[7; 20]), float_npy()];
    let one_bit = picture(105, 105, image::ImageFormat::Png, true);
    let table = b"1,2,3\n16,0,9\n4,5,6\n".to_vec();
    let record = Record {
        name: "n".into(),
        numbers: vec![1.0, 2.0],
        blob: Bytes(vec![1; 9]),
        nested: vec![vec![1, 2], vec![]],
        choice: Some((true, 'θ')),
    };
    let artifact = encode_artifact(ArtifactKind::Scratch, 1, &record).expect("encodes");
    let target = |name, seeds, repair, decode| Target {
        name,
        seeds,
        repair,
        decode,
    };
    vec![
        target(
            "gz",
            vec![gzip(idx(&[3, 4, 4])), gzip(vec![0; 1 << 20])],
            same,
            |b| gunzip("f", b, &LIMITS).is_ok(),
        ),
        target("idx", vec![idx(&[3, 4, 4]), idx(&[9])], same, |b| {
            decode_idx("f", b.to_vec(), &LIMITS).is_ok()
        }),
        target("idx.gz", vec![idx(&[3, 4, 4])], gzip, |b| {
            decode_idx_gz("f", b, &LIMITS).is_ok()
        }),
        target("npy", npy.clone(), same, |b| {
            let array = decode_npy("f", b, &LIMITS);
            array.is_ok_and(|a| a.to_f32("f").is_ok() | a.to_i64("f").is_ok())
        }),
        target("npz around npy", npy.clone(), wrap_npz, |b| {
            decode_npz("f", b, &LIMITS).is_ok()
        }),
        target(
            "npz",
            vec![zip_of(
                &[("a.npy", npy[0].clone()), ("b.npy", npy[1].clone())],
                true,
            )],
            same,
            |b| {
                decode_npz("f", b, &LIMITS).is_ok() | decode_npz_entry("f", b, "a", &LIMITS).is_ok()
            },
        ),
        target(
            "png",
            vec![
                picture(20, 9, image::ImageFormat::Png, false),
                picture(9, 9, image::ImageFormat::Png, true),
            ],
            repair_png,
            |b| decode_picture("f", b, &LIMITS).is_ok(),
        ),
        target(
            "jpeg",
            vec![picture(16, 16, image::ImageFormat::Jpeg, false)],
            same,
            |b| decode_picture("f", b, &LIMITS).is_ok(),
        ),
        target(
            "CIFAR png",
            vec![picture(1024, 1, image::ImageFormat::Png, false)],
            repair_png,
            |b| {
                decode_cifar_png(
                    "f",
                    b,
                    &Limits {
                        max_side: 2048,
                        ..LIMITS
                    },
                )
                .is_ok()
            },
        ),
        target(
            "CIFAR bin",
            vec![vec![3; 3073], vec![0; 2 * 3073]],
            same,
            |b| decode_cifar_bin("f", b, &LIMITS).is_ok(),
        ),
        target("Omniglot zip", vec![one_bit], wrap_omniglot, |b| {
            decode_omniglot("f", b, &LIMITS).is_ok()
        }),
        target("csv", vec![table.clone(), gzip(table)], same, |b| {
            decode_table("f", b, 3, 16, &LIMITS).is_ok()
        }),
        target("tar", vec![tar()], same, |b| {
            decode_tar("f", b, &LIMITS).is_ok()
        }),
        target(
            "mat",
            vec![mat_plain(), include_bytes!("golden/mat.mat").to_vec()],
            same,
            accepts_mat,
        ),
        target("mat, compressed", vec![mat_plain()], wrap_mat, accepts_mat),
        target("artifact", vec![artifact], repair_artifact, |b| {
            decode_artifact::<Record>(ArtifactKind::Scratch, 1, b, LIMITS.max_bytes).is_ok()
        }),
    ]
}

fn float_npy() -> Vec<u8> {
    use ndarray_npy::WriteNpyExt;
    let mut bytes = Vec::new();
    ndarray::arr2(&[[1.0_f64, 2.0], [3.0, 4.0]])
        .write_npy(&mut bytes)
        .expect("memory");
    bytes
}

fn tar() -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..5].copy_from_slice(b"a.bin");
    header[124..136].copy_from_slice(b"00000000100\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut bytes = header.to_vec();
    bytes.resize(512 * 4, 0);
    bytes
}

/// One to eight small changes of kinds that break parsers.
fn mutate(bytes: &mut Vec<u8>, rng: &mut impl Rng) {
    const EDGES: [u64; 8] = [
        0,
        1,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        1 << 60,
        u64::MAX >> 1,
        u64::MAX,
    ];
    for _ in 0..rng.random_range(1..=8) {
        let length = bytes.len().max(1);
        let at = rng.random_range(0..length).min(bytes.len());
        match rng.random_range(0..8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.random()),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => {
                let edge = EDGES[rng.random_range(0..EDGES.len())];
                let big: [u8; 8] = if rng.random() {
                    edge.to_be_bytes()
                } else {
                    edge.to_le_bytes()
                };
                let width = [1, 2, 4, 8][rng.random_range(0..4)];
                let source = if rng.random() {
                    &big[..width]
                } else {
                    &big[8 - width..]
                };
                for (to, from) in bytes[at..].iter_mut().zip(source) {
                    *to = *from;
                }
            }
            4 => {
                // A copied block shifts everything behind it.
                let end = (at + rng.random_range(0..64)).min(bytes.len());
                let block = bytes[at..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, block);
            }
            5 if at < bytes.len() => bytes[at] = rng.random(),
            6 if at < bytes.len() => bytes[at] = b"0123456789(),'<>-{}"[rng.random_range(0..19)],
            _ if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            _ => {}
        }
    }
}

#[test]
fn mutated_files_neither_panic_nor_allocate_beyond_the_bound() {
    // A poisoned lock means that the other test has failed, which is no reason to fail here.
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poison| poison.into_inner());
    let cases: u64 = std::env::var("VAEGIS_FUZZ_CASES")
        .ok()
        .map_or(2000, |n| n.parse().expect("VAEGIS_FUZZ_CASES is a number"));
    let start = Instant::now();
    let mut total = 0;
    for target in targets() {
        let seed = SeedTree::new(0x5eed).child(target.name);
        let begun = Instant::now();
        let (mut accepted, mut worst) = (0_u64, 0_usize);
        for case in 0..cases {
            let mut rng = seed.index(case).rng();
            let mut bytes = target.seeds[rng.random_range(0..target.seeds.len())].clone();
            let (repair, raw) = (rng.random::<bool>(), rng.random_range(0..16) == 0);
            if raw {
                bytes = (0..rng.random_range(0..300))
                    .map(|_| rng.random())
                    .collect();
            }
            if repair {
                mutate(&mut bytes, &mut rng);
                bytes = (target.repair)(bytes);
            } else {
                bytes = (target.repair)(bytes);
                mutate(&mut bytes, &mut rng);
            }
            let before = LIVE.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let began = Instant::now();
            accepted += u64::from(black_box((target.decode)(&bytes)));
            let (took, used) = (began.elapsed(), PEAK.load(Ordering::Relaxed) - before);
            worst = worst.max(used);
            let bound = 2 * LIMITS.max_bytes as usize + PER_INPUT_BYTE * bytes.len() + FIXED_BYTES;
            assert!(
                used <= bound,
                "{} case {case}: {used} bytes above {bound}",
                target.name
            );
            assert!(took < SLOWEST, "{} case {case}: {took:?}", target.name);
        }
        total += cases;
        // Seen with --nocapture; a report of a long run, not part of the assertion.
        eprintln!(
            "{:15} {cases} cases, {accepted} accepted, peak {worst} bytes, {:.1?}",
            target.name,
            begun.elapsed()
        );
        assert!(
            accepted < cases,
            "{}: mutations are never noticed",
            target.name
        );
    }
    eprintln!("{total} cases in {:.1?}", start.elapsed());
}

#[test]
fn unmutated_seeds_are_accepted() {
    // A poisoned lock means that the other test has failed, which is no reason to fail here.
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poison| poison.into_inner());
    for target in targets() {
        for (i, seed) in target.seeds.iter().enumerate() {
            let bomb = target.name == "gz" && i == 1;
            let accepted = (target.decode)(&(target.repair)(seed.clone()));
            assert_eq!(accepted, !bomb, "{} seed {i}", target.name);
        }
    }
}
