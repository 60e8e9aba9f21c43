//! The user's door: `vaegis audit` on weights that PyTorch wrote, and its refusals.

mod common;

use common::{results, run, succeed};
use std::path::Path;
use vaegis_report::read_folder;

const CONFIG: &str = r#"
[dataset]
name = "sprites"
size = 8
test-items = 20
[model]
family = "vae"
input = [1, 8, 8]
latent = 3
[model.network]
kind = "mlp"
hidden = [16]
"#;

const OPTIONS: &str =
    "--images 4 --r 3 --norms 0.5,2 --restarts 2 --steps 5 --samples 60 --threads 1 --quiet";

fn weights() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch_vae.safetensors");
    file.to_str().expect("text").to_owned()
}

#[test]
fn weights_from_pytorch_get_a_whole_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("vae.toml"), CONFIG).expect("written");
    let words = format!(
        "audit {} --config vae.toml --out report {OPTIONS}",
        weights()
    );
    let said = succeed(at, &words);
    for word in [
        "Margin: under every attack",
        "First-order bound",
        "Certificate against attacks on μ",
        "random direction",
    ] {
        assert!(said.contains(word), "{word} is not said in:\n{said}");
    }
    let report = read_folder(&at.join("report")).expect("a report");
    assert_eq!(report.sections.len(), 3);
    let text = std::fs::read_to_string(at.join("report/audit.json")).expect("the numbers");
    let numbers: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let inputs = numbers["inputs"].as_array().expect("a list");
    assert_eq!(inputs.len(), 4);
    for input in inputs {
        // An infinite number is a word in JSON.
        let at = |path: &str| {
            let value = input.pointer(path).expect("a value");
            value.as_f64().unwrap_or(f64::INFINITY)
        };
        let (bound, margin) = (
            at("/bounds/confident/frobenius"),
            at("/margin/margin/value"),
        );
        assert!(bound >= 0.0 && margin >= 0.0, "{bound}, {margin}");
        // Sound on the mean: no attack of ours may beat it.
        let certified = at("/certificates/0/best/radius");
        assert!(certified <= at("/margin/margin/upper"), "{certified}");
        assert!(at("/channels/both") > 0.0 && at("/distortion") > 0.0);
    }
    let before = results(&at.join("report"));
    succeed(at, &words);
    common::assert_same(&before, &results(&at.join("report")));
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("wide.toml"), CONFIG.replace("[16]", "[17]")).expect("written");
    std::fs::write(at.join("vae.toml"), CONFIG).expect("written");
    let weights = weights();
    for (words, expected) in [
        (
            format!("audit {weights} --config wide.toml {OPTIONS}"),
            "not those of the configured model",
        ),
        (format!("audit {weights} {OPTIONS}"), "no key \"model\""),
        (
            format!("audit nothing.safetensors --config vae.toml {OPTIONS}"),
            "does not exist",
        ),
        (
            format!("audit {weights} --config vae.toml --images 0 --quiet"),
            "--images",
        ),
        // The last norm is shown as the largest.
        (
            format!("audit {weights} --config vae.toml --norms 2,1 --quiet"),
            "--norms: expected positive numbers in ascending order, at least one, found 2,1",
        ),
        (
            format!("audit {weights} --config vae.toml --norms 1,1 --quiet"),
            "found 1,1",
        ),
        (
            format!("audit {weights} --config vae.toml --norms 0,1 --quiet"),
            "found 0,1",
        ),
    ] {
        let output = run(at, &format!("{words} --out report"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{words} must fail");
        assert!(stderr.contains(expected), "{words}: {stderr}");
        assert!(!at.join("report").exists(), "{words} left a folder");
    }
}
