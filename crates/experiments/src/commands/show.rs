//! `vaegis show`: what a folder or a file holds and where it comes from.

use super::attack::{AttackSettings, AttackSummary};
use super::margin::{MARGINS_FILE, Margins};
use super::margin_table::{network, summary_lines};
use super::model_folder::{MODEL_FILE, RECIPE_FILE, RUN_FILE, load, stored_run};
use super::train::TrainResult;
use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use vaegis_attacks::record::AttackRecord;
use vaegis_core::codec::{read_json, read_jsonl};
use vaegis_core::provenance::Provenance;
use vaegis_report::Verdict;
use vaegis_report::folder::RECORD_NAME;
use vaegis_tensor::Device;
use vaegis_tensor::checkpoint::{Limits, read_header};
use vaegis_train::{CHECKPOINT_FOLDER, METRICS_FILE, read_metrics};
use vaegis_zoo::Model;

/// Options of `vaegis show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  vaegis show models/vae                        a trained model, or one in training
  vaegis show models/vae/model.safetensors      one file of weights, PyTorch's too
  vaegis show models/vae/attack-kl              attacks, finished or not
  vaegis show target/reproduce/tour-smoke-0     a report with its claims

Everything shown is read in full and checked, so a damaged file is refused.
Exit code 0: intact; 1: damaged or nothing that vaegis writes; 2: a wrong command line.")]
pub struct ShowArgs {
    /// Folder or file
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
}

/// Prints what is at the path.
///
/// # Errors
/// Nothing there, nothing that vaegis writes, or something damaged.
pub fn run(args: &ShowArgs, print: &mut dyn FnMut(&str)) -> Result<()> {
    let path = &args.path;
    if !path.exists() {
        bail!("{} does not exist: check the path", path.display());
    }
    if path.is_file() {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        return match (name, path.parent()) {
            (RECORD_NAME | "report.html" | MARGINS_FILE | "job.json" | RUN_FILE, Some(folder)) => {
                folder_at(folder, print)
            }
            _ if name.ends_with(".safetensors") => weights(path, print),
            _ => bail!(
                "{} is no file that vaegis shows: give a folder that it wrote, or a .safetensors \
                 file",
                path.display()
            ),
        };
    }
    folder_at(path, print)
}

fn folder_at(folder: &Path, print: &mut dyn FnMut(&str)) -> Result<()> {
    let has = |name: &str| folder.join(name).exists();
    let mut known = false;
    if has(RUN_FILE) || has(RECIPE_FILE) || has(MODEL_FILE) {
        training(folder, print)?;
        known = true;
    }
    if has("job.json") {
        attacks(folder, print)?;
        known = true;
    }
    if has(MARGINS_FILE) {
        margins(folder, print)?;
        known = true;
    }
    if has(RECORD_NAME) {
        report(folder, print)?;
        known = true;
    }
    if !known {
        bail!(
            "{} holds nothing that vaegis writes: expected {RUN_FILE} or {MODEL_FILE} (a trained \
             model), job.json (attacks), {MARGINS_FILE} (margins) or {RECORD_NAME} (a report)",
            folder.display()
        );
    }
    Ok(())
}

/// One file of weights, with or without our metadata.
fn weights(file: &Path, print: &mut dyn FnMut(&str)) -> Result<()> {
    let header = read_header(file, Limits::default())?;
    let describes_model = header
        .raw_metadata
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .is_some_and(|envelope| !envelope["meta"]["model"].is_null());
    if describes_model {
        let loaded = load(file, Device::Cpu)?;
        print(&format!("model: {}", loaded.describe()));
        print_config(&*loaded.model, print)?;
    } else {
        // Reading the values checks the checksum where there is one.
        let (_, meta) = vaegis_tensor::checkpoint::load(file, Limits::default())?;
        print(&format!("weights: {}", file.display()));
        if let Some(step) = meta.get("step") {
            print(&format!("after {step} steps of training"));
        }
    }
    for entry in &header.entries {
        print(&format!(
            "  {:<40} {:>5} {:?}",
            entry.name,
            entry.dtype(),
            entry.shape
        ));
    }
    Ok(())
}

fn print_config(model: &dyn Model, print: &mut dyn FnMut(&str)) -> Result<()> {
    for line in toml::to_string(&model.config())?
        .lines()
        .filter(|l| !l.is_empty())
    {
        print(&format!("  {line}"));
    }
    Ok(())
}

