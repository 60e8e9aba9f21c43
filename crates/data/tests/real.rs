//! The real files, where `VAEGIS_DATA` has them: checksums, counts, known values, the renderer.

use std::path::PathBuf;
use std::time::Instant;

use vaegis_core::codec::read_limited;
use vaegis_data::decode::{NpyArray, decode_npz};
use vaegis_data::dsprites::{BitImage, Renderer};
use vaegis_data::registry::{FileState, check, find, usable};
use vaegis_data::{Dataset, Limits, OpenOptions, Split, default_root, open};

/// The data folder, or a printed reason to skip.
fn root() -> Option<PathBuf> {
    let root = default_root(None);
    if root.is_none() {
        eprintln!("skipped: VAEGIS_DATA is not set");
    }
    root
}

fn get(root: &std::path::Path, name: &str, split: Split) -> Box<dyn Dataset> {
    open(name, Some(root), split, &OpenOptions::default()).expect("the real set opens")
}

/// Mean of channel `c` over the whole set, in f64.
fn channel_moments(data: &dyn Dataset, c: usize) -> (f64, f64) {
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for chunk in (0..data.len()).collect::<Vec<_>>().chunks(1000) {
        let batch = data.batch(chunk).expect("in range");
        for &v in batch.x.index_axis(ndarray::Axis(1), c) {
            sum += f64::from(v);
            squares += f64::from(v).powi(2);
            count += 1.0;
        }
    }
    let mean = sum / count;
    (mean, (squares / count - mean * mean).sqrt())
}

/// Half a unit in the last digit of the published moments.
const MOMENT_DIGITS: f64 = 5e-6;

#[test]
fn every_file_has_its_registry_checksum() {
    let Some(root) = root() else { return };
    let names = ["mnist", "fashion-mnist", "cifar10", "omniglot", "optdigits"];
    let statuses = check(&root, &names).expect("known names");
    for name in names {
        assert!(usable(find(name).expect("known"), &statuses), "{name}");
    }
    let damaged: Vec<String> = statuses
        .iter()
        .filter(|s| !matches!(s.state, FileState::Present | FileState::Missing))
        .map(ToString::to_string)
        .collect();
    assert!(damaged.is_empty(), "{damaged:?}");
}

#[test]
fn mnist_and_fashion_have_their_counts_labels_and_moments() {
    let Some(root) = root() else { return };
    // First labels and moments as published with the sets (moments by PyTorch's examples).
    for (name, first, mean, std) in [
        ("mnist", [5, 0, 4, 1, 9], 0.130_66, 0.308_11),
        ("fashion-mnist", [9, 0, 0, 3, 0], 0.286_04, 0.353_02),
    ] {
        let train = get(&root, name, Split::Train);
        let test = get(&root, name, Split::Test);
        assert_eq!((train.len(), test.len()), (60_000, 10_000));
        assert_eq!(train.spec().item_shape, [1, 28, 28]);
        assert!(
            train.spec().origin.contains("(real)"),
            "{}",
            train.spec().origin
        );
        assert_eq!(
            train
                .batch(&[0, 1, 2, 3, 4])
                .expect("in range")
                .labels
                .expect("labels"),
            first
        );
        let (found_mean, found_std) = channel_moments(train.as_ref(), 0);
        assert!(
            (found_mean - mean).abs() < MOMENT_DIGITS,
            "{name} mean {found_mean}"
        );
        assert!(
            (found_std - std).abs() < MOMENT_DIGITS,
            "{name} std {found_std}"
        );
    }
}

