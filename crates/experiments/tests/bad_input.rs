//! Bad input: each a clear error on stderr, an exit code that is not 0, and a folder tree that is
//! exactly what it was before.

mod common;

use common::{TINY, run, snapshot, succeed, vaegis};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use vaegis_tensor::checkpoint::{self, Limits};

/// A bad input: how the folder is prepared, the command, and what the message must hold.
struct Case {
    name: &'static str,
    prepare: fn(&Path),
    words: &'static str,
    needles: &'static [&'static str],
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, bytes).expect("written");
}

/// Changes the bytes of a file.
fn edit(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(name);
    let mut bytes = std::fs::read(&path).expect(name);
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

fn flip_bit(folder: &Path, name: &str, from_end: usize) {
    edit(folder, name, |bytes| {
        let at = bytes.len() - from_end;
        bytes[at] ^= 0x10;
    });
}

fn truncate(folder: &Path, name: &str) {
    edit(folder, name, |bytes| bytes.truncate(bytes.len() * 2 / 3));
}

fn config(folder: &Path, change: impl FnOnce(String) -> String) {
    write(folder, "c.toml", change(TINY.to_owned()));
}

fn replaced(from: &'static str, to: &'static str) -> impl FnOnce(String) -> String {
    move |text| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    }
}

/// The tiny configuration on another data set of this side.
fn on(folder: &Path, dataset: &str, side: usize) {
    config(folder, |text| {
        text.replace("\"sprites\"\nsize = 8", &format!("{dataset:?}"))
            .replace("[1, 8, 8]", &format!("[1, {side}, {side}]"))
    });
}

fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    for dim in dims {
        bytes.extend(dim.to_be_bytes());
    }
    bytes.extend(data);
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).expect("compressed");
    writer.finish().expect("compressed")
}

/// A small but whole MNIST and its configuration.
fn mnist(folder: &Path) {
    on(folder, "mnist", 28);
    for prefix in ["train", "t10k"] {
        let pixels: Vec<u8> = (0..40 * 28 * 28).map(|i| (i * 31 % 251) as u8).collect();
        let labels: Vec<u8> = (0..40).map(|i| i % 10).collect();
        let name = |what: &str| format!("mnist/{prefix}-{what}-ubyte.gz");
        write(
            folder,
            &name("images-idx3"),
            gz(&idx(&[40, 28, 28], &pixels)),
        );
        write(folder, &name("labels-idx1"), gz(&idx(&[40], &labels)));
    }
}

const IMAGES: &str = "mnist/train-images-idx3-ubyte.gz";
const LABELS: &str = "mnist/t10k-labels-idx1-ubyte.gz";

/// A .npy file of f32 with this shape in its header.
fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

fn npz(array: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("x.npy", options).expect("an entry");
    writer.write_all(array).expect("an entry");
    writer.finish().expect("an archive").into_inner()
}

/// An archive of sixty-four 8 × 8 items, one value of which is `odd`, and its configuration.
fn own_npz(folder: &Path, odd: f32) {
    on(folder, "npz:own.npz", 8);
    let mut values: Vec<f32> = (0..64 * 64).map(|i| (i % 7) as f32 / 7.0).collect();
    values[1000] = odd;
    write(folder, "own.npz", npz(&npy("(64, 8, 8)", &values)));
}

fn picture() -> Vec<u8> {
    let pixels: Vec<u8> = (0..32 * 32).map(|i| (i * 37 % 256) as u8).collect();
    let picture = vaegis_report::Picture::from_bytes(32, 32, 1, pixels).expect("a picture");
    picture.to_png(1).expect("a PNG")
}

fn pictures(folder: &Path) {
    config(folder, |text| {
        text.replace("\"sprites\"", "\"folder:pictures\"")
    });
    for i in 0..40 {
        write(folder, &format!("pictures/{i}.png"), picture());
    }
}

