//! Configurations, devices and output folders that cannot be used.

use crate::common::vaegis;
use crate::makers::*;

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
            prepare: |f| config(f, replaced("batch-size", "batchsize")),
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
                    replaced("batch-size = 32", "batch-size = 999\ndrop-last = true"),
                );
            },
            words: TRAIN,
            needles: &["c.toml", "256", "999", "drop-last"],
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
                config(f, replaced("batch-size = 32", "batch-size = 16"));
            },
            words: TRAIN,
            needles: &["another run", "batch-size"],
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