#[test]
fn cifar_pictures_have_their_labels_and_moments_and_are_cached() {
    let Some(root) = root() else { return };
    let cache = tempfile::tempdir().expect("temp folder");
    let options = OpenOptions {
        cache: Some(cache.path().to_owned()),
        ..OpenOptions::default()
    };
    let train = open("cifar10", Some(&root), Split::Train, &options).expect("opens");
    assert_eq!(
        (train.len(), train.spec().item_shape),
        (50_000, [3, 32, 32])
    );
    let labels = train
        .batch(&(0..10).collect::<Vec<_>>())
        .expect("in range")
        .labels;
    assert_eq!(labels.expect("labels"), [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    let means = [0.491_399_68, 0.482_158_41, 0.446_530_91];
    let stds = [0.247_032_23, 0.243_485_13, 0.261_587_84];
    for c in 0..3 {
        let (mean, std) = channel_moments(train.as_ref(), c);
        assert!(
            (mean - means[c]).abs() < 1e-7 && (std - stds[c]).abs() < 1e-7,
            "{mean} {std}"
        );
    }
    let again = open("cifar10", Some(&root), Split::Train, &options).expect("from the cache");
    assert_eq!(again.spec(), train.spec());
    let some = [0, 17, 49_999];
    assert_eq!(
        again.batch(&some).expect("in range"),
        train.batch(&some).expect("in range")
    );
    assert_eq!(
        open("cifar10", Some(&root), Split::Test, &options)
            .expect("opens")
            .len()
            % 1000,
        0
    );
}

#[test]
fn omniglot_and_optdigits_have_their_counts() {
    let Some(root) = root() else { return };
    let train = get(&root, "omniglot", Split::Train);
    let test = get(&root, "omniglot", Split::Test);
    assert_eq!((train.len(), train.spec().num_classes), (2720, Some(136)));
    assert_eq!((test.len(), test.spec().num_classes), (3120, Some(156)));
    assert_eq!(train.spec().factor_sizes, [5, 136, 20]);
    let batch = train
        .batch(&(0..2720).collect::<Vec<_>>())
        .expect("in range");
    assert!(batch.x.iter().all(|&v| v == 0.0 || v == 1.0));
    let ink = batch.x.mean().expect("not empty");
    assert!(
        (0.01..0.2).contains(&ink),
        "strokes are the bright minority: {ink}"
    );
    let mut counts = vec![0; 136];
    batch
        .labels
        .expect("labels")
        .iter()
        .for_each(|&l| counts[l as usize] += 1);
    assert!(counts.iter().all(|&c| c == 20));
    let options = OpenOptions {
        size: Some(28),
        ..OpenOptions::default()
    };
    let small = open("omniglot", Some(&root), Split::Train, &options).expect("resized");
    assert_eq!(small.spec().item_shape, [1, 28, 28]);
    let digits = get(&root, "optdigits", Split::Train);
    assert_eq!(
        (digits.len(), get(&root, "optdigits", Split::Test).len()),
        (3823, 1797)
    );
    assert_eq!(digits.spec().item_shape, [1, 8, 8]);
}

fn dsprites_file(
    root: &std::path::Path,
    name: &str,
) -> std::collections::BTreeMap<String, NpyArray> {
    let path = root.join("dsprites").join(name);
    let bytes = read_limited(&path, 1 << 20).expect("a small file");
    decode_npz(name, &bytes, &Limits::default()).expect("decodes")
}

/// Number of pixels in which an image of bytes differs from bits.
fn wrong_pixels(bytes: &[u8], bits: &BitImage) -> u32 {
    let wrong = |(y, row): (usize, &[u8])| {
        let word = row
            .iter()
            .rev()
            .fold(0_u64, |w, &p| (w << 1) | u64::from(p));
        (word ^ bits[y]).count_ones()
    };
    bytes.chunks_exact(64).enumerate().map(wrong).sum()
}

/// Errors of the renderer over a file of images with latents.
fn renderer_errors(images: &NpyArray, latents: &NpyArray) -> Vec<u32> {
    let renderer = Renderer::new();
    let classes = latents.to_i64("latents").expect("integers");
    images
        .bytes
        .chunks_exact(64 * 64)
        .zip(classes.as_chunks::<6>().0)
        .map(|(image, row)| wrong_pixels(image, &renderer.image(row.map(|f| f as usize))))
        .collect()
}

#[test]
fn the_renderer_equals_the_published_frames() {
    let Some(root) = root() else { return };
    let frames = dsprites_file(&root, "dsprites_gif_frames.npz");
    let errors = renderer_errors(&frames["imgs"], &frames["latents_classes"]);
    assert_eq!(errors.len(), 320);
    assert_eq!(errors.iter().filter(|&&e| e == 0).count(), 316);
    assert!(errors.iter().all(|&e| e == 0 || e == 2), "{errors:?}");
}

#[test]
fn the_renderer_keeps_its_held_out_accuracy() {
    let Some(root) = root() else { return };
    let samples = dsprites_file(&root, "dsprites_notebook_samples.npz");
    let errors = renderer_errors(&samples["imgs"], &samples["latents_classes_fitted"]);
    assert_eq!(errors.len(), 43);
    assert_eq!(errors.iter().filter(|&&e| e == 0).count(), 36);
    assert_eq!(
        (errors.iter().max(), errors.iter().sum::<u32>()),
        (Some(&5), 16)
    );
    let stated = samples["px_err_of_fit"].to_i64("px_err").expect("integers");
    assert_eq!(
        errors.iter().map(|&e| i64::from(e)).collect::<Vec<_>>(),
        stated
    );
}

#[test]
fn batches_and_images_are_made_in_time() {
    // Generous bounds that only a mistake of an order of magnitude breaks, also unoptimized and on
    // a busy machine; the measured times are printed.
    let options = OpenOptions {
        size: Some(28),
        ..OpenOptions::default()
    };
    let sprites = open("sprites", None, Split::Train, &options).expect("generated");
    let indices: Vec<usize> = (0..128).map(|i| i * 151 % sprites.len()).collect();
    let mut batch = vaegis_data::Batch::empty();
    let mut best = f64::INFINITY;
    for _ in 0..200 {
        let start = Instant::now();
        sprites.batch_into(&indices, &mut batch).expect("in range");
        best = best.min(start.elapsed().as_secs_f64());
    }
    eprintln!("[128, 1, 28, 28] batch: {:.1} us", best * 1e6);
    assert!(best < 5e-3, "{best}");
    let renderer = Renderer::new();
    let start = Instant::now();
    let images = renderer.all();
    let rate = images.len() as f64 / start.elapsed().as_secs_f64();
    eprintln!(
        "dSprites: {} images at {rate:.0} images/s in bulk",
        images.len()
    );
    assert!(rate > 20_000.0, "{rate}");
    let lazy = open("dsprites", None, Split::Train, &OpenOptions::default()).expect("rendered");
    let indices: Vec<usize> = (0..512).map(|i| i * 7919 % lazy.len()).collect();
    let start = Instant::now();
    for _ in 0..10 {
        lazy.batch_into(&indices, &mut batch).expect("in range");
    }
    let rate = 5120.0 / start.elapsed().as_secs_f64();
    eprintln!("dSprites: {rate:.0} images/s in batches");
    assert!(rate > 1_000.0, "{rate}");
}
