//! The user's door: `vaegis audit` on weights that PyTorch wrote, and its refusals.

mod common;

use common::{results, run, succeed};
use serde_json::Value;
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

/// Its σ is a network with a known Lipschitz constant, so all definitions are certified.
const LIPSCHITZ: &str = r#"
[dataset]
name = "sprites"
size = 8
train-items = 256
test-items = 20
[model]
family = "lipschitz-vae"
input = [1, 8, 8]
latent = 3
hidden = [16]
encoder-lipschitz = 3.0
decoder-lipschitz = 6.0
[model.sigma]
kind = "network"
lipschitz = 2.0
r = 3.0
[train]
batch-size = 32
epochs = 2
"#;

const OPTIONS: &str =
    "--images 4 --r 3 --norms 0.5,2 --restarts 2 --steps 5 --samples 60 --threads 1 --quiet";

fn weights() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch_vae.safetensors");
    file.to_str().expect("text").to_owned()
}

/// An infinite number is a word in JSON.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::INFINITY)
}

/// The definitions of a list of findings.
fn variants(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|of| of["variant"].as_str().expect("a name"))
        .collect()
}

/// Sound: no attack of ours by the same definition may beat a certificate. Definitions have no
/// order among each other. Returns how many were compared.
fn certificates_below_margins(input: &Value) -> usize {
    let margins = input["margins"].as_array().expect("a list");
    let mut num_compared = 0;
    for certificate in input["certificates"].as_array().expect("a list") {
        let variant = &certificate["variant"];
        let Some(margin) = margins.iter().find(|m| m["variant"] == *variant) else {
            continue;
        };
        let radius = number(&certificate["best"]["radius"]);
        let upper = number(&margin["margin"]["upper"]);
        assert!(radius <= upper, "{variant}: {radius} above {upper}");
        num_compared += 1;
    }
    num_compared
}

/// The headings of the table of inputs.
fn columns(report: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(report.join("data/inputs.csv")).expect("the table");
    let heading = text.lines().next().expect("a heading");
    heading.split(',').map(str::to_owned).collect()
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
        "Margin V1 (mean only): under every attack",
        "Margin V2 (mean and noise scale): under every attack",
        "First-order bound B_F, V1 (mean only)",
        "Certificate V1 (mean only)",
        "random direction, V2 (mean and noise scale)",
    ] {
        assert!(said.contains(word), "{word} is not said in:\n{said}");
    }
    let report = read_folder(&at.join("report")).expect("a report");
    assert_eq!(report.sections.len(), 3);
    let text = std::fs::read_to_string(at.join("report/audit.json")).expect("the numbers");
    let numbers: Value = serde_json::from_str(&text).expect("JSON");
    let summary = &numbers["summary"];
    assert_eq!(variants(&summary["margins"]), ["mean-only", "both"]);
    assert_eq!(summary["random"]["variant"], "both");
    let inputs = numbers["inputs"].as_array().expect("a list");
    assert_eq!(inputs.len(), 4);
    for input in inputs {
        let at = |path: &str| number(input.pointer(path).expect("a value"));
        assert_eq!(input["bounds"]["variant"], "mean-only");
        let bound = at("/bounds/confident/frobenius");
        assert!(bound >= 0.0, "{bound}");
        assert_eq!(variants(&input["margins"]), ["mean-only", "both"]);
        // One set of draws: p₀ is that of both definitions.
        assert_eq!(input["margins"][0]["p0"], input["margins"][1]["p0"]);
        for margin in ["/margins/0/margin/value", "/margins/1/margin/value"] {
            assert!(at(margin) >= 0.0, "{margin}: {}", at(margin));
        }
        assert_eq!(input["random"]["variant"], "both");
        // σ of this network has no Lipschitz constant, so V1 alone is certified.
        assert_eq!(variants(&input["certificates"]), ["mean-only"]);
        assert_eq!(certificates_below_margins(input), 1);
        assert!(at("/channels/both") > 0.0 && at("/distortion") > 0.0);
    }
    let columns = columns(&at.join("report"));
    for column in [
        "V1 (mean only): margin from",
        "V2 (mean and noise scale): margin from",
        "V1 (mean only): B_F",
        "V1 (mean only): certificate",
        "V2 (mean and noise scale): damage",
    ] {
        assert!(columns.iter().any(|c| c == column), "{column}: {columns:?}");
    }
    let before = results(&at.join("report"));
    succeed(at, &words);
    common::assert_same(&before, &results(&at.join("report")));
}

