//! SVHN, CelebA, the rendered chairs and 3D Faces from small made files of the published layouts.

use std::io::Cursor;
use std::path::Path;

use vaegis_data::decode::encode_npy_u8;
use vaegis_data::{DataError, Dataset, OpenOptions, Split, open};

/// JPEG is lossy; smooth pictures stay this close.
const JPEG_TOLERANCE: f32 = 3.0 / 255.0;

fn small(side: usize) -> OpenOptions {
    OpenOptions {
        size: Some(side),
        ..OpenOptions::default()
    }
}

fn save(path: &Path, width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y)));
    let format = image::ImageFormat::from_path(path).expect("known");
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("memory");
    std::fs::write(path, bytes.into_inner()).expect("writes");
}

fn error(result: Result<Box<dyn Dataset>, DataError>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn svhn_opens_from_what_scipy_writes() {
    let dir = tempfile::tempdir().expect("temp folder");
    std::fs::create_dir(dir.path().join("svhn")).expect("makes");
    let golden = include_bytes!("golden/svhn.mat");
    std::fs::write(dir.path().join("svhn/test_32x32.mat"), golden).expect("writes");
    let set = open(
        "svhn",
        Some(dir.path()),
        Split::Test,
        &OpenOptions::default(),
    )
    .expect("opens");
    assert_eq!((set.len(), set.spec().item_shape), (3, [3, 32, 32]));
    assert_eq!(set.spec().num_classes, Some(10));
    assert!(
        set.spec().origin.contains("differ"),
        "{}",
        set.spec().origin
    );
    let batch = set.batch(&[0, 1, 2]).expect("in range");
    // The digit 0 is 10 in the file.
    assert_eq!(batch.labels.expect("labels"), [1, 0, 9]);
    for ((n, c, y, x), &value) in batch.x.indexed_iter() {
        let byte = (37 * n + 101 * c + 5 * y + 3 * x) % 256;
        assert_eq!(
            value,
            byte as f32 / 255.0,
            "item {n}, channel {c}, {y}, {x}"
        );
    }
    let text = error(open("svhn", Some(dir.path()), Split::Train, &small(32)));
    assert!(
        text.contains("train_32x32.mat") && text.contains("sha256 435e94d6"),
        "{text}"
    );
    // A whole and right MATLAB file that is no SVHN.
    let other = include_bytes!("golden/mat.mat");
    std::fs::write(dir.path().join("svhn/test_32x32.mat"), other).expect("writes");
    let text = error(open("svhn", Some(dir.path()), Split::Test, &small(32)));
    assert!(
        text.contains("[32, 32, 3, N]") && text.contains("[4, 3, 2, 5]"),
        "{text}"
    );
}

#[test]
fn celeba_is_cropped_shrunk_and_split_as_published() {
    let dir = tempfile::tempdir().expect("temp folder");
    let folder = dir.path().join("celeba/img_align_celeba");
    // Outside the middle 148 by 148 the pictures are white, inside a slope from dark to bright.
    let portrait = |base: u8| {
        move |x: u32, y: u32| {
            let inside = (15..163).contains(&x) && (35..183).contains(&y);
            if inside {
                [base, (x - 15) as u8, (y - 35) as u8]
            } else {
                [255; 3]
            }
        }
    };
    for (number, base) in [
        (1, 10),
        (162_770, 20),
        (162_771, 30),
        (182_637, 40),
        (182_638, 50),
    ] {
        save(
            &folder.join(format!("{number:06}.png")),
            178,
            218,
            portrait(base),
        );
    }
    std::fs::write(folder.join("notes.txt"), "passed over").expect("writes");
    let reds = |split| {
        let set = open("celeba", Some(dir.path()), split, &OpenOptions::default()).expect("opens");
        assert_eq!(set.spec().item_shape, [3, 64, 64]);
        assert!(
            set.spec().origin.contains("CelebA"),
            "{}",
            set.spec().origin
        );
        let batch = set.batch(&(0..set.len()).collect::<Vec<_>>()).expect("all");
        let green = |x| batch.x[[0, 1, 32, x]] * 255.0;
        // A pixel covers 148 / 64 columns, and its middle has their mean.
        assert!(
            (green(32) - (32.5 * 148.0 / 64.0 - 0.5)).abs() < 1.0,
            "{}",
            green(32)
        );
        assert!(
            green(0) < 3.0 && green(63) > 144.0,
            "{} {}",
            green(0),
            green(63)
        );
        batch
            .x
            .outer_iter()
            .map(|item| (item[[0, 9, 9]] * 255.0) as u8)
            .collect::<Vec<_>>()
    };
    assert_eq!(reds(Split::Train), [10, 20]);
    assert_eq!(reds(Split::Test), [50]);
    let one = OpenOptions {
        samples: Some(1),
        cache: Some(dir.path().join("cache")),
        ..OpenOptions::default()
    };
    for _ in 0..2 {
        let set = open("celeba", Some(dir.path()), Split::Train, &one).expect("cached");
        assert_eq!(set.len(), 1);
    }
    save(&folder.join("000002.png"), 178, 217, portrait(1));
    let text = error(open("celeba", Some(dir.path()), Split::Train, &small(64)));
    assert!(
        text.contains("178 by 218") && text.contains("000002"),
        "{text}"
    );
    let empty = tempfile::tempdir().expect("temp folder");
    let text = error(open("celeba", Some(empty.path()), Split::Train, &small(64)));
    assert!(
        text.contains("celeba.npy") && text.contains("mmlab"),
        "{text}"
    );
}

#[test]
fn jpeg_portraits_are_read() {
    let dir = tempfile::tempdir().expect("temp folder");
    let path = dir.path().join("celeba/img_align_celeba/000001.jpg");
    save(&path, 178, 218, |_, y| [y as u8 / 2 + 60; 3]);
    let set = open("celeba", Some(dir.path()), Split::Train, &small(32)).expect("opens");
    let item = set.batch(&[0]).expect("one").x;
    let expected = (35.0 + 73.5) / 2.0 + 60.0;
    let middle = 0.5 * (item[[0, 0, 15, 7]] + item[[0, 0, 16, 7]]);
    assert!(
        (middle - expected / 255.0).abs() < JPEG_TOLERANCE,
        "{middle}"
    );
}

#[test]
fn chairs_are_grey_cropped_and_carry_model_and_view() {
    let dir = tempfile::tempdir().expect("temp folder");
    let folder = dir.path().join("chairs/rendered_chairs");
    let views = [(20, 11), (20, 200), (30, 11), (30, 200)];
    for (model, tint) in [("aaa", 40), ("bbb", 200)] {
        for (i, (elevation, azimuth)) in views.iter().enumerate() {
            let file =
                format!("{model}/renders/image_{i:03}_p{elevation:03}_t{azimuth:03}_r096.png");
            save(&folder.join(file), 600, 600, |x, y| {
                let inside = (100..500).contains(&x) && (100..500).contains(&y);
                if inside { [tint, 0, 0] } else { [255; 3] }
            });
        }
    }
    let mut seen = Vec::new();
    for (split, len) in [(Split::Train, 7), (Split::Test, 1)] {
        let set = open("chairs", Some(dir.path()), split, &small(32)).expect("opens");
        assert_eq!((set.len(), set.spec().item_shape), (len, [1, 32, 32]));
        assert_eq!(
            set.spec().factor_names,
            ["identity", "azimuth", "elevation"]
        );
        let batch = set.batch(&(0..len).collect::<Vec<_>>()).expect("all");
        let labels = batch.labels.expect("labels");
        for (i, row) in batch.factors.expect("factors").outer_iter().enumerate() {
            let tint = if labels[i] == 0 { 40.0 } else { 200.0_f32 };
            // Grey of pure red is 0.299 of it; nothing of the white rim is left.
            let expected = (tint * 0.299).round() / 255.0;
            let item = batch.x.index_axis(ndarray::Axis(0), i);
            assert!(item.iter().all(|v| (v - expected).abs() < 1.0 / 255.0));
            assert_eq!(row[0] as i64, labels[i]);
            seen.push(row.iter().map(|&v| v as usize).collect::<Vec<_>>());
        }
    }
    seen.sort();
    let all: Vec<Vec<usize>> = (0..8).map(|i| vec![i / 4, i / 2 % 2, i % 2]).collect();
    assert_eq!(seen, all);
    save(&folder.join("bbb/renders/odd.png"), 600, 600, |_, _| [0; 3]);
    let text = error(open("chairs", Some(dir.path()), Split::Train, &small(32)));
    assert!(text.contains("odd") && text.contains("_t011_"), "{text}");
}

#[test]
fn tensor_files_open_and_whole_faces_have_factors() {
    let dir = tempfile::tempdir().expect("temp folder");
    for name in ["faces", "chairs", "celeba"] {
        std::fs::create_dir(dir.path().join(name)).expect("makes");
        let data: Vec<u8> = (0..30 * 4).map(|i| i as u8).collect();
        let file = dir.path().join(format!("{name}/{name}.npy"));
        std::fs::write(&file, encode_npy_u8(&[30, 1, 2, 2], &data)).expect("writes");
        let mut firsts = Vec::new();
        for (split, len) in [(Split::Train, 27), (Split::Test, 3)] {
            let set = open(name, Some(dir.path()), split, &OpenOptions::default()).expect("opens");
            assert_eq!((set.len(), set.spec().item_shape), (len, [1, 2, 2]));
            assert!(set.spec().origin.contains("no checksum is published"));
            let batch = set.batch(&(0..len).collect::<Vec<_>>()).expect("all");
            assert!(batch.labels.is_none() && batch.factors.is_none());
            firsts.extend(batch.x.outer_iter().map(|i| (i[[0, 0, 0]] * 255.0) as u8));
        }
        firsts.sort_unstable();
        assert_eq!(firsts, (0..30).map(|i| 4 * i).collect::<Vec<u8>>());
        std::fs::write(&file, encode_npy_u8(&[30, 4], &data)).expect("writes");
        let text = error(open(name, Some(dir.path()), Split::Train, &small(2)));
        assert!(text.contains("[N, C, H, W]"), "{text}");
    }
    let count = 50 * 21 * 11 * 11;
    let data: Vec<u8> = (0..count).map(|i| (i % 11) as u8).collect();
    let bytes = encode_npy_u8(&[count, 1, 1, 1], &data);
    std::fs::write(dir.path().join("faces/faces.npy"), bytes).expect("writes");
    let set = open(
        "faces",
        Some(dir.path()),
        Split::Test,
        &OpenOptions::default(),
    )
    .expect("opens");
    assert_eq!((set.len(), set.spec().num_classes), (12_705, Some(50)));
    assert_eq!(set.spec().factor_sizes, [50, 21, 11, 11]);
    let batch = set.batch(&[3, 700, 12_704]).expect("in range");
    let factors = batch.factors.expect("factors");
    for (i, item) in batch.x.outer_iter().enumerate() {
        // The pixel says the light.
        assert_eq!(item[[0, 0, 0]], factors[[i, 3]] / 255.0);
    }
}