/// A folder with a trained model `m`, its attacks `m/attack-kl` and margins `m/margins`, and the
/// configuration `c.toml`.
fn trained(folder: &Path) {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    let made = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep();
        config(&folder, |text| text);
        succeed(&folder, "train c.toml --out m --threads 1");
        succeed(&folder, ATTACK);
        succeed(&folder, MARGIN);
        folder
    });
    common::copy(made, folder);
}

const ATTACK: &str = "attack m --objective kl --pairs 2 --lambdas 3 --threads 1";
const MARGIN: &str = "margin m --images 2 --samples 50 --steps 3 --tolerance 2 --threads 1";
const TRAIN: &str = "train c.toml --out m --threads 1";
const TRAIN_ON_DATA: &str = "train c.toml --out m --threads 1 --data .";
const WEIGHTS: &str = "m/model.safetensors";

/// A folder in training: the checkpoint without the finished model.
fn in_training(folder: &Path) {
    trained(folder);
    std::fs::remove_file(folder.join(WEIGHTS)).expect("removed");
}

fn not_finite(folder: &Path) {
    trained(folder);
    let path = folder.join(WEIGHTS);
    let (tensors, meta) = checkpoint::load(&path, Limits::default()).expect("whole");
    tensors[0].1.shallow_clone().fill_(f64::NAN).size();
    checkpoint::save(&path, &tensors, &meta).expect("saved");
}

