//! Made files, good and damaged, through the public doors: every error names file and cure.

use std::io::Write;
use std::path::Path;

use ndarray_npy::WriteNpyExt;
use vaegis_data::{DataError, Dataset, OpenOptions, Split, open};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// A folder with a tiny MNIST of three 2x2 test images.
fn tiny_mnist(images: &[u8], labels: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temp folder");
    let folder = dir.path().join("mnist");
    std::fs::create_dir(&folder).expect("makes");
    std::fs::write(folder.join("t10k-images-idx3-ubyte.gz"), images).expect("writes");
    std::fs::write(folder.join("t10k-labels-idx1-ubyte.gz"), labels).expect("writes");
    dir
}

fn open_test(root: &Path) -> Result<Box<dyn Dataset>, DataError> {
    open("mnist", Some(root), Split::Test, &OpenOptions::default())
}

fn error(result: Result<Box<dyn Dataset>, DataError>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn good_files_open_and_say_that_they_are_not_the_registrys() {
    let images = gzip(&idx(&[3, 2, 2], &[0, 255, 51, 102, 1, 2, 3, 4, 5, 6, 7, 8]));
    let dir = tiny_mnist(&images, &gzip(&idx(&[3], &[7, 0, 9])));
    let data = open_test(dir.path()).expect("opens");
    assert!(
        data.spec().origin.contains("differ"),
        "{}",
        data.spec().origin
    );
    let batch = data.batch(&[2, 0]).expect("in range");
    assert_eq!(batch.x.dim(), (2, 1, 2, 2));
    assert_eq!(batch.labels.expect("labels"), [9, 7]);
    let values: Vec<f32> = batch
        .x
        .index_axis(ndarray::Axis(0), 1)
        .iter()
        .copied()
        .collect();
    assert_eq!(values, [0.0, 1.0, 0.2, 0.4]);
    assert!(
        data.batch(&[3])
            .expect_err("range")
            .to_string()
            .contains("below 3")
    );
    let options = OpenOptions {
        size: Some(4),
        ..OpenOptions::default()
    };
    let large = open("mnist", Some(dir.path()), Split::Test, &options).expect("resized");
    assert_eq!(large.spec().item_shape, [1, 4, 4]);
}

#[test]
fn missing_files_name_their_checksum_and_source() {
    let dir = tempfile::tempdir().expect("temp folder");
    let text = error(open_test(dir.path()));
    for word in [
        "t10k-images",
        "sha256 8d422c7b",
        "1648877 bytes",
        "vaegis data fetch mnist",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let text = error(open("mnist", None, Split::Test, &OpenOptions::default()));
    assert!(
        text.contains("VAEGIS_DATA") && text.contains("sprites"),
        "{text}"
    );
    let text = error(open("mnits", None, Split::Test, &OpenOptions::default()));
    assert!(
        text.contains("mnits") && text.contains("fashion-mnist"),
        "{text}"
    );
    for name in ["folder:/nowhere", "npz:/nowhere.npz", "npy:/nowhere.npy"] {
        let text = error(open(name, None, Split::Test, &OpenOptions::default()));
        assert!(text.contains("nowhere"), "{text}");
    }
}

#[test]
fn damaged_files_and_counts_that_disagree_are_named() {
    let good = gzip(&idx(&[3, 2, 2], &[0; 12]));
    let labels = gzip(&idx(&[3], &[1, 2, 3]));
    let mut flipped = good.clone();
    let middle = flipped.len() - 6;
    flipped[middle] ^= 4;
    for (images, labels, word) in [
        (
            good[..good.len() - 3].to_vec(),
            labels.clone(),
            "t10k-images",
        ),
        (flipped, labels.clone(), "checksum"),
        (b"not gzip".to_vec(), labels.clone(), "t10k-images"),
        (
            gzip(&idx(&[4, 2, 2], &[0; 12])),
            labels.clone(),
            "16 bytes of data",
        ),
        (gzip(&idx(&[12], &[0; 12])), labels.clone(), "3 dimensions"),
        (good.clone(), gzip(&idx(&[2], &[1, 2])), "3 labels"),
        (good.clone(), gzip(&idx(&[3], &[1, 2, 77])), "77 at item 2"),
    ] {
        let dir = tiny_mnist(&images, &labels);
        let text = error(open_test(dir.path()));
        assert!(
            text.contains(word) && text.contains("expected"),
            "{word}: {text}"
        );
    }
}

fn write_npz(path: &Path, x: &ndarray::Array3<f32>, y: &ndarray::Array1<i64>) {
    let (mut items, mut labels) = (Vec::new(), Vec::new());
    x.write_npy(&mut items).expect("memory");
    y.write_npy(&mut labels).expect("memory");
    let mut npz = zip::ZipWriter::new(std::fs::File::create(path).expect("makes"));
    let options = zip::write::SimpleFileOptions::default();
    for (name, body) in [("x.npy", items), ("y.npy", labels)] {
        npz.start_file(name, options).expect("starts");
        npz.write_all(&body).expect("writes");
    }
    npz.finish().expect("finishes");
}

#[test]
fn arrays_open_and_nan_counts_and_flips_are_named() {
    let dir = tempfile::tempdir().expect("temp folder");
    let path = dir.path().join("own.npz");
    let name = format!("npz:{}", path.display());
    let open_split = |split| open(&name, None, split, &OpenOptions::default());
    let open_it = || open_split(Split::Train);
    let items = |split| -> Result<ndarray::Array4<f32>, DataError> {
        let data = open_split(split)?;
        let all: Vec<usize> = (0..data.len()).collect();
        Ok(data.batch(&all).expect("all").x)
    };
    let both = || Ok::<_, DataError>((items(Split::Train)?, items(Split::Test)?));
    let mut x = ndarray::Array3::from_shape_fn((4, 2, 3), |(i, j, k)| (i * 6 + j * 3 + k) as f32);
    let y = ndarray::arr1(&[0_i64, 1, 2, 1]);
    write_npz(&path, &x, &y);
    let data = open_it().expect("opens");
    assert_eq!((data.len(), data.spec().item_shape), (3, [1, 2, 3]));
    assert_eq!(
        (data.spec().num_classes, data.spec().value_range),
        (Some(3), (0.0, 23.0))
    );
    // One of the four is held out; which one, the seed decides, so both parts are looked at.
    let right = both().expect("opens");
    let mut last: Vec<f32> = [&right.0, &right.1]
        .iter()
        .flat_map(|x| x.slice(ndarray::s![.., 0, 1, 2]).to_vec())
        .collect();
    last.sort_by(f32::total_cmp);
    assert_eq!(last, [5.0, 11.0, 17.0, 23.0]);
    let good = std::fs::read(&path).expect("reads");
    // Some bytes of an archive carry nothing (times, attributes): whatever still opens must hold
    // the same numbers, and everything else must be an error that names the file.
    let mut refused = 0;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        std::fs::write(&path, &bad).expect("writes");
        match both() {
            Ok(found) => assert_eq!(found, right, "byte {at}"),
            Err(e) => {
                assert!(e.to_string().contains("own.npz"), "byte {at}: {e}");
                refused += 1;
            }
        }
    }
    assert!(
        refused > good.len() / 2,
        "{refused} of {} flips refused",
        good.len()
    );
    std::fs::write(&path, &good[..good.len() / 2]).expect("writes");
    assert!(error(open_it()).contains("own.npz"));
    x[[2, 0, 1]] = f32::NAN;
    write_npz(&path, &x, &y);
    let text = error(open_it());
    assert!(text.contains("NaN at element 13"), "{text}");
    x[[2, 0, 1]] = 0.0;
    write_npz(&path, &x, &ndarray::arr1(&[0, 1]));
    let text = error(open_it());
    assert!(
        text.contains("as many labels as items (4)") && text.contains("found 2"),
        "{text}"
    );
    write_npz(&path, &x, &ndarray::arr1(&[0, 1, -5, 1]));
    assert!(error(open_it()).contains("-5 at item 2"));
}

#[test]
fn folders_of_pictures_open_with_classes_and_are_cached() {
    let dir = tempfile::tempdir().expect("temp folder");
    let cache = tempfile::tempdir().expect("temp folder");
    for (class, grey) in [("cat", 10_u8), ("dog", 200)] {
        let folder = dir.path().join(class);
        std::fs::create_dir(&folder).expect("makes");
        for i in 0..3 {
            let picture = image::RgbImage::from_pixel(40, 20, image::Rgb([grey, i * 20, 0]));
            picture
                .save(folder.join(format!("{i}.png")))
                .expect("writes");
        }
    }
    image::GrayImage::from_pixel(9, 9, image::Luma([128]))
        .save(dir.path().join("dog/grey.jpg"))
        .expect("writes");
    let name = format!("folder:{}", dir.path().display());
    let options = OpenOptions {
        size: Some(8),
        cache: Some(cache.path().to_owned()),
        ..OpenOptions::default()
    };
    let data = open(&name, None, Split::Train, &options).expect("opens");
    let held_out = open(&name, None, Split::Test, &options).expect("opens");
    assert_eq!((data.len(), data.spec().item_shape), (6, [3, 8, 8]));
    assert_eq!((held_out.len(), held_out.spec().item_shape), (1, [3, 8, 8]));
    let colors = |data: &dyn Dataset| -> Vec<(i64, [u8; 2])> {
        let batch = data
            .batch(&(0..data.len()).collect::<Vec<_>>())
            .expect("all");
        let byte = |v: f32| (v * 255.0).round() as u8;
        let color = |i| [byte(batch.x[[i, 0, 4, 4]]), byte(batch.x[[i, 1, 0, 0]])];
        let labels = batch.labels.expect("labels");
        labels
            .iter()
            .enumerate()
            .map(|(i, &l)| (l, color(i)))
            .collect()
    };
    let mut all = [colors(&*data), colors(&*held_out)].concat();
    all.sort_unstable();
    let cats = (0..3).map(|i| (0, [10, i * 20]));
    let dogs = (0..3).map(|i| (1, [200, i * 20]));
    let mut expected: Vec<_> = cats.chain(dogs).chain([(1, [128, 128])]).collect();
    expected.sort_unstable();
    assert_eq!(all, expected);
    let again = open(&name, None, Split::Train, &options).expect("from the cache");
    assert_eq!(
        again.batch(&[5]).expect("in range"),
        data.batch(&[5]).expect("in range")
    );
    let file = dir.path().join("cat/1.png");
    let whole = std::fs::read(&file).expect("reads");
    std::fs::write(&file, &whole[..whole.len() - 20]).expect("writes");
    assert!(error(open(&name, None, Split::Train, &options)).contains("1.png"));
}

#[test]
fn the_official_archive_and_its_unpacked_folder_give_the_same_images() {
    let dir = tempfile::tempdir().expect("temp folder");
    let folder = dir.path().join("cifar10/cifar-10-batches-bin");
    std::fs::create_dir_all(&folder).expect("makes");
    let mut tar = Vec::new();
    for (i, name) in [
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
    ]
    .iter()
    .enumerate()
    {
        let mut body = vec![i as u8 * 10; 2 * 3073];
        (body[0], body[3073]) = (i as u8, 9);
        std::fs::write(folder.join(format!("{name}.bin")), &body).expect("writes");
        let mut header = [0_u8; 512];
        let path = format!("cifar-10-batches-bin/{name}.bin");
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend(header);
        tar.extend(&body);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    let get = || {
        open(
            "cifar10",
            Some(dir.path()),
            Split::Train,
            &OpenOptions::default(),
        )
    };
    let unpacked = get().expect("the folder");
    std::fs::write(
        dir.path().join("cifar10/cifar-10-binary.tar.gz"),
        gzip(&tar),
    )
    .expect("writes");
    let archive = get().expect("the archive");
    let all: Vec<usize> = (0..10).collect();
    assert_eq!(unpacked.len(), 10);
    assert_eq!(
        unpacked.batch(&all).expect("all"),
        archive.batch(&all).expect("all")
    );
    assert_eq!(
        archive.batch(&[4]).expect("one").labels.expect("labels"),
        [2]
    );
}
