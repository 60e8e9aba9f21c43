//! How a user's own data is split: disjoint parts that are everything, or the folder's own parts.

use std::path::Path;

use ndarray_npy::WriteNpyExt;
use vaegis_data::{Dataset, OpenOptions, Split, open};

fn open_split(name: &str, split: Split) -> Box<dyn Dataset> {
    let options = OpenOptions {
        size: name.starts_with("folder:").then_some(4),
        ..OpenOptions::default()
    };
    open(name, None, split, &options).expect("opens")
}

/// First channel of the first pixel of every item, in steps of 1/255.
fn first_pixels(data: &dyn Dataset) -> Vec<u8> {
    let all: Vec<usize> = (0..data.len()).collect();
    let x = data.batch(&all).expect("all").x;
    let first = x.slice(ndarray::s![.., 0, 0, 0]);
    first.iter().map(|v| (v * 255.0).round() as u8).collect()
}

fn save(path: &Path, grey: u8) {
    std::fs::create_dir_all(path.parent().expect("in a folder")).expect("makes");
    image::GrayImage::from_pixel(6, 6, image::Luma([grey]))
        .save(path)
        .expect("writes");
}

/// `count` pictures, the i-th of brightness i.
fn pictures(folder: &Path, count: u8) {
    for i in 0..count {
        save(&folder.join(format!("{i:03}.png")), i);
    }
}

fn array(path: &Path, count: u8) {
    let items = ndarray::Array2::from_shape_fn((usize::from(count), 3), |(i, _)| i as u8);
    let mut bytes = Vec::new();
    items.write_npy(&mut bytes).expect("memory");
    std::fs::write(path, bytes).expect("writes");
}

#[test]
fn a_tenth_is_held_out_and_never_trained_on() {
    let dir = tempfile::tempdir().expect("temp folder");
    pictures(&dir.path().join("pictures"), 25);
    array(&dir.path().join("items.npy"), 25);
    let folder = format!("folder:{}", dir.path().join("pictures").display());
    let npy = format!("npy:{}", dir.path().join("items.npy").display());
    let mut held_out = Vec::new();
    for name in [&folder, &npy] {
        let [train, test] = [Split::Train, Split::Test].map(|s| open_split(name, s));
        assert_eq!((train.len(), test.len()), (22, 3), "{name}");
        assert!(test.spec().origin.contains("held out"));
        assert_ne!(train.spec().checksum, test.spec().checksum);
        let [train, test] = [train, test].map(|d| first_pixels(&*d));
        let mut all = [train, test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..25).collect::<Vec<_>>(), "{name}");
        assert_eq!(test, first_pixels(&*open_split(name, Split::Test)));
        held_out.push(test);
    }
    // The number of items alone decides, wherever they lie and whatever holds them.
    assert_eq!(held_out[0], held_out[1]);
}

/// An item's value range must not tell which split it is in: a scaling to a range would differ.
#[test]
fn both_splits_have_the_range_of_all_items() {
    let dir = tempfile::tempdir().expect("temp folder");
    let path = dir.path().join("items.npy");
    let items = ndarray::Array2::from_shape_fn((20, 2), |(i, j)| (i * 2 + j) as f32 - 7.0);
    let mut bytes = Vec::new();
    items.write_npy(&mut bytes).expect("memory");
    std::fs::write(&path, bytes).expect("writes");
    let name = format!("npy:{}", path.display());
    for split in [Split::Train, Split::Test] {
        assert_eq!(open_split(&name, split).spec().value_range, (-7.0, 32.0));
    }
}

#[test]
fn one_item_cannot_be_tested_on() {
    let dir = tempfile::tempdir().expect("temp folder");
    let path = dir.path().join("items.npy");
    let name = format!("npy:{}", path.display());
    array(&path, 1);
    assert_eq!(open_split(&name, Split::Train).len(), 1);
    let error = open(&name, None, Split::Test, &OpenOptions::default());
    let error = error.err().expect("nothing to test on").to_string();
    assert!(
        error.contains("at least 2 items") && error.contains("found 1"),
        "{error}"
    );
    array(&path, 2);
    for split in [Split::Train, Split::Test] {
        assert_eq!(open_split(&name, split).len(), 1);
    }
}

#[test]
fn a_folder_with_train_and_test_keeps_to_them() {
    let dir = tempfile::tempdir().expect("temp folder");
    // A class that only the second part has: numbers still agree.
    for (file, grey) in [
        ("train/ant/a.png", 1),
        ("train/cat/b.png", 2),
        ("test/bee/c.png", 3),
        ("test/cat/d.png", 4),
    ] {
        save(&dir.path().join(file), grey);
    }
    let name = format!("folder:{}", dir.path().display());
    for (split, pixels, labels) in [
        (Split::Train, [1, 2], [0, 2]),
        (Split::Test, [3, 4], [1, 2]),
    ] {
        let data = open_split(&name, split);
        assert_eq!(first_pixels(&*data), pixels);
        assert_eq!(data.labels().expect("labels"), Some(labels.to_vec()));
        assert_eq!(data.spec().num_classes, Some(3));
    }
    std::fs::remove_dir_all(dir.path().join("test")).expect("removes");
    pictures(&dir.path().join("test"), 2);
    let open_it = || open(&name, None, Split::Test, &OpenOptions::default());
    let error = open_it().err().expect("classes on one side").to_string();
    assert!(error.contains("both train and test"), "{error}");
    std::fs::remove_dir_all(dir.path().join("test")).expect("removes");
    std::fs::create_dir(dir.path().join("test")).expect("makes");
    let error = open_it().err().expect("an empty part").to_string();
    assert!(
        error.contains("PNG or JPEG") && error.contains("test"),
        "{error}"
    );
}