fn check(cases: &[Case]) {
    for Case {
        name,
        prepare,
        words,
        needles,
    } in cases
    {
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        let before = snapshot(folder.path());
        let output = run(folder.path(), words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(code == Some(1), "{name}: exit code {code:?}: {stderr}");
        for needle in *needles {
            assert!(
                stderr.contains(needle),
                "{name}: no {needle:?} in: {stderr}"
            );
        }
        assert!(stderr.starts_with("error: "), "{name}: {stderr}");
        for noise in ["panicked", "backtrace", "libtorch: "] {
            assert!(!stderr.contains(noise), "{name}: {stderr}");
        }
        let after = snapshot(folder.path());
        let names =
            |s: &std::collections::BTreeMap<String, Vec<u8>>| s.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{name}: files came or went");
        assert!(before == after, "{name}: a file was changed");
    }
}

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

#[test]
fn damaged_data_is_refused() {
    check(&[
        Case {
            name: "truncated gz",
            prepare: |f| {
                mnist(f);
                truncate(f, IMAGES);
            },
            words: TRAIN_ON_DATA,
            needles: &[IMAGES, "mnist", "replace it"],
        },
        Case {
            name: "bit-flipped gz",
            prepare: |f| {
                mnist(f);
                flip_bit(f, IMAGES, 500);
            },
            words: TRAIN_ON_DATA,
            needles: &[IMAGES, "expected", "found"],
        },
        Case {
            name: "empty gz",
            prepare: |f| {
                mnist(f);
                write(f, IMAGES, b"");
            },
            words: TRAIN_ON_DATA,
            needles: &[IMAGES],
        },
        Case {
            name: "fewer labels than images",
            prepare: |f| {
                mnist(f);
                write(f, LABELS, gz(&idx(&[39], &[0; 39])));
            },
            words: TRAIN_ON_DATA,
            needles: &[LABELS, "40 labels", "[39]"],
        },
        Case {
            name: "idx with a wrong count",
            prepare: |f| {
                mnist(f);
                write(f, IMAGES, gz(&idx(&[41, 28, 28], &[0; 40 * 28 * 28])));
            },
            words: TRAIN_ON_DATA,
            needles: &[IMAGES, "32144 bytes", "31360 bytes"],
        },
        Case {
            name: "idx of another kind",
            prepare: |f| {
                mnist(f);
                edit(f, LABELS, |bytes| {
                    *bytes = gz(&[0, 0, 13, 1, 0, 0, 0, 1, 0])
                });
            },
            words: TRAIN_ON_DATA,
            needles: &[LABELS],
        },
        Case {
            name: "missing file",
            prepare: |f| {
                mnist(f);
                std::fs::remove_file(f.join(LABELS)).expect("removed");
            },
            words: TRAIN_ON_DATA,
            needles: &[LABELS, "missing"],
        },
        Case {
            name: "no data folder",
            prepare: |f| on(f, "mnist", 28),
            words: TRAIN,
            needles: &["mnist", "--data", "VAEGIS_DATA"],
        },
        Case {
            name: "NaN in npz",
            prepare: |f| own_npz(f, f32::NAN),
            words: TRAIN,
            needles: &["own.npz", "finite", "NaN"],
        },
        Case {
            name: "infinity in npz",
            prepare: |f| own_npz(f, f32::INFINITY),
            words: TRAIN,
            needles: &["own.npz", "finite"],
        },
        Case {
            name: "values outside the likelihood's range",
            prepare: |f| own_npz(f, 3.0),
            words: TRAIN,
            needles: &["c.toml", "[0, 3]", "model.bounds"],
        },
        Case {
            name: "truncated npz",
            prepare: |f| {
                own_npz(f, 0.5);
                truncate(f, "own.npz");
            },
            words: TRAIN,
            needles: &["own.npz"],
        },
        Case {
            name: "bit-flipped npz",
            prepare: |f| {
                own_npz(f, 0.5);
                edit(f, "own.npz", |bytes| bytes[120] ^= 0x10);
            },
            words: TRAIN,
            needles: &["own.npz"],
        },
        Case {
            name: "npy with a wrong count",
            prepare: |f| {
                on(f, "npy:own.npy", 8);
                write(f, "own.npy", npy("(99, 8, 8)", &[0.5; 64 * 64]));
            },
            words: TRAIN,
            needles: &["own.npy"],
        },
        Case {
            name: "npy that asks for exabytes",
            prepare: |f| {
                on(f, "npy:own.npy", 8);
                write(f, "own.npy", npy("(1152921504606846976, 8, 8)", &[0.5; 64]));
            },
            words: TRAIN,
            needles: &["own.npy"],
        },
        Case {
            name: "truncated png",
            prepare: |f| {
                pictures(f);
                truncate(f, "pictures/7.png");
            },
            words: TRAIN,
            needles: &["pictures/7.png"],
        },
        Case {
            name: "bit-flipped png",
            prepare: |f| {
                pictures(f);
                flip_bit(f, "pictures/7.png", 100);
            },
            words: TRAIN,
            needles: &["pictures/7.png"],
        },
        Case {
            name: "folder without pictures",
            prepare: |f| {
                pictures(f);
                std::fs::remove_dir_all(f.join("pictures")).expect("removed");
                write(f, "pictures/readme.txt", b"nothing");
            },
            words: TRAIN,
            needles: &["pictures", "PNG"],
        },
    ]);
}

#[test]
fn bad_configurations_are_refused() {
    check(&[
        Case {
            name: "no such file",
            prepare: |_| (),
            words: TRAIN,
            needles: &["c.toml", "check the path"],
        },
        Case {
            name: "not TOML",
            prepare: |f| write(f, "c.toml", "[dataset\nname = 3"),
            words: TRAIN,
            needles: &["c.toml:1", "TOML"],
        },
        Case {
            name: "a wrong type",
            prepare: |f| config(f, replaced("epochs = 4", "epochs = \"four\"")),
            words: TRAIN,
            needles: &["c.toml:16", "four"],
        },
        Case {
            name: "unknown key in a table",
            prepare: |f| config(f, replaced("batch_size", "batchsize")),
            words: TRAIN,
            needles: &["c.toml", "batchsize"],
        },
        Case {
            name: "unknown key of the model",
            prepare: |f| config(f, replaced("latent = 3", "latents = 3")),
            words: TRAIN,
            needles: &["c.toml", "latents"],
        },
        Case {
            name: "unknown table",
            prepare: |f| config(f, |text| format!("{text}\n[trian]\nlr = 1.0")),
            words: TRAIN,
            needles: &["c.toml", "trian"],
        },
        Case {
            name: "unknown model family",
            prepare: |f| config(f, replaced("\"vae\"", "\"gan\"")),
            words: TRAIN,
            needles: &["c.toml", "gan", "vae"],
        },
        Case {
            name: "impossible values are all listed",
            prepare: |f| {
                config(f, |text| {
                    text.replace("test-items = 48", "test-items = 0")
                        .replace("latent = 3", "latent = 0\nbeta = -1.0")
                        .replace("hidden = [16]", "hidden = [16, 0]")
                        .replace("epochs = 4", "epochs = 0\nlr = nan")
                });
            },
            words: TRAIN,
            needles: &[
                "c.toml",
                "dataset.test-items",
                "model.latent",
                "model.beta",
                "model.network.hidden[1]",
                "train.epochs",
                "train.lr",
                "6 configuration values",
            ],
        },
        Case {
            name: "unknown data set",
            prepare: |f| config(f, replaced("\"sprites\"", "\"mnits\"")),
            words: TRAIN,
            needles: &["c.toml", "mnits", "sprites", "mnist"],
        },
        Case {
            name: "an impossible size of a data set",
            prepare: |f| config(f, replaced("size = 8", "size = 3")),
            words: TRAIN,
            needles: &["sprites", "8 to 256"],
        },
        Case {
            name: "a model for other images",
            prepare: |f| config(f, replaced("[1, 8, 8]", "[1, 9, 9]")),
            words: TRAIN,
            needles: &["c.toml", "model.input", "[1, 8, 8]", "[1, 9, 9]"],
        },
        Case {
            name: "too little data for one batch",
            prepare: |f| {
                config(
                    f,
                    replaced("batch_size = 32", "batch_size = 999\ndrop_last = true"),
                );
            },
            words: TRAIN,
            needles: &["c.toml", "256", "999", "drop_last"],
        },
        Case {
            name: "unknown device",
            prepare: |f| config(f, |t| t),
            words: "train c.toml --out m --device gpu",
            needles: &["gpu", "cuda:N"],
        },
        Case {
            name: "a CUDA device that is not there",
            prepare: |f| config(f, |t| t),
            words: "train c.toml --out m --device cuda:4096",
            needles: &["cuda:4096"],
        },
        Case {
            name: "no threads",
            prepare: |f| config(f, |t| t),
            words: "train c.toml --out m --threads 0",
            needles: &["--threads", "at least 1"],
        },
        Case {
            name: "the folder is a file",
            prepare: |f| {
                config(f, |t| t);
                write(f, "m", "a file");
            },
            words: TRAIN,
            needles: &["--out", "file"],
        },
        Case {
            name: "the folder of another seed",
            prepare: trained,
            words: "train c.toml --out m --threads 1 --seed 9",
            needles: &["another run", "seed", "--out"],
        },
        Case {
            name: "the folder of another model",
            prepare: |f| {
                trained(f);
                config(f, replaced("latent = 3", "latent = 4"));
            },
            words: TRAIN,
            needles: &["another run", "[model]"],
        },
        Case {
            name: "the folder of another optimization",
            prepare: |f| {
                trained(f);
                config(f, replaced("batch_size = 32", "batch_size = 16"));
            },
            words: TRAIN,
            needles: &["another run", "batch_size"],
        },
    ]);
}

/// Where no CUDA half of libtorch can be found, the message says how to get one.
#[test]
fn cuda_without_its_libraries_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    config(folder.path(), |t| t);
    let output = vaegis(folder.path())
        .args("train c.toml --out m --device cuda:0".split(' '))
        .env_remove("LIBTORCH")
        .env_remove("VAEGIS_TORCH_CUDA")
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("cuda:0") && stderr.contains("cargo xtask setup --cuda"),
        "{stderr}"
    );
    assert!(!folder.path().join("m").exists());
}

