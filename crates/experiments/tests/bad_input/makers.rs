//! Whole inputs, and ways to damage them.

use crate::common::{TINY, run, snapshot, succeed};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use vaegis_tensor::checkpoint::{self, Limits};

/// A bad input: how the folder is prepared, the command, and what the message must hold.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn(&Path),
    pub(crate) words: &'static str,
    pub(crate) needles: &'static [&'static str],
}

pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, bytes).expect("written");
}

/// Changes the bytes of a file.
pub(crate) fn edit(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(name);
    let mut bytes = std::fs::read(&path).expect(name);
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

pub(crate) fn flip_bit(folder: &Path, name: &str, from_end: usize) {
    edit(folder, name, |bytes| {
        let at = bytes.len() - from_end;
        bytes[at] ^= 0x10;
    });
}

pub(crate) fn truncate(folder: &Path, name: &str) {
    edit(folder, name, |bytes| bytes.truncate(bytes.len() * 2 / 3));
}

pub(crate) fn config(folder: &Path, change: impl FnOnce(String) -> String) {
    write(folder, "c.toml", change(TINY.to_owned()));
}

pub(crate) fn replaced(from: &'static str, to: &'static str) -> impl FnOnce(String) -> String {
    move |text| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    }
}

/// The tiny configuration on another data set of this side.
pub(crate) fn on(folder: &Path, dataset: &str, side: usize) {
    config(folder, |text| {
        text.replace("\"sprites\"\nsize = 8", &format!("{dataset:?}"))
            .replace("[1, 8, 8]", &format!("[1, {side}, {side}]"))
    });
}

pub(crate) fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    for dim in dims {
        bytes.extend(dim.to_be_bytes());
    }
    bytes.extend(data);
    bytes
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).expect("compressed");
    writer.finish().expect("compressed")
}

/// A small but whole MNIST and its configuration.
pub(crate) fn mnist(folder: &Path) {
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

pub(crate) const IMAGES: &str = "mnist/train-images-idx3-ubyte.gz";
pub(crate) const LABELS: &str = "mnist/t10k-labels-idx1-ubyte.gz";

/// A .npy file of f32 with this shape in its header.
pub(crate) fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
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

pub(crate) fn npz(array: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("x.npy", options).expect("an entry");
    writer.write_all(array).expect("an entry");
    writer.finish().expect("an archive").into_inner()
}

/// An archive of sixty-four 8 × 8 items, one value of which is `odd`, and its configuration.
pub(crate) fn own_npz(folder: &Path, odd: f32) {
    on(folder, "npz:own.npz", 8);
    let mut values: Vec<f32> = (0..64 * 64).map(|i| (i % 7) as f32 / 7.0).collect();
    values[1000] = odd;
    write(folder, "own.npz", npz(&npy("(64, 8, 8)", &values)));
}

pub(crate) fn picture() -> Vec<u8> {
    let pixels: Vec<u8> = (0..32 * 32).map(|i| (i * 37 % 256) as u8).collect();
    let picture = vaegis_report::Picture::from_bytes(32, 32, 1, pixels).expect("a picture");
    picture.to_png(1).expect("a PNG")
}

pub(crate) fn pictures(folder: &Path) {
    config(folder, |text| {
        text.replace("\"sprites\"", "\"folder:pictures\"")
    });
    for i in 0..40 {
        write(folder, &format!("pictures/{i}.png"), picture());
    }
}

/// A folder with a trained model `m`, its attacks `m/attack-kl` and margins `m/margins`, and the
/// configuration `c.toml`.
pub(crate) fn trained(folder: &Path) {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    let made = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep();
        config(&folder, |text| text);
        succeed(&folder, "train c.toml --out m --threads 1");
        succeed(&folder, ATTACK);
        succeed(&folder, MARGIN);
        folder
    });
    crate::common::copy(made, folder);
}

pub(crate) const ATTACK: &str = "attack m --objective kl --pairs 2 --lambdas 3 --threads 1";
pub(crate) const MARGIN: &str =
    "margin m --images 2 --samples 50 --steps 3 --tolerance 2 --threads 1";
pub(crate) const TRAIN: &str = "train c.toml --out m --threads 1";
pub(crate) const TRAIN_ON_DATA: &str = "train c.toml --out m --threads 1 --data .";
pub(crate) const WEIGHTS: &str = "m/model.safetensors";

/// A folder in training: the checkpoint without the finished model.
pub(crate) fn in_training(folder: &Path) {
    trained(folder);
    std::fs::remove_file(folder.join(WEIGHTS)).expect("removed");
}

pub(crate) fn not_finite(folder: &Path) {
    trained(folder);
    let path = folder.join(WEIGHTS);
    let (tensors, meta) = checkpoint::load(&path, Limits::default()).expect("whole");
    tensors[0].1.shallow_clone().fill_(f64::NAN).size();
    checkpoint::save(&path, &tensors, &meta).expect("saved");
}

/// Runs every case and compares the folder tree before and after.
pub(crate) fn check(cases: &[Case]) {
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