/// Every definition that can be certified is shown with its own evidence, and stands beside the
/// margin of that definition alone.
#[test]
fn a_lipschitz_vae_shows_the_certificates_of_every_definition() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("lipschitz.toml"), LIPSCHITZ).expect("written");
    succeed(at, "train lipschitz.toml --out m --threads 1 --quiet");
    let said = succeed(at, &format!("audit m --out report {OPTIONS}"));
    let definitions = [
        "V1 (mean only)",
        "V2 (mean and noise scale)",
        "V3 (two samples)",
    ];
    let columns = columns(&at.join("report"));
    for definition in definitions {
        let sentence = format!("Certificate {definition}");
        assert!(
            said.contains(&sentence),
            "{sentence} is not said in:\n{said}"
        );
        for what in ["certificate", "certificate by", "certificate is"] {
            let column = format!("{definition}: {what}");
            assert!(columns.contains(&column), "{column}: {columns:?}");
        }
    }
    // V3 is certified and not attacked.
    assert!(!columns.contains(&"V3 (two samples): margin from".to_owned()));
    let text = std::fs::read_to_string(at.join("report/audit.json")).expect("the numbers");
    let numbers: Value = serde_json::from_str(&text).expect("JSON");
    for input in numbers["inputs"].as_array().expect("a list") {
        let all = &input["certificates"];
        assert_eq!(variants(all), ["mean-only", "both", "two-sample"]);
        for certificate in all.as_array().expect("a list") {
            let evidence = &certificate["best"]["evidence"];
            let kind = evidence["kind"].as_str().expect("a kind");
            assert!(kind.starts_with("sound"), "{kind}");
            if kind == "sound_with_confidence" {
                assert_eq!(evidence["confidence"], 1.0 - 1e-3);
            }
        }
        assert_eq!(certificates_below_margins(input), 2);
    }
}

/// Two files in one folder have a report each, and no audit takes the place of another one.
#[test]
fn files_keep_their_reports_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("vae.toml"), CONFIG).expect("written");
    std::fs::write(at.join("tiny.toml"), common::TINY).expect("written");
    succeed(at, "train tiny.toml --out m --threads 1 --quiet");
    std::fs::copy(weights(), at.join("a.safetensors")).expect("copied");
    std::fs::copy(at.join("m/model.safetensors"), at.join("b.safetensors")).expect("copied");
    let audit_a = format!("audit a.safetensors --config vae.toml {OPTIONS}");
    succeed(at, &audit_a);
    succeed(at, &format!("audit b.safetensors {OPTIONS}"));
    succeed(at, &format!("audit m {OPTIONS}"));
    for report in ["a-audit", "b-audit", "m/audit"] {
        assert!(at.join(report).join("audit.json").exists(), "{report}");
    }
    assert!(!at.join("audit").exists());

    let before = common::snapshot(&at.join("a-audit"));
    for (words, different) in [
        (format!("{audit_a} --seed 1"), "seed"),
        (format!("{audit_a} --m 0.6"), "options"),
        (
            format!("audit b.safetensors --out a-audit {OPTIONS}"),
            "model-sha256",
        ),
    ] {
        let output = run(at, &words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{words} must fail");
        let is_named = stderr.contains("a-audit/audit.json") && stderr.contains(different);
        assert!(is_named && stderr.contains("--out"), "{words}: {stderr}");
    }
    assert_eq!(before, common::snapshot(&at.join("a-audit")));
}

/// A checkpoint says nothing of its model; the folder of its run does, and gets the report.
#[test]
fn a_checkpoint_is_the_model_that_its_run_describes() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("tiny.toml"), common::TINY).expect("written");
    succeed(at, "train tiny.toml --out m --threads 1 --quiet");
    let before = common::snapshot(&at.join("m/checkpoint"));
    let mut numbers = Vec::new();
    for path in ["m/checkpoint", "m/checkpoint/model.safetensors"] {
        let said = succeed(at, &format!("audit {path} {OPTIONS}"));
        assert!(said.contains("m/checkpoint/model.safetensors"), "{said}");
        assert!(!said.contains("unfinished"), "{said}");
        let file = at.join("m/audit/audit.json");
        let text = std::fs::read_to_string(&file).expect("the numbers");
        std::fs::remove_dir_all(at.join("m/audit")).expect("removed");
        numbers.push(serde_json::from_str::<Value>(&text).expect("JSON"));
    }
    assert_eq!(numbers[0], numbers[1]);
    assert_eq!(before, common::snapshot(&at.join("m/checkpoint")));
    // The training has ended, so these are the weights of the run.
    succeed(at, &format!("audit m {OPTIONS}"));
    let text = std::fs::read_to_string(at.join("m/audit/audit.json")).expect("the numbers");
    let finished: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(finished["inputs"], numbers[0]["inputs"]);
    // Moments of the optimizer are no model.
    let output = run(
        at,
        &format!("audit m/checkpoint/optimizer.safetensors {OPTIONS}"),
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("no key \"model\""),
        "{stderr}"
    );
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
        (format!("audit {weights} {OPTIONS}"), "--config TOML"),
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