#[test]
fn damaged_models_are_refused() {
    check(&[
        Case {
            name: "no such model",
            prepare: |_| (),
            words: ATTACK,
            needles: &["m does not exist", "vaegis train"],
        },
        Case {
            name: "a folder that is not a model",
            prepare: |f| write(f, "m/readme.txt", "no model"),
            words: ATTACK,
            needles: &["not a model folder", "model.safetensors", "run.toml"],
        },
        Case {
            name: "bit-flipped weights",
            prepare: |f| {
                trained(f);
                flip_bit(f, WEIGHTS, 100);
            },
            words: ATTACK,
            needles: &["model.safetensors", "checksum"],
        },
        Case {
            name: "a bit flipped in the header",
            prepare: |f| {
                trained(f);
                edit(f, WEIGHTS, |bytes| bytes[40] ^= 0x10);
            },
            words: MARGIN,
            needles: &["model.safetensors"],
        },
        Case {
            name: "truncated weights",
            prepare: |f| {
                trained(f);
                truncate(f, WEIGHTS);
            },
            words: MARGIN,
            needles: &["model.safetensors", "data section"],
        },
        Case {
            name: "an empty file",
            prepare: |f| {
                trained(f);
                write(f, WEIGHTS, b"");
            },
            words: ATTACK,
            needles: &["model.safetensors", "at least 8 bytes"],
        },
        Case {
            name: "a header of 2^60 bytes",
            prepare: |f| {
                trained(f);
                edit(f, WEIGHTS, |b| {
                    b[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes())
                });
            },
            words: ATTACK,
            needles: &["header length", "1152921504606846976"],
        },
        Case {
            name: "weights that are not finite",
            prepare: not_finite,
            words: ATTACK,
            needles: &["model.safetensors", "not finite"],
        },
        Case {
            name: "weights that describe no model",
            prepare: |f| write(f, "w.safetensors", b"\x08\0\0\0\0\0\0\0{}      "),
            words: "attack w.safetensors --objective kl",
            needles: &["w.safetensors", "does not describe its model"],
        },
        Case {
            name: "a checkpoint of another shape",
            prepare: |f| {
                in_training(f);
                edit(f, "m/run.toml", |bytes| {
                    let text = String::from_utf8(bytes.clone()).expect("text");
                    *bytes = text.replace("latent = 3", "latent = 5").into_bytes();
                });
            },
            words: ATTACK,
            needles: &[
                "checkpoint/model.safetensors",
                "mu.weight",
                "[5, 16]",
                "[3, 16]",
            ],
        },
        Case {
            name: "an impossible stored configuration",
            prepare: |f| {
                in_training(f);
                edit(f, "m/run.toml", |bytes| {
                    let text = String::from_utf8(bytes.clone()).expect("text");
                    *bytes = text.replace("latent = 3", "latent = -5").into_bytes();
                });
            },
            words: ATTACK,
            needles: &["m/run.toml", "model.latent"],
        },
        Case {
            name: "going on from bit-flipped weights",
            prepare: |f| {
                trained(f);
                flip_bit(f, "m/checkpoint/model.safetensors", 100);
            },
            words: TRAIN,
            needles: &["checkpoint/model.safetensors", "checksum"],
        },
        Case {
            name: "going on from truncated moments",
            prepare: |f| {
                trained(f);
                truncate(f, "m/checkpoint/optimizer.safetensors");
            },
            words: TRAIN,
            needles: &["checkpoint/optimizer.safetensors"],
        },
        Case {
            name: "going on from a bit-flipped state",
            prepare: |f| {
                trained(f);
                flip_bit(f, "m/checkpoint/state.bin", 40);
            },
            words: TRAIN,
            needles: &["sha256"],
        },
        Case {
            name: "going on without the metric file",
            prepare: |f| {
                trained(f);
                std::fs::remove_file(f.join("m/metrics.jsonl")).expect("removed");
            },
            words: TRAIN,
            needles: &["metrics.jsonl"],
        },
    ]);
}

