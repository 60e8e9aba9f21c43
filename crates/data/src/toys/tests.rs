//! Laws of the toy sets: disjoint splits, factors that do what they say, nothing cut off.

use std::collections::BTreeSet;

use super::*;

/// Bytes by which mirrored pictures may differ: sums are rounded in another order.
const MIRROR_TOLERANCE: u8 = 2;

fn small(samples: Option<usize>) -> OpenOptions {
    OpenOptions {
        size: Some(32),
        samples,
        ..OpenOptions::default()
    }
}

fn mean(image: &[u8], keep: impl Fn(usize, usize) -> bool) -> f64 {
    let side = image.len().isqrt();
    let kept: Vec<f64> = (0..image.len())
        .filter(|&i| keep(i / side, i % side))
        .map(|i| f64::from(image[i]))
        .collect();
    kept.iter().sum::<f64>() / kept.len() as f64
}

#[test]
fn splits_are_disjoint_and_batches_carry_their_factors() {
    for open in [faces, chairs] {
        let train = open(Split::Train, &small(None)).expect("train");
        let test = open(Split::Test, &small(None)).expect("test");
        let total: usize = train.spec().factor_sizes.iter().product();
        assert_eq!((train.len() + test.len(), test.len()), (total, total / 10));
        let combinations: BTreeSet<Vec<usize>> = (0..train.len())
            .map(|i| train.factors(i))
            .chain((0..test.len()).map(|i| test.factors(i)))
            .collect();
        assert_eq!(combinations.len(), total);
        assert_ne!(train.spec().checksum, test.spec().checksum);
        let batch = test.batch(&[5, 0, 5]).expect("in range");
        assert_eq!(batch.x.dim(), (3, 1, 32, 32));
        let factors = batch.factors.expect("factors");
        let labels = batch.labels.expect("labels");
        for (row, &index) in [5_usize, 0, 5].iter().enumerate() {
            let classes = test.factors(index);
            assert_eq!(labels[row], classes[0] as i64);
            let found: Vec<usize> = factors.row(row).iter().map(|&v| v as usize).collect();
            assert_eq!(found, classes);
            let bytes = test.draw(&classes);
            assert!(
                batch
                    .x
                    .index_axis(ndarray::Axis(0), row)
                    .iter()
                    .zip(&bytes)
                    .all(|(&v, &b)| v == f32::from(b) / 255.0)
            );
        }
        assert!(test.batch(&[test.len()]).is_err());
    }
}

#[test]
fn samples_are_the_front_of_the_split_and_bad_options_are_named() {
    let whole = faces(Split::Train, &small(None)).expect("whole");
    let few = faces(Split::Train, &small(Some(20))).expect("few");
    assert_eq!(few.len(), 20);
    assert!((0..20).all(|i| few.factors(i) == whole.factors(i)));
    assert_ne!(few.spec().checksum, whole.spec().checksum);
    for (options, word) in [
        (
            OpenOptions {
                size: Some(8),
                ..small(None)
            },
            "size",
        ),
        (small(Some(0)), "samples"),
    ] {
        let error = chairs(Split::Test, &options).err().expect(word).to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn all_identities_and_poses_differ() {
    let faces = faces(Split::Test, &small(None)).expect("faces");
    let chairs = chairs(Split::Test, &small(None)).expect("chairs");
    let mut seen = BTreeSet::new();
    for identity in 0..50 {
        assert!(seen.insert(faces.draw(&[identity, 10, 5, 5])));
    }
    for identity in 0..500 {
        assert!(
            seen.insert(chairs.draw(&[identity, 3, 2])),
            "chair {identity}"
        );
    }
    for azimuth in (0..21).filter(|&a| a != 10) {
        assert!(seen.insert(faces.draw(&[7, azimuth, 5, 5])));
    }
    for azimuth in (0..31).filter(|&a| a != 3) {
        assert!(seen.insert(chairs.draw(&[7, azimuth, 2])));
    }
}

#[test]
fn a_turned_face_under_turned_light_is_the_mirror_image() {
    let set = faces(Split::Test, &small(None)).expect("faces");
    for identity in 0..10 {
        for (azimuth, elevation, light) in [(0, 5, 2), (6, 0, 9), (10, 10, 0), (17, 3, 5)] {
            let image = set.draw(&[identity, azimuth, elevation, light]);
            let mirror = set.draw(&[identity, 20 - azimuth, elevation, 10 - light]);
            let wrong = (0..1024)
                .filter(|&i| {
                    let other = mirror[i / 32 * 32 + 31 - i % 32];
                    image[i].abs_diff(other) > MIRROR_TOLERANCE
                })
                .count();
            // A sample that lies on an edge may fall on either side of it.
            assert!(wrong <= 4, "face {identity}: {wrong} pixels");
        }
    }
}

#[test]
fn light_comes_from_where_the_factor_says() {
    let set = faces(Split::Test, &small(None)).expect("faces");
    for identity in 0..50 {
        let left = set.draw(&[identity, 10, 5, 0]);
        let right = set.draw(&[identity, 10, 5, 10]);
        let on_left = |image: &[u8]| mean(image, |_, x| x < 16) - mean(image, |_, x| x >= 16);
        assert!(
            on_left(&left) > 15.0 && on_left(&right) < -15.0,
            "{identity}"
        );
    }
}

#[test]
fn nothing_is_cut_off_but_necks() {
    let faces = faces(Split::Test, &small(None)).expect("faces");
    let chairs = chairs(Split::Test, &small(None)).expect("chairs");
    let border = |y: usize, x: usize| y == 0 || x == 0 || x == 31;
    for identity in 0..50 {
        for (azimuth, elevation) in [(0, 0), (10, 0), (20, 10), (10, 10), (5, 5)] {
            let image = faces.draw(&[identity, azimuth, elevation, 5]);
            let most = (0..1024)
                .filter(|&i| border(i / 32, i % 32))
                .map(|i| image[i])
                .max();
            assert_eq!(most, Some(0), "face {identity} at {azimuth}, {elevation}");
            assert!(mean(&image, |_, _| true) > 20.0, "face {identity} is dark");
        }
    }
    for identity in 0..500 {
        for (azimuth, elevation) in [(0, 0), (4, 4), (12, 2), (20, 4)] {
            let image = chairs.draw(&[identity, azimuth, elevation]);
            let least = (0..1024)
                .filter(|&i| border(i / 32, i % 32) || i / 32 == 31)
                .map(|i| image[i])
                .min();
            assert_eq!(
                least,
                Some(255),
                "chair {identity} at {azimuth}, {elevation}"
            );
            let inked = image.iter().filter(|&&v| v < 230).count();
            // Thin stools seen from the side cover least, about 3 % of the picture.
            assert!(
                inked > 20,
                "chair {identity} is hardly there: {inked} of 1024 pixels"
            );
        }
    }
}