fn training(folder: &Path, print: &mut dyn FnMut(&str)) -> Result<()> {
    let config = stored_run(folder)?;
    let has_weights = folder.join(MODEL_FILE).exists() || folder.join(CHECKPOINT_FOLDER).exists();
    if has_weights {
        let loaded = load(folder, Device::Cpu)?;
        print(&format!("model: {}", loaded.describe()));
    } else {
        print(&format!(
            "model: {} before its first checkpoint",
            folder.display()
        ));
    }
    if let Some(config) = &config {
        for line in toml::to_string(config)?.lines().filter(|l| !l.is_empty()) {
            print(&format!("  {line}"));
        }
    }
    let metrics = folder.join(METRICS_FILE);
    if metrics.exists() {
        let records = read_metrics(&metrics)?;
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            print(&format!(
                "loss: {:.3} at step {}, {:.3} at step {} ({} records)",
                first.loss,
                first.step,
                last.loss,
                last.step,
                records.len()
            ));
        }
    }
    let result = folder.join("result.json");
    if result.exists() {
        let result: TrainResult = read_json(&result)?;
        print(&format!(
            "test ELBO: {:.3} nats over {} images",
            result.test.elbo(),
            result.test_images
        ));
    }
    provenance_file(folder, print)
}

fn attacks(folder: &Path, print: &mut dyn FnMut(&str)) -> Result<()> {
    let job: Value = read_json(&folder.join("job.json"))?;
    let num_rows = job["num_rows"].as_u64().unwrap_or(0);
    let path = folder.join("records.jsonl");
    let records: Vec<AttackRecord> = if path.exists() {
        read_jsonl(&path)?
    } else {
        Vec::new()
    };
    print(&format!(
        "attacks: {} of {num_rows} done in {}",
        records.len(),
        folder.display()
    ));
    if let Some(first) = records.first() {
        print(&format!("  {} by {}", first.objective, first.search));
    }
    let settings = folder.join("attack.json");
    if settings.exists() {
        let settings: AttackSettings = read_json(&settings)?;
        print(&format!(
            "  {} pairs x {} penalties on {}, seed {}, model {}",
            settings.pairs.len(),
            settings.lambdas.len(),
            settings.dataset.name,
            settings.seed,
            &settings.model_sha256.get(..16).unwrap_or("")
        ));
    }
    let summary = folder.join("summary.json");
    if summary.exists() {
        let summary: AttackSummary = read_json(&summary)?;
        print(&format!(
            "  mean area under the distortion-distance curve {:.3}",
            summary.auddc
        ));
    }
    Ok(())
}

fn margins(folder: &Path, print: &mut dyn FnMut(&str)) -> Result<()> {
    let margins: Margins = read_json(&folder.join(MARGINS_FILE))?;
    let options = &margins.settings.margin;
    print(&format!(
        "margins: {} images of {} at r = {}, m = {}, seed {}, model {}",
        margins.rows.len(),
        margins.settings.dataset.name,
        options.r,
        options.m,
        margins.settings.seed,
        network(&margins)
    ));
    for line in summary_lines(&margins) {
        print(&format!("  {line}"));
    }
    provenance_file(folder, print)
}

fn report(folder: &Path, print: &mut dyn FnMut(&str)) -> Result<()> {
    let report = vaegis_report::read_folder(folder)?;
    print(&format!("report: {}", report.title));
    let manifest = &report.manifest;
    let tier = match manifest.tier.as_str() {
        "" => String::new(),
        tier => format!(" at tier {tier}"),
    };
    print(&format!(
        "  {}{tier}, seeds {:?}",
        manifest.experiment, manifest.seeds
    ));
    print(&format!("  command: {}", manifest.command));
    if !report.claims.is_empty() {
        let counts = Verdict::ALL.map(|v| format!("{} {}", report.num_with(v), v.label()));
        print(&format!("  claims: {}", counts.join(", ")));
    }
    for claim in &report.claims {
        print(&format!(
            "    {:<13} {:<24} {}",
            claim.verdict.label(),
            claim.claim.id,
            claim.observed
        ));
    }
    if let Ok(provenance) = serde_json::from_value::<Provenance>(manifest.provenance.clone()) {
        show_provenance(&provenance, print);
    }
    Ok(())
}

fn provenance_file(folder: &Path, print: &mut dyn FnMut(&str)) -> Result<()> {
    let path = folder.join("provenance.json");
    if path.exists() {
        show_provenance(&read_json(&path)?, print);
    }
    Ok(())
}

fn show_provenance(p: &Provenance, print: &mut dyn FnMut(&str)) {
    let dirty = match p.git_dirty {
        Some(true) => " with changes",
        _ => "",
    };
    print(&format!(
        "  made by vaegis {} (commit {}{dirty}), libtorch {}, {} with {} threads",
        p.crate_version, p.git_revision, p.libtorch, p.device, p.threads
    ));
    print(&format!(
        "  on {} ({} cores, {}), started {}, {:.1} s",
        p.host.cpu, p.host.cores, p.host.os, p.started_at, p.wall_seconds
    ));
    for data in &p.datasets {
        print(&format!(
            "  data: {}, {}, sha256 {}",
            data.name, data.origin, data.checksum
        ));
    }
}
