//! `vaegis audit`: one report on how robust a trained model is, also for weights
//! that another program wrote.

use super::machine::{MachineArgs, command_line};
use super::model_folder::{Loaded, ModelArgs, load, load_described};
use super::radius_args::RadiusArgs;
use super::run_config::RunConfig;
use crate::audit::{ASCENDING, AuditOptions, are_ascending, audit};
use crate::progress::Progress;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;
use vaegis_core::SeedTree;
use vaegis_core::codec::{read_json, write_json};
use vaegis_core::config::{Checks, Validate, load_toml};
use vaegis_core::error::{Violation, Violations};
use vaegis_nn::LatentModel;
use vaegis_report::RunManifest;
use vaegis_tensor::convert::to_tensor;
use vaegis_tensor::{Device, Noise};

/// Name of the raw numbers in the report's folder.
pub const AUDIT_FILE: &str = "audit.json";

/// Options of `vaegis audit`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  vaegis audit models/vae                              25 test images at r = 4
  vaegis audit vae.safetensors --config vae.toml       weights that PyTorch wrote
  vaegis audit models/vae --images 100 --r 6 --norms 1,2,5

The report has adversarial margins of V1 (mean only) and V2 (mean and noise scale), first-order
bounds of V1 with their confidence, certificates of every definition that can be certified,
random-direction margins, attacks with pictures, and what the reconstruction costs. The
configuration is that of `vaegis train`: its tables [model] and [dataset] are read. A folder that
holds the audit of another model or with other settings is refused.
Exit code 0: done; 1: an error, said on stderr; 2: a wrong command line.")]
pub struct AuditArgs {
    /// The model
    #[command(flatten)]
    pub model: ModelArgs,
    /// Configuration of weights that do not say what they are
    #[arg(long, value_name = "TOML")]
    pub config: Option<PathBuf>,
    /// Images, ball and effort
    #[command(flatten)]
    pub radius: RadiusArgs,
    /// Norms of the attacks, ascending; the largest is shown in pictures
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "0.5,1,2,4"
    )]
    pub norms: Vec<f64>,
    /// Folder for the report; without it MODEL/audit, or STEM-audit beside STEM.safetensors
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where it computes
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Validate for AuditArgs {
    fn violations(&self) -> Vec<Violation> {
        let mut checks = Checks::new();
        self.radius.check(&mut checks);
        let list: Vec<String> = self.norms.iter().map(f64::to_string).collect();
        let ok = are_ascending(&self.norms);
        checks.require("--norms", ok, ASCENDING, list.join(","));
        checks.into_violations()
    }
}

impl AuditArgs {
    fn options(&self) -> AuditOptions {
        AuditOptions {
            margins: self.radius.margins(AuditOptions::default().margins),
            num_samples: self.radius.clean_samples(),
            norms: self.norms.clone(),
            ..AuditOptions::default()
        }
    }

    fn load(&self, device: Device) -> Result<Loaded> {
        match &self.config {
            None => load(&self.model.model, device),
            Some(path) => {
                let config: RunConfig = load_toml(path)?;
                load_described(&self.model.model, &config, device)
            }
        }
    }

    /// Where the report goes. Several files of weights may lie in one folder, so theirs are told
    /// apart by name; the file of a checkpoint belongs to the folder of its run.
    fn folder(&self, loaded: &Loaded) -> PathBuf {
        let model = &self.model.model;
        match (&self.out, model.file_stem()) {
            (Some(out), _) => out.clone(),
            (None, Some(stem)) if model.is_file() && model.parent() == Some(&loaded.folder) => {
                let mut name = stem.to_owned();
                name.push("-audit");
                model.with_file_name(name)
            }
            (None, _) => loaded.folder.join("audit"),
        }
    }
}

/// Refuses a folder with an audit of something else; the same one is measured again.
fn refuse_other_audit(folder: &Path, asked: &Value) -> Result<()> {
    let path = folder.join(AUDIT_FILE);
    if !path.exists() {
        return Ok(());
    }
    let stored: Value = read_json(&path)?;
    let keys = asked.as_object().into_iter().flat_map(|map| map.keys());
    let different: Vec<&str> = keys
        .filter(|key| stored["asked"][key.as_str()] != asked[key.as_str()])
        .map(String::as_str)
        .collect();
    if !different.is_empty() {
        bail!(
            "{} was measured with another model or other settings (different: {}): choose another \
             --out or remove it",
            path.display(),
            different.join(", ")
        );
    }
    Ok(())
}

/// Audits the model and writes the report.
///
/// # Errors
/// No such model, weights that do not fit the configuration, impossible numbers, a folder of another
/// audit, disk errors.
pub fn run(args: &AuditArgs, print: &mut dyn FnMut(&str)) -> Result<()> {
    let start = Instant::now();
    let violations = args.violations();
    if !violations.is_empty() {
        bail!("command line: {}", Violations(violations));
    }
    let machine = args.machine.resolve()?;
    let loaded = args.load(machine.device)?;
    let root = machine.data_root.as_deref();
    let (dataset, test) = loaded.test_set(args.model.dataset.as_deref(), root)?;
    let tree = SeedTree::new(args.radius.seed).child("audit");
    let positions = args.radius.positions(test.len(), &tree);
    let x = to_tensor(&test.batch(&positions)?.x).to_device(machine.device); // [N, C, H, W]
    let model: &dyn LatentModel = &*loaded.model;
    let options = args.options();
    let asked = json!({
        "options": options,
        "seed": args.radius.seed,
        "dataset": dataset,
        "dataset-checksum": test.spec().checksum,
        "images": positions,
        "model-sha256": loaded.sha256,
        "model": vaegis_zoo::Model::config(&*loaded.model),
    });
    let out = args.folder(&loaded);
    refuse_other_audit(&out, &asked)?;
    let progress = Progress::unless(args.machine.quiet, "audit", 1.0);
    let found = audit(
        model,
        &x,
        &options,
        &Noise::portable(tree),
        |share, what| {
            progress.advance(share, what);
        },
    )?;
    progress.finish();

    std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
    let mut provenance = machine.provenance(args.radius.seed, &[&*test]);
    provenance.finish(start);
    let manifest = RunManifest::new("audit", "own")
        .with_command(&command_line())
        .with_seeds(&[args.radius.seed])
        .with_config(&asked)?
        .with_provenance(&provenance)?;
    let names: Vec<String> = positions.iter().map(|p| format!("test {p}")).collect();
    let report = found.report("How robust is this VAE?", &names, manifest)?;
    let written = vaegis_report::write_folder(&out, &report)?;
    write_json(
        &out.join(AUDIT_FILE),
        &json!({ "asked": asked, "summary": found.summary, "inputs": found.inputs }),
    )?;
    print(&loaded.describe());
    for sentence in found.sentences() {
        print(&sentence);
    }
    print(&format!("report: {}", written.html.display()));
    Ok(())
}