#[test]
fn impossible_attacks_and_margins_are_refused() {
    check(&[
        Case {
            name: "no pairs",
            prepare: trained,
            words: "attack m --objective kl --pairs 0",
            needles: &["--pairs", "at least 1"],
        },
        Case {
            name: "one penalty",
            prepare: trained,
            words: "attack m --objective kl --lambdas 1",
            needles: &["--lambdas", "at least 2"],
        },
        Case {
            name: "the folder of another job",
            prepare: trained,
            words: "attack m --objective kl --pairs 1 --lambdas 3 --threads 1",
            needles: &["m/attack-kl", "choose another folder"],
        },
        Case {
            name: "another data set that does not fit",
            prepare: trained,
            words: "attack m --objective w2 --dataset swiss-roll",
            needles: &["[1, 8, 8]", "swiss-roll"],
        },
        Case {
            name: "an unknown data set",
            prepare: trained,
            words: "margin m --dataset mnits",
            needles: &["mnits", "sprites"],
        },
        Case {
            name: "impossible margins are all listed",
            prepare: trained,
            words: "margin m --r -1 --m 2 --images 0 --tolerance nan",
            needles: &["--r", "--m", "--images", "--tolerance", "4 configuration"],
        },
        Case {
            name: "margins with other settings",
            prepare: trained,
            words: "margin m --images 1 --threads 1",
            needles: &["m/margins", "other settings"],
        },
        Case {
            name: "damaged margins",
            prepare: |f| {
                trained(f);
                truncate(f, "m/margins/margins.json");
            },
            words: MARGIN,
            needles: &["m/margins/margins.json:"],
        },
        Case {
            name: "damaged records",
            prepare: |f| {
                trained(f);
                edit(f, "m/attack-kl/records.jsonl", |bytes| bytes[3] = b'}');
            },
            words: ATTACK,
            needles: &["records.jsonl:1"],
        },
    ]);
}

