//! Data sets that are damaged or missing.

use crate::makers::*;

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
