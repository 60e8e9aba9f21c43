//! The machine and the other side's versions.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use vaegis_benches::fixtures;
use vaegis_benches::summary::Summary;
use vaegis_tensor::{Device, Kind, Noise, Tensor};

/// Prints the versions as JSON.
const VERSIONS: &str = "import json, platform, torch, scipy, numpy; print(json.dumps({'Python': \
     platform.python_version(), 'PyTorch': torch.__version__, 'SciPy': scipy.__version__, \
     'NumPy': numpy.__version__, 'instructions': torch.backends.cpu.get_cpu_capability()}))";

/// Versions of Python and its packages.
pub(crate) fn versions(python: &Path) -> Result<BTreeMap<String, String>> {
    let output = Command::new(python)
        .args(["-c", VERSIONS])
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .with_context(|| format!("starting {}", python.display()))?;
    ensure!(
        output.status.success(),
        "{} lacks packages of benches/peers/requirements.txt: {}",
        python.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("reading the versions")
}

/// Operations per second of products of 1024 × 1024 matrices in f32, with the threads as they are
/// set: the median of several, as other work on the machine only slows them down.
pub(crate) fn gemm_rate() -> f64 {
    const SIDE: i64 = 1024;
    let noise = Noise::portable(fixtures::seed().child("gemm"));
    let draw = |label: &str| {
        noise
            .child(label)
            .uniform(&[SIDE, SIDE], Kind::Float, Device::Cpu)
    };
    let (a, b) = (draw("a"), draw("b"));
    let mut out = Tensor::zeros([SIDE, SIDE], (Kind::Float, Device::Cpu));
    let seconds: Vec<f64> = (0..25)
        .map(|_| {
            let start = Instant::now();
            out = a.matmul(&b);
            start.elapsed().as_secs_f64()
        })
        .collect();
    // The first ones start threads and load libraries.
    2.0 * (SIDE as f64).powi(3) / Summary::of(&seconds[5..]).median
}

/// The load averages of the last 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    words.join(" ")
}
