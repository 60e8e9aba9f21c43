//! Models, results and options that cannot be used.

use crate::makers::*;

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
            name: "a scan of no width",
            prepare: trained,
            words: "margin m --scan 0",
            needles: &["--scan", "1 configuration"],
        },
        Case {
            name: "margins along another direction",
            prepare: trained,
            words: concat!(
                "margin m --images 2 --samples 50 --steps 3 --tolerance 2 --threads 1 ",
                "--direction fixed --scan 4"
            ),
            needles: &["m/margins", "other settings"],
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
