//! Laws of the preprocessing steps.

use super::*;
use crate::store::{ByteStore, Targets};
use crate::{Split, Subset};

fn bytes(shape: [usize; 3], data: Vec<u8>) -> ByteStore {
    let len = data.len() / shape.iter().product::<usize>();
    let spec = DatasetSpec {
        name: "made".to_owned(),
        item_shape: shape,
        value_range: (0.0, 1.0),
        num_classes: None,
        factor_names: vec![],
        factor_sizes: vec![],
        len,
        split: Split::Test,
        origin: "made".to_owned(),
        checksum: "0".to_owned(),
    };
    ByteStore::new(spec, data, 255, Targets::default()).expect("counts agree")
}

fn ramp() -> ByteStore {
    bytes([1, 4, 4], (0..48).map(|i| i * 5).collect())
}

#[test]
fn symmetric_range_maps_ends_to_ends() {
    let data = bytes([1, 1, 3], vec![0, 255, 51]);
    let mapped = Mapped::new(
        data,
        vec![Step::Range {
            low: -1.0,
            high: 1.0,
        }],
    )
    .expect("valid");
    assert_eq!(mapped.spec().value_range, (-1.0, 1.0));
    let x = mapped.batch(&[0]).expect("batch").x;
    let values: Vec<f32> = x.iter().copied().collect();
    assert_eq!(values[..2], [-1.0, 1.0]);
    // One rounding of 0.2 and one of the product.
    assert!((values[2] + 0.6).abs() < 2.0 * f32::EPSILON, "{values:?}");
}

#[test]
fn crop_keeps_the_middle_and_steps_compose() {
    let steps = vec![
        Step::CenterCrop {
            height: 2,
            width: 2,
        },
        Step::Resize {
            height: 4,
            width: 4,
        },
        Step::Binarize { threshold: 0.1 },
    ];
    let cropped = Mapped::new(ramp(), steps[..1].to_vec()).expect("valid");
    let x = cropped.batch(&[1]).expect("batch").x;
    let values: Vec<u8> = x.iter().map(|v| (v * 255.0).round() as u8).collect();
    assert_eq!(values, [105, 110, 125, 130]);
    let all = Mapped::new(ramp(), steps).expect("valid");
    assert_eq!(all.spec().item_shape, [1, 4, 4]);
    assert!(
        all.batch(&[0, 2])
            .expect("batch")
            .x
            .iter()
            .all(|&v| v == 0.0 || v == 1.0)
    );
    assert_ne!(all.spec().checksum, ramp().spec().checksum);
}

#[test]
fn impossible_steps_are_refused_with_both_sizes() {
    for step in [
        Step::CenterCrop {
            height: 5,
            width: 4,
        },
        Step::CenterCrop {
            height: 0,
            width: 4,
        },
        Step::Resize {
            height: 0,
            width: 4,
        },
        Step::Range {
            low: 1.0,
            high: 1.0,
        },
        Step::Range {
            low: f32::NAN,
            high: 1.0,
        },
        Step::Binarize { threshold: 1.0 },
        Step::Dequantize {
            levels: 1,
            seed: SeedTree::new(0),
        },
    ] {
        assert!(Mapped::new(ramp(), vec![step.clone()]).is_err(), "{step:?}");
    }
    let step = Step::CenterCrop {
        height: 5,
        width: 4,
    };
    let error = Mapped::new(ramp(), vec![step])
        .expect_err("too tall")
        .to_string();
    assert!(error.contains("4x4") && error.contains("5x4"), "{error}");
}

#[test]
fn random_steps_depend_on_the_item_and_not_on_the_batch() {
    for step in [
        Step::BinarizeRandom {
            seed: SeedTree::new(1),
        },
        Step::Dequantize {
            levels: 256,
            seed: SeedTree::new(1),
        },
    ] {
        let mapped = Mapped::new(ramp(), vec![step]).expect("valid");
        let both = mapped.batch(&[2, 0]).expect("batch").x;
        let one = mapped.batch(&[2]).expect("batch").x;
        assert_eq!(
            both.index_axis(ndarray::Axis(0), 0),
            one.index_axis(ndarray::Axis(0), 0)
        );
    }
}

#[test]
fn random_binarization_has_the_grey_level_as_its_mean() {
    let data = bytes([1, 100, 100], vec![51; 10_000]);
    let step = Step::BinarizeRandom {
        seed: SeedTree::new(5),
    };
    let x = Mapped::new(data, vec![step])
        .expect("valid")
        .batch(&[0])
        .expect("batch")
        .x;
    let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e4;
    // Standard error 0.004; four of them.
    assert!((mean - 0.2).abs() < 0.016, "{mean}");
}

#[test]
fn dequantization_never_changes_the_level() {
    let data = bytes([1, 16, 16], (0..=255).collect());
    let step = Step::Dequantize {
        levels: 256,
        seed: SeedTree::new(5),
    };
    let x = Mapped::new(data, vec![step])
        .expect("valid")
        .batch(&[0])
        .expect("batch")
        .x;
    for (k, v) in x.iter().enumerate() {
        assert!((0.0..1.0).contains(v));
        assert_eq!((v * 256.0).floor() as usize, k);
    }
}

#[test]
fn resizing_keeps_constants_and_the_mean_and_is_the_identity_at_equal_size() {
    let plane: Vec<f32> = (0..30).map(|i| ((i * 7919) % 101) as f32).collect();
    assert_eq!(resize_plane(&plane, (5, 6), (5, 6)), plane);
    for to in [(3, 3), (9, 7), (1, 1), (10, 12)] {
        let constant = resize_plane(&[2.5; 30], (5, 6), to);
        // The weights sum to 1 up to a few roundings.
        assert!(constant.iter().all(|v| (v - 2.5).abs() < 1e-5), "{to:?}");
    }
    // A shrink by two has symmetric weights (1, 3, 3, 1)/8 away from the edges.
    let line: Vec<f32> = vec![0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(resize_plane(&line, (1, 8), (1, 4)), [0.0, 3.0, 1.0, 0.0]);
    // A growth by two interpolates at quarters.
    assert_eq!(
        resize_plane(&[0.0, 4.0], (1, 2), (1, 4)),
        [0.0, 1.0, 3.0, 4.0]
    );
}

#[test]
fn subsets_compose_with_maps() {
    let subset = Subset::new(ramp(), vec![2, 0]).expect("in range");
    let mapped = Mapped::new(
        subset,
        vec![Step::Range {
            low: 0.0,
            high: 255.0,
        }],
    )
    .expect("valid");
    let batch = mapped.batch(&[1]).expect("batch");
    assert_eq!(batch.indices, [1]);
    assert!((batch.x[[0, 0, 0, 1]] - 5.0).abs() < 1e-4);
    assert!(mapped.batch(&[2]).is_err());
}