#[test]
fn show_refuses_what_is_damaged() {
    check(&[
        Case {
            name: "nothing there",
            prepare: |_| (),
            words: "show m",
            needles: &["m does not exist"],
        },
        Case {
            name: "an unknown folder",
            prepare: |f| write(f, "m/notes.txt", "notes"),
            words: "show m",
            needles: &["nothing that vaegis writes", "run.toml"],
        },
        Case {
            name: "an unknown file",
            prepare: |f| write(f, "notes.txt", "notes"),
            words: "show notes.txt",
            needles: &["notes.txt", "safetensors"],
        },
        Case {
            name: "a truncated report",
            prepare: |f| {
                trained(f);
                truncate(f, "m/attack-kl/report.json");
            },
            words: "show m/attack-kl/report.json",
            needles: &["report.json", "not valid JSON"],
        },
        Case {
            name: "a damaged line of metrics",
            prepare: |f| {
                trained(f);
                edit(f, "m/metrics.jsonl", |bytes| bytes[2] = b'}');
            },
            words: "show m",
            needles: &["metrics.jsonl:1"],
        },
        Case {
            name: "bit-flipped weights",
            prepare: |f| {
                trained(f);
                flip_bit(f, WEIGHTS, 5);
            },
            words: "show m/model.safetensors",
            needles: &["checksum"],
        },
        Case {
            name: "bit-flipped checkpoint",
            prepare: |f| {
                trained(f);
                flip_bit(f, "m/checkpoint/model.safetensors", 5);
            },
            words: "show m/checkpoint/model.safetensors",
            needles: &["checksum"],
        },
        Case {
            name: "damaged margins",
            prepare: |f| {
                trained(f);
                truncate(f, "m/margins/margins.json");
            },
            words: "show m/margins",
            needles: &["margins.json:"],
        },
    ]);
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
        "fly",
    ] {
        let output = run(folder.path(), words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {stderr}");
        assert!(stderr.contains("--help"), "{words}: {stderr}");
    }
    assert!(snapshot(folder.path()).is_empty());
}
