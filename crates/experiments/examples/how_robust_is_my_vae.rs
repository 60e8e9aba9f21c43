//! How robust is my VAE? The audit as a library call, for a program that already
//! has its weights and its inputs at hand.
//!
//! ```text
//! cargo run --release -p vaegis-experiments --example how_robust_is_my_vae -- \
//!     WEIGHTS.safetensors CONFIG.toml OUT [INPUTS]
//! ```
//!
//! The weights may come from PyTorch; the configuration is that of `vaegis train`, of which the
//! tables `[model]` and `[dataset]` are read. From the command line, `vaegis audit` does the same.

use anyhow::{Context as _, Result, bail};
use std::io::Write as _;
use std::path::Path;
use vaegis_core::SeedTree;
use vaegis_core::config::load_toml;
use vaegis_data::Split;
use vaegis_experiments::audit::{AuditOptions, audit};
use vaegis_experiments::commands::run_config::RunConfig;
use vaegis_report::RunManifest;
use vaegis_tensor::checkpoint::{self, Limits};
use vaegis_tensor::convert::to_tensor;
use vaegis_tensor::{Device, Kind, Noise, ParamStore};
use vaegis_zoo::{build, weights};

/// Inputs without a number on the command line.
const INPUTS: usize = 10;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (weights_file, config, out, number) = match words.as_slice() {
        [weights, config, out] => (weights, config, out, INPUTS),
        [weights, config, out, number] => {
            let number = number.parse().context("INPUTS is a whole number")?;
            (weights, config, out, number)
        }
        _ => bail!("usage: how_robust_is_my_vae WEIGHTS.safetensors CONFIG.toml OUT [INPUTS]"),
    };

    // 1. The network that the configuration describes, with the weights of the file.
    let config: RunConfig = load_toml(Path::new(config))?;
    let noise = Noise::portable(SeedTree::new(0));
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise.child("overwritten"));
    let model = build(&config.model, &store)?;
    let (tensors, _) = checkpoint::load(Path::new(weights_file), Limits::default())?;
    weights::load_weights(&store, &tensors)?;
    store.set_trainable(false);

    // 2. Inputs, [N, C, H, W].
    let root = vaegis_data::default_root(None);
    let test = config.dataset.open(Split::Test, root.as_deref())?;
    let positions: Vec<usize> = (0..test.len().min(number)).collect();
    let x = to_tensor(&test.batch(&positions)?.x);

    // 3. The audit: a radius that means something for these images, and the attacks' norms.
    let mut options = AuditOptions {
        norms: vec![0.5, 1.0, 2.0],
        ..AuditOptions::default()
    };
    options.margins.r = 2.0;
    let found = audit(&*model, &x, &options, &noise.child("audit"), |_, _| ())?;

    // 4. What it says: in words, per input, and as a page.
    let mut console = std::io::stdout();
    for sentence in found.sentences() {
        writeln!(console, "{sentence}")?;
    }
    let names: Vec<String> = positions.iter().map(|p| format!("test {p}")).collect();
    let manifest = RunManifest::new("audit", "example").with_config(&config)?;
    let report = found.report("How robust is my VAE?", &names, manifest)?;
    let written = vaegis_report::write_folder(Path::new(out), &report)?;
    writeln!(console, "report: {}", written.html.display())?;
    Ok(())
}
